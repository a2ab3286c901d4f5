import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** The built files lie in dist/site, which the control plane serves. */
export default defineConfig({
  plugins: [react()],
  build: {
    ...{ outDir: 'dist/site', emptyOutDir: true, chunkSizeWarningLimit: 2000 },
    // The first with light-dark(): for older ones it would be replaced by something that Mantine's schemes do not switch.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
  },
  // `npx vite` in this folder works against a control plane that runs already: PORTOLAN_URL, else the lab's usual port.
  server: { proxy: { '/graphql': { target: process.env.PORTOLAN_URL ?? 'http://127.0.0.1:7080', ws: true } } },
});
