import type { Snapshot } from '@portolan/model';
import { dropLoadBalancers, fillAddresses, fillLoadBalancers } from './addresses.js';
import { claimValues, releaseValues } from './claiming.js';
import type { Changes } from './drafts.js';
import { type AllocationFault, MAX_FAULTS } from './faults.js';
import { refuseSharedHostPorts } from './host-ports.js';
import { ledgerOf } from './ledger.js';
import { fillNetworks, fillSubnets } from './networks.js';
import { sealChanges } from './seal.js';
import { fillServices } from './services.js';
import { Work } from './work.js';

export type Allocation = { readonly snapshot: Snapshot } | { readonly faults: readonly [AllocationFault, ...AllocationFault[]] };

/**
 * The snapshot after the changes, with every hole filled.
 *
 *     release what is not kept ─► subnets ─► claim what is pinned ─► gateways, VNIs ─► VIPs, marks, ports
 *        ─► load balancers of the nodes ─► addresses of the endpoints ─► versions
 *
 * What is pinned is claimed before any hole is filled, so a document never collides with its own allocations; what an
 * object kept is never released, so a pin that wants it is refused. Holes are filled with the lowest free value in
 * the order of the changes, the ingress network first: the result depends on nothing but the arguments.
 *
 * An address, mark or VNI that is released is retired with the revision that this change will have: no hole is filled
 * with it, in this change neither, until `releaseRetired` has let it go.
 *
 * Returns `base` itself when nothing changes. Ids in the drafts must exist in the result, names must be resolved.
 * Faults: `duplicate-name`, `address-taken`, `address-outside-network`, `vni-taken`, `mark-taken`, `port-taken`,
 * `still-held`, `subnet-overlap`, `pool-exhausted`.
 */
export function allocate(base: Snapshot, changes: Changes): Allocation {
  const ledger = ledgerOf(base);
  const work = new Work(base, changes, ledger);
  ledger.journal.begin();
  try {
    const [fault, ...more] = faultsOf(work);
    if (fault !== undefined) return { faults: [fault, ...more.slice(0, MAX_FAULTS - 1)] };
    const snapshot = sealChanges(work);
    ledger.journal.keep();
    ledger.adopt(snapshot, work.changedIds());
    return { snapshot };
  } finally {
    // Nothing to undo once it is kept.
    ledger.journal.rollBack();
  }
}

/** Fills the drafts and stops at the first stage with faults: later ones would only repeat them. */
function faultsOf(work: Work): readonly AllocationFault[] {
  for (const stage of stages) {
    stage(work);
    if (work.faults.length > 0) break;
  }
  return work.faults;
}

const stages: readonly ((work: Work) => void)[] = [
  dropLoadBalancers,
  releaseValues,
  fillSubnets,
  claimValues,
  fillNetworks,
  fillServices,
  refuseSharedHostPorts,
  fillLoadBalancers,
  fillAddresses,
];
