import type { IpvsTimeouts } from '@portolan/model';
import { type ObjectBody, type ObservedObject, observedObject, type Space } from '@portolan/node-state';
import { isOwnSpace } from './rules.js';
import type { Scan } from './scan.js';
import { schedulerFlags } from './tag.js';

const service = /^-A -f ([0-9]+) -s (\S+)(?: -p ([0-9]+))?(?: -b (\S+))?$/;
/** One with a netmask, an engine or flags of another kind is a service all the same. */
const anyService = /^-A -f ([0-9]+) -s (\S+) /;
const destination = /^-a -f ([0-9]+) -r ([0-9.]+):([0-9]+) (-[mgi]) -w ([0-9]+)(.*)$/;

/** Output of `ipvsadm -S -n`. Outside our own namespaces nothing is ours. */
export function scanIpvsadm(space: Space, text: string): Scan {
  const objects: ObservedObject[] = [];
  const foreign: string[] = [];
  if (!isOwnSpace(space)) return { objects, foreign };
  for (const line of text.split('\n').map((l) => l.trim())) {
    if (line === '') continue;
    const object = virtualServerOf(space, line) ?? realServerOf(space, line);
    if (object === undefined) foreign.push(line);
    else objects.push(object);
  }
  return { objects, foreign };
}

/** The timeouts that `ipvsadm -L --timeout` shows. They are ours in a namespace of our own. */
export function scanIpvsTimeouts(space: Space, { tcp, tcpFin, udp }: IpvsTimeouts): Scan {
  return { objects: isOwnSpace(space) ? [observedObject(space, { kind: 'ipvs-timeouts', tcp, tcpFin, udp })] : [], foreign: [] };
}

function virtualServerOf(space: Space, line: string): ObservedObject | undefined {
  const [found, mark, scheduler = '', persistence, flags] = service.exec(line) ?? [];
  if (found === undefined) {
    const [other, otherMark, otherScheduler = ''] = anyService.exec(line) ?? [];
    return other === undefined ? undefined : judged(space, { kind: 'virtual-server', mark: Number(otherMark), scheduler: otherScheduler }, false);
  }
  const affinity = persistence === undefined ? {} : { persistence: Number(persistence) };
  return judged(space, { kind: 'virtual-server', mark: Number(mark), scheduler, ...affinity }, flags === schedulerFlags[scheduler]);
}

function realServerOf(space: Space, line: string): ObservedObject | undefined {
  const [found, mark, address = '', port, method, weight, more] = destination.exec(line) ?? [];
  if (found === undefined) return undefined;
  const forwarding = method === '-g' ? 'direct' : 'masquerade';
  return judged(
    space,
    { kind: 'real-server', mark: Number(mark), address, forwarding, weight: Number(weight) },
    method !== '-i' && port === '0' && more === '',
  );
}

/** `sound`: false for what has more to it than a body can say, such as a tunnel, and so is none that we made. */
function judged(space: Space, body: ObjectBody, sound: boolean): ObservedObject {
  const object = observedObject(space, body);
  return sound ? object : { ...object, hash: '' };
}
