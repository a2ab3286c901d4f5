import { Page } from '../../parts/page.js';

export default function JobPage() {
  return <Page title="Job">Not built yet.</Page>;
}
