-- Makes due now what waits for its next attempt, its failures forgotten: of given tasks, or of stretches of layers.
-- $1 day, $2 layers, $3 tasks, $4 to $9 stretches (layer, first and last ordinal, first and last number, pattern of names).
WITH s AS (
    SELECT * FROM unnest($4::uuid[], $5::int4[], $6::int4[], $7::int4[], $8::int4[], $9::text[]) AS s(layer_id, first, last, lo, hi, pattern)
), due AS (
    UPDATE igor.requeue r SET not_before = statement_timestamp()
    FROM igor.tasks t
    WHERE r.layer_id = ANY($2) AND r.not_before > statement_timestamp()
      AND t.id = r.task_id AND t.created_at = $1 AND t.status = 'PENDING'
      AND (t.id = ANY($3) OR EXISTS (
          SELECT FROM s WHERE s.layer_id = t.layer_id AND t.ordinal >= s.first AND t.ordinal < s.last
             AND (s.lo IS NULL OR coalesce(t.ix, t.ordinal) BETWEEN s.lo AND s.hi) AND (s.pattern IS NULL OR t.name LIKE s.pattern)))
    RETURNING t.id
), upd AS (
    UPDATE igor.tasks t SET failures = 0, lost = 0 FROM due WHERE t.id = due.id AND t.created_at = $1
)
SELECT count(*)::int4 AS "due!" FROM due
