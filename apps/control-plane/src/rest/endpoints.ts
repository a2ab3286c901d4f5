import type { Context } from '../application/context.js';
import { registerNounRoutes } from './noun-routes.js';
import type { Routes } from './route.js';

export function registerEndpoints(routes: Routes, ctx: Context): void {
  registerNounRoutes(routes, ctx, { kind: 'endpoint', about: 'Each with its addresses, and whether its agent sees its namespace.' });
}
