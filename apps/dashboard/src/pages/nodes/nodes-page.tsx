import { Page } from '../../parts/page.js';

export default function NodesPage() {
  return <Page title="Nodes">Not built yet.</Page>;
}
