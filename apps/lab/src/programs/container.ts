/**
 * container.js NAME NODE PORT…: what runs in a container of the lab. Answers every request with its own name and the
 * address that the request came from. One light process each, so it imports nothing but Node.
 */
import { createServer } from 'node:http';

const [name = '', node = '', ...ports] = process.argv.slice(2);
for (const port of ports) {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify({ endpoint: name, node, client: request.socket.remoteAddress ?? '' })}\n`);
  });
  server.once('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  server.listen(Number(port), '0.0.0.0', () => console.log(`${name} listens on ${port}`));
}
