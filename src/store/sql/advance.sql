-- All that moves when jobs advance but for the cursors of layers that open: layers and jobs, what hangs on those that ended, the audit.
-- $1 to $7 one row a layer, $8 to $15 one row a job, $16 and $17 the days' bounds, $18 to $25 one row of the audit, $26 the actor,
-- $27 the command, $28 the layers that ended, $29 the jobs. That ids are ids keeps the planner to a look by key for each, as in apply.sql.
WITH lay AS (
    UPDATE igor.layers l
    SET status = r.status::igor.status, run = r.run, version = r.version, reason = r.reason, updated_at = statement_timestamp(),
        started_at = CASE WHEN r.opened THEN coalesce(l.started_at, statement_timestamp()) ELSE l.started_at END,
        finished_at = CASE WHEN r.status IN ('COMPLETED', 'ERRORED', 'SKIPPED') THEN statement_timestamp() END
    FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::int4[], $5::int8[], $6::text[], $7::bool[])
         AS r(id, created_at, status, run, version, reason, opened)
    WHERE l.id = r.id AND l.created_at = r.created_at AND l.created_at BETWEEN $16 AND $17
      AND r.id BETWEEN '00000000-0000-0000-0000-000000000000' AND 'ffffffff-ffff-ffff-ffff-ffffffffffff'
), cursors AS (
    DELETE FROM igor.layer_types WHERE layer_id = ANY($28)
), due AS (
    DELETE FROM igor.requeue WHERE layer_id = ANY($28)
), job AS (
    -- A re-opened job gets a new deadline: the time until now counts as not used.
    UPDATE igor.jobs j
    SET status = r.status::igor.status, version = r.version, reason = r.reason, updated_at = statement_timestamp(),
        started_at = CASE WHEN r.started THEN coalesce(j.started_at, statement_timestamp()) ELSE j.started_at END,
        paused_s = CASE WHEN r.reopened THEN coalesce(extract(epoch FROM statement_timestamp() - j.started_at)::int8, 0) ELSE j.paused_s END,
        finished_at = CASE WHEN r.finished THEN statement_timestamp() END
    FROM unnest($8::uuid[], $9::timestamptz[], $10::text[], $11::int8[], $12::text[], $13::bool[], $14::bool[], $15::bool[])
         AS r(id, created_at, status, version, reason, started, reopened, finished)
    WHERE j.id = r.id AND j.created_at = r.created_at AND j.created_at BETWEEN $16 AND $17
      AND r.id BETWEEN '00000000-0000-0000-0000-000000000000' AND 'ffffffff-ffff-ffff-ffff-ffffffffffff'
), live AS (
    DELETE FROM igor.live_jobs WHERE job_id = ANY($29)
)
INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", version, run, reason, actor, command_id)
SELECT r.created_at, r.id, r.layer_id, r."from"::igor.status, r."to"::igor.status, r.version, r.run, r.reason, $26, $27
FROM unnest($18::timestamptz[], $19::uuid[], $20::uuid[], $21::text[], $22::text[], $23::int8[], $24::int4[], $25::text[])
     AS r(created_at, id, layer_id, "from", "to", version, run, reason)
