-- CreateEnum
CREATE TYPE "node_condition" AS ENUM ('unknown', 'up', 'silent', 'unreachable');

-- CreateEnum
CREATE TYPE "endpoint_mode" AS ENUM ('vip', 'dnsrr');

-- CreateEnum
CREATE TYPE "retired_pool" AS ENUM ('address', 'mark', 'vni');

-- CreateEnum
CREATE TYPE "publish_mode" AS ENUM ('ingress', 'host');

-- CreateEnum
CREATE TYPE "external_traffic_policy" AS ENUM ('cluster', 'local');

-- CreateEnum
CREATE TYPE "health" AS ENUM ('unknown', 'healthy', 'unhealthy');

-- AlterEnum
ALTER TYPE "scheduler" ADD VALUE 'mh';

-- CreateTable
CREATE TABLE "network_subnets" (
    "network_id" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "vni" INTEGER NOT NULL,
    "subnet" INET NOT NULL,

    CONSTRAINT "network_subnets_pkey" PRIMARY KEY ("network_id","position")
);

-- CreateTable
CREATE TABLE "service_networks" (
    "service_id" TEXT NOT NULL,
    "network_id" TEXT NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "aliases" JSONB NOT NULL,
    "position" INTEGER NOT NULL,

    CONSTRAINT "service_networks_pkey" PRIMARY KEY ("service_id","network_id")
);

-- CreateTable
CREATE TABLE "marks" (
    "cluster_id" TEXT NOT NULL,
    "mark" INTEGER NOT NULL,
    "service_id" TEXT NOT NULL,
    "network_id" TEXT NOT NULL,
    "local" BOOLEAN NOT NULL,

    CONSTRAINT "marks_key" PRIMARY KEY ("cluster_id","mark")
);

-- CreateTable
CREATE TABLE "retired" (
    "cluster_id" TEXT NOT NULL,
    "pool" "retired_pool" NOT NULL,
    "network_id" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "holder" JSONB NOT NULL,
    "sequence" BIGSERIAL NOT NULL,

    CONSTRAINT "retired_pkey" PRIMARY KEY ("cluster_id","pool","network_id","value")
);

-- AlterTable
ALTER TABLE "endpoints" ADD COLUMN     "aliases" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "drain" JSONB,
ADD COLUMN     "gateway_address" INET,
ADD COLUMN     "health" "health" NOT NULL DEFAULT 'unknown',
ALTER COLUMN "service_id" DROP NOT NULL;

-- AlterTable
ALTER TABLE "networks" ADD COLUMN     "attachable" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "dsr" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "internal" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "ipvs_timeouts" JSONB,
ALTER COLUMN "mtu" DROP NOT NULL;

-- AlterTable
ALTER TABLE "node_progress" ADD COLUMN     "signals" JSON NOT NULL DEFAULT '{"health":{},"reachable":{},"connections":{}}';

-- AlterTable
ALTER TABLE "nodes" ADD COLUMN     "condition" "node_condition" NOT NULL DEFAULT 'unknown',
ADD COLUMN     "underlay_mtu" INTEGER;

-- AlterTable
ALTER TABLE "published_ports" ADD COLUMN     "addresses" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "external_traffic_policy" "external_traffic_policy" NOT NULL DEFAULT 'cluster',
ADD COLUMN     "interfaces" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "mode" "publish_mode" NOT NULL DEFAULT 'ingress';

-- AlterTable
ALTER TABLE "services" ADD COLUMN     "drain_seconds" INTEGER,
ADD COLUMN     "endpoint_mode" "endpoint_mode" NOT NULL DEFAULT 'vip',
ADD COLUMN     "health_check" JSONB,
ADD COLUMN     "persistence" INTEGER NOT NULL DEFAULT 0;

-- AddForeignKey
ALTER TABLE "network_subnets" ADD CONSTRAINT "network_subnets_network_id_fkey" FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "network_subnets" ADD CONSTRAINT "network_subnets_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "service_networks" ADD CONSTRAINT "service_networks_service_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "service_networks" ADD CONSTRAINT "service_networks_network_id_fkey" FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "service_networks" ADD CONSTRAINT "service_networks_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "marks" ADD CONSTRAINT "marks_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "marks" ADD CONSTRAINT "marks_service_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "retired" ADD CONSTRAINT "retired_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- CreateIndex
CREATE INDEX "service_networks_network_id_idx" ON "service_networks"("network_id");

-- CreateIndex
CREATE INDEX "marks_service_id_idx" ON "marks"("service_id");

-- From here on by hand. First what is there moves to its new place.

