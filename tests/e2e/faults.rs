//! Processes die in the middle of the work.

use std::time::Duration;

use crate::world::{SOON, Setup, world};

const DONE: &str = "SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'";

#[tokio::test]
async fn an_operator_killed_ten_times_loses_nothing_and_counts_nothing_twice() {
    world("faults_operator", Setup::default(), |world, running| async move {
        let mut running = running.lock().await;
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: long}
spec:
  defaults: {type: sleep}
  layers:
  - {name: first, tasks: [{name: one, args: '0.02', count: 1000}]}
  - {name: second, priority: 1, tasks: [{name: two, args: '0.02', count: 1000}]}
",
        );
        running.operators[0].kill();
        running.operators[0] = world.operator_named("same");
        for round in 1..=10u32 {
            // At random points of the work: each round waits for a number of tasks that depends on the process id.
            let step = i64::from(60 + (running.operators[0].id() * round) % 90);
            let before = world.count(DONE).await;
            world.until_count(DONE, |done| done >= (before + step).min(2000 - 10)).await;
            running.operators[0].kill();
            running.operators[0] = world.operator_named("same");
        }
        let job = world.until_phase("long", &["Completed"]).await;
        assert_eq!(job["status"]["tasks"]["completed"], 2000);
        assert_eq!(world.count(DONE).await, 2000);
        let ends = "SELECT count(*) FROM igor.transitions WHERE \"to\" = 'COMPLETED' AND task_id IN (SELECT id FROM igor.tasks)";
        assert_eq!(world.count(ends).await, 2000);
        assert_eq!(world.count("SELECT count(*) FROM igor.layers WHERE run <> 1").await, 0);
        assert_eq!(
            world
                .count(
                    "SELECT count(*) FROM igor.tasks t WHERE version <> 1 + (SELECT count(*) FROM igor.transitions WHERE task_id = t.id)"
                )
                .await,
            0
        );
    })
    .await;
}

#[tokio::test]
async fn tasks_of_a_killed_worker_run_again_elsewhere() {
    world("faults_worker", Setup { task_lease: 2.0, ..Setup::default() }, |world, running| async move {
        let mut running = running.lock().await;
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: work}
spec: {layers: [{name: a, tasks: [{name: x, type: sleep, args: '1.5', count: 8}]}]}
",
        );
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 8).await;
        running.workers[0].kill();
        running.workers[0] = world.worker(&[]);
        world.until_phase("work", &["Completed"]).await;
        // After a loss a task runs alone: what its worker held beside it was given back, at the price of an attempt number.
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE lost = 1 AND attempt >= 2 AND failures = 0").await, 8);
    })
    .await;
}

#[tokio::test]
async fn a_standby_takes_over_within_twenty_seconds() {
    world("faults_standby", Setup { operators: 2, ..Setup::default() }, |world, running| async move {
        let mut running = running.lock().await;
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: work}
spec: {layers: [{name: a, tasks: [{name: x, type: sleep, args: '0.05', count: 4000}]}]}
",
        );
        world.until_count(DONE, |done| done > 20).await;
        let leads = |log: String| log.contains("leading");
        let leader = running.operators.iter().position(|operator| leads(operator.printed())).expect("a leader");
        running.operators[leader].kill();
        let began = std::time::Instant::now();
        let before = world.count("SELECT count(*) FROM igor.transitions").await;
        // What is in the window may still end; only the new leader brings it into the ledger.
        world.until_count("SELECT count(*) FROM igor.transitions", |count| count > before).await;
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test]
async fn what_redis_forgets_is_put_there_again() {
    world("faults_redis", Setup::default(), |world, _running| async move {
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: work}
spec: {layers: [{name: a, tasks: [{name: x, type: sleep, args: '0.02', count: 1500}]}]}
",
        );
        world.until_count(DONE, |done| done > 50).await;
        assert!(world.forget_in_redis().await > 0);
        world.until_phase("work", &["Completed"]).await;
        assert_eq!(world.count(DONE).await, 1500);
    })
    .await;
}

#[tokio::test]
async fn what_a_dead_leader_left_of_an_ended_job_is_cleared_away() {
    world("faults_left", Setup { operators: 0, ..Setup::default() }, |world, _running| async move {
        let mut operator = world.operator_named("same");
        world.apply(
            "{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: short}, spec: {layers: [{name: a, tasks: [{type: noop}]}]}}",
        );
        world.until_phase("short", &["Completed"]).await;
        operator.kill();
        // As if it had died between a commit and clearing away: the ledger has nothing of the type, the streams have an entry that its
        // worker holds and the result of it.
        let (lane, redis) = (world.lane("noop"), world.redis().await);
        let header = format!("{{\"v\":1,\"id\":\"{}\",\"a\":1}}", uuid::Uuid::from_u128(7));
        redis::cmd("XADD").arg(&lane).arg(&["*", "h", &header, "p", ""]).exec_async(&mut redis.clone()).await.expect("added");
        let streams = [lane.clone(), lane.replace(":q1", ":r")];
        let lengths = async || -> Vec<u64> {
            let mut pipe = redis::pipe();
            for stream in &streams {
                pipe.cmd("XLEN").arg(stream);
            }
            pipe.query_async(&mut redis.clone()).await.expect("lengths")
        };
        let until = async |holds: fn(u64) -> bool| {
            crate::support::until("both streams are so", SOON, || async {
                let now = lengths().await;
                if now.iter().copied().all(holds) { Ok(()) } else { Err(now) }
            })
            .await;
        };
        until(|length| length > 0).await;
        let _operator = world.operator_named("same");
        until(|length| length == 0).await;
    })
    .await;
}
