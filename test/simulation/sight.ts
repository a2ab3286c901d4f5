import { Socket } from 'node:net';
import type { Sight } from '../../apps/agent/src/watch/watch.js';
import type { SimulatedHost } from './host.js';
import type { SimulatedProcess } from './process.js';

/** The port that every container answers at. */
export const SERVED_PORT = 80;

/** What an agent sees besides its kernel: sockets that connect, are refused or are silent as the simulated world is at the time. */
export function simulatedSight(host: SimulatedHost, process: SimulatedProcess): Sight {
  const { world } = host;

  function answerOf(path: string | undefined, address: string, port: number): 'connected' | 'refused' | 'silent' {
    if (path !== undefined) return port === SERVED_PORT && world.isServed(address) ? 'connected' : 'refused';
    const other = world.hosts.find((one) => one.address === address);
    return other === undefined || host.isCutOff('hosts') || other.isCutOff('hosts') ? 'silent' : 'refused';
  }

  return {
    dial: (path, address, port) => {
      const socket = new Socket();
      process.after(world.chance.between(0.2, 20), () => {
        if (socket.destroyed) return;
        const answer = answerOf(path, address, port);
        if (answer === 'connected') socket.emit('connect');
        if (answer === 'refused') socket.destroy(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
      });
      return socket;
    },
    establishedConnections: () => (world.chance.happens(0.2) && !world.faults.isOver ? 1 : 0),
    underlay: () => ({ link: 'eth0', mtu: 1500, onLink: ['172.16.130.0/24'] }),
    relay: async () => undefined,
    serverCounters: () => [],
  };
}
