import type { Context } from '../application/context.js';
import { registerNounDelete, registerNounRoutes } from './noun-routes.js';
import type { Routes } from './route.js';

export function registerServices(routes: Routes, ctx: Context): void {
  registerNounRoutes(routes, ctx, { kind: 'service', about: 'Each with its VIP and mark in each network, and its published ports.' });
  registerNounDelete(routes, ctx, 'service');
}
