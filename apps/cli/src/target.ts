import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { usageFailure } from './failure.js';
import type { Terminal } from './terminal.js';

export const DEFAULT_URL = 'http://127.0.0.1:7080';

/** Which control plane and cluster a command speaks to. */
export interface Target {
  readonly url: string;
  /** Where the URL came from, for the error when nobody answers there. */
  readonly source: 'option' | 'environment' | 'lab' | 'default';
  readonly token: string | undefined;
  /** PEM of the authorities that a control plane over HTTPS is trusted by; undefined: those that Node knows. */
  readonly authorities: string | undefined;
  /** Undefined: the only cluster of the control plane. */
  readonly cluster: string | undefined;
}

interface Lab {
  readonly apiUrl: string;
  readonly cluster: string | undefined;
  readonly token: string | undefined;
}

export interface TargetOptions {
  readonly url: string | undefined;
  readonly cluster: string | undefined;
  readonly token: string | undefined;
  /** File with certificates. */
  readonly ca: string | undefined;
}

/** Options before environment before the running lab before the default. */
export function chooseTarget(options: TargetOptions, terminal: Terminal): Target {
  const { environment } = terminal;
  // An empty variable is an unset one.
  const given = options.url ?? (environment.PORTOLAN_URL || undefined);
  const token = options.token ?? (environment.PORTOLAN_TOKEN || undefined);
  const cluster = options.cluster ?? (environment.PORTOLAN_CLUSTER || undefined);
  const file = options.ca ?? (environment.PORTOLAN_CA || undefined);
  const authorities = file === undefined ? undefined : readAuthorities(resolve(terminal.directory, file), options.ca === undefined ? 'PORTOLAN_CA' : '--ca');
  if (given !== undefined) {
    return { url: given.replace(/\/+$/, ''), source: options.url === undefined ? 'environment' : 'option', token, authorities, cluster };
  }
  const lab = findLab(terminal.directory);
  if (lab === undefined) return { url: DEFAULT_URL, source: 'default', token, authorities, cluster };
  return { url: lab.apiUrl.replace(/\/+$/, ''), source: 'lab', token: token ?? lab.token, authorities, cluster: cluster ?? lab.cluster };
}

function readAuthorities(file: string, source: string): string {
  try {
    const pem = readFileSync(file, 'utf8');
    // Throws where it holds none: OpenSSL would trust nobody without a word.
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    throw usageFailure(
      `cannot read a certificate from ${file}: ${error instanceof Error ? error.message : String(error)}`,
      `Name a file in PEM with ${source}.`,
    );
  }
}

/** The running lab that `.portolan/lab.json` describes, here or in a folder above. */
function findLab(directory: string): Lab | undefined {
  for (let folder = directory; ; folder = dirname(folder)) {
    const lab = readLab(join(folder, '.portolan', 'lab.json'));
    if (lab !== undefined || dirname(folder) === folder) return lab;
  }
}

function readLab(file: string): Lab | undefined {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // No file, or one that a lab is just writing.
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('apiUrl' in value) || typeof value.apiUrl !== 'string') return undefined;
  return {
    apiUrl: value.apiUrl,
    cluster: 'cluster' in value && typeof value.cluster === 'string' ? value.cluster : undefined,
    token: 'token' in value && typeof value.token === 'string' ? value.token : undefined,
  };
}
