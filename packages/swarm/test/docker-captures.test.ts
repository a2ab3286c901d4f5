import { pathToFileURL } from 'node:url';
import { dockerState, swarmIndex } from '@portolan/swarm';
import { describe, expect, it } from 'vitest';
import { directoryOf, healthyCaptures } from './captures.js';
import { dumpFor, less, linesOf, orderOf, readCapture, withoutRepetitions } from './docker-captures.js';

/** But for one with tasks on docker0, which is Docker's and not Swarm's. */
const captures = healthyCaptures.filter((name) => name !== 'many');

describe.each(captures)('%s', (name) => {
  const { swarm, dumps } = readCapture(pathToFileURL(`${directoryOf(name)}/`));
  const index = swarmIndex(swarm);
  const states = swarm.nodes.map((node) => ({ node, namespaces: dockerState(index, node.id), found: dumps.get(node.name) ?? new Map() }));

  it('has the namespaces that it should have, and no other', () => {
    for (const { namespaces, found } of states) {
      const missing = namespaces.filter((namespace) => !namespace.mayBeAbsent && dumpFor(namespace, found) === undefined);
      expect(missing.map((namespace) => namespace.name)).toEqual([]);
      const expected = new Set(namespaces.map((namespace) => dumpFor(namespace, found)));
      expect([...found].flatMap(([other, dump]) => (expected.has(dump) ? [] : [other]))).toEqual([]);
    }
  });

  const present = states.flatMap(({ node, namespaces, found }) =>
    namespaces.flatMap((namespace) => {
      const dump = dumpFor(namespace, found);
      return dump === undefined ? [] : [{ place: `${node.name} ${namespace.name}`, namespace, dump }];
    }),
  );

  it.each(present)('$place is what Docker programs', ({ namespace, dump }) => {
    const found = linesOf(withoutRepetitions(dump, namespace), namespace);
    const required = linesOf(namespace.dump, namespace, namespace.optional);
    const optional = less(linesOf(namespace.dump, namespace), required);
    const besides = less(found, required);
    expect([...required, ...less(optional, less(optional, besides))].sort()).toEqual(found);
    for (const chain of new Set(namespace.dump.rules.map((rule) => rule.chain)))
      expect(orderOf(withoutRepetitions(dump, namespace), chain)).toEqual(orderOf(namespace.dump, chain));
  });

  it.each(present)('$place says of each object what it is for', ({ namespace }) => {
    const ids = new Set([...swarm.nodes, ...swarm.networks, ...swarm.services, ...swarm.tasks].map(({ id }) => id));
    for (const { port, containerId, ...known } of namespace.origins.values()) {
      for (const id of Object.values(known)) expect(ids).toContain(id);
      expect(Object.keys(known)).not.toEqual([]);
    }
  });
});
