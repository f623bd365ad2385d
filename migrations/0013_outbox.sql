-- A dispatch leaves one row for all the tasks that it moved, not one for each: a seventh of what Postgres did for a task was to write
-- that row and to delete it.

ALTER TABLE igor.outbox
    ADD COLUMN task_ids uuid[],
    ADD COLUMN attempts int4[],
    ALTER COLUMN created_at DROP NOT NULL,
    DROP CONSTRAINT outbox_check,
    ADD CONSTRAINT outbox_check CHECK (num_nonnulls(task_id, layer_id, job_id, task_ids) = 1
                                       AND cardinality(task_ids) IS NOT DISTINCT FROM cardinality(attempts));

-- Ids do not shrink.
ALTER TABLE igor.outbox ALTER COLUMN task_ids SET STORAGE EXTERNAL;

COMMENT ON COLUMN igor.outbox.task_id IS 'The task it is about, or';
COMMENT ON COLUMN igor.outbox.job_id IS 'the job, or';
COMMENT ON COLUMN igor.outbox.task_ids IS 'the tasks, in the order of their push. Their ids tell their days.';
COMMENT ON COLUMN igor.outbox.attempts IS 'Their attempts.';
COMMENT ON COLUMN igor.outbox.created_at IS 'The job''s creation; of several tasks none.';
