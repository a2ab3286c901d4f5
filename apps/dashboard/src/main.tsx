import '@fontsource-variable/inter';
import '@fontsource-variable/jetbrains-mono';
import '@mantine/core/styles.css';
import '@mantine/charts/styles.css';
import '@mantine/notifications/styles.css';
import './shell/theme.css';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';
import { ApiProvider } from './api/provider.js';
import { App } from './app.js';
import { theme } from './shell/theme.js';

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <Notifications position="top-right" />
      <ApiProvider>
        {/* Without transitions: a key is answered by what the address says, also when one follows another at once. */}
        <BrowserRouter useTransitions={false}>
          <App />
        </BrowserRouter>
      </ApiProvider>
    </MantineProvider>
  </StrictMode>,
);
