//! What other processes do to the ledger, and what a leader leaves undone there, is taken up.

use std::time::{Duration, Instant};

use igor::core::command::{Object, Selector, Verb};
use igor::core::id;
use igor::store::{Command, Settings, Store, Want};
use uuid::Uuid;

use crate::support::until;
use crate::world::{Setup, World, condition, world};

async fn only_job(world: &World) -> Uuid {
    sqlx::query_scalar("SELECT id FROM igor.jobs").fetch_one(&world.database.pool).await.expect("a job")
}

#[tokio::test]
async fn a_job_that_another_process_changed_is_looked_at_within_two_seconds() {
    world("beside_dirty", Setup::default(), |world, _running| async move {
        world.apply(
            "{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: nap}, spec: {layers: [{name: a, tasks: [{type: sleep, args: '600', count: 4}]}]}}",
        );
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 4).await;
        let (store, job_id) = (Store::connect(&Settings::new(&world.database.url)).await.expect("the ledger"), only_job(&world).await);
        let id = id::command(id::created_ms(job_id), "uid", "job", "kill", "1");
        let command = Command {
            id,
            job_id,
            object: Object::Job,
            verb: Verb::Kill,
            selector: Selector::All,
            actor: "ann".to_owned(),
            reason: None,
        };
        let began = Instant::now();
        assert_eq!(store.command(None, &command).await.expect("killed").changed, 4);
        let job = world.until_phase("nap", &["Errored"]).await;
        assert_eq!(condition(&job, "Failed"), ("True".to_owned(), "Killed".to_owned()));
        world.until_count("SELECT count(*) FROM igor.outbox", |rows| rows == 0).await;
        // A poll each second, and what the status takes.
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        // The workers were told: their slots are free.
        world.apply(
            "{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: next}, spec: {layers: [{name: a, tasks: [{type: noop, count: 8}]}]}}",
        );
        world.until_phase("next", &["Completed"]).await;
    })
    .await;
}

#[tokio::test]
async fn what_was_dispatched_and_never_pushed_is_pushed_by_the_next_leader() {
    world("beside_outbox", Setup { operators: 0, ..Setup::default() }, |world, _running| async move {
        let mut operator = world.operator_named("same");
        // Accepted, and held back until this test is the leader.
        world.apply(
            "{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: left}, \
             spec: {maxInFlight: 0, layers: [{name: a, tasks: [{type: noop, count: 20}]}]}}",
        );
        world.until("left", "it is accepted", |job| condition(job, "Accepted").0 == "True").await;
        operator.kill();
        sqlx::query("UPDATE igor.jobs SET max_in_flight = NULL").execute(&world.database.pool).await.expect("let go");
        let (store, job_id) = (Store::connect(&Settings::new(&world.database.url)).await.expect("the ledger"), only_job(&world).await);
        let epoch = store.bump_epoch().await.expect("an epoch");
        let open = store.open_types_of(&[job_id]).await.expect("open types");
        let wants: Vec<Want> = open.into_iter().map(|open| Want { layer_id: open.layer_id, job_id, kind: open.kind, room: 7 }).collect();
        assert_eq!(store.dispatch(epoch, &wants).await.expect("dispatched").tasks.len(), 7);
        // Here a leader died: committed, and nothing in Redis.
        assert_eq!(world.count("SELECT sum(cardinality(task_ids)) FROM igor.outbox WHERE kind = 'E'").await, 7);
        let _operator = world.operator_named("same");
        world.until_phase("left", &["Completed"]).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED' AND attempt = 1").await, 20);
        until("the outbox is empty", Duration::from_secs(10), || async {
            let rows = world.count("SELECT count(*) FROM igor.outbox").await;
            if rows == 0 { Ok(()) } else { Err(rows) }
        })
        .await;
    })
    .await;
}
