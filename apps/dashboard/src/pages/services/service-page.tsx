import { Page } from '../../parts/page.js';

export default function ServicePage() {
  return <Page title="Service">Not built yet.</Page>;
}
