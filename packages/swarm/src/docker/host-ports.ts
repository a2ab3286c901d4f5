import type { SwarmGateway } from '../facts.js';
import { GATEWAY_BRIDGE } from './names.js';
import { type Piece, piece, presenceOf, rule } from './piece.js';
import type { Resident } from './roster.js';

/**
 * Ports of mode host of the tasks on a node: sent straight to the task's address on docker_gwbridge, nothing of the routing mesh. Tasks whose only
 * network is another bridge of the host have theirs there, and ports whose number is not known have none here.
 */
export function hostPortPieces({ sandboxes }: SwarmGateway, residents: readonly Resident[]): readonly Piece[] {
  return residents.flatMap(({ task, sandbox, origin: from, certain }) => {
    const to = sandbox === null ? undefined : sandboxes[sandbox];
    if (task === null || to === undefined) return [];
    // Docker looks before it adds, so two ports with one target share the rules that only name the target.
    const targets = new Set<string>();
    return task.hostPorts.flatMap((port) => {
      const { protocol, target, published } = port;
      const isNew = !targets.has(`${protocol} ${target}`);
      targets.add(`${protocol} ${target}`);
      const flow = `-p ${protocol} -m ${protocol}`;
      return [
        ...(published === 0 ? [] : [rule('nat', 'DOCKER', `! -i ${GATEWAY_BRIDGE} ${flow} --dport ${published}`, 'DNAT', `--to-destination ${to}:${target}`)]),
        ...(isNew
          ? [
              rule('filter', 'DOCKER', `-d ${to}/32 ! -i ${GATEWAY_BRIDGE} -o ${GATEWAY_BRIDGE} ${flow} --dport ${target}`, 'ACCEPT'),
              // The task reaches itself by its own published port.
              rule('nat', 'POSTROUTING', `-s ${to}/32 -d ${to}/32 ${flow} --dport ${target}`, 'MASQUERADE'),
            ]
          : []),
        // For cards that do not sum SCTP, and kernels of 4.9 and older that leave it to them.
        ...(isNew && protocol === 'sctp' ? [rule('mangle', 'POSTROUTING', `-p sctp -m sctp --sport ${target}`, 'CHECKSUM', '--checksum-fill')] : []),
      ].map((object) => piece(object, { ...from, port }, presenceOf(certain)));
    });
  });
}
