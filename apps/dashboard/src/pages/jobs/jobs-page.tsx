import { Page } from '../../parts/page.js';

export default function JobsPage() {
  return <Page title="Jobs">Not built yet.</Page>;
}
