import { Page } from '../../parts/page.js';

export default function PlansPage() {
  return <Page title="Plans">Not built yet.</Page>;
}
