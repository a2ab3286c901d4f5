import type { ResultOf } from '@graphql-typed-document-node/core';
import { useEffect, useRef } from 'react';
import { graphql } from '../../api/generated/index.js';
import { type Live, useLive } from '../../api/live.js';

const TrafficDocument = graphql(`
  query ServiceTraffic($cluster: String!, $name: String!) {
    cluster(name: $cluster) {
      revision
      service(name: $name) {
        traffic {
          readAt
          connections
          perSecond
          active
          backends {
            endpoint {
              name
            }
            connections
            perSecond
            active
            share
          }
          nodes {
            node {
              name
            }
            readAt
            connections
            active
          }
        }
        programmed {
          node {
            name
          }
          network {
            name
          }
          space
          mark
          local
          virtualServer
          realServers
          wantedRealServers
          faults
          appliedRevision
        }
      }
    }
  }
`);

/** Nothing tells that counters were read, so they are asked for this often; agents read every 10 s. */
const ASK_EVERY_MS = 5_000;

type Answer = ResultOf<typeof TrafficDocument>;
type Service = NonNullable<NonNullable<Answer['cluster']>['service']>;
export type Traffic = Service['traffic'];
export type Place = Service['programmed'][number];

/** What is counted of a service and where it is programmed, as it is now. */
export function useTraffic(cluster: string, name: string): Live<Answer> {
  const live = useLive(TrafficDocument, { cluster, name });
  const refresh = useRef(live.refresh);
  refresh.current = live.refresh;
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) refresh.current();
    }, ASK_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return live;
}

const counts = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** A count, written out as long as it is short. */
export function countText(count: number): string {
  return count < 100_000 ? counts.format(count) : compact.format(count);
}

/** Requests in a second. */
export function rateText(perSecond: number): string {
  return `${perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : countText(Math.round(perSecond))}/s`;
}
