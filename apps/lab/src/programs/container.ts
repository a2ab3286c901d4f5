/**
 * container.js NAME NODE PORT…: what runs in a container of the lab; a port is `8080/tcp` or `5353/udp`. Answers every
 * request with its own name and the address that it came from; `?hold=MS` lets the answer take so long, `?size=BYTES` makes it so
 * large at least. On SIGTERM it ends at once, as a server does that knows nothing of draining. One light process each, so it imports nothing but Node.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';

const [name = '', node = '', ...ports] = process.argv.slice(2);

function answer(client: string | undefined): string {
  return `${JSON.stringify({ endpoint: name, node, client: client ?? '' })}\n`;
}

function fail(error: Error): never {
  console.error(error.message);
  process.exit(1);
}

function serveHttp(port: number, listening: () => void): void {
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://container');
    setTimeout(
      () => {
        response.setHeader('content-type', 'application/json');
        response.end(answer(request.socket.remoteAddress).padEnd(Number(searchParams.get('size') ?? 0)));
      },
      Number(searchParams.get('hold') ?? 0),
    );
  });
  server.once('error', fail);
  server.listen(port, '0.0.0.0', listening);
}

function serveUdp(port: number, listening: () => void): void {
  const socket = createSocket('udp4');
  socket.once('error', fail);
  socket.on('message', (_message, from) => socket.send(answer(from.address), from.port, from.address));
  socket.bind(port, '0.0.0.0', listening);
}

for (const port of ports) {
  const [number, protocol] = port.split('/');
  (protocol === 'udp' ? serveUdp : serveHttp)(Number(number), () => console.log(`${name} listens on ${port}`));
}
process.once('SIGTERM', () => process.exit(0));
