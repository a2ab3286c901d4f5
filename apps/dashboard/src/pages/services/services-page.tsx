import { Page } from '../../parts/page.js';

export default function ServicesPage() {
  return <Page title="Services">Not built yet.</Page>;
}
