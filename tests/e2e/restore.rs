//! A ledger that was archived, lost or mixed up: nothing runs a second time unasked, and no install takes another's work.

use std::process::Command;
use std::time::Duration;

use crate::support::process::Process;
use crate::support::{stores, unique, until};
use crate::world::{SOON, Setup, condition, world};

const ALONE: Setup = Setup { operators: 0, workers: 1, task_lease: 30.0 };

fn job(name: &str) -> String {
    format!(
        "{{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {{name: {name}}}, spec: {{layers: [{{name: a, tasks: [{{type: noop, count: 3}}]}}]}}}}"
    )
}

/// Waits until the operator gives up, and gives what it said.
async fn refused(operator: &mut Process) -> String {
    let status = until("the operator refuses to start", SOON, || {
        let ended = operator.ended();
        async move { ended.ok_or("it runs") }
    })
    .await;
    assert!(!status.success(), "{status}");
    operator.printed()
}

#[tokio::test]
async fn a_job_whose_history_was_archived_is_not_run_again() {
    world("restore_archived", ALONE, |world, _running| async move {
        let mut operator = world.operator_named("same");
        world.apply(&job("old"));
        world.until_phase("old", &["Completed"]).await;
        operator.kill();
        // Only a past day may be dropped by command; the objects of a test are all of today.
        assert_eq!(world.count("SELECT igor.drop_day((statement_timestamp() AT TIME ZONE 'UTC')::date)").await, 0);
        let _operator = world.operator_named("same");
        let archived = world.until("old", "it is told", |job| condition(job, "Accepted").1 == "HistoryArchived").await;
        assert_eq!((condition(&archived, "Accepted").0.as_str(), &archived["status"]["phase"]), ("False", &"Rejected".into()));
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 0);
        world.until_event("Warning", "the history of").await;
    })
    .await;
}

#[tokio::test]
async fn old_days_are_listed_and_dropped_by_hand() {
    world("restore_partitions", Setup { workers: 0, ..ALONE }, |world, _running| async move {
        let made =
            "SELECT igor.make_day(day)::text || ' ' || day FROM (SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date - 40 AS day) d";
        let made: String = sqlx::query_scalar(made).fetch_one(&world.database.pool).await.expect("a day");
        let day = made.trim_start_matches("true ");
        world.apply(&job("new"));
        let today: String = sqlx::query_scalar("SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date::text")
            .fetch_one(&world.database.pool)
            .await
            .expect("a day");
        let listed = world.by_hand(&["partitions", "list"]).expect("listed");
        assert!(listed.starts_with("DAY") && listed.contains(day) && listed.contains(&today), "{listed}");
        let still_there = world.by_hand(&["partitions", "drop", &today, "--yes"]).expect_err("an object is there");
        assert!(still_there.contains("the cluster still has jobs of it"), "{still_there}");
        let asked = world.by_hand(&["partitions", "drop", day]).expect_err("not yet");
        assert!(asked.contains("say --yes"), "{asked}");
        world.by_hand(&["partitions", "seal", day]).expect("sealed");
        world.by_hand(&["partitions", "drop", day, "--yes"]).expect("dropped");
        let listed = world.by_hand(&["partitions", "list"]).expect("listed");
        assert!(!listed.contains(day), "{listed}");
        let again = world.by_hand(&["partitions", "drop", day, "--yes"]).expect_err("it is gone");
        assert!(again.contains("the ledger has no such day"), "{again}");
    })
    .await;
}

#[tokio::test]
async fn jobs_that_a_new_ledger_does_not_know_wait_for_a_person() {
    world("restore_lost", ALONE, |world, _running| async move {
        let mut first = world.operator_named("same");
        world.apply(&job("before"));
        world.until_phase("before", &["Completed"]).await;
        let install: String = sqlx::query_scalar("SELECT id::text FROM igor.install").fetch_one(&world.database.pool).await.expect("an id");
        first.kill();

        let empty = stores::database().await;
        let start = |more: &[&str]| {
            let more: Vec<String> = more.iter().map(ToString::to_string).collect();
            world.operator_adapted("same", |command: &mut Command| command.env("DATABASE_URL", &empty.url).args(more))
        };
        let said = refused(&mut start(&[])).await;
        let ours: String = sqlx::query_scalar("SELECT id::text FROM igor.install").fetch_one(&empty.pool).await.expect("an id");
        assert!(said.contains(&install) && said.contains(&ours) && said.contains("--adopt"), "{said}");

        let _second = start(&["--adopt"]);
        let paused = world.until("before", "it waits", |job| condition(job, "Paused").1 == "PausedByRestore").await;
        assert_eq!((&paused["status"]["phase"], condition(&paused, "Accepted").0.as_str()), (&"Paused".into(), "True"));
        world.apply(&job("after"));
        world.until_phase("after", &["Completed"]).await;
        let begun = "SELECT count(*) FROM igor.tasks t JOIN igor.jobs j ON j.id = t.job_id WHERE j.name = 'before' AND t.attempt > 0";
        assert_eq!(sqlx::query_scalar::<_, i64>(begun).fetch_one(&empty.pool).await.expect("a number"), 0);
        world.annotate("before", "igor/pause=false");
        let done = world.until("before", "it has run", |job| job["status"]["phase"] == "Completed").await;
        assert_eq!(condition(&done, "Paused").1, "NotPaused");
    })
    .await;
}

#[tokio::test]
async fn a_ledger_of_another_cluster_is_refused_until_it_is_adopted() {
    world("restore_cluster", ALONE, |world, _running| async move {
        let settings = world.folder.join("settings.yaml");
        std::fs::write(&settings, "clusterId: elsewhere\n").expect("settings");
        let elsewhere = |command: &mut Command, more: &[&str]| {
            command.env("IGOR_CONFIG", &settings).args(more);
        };
        let ready = |operator: &Process| operator.printed().contains("ready");
        let mut here = world.operator();
        until("it claims the ledger", SOON, || std::future::ready(if ready(&here) { Ok(()) } else { Err("not ready") })).await;
        here.kill();
        let mut other = world.operator_adapted(&unique("other"), |command| {
            elsewhere(command, &[]);
            command
        });
        let said = refused(&mut other).await;
        let cluster: String =
            sqlx::query_scalar("SELECT cluster_id FROM igor.install").fetch_one(&world.database.pool).await.expect("an id");
        assert!(said.contains(&cluster) && said.contains("cluster elsewhere") && said.contains("--adopt"), "{said}");
        let adopter = world.operator_adapted(&unique("other"), |command| {
            elsewhere(command, &["--adopt"]);
            command
        });
        until("it adopts the ledger", SOON, || std::future::ready(if ready(&adopter) { Ok(()) } else { Err("not ready") })).await;
        let began = std::time::Instant::now();
        assert!(refused(&mut world.operator()).await.contains("cluster elsewhere"));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    })
    .await;
}
