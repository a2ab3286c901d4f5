/** A shell script for one node, block by block: each runs one tool in one namespace with its text as a here-document. */
export class Script {
  private readonly blocks: string[] = [];

  /** Lines for people, without `#`. */
  comment(...lines: readonly string[]): void {
    this.blocks.push(lines.map((line) => (line === '' ? '#' : `# ${line}`)).join('\n'));
  }

  command(...lines: readonly string[]): void {
    this.blocks.push(lines.join('\n'));
  }

  /** IPVS and its settings are there once its modules are loaded; a kernel that has them built in, has none to load. */
  loadIpvs(schedulers: Iterable<string>): void {
    const names = [...new Set(schedulers)].sort().map((scheduler) => `ip_vs_${scheduler}`);
    if (names.length > 0) this.command(`modprobe -qa ip_vs ${names.join(' ')} xt_ipvs nf_conntrack || true`);
  }

  /** Runs the command where `path` leads (undefined: on the host) with these lines on standard input; nothing when there are none. */
  feed(path: string | undefined, command: string, lines: readonly string[], goesOn = false): void {
    if (lines.length === 0) return;
    const end = lines.includes(END) ? `${END}_${lines.length}` : END;
    this.blocks.push([`${inNamespace(path)}${command} <<'${end}'${goesOn ? ' || true' : ''}`, ...lines, end].join('\n'));
  }

  toString(): string {
    return `#!/bin/sh\n${this.blocks.join('\n\n')}\n`;
  }
}

const END = 'EOF';

function inNamespace(path: string | undefined): string {
  return path === undefined ? '' : `nsenter --net=${quoted(path)} `;
}

/** As one word for the shell. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_./:@+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Where `ip netns add NAME` puts a namespace. */
export function namedPath(name: string): string {
  return `/run/netns/${name}`;
}
