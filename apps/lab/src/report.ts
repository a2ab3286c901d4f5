import { relative } from 'node:path';
import type { Lab } from './lab.js';
import type { ProvedTable } from './proof.js';

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`.trimEnd();
  return rows.map(line).join('\n');
}

/** A table of who answered how many of the requests. */
export function renderProof({ title, endpoints, rows }: ProvedTable): string {
  const header = ['FROM / TO', ...endpoints, 'FAILED', 'MS EACH'];
  const lines = rows.map(({ label, counts, failed, milliseconds }) => {
    const asked = [...counts.values()].reduce((sum, count) => sum + count, failed);
    return [label, ...endpoints.map((endpoint) => String(counts.get(endpoint) ?? '-')), String(failed), (milliseconds / Math.max(1, asked)).toFixed(1)];
  });
  const faults = rows.filter(({ fault }) => fault !== undefined).map(({ label, fault }) => `\n  ✘ ${label}: ${fault}`);
  return `${title}\n${aligned([header, ...lines])}${faults.join('')}`;
}

/** What to try next, with lines that work as they stand. */
export function renderNextSteps(lab: Lab): string {
  const { apiUrl, manifest, hosts } = lab;
  const [host] = [...hosts.values()].slice(-1);
  const services = manifest.services ?? [];
  const front = services.find(({ ports }) => ports?.some(({ published }) => published === 8000)) ?? services[0];
  const port = front?.ports?.[0]?.published;
  const endpoint = manifest.endpoints?.find(({ service }) => service === front?.name);
  const lines: (readonly [string, string])[] = [
    [`${apiUrl}/`, 'the dashboard'],
    [`${apiUrl}/docs`, 'API documentation'],
    [`${apiUrl}/graphiql`, 'GraphiQL'],
    ['npx portolan status', 'three numbers tell how far everything is'],
    [`npx portolan node state ${host?.name ?? 'node1'}`, 'what Portolan wants in the kernel of a node, and why'],
    ['npx portolan jobs', 'what was done, with every command'],
  ];
  if (services.length > 0) lines.push(['npx portolan get services', 'VIPs, marks and ports']);
  if (manifest.flannel) lines.push(['npx portolan flannel status', 'who has which subnet, and how it is reached']);
  if (host !== undefined && port !== undefined && front !== undefined)
    lines.push([`npx portolan explain --from outside --to ${front.name}:${port} --node ${host.name}`, 'the way of such a request, hop by hop']);
  if (host !== undefined && port !== undefined)
    lines.push([`for i in 1 2 3 4; do curl -s http://${host.address}:${port}; done`, 'through the mesh, from this shell']);
  if (endpoint !== undefined) lines.push([`npx portolan delete endpoint ${endpoint.name} --wait`, 'it gets no request from then on']);
  if (endpoint !== undefined) lines.push([`npx portolan apply -f ${relative(process.cwd(), lab.manifestPath)} --wait`, 'and it is back']);
  const width = Math.max(...lines.map(([what]) => what.length));
  return `What to try next\n${lines.map(([what, why]) => `  ${what.padEnd(width)}  ${why}`).join('\n')}`;
}
