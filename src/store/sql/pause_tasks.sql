-- Pauses single tasks, or lets them go. What is queued and paused is recalled; what is let go and the cursor has passed is due now.
-- $1 job, $2 its day, $3 tasks, $4 pause or not, $5 reason, $6 actor, $7 command.
-- The tasks are an array for the reason that move.sql gives.
WITH upd AS (
    UPDATE igor.tasks t
    SET paused_at = CASE WHEN $4 THEN statement_timestamp() END, version = t.version + 1, updated_at = statement_timestamp()
    WHERE t.id = ANY($3) AND t.created_at = $2
      AND (t.paused_at IS NULL) = $4 AND (NOT $4 OR t.status NOT IN ('COMPLETED', 'SKIPPED'))
    RETURNING t.id, t.created_at, t.layer_id, t.type, t.ordinal, t.status, t.attempt, t.version
), hist AS (
    INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", attempt, version, actor, reason, command_id)
    SELECT u.created_at, u.id, u.layer_id, u.status, u.status, u.attempt, u.version, $6, $5, $7 FROM upd u
), ob AS (
    INSERT INTO igor.outbox (kind, task_id, created_at)
    SELECT 'R', u.id, u.created_at FROM upd u WHERE $4 AND u.status = 'QUEUED' ORDER BY u.layer_id, u.ordinal
), rq AS (
    INSERT INTO igor.requeue (task_id, created_at, layer_id, type, not_before)
    SELECT u.id, u.created_at, u.layer_id, u.type, statement_timestamp()
    FROM upd u JOIN igor.layer_types o ON o.layer_id = u.layer_id AND o.type = u.type
    WHERE NOT $4 AND u.status = 'PENDING' AND u.ordinal < o.next_ordinal
    ON CONFLICT (task_id) DO NOTHING
), d AS (
    SELECT u.layer_id, count(*)::int4 AS n FROM upd u GROUP BY 1
), lay AS (
    UPDATE igor.layers l SET n_paused = l.n_paused + CASE WHEN $4 THEN d.n ELSE -d.n END, updated_at = statement_timestamp()
    FROM d WHERE l.id = d.layer_id AND l.job_id = $1 AND l.created_at = $2
)
SELECT count(*)::int4 AS "moved!" FROM upd
