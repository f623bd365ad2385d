-- Views for people. Programs read the tables.

CREATE VIEW igor.v_jobs AS
SELECT j.namespace, j.name, j.created_at, j.id, j.title,
       CASE WHEN j.paused_at IS NOT NULL AND j.finished_at IS NULL THEN 'paused by ' || j.paused_by ELSE j.status::text END AS status,
       j.reason, l.tasks, l.done, l.running, l.errored, l.retried, j.started_at, j.finished_at,
       coalesce(j.finished_at, statement_timestamp()) - j.started_at AS took, j.deleted_at, j.queue, j.uid
FROM igor.jobs j
CROSS JOIN LATERAL (
    SELECT coalesce(sum(n_expected), 0) AS tasks, coalesce(sum(n_completed + n_skipped), 0) AS done,
           coalesce(sum(n_running), 0) AS running, coalesce(sum(n_errored), 0) AS errored, coalesce(sum(n_retried), 0) AS retried
    FROM igor.layers WHERE job_id = j.id AND created_at = j.created_at
) l;
COMMENT ON VIEW igor.v_jobs IS 'Jobs with their tasks added up, as people ask for them: ORDER BY created_at DESC LIMIT 20.';

CREATE VIEW igor.v_attempts AS
SELECT s.task_id, t.job_id, t.layer_id, t.name, t.type, s.created_at, s.attempt, s.at AS queued_at, r.at AS running_at, e.at AS ended_at,
       e."to" AS ended_as, e.reason, e.actor
FROM igor.transitions s
JOIN igor.tasks t ON t.id = s.task_id AND t.created_at = s.created_at
LEFT JOIN LATERAL (
    SELECT at FROM igor.transitions
    WHERE task_id = s.task_id AND created_at = s.created_at AND attempt = s.attempt AND "to" = 'RUNNING' ORDER BY version LIMIT 1
) r ON true
LEFT JOIN LATERAL (
    SELECT at, "to", reason, actor FROM igor.transitions
    WHERE task_id = s.task_id AND created_at = s.created_at AND attempt = s.attempt AND "from" IN ('QUEUED', 'RUNNING') AND "to" <> 'RUNNING'
    ORDER BY version LIMIT 1
) e ON true
WHERE s."to" = 'QUEUED';
COMMENT ON VIEW igor.v_attempts IS 'Every attempt of every task with how it ended; ask by task_id.';
