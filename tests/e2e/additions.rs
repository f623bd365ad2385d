//! Tasks that users add to a layer by an object of their own.

use crate::steer::{annotate, names, object, steer, until_gone, until_object, until_tasks};
use crate::world::{Setup, World, world};

/// A layer at work for long, and one that has not begun.
const FILM: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: film}
spec:
  layers:
  - {name: fetch, tasks: [{name: nap, type: sleep, args: '3600'}]}
  - {name: render, priority: 1, tasks: [{name: frame, type: noop}]}
";

fn task(name: &str, spec: &str) -> String {
    format!("apiVersion: igor.dev/v1alpha1\nkind: IgorTask\nmetadata: {{name: {name}}}\nspec: {{jobName: film, {spec}}}\n---\n")
}

async fn until_phase(world: &World, name: &str, phase: &str) -> serde_json::Value {
    until_object(world, "it", name, &format!("is {phase}"), |task| task["status"]["phase"] == phase).await
}

async fn until_rejected(world: &World, name: &str, reason: &str) {
    let rejected = until_phase(world, name, "Rejected").await;
    assert_eq!(rejected["status"]["reason"], reason, "{rejected}");
    assert!(rejected["status"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{rejected}");
}

#[tokio::test]
async fn a_task_is_added_to_a_layer_that_has_not_begun_and_runs_with_it() {
    world("additions", Setup::default(), |world, _running| async move {
        world.apply(FILM);
        world.until_phase("film", &["Running"]).await;
        world.apply(
            &(task("matte", "layerName: render, type: echo, args: black") + &task("noise", "layerName: render, name: Noise_1, type: noop")),
        );
        let pending = until_phase(&world, "matte", "Pending").await;
        let owner = &until_object(&world, "it", "matte", "belongs to its job", |task| task["metadata"]["ownerReferences"].is_array()).await;
        assert_eq!(owner["metadata"]["ownerReferences"][0]["name"], "film");
        assert_eq!(owner["metadata"]["labels"]["igor.dev/job"], "film");
        assert!(pending["metadata"]["labels"]["igor.dev/origin"].is_null(), "it is no handle");
        until_tasks(&world, "render", &["frame PENDING 0", "matte PENDING 0", "Noise_1 PENDING 0"]).await;
        steer(&world, "ij", "film", &["igor/skip=fetch"]).await;
        world.until_phase("film", &["Completed"]).await;
        let done = until_phase(&world, "matte", "Completed").await;
        assert_eq!((&done["status"]["attempt"], &done["status"]["message"]), (&1.into(), &"black".into()));
        assert_eq!(world.job("film").await["status"]["progress"], "4/4");
        world.kubectl(&["delete", "ij", "film", "--wait=true"], None).expect("deleted");
        until_gone(&world, "it", "matte").await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_added_is_rejected_with_the_reason() {
    world("additions_rejected", Setup::default(), |world, _running| async move {
        world.apply(FILM);
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 1).await;
        world.apply(
            &[
                task("late", "layerName: fetch, type: noop"),
                task("lost", "layerName: nowhere, type: noop"),
                task("twice", "layerName: render, name: frame, type: echo"),
                task("big", "layerName: render, type: noop, args: \"").trim_end_matches(&['}', '\n', '-'][..]).to_owned()
                    + &"é".repeat(9_000)
                    + "\"}\n---\n",
            ]
            .concat(),
        );
        until_rejected(&world, "late", "LayerStarted").await;
        until_rejected(&world, "lost", "LayerNotFound").await;
        until_rejected(&world, "twice", "DuplicateTaskName").await;
        until_rejected(&world, "big", "InvalidSpec").await;
        until_tasks(&world, "render", &["frame PENDING 0"]).await;
        assert_eq!(world.job("film").await["status"]["phase"], "Running", "the job runs on");
    })
    .await;
}

#[tokio::test]
async fn tasks_applied_before_their_job_are_taken_when_it_comes() {
    world("additions_before", Setup { workers: 0, ..Setup::default() }, |world, _running| async move {
        world.apply(&task("early", "layerName: render, type: noop"));
        until_rejected(&world, "early", "JobNotFound").await;
        world.apply(&(task("together", "layerName: render, type: noop") + FILM));
        for name in ["early", "together"] {
            until_phase(&world, name, "Pending").await;
        }
        world.until_count("SELECT count(*) FROM igor.tasks", |count| count == 4).await;
    })
    .await;
}

#[tokio::test]
async fn an_added_task_is_steered_by_its_object_and_stays_without_it() {
    world("additions_steered", Setup::default(), |world, _running| async move {
        world.apply(FILM);
        world.until_phase("film", &["Running"]).await;
        let matte = |paused| task("matte", &format!("layerName: render, type: noop, paused: {paused}"));
        world.apply(&(task("grain", "layerName: render, type: sleep, args: '3600'") + &matte(true)));
        until_phase(&world, "matte", "Pending").await;
        until_phase(&world, "grain", "Pending").await;
        steer(&world, "il", "film.fetch", &["igor/skip=true"]).await;
        until_tasks(&world, "render", &["frame COMPLETED 1", "grain RUNNING 1", "matte PENDING 0"]).await;
        until_phase(&world, "grain", "Running").await;
        steer(&world, "it", "grain", &["igor/kill=true"]).await;
        assert_eq!(until_phase(&world, "grain", "Errored").await["status"]["reason"], "Killed");
        world.apply(&matte(false));
        until_tasks(&world, "render", &["frame COMPLETED 1", "grain ERRORED 1", "matte COMPLETED 1"]).await;
        annotate(&world, "it", "grain", &["igor/retry=true"]).await;
        until_tasks(&world, "render", &["frame COMPLETED 1", "grain RUNNING 2", "matte COMPLETED 1"]).await;
        assert!(names(&world, "it").iter().all(|name| ["matte", "grain"].contains(&name.as_str())), "an added task needs no handle");
        world.kubectl(&["delete", "it", "grain", "--wait=true"], None).expect("deleted");
        assert!(object(&world, "it", "grain").is_none());
        until_tasks(&world, "render", &["frame COMPLETED 1", "grain RUNNING 2", "matte COMPLETED 1"]).await;
        steer(&world, "ij", "film", &["igor/skip=render/grain"]).await;
        world.until_phase("film", &["Completed"]).await;
    })
    .await;
}

#[tokio::test]
async fn an_added_task_cannot_be_rewritten() {
    world("additions_fixed", Setup { operators: 0, workers: 0, ..Setup::default() }, |world, _running| async move {
        world.apply(&task("matte", "layerName: render, type: noop"));
        let patch = r#"{"spec": {"type": "echo"}}"#;
        let said = world.kubectl(&["patch", "it", "matte", "--type=merge", "-p", patch], None).expect_err("it cannot be changed");
        assert!(said.contains("only paused can be changed"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_task_is_added_once_though_the_operator_dies_meanwhile() {
    world("additions_once", Setup::default(), |world, running| async move {
        world.apply(FILM);
        world.until_phase("film", &["Running"]).await;
        let many: String = (0..60).map(|number| task(&format!("m{number}"), "layerName: render, type: noop")).collect();
        world.apply(&many);
        world.until_count("SELECT count(*) FROM igor.tasks", |count| count > 5).await;
        running.lock().await.operators.pop().expect("an operator").kill();
        running.lock().await.operators.push(world.operator());
        until_phase(&world, "m59", "Pending").await;
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 62);
        assert_eq!(world.count("SELECT n_expected::int8 FROM igor.layers WHERE name = 'render'").await, 61);
        steer(&world, "il", "film.fetch", &["igor/skip=true"]).await;
        world.until_phase("film", &["Completed"]).await;
    })
    .await;
}
