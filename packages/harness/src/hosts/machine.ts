/** A process that ran to its end. */
export interface Executed {
  readonly command: string;
  /** 128 + signal number when a signal ended it; 127 when it could not be started, with the reason in stderr. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
}

export type Argv = readonly [string, ...string[]];

export interface StartOptions {
  /** Added to the machine's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute path, appended to; standard output and error go there. */
  readonly logFile: string;
}

/** A process that keeps running. */
export interface MachineProcess {
  /** Process id on the machine; in a guest that is the guest's own number. */
  readonly pid: number;
  /** Resolves when it is gone. Never rejects. */
  readonly exited: Promise<{ readonly exitCode: number | null; readonly signal: string | null }>;
  /** Sends a signal; nothing happens when it is gone already. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** The network between the machine that the user sits at and the lab's hosts. */
export interface Underlay {
  /** Bridge that the hosts hang on: on the machine itself, or inside the guest. Natively it carries `gateway`. */
  readonly bridge: string;
  /** The machine's own address on it, IPv4. */
  readonly gateway: string;
  readonly prefixLength: number;
}

/** A Linux with IPVS that lab hosts are made on: this machine, or a User-Mode Linux guest that sees the same files. */
export interface LabMachine {
  readonly kind: 'native' | 'uml';
  readonly underlay: Underlay;
  /** Address that the machine of the lab holds on the underlay beside the gateway, if any; no host may have it. */
  readonly reserved: readonly string[];
  /** Process on this machine that everything in the lab lives in; undefined natively. */
  readonly guestPid: number | undefined;
  run(argv: Argv, input?: string): Promise<Executed>;
  start(argv: Argv, options: StartOptions): Promise<MachineProcess>;
  /** Resolves when the machine is gone without `stop`, with the reason. Never for a native one. */
  readonly lost: Promise<string>;
  /** Ends all processes started here, and the underlay. */
  stop(): Promise<void>;
}
