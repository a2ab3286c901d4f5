import { Page } from '../../parts/page.js';

export default function DriftPage() {
  return <Page title="Drift">Not built yet.</Page>;
}
