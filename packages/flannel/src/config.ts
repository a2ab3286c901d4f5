import { type Flannel, type FlannelSpec, PortolanError, parseCidr, portolanError } from '@portolan/model';
import { canonicalJson } from '@portolan/node-state';
import { backendFields, backendOf, defaultedBackend } from './backend.js';
import { type Fields, fieldsOf, goJson } from './go-json.js';
import { type FlannelLayout, flannelLayout } from './layout.js';

/** Fields of the configuration that `Flannel` has fields of its own for, by their names in lower case. */
const ownFields = new Map(['network', 'subnetLen', 'subnetMin', 'subnetMax', 'backend'].map((field) => [field.toLowerCase(), field]));

/** Further fields that flanneld reads; it reads past all others. */
const knownFields: ReadonlySet<string> = new Set([
  'enableipv4',
  'enableipv6',
  'ipv6network',
  'ipv6subnetlen',
  'ipv6subnetmin',
  'ipv6subnetmax',
  'enablenftables',
]);

/** The field of `Flannel` that a field of the configuration is, whatever its case; undefined for one that stands in `registry`. */
export function ownFieldOf(name: string): string | undefined {
  return ownFields.get(name.toLowerCase());
}

/** The value of PREFIX/config: what a person gave and nothing else, so that flanneld takes its own defaults. */
export function encodeConfig({ network, subnetLen, subnetMin, subnetMax, registry, backend }: Flannel): string {
  return goJson({
    Network: network,
    ...(subnetLen === null ? {} : { SubnetLen: subnetLen }),
    ...(subnetMin === null ? {} : { SubnetMin: subnetMin }),
    ...(subnetMax === null ? {} : { SubnetMax: subnetMax }),
    ...Object.fromEntries(Object.entries(registry).filter(([name]) => ownFieldOf(name) === undefined)),
    Backend: backendFields(backend),
  });
}

/**
 * Whether the value of PREFIX/config means something else than the network, to flanneld, or cannot be read by it. Case of names, order,
 * blanks, and defaults that are written out make no difference; nor do fields that flanneld does not know, unless the network has them.
 */
export function configFault(value: string, flannel: Flannel): 'different' | 'unreadable' | null {
  try {
    const is = readConfig(value);
    const wanted = readConfig(encodeConfig(flannel));
    const extra = [...wanted.rest].filter(([name]) => !knownFields.has(name.toLowerCase()));
    const kept = extra.every(([name, field]) => canonicalJson(is.fields.get(name.toLowerCase()) ?? null) === canonicalJson(field));
    return kept && meaningOf(is) === meaningOf(wanted) ? null : 'different';
  } catch (cause) {
    if (cause instanceof PortolanError) return 'unreadable';
    throw cause;
  }
}

/** An existing registry as a network of ours. Throws `invalid-document`, naming the field, for one that flanneld would refuse or that we cannot carry. */
export function specOfConfig(value: string, prefix: string): FlannelSpec {
  const { network, subnetLen, subnetMin, subnetMax, rest, fields, backend } = readConfig(value);
  if (fields.get('enableipv4') === false) throw refused('EnableIPv4', 'nodes of Portolan carry IPv4');
  return {
    prefix,
    network,
    ...(subnetLen === null ? {} : { subnetLen }),
    ...(subnetMin === null ? {} : { subnetMin }),
    ...(subnetMax === null ? {} : { subnetMax }),
    backend: backendOf(backend),
    ...(rest.length === 0 ? {} : { registry: Object.fromEntries(rest) }),
  };
}

/** A configuration that flanneld accepts, but for the options of its backend. */
interface Config extends Pick<Flannel, 'network' | 'subnetLen' | 'subnetMin' | 'subnetMax'> {
  readonly fields: Fields;
  readonly layout: FlannelLayout;
  readonly backend: Fields;
  /** The other fields, in their order, as they are written. */
  readonly rest: readonly (readonly [string, unknown])[];
}

function readConfig(value: string): Config {
  const document = parsed(value);
  const fields = fieldsOf(document);
  if (fields === undefined) throw portolanError('invalid-document', '', 'the configuration is no JSON object');
  const cut = { network: networkOf(fields), subnetLen: subnetLenOf(fields), subnetMin: boundOf(fields, 'SubnetMin'), subnetMax: boundOf(fields, 'SubnetMax') };
  checkFlags(fields);
  const rest = Object.entries(Object(document)).filter(([name, field]) => field !== null && ownFieldOf(name) === undefined);
  return { ...cut, fields, layout: layoutOf(cut), backend: backendFieldsOf(fields, document), rest };
}

