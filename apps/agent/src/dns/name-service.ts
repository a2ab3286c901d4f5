import { PortolanError, portolanError } from '@portolan/model';
import type { DnsClientBody } from '@portolan/node-state';
import type { Clock } from '../clock.js';
import { endpointOfKey } from './changes.js';
import { counterWriter } from './counters.js';
import { socketExchange } from './exchange.js';
import { createForwarder } from './forward.js';
import { type Listener, listenIn, type Reply } from './listener.js';
import type { FromWorker, ToWorker, WorkerSettings } from './messages.js';
import { createResponder, failureOf, type ToForward, type View } from './responder.js';
import { NameTable } from './table.js';
import { hostServers, serversToAsk } from './upstreams.js';
import { cutTo, rcode } from './wire.js';

/** Queries of one client that may wait for other servers at once, as under Docker. */
const OPEN = 1024;

interface Client {
  body: DnsClientBody;
  view: View;
  readonly incarnation: string;
  readonly listener: Listener;
  open: number;
}

type Change = Extract<ToWorker, { kind: 'change' }>;

export interface NameService {
  change(change: Change): Promise<FromWorker>;
  /** Closes the sockets of clients. */
  close(keys: readonly string[]): void;
}

/** Table, sockets and forwarding together: everything that runs in the thread of the name server. */
export function nameService(settings: WorkerSettings, clock: Clock, random: (below: number) => number): NameService {
  const table = new NameTable();
  const responder = createResponder(table, random);
  const clients = new Map<string, Client>();
  const count = counterWriter(settings.counters);
  const ofHost = hostServers(settings.resolvConf, clock);
  const forwarder = createForwarder(() => serversToAsk(table.upstreams, ofHost), socketExchange(settings.upstreams), clock);

  function serve(key: string, message: Buffer, transport: 'udp' | 'tcp', reply: Reply): void {
    const client = clients.get(key);
    const reaction = client && responder.react(message, client.view, transport);
    if (client === undefined || reaction === undefined || reaction.kind === 'drop') {
      count('dropped');
      reply();
    } else if (reaction.kind === 'forward') {
      void passOn(reaction, client, transport, reply);
    } else {
      count(reaction.outcome);
      reply(reaction.message);
    }
  }

  async function passOn({ query, end, edns, limit }: ToForward, client: Client, transport: 'udp' | 'tcp', reply: Reply): Promise<void> {
    let answer: Buffer | undefined;
    if (client.open < OPEN) {
      const startedAt = clock.now();
      client.open += 1;
      count('open');
      answer = await forwarder.forward(query, end, transport);
      client.open -= 1;
      count('open', -1);
      if (answer !== undefined) count('forwardSeconds', (clock.now() - startedAt) / 1000);
    }
    count(answer === undefined ? 'servfail' : 'forwarded');
    reply(answer === undefined ? failureOf(query, end, rcode.SERVFAIL, edns) : cutTo(answer, limit));
  }

  function close(keys: readonly string[]): void {
    for (const key of keys) {
      clients.get(key)?.listener.close();
      clients.delete(key);
    }
  }

  /** Opens what a client needs that is not open yet; undefined when nothing. */
  async function opened(key: string, body: DnsClientBody, { places }: Change): Promise<Client | undefined> {
    const place = places[endpointOfKey(key)];
    if (place === undefined) throw portolanError('apply-failed', '', `${key}: the namespace of the endpoint is not there`);
    const before = clients.get(key);
    if (before?.incarnation === place.incarnation && before.body.port === body.port) return undefined;
    // Sockets in an earlier incarnation serve nobody, and may be in the way in the same namespace.
    if (before !== undefined && before.incarnation !== place.incarnation) close([key]);
    const listener = await listenIn(place.path, body.port, (message, transport, reply) => serve(key, message, transport, reply));
    return { body, view: responder.viewOf(body), incarnation: place.incarnation, listener, open: 0 };
  }

  return {
    close,
    change: async (change) => {
      const fresh = new Map<string, Client>();
      const leftOut = new Set<string>();
      // Of several changes of one object the last counts.
      const changes = [...new Map(change.changes.map((one) => [one.key, one])).values()];
      for (const { key, body } of changes) {
        if (body?.kind !== 'dns-client') continue;
        try {
          const client = await opened(key, body, change);
          if (client !== undefined) fresh.set(key, client);
        } catch (error) {
          // Anything but a socket that cannot be had ends this thread; it may be in a namespace that is not its own.
          if (!(error instanceof PortolanError) && !(error instanceof Error && 'syscall' in error)) throw error;
          if (change.lenient) {
            leftOut.add(key);
            continue;
          }
          for (const { listener } of fresh.values()) listener.close();
          return { id: change.id, failure: error.message };
        }
      }
      for (const one of changes) {
        const { key, body } = one;
        table.change(one);
        if (!key.startsWith('dns-client/')) continue;
        if (body?.kind !== 'dns-client' || leftOut.has(key)) close([key]);
        const client = clients.get(key);
        const replaced = fresh.get(key);
        if (replaced !== undefined && client !== replaced) {
          client?.listener.close();
          clients.set(key, replaced);
        } else if (client !== undefined && body?.kind === 'dns-client') {
          client.body = body;
        }
      }
      responder.forget();
      for (const client of clients.values()) client.view = responder.viewOf(client.body);
      return { id: change.id, listening: Object.fromEntries([...clients].map(([key, { incarnation }]) => [key, incarnation])) };
    },
  };
}
