import { readFileSync, writeFileSync } from 'node:fs';
import { wholeHash } from '@portolan/node-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLUSTER, NODE, openStage, type Stage, stateWith, until } from './stage.js';

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.dispose());

function kernelHashes(): string[] {
  return [...stage.kernel.objects.values()].map(({ key, hash }) => `${key} ${hash}`).sort();
}
function hashesOf(state: ReturnType<typeof stateWith>): string[] {
  return state.objects.map(({ key, hash }) => `${key} ${hash}`).sort();
}
async function reported(count: number): Promise<void> {
  await until(() => stage.plane.reports.length >= count, `${count} reports`);
}
async function appliedGeneration(generation: number): Promise<void> {
  await until(() => stage.plane.reports.some((report) => report.generation === generation && report.status === 'applied'), `generation ${generation} reported`);
}

describe('the loop', () => {
  it('brings the kernel to the state, and says so with what it did and what is there', async () => {
    const state = stateWith('a', 'b');
    stage.offer(3, state);
    await stage.agent().start();
    await reported(1);
    expect(kernelHashes()).toEqual(hashesOf(state));
    const report = stage.lastReport();
    expect(report).toMatchObject({
      generation: 3,
      revision: 3,
      status: 'applied',
      stateHash: state.hash,
      errors: [],
      waiting: [],
      endpoints: { a: 'present', b: 'present' },
      facts: { kernel: 'fake' },
    });
    expect(report.steps.map(({ action }) => action)).toEqual(state.objects.map(() => 'create'));
    expect(report.commands.length).toBe(stage.kernel.counts.batches);
    // It found all of its state, so the objects need not be told.
    expect(report.observed).toMatchObject({ hash: wholeHash(state) });
    expect(report.observed.objects).toBeUndefined();
  });

  it('does nothing for a job whose generation it has reported already, as when the revision came first', async () => {
    stage.offer(1, stateWith('a'));
    await stage.agent().start();
    await reported(1);
    const before = { ...stage.kernel.counts };
    const asked = stage.plane.requests.state;
    await stage.publish(1);
    await until(() => stage.plane.requests.state > asked, 'the state is asked for');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(stage.kernel.counts).toEqual(before);
    expect(stage.plane.reports).toHaveLength(1);
  });

  it('reports a generation anew that brings back the state it holds', async () => {
    stage.offer(1, stateWith('a'));
    await stage.agent().start();
    await reported(1);
    const { batches } = stage.kernel.counts;
    // Generation 2 was never seen here.
    stage.offer(3, stateWith('a'));
    await stage.publish(3);
    await reported(2);
    expect(stage.lastReport()).toMatchObject({ jobId: 'job1', generation: 3, status: 'applied', steps: [], commands: [] });
    expect(stage.kernel.counts.batches).toBe(batches);
    // The objects are those of the report before.
    expect(stage.lastReport().observed.objects).toBeUndefined();
  });

  it('sends the objects again when the control plane has lost them', async () => {
    stage.offer(1, stateWith('a'));
    const agent = stage.agent();
    await agent.start();
    await reported(1);
    stage.plane.forget();
    await agent.sync();
    await reported(3);
    expect(stage.plane.reports.slice(1).map(({ observed }) => observed.objects?.length)).toEqual([undefined, 4]);
  });

  it('follows jobs, and then reads only what it wrote', async () => {
    stage.offer(1, stateWith('a'));
    await stage.agent().start();
    await reported(1);
    stage.offer(2, stateWith('a', 'b'));
    const before = { ...stage.kernel.counts };
    await stage.publish(2);
    await appliedGeneration(2);
    expect(stage.lastReport().steps.map(({ key }) => key)).toEqual(['veth/own:1-net/vethb', 'address/endpoint:b/ov1/10.0.0.3']);
    // Once nothing, before the plan, and once what was written.
    expect(stage.kernel.counts).toMatchObject({ observed: before.observed, partlyObserved: before.partlyObserved + 2 });
    expect(kernelHashes()).toEqual(hashesOf(stateWith('a', 'b')));
  });

  it('follows revisions when jobs are lost, and leaves the kernel alone when its state is the same', async () => {
    stage.offer(1, stateWith('a'));
    await stage.agent().start();
    await reported(1);
    const { observed } = stage.kernel.counts;
    stage.plane.offer(1, stateWith('a'), 7);
    await stage.coordination.publishRevision(CLUSTER, 7);
    await until(() => stage.plane.requests.notModified === 1, 'asked again');
    stage.offer(2, stateWith());
    await stage.coordination.publishRevision(CLUSTER, 8);
    await appliedGeneration(2);
    expect(stage.kernel.counts.observed).toBe(observed);
  });

  it('looks at everything when a plan from the last observation leads nowhere', async () => {
    stage.offer(1, stateWith('a'));
    await stage.agent().start();
    await reported(1);
    stage.offer(2, stateWith('a', 'b'));
    stage.kernel.tamper('bridge/own:1-net/br0', undefined);
    let isFirst = true;
    stage.kernel.onBatch = () => {
      const exitCode = isFirst ? 1 : 0;
      isFirst = false;
      return exitCode;
    };
    await stage.publish(2);
    await appliedGeneration(2);
    expect(kernelHashes()).toEqual(hashesOf(stateWith('a', 'b')));
    expect(stage.plane.reports).toHaveLength(2);
    expect(stage.lastReport().steps).toContainEqual({ action: 'create', key: 'bridge/own:1-net/br0', reason: expect.any(String) });
  });

  it('repairs drift at the next timer, and reports it', async () => {
    stage.offer(1, stateWith('a'));
    await stage.agent({ resync: 60 }).start();
    await reported(1);
    stage.kernel.tamper('bridge/own:1-net/br0', undefined);
    await reported(2);
    expect(stage.lastReport().steps).toMatchObject([{ action: 'create', key: 'bridge/own:1-net/br0' }]);
    const count = stage.plane.reports.length;
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(stage.plane.reports.length).toBe(count);
  });

  it('refuses an older generation and tells the control plane', async () => {
    stage.offer(5, stateWith('a'));
    const agent = stage.agent();
    await agent.start();
    await reported(1);
    stage.plane.offer(4, stateWith());
    expect(await agent.sync()).toBe(false);
    await reported(2);
    expect(stage.lastReport()).toMatchObject({ generation: 5, status: 'applied', errors: [{ code: 'stale-generation' }] });
    expect(kernelHashes()).toEqual(hashesOf(stateWith('a')));
  });

  it('takes the first generation of a node that was made anew under its name', async () => {
    stage.offer(5, stateWith('a'));
    const agent = stage.agent();
    await agent.start();
    await reported(1);
    stage.plane.offer(1, stateWith('b'), 1, 'node1-of-now');
    stage.kernel.intend(stateWith('b'));
    expect(await agent.sync()).toBe(true);
    await reported(2);
    expect(stage.lastReport()).toMatchObject({ generation: 1, status: 'applied', errors: [] });
    expect(kernelHashes()).toEqual(hashesOf(stateWith('b')));
  });

  it('reports a failed command with its output, tries again, and names the job when it succeeds', async () => {
    stage.offer(1, stateWith());
    await stage.agent().start();
    await reported(1);
    stage.offer(2, stateWith('a'));
    stage.kernel.onBatch = () => 2;
    await stage.publish(2);
    await reported(2);
    const failed = stage.plane.reports[1];
    expect(failed).toMatchObject({
      jobId: 'job1',
      generation: 2,
      status: 'failed',
      errors: [{ code: 'apply-failed', message: expect.stringContaining('refused by the test') }],
    });
    expect(failed?.commands.at(-1)).toMatchObject({ exitCode: 2, stderr: 'refused by the test\n' });
    stage.kernel.onBatch = () => 0;
    await appliedGeneration(2);
    const closing = stage.plane.reports.filter(({ generation, status }) => generation === 2 && status === 'applied');
    expect(closing[0]?.jobId).toBe('job1');
  });

  it('says what the host lacks, and goes on when it has it', async () => {
    stage.offer(1, stateWith());
    const probe = stage.kernel.probe;
    const { portolanError } = await import('@portolan/model');
    stage.kernel.probe = () => Promise.reject(portolanError('tool-missing', '', 'the program ipvsadm is not installed', { fix: 'apt-get install ipvsadm' }));
    await stage.agent().start();
    await reported(1);
    expect(stage.lastReport()).toMatchObject({ status: 'failed', errors: [{ code: 'tool-missing', fix: 'apt-get install ipvsadm' }] });
    stage.kernel.probe = probe;
    await appliedGeneration(1);
  });
});

