//! Days and roles: partitions ahead of time and on demand, and what each role may do.

use igor::store::{Command, Standing};

use crate::world::{World, job_id, layer, now_ms, object, plan, task};

const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn the_days_ahead_are_there_and_made_once() {
    let world = World::new().await;
    world.store.ensure_partitions().await.expect("made");
    let (one, two) = tokio::join!(world.store.ensure_partitions(), world.store.ensure_partitions());
    one.expect("made");
    two.expect("made");
    assert_eq!(world.count("SELECT count(*) FROM igor.days").await, 9);
    assert_eq!(world.count("SELECT count(*) FROM pg_inherits WHERE inhparent = 'igor.tasks'::regclass").await, 9);
    let span = "SELECT count(*) FROM igor.days WHERE day BETWEEN (statement_timestamp() AT TIME ZONE 'UTC')::date - 1 AND (statement_timestamp() AT TIME ZONE 'UTC')::date + 7";
    assert_eq!(world.count(span).await, 9);
}

#[tokio::test]
async fn a_job_of_another_day_makes_its_day_and_runs() {
    let world = World::new().await;
    let mut old = object("old");
    old.created_ms = now_ms() - 30 * DAY_MS;
    let accepted = world.accept(&old, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    assert_eq!(accepted.standing, Standing::Fresh);
    assert_eq!(world.run_to_the_end(job_id(&old)).await, ["a/x"]);
    assert_eq!(world.count("SELECT count(*) FROM igor.days").await, 10);
    world.check().await;
}

#[tokio::test]
async fn two_jobs_of_another_day_at_once_make_it_once() {
    let world = World::new().await;
    let old = (0..4).map(|number| {
        let mut object = object(&format!("old{number}"));
        object.created_ms = now_ms() - 50 * DAY_MS;
        object
    });
    let old: Vec<_> = old.collect();
    let plan = plan(vec![layer("a", 0, vec![task("x")])]);
    let accepted = futures::future::join_all(old.iter().map(|object| world.store.accept(world.epoch, object, &plan))).await;
    for outcome in accepted {
        assert_eq!(outcome.expect("accepted").standing, Standing::Fresh);
    }
    assert_eq!(world.count("SELECT count(*) FROM igor.days").await, 10);
    world.check().await;
}

#[tokio::test]
async fn jobs_of_many_days_are_dispatched_and_collected_in_one_transaction() {
    let world = World::new().await;
    let mut wants = Vec::new();
    for ahead in -1..=3 {
        let mut object = object("j");
        object.created_ms += ahead * DAY_MS;
        let change = world.accept(&object, &plan(vec![layer("a", 0, vec![task("x"), task("y")])])).await.change;
        let open = &change.opened[0];
        wants.push(igor::store::Want { layer_id: open.layer_id, job_id: open.job_id, kind: open.kind.clone(), room: 10 });
    }
    let tasks = world.store.dispatch(world.epoch, &wants).await.expect("dispatched").tasks;
    assert_eq!(tasks.len(), 10);
    let collected = world.say(&tasks, igor::core::fold::Said::Completed).await;
    assert_eq!(collected.jobs.iter().filter(|job| job.finished).count(), 5);
    world.check().await;
}

#[tokio::test]
async fn a_statement_with_bounds_looks_at_one_day_only() {
    let world = World::new().await;
    let plan: Vec<String> = sqlx::query_scalar(
        "EXPLAIN SELECT * FROM igor.tasks WHERE id = ANY($1::uuid[]) AND created_at = ANY($2::timestamptz[])
         AND created_at BETWEEN '2020-01-01'::timestamptz + interval '0 second' AND statement_timestamp() - interval '30 days'",
    )
    .bind(Vec::<uuid::Uuid>::new())
    .bind(Vec::<String>::new())
    .fetch_all(&world.database.pool)
    .await
    .expect("a plan");
    assert!(!plan.iter().any(|line| line.contains("tasks_2")), "{plan:#?}");
}

#[tokio::test]
async fn every_table_and_column_is_commented() {
    let world = World::new().await;
    let bare = "SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                WHERE c.relnamespace = 'igor'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'migrations'
                  AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)";
    assert_eq!(world.count(bare).await, 0);
}

