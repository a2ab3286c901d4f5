-- CreateEnum
CREATE TYPE "node_role" AS ENUM ('manager', 'worker');

-- CreateEnum
CREATE TYPE "availability" AS ENUM ('active', 'pause', 'drain');

-- CreateEnum
CREATE TYPE "scheduler" AS ENUM ('rr', 'wrr', 'lc', 'wlc', 'sh');

-- CreateEnum
CREATE TYPE "protocol" AS ENUM ('tcp', 'udp', 'sctp');

-- CreateEnum
CREATE TYPE "presence" AS ENUM ('unknown', 'present', 'absent');

-- CreateEnum
CREATE TYPE "address_purpose" AS ENUM ('gateway', 'load_balancer', 'vip', 'endpoint');

-- CreateEnum
CREATE TYPE "audit_action" AS ENUM ('create', 'change', 'delete');

-- CreateEnum
CREATE TYPE "audit_kind" AS ENUM ('cluster', 'node', 'network', 'service', 'endpoint');

-- CreateEnum
CREATE TYPE "report_status" AS ENUM ('applied', 'failed');

-- CreateEnum
CREATE TYPE "job_status" AS ENUM ('queued', 'applied', 'failed', 'superseded');

-- CreateTable
CREATE TABLE "clusters" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "settings" JSONB NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "clusters_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "nodes" (
    "id" TEXT NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "role" "node_role" NOT NULL,
    "availability" "availability" NOT NULL,
    "address" INET NOT NULL,
    "labels" JSONB NOT NULL,
    "version" INTEGER NOT NULL,

    CONSTRAINT "nodes_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "networks" (
    "id" TEXT NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "ingress" BOOLEAN NOT NULL,
    "vni" INTEGER NOT NULL,
    "subnet" INET NOT NULL,
    "mtu" INTEGER NOT NULL,
    "labels" JSONB NOT NULL,
    "version" INTEGER NOT NULL,

    CONSTRAINT "networks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "services" (
    "id" TEXT NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "scheduler" "scheduler" NOT NULL,
    "labels" JSONB NOT NULL,
    "version" INTEGER NOT NULL,

    CONSTRAINT "services_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "published_ports" (
    "cluster_id" TEXT NOT NULL,
    "protocol" "protocol" NOT NULL,
    "published" INTEGER NOT NULL,
    "target" INTEGER NOT NULL,
    "service_id" TEXT NOT NULL,
    "position" INTEGER NOT NULL,

    CONSTRAINT "published_ports_key" PRIMARY KEY ("cluster_id","protocol","published")
);

-- CreateTable
CREATE TABLE "endpoints" (
    "id" TEXT NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "service_id" TEXT NOT NULL,
    "node_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "attachment" JSONB NOT NULL,
    "weight" INTEGER NOT NULL,
    "presence" "presence" NOT NULL,
    "labels" JSONB NOT NULL,
    "version" INTEGER NOT NULL,

    CONSTRAINT "endpoints_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "addresses" (
    "network_id" TEXT NOT NULL,
    "address" INET NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "purpose" "address_purpose" NOT NULL,
    "node_id" TEXT,
    "service_id" TEXT,
    "endpoint_id" TEXT,
    "mark" INTEGER,
    "position" INTEGER NOT NULL,

    CONSTRAINT "addresses_key" PRIMARY KEY ("network_id","address")
);

-- CreateTable
CREATE TABLE "revisions" (
    "cluster_id" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "actor" TEXT NOT NULL,
    "summary" TEXT NOT NULL,
    "commit_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "revisions_pkey" PRIMARY KEY ("cluster_id","revision")
);

-- CreateTable
CREATE TABLE "audit" (
    "cluster_id" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "position" INTEGER NOT NULL,
    "action" "audit_action" NOT NULL,
    "kind" "audit_kind" NOT NULL,
    "name" TEXT NOT NULL,

    CONSTRAINT "audit_pkey" PRIMARY KEY ("cluster_id","revision","position")
);

-- CreateTable
CREATE TABLE "node_progress" (
    "node_id" TEXT NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "generation" INTEGER NOT NULL DEFAULT 0,
    "state_hash" TEXT NOT NULL DEFAULT '',
    "computed_revision" INTEGER NOT NULL DEFAULT 0,
    "applied_revision" INTEGER NOT NULL DEFAULT 0,
    "last_report_at" TIMESTAMPTZ(3),
    "last_status" "report_status",
    "last_errors" JSON NOT NULL DEFAULT '[]',
    "last_waiting" JSON NOT NULL DEFAULT '[]',
    "facts" JSON NOT NULL DEFAULT '{}',

    CONSTRAINT "node_progress_pkey" PRIMARY KEY ("node_id")
);

