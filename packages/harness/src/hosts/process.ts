import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import type { Argv, Executed, MachineProcess, StartOptions } from './machine.js';

const signalNumbers: Readonly<Record<string, number>> = constants.signals;

/** Runs a program without a shell. Never rejects: a program that cannot be started answers with exit code 127. */
export function runProcess(argv: Argv, input = '', env: NodeJS.ProcessEnv = process.env): Promise<Executed> {
  const [file, ...args] = argv;
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const settle = (exitCode: number, reason = ''): void =>
      resolve({
        command: argv.join(' '),
        exitCode,
        stdout: Buffer.concat(stdout).toString('utf8'),
        stderr: Buffer.concat(stderr).toString('utf8') + reason,
        milliseconds: performance.now() - startedAt,
      });
    const child = spawn(file, args, { env, stdio: 'pipe' });
    child.once('error', (error) => settle(127, error.message));
    child.once('close', (code, signal) => settle(code ?? 128 + (signalNumbers[signal ?? ''] ?? 0)));
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A program may end before it has read its input; its exit code tells what there is to tell.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Starts a program in a session of its own, so that Ctrl-C in a terminal does not reach it. Rejects when it cannot be started. */
export function startProcess(argv: Argv, options: StartOptions): Promise<MachineProcess> {
  const [file, ...args] = argv;
  mkdirSync(dirname(options.logFile), { recursive: true });
  const output = openSync(options.logFile, 'a');
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: { ...process.env, ...options.env }, stdio: ['ignore', output, output], detached: true });
    closeSync(output);
    const exited = new Promise<{ exitCode: number | null; signal: string | null }>((settle) => {
      child.once('exit', (exitCode, signal) => settle({ exitCode, signal }));
    });
    child.once('error', reject);
    child.once('spawn', () => {
      resolve({
        pid: child.pid ?? 0,
        exited,
        async kill(signal) {
          if (child.exitCode === null && child.signalCode === null) child.kill(signal);
        },
      });
    });
  });
}