INSERT INTO "network_subnets" ("network_id", "position", "cluster_id", "vni", "subnet")
SELECT "id", 0, "cluster_id", "vni", "subnet" FROM "networks";
INSERT INTO "service_networks" ("service_id", "network_id", "cluster_id", "aliases", "position")
SELECT "service_id", "network_id", "cluster_id", '[]', "position" FROM "addresses" WHERE "purpose" = 'vip';
INSERT INTO "marks" ("cluster_id", "mark", "service_id", "network_id", "local")
SELECT "cluster_id", "mark", "service_id", "network_id", false FROM "addresses" WHERE "purpose" = 'vip';
-- A cluster keeps the values that it has; the new settings get their defaults.
UPDATE "clusters" SET "settings" =
  '{"drainSeconds": 30, "ipvsTimeouts": {"tcp": 7800, "tcpFin": 120, "udp": 300}, "tcpKeepalive": 0, "dnsTtl": 5, "dnsServers": []}'::jsonb || "settings";
-- Endpoints on a network that leads out get an address in the gateway subnet: from the third on, counted on each node.
UPDATE "endpoints" e SET "gateway_address" = host(network((c."settings" ->> 'gatewaySubnet')::inet)::inet + 2 + numbered."number")::inet
FROM (
  SELECT e."id", e."cluster_id", row_number() OVER (PARTITION BY e."node_id" ORDER BY e."name" COLLATE "C") AS "number" FROM "endpoints" e
  WHERE EXISTS (SELECT FROM "addresses" a JOIN "networks" n ON n."id" = a."network_id" WHERE a."endpoint_id" = e."id" AND NOT n."ingress")
) numbered, "clusters" c
WHERE e."id" = numbered."id" AND c."id" = numbered."cluster_id";

-- Then the old places go. Their indexes and constraints go with them.
ALTER TABLE "addresses" DROP CONSTRAINT "addresses_owner_check", DROP CONSTRAINT "addresses_mark_check", DROP CONSTRAINT "addresses_gateway_excl", DROP COLUMN "mark";
ALTER TABLE "networks" DROP COLUMN "subnet", DROP COLUMN "vni";
ALTER TABLE "published_ports" DROP CONSTRAINT "published_ports_key", ADD CONSTRAINT "published_ports_pkey" PRIMARY KEY ("service_id", "protocol", "published");
DROP INDEX "published_ports_service_id_idx";

-- What Prisma's schema language cannot say.
ALTER TABLE "network_subnets"
  ADD CONSTRAINT "network_subnets_vni_key" UNIQUE ("cluster_id", "vni") DEFERRABLE,
  ADD CONSTRAINT "network_subnets_subnet_excl" EXCLUDE USING gist ("cluster_id" WITH =, "subnet" inet_ops WITH &&) DEFERRABLE,
  ADD CONSTRAINT "network_subnets_vni_check" CHECK ("vni" BETWEEN 1 AND 16777215),
  ADD CONSTRAINT "network_subnets_subnet_check" CHECK (family("subnet") = 4 AND "subnet" = network("subnet")::inet);
-- Its name says what it is to the code: a port of the routing mesh that is published already.
CREATE UNIQUE INDEX "published_ports_ingress_key" ON "published_ports"("cluster_id", "protocol", "published") WHERE "mode" = 'ingress';
ALTER TABLE "endpoints"
  ADD CONSTRAINT "endpoints_gateway_key" UNIQUE ("node_id", "gateway_address") DEFERRABLE,
  ADD CONSTRAINT "endpoints_gateway_check" CHECK ("gateway_address" IS NULL OR (family("gateway_address") = 4 AND masklen("gateway_address") = 32));
ALTER TABLE "marks" ADD CONSTRAINT "marks_mark_check" CHECK ("mark" >= 1);
ALTER TABLE "services" ADD CONSTRAINT "services_persistence_check" CHECK ("persistence" >= 0);
-- The purpose says which owner there is.
ALTER TABLE "addresses" ADD CONSTRAINT "addresses_owner_check" CHECK (
  ("node_id" IS NOT NULL) = ("purpose" = 'load_balancer')
  AND ("service_id" IS NOT NULL) = ("purpose" = 'vip')
  AND ("endpoint_id" IS NOT NULL) = ("purpose" = 'endpoint')
);
-- A subnet has exactly one gateway; that it has one at all is the code's part.
ALTER TABLE "addresses" ADD CONSTRAINT "addresses_gateway_excl" EXCLUDE USING btree ("network_id" WITH =, "position" WITH =) WHERE ("purpose" = 'gateway') DEFERRABLE;
