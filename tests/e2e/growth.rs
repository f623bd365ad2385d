//! A job that grows while it runs, by editing its file with kubectl; and what is not possible, in words.

use serde_json::Value;

use crate::world::{Setup, World, condition, world};

const DONE: &str = "SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'";
const TASKS: &str = "SELECT count(*) FROM igor.tasks";

/// A job whose layers are written as they are told.
fn job(name: &str, layers: &[&str]) -> String {
    let layers: Vec<String> = layers.iter().map(|layer| format!("\n  - {layer}")).collect();
    format!(
        "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {{name: {name}}}
spec:
  defaults: {{type: echo}}
  layers:{}
",
        layers.concat()
    )
}

/// `kubectl apply`, as people do without thinking of it.
fn apply(world: &World, yaml: &str) {
    world.kubectl(&["apply", "-f", "-"], Some(yaml)).unwrap_or_else(|said| panic!("{said}"));
}

/// Why the spec as it is now is not accepted.
async fn until_refused(world: &World, name: &str, fragment: &str) -> Value {
    let says = |job: &Value| condition(job, "Accepted").1 != "Accepted" && message(job).contains(fragment);
    world.until(name, &format!("the edit is refused: {fragment}"), says).await
}

fn message(job: &Value) -> String {
    let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let accepted = conditions.iter().find(|condition| condition["type"] == "Accepted");
    accepted.and_then(|accepted| accepted["message"].as_str()).unwrap_or_default().to_owned()
}

/// The spec as it is now is accepted.
async fn until_accepted(world: &World, name: &str) -> Value {
    let is_accepted =
        |job: &Value| condition(job, "Accepted").0 == "True" && job["status"]["observedGeneration"] == job["metadata"]["generation"];
    world.until(name, "the edit is accepted", is_accepted).await
}

