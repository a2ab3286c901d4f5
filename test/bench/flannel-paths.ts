import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Lab, programs, startLab } from '@portolan/lab';
import { flannelApi } from '../flannel/api.js';
import { labClient } from '../lab-client.js';
import { type Comparison, comparison, median } from './bench.js';
import type { SinkFigures, SourceFigures, SourceRequest } from './flannel-traffic.js';

const ROUNDS = 3;
const SECONDS = 2;
const TARGET = '10.244.2.194';
const backends = ['vxlan', 'udp', 'host-gw'] as const;
type Backend = (typeof backends)[number];
/** Bytes of data: the smallest that are common, and what fills a packet of the narrowest backend. */
const sizes = { small: 64, full: 1_422 } as const;

interface Figures {
  readonly packets: number;
  readonly packetsLost: number;
  readonly full: number;
  readonly megabits: number;
}

/** A program in a container that answers lines with lines. */
async function open<Request, Answer>(netns: string, role: string): Promise<{ ask(request: Request): Promise<Answer>; child: ChildProcess }> {
  const program = fileURLToPath(new URL('flannel-traffic.ts', import.meta.url));
  const argv = [`--net=${netns}`, '--', process.execPath, ...process.execArgv, '--import', 'tsx', program, role];
  const child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the ${role} ended`);
    return value;
  };
  await next();
  return {
    child,
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return JSON.parse(await next()) as Answer;
    },
  };
}

/** Processor time that the relays took so far, in seconds (proc_pid_stat(5); a tick is 10 ms). */
async function relaySeconds(lab: Lab): Promise<number> {
  const { stdout } = await lab.machineOf('node-a').run(['pgrep', '-f', 'udp-relay.*/run/portolan-lab/']);
  const ticks = stdout
    .split('\n')
    .filter(Boolean)
    .map((pid) => {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(fields[11]) + Number(fields[12]);
    });
  return ticks.reduce((sum, each) => sum + each, 0) / 100;
}

/**
 * Packets and bytes from the container of one host to that of the other by each backend, on the same two hosts in turn: the whole path with
 * bridges and forwarding, sender and receiver on the same processors. In the kernel the sender's own call carries a packet to the end, so it offers no
 * more than arrives; to the relay it offers more, and what is too much is lost.
 */
export async function pathsCompared(report: (progress: string) => void, directory: string): Promise<readonly Comparison[]> {
  const lab = await startLab({ directory, manifestPath: programs.flannelExample, log: (line) => report(line) });
  const { switchTo } = flannelApi(labClient(() => lab));
  const opened: ChildProcess[] = [];
  try {
    const sink = await open<object, SinkFigures>('/run/netns/b.1', 'sink');
    const source = await open<SourceRequest, SourceFigures>('/run/netns/a.1', 'source');
    opened.push(sink.child, source.child);
    const sentBy = async (request: Omit<SourceRequest, 'target' | 'seconds'>): Promise<SourceFigures & SinkFigures> => {
      await sink.ask({});
      const sent = await source.ask({ ...request, target: TARGET, seconds: SECONDS });
      return { ...sent, ...(await sink.ask({})) };
    };
    const measured = new Map<Backend, Figures[]>(backends.map((backend) => [backend, []]));
    let relay = { seconds: 0, packets: 0 };
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const backend of backends) {
        await switchTo({ type: backend });
        const before = await relaySeconds(lab);
        const small = await sentBy({ kind: 'udp', size: sizes.small });
        if (backend === 'udp') relay = { seconds: relay.seconds + (await relaySeconds(lab)) - before, packets: relay.packets + small.datagrams };
        const full = await sentBy({ kind: 'udp', size: sizes.full });
        const stream = await sentBy({ kind: 'tcp', size: 0 });
        const figures = {
          packets: small.datagrams / small.seconds,
          packetsLost: 1 - small.datagrams / small.sent,
          full: full.datagrams / full.seconds,
          megabits: (stream.bytes * 8) / stream.seconds / 1e6,
        };
        measured.get(backend)?.push(figures);
        report(`round ${round + 1}, ${backend}: ${Math.round(figures.packets)} packets/s, ${Math.round(figures.megabits)} Mbit/s`);
      }
    }
    const of = (backend: Backend, what: keyof Figures): number => median((measured.get(backend) ?? []).map((figures) => figures[what]));
    const rows = [
      { what: 'packets', case: `datagrams of ${sizes.small} bytes that arrive`, unit: 'packets/s' },
      { what: 'full', case: `datagrams of ${sizes.full} bytes that arrive`, unit: 'packets/s' },
      { what: 'megabits', case: 'one TCP connection', unit: 'Mbit/s' },
    ] as const;
    return (['udp', 'host-gw'] as const).flatMap((backend) =>
      rows.map(({ what, case: title, unit }) =>
        comparison({
          case: `${title} by ${backend === 'udp' ? 'the relay of udp' : backend}, container to container on ${lab.kind} hosts`,
          unit,
          ours: of(backend, what),
          baseline: of('vxlan', what),
          against: 'vxlan between the same two containers, in turn',
          detail: {
            rounds: ROUNDS,
            ...(what === 'packets' && { lostOfOffered: of(backend, 'packetsLost'), lostOfOfferedByVxlan: of('vxlan', 'packetsLost') }),
            ...(what === 'packets' &&
              backend === 'udp' && { microsecondsOfBothRelaysPerPacket: Number(((relay.seconds / relay.packets) * 1e6).toPrecision(3)) }),
          },
        }),
      ),
    );
  } finally {
    for (const child of opened) child.kill('SIGKILL');
    await lab.stop();
  }
}
