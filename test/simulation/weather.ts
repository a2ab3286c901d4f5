import type { FaultKind } from './faults.js';
import type { World } from './world.js';

/** What the world itself does to those in it. */
export class Weather {
  constructor(private readonly world: World) {}

  /** Something goes wrong, or not, by chance and by what is allowed to. */
  turn(): void {
    const { chance, faults } = this.world;
    const kinds: readonly FaultKind[] = ['crash', 'power-cut', 'partition', 'store-outage', 'queue-loss', 'etcd-loss', 'clock-jump', 'tampering', 'namespaces'];
    const kind = chance.anyOf(kinds.filter((one) => faults.has(one)));
    if (kind === undefined) return;
    const host = chance.anyOf(this.world.hosts);
    const plane = chance.anyOf(this.world.planes);
    switch (kind) {
      case 'crash':
        if (chance.happens(0.5)) host?.kill('by chance');
        else plane?.kill('by chance');
        break;
      case 'power-cut':
        if (chance.happens(0.5)) host?.cutPower();
        break;
      case 'partition':
        if (host !== undefined) this.#cutOff(host);
        break;
      case 'store-outage':
        this.#outage('the database', chance.between(200, 9_000), (isDown) => {
          this.world.isStoreDown = isDown;
        });
        break;
      case 'queue-loss':
        this.world.note('Redis is emptied');
        this.world.hints.lose();
        if (chance.happens(0.5)) {
          this.#outage('Redis', chance.between(200, 9_000), (isDown) => {
            this.world.hints.isDown = isDown;
          });
        }
        break;
      case 'etcd-loss':
        if (chance.happens(0.5)) {
          this.world.note('etcd is emptied');
          void this.world.etcd.lose();
        } else {
          this.#outage('etcd', chance.between(200, 15_000), (isDown) => {
            this.world.etcd.isDown = isDown;
            this.world.registry.setReachable(!isDown);
          });
        }
        break;
      case 'clock-jump': {
        const jump = Math.round(chance.between(-60_000, 60_000));
        if (host !== undefined && chance.happens(0.5)) host.wallOffset = jump;
        else if (plane !== undefined) plane.wallOffset = jump;
        this.world.note(`a clock jumps by ${jump} ms`);
        break;
      }
      case 'tampering':
        host?.tamper(chance.happens(0.5));
        break;
      case 'namespaces': {
        const ids = Object.keys(host?.desired?.state.endpoints ?? {});
        const id = chance.anyOf(ids);
        if (host === undefined || id === undefined) return;
        this.world.note(`the container of ${id} on ${host.name} ${host.absent.has(id) ? 'comes' : 'goes'}`);
        host.setPresence(id, host.absent.has(id) ? 'present' : 'absent');
        break;
      }
      default:
    }
  }

  /** Nothing goes wrong any more, and what was wrong is set right. */
  clearUp(): void {
    const { world } = this;
    world.note('the faults are over');
    world.faults.isOver = true;
    world.isStoreDown = false;
    world.hints.isDown = false;
    world.etcd.isDown = false;
    world.registry.setReachable(true);
    for (const plane of world.planes) {
      plane.wallOffset = 0;
      plane.start();
    }
    for (const host of world.hosts) {
      host.wallOffset = 0;
      for (const from of ['plane', 'redis', 'etcd', 'hosts'] as const) host.cutOff[from] = 0;
      host.start();
    }
  }

  #cutOff(host: World['hosts'][number]): void {
    const { chance, time } = this.world;
    const until = time.now + chance.between(500, 20_000);
    const froms = (['plane', 'redis', 'etcd', 'hosts'] as const).filter(() => chance.happens(0.6));
    for (const from of froms) host.cutOff[from] = until;
    this.world.note(`${host.name} is cut off from ${froms.join(', ') || 'nobody'} until ${(until / 1000).toFixed(1)}`);
  }

  #outage(what: string, milliseconds: number, set: (isDown: boolean) => void): void {
    this.world.note(`${what} goes away for ${Math.round(milliseconds)} ms`);
    set(true);
    this.world.time.after(milliseconds, `${what} is back`, () => set(false));
  }
}
