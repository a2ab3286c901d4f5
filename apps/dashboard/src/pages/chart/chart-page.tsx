import { Page } from '../../parts/page.js';

export default function ChartPage() {
  return <Page title="Chart">Not built yet.</Page>;
}
