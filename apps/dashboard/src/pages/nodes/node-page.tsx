import { Page } from '../../parts/page.js';

export default function NodePage() {
  return <Page title="Node">Not built yet.</Page>;
}
