import { fileURLToPath } from 'node:url';

function built(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** Built programs that the lab starts; the same paths from src/ and from dist/. */
export const programs = {
  container: built('../../dist/programs/container.js'),
  requester: built('../../dist/programs/requester.js'),
  loader: built('../../dist/programs/loader.js'),
  agent: built('../../../agent/bin/portolan-agent.js'),
  controlPlane: built('../../../control-plane/dist/main.js'),
  example: built('../../../../examples/bjdt.yaml'),
  dataPlaneExample: built('../../../../examples/data-plane.yaml'),
  flannelExample: built('../../../../examples/flannel.yaml'),
} as const;
