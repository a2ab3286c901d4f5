import type { Context } from '../application/context.js';
import { registerNounDelete, registerNounRoutes } from './noun-routes.js';
import type { Routes } from './route.js';

export function registerNetworks(routes: Routes, ctx: Context): void {
  registerNounRoutes(routes, ctx, { kind: 'network', about: 'Each with its subnets, VNIs, MTU, and how many of its addresses are used and by what.' });
  registerNounDelete(routes, ctx, 'network');
}
