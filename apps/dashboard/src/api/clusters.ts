import { graphql } from './generated/index.js';

export const ClustersDocument = graphql(`
  query Clusters {
    clusters {
      name
      revision
      status {
        intentRevision
        appliedRevision
        nodes {
          name
          alive
          degraded {
            since
          }
        }
      }
    }
  }
`);
