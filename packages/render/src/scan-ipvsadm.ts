import { type ObjectBody, type ObservedObject, observedObject, type Space } from '@portolan/node-state';
import { isOwnSpace } from './rules.js';
import type { Scan } from './scan.js';

const service = /^-A -f ([0-9]+) -s ([a-z]+)(.*)$/;
const destination = /^-a -f ([0-9]+) -r ([0-9.]+):([0-9]+) (-[mgi]) -w ([0-9]+)(.*)$/;

/** Output of `ipvsadm -S -n`. Outside our own namespaces nothing is ours. */
export function scanIpvsadm(space: Space, text: string): Scan {
  const objects: ObservedObject[] = [];
  const foreign: string[] = [];
  if (!isOwnSpace(space)) return { objects, foreign };
  for (const line of text.split('\n').map((l) => l.trim())) {
    if (line === '') continue;
    const [, serviceMark, scheduler = '', flags] = service.exec(line) ?? [];
    const [, mark, address = '', port, forwarding, weight, thresholds] = destination.exec(line) ?? [];
    if (serviceMark !== undefined) {
      objects.push(judged(space, { kind: 'virtual-server', mark: Number(serviceMark), scheduler }, flags === ''));
    } else if (mark !== undefined) {
      const body: ObjectBody = { kind: 'real-server', mark: Number(mark), address, forwarding: 'masquerade', weight: Number(weight) };
      objects.push(judged(space, body, forwarding === '-m' && port === '0' && thresholds === ''));
    } else {
      foreign.push(line);
    }
  }
  return { objects, foreign };
}

/** `sound`: false for what has more to it than a body can say, such as persistence, and so is none that we made. */
function judged(space: Space, body: ObjectBody, sound: boolean): ObservedObject {
  const object = observedObject(space, body);
  return sound ? object : { ...object, hash: '' };
}