#[tokio::test]
async fn the_audit_may_only_be_added_to_and_readers_only_read() {
    let world = World::new().await;
    let may = |role: &str, right: &str, table: &str| format!("SELECT has_table_privilege('{role}', '{table}', '{right}')");
    for (role, right, table, expected) in [
        ("igor_rw", "INSERT", "igor.transitions", true),
        ("igor_rw", "UPDATE", "igor.transitions", false),
        ("igor_rw", "DELETE", "igor.transitions", false),
        ("igor_rw", "TRUNCATE", "igor.transitions", false),
        ("igor_rw", "UPDATE", "igor.tasks", true),
        ("igor_rw", "DELETE", "igor.jobs", false),
        ("igor_rw", "SELECT", "igor.migrations", true),
        ("igor_ro", "SELECT", "igor.v_jobs", true),
        ("igor_ro", "SELECT", "igor.tasks", true),
        ("igor_ro", "INSERT", "igor.outbox", false),
        ("igor_ro", "UPDATE", "igor.epoch", false),
    ] {
        let allowed: bool =
            sqlx::query_scalar(sqlx::AssertSqlSafe(may(role, right, table))).fetch_one(&world.database.pool).await.expect("an answer");
        assert_eq!(allowed, expected, "{role} {right} {table}");
    }
}

#[tokio::test]
async fn the_program_runs_whole_as_the_role_that_ships() {
    let world = World::new().await;
    let login = crate::support::unique("rw").replace('-', "_");
    let make = format!("CREATE ROLE {login} LOGIN PASSWORD 'test' IN ROLE igor_rw");
    sqlx::query(sqlx::AssertSqlSafe(make)).execute(&world.database.pool).await.expect("a role");
    let (scheme, rest) = world.database.url.split_once("://").expect("a URL");
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    let url = format!("{scheme}://{login}:test@{host}");
    let store = igor::store::Store::connect(&igor::store::Settings::new(url)).await.expect("the ledger");
    let epoch = store.bump_epoch().await.expect("an epoch");
    let limited = World { store, epoch, database: world.database };
    limited.store.install("cluster", false).await.expect("claimed");
    limited.store.ensure_partitions().await.expect("made");
    let mut old = object("old");
    old.created_ms = now_ms() - 20 * DAY_MS;
    let plan = plan(vec![layer("a", 0, vec![crate::world::array("t", 3)]), layer("b", 1, vec![task("x")])]);
    limited.accept(&old, &plan).await;
    let tasks = limited.dispatch_all(job_id(&old)).await.tasks;
    limited.say(&tasks, igor::core::fold::Said::Errored).await;
    limited.store.command(None, &crate::world::command(job_id(&old), "retry", "1")).await.expect("done");
    limited.run_to_the_end(job_id(&old)).await;
    limited.store.mark_expired(Some(epoch), job_id(&old)).await.expect("expired");
    limited.store.command(Some(epoch), &Command::deletion(job_id(&old), "operator")).await.expect("deleted");
    limited.store.outbox_delete(limited.epoch, &[1]).await.expect("deleted");
    limited.check().await;
}

#[tokio::test]
async fn the_views_for_people_show_jobs_and_attempts() {
    let world = World::new().await;
    let object = object("nightly");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks, igor::core::fold::Said::Running).await;
    world.say(&tasks, igor::core::fold::Said::Completed).await;
    let job: (String, String, i64, i64) =
        sqlx::query_as("SELECT name, status, tasks, done FROM igor.v_jobs").fetch_one(&world.database.pool).await.expect("a job");
    assert_eq!(job, ("nightly".to_owned(), "COMPLETED".to_owned(), 1, 1));
    let attempt: (i32, String, String, bool) =
        sqlx::query_as("SELECT attempt, ended_as::text, actor, running_at BETWEEN queued_at AND ended_at FROM igor.v_attempts")
            .fetch_one(&world.database.pool)
            .await
            .expect("an attempt");
    assert_eq!(attempt, (1, "COMPLETED".to_owned(), "worker w-1".to_owned(), true));
}
