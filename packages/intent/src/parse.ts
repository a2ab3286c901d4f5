import {
  type ClusterSettings,
  ClusterSettingsSchema,
  type FlannelSpec,
  FlannelSpecSchema,
  type Manifest,
  ManifestSchema,
  type NounKind,
  nounCollections,
  nounKinds,
  nounSchemas,
  type Problem,
} from '@portolan/model';
import { Compile } from 'typebox/compile';
import { flannelProblems } from './flannel-values.js';
import { MAX_PROBLEMS, refuse } from './problems.js';
import { schemaProblems } from './schema-problems.js';
import type { NounSpecs } from './types.js';
import { settingsProblems, specProblems } from './values.js';

const specs: { readonly [K in NounKind]: ReturnType<typeof Compile> } = {
  node: Compile(nounSchemas.node),
  network: Compile(nounSchemas.network),
  service: Compile(nounSchemas.service),
  endpoint: Compile(nounSchemas.endpoint),
};
const manifest = Compile(ManifestSchema);
const settings = Compile(ClusterSettingsSchema);
const flannel = Compile(FlannelSpecSchema);

/**
 * The document as a spec. Throws one problem for each fault, at most 20: `invalid-document`, `unknown-field`,
 * `invalid-address`, `invalid-subnet`, `host-bits-set`, `address-outside-network`.
 */
export function parseSpec<K extends NounKind>(kind: K, value: unknown): NounSpecs[K] {
  refuse(schemaProblems(specs[kind], value));
  const spec = value as NounSpecs[K];
  refuse(specProblems(kind, spec, ''));
  return spec;
}

/** The document as a manifest. Throws like parseSpec; what needs the cluster to judge is left to applyManifest. */
export function parseManifest(value: unknown): Manifest {
  refuse(schemaProblems(manifest, value));
  const document = value as Manifest;
  const problems: Problem[] = document.settings === undefined ? [] : [...settingsProblems(document.settings, '/settings')];
  for (const kind of nounKinds) {
    const section = document[nounCollections[kind]] ?? [];
    for (let i = 0; i < section.length && problems.length < MAX_PROBLEMS; i++) {
      const spec = section[i];
      if (spec !== undefined) problems.push(...specProblems(kind, spec, `/${nounCollections[kind]}/${i}`));
    }
  }
  if (document.flannel !== undefined && document.flannel !== null) problems.push(...flannelProblems(document.flannel, '/flannel'));
  refuse(problems);
  return document;
}

/** The document as the spec of the flannel network. Throws like parseSpec, and `subnet-overlap`, `duplicate-name` and `unsupported-combination`. */
export function parseFlannel(value: unknown): FlannelSpec {
  refuse(schemaProblems(flannel, value));
  const spec = value as FlannelSpec;
  refuse(flannelProblems(spec, ''));
  return spec;
}

/** Complete settings; pointers begin at them. */
export function parseSettings(value: unknown): ClusterSettings {
  refuse(schemaProblems(settings, value));
  const complete = value as ClusterSettings;
  refuse(settingsProblems(complete, ''));
  return complete;
}
