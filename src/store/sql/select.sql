-- The tasks of stretches of layers that stand in given statuses, by number or name where the stretch says so.
-- $1 day, $2 to $9 stretches (layer, first and last ordinal, first and last number, pattern of names, how closely meant, how many of a
-- type at most, from the last on), $10 statuses, $11 limit. The types of a layer are found by hopping through the index, which is by
-- layer, type and ordinal. OFFSET 0 keeps the planner to that index, whatever the statistics know of the layer.
WITH RECURSIVE s AS (
    SELECT * FROM unnest($2::uuid[], $3::int4[], $4::int4[], $5::int4[], $6::int4[], $7::text[], $8::int2[], $9::int4[])
                  AS s(layer_id, first, last, lo, hi, pattern, meant, most)
), k AS (
    SELECT s.*, (SELECT t.type FROM igor.tasks t WHERE t.layer_id = s.layer_id AND t.created_at = $1 ORDER BY t.type LIMIT 1) AS type FROM s
    UNION ALL
    SELECT k.layer_id, k.first, k.last, k.lo, k.hi, k.pattern, k.meant, k.most,
           (SELECT t.type FROM igor.tasks t WHERE t.layer_id = k.layer_id AND t.type > k.type AND t.created_at = $1 ORDER BY t.type LIMIT 1)
    FROM k WHERE k.type IS NOT NULL
)
SELECT t.id AS "id!", t.layer_id AS "layer_id!", k.meant AS "meant!"
FROM k CROSS JOIN LATERAL (
    SELECT t.id, t.layer_id FROM igor.tasks t
    WHERE t.layer_id = k.layer_id AND t.type = k.type AND t.ordinal >= k.first AND t.ordinal < k.last AND t.created_at = $1
      AND t.status = ANY($10::text[]::igor.status[])
      AND (k.lo IS NULL OR coalesce(t.ix, t.ordinal) BETWEEN k.lo AND k.hi) AND (k.pattern IS NULL OR t.name LIKE k.pattern)
    ORDER BY t.layer_id DESC, t.type DESC, t.ordinal DESC LIMIT k.most OFFSET 0
) t
LIMIT $11
