-- What becomes of old days: sealed, when nothing of them changes any more, and dropped. Run by the owner of the tables.

CREATE FUNCTION igor.seal_day(sealed_day date) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parent text;
    child  text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['jobs', 'layers', 'tasks'] LOOP
        child := format('%s_%s', parent, to_char(sealed_day, 'YYYYMMDD'));
        EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON igor.%I (status, created_at, id)', child || '_by_status', child);
        EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON igor.%I (updated_at)', child || '_by_update', child);
    END LOOP;
END
$$;
COMMENT ON FUNCTION igor.seal_day(date) IS 'Indexes a day by status and by last change: dear to write, so only for days of which nothing changes.';

CREATE FUNCTION igor.drop_day(dropped_day date) RETURNS int8
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parent     text;
    unfinished int8;
BEGIN
    -- The parents first, as every query does: a drop needs them too, and in the other order two would wait for each other.
    LOCK TABLE ONLY igor.jobs, ONLY igor.layers, ONLY igor.tasks, ONLY igor.task_args, ONLY igor.transitions, ONLY igor.commands
        IN ACCESS EXCLUSIVE MODE;
    SELECT count(*) INTO unfinished FROM igor.live_jobs
    WHERE created_at >= dropped_day::timestamp AT TIME ZONE 'UTC' AND created_at < (dropped_day + 1)::timestamp AT TIME ZONE 'UTC';
    IF unfinished > 0 THEN
        RETURN unfinished;
    END IF;
    FOREACH parent IN ARRAY ARRAY['jobs', 'layers', 'tasks', 'task_args', 'transitions', 'commands'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS igor.%I', format('%s_%s', parent, to_char(dropped_day, 'YYYYMMDD')));
    END LOOP;
    RETURN 0;
END
$$;
COMMENT ON FUNCTION igor.drop_day(date) IS 'Drops a day for good unless a job of it is unfinished; gives the number of those.';

REVOKE ALL ON FUNCTION igor.seal_day(date), igor.drop_day(date) FROM PUBLIC;
