#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  console.error('error: portolan is not built\n  fix: run "npm run build" in the repository');
  process.exitCode = 1;
}
