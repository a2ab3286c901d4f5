#!/usr/bin/env node
// What PRISMA_SCHEMA_ENGINE_BINARY names. Prisma starts it as it would its native engine.
import { register } from 'tsx/esm/api';

register();
await import('./main.ts');
