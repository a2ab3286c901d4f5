import type { DumpFault } from './fault.js';
import { type DumpSection, dumpSections } from './namespace.js';

/** Faults of one file that are told one by one; the rest of a file that is no dump is a number. */
const MOST_TOLD = 20;
/** Of a line that is quoted in a fault, in characters. */
const MOST_QUOTED = 80;

/**
 * What ip says of a link whose other end is in a namespace that it cannot name; the link itself is shown all the same. It comes by another way than the
 * rest (standard error), so it may stand within a line.
 */
const NOISE = 'Error: Peer netns reference is invalid.';

/** Says what is wrong with a line of a section, which is not whole then. */
export type Refuse = (line: number, why: string) => void;

/** The lines of one section that are not empty, with their numbers in the file. */
export interface SectionLine {
  readonly number: number;
  readonly text: string;
}

export interface SectionedText {
  readonly sections: ReadonlyMap<DumpSection, readonly SectionLine[]>;
  readonly refusals: Refusals;
}

/** Collects faults, and the sections that they are in. */
export class Refusals {
  readonly unsound = new Set<DumpSection>();
  private readonly told: DumpFault[] = [];
  private untold = 0;

  constructor(private readonly sectionAt: (line: number) => DumpSection | undefined = () => undefined) {}

  readonly refuse: Refuse = (line, message) => {
    const section = this.sectionAt(line);
    if (section !== undefined) this.unsound.add(section);
    if (this.told.length < MOST_TOLD) this.told.push({ line, message });
    else this.untold++;
  };

  /** A fault that is told however many there are. */
  insist(line: number, message: string, section?: DumpSection): void {
    if (section !== undefined) this.unsound.add(section);
    this.told.push({ line, message });
  }

  faults(): readonly DumpFault[] {
    const inOrder = this.told.toSorted((a, b) => a.line - b.line);
    return this.untold === 0 ? inOrder : [...inOrder, { line: 0, message: `${this.untold} more lines cannot be read` }];
  }
}

export function quoted(text: string): string {
  return JSON.stringify(text.length > MOST_QUOTED ? `${text.slice(0, MOST_QUOTED)}…` : text);
}

const names: ReadonlyMap<string, DumpSection> = new Map(dumpSections.map((name) => [`# ${name}`, name]));

/** Cuts the text at its headings. A file that ends early is not whole in the section that it ends in. */
export function sectionsOf(text: string): SectionedText {
  const starts: { readonly line: number; readonly section: DumpSection }[] = [];
  const refusals = new Refusals((line) => starts.findLast((start) => start.line <= line)?.section);
  const { refuse } = refusals;
  const sections = new Map<DumpSection, SectionLine[]>();
  const lines = (text.startsWith('\ufeff') ? text.slice(1) : text).split('\n');
  const end = lines.pop() ?? '';
  // Only a file with such characters is looked at line by line.
  const isBinary = text.includes('\0') || text.includes('\ufffd');
  let current: SectionLine[] | undefined;
  /** Of a line, before noise. */
  let begun = '';
  for (const [i, raw] of lines.entries()) {
    const line = begun + (raw.endsWith('\r') ? raw.slice(0, -1) : raw);
    const isCut = line.endsWith(NOISE);
    begun = isCut ? line.slice(0, -NOISE.length) : '';
    if (isCut) continue;
    const number = i + 1;
    const section = line.startsWith('# ') ? names.get(line.trimEnd()) : undefined;
    if (section !== undefined) {
      starts.push({ line: number, section });
      if (sections.has(section)) refuse(number, `the section "# ${section}" begins again: the file has more than one dump`);
      current = [];
      if (!sections.has(section)) sections.set(section, current);
    } else if (line === '') continue;
    else if (isBinary && (line.includes('\0') || line.includes('\ufffd'))) refuse(number, `${quoted(line)} is no text`);
    else if (current === undefined) refuse(number, `${quoted(line)} is in no section; a dump begins with the line "# addr"`);
    else current.push({ number, text: line });
  }
  const rest = begun + end;
  if (text === '') refusals.insist(0, 'the file is empty');
  const last = starts.at(-1)?.section;
  // What is left of a line may be another value than it was: 1 of 10.
  if (rest !== '') refusals.insist(lines.length + 1, `the file ends within the line ${quoted(rest)}`, last);
  const missing = dumpSections.filter((section) => !sections.has(section));
  for (const section of missing) refusals.insist(0, `the section "# ${section}" is missing`, section);
  // A section that is not last may be left out on purpose, as that of a tool that is not installed.
  if (last !== undefined && missing.some((section) => dumpSections.indexOf(section) > dumpSections.indexOf(last))) {
    refusals.insist(lines.length, `the file ends in the section "# ${last}", before all sections are there: more of it may be missing`, last);
  }
  return { sections, refusals };
}

/** The word behind this one. */
export function wordAfter(words: readonly string[], name: string): string | undefined {
  const at = words.indexOf(name);
  return at === -1 ? undefined : words[at + 1];
}

export function wordsOf(text: string): string[] {
  // Nearly every line is words with a space between each two.
  const words = text.trim().split(' ');
  return words.includes('') || text.includes('\t') ? text.split(/\s+/).filter((word) => word !== '') : words;
}

/** An integer from 0 as the tools print it; undefined for anything else. */
export function numberOf(word: string | undefined): number | undefined {
  return word !== undefined && /^[0-9]{1,15}$/.test(word) ? Number(word) : undefined;
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** In lower case; null for anything else than six octets. */
export function macOf(word: string | undefined): string | null {
  return word !== undefined && MAC.test(word) ? word.toLowerCase() : null;
}
