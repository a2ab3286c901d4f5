import type { GraphQLSchema } from 'graphql';
import { createBuilder } from './builder.js';
import { registerChangesetMutations } from './changeset-mutations.js';
import { changesetType } from './changeset-types.js';
import { clusterType } from './cluster-type.js';
import { registerCredentials } from './credentials.js';
import { registerExplain } from './explain-types.js';
import { InputTypes } from './inputs.js';
import { registerMutations } from './mutations.js';
import { objectTypes } from './object-types.js';
import { progressTypes } from './progress-types.js';
import { registerServiceTypes } from './service-types.js';
import { registerSubscriptions } from './subscriptions.js';
import { poolUsageType } from './value-types.js';

/** The whole schema; `schema.graphql` beside the sources is the same as text, which a test compares. */
export function graphqlSchema(): GraphQLSchema {
  const builder = createBuilder();
  const inputs = new InputTypes(builder);
  const progress = progressTypes(builder, inputs);
  const poolUsage = poolUsageType(builder, inputs);
  const objects = objectTypes(builder, inputs, progress, poolUsage);
  registerServiceTypes(builder, inputs, objects);
  const cluster = clusterType(builder, inputs, objects, progress, poolUsage);
  registerExplain(builder, inputs, cluster);
  const changeset = changesetType(builder, inputs, { cluster, progress });
  const applied = registerMutations(builder, inputs, { cluster, objects, progress });
  registerCredentials(builder, inputs);
  registerSubscriptions(builder, progress);
  registerChangesetMutations(builder, inputs, { applied, changeset });
  return builder.toSchema();
}
