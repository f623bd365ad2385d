//! Old days: listed, sealed, dropped, and never made again.

use igor::store::{Days, Error, Identity, Settings, Standing};

use crate::world::{World, job_id, layer, now_ms, object, plan, task};

const DAY_MS: i64 = 86_400_000;

/// A world with a job that was made so many days ago.
async fn with_old_job(days_ago: i64) -> (World, Days, Identity, String) {
    let world = World::new().await;
    let mut old = object("old");
    old.created_ms = now_ms() - days_ago * DAY_MS;
    Box::pin(world.accept(&old, &plan(vec![layer("a", 0, vec![task("x"), task("y")])]))).await;
    let days = Days::connect(&Settings::new(&world.database.url)).await.expect("the ledger");
    let day = sqlx::query_scalar("SELECT (created_at AT TIME ZONE 'UTC')::date::text FROM igor.jobs WHERE name = 'old'");
    let day: String = day.fetch_one(&world.database.pool).await.expect("its day");
    (world, days, old, day)
}

async fn today(world: &World) -> String {
    let day = sqlx::query_scalar("SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date::text");
    day.fetch_one(&world.database.pool).await.expect("a day")
}

#[tokio::test]
async fn days_are_listed_with_what_is_unfinished() {
    let (world, mut days, old, day) = with_old_job(40).await;
    sqlx::query("ANALYZE igor.tasks").execute(&world.database.pool).await.expect("counted");
    let listed = days.list().await.expect("listed");
    assert_eq!(listed.len(), 10);
    let known = listed.last().expect("the oldest");
    assert_eq!((known.day.as_str(), known.tasks, known.unfinished, known.sealed), (day.as_str(), 2, 1, false));
    assert!(known.bytes > 0);
    world.run_to_the_end(job_id(&old)).await;
    assert_eq!(days.list().await.expect("listed").last().expect("the oldest").unfinished, 0);
}

#[tokio::test]
async fn a_past_day_is_sealed_once_nothing_of_it_changes() {
    let (world, mut days, old, day) = with_old_job(40).await;
    let refused = days.seal(&day).await.expect_err("unfinished");
    assert_eq!(refused.to_string(), format!("{day} is not sealed: one of its jobs is unfinished"));
    world.run_to_the_end(job_id(&old)).await;
    days.seal(&day).await.expect("sealed");
    days.seal(&day).await.expect("sealed twice");
    let sealed: Vec<String> = days.list().await.expect("listed").into_iter().filter(|day| day.sealed).map(|day| day.day).collect();
    assert_eq!(sealed, [day]);
    let indexes =
        "SELECT count(*) FROM pg_indexes WHERE schemaname = 'igor' AND (indexname LIKE '%_by_status' OR indexname LIKE '%_by_update')";
    assert_eq!(world.count(indexes).await, 6);
    let today = today(&world).await;
    let refused = days.seal(&today).await.expect_err("today");
    assert_eq!(refused.to_string(), format!("{today} is not sealed: jobs may still be made on it"));
}

#[tokio::test]
async fn a_dropped_day_takes_its_jobs_along_and_none_of_it_runs_again() {
    let (world, mut days, old, day) = with_old_job(40).await;
    let refused = days.drop(&day).await.expect_err("unfinished");
    assert_eq!(refused.to_string(), format!("{day} is not dropped: one of its jobs is unfinished"));
    world.run_to_the_end(job_id(&old)).await;
    days.drop(&day).await.expect("dropped");
    assert_eq!(world.count("SELECT count(*) FROM igor.jobs").await, 0);
    let refused = days.drop(&day).await.expect_err("gone");
    assert_eq!(refused.to_string(), format!("{day} is not dropped: the ledger has no such day"));
    // The same object, and another one of that day.
    let another = Identity { created_ms: old.created_ms, ..object("another") };
    for object in [&old, &another] {
        let refused = world.store.accept(world.epoch, object, &plan(vec![layer("a", 0, vec![task("x")])])).await.expect_err("archived");
        assert!(matches!(&refused, Error::HistoryArchived { day: of } if *of == day), "{refused:?}");
    }
    assert_eq!(world.store.job_by_uid(old.created_ms, &old.uid).await.expect("looked up"), None);
    assert_eq!(world.count("SELECT count(*) FROM igor.live_jobs").await, 0);
}

#[tokio::test]
async fn a_day_dropped_among_those_made_ahead_stays_away() {
    let (world, mut days, old, day) = with_old_job(1).await;
    world.run_to_the_end(job_id(&old)).await;
    days.drop(&day).await.expect("dropped");
    world.store.ensure_partitions().await.expect("made");
    igor::store::migrate(&Settings::new(&world.database.url)).await.expect("migrated");
    assert!(!days.list().await.expect("listed").iter().any(|known| known.day == day));
    let today = today(&world).await;
    let refused = days.drop(&today).await.expect_err("today");
    assert_eq!(refused.to_string(), format!("{today} is not dropped: jobs may still be made on it"));
}

#[tokio::test]
async fn a_counter_below_zero_is_not_taken_for_a_missing_day() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    // A ledger in which a counter is wrong: the statement that would make it negative fails, and no day is made for it.
    sqlx::query("UPDATE igor.layers SET n_queued = 0").execute(&world.database.pool).await.expect("spoilt");
    let outcome = crate::world::outcome(&tasks[0], igor::core::fold::Said::Completed);
    let days = world.count("SELECT count(*) FROM igor.days").await;
    let offered = world.store.collect(world.epoch, vec![outcome]).await;
    assert!(offered.as_ref().is_ok_and(|collected| collected.applied.is_empty()) || offered.is_err(), "{offered:?}");
    assert_eq!(world.count("SELECT count(*) FROM igor.days").await, days);
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE status = 'QUEUED'").await, 1);
}

#[tokio::test]
async fn a_missing_day_that_was_never_made_is_made_and_the_job_is_accepted() {
    let world = World::new().await;
    let mut early = object("early");
    early.created_ms = now_ms() + 30 * DAY_MS;
    let plan = plan(vec![layer("a", 0, vec![task("x")])]);
    assert_eq!(world.accept(&early, &plan).await.standing, Standing::Fresh);
    assert_eq!(world.accept(&early, &plan).await.standing, Standing::Known);
    world.check().await;
}
