import {
  IconGauge,
  IconGitPullRequest,
  IconHistory,
  IconListDetails,
  IconMap2,
  IconRoute,
  IconServer2,
  IconStack2,
  IconWaveSawTool,
} from '@tabler/icons-react';

/** The pages of a cluster, in the order in which they are listed. */
export const pages = [
  { to: 'chart', label: 'Chart', icon: IconMap2 },
  { to: 'nodes', label: 'Nodes', icon: IconServer2 },
  { to: 'services', label: 'Services', icon: IconStack2 },
  { to: 'explain', label: 'Explain', icon: IconRoute },
  { to: 'plans', label: 'Plans', icon: IconGitPullRequest },
  { to: 'history', label: 'History', icon: IconHistory },
  { to: 'drift', label: 'Drift', icon: IconWaveSawTool },
  { to: 'pools', label: 'Pools', icon: IconGauge },
  { to: 'jobs', label: 'Jobs', icon: IconListDetails },
] as const;
