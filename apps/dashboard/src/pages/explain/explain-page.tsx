import { Page } from '../../parts/page.js';

export default function ExplainPage() {
  return <Page title="Explain">Not built yet.</Page>;
}
