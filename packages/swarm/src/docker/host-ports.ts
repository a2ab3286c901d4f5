import type { SwarmGateway, SwarmPort, SwarmTask } from '../facts.js';
import type { NamespaceObject } from '../object.js';
import { GATEWAY_BRIDGE } from './names.js';
import { type Piece, piece, presenceOf, rule } from './piece.js';
import type { Resident } from './roster.js';

/**
 * Ports of mode host of the tasks on a node: sent straight to the task's address on docker_gwbridge, or on docker0 when it is on no network of the swarm; nothing of
 * the routing mesh. Where that address is not known, or the number of the port, there are none here.
 */
export function hostPortPieces({ sandboxes }: SwarmGateway, residents: readonly Resident[]): readonly Piece[] {
  return residents.flatMap(({ task, sandbox, origin: from, certain }) => {
    const onGateway = sandbox === null ? undefined : sandboxes[sandbox];
    const to = task?.bridge ?? (onGateway === undefined ? undefined : { name: GATEWAY_BRIDGE, address: onGateway });
    if (task === null || to === undefined) return [];
    // Docker looks before it adds: two ports with one target share what only names the target, and a port that it tells twice (on 0.0.0.0 and on ::) is one.
    const added = new Set<string>();
    return task.hostPorts.flatMap((port) =>
      rulesOf(port, to)
        .map((object) => piece(object, { ...from, port }, presenceOf(certain)))
        .filter(({ key }) => !added.has(key) && added.add(key)),
    );
  });
}

function rulesOf({ protocol, target, published }: SwarmPort, { name: bridge, address: to }: NonNullable<SwarmTask['bridge']>): readonly NamespaceObject[] {
  const flow = `-p ${protocol} -m ${protocol}`;
  return [
    ...(published === 0 ? [] : [rule('nat', 'DOCKER', `! -i ${bridge} ${flow} --dport ${published}`, 'DNAT', `--to-destination ${to}:${target}`)]),
    rule('filter', 'DOCKER', `-d ${to}/32 ! -i ${bridge} -o ${bridge} ${flow} --dport ${target}`, 'ACCEPT'),
    // The task reaches itself by its own published port.
    rule('nat', 'POSTROUTING', `-s ${to}/32 -d ${to}/32 ${flow} --dport ${target}`, 'MASQUERADE'),
    // For cards that do not sum SCTP, and kernels of 4.9 and older that leave it to them.
    ...(protocol === 'sctp' ? [rule('mangle', 'POSTROUTING', `-p sctp -m sctp --sport ${target}`, 'CHECKSUM', '--checksum-fill')] : []),
  ];
}
