//! Each verb on a job, on a layer's handle and on a task's.

use super::{acknowledged, job, told};
use crate::steer::{annotate, object, steer, until_object, until_tasks};
use crate::world::{Setup, world};

/// Tasks that cannot work, and frames behind them.
const FILM: &str = "  - {name: fetch, tasks: [{name: plate, type: fail, args: no licence, count: 3}]}
  - {name: render, priority: 1, tasks: [{name: frame, count: 4}]}";

#[tokio::test]
async fn a_job_is_steered_down_to_single_tasks() {
    world("commands_job", Setup::default(), |world, _running| async move {
        world.apply(&job("film", "paused: true", FILM));
        world.until_phase("film", &["Paused"]).await;
        steer(&world, "ij", "film", &["igor/skip=fetch/1", "igor/kill=fetch/0", "igor/reason=it is the wrong plate"]).await;
        until_tasks(&world, "fetch", &["plate-0 ERRORED 0", "plate-1 SKIPPED 0", "plate-2 PENDING 0"]).await;
        steer(&world, "ij", "film", &["igor/retry=fetch/*", "igor/pause-tasks=render/3"]).await;
        until_tasks(&world, "fetch", &["plate-0 PENDING 0", "plate-1 PENDING 0", "plate-2 PENDING 0"]).await;
        world.apply(&job("film", "paused: false", FILM));
        world.until_phase("film", &["Errored"]).await;
        until_tasks(&world, "fetch", &["plate-0 ERRORED 1", "plate-1 ERRORED 1", "plate-2 ERRORED 1"]).await;
        steer(&world, "ij", "film", &["igor/skip=failed"]).await;
        until_tasks(&world, "render", &["frame-0 COMPLETED 1", "frame-1 COMPLETED 1", "frame-2 COMPLETED 1", "frame-3 PENDING 0"]).await;
        steer(&world, "ij", "film", &["igor/unpause-tasks=render"]).await;
        world.until_phase("film", &["Completed"]).await;
        let reasons: Vec<Option<String>> = sqlx::query_scalar("SELECT reason FROM igor.commands WHERE verb = 'kill'")
            .fetch_all(&world.database.pool)
            .await
            .expect("a row");
        assert_eq!(reasons, [Some("it is the wrong plate".to_owned())]);
        assert!(
            object(&world, "ij", "film").expect("the job")["metadata"]["annotations"]["igor/reason"].is_null(),
            "it went with its command"
        );
    })
    .await;
}

#[tokio::test]
async fn a_layer_is_steered_by_its_handle() {
    world("commands_layer", Setup::default(), |world, _running| async move {
        world.apply(&job("film", "paused: true", FILM));
        steer(&world, "il", "film.fetch", &["igor/skip=1", "igor/kill=0", "igor/pause-tasks=2"]).await;
        until_tasks(&world, "fetch", &["plate-0 ERRORED 0", "plate-1 SKIPPED 0", "plate-2 PENDING 0"]).await;
        world.apply(&job("film", "paused: false", FILM));
        steer(&world, "il", "film.fetch", &["igor/retry=failed"]).await;
        until_tasks(&world, "fetch", &["plate-0 ERRORED 1", "plate-1 SKIPPED 0", "plate-2 PENDING 0"]).await;
        steer(&world, "il", "film.fetch", &["igor/unpause-tasks=true"]).await;
        until_tasks(&world, "fetch", &["plate-0 ERRORED 1", "plate-1 SKIPPED 0", "plate-2 ERRORED 1"]).await;
        steer(&world, "il", "film.fetch", &["igor/skip=true"]).await;
        world.until_phase("film", &["Completed"]).await;
        for verb in ["skip", "kill", "pause-tasks", "retry", "unpause-tasks"] {
            assert!(acknowledged(&world, "il", "film.fetch", verb).is_some(), "{verb} is acknowledged where it was asked for");
            assert_eq!(acknowledged(&world, "ij", "film", verb), None, "{verb}");
        }
        assert_eq!(told(&world, "IgorLayer", "film.fetch").len(), 6, "{:?}", told(&world, "IgorLayer", "film.fetch"));
    })
    .await;
}

#[tokio::test]
async fn a_failed_task_is_steered_by_its_handle() {
    world("commands_task", Setup::default(), |world, _running| async move {
        let layers = "  - {name: fetch, tasks: [{name: plate, type: fail}, {name: nap, type: sleep, args: '3600', timeoutSeconds: 12}]}";
        world.apply(&job("film", "priority: 0", layers));
        until_tasks(&world, "fetch", &["plate ERRORED 1", "nap ERRORED 1"]).await;
        steer(&world, "it", "film.fetch.plate", &["igor/retry=true"]).await;
        until_tasks(&world, "fetch", &["plate ERRORED 2", "nap ERRORED 1"]).await;
        assert!(acknowledged(&world, "it", "film.fetch.plate", "retry").is_some());
        annotate(&world, "it", "film.fetch.nap", &["igor/retry=true"]).await;
        until_tasks(&world, "fetch", &["plate ERRORED 2", "nap RUNNING 2"]).await;
        steer(&world, "it", "film.fetch.nap", &["igor/kill=true"]).await;
        world
            .until_count("SELECT count(*) FROM igor.tasks WHERE name = 'nap' AND reason = 'Killed' AND attempt = 2", |count| count == 1)
            .await;
        steer(&world, "it", "film.fetch.plate", &["igor/skip=true"]).await;
        steer(&world, "it", "film.fetch.nap", &["igor/skip=true"]).await;
        world.until_phase("film", &["Completed"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_failed_task_is_paused_by_its_handle() {
    world("commands_task_pause", Setup::default(), |world, _running| async move {
        world.apply(&job(
            "film",
            "priority: 0",
            "  - {name: fetch, tasks: [{name: plate, type: flaky}, {name: nap, type: sleep, args: '3600'}]}",
        ));
        until_tasks(&world, "fetch", &["plate ERRORED 1", "nap RUNNING 1"]).await;
        annotate(&world, "it", "film.fetch.plate", &["igor/pause=true", "igor/retry=true"]).await;
        until_tasks(&world, "fetch", &["plate PENDING 1", "nap RUNNING 1"]).await;
        world.until_count("SELECT n_paused::int8 FROM igor.layers", |paused| paused == 1).await;
        annotate(&world, "it", "film.fetch.plate", &["igor/pause-"]).await;
        until_tasks(&world, "fetch", &["plate COMPLETED 2", "nap RUNNING 1"]).await;
        steer(&world, "ij", "film", &["igor/kill=true"]).await;
        world.until_phase("film", &["Errored"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_pause_of_a_layer_that_a_later_edit_made_untrue_is_removed() {
    world("commands_untrue", Setup::default(), |world, _running| async move {
        let layers = |paused| format!("  - {{name: fetch, paused: {paused}, tasks: [{{name: nap, type: sleep, args: '0.1', count: 40}}]}}");
        world.apply(&job("film", "priority: 0", &layers(true)));
        annotate(&world, "il", "film.fetch", &["igor/pause=true"]).await;
        world.until_count("SELECT count(*) FROM igor.layers WHERE paused_by = 'annotation'", |count| count == 1).await;
        world.apply(&job("film", "priority: 0", &layers(false)));
        until_object(&world, "il", "film.fetch", "is free of igor/pause", |layer| layer["metadata"]["annotations"]["igor/pause"].is_null())
            .await;
        world.until_phase("film", &["Completed"]).await;
    })
    .await;
}
