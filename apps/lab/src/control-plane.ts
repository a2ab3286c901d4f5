import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, type MachineProcess, type RunningServers, startProcess } from '@portolan/harness';
import { portolanError } from '@portolan/model';
import { logTail } from './log-tail.js';
import { programs } from './programs/paths.js';

export interface ControlPlane {
  readonly url: string;
  /** New after each restart. */
  readonly pid: number;
  /** Sends a signal; one that ends it is waited for. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Stops it if it still runs, then starts it on the same port; resolves when it is ready. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const readyWithin = 60_000;
/** Where the documentation says that the lab's API is, if that port is free. */
const usualPort = 7080;

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

/** Starts the built control plane on loopback, and returns when it is ready. `onStart` hears of the process at once. */
export async function startControlPlane(
  { databaseUrl, redisUrl, etcdEndpoints }: RunningServers,
  logs: string,
  onStart: (pid: number) => void,
): Promise<ControlPlane> {
  const port = await freePort(usualPort);
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(logs, 'control-plane.log');
  const env = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    ETCD_ENDPOINTS: etcdEndpoints.join(','),
    PORTOLAN_LISTEN: `127.0.0.1:${port}`,
    // The lab is loopback and its own hosts; whoever sets a token for another control plane does not mean this one.
    PORTOLAN_TOKEN: '',
  };
  let child: MachineProcess;
  let ended = true;

  async function start(): Promise<void> {
    const started = await startProcess([process.execPath, programs.controlPlane], { logFile, env });
    child = started;
    ended = false;
    onStart(started.pid);
    void started.exited.then(() => {
      if (child === started) ended = true;
    });
    const deadline = performance.now() + readyWithin;
    while (!(await isReady(url))) {
      if (ended || performance.now() > deadline) {
        await stop();
        throw portolanError(
          'store-unavailable',
          '',
          `the control plane ${ended ? 'ended while it started' : `is not ready after ${readyWithin / 1000} s`}:\n${logTail(logFile)}`,
          { fix: `Read ${logFile}.` },
        );
      }
      await sleep(50);
    }
  }

  async function stop(): Promise<void> {
    await child.kill('SIGTERM');
    const patience = new AbortController();
    const late = sleep(8_000, undefined, { signal: patience.signal }).then(
      () => child.kill('SIGKILL'),
      () => undefined,
    );
    await child.exited;
    patience.abort();
    await late;
  }

  await start();
  return {
    url,
    get pid() {
      return child.pid;
    },
    async kill(signal) {
      await child.kill(signal);
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await child.exited;
    },
    async restart() {
      await stop();
      await start();
    },
    stop,
  };
}
