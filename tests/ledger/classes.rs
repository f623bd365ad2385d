//! What can go wrong in Postgres, provoked there, and how it is taken: what passes is tried again, and twice is once.

use std::time::{Duration, Instant};

use igor::core::fold::Said;
use igor::core::status::Status;
use igor::store::{Class, Command, Error, Settings, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::until;
use crate::world::{World, array, job_id, layer, ledger, object, outcome, plan, task};

/// What another session says of the ledger's database.
async fn run(world: &World, sql: &str) {
    world.database.pool.execute(AssertSqlSafe(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The same of the database itself, which nobody may use meanwhile.
async fn of_database(world: &World, sql: &str) {
    let (_, name) = world.database.url.rsplit_once('/').expect("a URL with a database");
    let admin = crate::support::from_rig("IGOR_TEST_DATABASE_URL");
    let mut connection = PgConnection::connect(&admin).await.expect("the test rig's Postgres");
    connection.execute(AssertSqlSafe(sql.replace("{name}", name))).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    connection.close().await.ok();
}

/// Waits until a connection of the program waits for a lock, and does this to it.
async fn to_the_waiting(world: &World, deed: &str) {
    let sql = format!(
        "SELECT {deed}(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'igor' AND wait_event_type IN ('Lock', 'Timeout')"
    );
    until("a connection waits", Duration::from_secs(20), || async {
        let done: Vec<bool> = sqlx::query_scalar(AssertSqlSafe(sql.clone())).fetch_all(&world.database.pool).await.expect("asked");
        if done.contains(&true) { Ok(()) } else { Err(done) }
    })
    .await;
}

fn sqlstate(error: &Error) -> Option<String> {
    let Error::Act { source, .. } = error else { return None };
    source.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
}

fn assert_passes(error: &Error, state: &str) {
    assert_eq!((sqlstate(error).as_deref(), error.class()), (Some(state), Class::Transient), "{error:?}");
}

#[tokio::test]
async fn every_failure_that_passes_is_told_from_those_that_do_not() {
    let world = World::new().await;
    for (state, class) in [
        ("40001", Class::Transient),
        ("40P01", Class::Transient),
        ("55P03", Class::Transient),
        ("57014", Class::Transient),
        ("57P01", Class::Transient),
        ("57P02", Class::Transient),
        ("57P03", Class::Transient),
        ("53100", Class::Transient),
        ("53200", Class::Transient),
        ("53300", Class::Transient),
        ("08006", Class::Transient),
        ("25006", Class::Transient),
        ("25P03", Class::Transient),
        ("28P01", Class::Transient),
        ("3D000", Class::Transient),
        ("55000", Class::Transient),
        ("58030", Class::Transient),
        ("22003", Class::Inconsistent),
        ("23505", Class::Inconsistent),
        ("23514", Class::Inconsistent),
        ("42P01", Class::Inconsistent),
        ("42501", Class::Inconsistent),
        ("XX001", Class::Inconsistent),
    ] {
        let raised = format!("DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$");
        let source = world.database.pool.execute(AssertSqlSafe(raised)).await.expect_err("raised");
        let error = Error::Act { act: "try", source };
        assert_eq!((sqlstate(&error).as_deref(), error.class()), (Some(state), class));
    }
}

#[tokio::test]
async fn a_lock_that_another_session_keeps_is_given_up_and_tried_again() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    let mut other = world.database.pool.begin().await.expect("a transaction");
    other.execute("SELECT 1 FROM igor.jobs FOR UPDATE").await.expect("locked");
    let failed = world.store.command(Some(world.epoch), &Command::deletion(job_id(&object), "operator")).await.expect_err("locked");
    assert_passes(&failed, "55P03");
    other.rollback().await.expect("unlocked");
    assert_eq!(world.store.command(Some(world.epoch), &Command::deletion(job_id(&object), "operator")).await.expect("deleted").changed, 1);
    world.check().await;
}

#[tokio::test]
async fn a_statement_that_is_cancelled_and_a_connection_that_is_cut_change_nothing() {
    for (deed, state) in [("pg_cancel_backend", "57014"), ("pg_terminate_backend", "57P01")] {
        let world = World::new().await;
        let object = object("j");
        world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
        let tasks = world.dispatch_all(job_id(&object)).await.tasks;
        let done = || vec![outcome(&tasks[0], Said::Completed)];
        let mut other = world.database.pool.begin().await.expect("a transaction");
        other.execute("SELECT 1 FROM igor.jobs FOR UPDATE").await.expect("locked");
        let (collected, ()) = tokio::join!(world.store.collect(world.epoch, done()), to_the_waiting(&world, deed));
        assert_passes(&collected.expect_err("cut off"), state);
        other.rollback().await.expect("unlocked");
        assert_eq!(world.store.collect(world.epoch, done()).await.expect("collected").applied.len(), 1);
        assert_eq!(world.status(job_id(&object)).await, (Status::Completed, true));
        world.check().await;
    }
}

#[tokio::test]
async fn a_deadlock_with_another_session_passes() {
    let world = World::new().await;
    let objects: Vec<_> = ["j", "k"].iter().map(|name| object(name)).collect();
    let mut outcomes = Vec::new();
    for object in &objects {
        world.accept(object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
        outcomes.push(outcome(&world.dispatch_all(job_id(object)).await.tasks[0], Said::Completed));
    }
    let mut ids: Vec<_> = objects.iter().map(job_id).collect();
    ids.sort_unstable();
    let lock = |id: uuid::Uuid| sqlx::query("SELECT 1 FROM igor.jobs WHERE id = $1 FOR UPDATE").bind(id);
    let mut other = world.database.pool.begin().await.expect("a transaction");
    // The other session is the more patient one: the program's statement is the one that finds the deadlock.
    other.execute("SET LOCAL deadlock_timeout = '30s'").await.expect("set");
    lock(ids[1]).execute(&mut *other).await.expect("locked");
    let across = async {
        // Any function of a process id that does no harm.
        to_the_waiting(&world, "0 <>").await;
        lock(ids[0]).execute(&mut *other).await.expect("locked in the end");
        other.rollback().await.expect("unlocked");
    };
    let (collected, ()) = tokio::join!(world.store.collect(world.epoch, outcomes.clone()), across);
    assert_passes(&collected.expect_err("a deadlock"), "40P01");
    assert_eq!(world.store.collect(world.epoch, outcomes).await.expect("collected").applied.len(), 2);
    world.check().await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_run_again_and_counts_once() {
    let world = World::new().await;
    let object = object("j");
    let plan = plan(vec![layer("a", 0, vec![array("t", 3)])]);
    run(
        &world,
        "CREATE FUNCTION public.linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON igor.live_jobs DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION public.linger()",
    )
    .await;
    // The statement that waits is the COMMIT itself.
    let cut = to_the_waiting(&world, "pg_terminate_backend");
    let (accepted, ()) = tokio::join!(world.store.accept(world.epoch, &object, &plan), cut);
    assert_passes(&accepted.expect_err("cut off"), "57P01");
    run(&world, "DROP TRIGGER linger ON igor.live_jobs").await;
    world.accept(&object, &plan).await;
    world.accept(&object, &plan).await;
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 3);
    world.check().await;
}

#[tokio::test]
async fn a_read_only_database_passes_and_takes_nothing() {
    let world = World::new().await;
    of_database(&world, "ALTER DATABASE {name} SET default_transaction_read_only = on").await;
    let store = Store::connect(&Settings::new(&world.database.url)).await.expect("it may be read");
    let object = object("j");
    let plan = plan(vec![layer("a", 0, vec![task("x")])]);
    assert_passes(&store.accept(world.epoch, &object, &plan).await.expect_err("read-only"), "25006");
    of_database(&world, "ALTER DATABASE {name} RESET default_transaction_read_only").await;
    world.accept(&object, &plan).await;
    world.check().await;
}

#[tokio::test]
async fn a_server_without_a_free_place_passes_within_seconds() {
    let database = ledger().await;
    let login = crate::support::unique("few").replace('-', "_");
    let make = format!("CREATE ROLE {login} LOGIN PASSWORD 'test' CONNECTION LIMIT 1 IN ROLE igor_rw");
    database.pool.execute(AssertSqlSafe(make)).await.expect("a role");
    let (scheme, rest) = database.url.split_once("://").expect("a URL");
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    let url = format!("{scheme}://{login}:test@{host}");
    let _only = PgConnection::connect(&url).await.expect("the only place");
    let began = Instant::now();
    let failed = Store::connect(&Settings::new(&url)).await.expect_err("no place");
    assert_eq!(failed.class(), Class::Transient, "{failed:?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_database_that_takes_no_connections_passes() {
    let world = World::new().await;
    of_database(&world, "ALTER DATABASE {name} ALLOW_CONNECTIONS false").await;
    of_database(&world, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'").await;
    let failed = until("it is away", Duration::from_secs(10), || async {
        match world.store.live_jobs().await {
            Err(error) if sqlstate(&error).as_deref() == Some("55000") => Ok(error),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(failed.class(), Class::Transient, "{failed:?}");
    of_database(&world, "ALTER DATABASE {name} ALLOW_CONNECTIONS true").await;
    world.store.live_jobs().await.expect("it is back");
}

#[tokio::test]
async fn a_standby_is_not_taken_for_a_ledger() {
    let world = World::new().await;
    // A server says of itself that it is one, as far as the program can tell.
    run(
        &world,
        "CREATE SCHEMA standby;
         CREATE FUNCTION standby.pg_is_in_recovery() RETURNS bool LANGUAGE sql AS 'SELECT true'",
    )
    .await;
    of_database(&world, "ALTER DATABASE {name} SET search_path = standby, pg_catalog").await;
    let refused = Store::connect(&Settings::new(&world.database.url)).await.expect_err("a standby");
    assert_eq!(refused.class(), Class::Transient, "{refused:?}");
}
