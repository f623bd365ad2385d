-- The partition maker. It owns its rights (SECURITY DEFINER), so that the operator's role needs none to create tables.

CREATE FUNCTION igor.make_day(made_day date) RETURNS bool
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parent  text;
    id_name text;
    child   text;
    lower_at timestamptz := made_day::timestamp AT TIME ZONE 'UTC';
    upper_at timestamptz := (made_day + 1)::timestamp AT TIME ZONE 'UTC';
    lower_ms int8 := (extract(epoch FROM lower_at) * 1000)::int8;
    upper_ms int8 := (extract(epoch FROM upper_at) * 1000)::int8;
    lower_id uuid := rpad(lpad(to_hex(lower_ms), 12, '0'), 32, '0')::uuid;
    upper_id uuid := rpad(lpad(to_hex(upper_ms), 12, '0'), 32, '0')::uuid;
    made     bool := false;
BEGIN
    -- Two makers of one day take turns; the number is this function's alone.
    PERFORM pg_advisory_xact_lock(7239084113);
    FOREACH parent IN ARRAY ARRAY['jobs', 'layers', 'tasks', 'task_args', 'transitions', 'commands'] LOOP
        child := format('%s_%s', parent, to_char(made_day, 'YYYYMMDD'));
        CONTINUE WHEN to_regclass(format('igor.%I', child)) IS NOT NULL;
        id_name := CASE parent WHEN 'task_args' THEN 'args_id' WHEN 'transitions' THEN 'task_id' ELSE 'id' END;
        EXECUTE format('CREATE TABLE igor.%I (LIKE igor.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = %s)',
                       child, parent, CASE parent WHEN 'transitions' THEN 100 WHEN 'task_args' THEN 100 ELSE 50 END);
        -- The bounds as a CHECK spare ATTACH its scan; those on the id let a query that has only an id skip other days.
        EXECUTE format('ALTER TABLE igor.%I ADD CONSTRAINT %I CHECK (created_at IS NOT NULL AND created_at >= %L AND created_at < %L)',
                       child, child || '_day', lower_at, upper_at);
        EXECUTE format('ALTER TABLE igor.%I ADD CONSTRAINT %I CHECK (%I >= %L AND %I < %L)',
                       child, child || '_ids', id_name, lower_id, id_name, upper_id);
        -- ATTACH takes only SHARE UPDATE EXCLUSIVE on the parent; CREATE … PARTITION OF would stop every reader.
        EXECUTE format('ALTER TABLE igor.%I ATTACH PARTITION igor.%I FOR VALUES FROM (%L) TO (%L)', parent, child, lower_at, upper_at);
        made := true;
    END LOOP;
    INSERT INTO igor.days (day) VALUES (made_day) ON CONFLICT (day) DO NOTHING;
    RETURN made;
END
$$;
COMMENT ON FUNCTION igor.make_day(date) IS 'Makes the partitions of a UTC day unless they are there; says whether any was missing.';
