-- The dispatch cursors of layers that opened, or of open ones that grew: one for each type, found by hopping through the index.
-- $1 layers, $2 days, $3 jobs, $4 queues, $5 opened again, $6 and $7 the days' bounds. The cursor of what opens again begins at the end
-- if all that is pending waits out of order: a large retry leaves that to the cursor.
WITH RECURSIVE o AS (
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::bool[]) AS o(layer_id, created_at, job_id, queue, again)
), k AS (
    SELECT o.*, (SELECT t.type FROM igor.tasks t
                 WHERE t.layer_id = o.layer_id AND t.created_at = o.created_at AND t.created_at BETWEEN $6 AND $7
                 ORDER BY t.type LIMIT 1) AS type
    FROM o
    UNION ALL
    SELECT k.layer_id, k.created_at, k.job_id, k.queue, k.again,
           (SELECT t.type FROM igor.tasks t
            WHERE t.layer_id = k.layer_id AND t.type > k.type AND t.created_at = k.created_at AND t.created_at BETWEEN $6 AND $7
            ORDER BY t.type LIMIT 1)
    FROM k WHERE k.type IS NOT NULL
)
INSERT INTO igor.layer_types AS o (layer_id, type, job_id, created_at, queue, next_ordinal, total)
SELECT k.layer_id, k.type, k.job_id, k.created_at, k.queue, CASE WHEN k.again AND p.pending <= p.out_of_order THEN e.total ELSE 0 END, e.total
FROM k CROSS JOIN LATERAL (
    SELECT t.ordinal + 1 AS total FROM igor.tasks t
    WHERE t.layer_id = k.layer_id AND t.type = k.type AND t.created_at = k.created_at AND t.created_at BETWEEN $6 AND $7
    ORDER BY t.ordinal DESC LIMIT 1
) e CROSS JOIN LATERAL (
    SELECT l.n_pending AS pending, (SELECT count(*) FROM igor.requeue r CROSS JOIN LATERAL (
        SELECT FROM igor.tasks t
        WHERE t.id = r.task_id AND t.created_at = r.created_at AND t.created_at BETWEEN $6 AND $7 AND t.status = 'PENDING' OFFSET 0
    ) t WHERE r.layer_id = l.id) AS out_of_order
    FROM igor.layers l WHERE l.id = k.layer_id AND l.created_at = k.created_at AND l.created_at BETWEEN $6 AND $7
) p WHERE k.type IS NOT NULL
ON CONFLICT (layer_id, type) DO UPDATE SET total = excluded.total
RETURNING o.layer_id, o.job_id, o.type AS kind, o.next_ordinal, o.total,
          (SELECT min(r.not_before) FROM igor.requeue r WHERE r.layer_id = o.layer_id AND r.type = o.type) AS "due: Time"
