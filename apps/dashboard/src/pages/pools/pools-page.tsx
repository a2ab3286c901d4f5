import { Page } from '../../parts/page.js';

export default function PoolsPage() {
  return <Page title="Pools">Not built yet.</Page>;
}
