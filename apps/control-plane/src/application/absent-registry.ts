import { type PortolanError, portolanError } from '@portolan/model';
import type { FlannelRegistry } from '@portolan/store';

/** The registry of a control plane that was given none: as one whose etcd never answers. */
export const absentRegistry: FlannelRegistry = {
  read: () => Promise.reject(unavailable()),
  watch: async (_prefix, onView) => {
    onView(undefined);
    return async () => undefined;
  },
  writeConfig: () => Promise.reject(unavailable()),
  write: () => Promise.reject(unavailable()),
  remove: () => Promise.reject(unavailable()),
  renew: () => Promise.reject(unavailable()),
  remaining: () => Promise.reject(unavailable()),
  close: async () => undefined,
};

function unavailable(): PortolanError {
  return portolanError('store-unavailable', '', 'this control plane was given no registry for flannel');
}
