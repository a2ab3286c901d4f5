-- AlterTable
ALTER TABLE "node_progress" ADD COLUMN     "observed_hash" TEXT;

-- AlterTable
ALTER TABLE "node_states" ADD COLUMN     "whole_hash" TEXT,
ALTER COLUMN "state" DROP NOT NULL;

-- AlterTable
ALTER TABLE "observed_states" ADD COLUMN     "generation" INTEGER,
ALTER COLUMN "objects" DROP NOT NULL;

-- What is observed stands in full, or is all of a generation and nothing else.
ALTER TABLE "observed_states" ADD CONSTRAINT "observed_states_whole" CHECK (("objects" IS NULL) <> ("generation" IS NULL));
UPDATE "node_progress" p SET "observed_hash" = o."hash" FROM "observed_states" o WHERE o."node_id" = p."node_id";
