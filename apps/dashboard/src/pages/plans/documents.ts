import { graphql } from '../../api/generated/index.js';

export const PlansDocument = graphql(`
  query Plans($cluster: String!) {
    cluster(name: $cluster) {
      revision
      changesets(limit: 100) {
        id
        status
        actor
        summary
        baseRevision
        revision
        createdAt
        changes {
          action
          kind
          name
        }
        blockers {
          code
        }
        nodes {
          node
          risk
        }
      }
    }
  }
`);

export const ManifestDocument = graphql(`
  query ClusterManifest($cluster: String!) {
    cluster(name: $cluster) {
      revision
      manifest
    }
  }
`);

export const PlanDocument = graphql(`
  query Plan($cluster: String!, $id: ID!) {
    cluster(name: $cluster) {
      revision
      changeset(id: $id) {
        id
        status
        actor
        from
        summary
        baseRevision
        revision
        createdAt
        updatedAt
        changes {
          action
          kind
          name
        }
        blockers {
          code
          message
          fix
          override
        }
        nodes {
          node
          risk
          more
          steps {
            action
            key
            origin
            reason
            risk
          }
        }
        rollout {
          spec
          overrides
          reason
          nextBatchAt
          confirmBy
          nodes {
            node
            state
            at
            reason
          }
        }
      }
    }
  }
`);

/** Every flow of the cluster is walked for it, before and after. */
export const PlanFlowsDocument = graphql(`
  query PlanFlows($cluster: String!, $id: ID!) {
    cluster(name: $cluster) {
      changesetFlows(id: $id) {
        from
        to
        node
        before
        after
        gained
        lost
        text
      }
    }
  }
`);

export const CreatePlanDocument = graphql(`
  mutation CreatePlan($cluster: String!, $manifest: JSON!, $summary: String) {
    createChangeset(cluster: $cluster, manifest: $manifest, summary: $summary) {
      id
    }
  }
`);

export const ApplyPlanDocument = graphql(`
  mutation ApplyPlan($cluster: String!, $id: ID!, $override: [String!], $rollout: RolloutPatch, $confirmWithin: Int) {
    applyChangeset(cluster: $cluster, id: $id, override: $override, rollout: $rollout, confirmWithin: $confirmWithin) {
      id
      status
    }
  }
`);

export const PausePlanDocument = graphql(`
  mutation PausePlan($cluster: String!, $id: ID!) {
    pauseChangeset(cluster: $cluster, id: $id) {
      id
      status
    }
  }
`);

export const ResumePlanDocument = graphql(`
  mutation ResumePlan($cluster: String!, $id: ID!) {
    resumeChangeset(cluster: $cluster, id: $id) {
      id
      status
    }
  }
`);

export const ConfirmPlanDocument = graphql(`
  mutation ConfirmPlan($cluster: String!, $id: ID!) {
    confirmChangeset(cluster: $cluster, id: $id) {
      id
      status
    }
  }
`);

export const DiscardPlanDocument = graphql(`
  mutation DiscardPlan($cluster: String!, $id: ID!) {
    discardChangeset(cluster: $cluster, id: $id) {
      id
      status
    }
  }
`);

export const RollBackPlanDocument = graphql(`
  mutation RollBackPlan($cluster: String!, $id: ID!) {
    rollbackChangeset(cluster: $cluster, id: $id) {
      id
      status
    }
  }
`);

/** The way back of a change that is applied already: a plan of its own. */
export const PlanBackDocument = graphql(`
  mutation PlanBack($cluster: String!, $to: Int!, $summary: String) {
    createChangeset(cluster: $cluster, rollback: { to: $to }, summary: $summary) {
      id
    }
  }
`);
