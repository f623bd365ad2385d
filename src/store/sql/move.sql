-- A command moves tasks that stand where it moves them from, whatever their attempt; what was queued or running is revoked.
-- $1 job, $2 its day, $3 tasks, $4 from where they are moved, $5 to where, $6 reason, $7 actor, $8 command, $9 whether what is to run
-- again is due out of the cursor's order.
-- The tasks are an array, not rows to join with: statistics that were taken while a job was being loaded tell the planner of a handful
-- of tasks, and it would compare each of the job with each that is meant.
WITH upd AS (
    UPDATE igor.tasks t
    SET prev_status = t.status, status = $5::text::igor.status, version = t.version + 1, updated_at = statement_timestamp(), reason = $6,
        failures = CASE WHEN $5 = 'PENDING' THEN 0 ELSE t.failures END, lost = CASE WHEN $5 = 'PENDING' THEN 0 ELSE t.lost END
    WHERE t.id = ANY($3) AND t.created_at = $2
      AND t.status = ANY($4::text[]::igor.status[])
    RETURNING t.id, t.created_at, t.layer_id, t.type, t.ordinal, t.prev_status, t.status, t.attempt, t.version
), hist AS (
    INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", attempt, version, actor, reason, command_id)
    SELECT u.created_at, u.id, u.layer_id, u.prev_status, u.status, u.attempt, u.version, $7, $6, $8 FROM upd u
), ob AS (
    INSERT INTO igor.outbox (kind, task_id, created_at, attempt)
    SELECT 'K', u.id, u.created_at, u.attempt FROM upd u WHERE u.prev_status IN ('QUEUED', 'RUNNING') ORDER BY u.layer_id, u.ordinal
), rq AS (
    INSERT INTO igor.requeue AS q (task_id, created_at, layer_id, type, not_before)
    SELECT u.id, u.created_at, u.layer_id, u.type, statement_timestamp() FROM upd u WHERE u.status = 'PENDING' AND $9
    ON CONFLICT (task_id) DO UPDATE SET not_before = excluded.not_before
), d AS (
    SELECT u.layer_id,
           (count(*) FILTER (WHERE u.status = 'PENDING') - count(*) FILTER (WHERE u.prev_status = 'PENDING'))::int4 AS p,
           (count(*) FILTER (WHERE u.prev_status = 'QUEUED'))::int4 AS from_q, (count(*) FILTER (WHERE u.prev_status = 'RUNNING'))::int4 AS from_r,
           (count(*) FILTER (WHERE u.prev_status = 'COMPLETED'))::int4 AS from_c,
           (count(*) FILTER (WHERE u.status = 'ERRORED') - count(*) FILTER (WHERE u.prev_status = 'ERRORED'))::int4 AS e,
           (count(*) FILTER (WHERE u.status = 'SKIPPED') - count(*) FILTER (WHERE u.prev_status = 'SKIPPED'))::int4 AS s
    FROM upd u GROUP BY 1
), lay AS (
    UPDATE igor.layers l
    SET n_pending = l.n_pending + d.p, n_queued = l.n_queued - d.from_q, n_running = l.n_running - d.from_r,
        n_completed = l.n_completed - d.from_c, n_errored = l.n_errored + d.e, n_skipped = l.n_skipped + d.s,
        updated_at = statement_timestamp()
    FROM d WHERE l.id = d.layer_id AND l.job_id = $1 AND l.created_at = $2
)
SELECT count(*)::int4 AS "moved!" FROM upd
