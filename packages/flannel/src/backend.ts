import { completeBackend, type FlannelBackend, type PortolanError, portolanError } from '@portolan/model';
import type { Fields } from './go-json.js';

/** Options of each backend of ours in the configuration, in the order in which they are written. */
const options = {
  vxlan: { vni: 'VNI', port: 'Port', gbp: 'GBP', learning: 'Learning', directRouting: 'DirectRouting', mtu: 'MTU' },
  udp: { port: 'Port' },
} as const;

/** The object `Backend` of the configuration: what is left out is left out of it. */
export function backendFields(backend: FlannelBackend): Readonly<Record<string, unknown>> {
  if (backend.type === 'host-gw') return { Type: backend.type };
  const given: Readonly<Record<string, unknown>> = backend;
  const written = Object.entries(options[backend.type]).filter(([name]) => given[name] !== undefined);
  return { Type: backend.type, ...Object.fromEntries(written.map(([name, option]) => [option, given[name]])) };
}

/** The backend that an object `Backend` describes. Throws `invalid-document`, naming the option, also for one that is none of ours. */
export function backendOf(fields: Fields): FlannelBackend {
  const type = typeOf(fields);
  if (type === 'host-gw') return { type };
  if (type === 'udp') return { type, ...portOf(fields) };
  if (type !== 'vxlan') throw refused('Type', `"${type}" is a backend that Portolan does not have`, 'Choose one of vxlan, host-gw and udp.');
  const vni = integerOf(fields, 'VNI', 1, 0xffffff);
  // 0 is flannel's own sign for: that of the interface.
  const mtu = fields.get('mtu') === 0 ? undefined : integerOf(fields, 'MTU', 626, 9216);
  const [gbp, learning, directRouting] = [flagOf(fields, 'GBP'), flagOf(fields, 'Learning'), flagOf(fields, 'DirectRouting')];
  return {
    type,
    ...(vni === undefined ? {} : { vni }),
    ...portOf(fields),
    ...(gbp === undefined ? {} : { gbp }),
    ...(learning === undefined ? {} : { learning }),
    ...(directRouting === undefined ? {} : { directRouting }),
    ...(mtu === undefined ? {} : { mtu }),
  };
}

/** The same with every default filled in, to be compared; of a backend that is none of ours, or has options that we refuse, just what is there. */
export function defaultedBackend(fields: Fields): unknown {
  const type = typeOf(fields);
  if (type !== 'vxlan' && type !== 'udp' && type !== 'host-gw') return { ...Object.fromEntries(fields), type };
  return completeBackend(backendOf(fields));
}

/** flanneld finds a backend whatever the case of its name. */
function typeOf(fields: Fields): string {
  return String(fields.get('type')).toLowerCase();
}

/** 0: the kernel's own, or the default; as good as none. */
function portOf(fields: Fields): { readonly port?: number } {
  const port = fields.get('port') === 0 ? undefined : integerOf(fields, 'Port', 1, 65535);
  return port === undefined ? {} : { port };
}

function integerOf(fields: Fields, option: string, from: number, to: number): number | undefined {
  const given = fields.get(option.toLowerCase());
  if (given === undefined) return undefined;
  if (typeof given === 'number' && Number.isInteger(given) && given >= from && given <= to) return given;
  throw refused(option, `${option} is no number from ${from} to ${to}`);
}

function flagOf(fields: Fields, option: string): boolean | undefined {
  const given = fields.get(option.toLowerCase());
  if (given === undefined || typeof given === 'boolean') return given;
  throw refused(option, `${option} is neither true nor false`);
}

function refused(option: string, why: string, fix?: string): PortolanError {
  return portolanError('invalid-document', `/Backend/${option}`, why, fix === undefined ? {} : { fix });
}
