-- igor_ro reads everything; igor_rw is what operator and API need, and may not change the audit. Both are granted by the DBA.
-- Where roles may not be made (a hosted database), the program runs as the owner and says that the audit is unprotected.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['igor_ro', 'igor_rw'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role % could not be made: the audit is not protected from the program''s own role', wanted;
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- a migration of another database of this server was faster
        END;
    END LOOP;

    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'igor_ro') THEN
        GRANT USAGE ON SCHEMA igor TO igor_ro;
        GRANT SELECT ON ALL TABLES IN SCHEMA igor TO igor_ro;
    END IF;

    REVOKE ALL ON FUNCTION igor.make_day(date) FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'igor_rw') THEN
        GRANT USAGE ON SCHEMA igor TO igor_rw;
        GRANT SELECT ON ALL TABLES IN SCHEMA igor TO igor_rw;
        GRANT INSERT, UPDATE ON igor.jobs, igor.commands TO igor_rw;
        GRANT INSERT, UPDATE, DELETE ON igor.layers, igor.tasks, igor.task_args TO igor_rw;
        GRANT INSERT ON igor.transitions TO igor_rw;
        GRANT INSERT, UPDATE, DELETE ON igor.live_jobs, igor.layer_types, igor.requeue, igor.outbox TO igor_rw;
        GRANT UPDATE ON igor.epoch TO igor_rw;
        GRANT INSERT, UPDATE ON igor.install TO igor_rw;
        GRANT EXECUTE ON FUNCTION igor.make_day(date) TO igor_rw;
    END IF;
END
$$;