#[tokio::test]
async fn frames_are_appended_by_editing_the_file_and_applying_it_again_changes_nothing() {
    world("growth_append", Setup::default(), |world, _running| async move {
        let fetch = "{name: fetch, tasks: [{name: plate, args: a}], paused: true}";
        let few = "{name: render, priority: 1, tasks: [{name: frame, count: 3, args: x}]}";
        let more =
            "{name: render, priority: 1, tasks: [{name: frame, count: 3, args: x}, {name: extra-7}, {name: late, count: 2, args: other}]}";
        apply(&world, &job("shots", &[fetch, few]));
        until_accepted(&world, "shots").await;
        for _ in 0..3 {
            apply(&world, &job("shots", &[fetch, more]));
            let grown = until_accepted(&world, "shots").await;
            assert_eq!(grown["status"]["tasks"]["total"], 7);
            // An unrelated live field makes a new generation of the same plan.
            apply(&world, &job("shots", &[fetch, more]).replace("spec:", "spec:\n  priority: 1"));
            until_accepted(&world, "shots").await;
        }
        assert_eq!(world.count(TASKS).await, 7);
        apply(&world, &job("shots", &[&fetch.replace("true", "false"), more]));
        let done = world.until_phase("shots", &["Completed"]).await;
        assert_eq!(done["status"]["progress"], "7/7");
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE attempt <> 1").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_running_layer_is_paused_grown_and_let_go() {
    world("growth_paused", Setup::default(), |world, _running| async move {
        let nap = |paused: bool, more: &str| {
            format!("{{name: naps, paused: {paused}, tasks: [{{name: nap, type: sleep, args: '0.5', count: 160}}{more}]}}")
        };
        apply(&world, &job("busy", &[&nap(false, "")]));
        world.until_count(DONE, |done| done > 0).await;
        apply(&world, &job("busy", &[&nap(false, ", {name: extra}")]));
        let refused = until_refused(&world, "busy", "layers[naps].tasks[1]: cannot be appended: the layer has begun: pause it first").await;
        assert_eq!(condition(&refused, "Accepted"), ("False".to_owned(), "ImmutablePlan".to_owned()));
        world.until_event("Warning", "pause it first").await;
        // Nothing of the file changes by this: the layer stands still, and so what was refused fits.
        world.annotate("busy", "igor/pause=true");
        until_accepted(&world, "busy").await;
        assert_eq!(world.count(TASKS).await, 161);
        world.annotate("busy", "igor/pause=false");
        world.until_count("SELECT count(*) FROM igor.jobs WHERE paused_at IS NULL", |free| free == 1).await;
        // One edit pauses and appends, another lets go and appends.
        apply(&world, &job("busy", &[&nap(true, ", {name: extra}, {name: sum, type: noop}")]));
        until_accepted(&world, "busy").await;
        apply(&world, &job("busy", &[&nap(false, ", {name: extra}, {name: sum, type: noop}, {name: last}")]));
        until_accepted(&world, "busy").await;
        let done = world.until_phase("busy", &["Completed"]).await;
        assert_eq!(done["status"]["progress"], "163/163");
    })
    .await;
}

#[tokio::test]
async fn a_new_layer_with_a_list_runs_behind_those_that_have_begun() {
    world("growth_layer", Setup::default(), |world, _running| async move {
        let nap = "{name: naps, priority: 3, tasks: [{name: nap, type: sleep, args: '0.2', count: 400}]}";
        let post = |priority: i32| {
            format!(
                "{{name: post, priority: {priority}, tasks: [{{name: sheet}}], tasksFrom: [{{configMapKeyRef: {{name: posts, key: t}}}}]}}"
            )
        };
        apply(&world, &job("film", &[nap]));
        world.until_count(DONE, |done| done > 0).await;
        // It has begun, and takes its time.
        world.annotate("film", "igor/pause=true");
        let words = "layers[post].priority: must be more than 3, for layer naps of that priority has begun";
        apply(
            &world,
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: posts, labels: {igor.dev/tasks: 'true'}}, data: {t: '{\"name\":\"listed\"}'}}",
        );
        apply(&world, &job("film", &[&post(3), nap]));
        until_refused(&world, "film", words).await;
        // The priority of a layer cannot be changed: but this one was never accepted.
        world.kubectl(&["delete", "configmap", "posts"], None).expect("deleted");
        let renamed = post(4).replace("name: post,", "name: late,");
        apply(&world, &job("film", &[&renamed, nap]));
        until_refused(&world, "film", "there is no ConfigMap posts").await;
        apply(
            &world,
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: posts, labels: {igor.dev/tasks: 'true'}}, data: {t: '{\"name\":\"listed\"}'}}",
        );
        until_accepted(&world, "film").await;
        world.annotate("film", "igor/pause=false");
        let done = world.until_phase("film", &["Completed"]).await;
        assert_eq!(done["status"]["progress"], "402/402");
        assert_eq!(condition(&done, "Accepted").0, "True");
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE name = 'listed' AND status = 'COMPLETED'").await, 1);
    })
    .await;
}