describe('outages and ends', () => {
  it('keeps the data path, and repairs it, while the control plane is away', async () => {
    stage.offer(1, stateWith('a'));
    const first = stage.agent();
    await first.start();
    await reported(1);
    await first.stop();
    expect(kernelHashes()).toEqual(hashesOf(stateWith('a')));

    stage.plane.mode = 'down';
    stage.kernel.tamper('bridge/own:1-net/br0', '0000000000000000');
    const second = stage.agent();
    await second.start();
    await until(() => kernelHashes().join() === hashesOf(stateWith('a')).join(), 'repaired from the ledger');
    expect(second.status()).toMatchObject({ generation: 1, status: 'applied' });

    stage.offer(2, stateWith('a', 'b'));
    stage.plane.mode = 'up';
    await appliedGeneration(2);
    expect(stage.logged.filter((line) => line.startsWith('warn no usable state'))).toHaveLength(1);
  });

  it('delivers what it could not, the newest of it, with the job', async () => {
    stage.offer(1, stateWith());
    const agent = stage.agent();
    await agent.start();
    await reported(1);
    stage.plane.mode = 'down';
    await stage.publish(1);
    stage.kernel.tamper('bridge/own:1-net/br0', undefined);
    await agent.sync();
    await agent.sync();
    stage.plane.mode = 'up';
    await reported(2);
    expect(stage.plane.reports[1]).toMatchObject({ jobId: 'job1', status: 'applied', steps: [{ key: 'bridge/own:1-net/br0' }] });
  });

  it('drops a report that is refused, with a word in the log', async () => {
    stage.offer(1, stateWith());
    stage.plane.mode = 'refuse';
    await stage.agent().start();
    await until(() => stage.logged.some((line) => line.includes('refused a report')), 'logged');
  });

  it('converges after it died in the middle, whichever batch it was', async () => {
    const state = stateWith('a', 'b');
    stage.offer(1, state);
    for (let survived = 0; ; survived += 1) {
      let batches = 0;
      // A killed agent ends between two system calls: nothing after that batch is done, nothing is reported.
      stage.kernel.onBatch = () => {
        if (batches === survived) throw new Error('killed');
        batches += 1;
        return 0;
      };
      const doomed = stage.agent();
      await doomed.start();
      await until(() => stage.logged.includes('error sync failed') || stage.plane.reports.length > 0, 'died or done');
      await doomed.stop();
      const died = stage.logged.includes('error sync failed');
      stage.kernel.onBatch = () => 0;
      const heir = stage.agent();
      await heir.start();
      await until(() => heir.status().status === 'applied', 'the heir has applied it');
      await heir.stop();
      expect(kernelHashes()).toEqual(hashesOf(state));
      if (!died) break;
      expect(survived).toBeLessThan(20);
      await stage.kernel.purge({});
      stage.logged.length = 0;
    }
  });

  it('takes a damaged ledger for an empty one', async () => {
    stage.offer(1, stateWith('a'));
    const first = stage.agent();
    await first.start();
    await reported(1);
    await first.stop();
    writeFileSync(stage.ledgerPath, readFileSync(stage.ledgerPath, 'utf8').slice(0, -20));
    await stage.agent().start();
    await reported(2);
    expect(stage.logged).toContain('error damaged ledger');
    expect(stage.lastReport()).toMatchObject({ status: 'applied', steps: [] });
  });

  it('waits for a node that the control plane does not know yet', async () => {
    const agent = stage.agent();
    await agent.start();
    await until(() => stage.plane.requests.state >= 2, 'asked twice');
    expect(agent.status().status).toBe('idle');
    stage.offer(1, stateWith('a'));
    await appliedGeneration(1);
  });

  it('is alive while it runs, and leaves the data path when it stops', async () => {
    const alive: string[][] = [];
    await stage.coordination.watchAlive(CLUSTER, (nodes) => alive.push([...nodes.keys()]));
    stage.offer(1, stateWith('a'));
    const agent = stage.agent();
    await agent.start();
    await reported(1);
    await agent.stop();
    expect(alive).toEqual([[], [NODE], []]);
    expect(kernelHashes()).toEqual(hashesOf(stateWith('a')));
  });
});

