import { stringify } from 'yaml';
import { styled, type Terminal } from '../terminal.js';

/** Every field of an answer, as YAML with bold names on a screen: what is new in the API shows up without a change here. */
export function renderDescription(terminal: Terminal, answer: object): string {
  return stringify(answer, { lineWidth: 0 }).replaceAll(
    /^(\s*(?:- )?)([A-Za-z][\w.-]*)(?=:)/gm,
    (_, indent: string, name: string) => `${indent}${styled(terminal, 'bold', name)}`,
  );
}
