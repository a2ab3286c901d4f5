import { inNaturalOrder } from '../../parts/natural.js';
import { FLANNEL, type Joint, type Kind, type Thing, type Things } from './things.js';

/** Many things of one kind, drawn as one. */
export interface Group {
  readonly id: string;
  readonly kind: Kind;
  readonly lot: string;
  readonly members: readonly Thing[];
}

/** From so many of a kind on they are drawn as groups. */
const MOST = 40;
/** Of those that have nothing in common. */
const GROUP_SIZE = 100;

export interface Grouped {
  /** Those that are drawn themselves. */
  readonly things: readonly Thing[];
  readonly groups: readonly Group[];
  /** Between what is drawn, each pair once. */
  readonly joints: readonly Joint[];
}

/**
 * What is drawn of all: everything, or only `about` (a thing or a group) and what it is joined to. Of kinds with more than can be told apart there are
 * groups; members of a group that is looked at are drawn themselves.
 */
export function grouped(all: Things, about: string | null): Grouped {
  const every = groupsOf(all.things);
  const opened = every.find(({ id }) => id === about)?.members ?? all.things.filter(({ id }) => id === about);
  const isAbout = new Set(opened.map(({ id }) => id));
  const { things, joints } = isAbout.size === 0 ? all : around(all, isAbout);
  const count = (kind: Kind): number => things.reduce((sum, own) => sum + (own.kind === kind && !isAbout.has(own.id) ? 1 : 0), 0);
  const crowded = new Set<Kind>([...new Set(things.map(({ kind }) => kind))].filter((kind) => count(kind) > MOST));
  // Services in groups are told by their networks: those would be drawn twice.
  const isTold = ({ id, kind }: Thing): boolean => kind === 'network' && isAbout.size === 0 && crowded.has('service') && id !== FLANNEL;
  const left = new Set(things.flatMap(({ id, kind }) => (crowded.has(kind) && !isAbout.has(id) ? [id] : [])));
  const groups = every.flatMap((group): Group[] => {
    const members = group.members.filter(({ id }) => left.has(id));
    return members.length === 0 ? [] : [{ ...group, members }];
  });
  const homes = new Map(groups.flatMap(({ id, members }) => members.map((member): [string, string] => [member.id, id])));
  return { things: things.filter((own) => !left.has(own.id) && !isTold(own)), groups, joints: merged(joints, homes) };
}

function around({ things, joints }: Things, about: ReadonlySet<string>): Things {
  const kept = joints.filter(({ from, to }) => about.has(from) || about.has(to));
  const names = new Set([...about, ...kept.flatMap(({ from, to }) => [from, to])]);
  return { things: things.filter(({ id }) => names.has(id)), joints: kept };
}

/** By what they have in common, or as they come; the ids are the same whatever is looked at. */
function groupsOf(things: readonly Thing[]): readonly Group[] {
  const lots = new Map<string, Thing[]>();
  for (const thing of things.toSorted((a, b) => inNaturalOrder(a.title, b.title))) {
    const lot = `${thing.kind}s:${thing.lot}`;
    const members = lots.get(lot);
    if (members === undefined) lots.set(lot, [thing]);
    else members.push(thing);
  }
  return [...lots].flatMap(([lot, members]): Group[] => {
    const [{ kind, lot: name }] = members as [Thing];
    if (name !== '') return [{ id: lot, kind, lot: name, members }];
    return Array.from({ length: Math.ceil(members.length / GROUP_SIZE) }, (_, i) => ({
      ...{ id: `${lot}${i + 1}`, kind, lot: '', members: members.slice(i * GROUP_SIZE, (i + 1) * GROUP_SIZE) },
    }));
  });
}

function merged(joints: readonly Joint[], homes: ReadonlyMap<string, string>): readonly Joint[] {
  const found = new Map<string, Joint>();
  for (const joint of joints) {
    const [from, to] = [homes.get(joint.from) ?? joint.from, homes.get(joint.to) ?? joint.to];
    const id = `${from} ${to}`;
    found.set(id, { from, to, count: (found.get(id)?.count ?? 0) + joint.count });
  }
  return [...found.values()];
}