describe('endpoints', () => {
  it('reports one that went away and attaches it when it is back, though nothing else changes', async () => {
    stage.offer(1, stateWith('a', 'b'));
    await stage.agent({ presence: 20 }).start();
    await reported(1);
    stage.kernel.setPresence('b', 'absent');
    // It may be told before the run that finds out what waits now.
    await until(() => stage.lastReport().waiting.length > 0, 'a run has seen it');
    expect(stage.lastReport()).toMatchObject({
      status: 'applied',
      endpoints: { a: 'present', b: 'absent' },
      waiting: ['veth/own:1-net/vethb', 'address/endpoint:b/ov1/10.0.0.3'],
    });
    stage.kernel.setPresence('b', 'present');
    await until(() => stage.lastReport().endpoints.b === 'present', 'a run has attached it');
    expect(stage.lastReport()).toMatchObject({ status: 'applied', waiting: [] });
    expect(kernelHashes()).toEqual(hashesOf(stateWith('a', 'b')));
  });

  it('that cannot be attached is absent, keeps neither the others nor the node back, and is tried again', async () => {
    stage.offer(1, stateWith('a', 'b'));
    let refusals = 3;
    stage.kernel.onBatch = ({ space }) => (space === 'endpoint:b' && refusals-- > 0 ? 2 : 0);
    await stage.agent().start();
    await reported(1);
    expect(stage.plane.reports[0]).toMatchObject({
      status: 'applied',
      endpoints: { a: 'present', b: 'absent' },
      waiting: ['address/endpoint:b/ov1/10.0.0.3'],
      errors: [{ code: 'apply-failed', message: expect.stringContaining('endpoint:b') }],
    });
    await until(() => stage.lastReport().endpoints.b === 'present', 'attached');
    expect(stage.lastReport()).toMatchObject({ status: 'applied', errors: [], waiting: [] });
    expect(stage.logged).toContain('warn sync applied, but for endpoints that cannot be attached');
  });

  it('that is refused is absent, with the reason, and asks for no second look', async () => {
    const { problem } = await import('@portolan/model');
    stage.kernel.refuse('b', problem('unknown-reference', '', 'endpoint b is in the namespace of the host itself'));
    const { resolve } = stage.kernel;
    let resolved = 0;
    stage.kernel.resolve = (endpoints) => {
      resolved += 1;
      return resolve(endpoints);
    };
    stage.offer(1, stateWith('a', 'b'));
    await stage.agent().start();
    await reported(1);
    expect(stage.lastReport()).toMatchObject({
      status: 'applied',
      endpoints: { a: 'present', b: 'absent' },
      errors: [{ code: 'unknown-reference' }],
    });
    expect(resolved).toBe(0);
  });

  it('notices one that was replaced between two looks', async () => {
    stage.offer(1, stateWith('a'));
    await stage.agent({ presence: 20 }).start();
    await reported(1);
    await new Promise((resolve) => setTimeout(resolve, 60));
    stage.kernel.setPresence('a', 'absent');
    stage.kernel.setPresence('a', 'present');
    await until(() => kernelHashes().join() === hashesOf(stateWith('a')).join(), 'attached again');
  });

  it('cleans the namespace of an endpoint that is no longer wanted, after a restart and a lost state too', async () => {
    stage.offer(1, stateWith('a', 'b'));
    const first = stage.agent();
    await first.start();
    await reported(1);
    stage.kernel.setPresence('b', 'absent');
    await first.stop();
    const left = JSON.parse(readFileSync(stage.ledgerPath, 'utf8')) as { desired: { state: unknown } };
    expect(left.desired.state).toMatchObject({ endpoints: { b: { name: 'b' } } });
    stage.offer(2, stateWith('a'));
    stage.kernel.setPresence('b', 'present');
    await stage.agent().start();
    await appliedGeneration(2);
    expect(stage.lastReport().endpoints).toEqual({ a: 'present' });
    expect(JSON.parse(readFileSync(stage.ledgerPath, 'utf8'))).toMatchObject({ retiring: {} });
    expect(kernelHashes()).toEqual(hashesOf(stateWith('a')));
  });
});
