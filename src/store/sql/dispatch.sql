-- Dispatch: for each want (layer, type, room) first what is due out of order, then what stands at the cursor.
-- $1 layers, $2 types, $3 rooms, $4 and $5 the days' bounds, $6 legal moves. In the order of the wants, then of the plan. That ids are
-- ids keeps the planner to a look by key for each task, as in apply.sql, also where it plans for a day that is still empty.
WITH w AS (
    SELECT u.place, u.layer_id, u.type, o.created_at, u.room, o.next_ordinal, o.total
    FROM unnest($1::uuid[], $2::text[], $3::int4[]) WITH ORDINALITY AS u(layer_id, type, room, place)
    JOIN igor.layer_types o ON o.layer_id = u.layer_id AND o.type = u.type
), due AS (
    SELECT w.place, w.layer_id, w.type, w.created_at, q.task_id FROM w CROSS JOIN LATERAL (
        SELECT r.task_id FROM igor.requeue r
        WHERE r.layer_id = w.layer_id AND r.type = w.type AND r.not_before <= statement_timestamp()
        ORDER BY r.not_before LIMIT w.room
    ) q
), gone AS (
    DELETE FROM igor.requeue r USING due WHERE r.task_id = due.task_id
), rest AS (
    SELECT w.*, w.room - (SELECT count(*) FROM due d WHERE d.place = w.place) AS more FROM w
), fresh AS (
    SELECT rest.place, rest.layer_id, rest.type, rest.created_at, c.id AS task_id, c.ordinal FROM rest CROSS JOIN LATERAL (
        SELECT t.id, t.ordinal FROM igor.tasks t
        WHERE t.layer_id = rest.layer_id AND t.type = rest.type AND t.ordinal >= rest.next_ordinal
          AND t.created_at = rest.created_at AND t.created_at BETWEEN $4 AND $5 AND t.status = 'PENDING' AND t.paused_at IS NULL
          AND NOT EXISTS (SELECT FROM igor.requeue r WHERE r.task_id = t.id)
        ORDER BY t.ordinal LIMIT rest.more
    ) c
), found AS (
    SELECT f.place, count(*) AS tasks, max(f.ordinal) AS last FROM fresh f GROUP BY f.place
), cur AS (
    UPDATE igor.layer_types o SET next_ordinal = n.next
    FROM (SELECT rest.layer_id, rest.type, CASE WHEN rest.more = 0 THEN rest.next_ordinal
                                                WHEN coalesce(f.tasks, 0) < rest.more THEN rest.total
                                                ELSE f.last + 1 END AS next
          FROM rest LEFT JOIN found f ON f.place = rest.place) n
    WHERE o.layer_id = n.layer_id AND o.type = n.type AND o.next_ordinal <> n.next
), pick AS MATERIALIZED (
    SELECT task_id, created_at, place FROM due UNION ALL SELECT task_id, created_at, place FROM fresh
), upd AS (
    UPDATE igor.tasks t
    SET prev_status = t.status, status = 'QUEUED', attempt = t.attempt + 1, version = t.version + 1, updated_at = statement_timestamp()
    FROM pick p
    WHERE t.id = p.task_id AND t.created_at = p.created_at AND t.created_at BETWEEN $4 AND $5 AND t.paused_at IS NULL
      AND t.status::text || '>QUEUED' = ANY ($6)
      AND p.task_id BETWEEN '00000000-0000-0000-0000-000000000000' AND 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    RETURNING t.*, p.place
), hist AS (
    INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", attempt, version, actor)
    SELECT u.created_at, u.id, u.layer_id, u.prev_status, u.status, u.attempt, u.version, 'operator' FROM upd u
), ob AS (
    INSERT INTO igor.outbox (kind, task_ids, attempts)
    SELECT 'E', array_agg(u.id ORDER BY u.place, u.ordinal), array_agg(u.attempt ORDER BY u.place, u.ordinal) FROM upd u HAVING count(*) > 0
    RETURNING seq
), d AS (
    SELECT u.layer_id, u.created_at, count(*)::int4 AS n FROM upd u GROUP BY 1, 2
), lay AS (
    UPDATE igor.layers l SET n_pending = l.n_pending - d.n, n_queued = l.n_queued + d.n, updated_at = statement_timestamp()
    FROM d WHERE l.id = d.layer_id AND l.created_at = d.created_at AND l.created_at BETWEEN $4 AND $5
)
SELECT (SELECT seq FROM ob) AS "seq!", u.id AS "id!", u.attempt AS "attempt!", u.layer_id AS "layer_id!", u.job_id AS "job_id!", u.name AS "name!",
       u.ix, u.type AS "kind!", u.args, u.args_id, u.timeout_ms, u.failures AS "failures!", u.max_failures AS "max_failures!",
       u.lost AS "lost!"
FROM upd u ORDER BY u.place, u.ordinal