function parsed(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch (cause) {
    throw portolanError('invalid-document', '', 'the configuration is no JSON', { cause });
  }
}

function refused(field: string, why: string): PortolanError {
  return portolanError('invalid-document', `/${field}`, why);
}

/** Host bits are cut, as flanneld cuts them. */
function networkOf(fields: Fields): string {
  const given = fields.get('network');
  if (typeof given !== 'string') throw refused('Network', given === undefined ? 'Network is missing' : 'Network is no text');
  try {
    parseCidr(given);
    return given;
  } catch (cause) {
    const [meant] = cause instanceof PortolanError && cause.code === 'host-bits-set' ? (/[\d.]+\/\d+/.exec(cause.problems[0].fix) ?? []) : [];
    if (meant === undefined) throw refused('Network', `"${given}" is not an IPv4 subnet`);
    return meant;
  }
}

/** 0 is as good as none. */
function subnetLenOf(fields: Fields): number | null {
  const given = fields.get('subnetlen') ?? 0;
  if (typeof given !== 'number' || !Number.isInteger(given) || given < 0) throw refused('SubnetLen', 'SubnetLen is no number from 0 on');
  return given === 0 ? null : given;
}

/** 0.0.0.0 is as good as none. */
function boundOf(fields: Fields, name: 'SubnetMin' | 'SubnetMax'): string | null {
  const given = fields.get(name.toLowerCase()) ?? '0.0.0.0';
  if (typeof given !== 'string') throw refused(name, `${name} is no text`);
  return given === '0.0.0.0' ? null : given;
}

function checkFlags(fields: Fields): void {
  for (const name of ['EnableIPv4', 'EnableIPv6', 'EnableNFTables']) {
    const given = fields.get(name.toLowerCase());
    if (given !== undefined && typeof given !== 'boolean') throw refused(name, `${name} is neither true nor false`);
  }
}

function layoutOf(cut: Pick<Flannel, 'network' | 'subnetLen' | 'subnetMin' | 'subnetMax'>): FlannelLayout {
  try {
    return flannelLayout(cut);
  } catch (cause) {
    if (!(cause instanceof PortolanError)) throw cause;
    const [{ path, message, fix }] = cause.problems;
    // The same names, but for the case of the first letter.
    throw portolanError(
      'invalid-document',
      path.replace(/^\/./, (start) => start.toUpperCase()),
      message,
      { cause, fix },
    );
  }
}

/** Without a backend flanneld takes udp; one that is null or has no type it refuses. */
function backendFieldsOf(fields: Fields, document: unknown): Fields {
  const isNull = Object.entries(Object(document)).some(([name, field]) => name.toLowerCase() === 'backend' && field === null);
  const given = fields.get('backend');
  if (given === undefined && !isNull) return new Map([['type', 'udp']]);
  const backend = fieldsOf(given);
  if (typeof backend?.get('type') !== 'string') throw refused('Backend/Type', 'the backend has no type');
  return backend;
}

/** A text that is equal for configurations that flanneld takes for the same. */
function meaningOf({ layout, fields, backend }: Config): string {
  return canonicalJson({
    layout,
    ipv4: fields.get('enableipv4') ?? true,
    ipv6: fields.get('enableipv6') === true ? ipv6MeaningOf(fields) : null,
    nftables: fields.get('enablenftables') ?? false,
    backend: defaultedBackend(backend),
  });
}

function ipv6MeaningOf(fields: Fields): unknown {
  const network = String(fields.get('ipv6network') ?? '').toLowerCase();
  const length = Number(network.split('/')[1]);
  const boundary = (name: string): string | null => {
    const text = String(fields.get(name) ?? '').toLowerCase();
    return text === '' || text === '::' ? null : text;
  };
  return {
    network,
    subnetLen: Number(fields.get('ipv6subnetlen') ?? 0) || (length <= 62 ? 64 : length + 2),
    first: boundary('ipv6subnetmin'),
    last: boundary('ipv6subnetmax'),
  };
}
