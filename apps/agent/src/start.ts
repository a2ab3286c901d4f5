import { keepNeededPrivileges } from '@portolan/kernel/privileges';

// Before anything else is read, let alone done.
keepNeededPrivileges();
await import('./main.js');
