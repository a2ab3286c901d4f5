import { Page } from '../../parts/page.js';

export default function PlanPage() {
  return <Page title="Plan">Not built yet.</Page>;
}
