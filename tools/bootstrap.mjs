// node tools/bootstrap.mjs [--test]: makes a fresh clone ready: npm packages, Debian packages, build. Does only what is
// missing, so a second run takes no time. Plain JavaScript without dependencies: it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const logs = join(root, '.portolan');
const forTests = process.argv.includes('--test');
const began = performance.now();

function say(line) {
  process.stdout.write(`${line}\n`);
}

function fail(lines) {
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exit(1);
}

/** Runs a program with its output in a file, and shows the end of that when it fails. */
function run(what, file, args, env = {}) {
  mkdirSync(logs, { recursive: true });
  const log = join(logs, `bootstrap-${what.replace(/[^a-z]+/gi, '-')}.log`);
  const start = performance.now();
  say(`  … ${what}`);
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const output = `${stdout ?? ''}${stderr ?? ''}${error ? error.message : ''}`;
  writeFileSync(log, output);
  if (status !== 0) fail([`${what} failed (all of it: ${log}):`, ...output.trimEnd().split('\n').slice(-25)]);
  say(`  ✔ ${what} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}

function npm(what, args) {
  // Started by npm, this is the same npm.
  const own = process.env.npm_execpath;
  if (own?.endsWith('.js')) run(what, process.execPath, [own, ...args]);
  else run(what, 'npm', args);
}

function requireNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [, major, minor] = /(\d+)\.(\d+)/.exec(engines.node);
  const [has, hasMinor] = process.versions.node.split('.').map(Number);
  if (has > Number(major) || (has === Number(major) && hasMinor >= Number(minor))) return;
  fail([`Portolan needs Node ${engines.node}, and this is ${process.version}.`, 'Install a newer one: https://nodejs.org/en/download']);
}

// ── npm packages ───────────────────────────────────────────────────────────────────────────────────────────────────

/** True when what npm noted of its last run in node_modules is what the lock file asks for. */
function hasNodeModules() {
  const noted = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(noted)) return false;
  const { packages: wanted } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const { packages: installed } = JSON.parse(readFileSync(noted, 'utf8'));
  return Object.entries(wanted).every(([path, { version, link, optional, extraneous }]) => {
    if (!path.includes('node_modules/') || optional || extraneous) return true;
    return link ? existsSync(join(root, path)) : installed[path]?.version === version;
  });
}

// ── Debian packages ────────────────────────────────────────────────────────────────────────────────────────────────

function hasProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}

function hasPostgres() {
  // Debian keeps the server out of PATH, one folder a major version.
  const folder = '/usr/lib/postgresql';
  return existsSync(folder) && readdirSync(folder).some((version) => existsSync(join(folder, version, 'bin/postgres')));
}

/** True when hosts can be made on this kernel: it has IPVS, or a module of it that can be loaded. */
function hasIpvs() {
  const chosen = process.env.PORTOLAN_LAB_MACHINE;
  if (chosen === 'native' || chosen === 'uml') return chosen === 'native';
  if (!hasProgram('modprobe')) return existsSync('/proc/net/ip_vs') || existsSync(`/lib/modules/${release()}/kernel/net/netfilter/ipvs`);
  spawnSync('modprobe', ['-q', 'ip_vs']);
  return existsSync('/proc/net/ip_vs');
}

/** Debian packages that are needed here and missing. */
function missingPackages() {
  // Servers that the environment names are used as they are; the tests start their own all the same.
  const ownServer = (variable) => forTests || !process.env[variable];
  const guest = !hasIpvs();
  const needed = [
    ['postgresql', ownServer('DATABASE_URL'), hasPostgres],
    ['redis-server', ownServer('REDIS_URL'), () => hasProgram('redis-server')],
    ['etcd-server', ownServer('ETCD_ENDPOINTS'), () => hasProgram('etcd')],
    ['iproute2', true, () => hasProgram('ip') && hasProgram('bridge')],
    ['iptables', true, () => hasProgram('iptables-save')],
    ['ipvsadm', true, () => hasProgram('ipvsadm')],
    ['conntrack', true, () => hasProgram('conntrack')],
    ['util-linux', true, () => hasProgram('nsenter') && hasProgram('unshare')],
    ['procps', true, () => hasProgram('sysctl')],
    ['kmod', true, () => hasProgram('modprobe')],
    ['user-mode-linux', guest, () => hasProgram('linux.uml')],
    // For packages/harness/shim, which linux.uml needs on processors with AMX.
    ['tcc', guest, () => ['tcc', 'cc', 'gcc', 'clang'].some(hasProgram)],
    ['redis-tools', forTests, () => hasProgram('redis-cli')],
    ['tcpdump', forTests, () => hasProgram('tcpdump')],
    ['iputils-ping', forTests, () => hasProgram('ping')],
    ['chromium', forTests, () => hasProgram('chromium')],
  ];
  return needed.filter(([, applies, isThere]) => applies && !isThere()).map(([name]) => name);
}

function installPackages() {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const isDebian = existsSync('/etc/debian_version') && hasProgram('apt-get');
  if (!isDebian || process.getuid?.() !== 0) {
    fail([
      `Missing: ${missing.join(' ')} (names of Debian packages).`,
      isDebian
        ? `Install them as root: apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`
        : 'Install what holds them with the packager of this system. The lab itself is tried on Debian 12 and Ubuntu.',
      'Or run the control plane alone, with its servers, in containers: docker compose up',
    ]);
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get update', 'apt-get', ['update', '-q'], env);
  run(`apt-get install ${missing.join(' ')}`, 'apt-get', ['install', '-qy', '--no-install-recommends', ...missing], env);
  const still = missingPackages();
  if (still.length > 0) fail([`apt-get has installed ${still.join(' ')}, but the programs of them are not there.`]);
}

// ── build ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ['generated', 'node_modules'].includes(entry.name) ? [] : filesBelow(path);
    return [path];
  });
}

const workspaces = ['packages', 'apps'].flatMap((group) =>
  readdirSync(join(root, group))
    .map((name) => join(root, group, name))
    .filter((folder) => existsSync(join(folder, 'tsconfig.json'))),
);

/** Changes whenever an input of the build does. */
function sourcesHash() {
  const files = [
    ...workspaces.flatMap((folder) => [join(folder, 'tsconfig.json'), join(folder, 'package.json'), ...filesBelow(join(folder, 'src'))]),
    ...[
      'tsconfig.json',
      'tsconfig.base.json',
      'package-lock.json',
      'prisma/schema.prisma',
      'tools/bundle.mjs',
      'apps/control-plane/schema.graphql',
      'apps/dashboard/index.html',
      'apps/dashboard/vite.config.ts',
    ].map((name) => join(root, name)),
  ];
  const hash = createHash('sha256').update(process.version);
  for (const file of files.sort()) {
    const { mtimeMs, size } = statSync(file);
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex');
}

function build() {
  const stamp = join(logs, 'built');
  const isBuilt =
    workspaces.every((folder) => existsSync(join(folder, 'dist/.tsbuildinfo'))) &&
    ['apps/agent/dist/bundle', 'apps/dashboard/dist/site/index.html'].every((path) => existsSync(join(root, path)));
  const hash = sourcesHash();
  if (isBuilt && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  npm('build', ['run', '--silent', 'build']);
  writeFileSync(stamp, hash);
}

requireNode();
// Debian packages first: who cannot install them learns so at once.
installPackages();
if (!hasNodeModules()) npm('npm ci', ['ci', '--no-audit', '--no-fund']);
build();
say(`Ready to ${forTests ? 'test' : 'run'} (${((performance.now() - began) / 1000).toFixed(1)} s).`);
