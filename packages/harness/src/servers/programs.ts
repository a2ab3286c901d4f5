import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type PortolanError, portolanError } from '@portolan/model';

const run = promisify(execFile);

/** Servers get no variable of ours: PGDATA, PGHOST or ETCD_NAME of the caller would change what they do. */
export const serverEnvironment: NodeJS.ProcessEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  // etcd refuses to start on other processors than amd64 unless it is told that one knows.
  ...(process.arch === 'x64' ? {} : { ETCD_UNSUPPORTED_ARCH: process.arch }),
};

function toolMissing(program: string, debianPackage: string): PortolanError {
  return portolanError('tool-missing', '', `${program} is not installed`, { fix: `Install it: apt-get install -y ${debianPackage}` });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Absolute path of a program. Fails with `tool-missing`, naming the Debian package. */
export function findProgram(program: string, debianPackage: string): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/usr/local/bin'];
  const found = folders.filter((folder) => folder.startsWith('/')).find((folder) => isExecutable(join(folder, program)));
  if (found === undefined) throw toolMissing(program, debianPackage);
  return join(found, program);
}

/** Folder of the newest installed PostgreSQL's programs. Debian keeps them out of PATH, one folder a major version. */
export function findPostgresPrograms(root = '/usr/lib/postgresql'): string {
  const versions = existsSync(root) ? readdirSync(root).map(Number).filter(Number.isInteger) : [];
  const newest = versions
    .sort((a, b) => b - a)
    .map((version) => join(root, String(version), 'bin'))
    .find((folder) => isExecutable(join(folder, 'postgres')) && isExecutable(join(folder, 'initdb')));
  if (newest === undefined) throw toolMissing('postgres', 'postgresql');
  return newest;
}

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** The account that PostgreSQL, which refuses to run as root, runs as; undefined when we are not root and it runs as ourselves. */
export async function postgresAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  try {
    const [uid, gid] = await Promise.all(['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)));
    if (uid !== undefined && gid !== undefined && Number.isInteger(uid) && Number.isInteger(gid)) return { uid, gid };
  } catch {
    // No such account: Debian's package makes it.
  }
  throw toolMissing('the account "postgres"', 'postgresql');
}

/** Runs a program to its end as `account`; the error that it rejects with holds stderr. */
export async function runToEnd(file: string, args: readonly string[], account: Account | undefined, environment: NodeJS.ProcessEnv = {}): Promise<void> {
  await run(file, [...args], { ...account, cwd: '/', env: { ...serverEnvironment, ...environment } });
}
