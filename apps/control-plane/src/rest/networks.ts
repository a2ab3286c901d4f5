import type { Context } from '../application/context.js';
import { registerNounRoutes } from './noun-routes.js';
import type { Routes } from './route.js';

export function registerNetworks(routes: Routes, ctx: Context): void {
  registerNounRoutes(routes, ctx, { kind: 'network', about: 'Each with its subnet, VNI and MTU.' });
}
