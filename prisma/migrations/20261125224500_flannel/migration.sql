-- AlterEnum
ALTER TYPE "audit_kind" ADD VALUE 'flannel';
ALTER TYPE "audit_kind" ADD VALUE 'lease';

-- AlterTable
ALTER TABLE "clusters" ADD COLUMN     "flannel" JSON;

-- AlterTable
ALTER TABLE "endpoints" ADD COLUMN     "pod_address" INET,
ADD COLUMN     "pod_fixed" BOOLEAN;

-- AlterTable
ALTER TABLE "nodes" ADD COLUMN     "on_link" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "underlay_link" TEXT;

-- CreateTable
CREATE TABLE "flannel_leases" (
    "cluster_id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "subnet" INET,
    "public_address" INET,
    "backend_type" TEXT NOT NULL,
    "vni" INTEGER,
    "vtep_mac" TEXT,
    "node_id" TEXT,
    "reserved" BOOLEAN NOT NULL,
    "fault" TEXT,

    CONSTRAINT "flannel_leases_pkey" PRIMARY KEY ("cluster_id","key")
);

-- AddForeignKey
ALTER TABLE "flannel_leases" ADD CONSTRAINT "flannel_leases_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What Prisma's schema language cannot say.
ALTER TABLE "endpoints"
  ADD CONSTRAINT "endpoints_pod_key" UNIQUE ("cluster_id", "pod_address") DEFERRABLE,
  ADD CONSTRAINT "endpoints_pod_check" CHECK ("pod_address" IS NULL OR ("pod_fixed" IS NOT NULL AND family("pod_address") = 4 AND masklen("pod_address") = 32));
