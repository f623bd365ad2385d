-- Fills days of a ledger as weeks of work leave it: jobs of 1 to 100,000 tasks, nearly all completed. In a benchmark's database only.

-- An id in the shape of Igor's: creation time, then a hash of the words.
CREATE FUNCTION public.id_of(ms int8, words text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(ms), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 5, 15))::uuid FROM md5(words) h
$$;

-- The day so many days ago, with about so many tasks; gives their number.
CREATE FUNCTION public.fill_day(back int, tasks int) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
    filled  date := (statement_timestamp() AT TIME ZONE 'UTC')::date - back;
    first   int8 := (extract(epoch FROM filled::timestamp AT TIME ZONE 'UTC') * 1000)::int8;
    last    int8 := least(first + 86399999, (extract(epoch FROM statement_timestamp()) * 1000)::int8);
    written int8;
BEGIN
    PERFORM igor.make_day(filled);
    CREATE TEMP TABLE job ON COMMIT DROP AS
    SELECT id_of(ms, uid) AS id, to_timestamp(ms / 1000.0) AS created_at, ms, uid, n, layers, size / layers AS each,
           -- One in 33 fails; and today the largest, which is the hardest day to read.
           hash % 33 = 0 OR back = 0 AND size = 100000 AS fails, (ARRAY['film', 'film', 'film', 'games', 'science'])[1 + hash % 5] AS namespace
    FROM (VALUES (100000, 1, 0.30), (10000, 10, 0.24), (1000, 5, 0.15), (100, 2, 0.13), (10, 2, 0.14), (1, 1, 0.04)) AS kind(size, layers, share)
    CROSS JOIN LATERAL generate_series(1, round(tasks * share / size)::int) AS n
    CROSS JOIN LATERAL (SELECT format('%s-%s-%s', filled, size, n) AS uid) AS named
    CROSS JOIN LATERAL (SELECT abs(hashtext(uid)) AS hash) AS hashed
    CROSS JOIN LATERAL (SELECT first + hash::int8 * 7919 % (last - first + 1) AS ms) AS timed;

    INSERT INTO igor.tasks (created_at, id, job_id, layer_id, ordinal, ix, type, name, status, prev_status, reason, version, attempt, failures,
                            max_failures, updated_at, args, message)
    SELECT j.created_at, id_of(j.ms, j.uid || '/' || l || '/' || i), j.id, j.layer, i, i, (ARRAY['simulate', 'render', 'publish'])[1 + l % 3],
           't-' || i, CASE WHEN failed THEN 'ERRORED' ELSE 'COMPLETED' END::igor.status, 'QUEUED', CASE WHEN failed THEN 'Failed' END, 3, 1,
           failed::int, 1, j.created_at + i * interval '10 ms', convert_to('{"frame":' || i || '}', 'UTF8'),
           CASE WHEN failed THEN 'no licence for the renderer' ELSE 'ok' END
    FROM (SELECT *, id_of(ms, uid || '/' || l) AS layer FROM job CROSS JOIN LATERAL generate_series(0, layers - 1) AS l OFFSET 0) AS j
    CROSS JOIN LATERAL generate_series(0, j.each - 1) AS i
    CROSS JOIN LATERAL (SELECT j.fails AND i % 50 = 0 AS failed) AS f;
    GET DIAGNOSTICS written = ROW_COUNT;

    INSERT INTO igor.layers (created_at, id, job_id, name, title, ordinal, priority, status, run, version, started_at, finished_at, updated_at,
                             n_expected, n_loaded, spec_len, spec_hash, n_completed, n_errored)
    SELECT created_at, id_of(ms, uid || '/' || l), id, 'l' || l, 'layer ' || l, l, l,
           CASE WHEN fails THEN 'ERRORED' ELSE 'COMPLETED' END::igor.status, 1, 3, created_at, created_at, created_at, "each", "each", "each",
           sha256('plan'), "each" - errors, errors
    FROM job CROSS JOIN LATERAL generate_series(0, layers - 1) AS l
    CROSS JOIN LATERAL (SELECT CASE WHEN fails THEN ("each" + 49) / 50 ELSE 0 END AS errors) AS e;

    INSERT INTO igor.jobs (created_at, id, uid, namespace, name, title, status, reason, version, started_at, finished_at, loaded_at, updated_at,
                           queue, lane, on_failure, backoff_initial, backoff_max, generation, origin)
    SELECT created_at, id, uid, namespace, 'job-' || uid, 'Job ' || n, CASE WHEN fails THEN 'ERRORED' ELSE 'COMPLETED' END::igor.status,
           CASE WHEN fails THEN 'TaskFailures' END, 3, created_at, created_at, created_at, created_at, 'default', 1, 'Continue', 10000, 60000, 1, 'bench'
    FROM job;

    PERFORM public.fill_history(filled);
    RETURN written;
END
$$;

-- The audit of a day: of jobs and layers all, of tasks what failed and one in a hundred of the others.
CREATE FUNCTION public.fill_history(filled date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lower_at timestamptz := filled::timestamp AT TIME ZONE 'UTC';
    upper_at timestamptz := (filled + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", attempt, version, run, at, actor)
    SELECT created_at, id, layer_id, CASE step WHEN 2 THEN 'PENDING' ELSE 'QUEUED' END::igor.status,
           CASE step WHEN 2 THEN 'QUEUED' ELSE status END, 1, step, NULL, updated_at, CASE step WHEN 2 THEN 'operator' ELSE 'worker w-1' END
    FROM igor.tasks CROSS JOIN generate_series(2, 3) AS step
    WHERE created_at >= lower_at AND created_at < upper_at AND (status = 'ERRORED' OR ordinal % 100 = 0)
    UNION ALL
    SELECT created_at, id, id, CASE step WHEN 2 THEN 'PENDING' ELSE 'RUNNING' END::igor.status,
           CASE step WHEN 2 THEN 'RUNNING' ELSE status END, NULL, step, 1, updated_at, 'operator'
    FROM igor.layers CROSS JOIN generate_series(2, 3) AS step WHERE created_at >= lower_at AND created_at < upper_at
    UNION ALL
    SELECT created_at, id, NULL, CASE step WHEN 2 THEN 'PENDING' ELSE 'RUNNING' END::igor.status,
           CASE step WHEN 2 THEN 'RUNNING' ELSE status END, NULL, step, NULL, updated_at, 'operator'
    FROM igor.jobs CROSS JOIN generate_series(2, 3) AS step WHERE created_at >= lower_at AND created_at < upper_at;
END
$$;
