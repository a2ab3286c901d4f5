import type { ChildProcess } from 'node:child_process';
import type { Stage } from './stage.js';

/** Header of a file of pcap(5), of a packet in it, and of Ethernet. */
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET = 14;

export interface Capture {
  /** IPv4 packets so far, each from its IP header on. */
  packets(): Buffer[];
  end(): void;
}

/** The IPv4 packets that match a filter of tcpdump at an interface, from now on. */
export async function capture(stage: Stage, name: string, link: string, filter: string): Promise<Capture> {
  const argv = ['tcpdump', '-n', '-i', link, '--immediate-mode', '-U', '-Z', 'root', '-s', '0', '-w', '-', ...filter.split(' ')];
  const child = stage.spawn(name, argv);
  const pieces: Buffer[] = [];
  child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
  await listening(child);
  return {
    packets: () => {
      const bytes = Buffer.concat(pieces);
      const found: Buffer[] = [];
      for (let at = FILE_HEADER; at + RECORD_HEADER <= bytes.length; ) {
        const length = bytes.readUInt32LE(at + 8);
        const packet = bytes.subarray(at + RECORD_HEADER + ETHERNET, at + RECORD_HEADER + length);
        // Ethernet pads short frames.
        found.push(packet.subarray(0, packet.readUInt16BE(2)));
        at += RECORD_HEADER + length;
      }
      return found;
    },
    end: () => void child.kill('SIGTERM'),
  };
}

function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.on('data', (piece: Buffer) => {
      said += piece.toString();
      if (said.includes('listening on')) resolve();
    });
    child.once('exit', () => reject(new Error(`tcpdump: ${said}`)));
  });
}
