import { Page } from '../../parts/page.js';

export default function HistoryPage() {
  return <Page title="History">Not built yet.</Page>;
}
