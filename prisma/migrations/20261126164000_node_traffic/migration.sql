-- CreateTable
CREATE TABLE "node_traffic" (
    "node_id" TEXT NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "read_at" TIMESTAMPTZ(3) NOT NULL,
    "servers" JSON NOT NULL,
    "before_at" TIMESTAMPTZ(3),
    "before" JSON,

    CONSTRAINT "node_traffic_pkey" PRIMARY KEY ("node_id")
);

-- CreateIndex
CREATE INDEX "node_traffic_cluster_id_idx" ON "node_traffic"("cluster_id");

-- AddForeignKey
ALTER TABLE "node_traffic" ADD CONSTRAINT "node_traffic_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_traffic" ADD CONSTRAINT "node_traffic_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "clusters"("id") ON DELETE CASCADE ON UPDATE CASCADE;
