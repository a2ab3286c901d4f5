import { PortolanError, portolanError } from '@portolan/model';
import type { Exec } from './ports.js';

const engines = ['docker', 'podman'] as const;

/** Nothing in it can be taken for an option, and a name holds no blank. */
const FORMAT = '{{.Id}} {{.Name}} {{.State.Pid}}';

function pidsIn(output: string, names: readonly string[]): Map<string, number> {
  const pids = new Map<string, number>();
  for (const line of output.split('\n')) {
    const [id = '', engineName = '', pid = '0'] = line.trim().split(' ');
    // Docker writes its names with a slash before them; a container that is not running has process 0.
    const name = engineName.replace(/^\//, '');
    if (id === '' || !(Number(pid) > 0)) continue;
    for (const asked of names) if (asked === name || id === asked || (asked.length >= 12 && id.startsWith(asked))) pids.set(asked, Number(pid));
  }
  return pids;
}

/**
 * First processes of the running containers among `names` (names or ids), from whichever of Docker and podman is
 * installed: one process each. Fails with `tool-missing` when neither is.
 */
export async function containerPids(exec: Exec, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  let installed = 0;
  for (const engine of engines) {
    const wanted = names.filter((name) => !found.has(name));
    if (wanted.length === 0) break;
    try {
      // Exit code 1 when one of them does not exist, with the lines of the others.
      const { stdout } = await exec.run([engine, 'inspect', '--type', 'container', '--format', FORMAT, '--', ...wanted]);
      installed += 1;
      for (const [name, pid] of pidsIn(stdout, wanted)) found.set(name, pid);
    } catch (error) {
      if (!(error instanceof PortolanError && error.code === 'tool-missing')) throw error;
    }
  }
  if (installed === 0 && names.length > 0) {
    throw portolanError('tool-missing', '', 'an endpoint names a container, but neither docker nor podman is installed on this node', {
      fix: 'Install docker.io or podman on the node (Debian: apt-get install podman), or attach the endpoint by netns or pid.',
    });
  }
  return found;
}
