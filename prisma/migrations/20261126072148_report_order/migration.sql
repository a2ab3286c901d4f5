-- AlterTable
ALTER TABLE "node_progress" ADD COLUMN     "handed_revision" INTEGER,
ADD COLUMN     "report_count" INTEGER,
ADD COLUMN     "report_start" BIGINT;
