import { type Cidr, type FlannelLease, type FlannelPath, formatCidr, type Ipv4, ipv4Value, type Mac, portolanError } from '@portolan/model';
import { type Fields, fieldsOf, fieldsOfText, goJson, printable } from './go-json.js';
import type { RegistryEntry } from './registry.js';

/** What a node of ours says of itself in its entry. */
export interface LeaseValue {
  readonly publicAddress: Ipv4;
  /** How it is reached. */
  readonly path: FlannelPath;
  /** Needed with a path of VXLAN, and left out with others. */
  readonly vtepMac: Mac | null;
}

/** Name of the key of a subnet, below PREFIX/subnets/ (flannel, MakeSubnetKey): 10.244.1.0-24. */
export function leaseKey(subnet: Cidr): string {
  return subnet.replace('/', '-');
}

/** The VNI of a path of VXLAN, null of another. */
export function vniOfPath(path: FlannelPath): number | null {
  return path.startsWith('vxlan/') ? Number(path.slice('vxlan/'.length)) : null;
}

/** The value of an entry, byte for byte as flanneld writes it since v0.15 (flannel, LeaseAttrs); udp has no type and no data there. */
export function encodeLease({ publicAddress, path, vtepMac }: LeaseValue): string {
  const common = { PublicIP: publicAddress, PublicIPv6: null };
  const vni = vniOfPath(path);
  if (vni === null) return goJson(path === 'udp' ? common : { ...common, BackendType: path });
  if (vtepMac === null) throw portolanError('internal', '', `a lease of ${publicAddress} for ${path} has no MAC`);
  return goJson({ ...common, BackendType: 'vxlan', BackendData: { VNI: vni, VtepMAC: vtepMac } });
}

/** What a part of an entry says, and what is wrong with it. */
type Read<T> = T & Pick<FlannelLease, 'fault'>;
type ValueFields = Pick<FlannelLease, 'publicAddress' | 'backendType' | 'vni' | 'vtepMac'>;

/**
 * An entry of anybody's, also of flanneld of long ago: fields in any order and case; VNI, PublicIPv6 and BackendType may be missing. It
 * throws nothing: what cannot be read, or cannot be used, is its `fault`, for people. `nodeId` is null: who has it is told by `leasesOf`.
 */
export function readLease(entry: RegistryEntry): FlannelLease {
  const known = leases.get(entry);
  if (known !== undefined) return known;
  const { key, value, leaseId } = entry;
  const { fault: keyFault, subnet } = readKey(key);
  const { fault: valueFault, ...attributes } = readValue(value);
  const lease = { key: printable(key), subnet, ...attributes, nodeId: null, reserved: leaseId === null, fault: keyFault ?? valueFault };
  leases.set(entry, lease);
  return lease;
}

/** What entries say, as long as somebody has them: a view of thousands differs from the one before by a few. */
const leases = new WeakMap<RegistryEntry, FlannelLease>();

/** flanneld finds the name at the end of any text (ParseSubnetKey), so that much decides what is taken; we use only what it would write itself. */
const KEY = /(\d+\.\d+\.\d+\.\d+)-(\d+)(&[a-f\d:]+-\d+)?$/;

function readKey(key: string): Read<Pick<FlannelLease, 'subnet'>> {
  const [found = '', address = '', length = '', ipv6 = ''] = KEY.exec(key) ?? [];
  const value = ipv4Value(address);
  const prefixLength = Number(length);
  // Five bits, as in flannel.
  if (value === undefined || prefixLength > 31) return { subnet: null, fault: 'the key names no subnet' };
  if (prefixLength === 0) return { subnet: null, fault: ipv6 === '' ? 'the key names no subnet' : 'it carries IPv6 only' };
  const size = 2 ** (32 - prefixLength);
  const first = value - (value % size);
  const subnet = formatCidr({ first, last: first + size - 1, prefixLength });
  if (first !== value) return { subnet, fault: `the key has host bits set; ${leaseKey(subnet)} is meant` };
  return { subnet, fault: found === key && leaseKey(subnet) + ipv6 === key ? null : `the key is not written as flannel writes it: ${leaseKey(subnet)}` };
}

function readValue(text: string): Read<ValueFields> {
  const nothing: ValueFields = { publicAddress: null, backendType: 'udp', vni: null, vtepMac: null };
  const fields = fieldsOfText(text);
  if (fields === undefined) return { ...nothing, fault: 'the value is no JSON object' };
  const backendType = textOf(fields, 'backendtype', '');
  // flanneld's way to say none.
  const publicAddress = textOf(fields, 'publicip', '0.0.0.0');
  if (backendType === null || publicAddress === null || ipv4Value(publicAddress) === undefined) {
    return { ...nothing, fault: backendType === null ? 'BackendType is no text' : 'PublicIP is no IPv4 address' };
  }
  const named = publicAddress === '0.0.0.0' ? null : publicAddress;
  const read = { ...nothing, publicAddress: named, backendType: backendType === '' ? 'udp' : printable(backendType) };
  const fault = named === null ? 'it names no public IPv4 address' : null;
  if (read.backendType !== 'vxlan') return { ...read, fault };
  const { fault: dataFault, ...data } = readVxlanData(fields.get('backenddata'));
  return { ...read, ...data, fault: fault ?? dataFault };
}

function readVxlanData(value: unknown): Read<Pick<FlannelLease, 'vni' | 'vtepMac'>> {
  const data = fieldsOf(value ?? {});
  if (data === undefined) return { vni: null, vtepMac: null, fault: 'BackendData is no object' };
  // Named since v0.14; before, it was that of the configuration, and 1 where that named none.
  const vni = data.get('vni') ?? 1;
  const vtepMac = macOf(textOf(data, 'vtepmac', '') ?? '');
  if (typeof vni !== 'number' || !Number.isInteger(vni) || vni < 1 || vni > 0xffffff)
    return { vni: null, vtepMac, fault: 'VNI is no number from 1 to 16777215' };
  return { vni, vtepMac, fault: vtepMac === null ? 'VtepMAC is no MAC address' : null };
}

/** null: it is no text. */
function textOf(fields: Fields, name: string, missing: string): string | null {
  const value = fields.get(name) ?? missing;
  return typeof value === 'string' ? value : null;
}

/** Six octets in any of the forms that Go reads: 3a:c6:11:c1:b0:f0, 3a-c6-…, 3ac6.11c1.b0f0. */
function macOf(text: string): Mac | null {
  if (!/^([\da-f]{2}(:[\da-f]{2}){5}|[\da-f]{2}(-[\da-f]{2}){5}|[\da-f]{4}(\.[\da-f]{4}){2})$/i.test(text)) return null;
  return (text.toLowerCase().match(/[\da-f]{2}/g) ?? []).join(':');
}
