//! Ends of life: deadlines and what stops their clock, the time to live against a retry, a kill whatever `onFailure` says.

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::core::job::OnFailure;
use igor::core::status::Status;
use igor::store::{Refusal, Sighting, Source};
use uuid::Uuid;

use crate::world::{World, array, command, job_id, layer, object, plan, task};

impl World {
    async fn deadline(&self, job: Uuid) -> Option<i64> {
        self.store.snapshot(job).await.expect("a snapshot").deadline_ms
    }

    async fn pause(&self, job: Uuid, object: Object, paused: bool, version: u64) {
        let seen = Sighting { object, source: Source::Spec, paused: Some(paused), version };
        self.store.observe(Some(self.epoch), job, &[seen], None).await.expect("observed");
    }
}

#[tokio::test]
async fn only_a_pause_of_the_whole_job_stops_the_clock_of_its_deadline_and_of_its_pace() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    let mut plan = plan(vec![layer("a", 0, vec![task("x")])]);
    plan.deadline_seconds = Some(100);
    world.accept(&object, &plan).await;
    let before = world.deadline(job).await;
    world.pause(job, Object::Layer("a".to_owned()), true, 2).await;
    assert_eq!(world.deadline(job).await, before, "a paused layer");
    world.pause(job, Object::Job, true, 3).await;
    assert_eq!(world.deadline(job).await, None, "a paused job");
    let earlier = "UPDATE igor.jobs SET paused_at = paused_at - interval '50 seconds', started_at = started_at - interval '60 seconds'";
    sqlx::query(earlier).execute(&world.database.pool).await.expect("shifted");
    world.pause(job, Object::Job, false, 4).await;
    let paused = world.store.snapshot(job).await.expect("a snapshot").paused_ms;
    assert!((50_000..53_000).contains(&paused), "{paused}");
    world.check().await;
}

#[tokio::test]
async fn a_job_whose_time_was_over_gets_all_of_it_again_by_a_retry() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    let mut plan = plan(vec![layer("a", 0, vec![array("t", 3)])]);
    plan.deadline_seconds = Some(100);
    world.accept(&object, &plan).await;
    sqlx::query("UPDATE igor.jobs SET started_at = started_at - interval '200 seconds'")
        .execute(&world.database.pool)
        .await
        .expect("shifted");
    world.store.command(Some(world.epoch), &command(job, "deadline", "1")).await.expect("ended");
    assert_eq!(world.status(job).await, (Status::Errored, true));
    world.store.command(Some(world.epoch), &command(job, "retry", "2")).await.expect("retried");
    let left = world.deadline(job).await.expect("a deadline") - crate::world::now_ms();
    assert!((95_000..=101_000).contains(&left), "{left}");
    assert_eq!(world.run_to_the_end(job).await.len(), 3);
    world.check().await;
}

/// Either the retry was first, and the job lives; or the expiry, and the retry is told so. Never both, never neither.
#[tokio::test]
async fn of_a_retry_and_the_end_of_the_time_to_live_at_once_one_wins() {
    let world = World::new().await;
    let mut won = [0, 0];
    for round in 0..24 {
        let object = object(&format!("j{round}"));
        let job = job_id(&object);
        world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
        let out = world.dispatch_all(job).await.tasks;
        world.say(&out, Said::Errored).await;
        world.store.command(Some(world.epoch), &command(job, "kill", "1")).await.expect("ended");
        let retry = command(job, "retry", "2");
        let (expired, retried) = if round % 2 == 0 {
            tokio::join!(world.store.mark_expired(Some(world.epoch), job), world.store.command(Some(world.epoch), &retry))
        } else {
            let (retried, expired) =
                tokio::join!(world.store.command(Some(world.epoch), &retry), world.store.mark_expired(Some(world.epoch), job));
            (expired, retried)
        };
        let (expired, retried) = (expired.expect("an answer"), retried.expect("an answer"));
        let snapshot = world.store.snapshot(job).await.expect("a snapshot");
        let seen = (expired, retried.refused, retried.changed, snapshot.expired, snapshot.job.finished);
        assert!([(true, Some(Refusal::Expired), 0, true, true), (false, None, 1, false, false)].contains(&seen), "{seen:?}");
        won[usize::from(expired)] += 1;
    }
    assert_eq!(won.iter().sum::<i32>(), 24);
    world.check().await;
}

#[tokio::test]
async fn a_kill_ends_a_job_that_would_go_on_past_failures() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    let mut plan = plan(vec![layer("a", 0, vec![array("t", 2)]), layer("b", 1, vec![task("z")]), layer("c", 2, vec![])]);
    plan.on_failure = OnFailure::Continue;
    world.accept(&object, &plan).await;
    let out = world.dispatch_all(job).await.tasks;
    world.store.command(Some(world.epoch), &command(job, "kill", "1")).await.expect("killed");
    let late = world.say(&out, Said::Completed).await;
    assert_eq!((late.applied.len(), late.stale), (0, 2), "nothing that is still reported counts");
    assert_eq!(world.status(job).await, (Status::Errored, true));
    let errored = |name: &str| (name.to_owned(), Status::Errored);
    assert_eq!(world.layers(job).await, [errored("a"), errored("b"), errored("c")]);
    assert_eq!(world.count("SELECT count(*) FROM igor.transitions WHERE \"to\" = 'QUEUED'").await, 2);
    world.check().await;
}
