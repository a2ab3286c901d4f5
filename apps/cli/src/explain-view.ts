import type { ExplanationAnswer, HopAnswer, ObjectAnswer, PacketAnswer, PathAnswer, VerdictAnswer } from './explain-answers.js';
import { styled, type Terminal } from './terminal.js';

/** An explanation as people read it. `minimal`: a line for each namespace that the packet passes. */
export function explanationText(terminal: Terminal, answer: ExplanationAnswer, minimal: boolean): string {
  const { from, to, view, resolution, paths, verdict, divergences, trails } = answer;
  const lines = [`${styled(terminal, 'bold', `${from} → ${to}`)}${view === 'observed' ? ', by what the agents last saw' : ''}`];
  if (resolution !== null) lines.push(`name: ${resolution.text}`);
  for (const path of paths) lines.push('', ...pathLines(terminal, path, minimal));
  if (paths.length !== 1) lines.push('', ...verdictLines(terminal, verdict));
  if (divergences.length > 0) {
    lines.push('', styled(terminal, 'bold', 'Not as it should be on the way'));
    for (const { object, difference, decisive } of divergences) {
      lines.push(`  ${styled(terminal, decisive ? 'red' : 'yellow', difference)} ${object.node} ${object.key}${because(object)}`);
    }
  }
  for (const trail of trails) lines.push('', styled(terminal, 'bold', `How ${trail.node} knows where it lives`), ...trail.lines.map((line) => `  ${line}`));
  return `${lines.join('\n')}\n`;
}

function pathLines(terminal: Terminal, { backend, share, forward, reply, verdict }: PathAnswer, minimal: boolean): string[] {
  const to = backend === null ? 'path' : `by ${backend}`;
  const title = styled(terminal, 'bold', `${to}, ${Math.round(share * 100)} % of new connections`);
  const hops = minimal ? minimalLines : hopLines;
  const back = reply.length === 0 ? [] : [styled(terminal, 'dim', '  and back'), ...hops(terminal, reply)];
  return [title, ...hops(terminal, forward), ...back, ...verdictLines(terminal, verdict)];
}

function placeText({ node, title }: HopAnswer['place']): string {
  return node === null ? title : `${node}, ${title}`;
}

function hopLines(terminal: Terminal, hops: readonly HopAnswer[]): string[] {
  const lines: string[] = [];
  let place = '';
  let packet = '';
  for (const hop of hops) {
    const where = placeText(hop.place);
    if (where !== place) lines.push(`  ${styled(terminal, 'bold', where)}`);
    place = where;
    lines.push(
      `    ${hop.kind.padEnd(14)} ${hop.device === null ? '' : `${hop.device}: `}${hop.text}${hop.object === null ? '' : styled(terminal, 'dim', `  ${hop.object.key}${because(hop.object)}`)}`,
    );
    const after = packetText(hop.after);
    if (after !== packet) lines.push(styled(terminal, 'dim', `${' '.repeat(19)}${after}`));
    packet = after;
  }
  return lines;
}

/** The packet as it leaves each namespace. */
function minimalLines(_terminal: Terminal, hops: readonly HopAnswer[]): string[] {
  return hops.flatMap((hop, i) => {
    const next = hops[i + 1];
    const isLast = next === undefined || placeText(next.place) !== placeText(hop.place);
    return isLast ? [`  ${placeText(hop.place)}: ${packetText(hop.after)}`] : [];
  });
}

function packetText({ source, destination, transport, sourcePort, destinationPort, ttl, mark, outer }: PacketAnswer): string {
  const end = (address: string, port: number | null): string => (port === null ? address : `${address}:${port}`);
  const inner = `${end(source, sourcePort)} → ${end(destination, destinationPort)} ${transport}, ttl ${ttl}${mark === 0 ? '' : `, mark 0x${mark.toString(16)}`}`;
  if (outer === null) return inner;
  return `${inner}, in UDP ${outer.source} → ${outer.destination}:${outer.port}${outer.vni === null ? '' : `, VNI ${outer.vni}`}`;
}

function verdictLines(terminal: Terminal, { outcome, to, reason, fix, object }: VerdictAnswer): string[] {
  const isGood = outcome === 'delivered';
  const first = `${styled(terminal, isGood ? 'green' : 'red', outcome)}${to === null ? '' : ` to ${to}`}: ${reason}`;
  if (isGood) return [first];
  return [first, ...(object === null ? [] : [`  because of ${object.node} ${object.key}${because(object)}`]), ...(fix === null ? [] : [`  fix: ${fix}`])];
}

/** What in the intent put an object there. */
function because({ origin }: ObjectAnswer): string {
  if (origin === null) return '';
  const named = Object.entries(origin).filter(([what]) => what !== 'computedBy');
  return named.length === 0 ? '' : ` (${named.map(([what, name]) => `${what} ${name}`).join(', ')})`;
}
