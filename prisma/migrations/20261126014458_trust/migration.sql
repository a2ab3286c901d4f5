-- CreateEnum
CREATE TYPE "drift_kind" AS ENUM ('missing', 'unexpected', 'different', 'obstructed');

-- CreateEnum
CREATE TYPE "drift_outcome" AS ENUM ('open', 'repaired', 'gone');

-- CreateEnum
CREATE TYPE "changeset_status" AS ENUM ('planned', 'discarded', 'rolling', 'paused', 'confirming', 'applied', 'rolled-back');

-- CreateEnum
CREATE TYPE "api_role" AS ENUM ('viewer', 'operator', 'admin');

-- AlterTable
ALTER TABLE "audit" ADD COLUMN     "before" JSON,
ADD COLUMN     "object_id" TEXT;

-- AlterTable
ALTER TABLE "jobs" ADD COLUMN     "delta" JSON;

-- AlterTable
ALTER TABLE "node_progress" ADD COLUMN     "failing_since" TIMESTAMPTZ(3),
ADD COLUMN     "failures" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "revisions" ADD COLUMN     "from" TEXT;

-- CreateTable
CREATE TABLE "drift" (
    "node_id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "kind" "drift_kind" NOT NULL,
    "reason" TEXT NOT NULL,
    "expected" JSON,
    "found" JSON,
    "seen_at" TIMESTAMPTZ(3) NOT NULL,
    "outcome" "drift_outcome" NOT NULL DEFAULT 'open',
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "drift_pkey" PRIMARY KEY ("node_id","key","since")
);

-- CreateTable
CREATE TABLE "changesets" (
    "id" UUID NOT NULL,
    "sequence" BIGSERIAL NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "status" "changeset_status" NOT NULL DEFAULT 'planned',
    "actor" TEXT NOT NULL,
    "from" TEXT,
    "summary" TEXT NOT NULL,
    "base_revision" INTEGER NOT NULL,
    "revision" INTEGER,
    "document" JSON NOT NULL,
    "changes" JSON NOT NULL,
    "plan" JSON NOT NULL,
    "rollout" JSON,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "changesets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "join_tokens" (
    "id" TEXT NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "role" "node_role" NOT NULL,
    "secret_hash" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "uses_left" INTEGER NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "join_tokens_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "node_credentials" (
    "id" TEXT NOT NULL,
    "node_id" TEXT NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "issued_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "node_credentials_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_tokens" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "role" "api_role" NOT NULL,
    "clusters" JSONB,
    "secret_hash" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_tokens_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "refusals" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "from" TEXT NOT NULL,
    "actor" TEXT,
    "method" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "reason" TEXT NOT NULL,

    CONSTRAINT "refusals_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "drift_cluster_id_since_idx" ON "drift"("cluster_id", "since");

-- CreateIndex
CREATE UNIQUE INDEX "changesets_sequence_key" ON "changesets"("sequence");

-- CreateIndex
CREATE INDEX "changesets_cluster_id_sequence_idx" ON "changesets"("cluster_id", "sequence");

-- CreateIndex
CREATE INDEX "join_tokens_cluster_id_idx" ON "join_tokens"("cluster_id");

-- CreateIndex
CREATE INDEX "node_credentials_node_id_idx" ON "node_credentials"("node_id");

-- CreateIndex
CREATE UNIQUE INDEX "api_tokens_name_key" ON "api_tokens"("name");

-- AddForeignKey
ALTER TABLE "drift" ADD CONSTRAINT "drift_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "drift" ADD CONSTRAINT "drift_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "changesets" ADD CONSTRAINT "changesets_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "join_tokens" ADD CONSTRAINT "join_tokens_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What Prisma's schema language cannot say.
CREATE UNIQUE INDEX "changesets_active_key" ON "changesets" ("cluster_id") WHERE "status" IN ('rolling', 'paused', 'confirming');

-- Settings are written whole when a cluster is made.
UPDATE "clusters" SET "settings" = "settings" || '{"driftPolicy": "repair"}';
