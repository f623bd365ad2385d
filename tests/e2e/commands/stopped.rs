//! What runs is stopped soon: handlers of a worker by their token, programs by a signal.

use std::time::{Duration, Instant};

use super::{job, tell};
use crate::steer::{annotate, until_tasks};
use crate::world::{Setup, World, world};

/// The promise is a second; the machine of a test does other things too.
const STOPPED: Duration = Duration::from_secs(4);

/// Three programs: one dies by a kill of its job, one by that of its layer, one by that of its task, given as text.
const PROGRAMS: &str = "  - {name: one, tasks: [{name: alone, type: timed, args: '600'}]}
  - {name: two, tasks: [{name: picked, type: timed, args: '600'}, {name: other, type: timed, args: '600'}]}";

#[tokio::test]
async fn programs_are_stopped_by_kills_of_task_layer_and_job() {
    world("commands_stop_exec", Setup { workers: 0, ..Setup::default() }, |world, running| async move {
        running.lock().await.workers.push(world.timed_worker(4));
        world.apply(&job("film", "priority: 0", PROGRAMS));
        for name in ["alone", "picked", "other"] {
            world.until_timed(&format!("begin {name}")).await;
        }
        stops(&world, "il", "film.two", "igor/kill=picked", "picked").await;
        stops(&world, "il", "film.one", "igor/kill=true", "alone").await;
        stops(&world, "ij", "film", "igor/kill=true", "other").await;
        world.until_phase("film", &["Errored"]).await;
        assert!(!world.timed().keys().any(|line| line.starts_with("end")), "{:?}", world.timed());
    })
    .await;
}

/// A kill whose program says soon that it was stopped.
async fn stops(world: &World, kind: &str, name: &str, kill: &str, task: &str) {
    annotate(world, kind, name, &[kill]).await;
    let began = Instant::now();
    world.until_timed(&format!("stopped {task}")).await;
    let took = began.elapsed();
    tell(&format!("{kill} on {name}: stopped after {} ms", took.as_millis()));
    assert!(took < STOPPED, "{took:?}");
}

#[tokio::test]
async fn handlers_are_stopped_and_their_slots_are_free_for_others() {
    world("commands_stop_handler", Setup::default(), |world, _running| async move {
        world.apply(&job("film", "priority: 0", "  - {name: render, tasks: [{name: nap, type: sleep, args: '3600', count: 8}]}"));
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 8).await;
        world.apply(&job("next", "priority: 0", "  - {name: after, tasks: [{name: quick, type: sleep, args: '0'}]}"));
        annotate(&world, "il", "film.render", &["igor/kill=true"]).await;
        let began = Instant::now();
        until_tasks(&world, "after", &["quick COMPLETED 1"]).await;
        let took = began.elapsed();
        tell(&format!("kill of 8 handlers: the next task was done after {} ms", took.as_millis()));
        assert!(took < STOPPED, "{took:?}");
    })
    .await;
}
