/** Bits of a packet's mark that other programs use: `value` within `mask`. Both are unsigned, of 32 bits. */
export interface ForeignMark {
  readonly mask: number;
  readonly value: number;
}

const ALL_BITS = 0xffffffff;

/** The match `mark` and the target `MARK`; those of connections, `connmark` and `CONNMARK`, are other marks. */
const uses = /(?:-m mark (?:! )?--mark|-j MARK --set-x?mark) (0x[0-9a-f]+|[0-9]+)(?:\/(0x[0-9a-f]+|[0-9]+))?(?= |$)/gi;

/** Comments may say anything. */
export function withoutQuotes(line: string): string {
  return line.replace(/"(?:[^"\\]|\\.)*"/g, '""');
}

/** The marks that a rule sets or looks for, as iptables-save prints it; `--or-mark` and its like are printed as `--set-xmark`, too. */
export function foreignMarksOf(text: string): readonly ForeignMark[] {
  return [...withoutQuotes(text).matchAll(uses)].map(([, value = '0', mask]) => {
    const bits = mask === undefined ? ALL_BITS : Number(mask);
    // What is set beyond the mask is turned over in the packet.
    return { mask: (bits | Number(value)) >>> 0, value: Number(value) >>> 0 };
  });
}
