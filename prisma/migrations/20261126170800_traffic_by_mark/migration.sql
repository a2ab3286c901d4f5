-- What was counted is counted again within seconds.
DELETE FROM "node_traffic";

-- AlterTable
ALTER TABLE "node_traffic" ALTER COLUMN "servers" SET DATA TYPE JSONB,
ALTER COLUMN "before" SET DATA TYPE JSONB;
