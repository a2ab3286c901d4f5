/** What an agent does with the relay, as a process that a test can kill: RUN_DIRECTORY PROGRAM NAMESPACE TEXT. */
import { udpRelay } from '../../src/relay/udp-relay.js';
import { silent } from './stage.js';

const [runDirectory = '', program = '', namespace = '', text = ''] = process.argv.slice(2);
await udpRelay({ runDirectory, program, namespace, log: silent }).change(text);
process.stdout.write('done\n');
setInterval(() => undefined, 1_000);
