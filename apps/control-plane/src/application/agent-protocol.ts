import { type Id, portolanError } from '@portolan/model';
import { OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, type Report, ReportSchema, stateForProtocol } from '@portolan/protocol';
import type { Context } from './context.js';
import { parsed } from './parse.js';
import { RELEASE } from './release.js';

/** Throws `protocol-unsupported`, with what to install. */
export function assertSpoken(protocol: number, path: string): void {
  if (Number.isInteger(protocol) && protocol >= OLDEST_PROTOCOL_VERSION && protocol <= PROTOCOL_VERSION) return;
  throw portolanError(
    'protocol-unsupported',
    path,
    `the agent speaks version ${protocol} of the protocol, this control plane (release ${RELEASE}) ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}`,
    {
      fix:
        protocol > PROTOCOL_VERSION
          ? `Bring the control plane to the release of the agent first, or install the agent of release ${RELEASE}.`
          : `Install the agent of release ${RELEASE}.`,
    },
  );
}

/** The version that a request is to be answered in; the newest for whoever does not say. Throws `protocol-unsupported`. */
export function protocolOf(header: string | readonly string[] | undefined): number {
  const protocol = header === undefined ? PROTOCOL_VERSION : Number(header);
  assertSpoken(protocol, '');
  return protocol;
}

/**
 * The report of an agent of any version that is spoken, in the words of the newest one. Throws `protocol-unsupported` before it looks at the rest, which may
 * hold anything in another version.
 */
export async function reportOfAgent({ store }: Context, nodeId: Id, document: unknown): Promise<Report> {
  if (typeof document === 'object' && document !== null && 'protocol' in document && typeof document.protocol === 'number') {
    assertSpoken(document.protocol, '/protocol');
  }
  const report = parsed(ReportSchema, document);
  const { protocol, agentVersion, generation, stateHash } = report;
  const facts = { ...report.facts, portolan: `${agentVersion}, protocol ${protocol}` };
  if (protocol === PROTOCOL_VERSION) return { ...report, facts };
  // The agent was told a state without what it does not know, and that has a hash of its own.
  const state = (await store.nodeState(nodeId, generation))?.state;
  const isThat = state !== undefined && stateForProtocol(state, protocol).hash === stateHash;
  return { ...report, facts, stateHash: isThat ? state.hash : stateHash };
}