-- CreateTable
CREATE TABLE "node_states" (
    "node_id" TEXT NOT NULL,
    "generation" INTEGER NOT NULL,
    "revision" INTEGER NOT NULL,
    "hash" TEXT NOT NULL,
    "state" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "node_states_pkey" PRIMARY KEY ("node_id","generation")
);

-- CreateTable
CREATE TABLE "jobs" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "sequence" BIGSERIAL NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "node_id" TEXT NOT NULL,
    "generation" INTEGER NOT NULL,
    "revision" INTEGER NOT NULL,
    "status" "job_status" NOT NULL DEFAULT 'queued',
    "plan" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),
    "report_id" BIGINT,

    CONSTRAINT "jobs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "reports" (
    "id" BIGSERIAL NOT NULL,
    "node_id" TEXT NOT NULL,
    "body" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "reports_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "observed_states" (
    "node_id" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "objects" JSON NOT NULL,
    "foreign" JSON NOT NULL,
    "observed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "observed_states_pkey" PRIMARY KEY ("node_id")
);

-- CreateTable
CREATE TABLE "outbox" (
    "id" BIGSERIAL NOT NULL,
    "job_id" UUID NOT NULL,

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "clusters_name_key" ON "clusters"("name");

-- CreateIndex
CREATE INDEX "published_ports_service_id_idx" ON "published_ports"("service_id");

-- CreateIndex
CREATE INDEX "endpoints_service_id_idx" ON "endpoints"("service_id");

-- CreateIndex
CREATE INDEX "endpoints_node_id_idx" ON "endpoints"("node_id");

-- CreateIndex
CREATE INDEX "addresses_node_id_idx" ON "addresses"("node_id");

-- CreateIndex
CREATE INDEX "addresses_service_id_idx" ON "addresses"("service_id");

-- CreateIndex
CREATE INDEX "addresses_endpoint_id_idx" ON "addresses"("endpoint_id");

-- CreateIndex
CREATE UNIQUE INDEX "addresses_mark_key" ON "addresses"("cluster_id", "mark");

-- CreateIndex
CREATE INDEX "node_progress_cluster_id_idx" ON "node_progress"("cluster_id");

-- CreateIndex
CREATE UNIQUE INDEX "jobs_sequence_key" ON "jobs"("sequence");

-- CreateIndex
CREATE INDEX "jobs_cluster_id_sequence_idx" ON "jobs"("cluster_id", "sequence");

-- CreateIndex
CREATE INDEX "jobs_report_id_idx" ON "jobs"("report_id");

-- CreateIndex
CREATE INDEX "jobs_status_idx" ON "jobs"("status");

-- CreateIndex
CREATE UNIQUE INDEX "jobs_generation_key" ON "jobs"("node_id", "generation");

-- CreateIndex
CREATE INDEX "reports_node_id_id_idx" ON "reports"("node_id", "id");

-- CreateIndex
CREATE INDEX "outbox_job_id_idx" ON "outbox"("job_id");

-- AddForeignKey
ALTER TABLE "nodes" ADD CONSTRAINT "nodes_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "networks" ADD CONSTRAINT "networks_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "services" ADD CONSTRAINT "services_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "published_ports" ADD CONSTRAINT "published_ports_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "published_ports" ADD CONSTRAINT "published_ports_service_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "endpoints" ADD CONSTRAINT "endpoints_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "endpoints" ADD CONSTRAINT "endpoints_service_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "endpoints" ADD CONSTRAINT "endpoints_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "addresses" ADD CONSTRAINT "addresses_network_id_fkey" FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED;

-- AddForeignKey
ALTER TABLE "addresses" ADD CONSTRAINT "addresses_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "addresses" ADD CONSTRAINT "addresses_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "addresses" ADD CONSTRAINT "addresses_service_id_fkey" FOREIGN KEY ("service_id") REFERENCES "services"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "addresses" ADD CONSTRAINT "addresses_endpoint_id_fkey" FOREIGN KEY ("endpoint_id") REFERENCES "endpoints"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "revisions" ADD CONSTRAINT "revisions_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "audit" ADD CONSTRAINT "audit_cluster_id_revision_fkey" FOREIGN KEY ("cluster_id", "revision") REFERENCES "revisions"("cluster_id", "revision") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_progress" ADD CONSTRAINT "node_progress_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_progress" ADD CONSTRAINT "node_progress_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_states" ADD CONSTRAINT "node_states_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_report_id_fkey" FOREIGN KEY ("report_id") REFERENCES "reports"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "reports" ADD CONSTRAINT "reports_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "observed_states" ADD CONSTRAINT "observed_states_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "outbox" ADD CONSTRAINT "outbox_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- From here on by hand: what Prisma's schema language cannot say. Its drift check compares none of it.

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- Checked at the end of each statement instead of at each row, so that one UPDATE may swap two values.
ALTER TABLE "nodes"
  ADD CONSTRAINT "nodes_name_key" UNIQUE ("cluster_id", "name") DEFERRABLE,
  ADD CONSTRAINT "nodes_address_key" UNIQUE ("cluster_id", "address") DEFERRABLE;
ALTER TABLE "networks"
  ADD CONSTRAINT "networks_name_key" UNIQUE ("cluster_id", "name") DEFERRABLE,
  ADD CONSTRAINT "networks_vni_key" UNIQUE ("cluster_id", "vni") DEFERRABLE,
  ADD CONSTRAINT "networks_subnet_excl" EXCLUDE USING gist ("cluster_id" WITH =, "subnet" inet_ops WITH &&) DEFERRABLE,
  ADD CONSTRAINT "networks_ingress_excl" EXCLUDE USING gist ("cluster_id" WITH =) WHERE ("ingress") DEFERRABLE;
ALTER TABLE "services" ADD CONSTRAINT "services_name_key" UNIQUE ("cluster_id", "name") DEFERRABLE;
ALTER TABLE "endpoints" ADD CONSTRAINT "endpoints_name_key" UNIQUE ("cluster_id", "name") DEFERRABLE;

-- Ranges, as the model has them.
ALTER TABLE "clusters" ADD CONSTRAINT "clusters_revision_check" CHECK ("revision" >= 0);
ALTER TABLE "nodes"
  ADD CONSTRAINT "nodes_address_check" CHECK (family("address") = 4 AND masklen("address") = 32),
  ADD CONSTRAINT "nodes_version_check" CHECK ("version" >= 1);
ALTER TABLE "networks"
  ADD CONSTRAINT "networks_vni_check" CHECK ("vni" BETWEEN 1 AND 16777215),
  ADD CONSTRAINT "networks_subnet_check" CHECK (family("subnet") = 4 AND "subnet" = network("subnet")::inet),
  ADD CONSTRAINT "networks_mtu_check" CHECK ("mtu" BETWEEN 68 AND 65535),
  ADD CONSTRAINT "networks_version_check" CHECK ("version" >= 1);
ALTER TABLE "services" ADD CONSTRAINT "services_version_check" CHECK ("version" >= 1);
ALTER TABLE "published_ports"
  ADD CONSTRAINT "published_ports_published_check" CHECK ("published" BETWEEN 1 AND 65535),
  ADD CONSTRAINT "published_ports_target_check" CHECK ("target" BETWEEN 1 AND 65535);
ALTER TABLE "endpoints"
  ADD CONSTRAINT "endpoints_weight_check" CHECK ("weight" BETWEEN 0 AND 65535),
  ADD CONSTRAINT "endpoints_version_check" CHECK ("version" >= 1);
ALTER TABLE "addresses"
  ADD CONSTRAINT "addresses_address_check" CHECK (family("address") = 4 AND masklen("address") = 32),
  ADD CONSTRAINT "addresses_mark_check" CHECK ("mark" IS NULL OR "mark" >= 1),
  -- The purpose says which owner there is, and that a VIP, and only a VIP, has a mark.
  ADD CONSTRAINT "addresses_owner_check" CHECK (
    ("node_id" IS NOT NULL) = ("purpose" = 'load_balancer')
    AND ("service_id" IS NOT NULL) = ("purpose" = 'vip')
    AND ("endpoint_id" IS NOT NULL) = ("purpose" = 'endpoint')
    AND ("mark" IS NOT NULL) = ("purpose" = 'vip')
  );
-- A network has exactly one gateway; that it has one at all is the code's part.
ALTER TABLE "addresses" ADD CONSTRAINT "addresses_gateway_excl" EXCLUDE USING btree ("network_id" WITH =) WHERE ("purpose" = 'gateway') DEFERRABLE;
ALTER TABLE "node_progress"
  ADD CONSTRAINT "node_progress_revision_check" CHECK (0 <= "applied_revision" AND "applied_revision" <= "computed_revision");