#[tokio::test]
async fn what_was_accepted_does_not_change_whatever_the_file_says_and_every_fault_is_told() {
    world("growth_refused", Setup::default(), |world, _running| async move {
        let good = job("fixed", &["{name: a, paused: true, tasks: [{name: one, args: x}, {name: two}]}", "{name: b, priority: 1}"]);
        apply(&world, &good);
        until_accepted(&world, "fixed").await;
        let edits = [
            (good.replace("args: x", "args: other"), vec!["layers[a].tasks[0].args: is not as it was accepted"]),
            (good.replace("{type: echo}", "{type: noop}"), vec!["layers[a].tasks[0].type: is not as it was accepted"]),
            (good.replace("{type: echo}", "{type: echo, retries: 2}"), vec!["layers[a].tasks[0].retries: is not as it was accepted"]),
            (
                good.replace(", {name: two}", "").replace("{name: b, priority: 1}", "{name: c, priority: 1}"),
                vec!["layers[a].tasks[1]: is gone", "layers[b]: is gone"],
            ),
            (
                good.replace("spec:", "spec:\n  onFailure: Continue").replace("{type: echo}", "{type: echo, backoff: {initialSeconds: 1}}"),
                vec!["onFailure: is Hold and cannot be changed", "defaults.backoff: is 10 s, at most 3600 s, and cannot be changed"],
            ),
        ];
        for (edit, words) in edits {
            apply(&world, &edit);
            for words in words {
                let refused = until_refused(&world, "fixed", words).await;
                assert_eq!(condition(&refused, "Accepted").1, "ImmutablePlan");
                assert_eq!(refused["status"]["observedGeneration"], refused["metadata"]["generation"]);
            }
        }
        // A title and a limit act all the same, and a pause too: they are no part of the plan.
        let live = good
            .replace("args: x", "args: other")
            .replace("spec:", "spec:\n  title: Named\n  maxInFlight: 5\n  activeDeadlineSeconds: 900");
        apply(&world, &live);
        world
            .until_count("SELECT count(*) FROM igor.jobs WHERE title = 'Named' AND max_in_flight = 5 AND deadline_s = 900", |rows| {
                rows == 1
            })
            .await;
        apply(&world, &good.replace("paused: true", "paused: false"));
        let done = world.until_phase("fixed", &["Completed"]).await;
        assert_eq!(condition(&done, "Accepted").0, "True");
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE message = 'x'").await, 1);
        apply(&world, &good.replace("{name: two}", "{name: two}, {name: three}"));
        until_refused(&world, "fixed", "layers[a].tasks[2]: cannot be appended: the job has ended").await;
    })
    .await;
}

#[tokio::test]
async fn a_large_edit_goes_on_after_the_operator_was_killed_and_shows_how_far_it_is() {
    world("growth_large", Setup::default(), |world, running| async move {
        let nap = "{name: naps, paused: true, tasks: [{name: nap}]}";
        let big = "{name: big, priority: 1, tasks: [{name: first}, {name: frame, type: noop, count: 150000}]}";
        apply(&world, &job("long", &[nap, "{name: big, priority: 1, tasks: [{name: first}]}"]));
        until_accepted(&world, "long").await;
        apply(&world, &job("long", &[nap, big]));
        world.until_count("SELECT sum(n_loaded) FROM igor.layers", |loaded| loaded > 2).await;
        running.lock().await.operators.clear();
        let loaded = world.count("SELECT sum(n_loaded) FROM igor.layers").await;
        assert!(loaded < 150_002, "it was cut off before its end");
        running.lock().await.operators.push(world.operator());
        let grown = until_accepted(&world, "long").await;
        assert_eq!(grown["status"]["tasks"]["total"], 150_002);
        assert_eq!(world.count(TASKS).await, 150_002);
    })
    .await;
}

#[tokio::test]
async fn a_file_that_does_not_know_the_tasks_of_task_objects_is_no_edit() {
    world("growth_objects", Setup::default(), |world, _running| async move {
        let file = |more: &str| job("mixed", &[&format!("{{name: a, paused: true, tasks: [{{name: one}}{more}]}}")]);
        apply(&world, &file(""));
        until_accepted(&world, "mixed").await;
        let object = |name: &str| {
            format!("{{apiVersion: igor.dev/v1alpha1, kind: IgorTask, metadata: {{name: {name}}}, spec: {{jobName: mixed, layerName: a, type: echo}}}}")
        };
        apply(&world, &object("own"));
        world.until_count(TASKS, |tasks| tasks == 2).await;
        apply(&world, &file(", {name: own}"));
        let words = "layers[a].tasks[1].name: the layer has a task own already";
        assert_eq!(condition(&until_refused(&world, "mixed", words).await, "Accepted").1, "DuplicateTaskName");
        for more in ["", ", {name: two}"] {
            apply(&world, &file(more));
            until_accepted(&world, "mixed").await;
        }
        apply(&world, &object("last"));
        world.until_count(TASKS, |tasks| tasks == 4).await;
        apply(&world, &file(", {name: two}").replace("paused: true", "paused: false"));
        assert_eq!(world.until_phase("mixed", &["Completed"]).await["status"]["progress"], "4/4");
    })
    .await;
}
