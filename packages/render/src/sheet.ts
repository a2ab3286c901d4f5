import { portolanError } from '@portolan/model';
import type { Space } from '@portolan/node-state';
import type { Batch, Tool } from './batch.js';

/**
 * The batches of a plan in the order of execution: at most one for each of these and namespace. The host's links are
 * one batch with its addresses and neighbours; the others' come into being in it too, so that VXLAN sockets stay in the
 * host's namespace. Its routes come after the forwarding entries, or the kernel would ask the network for what it is about to be told.
 * What names lead away from altogether goes after these: then the rules of a namespace are written twice.
 */
const slots = {
  'names-first': 'dns',
  'host-rules-first': 'iptables-restore',
  'routes-first': 'ip',
  'remove-first': 'ip',
  namespaces: 'netns',
  relay: 'relay',
  'host-links': 'ip',
  'set-up': 'ip',
  peers: 'bridge',
  sysctls: 'sysctl',
  'relay-peers': 'relay',
  'host-routes': 'ip',
  servers: 'ipvsadm',
  rules: 'iptables-restore',
  'host-rules': 'iptables-restore',
  'remove-servers': 'ipvsadm',
  flows: 'conntrack',
  files: 'file',
  names: 'dns',
  'rules-last': 'iptables-restore',
  'servers-last': 'ipvsadm',
  'remove-files': 'file',
  'remove-routes': 'ip',
  'remove-relay-peers': 'relay',
  'remove-peers': 'bridge',
  remove: 'ip',
  'remove-relay': 'relay',
  'remove-namespaces': 'netns',
} as const satisfies Record<string, Tool>;
export type Slot = keyof typeof slots;

const goingOn: ReadonlySet<Slot> = new Set(['routes-first', 'host-routes', 'files', 'remove-files', 'remove-routes']);

/** Lines for one namespace, with the keys of the objects that they are for. */
interface Page {
  readonly lines: string[];
  /** Of each line. */
  readonly owners: string[][];
  readonly keys: Set<string>;
  /** Places of the lines that are there once only. */
  readonly single: Map<string, number>;
}

/** Values are checked long before: what would be two commands to a tool is none of ours. Fails with `internal`. */
export function assertOneLine(line: string): string {
  if (/[\n\r\0]/.test(line)) throw portolanError('internal', '', `${JSON.stringify(line.slice(0, 200))} is no line for a tool`);
  return line;
}

/** Collects lines by slot and namespace. */
export class Sheet {
  private readonly pages = new Map<Slot, Map<Space, Page>>();

  add(slot: Slot, space: Space, key: string, ...lines: readonly string[]): void {
    const page = this.page(slot, space);
    page.keys.add(key);
    for (const line of lines) {
      // Rules of a namespace come as one text, whose lines are looked at where they are made.
      if (slots[slot] !== 'iptables-restore') assertOneLine(line);
      page.lines.push(line);
      page.owners.push([key]);
    }
  }

  /** Like `add`, for a line that a namespace needs once only. */
  addOnce(slot: Slot, space: Space, key: string, line: string): void {
    const page = this.page(slot, space);
    page.keys.add(key);
    const known = page.single.get(line);
    if (known !== undefined) {
      page.owners[known]?.push(key);
      return;
    }
    assertOneLine(line);
    page.single.set(line, page.lines.length);
    page.lines.push(line);
    page.owners.push([key]);
  }

  private page(slot: Slot, space: Space): Page {
    const ofSlot = this.pages.get(slot) ?? new Map<Space, Page>();
    this.pages.set(slot, ofSlot);
    const page = ofSlot.get(space) ?? { lines: [], owners: [], keys: new Set(), single: new Map() };
    ofSlot.set(space, page);
    return page;
  }

  batches(): Batch[] {
    return (Object.keys(slots) as Slot[]).flatMap((slot) =>
      [...(this.pages.get(slot) ?? [])].map(([space, { lines, owners, keys }]) => ({
        space,
        tool: slots[slot],
        text: lines.map((line) => `${line}\n`).join(''),
        keys: [...keys],
        ...(slots[slot] === 'iptables-restore' ? {} : { owners }),
        ...(goingOn.has(slot) ? { goesOn: true as const } : {}),
      })),
    );
  }
}
