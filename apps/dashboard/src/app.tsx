import { lazy, Suspense } from 'react';
import { Navigate, Route, Routes } from 'react-router';
import { ClustersPage } from './pages/clusters/clusters-page.js';
import { NotFoundPage } from './pages/not-found-page.js';
import { Loading } from './parts/loading.js';
import { ClusterLayout } from './shell/cluster-layout.js';

// Each page is a file of its own, so that the first one is there soon.
const ChartPage = lazy(() => import('./pages/chart/chart-page.js'));
const NodesPage = lazy(() => import('./pages/nodes/nodes-page.js'));
const NodePage = lazy(() => import('./pages/nodes/node-page.js'));
const ServicesPage = lazy(() => import('./pages/services/services-page.js'));
const ServicePage = lazy(() => import('./pages/services/service-page.js'));
const ExplainPage = lazy(() => import('./pages/explain/explain-page.js'));
const PlansPage = lazy(() => import('./pages/plans/plans-page.js'));
const PlanPage = lazy(() => import('./pages/plans/plan-page.js'));
const HistoryPage = lazy(() => import('./pages/history/history-page.js'));
const DriftPage = lazy(() => import('./pages/drift/drift-page.js'));
const PoolsPage = lazy(() => import('./pages/pools/pools-page.js'));
const JobsPage = lazy(() => import('./pages/jobs/jobs-page.js'));
const JobPage = lazy(() => import('./pages/jobs/job-page.js'));

/** Every page has its address; what is chosen on a page is in the query of the address. */
export function App() {
  return (
    <Suspense fallback={<Loading />}>
      <Routes>
        <Route index element={<ClustersPage />} />
        <Route path="clusters/:cluster" element={<ClusterLayout />}>
          <Route index element={<Navigate to="chart" replace />} />
          <Route path="chart" element={<ChartPage />} />
          <Route path="nodes" element={<NodesPage />} />
          <Route path="nodes/:node" element={<NodePage />} />
          <Route path="services" element={<ServicesPage />} />
          <Route path="services/:service" element={<ServicePage />} />
          <Route path="explain" element={<ExplainPage />} />
          <Route path="plans" element={<PlansPage />} />
          <Route path="plans/:id" element={<PlanPage />} />
          <Route path="history" element={<HistoryPage />} />
          <Route path="drift" element={<DriftPage />} />
          <Route path="pools" element={<PoolsPage />} />
          <Route path="jobs" element={<JobsPage />} />
          <Route path="jobs/:id" element={<JobPage />} />
        </Route>
        <Route path="*" element={<NotFoundPage />} />
      </Routes>
    </Suspense>
  );
}
