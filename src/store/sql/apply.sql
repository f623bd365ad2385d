-- Moves tasks from given attempts: the task, its audit, its row in requeue and its layer's counters in one statement. What a failed
-- attempt said is kept until a later one says something else or ends well.
-- $1 to $12 one row a task, $13 and $14 the days' bounds, $15 legal moves, none of which begins at PENDING. A row a layer. Moves are
-- compared as text: as rows to join with, the planner looks each task up once for every move. That ids are ids always holds: it lets
-- the planner expect few rows here, and look each up by its key rather than read a day whose rows its statistics do not know.
-- The layers come last, in the order of their ids, in which dispatch locks them first: it may act on them at the same time.
WITH r AS (
    SELECT u.task_id, u.created_at, u.attempt, u.type, u."to"::igor.status AS "to", u.failures, u.lost, u.retried,
           statement_timestamp() + u.wait_ms * interval '1 millisecond' AS due, u.reason, u.message, u.actor
    FROM unnest($1::uuid[], $2::timestamptz[], $3::int4[], $4::text[], $5::text[], $6::int4[], $7::int4[], $8::bool[],
                $9::int8[], $10::text[], $11::text[], $12::text[])
         AS u(task_id, created_at, attempt, type, "to", failures, lost, retried, wait_ms, reason, message, actor)
    WHERE u.task_id BETWEEN '00000000-0000-0000-0000-000000000000' AND 'ffffffff-ffff-ffff-ffff-ffffffffffff'
), upd AS (
    UPDATE igor.tasks t
    SET prev_status = t.status, status = r."to", failures = coalesce(r.failures, t.failures), lost = coalesce(r.lost, t.lost),
        reason = r.reason, message = CASE WHEN r."to" = 'COMPLETED' THEN r.message ELSE coalesce(r.message, t.message) END,
        version = t.version + 1, updated_at = statement_timestamp()
    FROM r
    WHERE t.id = r.task_id AND t.created_at = r.created_at AND t.created_at BETWEEN $13 AND $14
      AND t.attempt = r.attempt AND t.type = r.type
      AND t.status::text || '>' || r."to"::text = ANY ($15)
    RETURNING t.id, t.created_at, t.layer_id, t.job_id, t.type, t.prev_status, t.status, t.attempt, t.version,
              r.retried, r.due, r.reason, r.actor
), hist AS (
    INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", attempt, version, actor, reason)
    SELECT u.created_at, u.id, u.layer_id, u.prev_status, u.status, u.attempt, u.version, u.actor, u.reason FROM upd u
), rq AS (
    INSERT INTO igor.requeue AS q (task_id, created_at, layer_id, type, not_before)
    SELECT u.id, u.created_at, u.layer_id, u.type, u.due FROM upd u WHERE u.status = 'PENDING'
    ON CONFLICT (task_id) DO UPDATE SET not_before = excluded.not_before
), d AS (
    SELECT u.layer_id, u.job_id, u.created_at, array_agg(u.id) AS ids, array_agg(u.attempt) AS attempts, array_agg(u.type) AS kinds,
           array_agg(u.prev_status::text) AS was, array_agg(u.status::text) AS is_now, array_agg(u.due) AS due,
           (count(*) FILTER (WHERE u.status = 'PENDING'))::int4 AS p, (count(*) FILTER (WHERE u.prev_status = 'QUEUED'))::int4 AS from_q,
           (count(*) FILTER (WHERE u.status = 'RUNNING') - count(*) FILTER (WHERE u.prev_status = 'RUNNING'))::int4 AS r,
           (count(*) FILTER (WHERE u.status = 'COMPLETED'))::int4 AS c, (count(*) FILTER (WHERE u.status = 'ERRORED'))::int4 AS e,
           (count(*) FILTER (WHERE u.status = 'SKIPPED'))::int4 AS s, (count(*) FILTER (WHERE u.retried))::int4 AS again
    FROM upd u GROUP BY 1, 2, 3 ORDER BY 1
)
UPDATE igor.layers l
SET n_pending = l.n_pending + d.p, n_queued = l.n_queued - d.from_q, n_running = l.n_running + d.r, n_completed = l.n_completed + d.c,
    n_errored = l.n_errored + d.e, n_skipped = l.n_skipped + d.s, n_retried = l.n_retried + d.again, updated_at = statement_timestamp()
FROM d WHERE l.id = d.layer_id AND l.created_at = d.created_at AND l.created_at BETWEEN $13 AND $14
RETURNING l.id, l.job_id, l.n_pending, l.n_queued, l.n_running, l.n_completed, l.n_errored, l.n_skipped, l.n_retried,
          d.ids AS "ids!", d.attempts AS "attempts!", d.kinds AS "kinds!", d.was AS "was!", d.is_now AS "is_now!", d.due AS "due!: Vec<Time>"
