import type { Space } from '@portolan/node-state';
import { divergencesOf, refText } from './divergence.js';
import { type Divergence, type Explanation, outcomes, type Path, type Question, type Verdict } from './explanation.js';
import { type Client, clientOf, endpointNamed, targetOf } from './question.js';
import { type Resolved, resolvedTarget } from './resolve.js';
import { trailsOf } from './trails.js';
import { pathsOf, type Start } from './walk.js';
import type { World } from './world.js';

/** A TCP SYN. */
const SYN_BYTES = 60;
/** Of the client, where nothing depends on it. */
const CLIENT_PORT = 40000;

/**
 * Explains one flow in a world. `desired`: the world as it should be, which an observed one is compared with; the divergences are empty without it.
 * Throws `invalid-document` for a question that cannot be read, and `not-found` for names that the cluster does not have.
 */
export function explanationOf(world: World, question: Question, desired?: World): Explanation {
  const { snapshot } = world;
  const client = clientOf(snapshot, question.from);
  const target = targetOf(question.to);
  const asked = { client, transport: target.transport, question };
  const resolved = resolvedTarget(world, client, target, question);
  const paths = pathsTo(world, asked, resolved);
  const wanted = desired === undefined ? [] : pathsTo(desired, asked, resolvedTarget(desired, client, target, question));
  const verdict = verdictOver(paths, resolved);
  const divergences = desired === undefined ? [] : divergencesOf(desired, world, wanted, verdict);
  return {
    ...{ cluster: snapshot.cluster.name, revision: snapshot.cluster.revision, view: world.view, from: question.from, to: question.to },
    ...{ transport: target.transport, resolution: resolved.resolution, paths, divergences, trails: trailsOf(world, paths) },
    verdict: desired === undefined ? verdict : blamed(verdict, desired, divergences),
  };
}

interface Asked {
  readonly client: Client;
  readonly transport: Start['transport'];
  readonly question: Question;
}

/** Of a name with several addresses each is as likely. */
function pathsTo(world: World, { client, transport, question }: Asked, { addresses, port }: Resolved): readonly Path[] {
  const { size = SYN_BYTES, df = true, backend } = question;
  const chosen = backend === undefined ? undefined : endpointNamed(world.snapshot, backend, '/backend');
  const sourcePort = transport === 'icmp' ? null : CLIENT_PORT;
  const paths = addresses.flatMap((destination) =>
    pathsOf(world, { ...placeOfClient(client), destination, transport, sourcePort, destinationPort: port, size, df }).map((path) => ({
      ...path,
      share: path.share / addresses.length,
    })),
  );
  // One that ends before a real server is chosen ends for all.
  return chosen === undefined ? paths : paths.filter((path) => path.backend === chosen.name || path.backend === null);
}

function placeOfClient(client: Client): Pick<Start, 'node' | 'space' | 'source'> {
  switch (client.kind) {
    case 'endpoint':
      return { node: client.node.name, space: `endpoint:${client.endpoint.id}` satisfies Space };
    case 'host':
      return { node: client.node.name, space: 'host' };
    case 'outside':
      return { node: null, space: 'outside', source: client.address };
  }
}

/** The worst of all paths; outcomes stand from good to bad. */
function verdictOver(paths: readonly Path[], { resolution }: Resolved): Verdict {
  const [first, ...others] = paths;
  if (first === undefined) {
    const reason = resolution === null ? 'no path leads to this endpoint' : resolution.text;
    const nothing = { to: null, hop: null, inReply: false, object: resolution?.object ?? null };
    return { ...nothing, outcome: 'no-backend', reason, fix: 'Start an endpoint of the service, or correct the name.' };
  }
  const rank = ({ verdict }: Path): number => outcomes.indexOf(verdict.outcome);
  const worst = others.reduce((bad, path) => (rank(path) > rank(bad) ? path : bad), first);
  if (paths.length === 1 || worst.verdict.outcome === 'delivered') return worst.verdict;
  const alike = paths.filter(({ verdict }) => verdict.outcome === worst.verdict.outcome).length;
  return { ...worst.verdict, reason: `${alike} of ${paths.length} paths: ${worst.verdict.reason}` };
}

/**
 * What is to blame with its origin, which the desired world knows. Where the walk itself names nothing, or what is as it should be or nobody wants,
 * it is the decisive divergence: a wrong neighbour leads to a forwarding entry that is missing, and rightly so.
 */
function blamed(verdict: Verdict, desired: World, divergences: readonly Divergence[]): Verdict {
  const decisive = divergences.find((own) => own.decisive);
  const object = decisive?.object ?? verdict.object;
  // Of what the walk itself blames the divergence is decisive; another one says why.
  const isElsewhere = decisive !== undefined && verdict.object !== null && refText(decisive.object) !== refText(verdict.object);
  const reason = isElsewhere ? `${verdict.reason}; ${decisive.text}` : verdict.reason;
  if (object === null || object.origin !== null) return { ...verdict, object, reason };
  const origin = desired.host(object.node)?.things.find(({ key }) => key === object.key)?.origin ?? null;
  return { ...verdict, reason, object: { ...object, origin } };
}
