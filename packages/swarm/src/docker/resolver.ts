import type { DockerOrigin } from '../expected.js';
import { chain, type Piece, piece, rule } from './piece.js';

/** Where Docker's resolver listens in a sandbox. */
const RESOLVER = '127.0.0.11';
/** Its ports, which the kernel draws at random in each sandbox. */
const RESOLVER_PORTS = { tcp: 40053, udp: 40054 } as const;

/** The way to the resolver of dockerd, in each sandbox: of a task, of a container and, though nobody asks there, of a load balancer. */
export function resolverPieces(origin: DockerOrigin, presence: Piece['presence'] = 'required'): readonly Piece[] {
  const to = `-d ${RESOLVER}/32`;
  return [
    chain('nat', 'DOCKER_OUTPUT'),
    chain('nat', 'DOCKER_POSTROUTING'),
    rule('nat', 'OUTPUT', to, 'DOCKER_OUTPUT'),
    rule('nat', 'POSTROUTING', to, 'DOCKER_POSTROUTING'),
    ...(['tcp', 'udp'] as const).flatMap((protocol) => [
      rule('nat', 'DOCKER_OUTPUT', `${to} -p ${protocol} -m ${protocol} --dport 53`, 'DNAT', `--to-destination ${RESOLVER}:${RESOLVER_PORTS[protocol]}`),
      rule('nat', 'DOCKER_POSTROUTING', `-s ${RESOLVER}/32 -p ${protocol} -m ${protocol} --sport ${RESOLVER_PORTS[protocol]}`, 'SNAT', '--to-source :53'),
    ]),
  ].map((object) => piece(object, origin, presence));
}
