//! Pausing and going on, by spec and by annotation, at job and layer.

use crate::steer::until_object;
use crate::support::until;
use crate::world::{SOON, Setup, World, condition, world};

const RUNNING: &str = "SELECT count(*) FROM igor.tasks WHERE status IN ('QUEUED', 'RUNNING')";
const DONE: &str = "SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'";

fn sleepers(name: &str, more: &str) -> String {
    format!(
        "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {{name: {name}}}
spec:
  {more}
  layers: [{{name: a, tasks: [{{name: nap, type: sleep, args: '0.2', count: 60}}]}}]
"
    )
}

/// Nothing is on its way any more: what was queued came back, what ran has ended.
async fn until_still(world: &World) -> i64 {
    world.until_count(RUNNING, |count| count == 0).await;
    world.count(DONE).await
}

#[tokio::test]
async fn a_paused_job_waits_and_goes_on_by_its_spec() {
    world("steering_spec", Setup::default(), |world, _running| async move {
        world.apply(&sleepers("waits", "paused: true"));
        let paused = world.until_phase("waits", &["Paused"]).await;
        assert_eq!(condition(&paused, "Paused"), ("True".to_owned(), "PausedBySpec".to_owned()));
        assert_eq!(world.count("SELECT count(*) FROM igor.transitions WHERE \"to\" = 'QUEUED'").await, 0);
        world.apply(&sleepers("waits", "paused: false"));
        world.until_phase("waits", &["Completed"]).await;
    })
    .await;
}

#[tokio::test]
async fn an_annotation_pauses_a_running_job_within_a_second_and_its_removal_lets_it_go_on() {
    world("steering_annotation", Setup::default(), |world, _running| async move {
        world.apply(&sleepers("busy", "priority: 0"));
        world.until_count(DONE, |count| count > 0).await;
        world.annotate("busy", "igor/pause=true");
        let paused = world.until_phase("busy", &["Paused"]).await;
        assert_eq!(condition(&paused, "Paused"), ("True".to_owned(), "PausedByAnnotation".to_owned()));
        let done = until_still(&world).await;
        assert!(done < 60, "it was paused before its end");
        let late = "SELECT count(*) FROM igor.transitions t JOIN igor.jobs j ON true WHERE t.\"to\" = 'QUEUED' AND t.at > j.paused_at";
        assert_eq!(world.count(late).await, 0);
        world.kubectl(&["annotate", "ij", "busy", "igor/pause-"], None).expect("annotated");
        world.until_phase("busy", &["Completed"]).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE attempt = 0").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_paused_layer_waits_while_its_sibling_runs() {
    world("steering_layer", Setup::default(), |world, _running| async move {
        let job = |paused: bool| {
            format!(
                "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {{name: halves}}
spec:
  defaults: {{type: noop}}
  layers:
  - {{name: left, paused: {paused}, tasks: [{{name: l, count: 5}}]}}
  - {{name: right, tasks: [{{name: r, count: 5}}]}}
  - {{name: after, priority: 1, tasks: [{{name: last}}]}}
"
            )
        };
        world.apply(&job(true));
        world.until_count(DONE, |count| count == 5).await;
        let why = |job: &serde_json::Value| job["status"]["why"].as_str().is_some_and(|why| why.starts_with("left: paused by"));
        world.until("halves", "it says which layer is paused", why).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.layers WHERE name <> 'right' AND run > 0").await, 0);
        world.apply(&job(false));
        world.until_phase("halves", &["Completed"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_pause_that_is_no_level_is_told_and_left_alone() {
    world("steering_odd", Setup::default(), |world, _running| async move {
        world.apply(&sleepers("odd", "paused: true"));
        world.until_phase("odd", &["Paused"]).await;
        world.annotate("odd", "igor/pause=maybe");
        world.until_event("Warning", "maybe").await;
        assert_eq!(world.job("odd").await["metadata"]["annotations"]["igor/pause"], "maybe");
    })
    .await;
}

#[tokio::test]
async fn limits_in_flight_hold() {
    world("steering_limit", Setup::default(), |world, _running| async move {
        world.apply(&sleepers("narrow", "maxInFlight: 2"));
        for _ in 0..20 {
            assert!(world.count(RUNNING).await <= 2);
        }
        world.until_count(DONE, |count| count >= 4).await;
        assert!(world.count(RUNNING).await <= 2);
        world.kubectl(&["scale", "ij/narrow", "--replicas=100"], None).expect("scaled");
        world.until_phase("narrow", &["Completed"]).await;
    })
    .await;
}

#[tokio::test]
async fn an_annotation_on_a_layers_handle_pauses_that_layer() {
    world("steering_handle", Setup::default(), |world, _running| async move {
        // Long enough that it is at work when its handle comes.
        world.apply(&sleepers("seen", "priority: 0").replace("count: 60", "count: 200"));
        let handle = |annotation: &'static str| {
            let world = world.clone();
            until("the handle is there", SOON, move || {
                std::future::ready(world.kubectl(&["annotate", "--overwrite", "il", "seen.a", annotation], None))
            })
        };
        handle("igor/pause=true").await;
        world.until("seen", "the layer is paused", |job| job["status"]["layers"][0]["phase"] == "Paused").await;
        assert!(until_still(&world).await < 200, "it was paused before its end");
        handle("igor/pause-").await;
        world.until_phase("seen", &["Completed"]).await;
    })
    .await;
}

#[tokio::test]
async fn an_annotation_that_a_later_edit_made_untrue_is_removed_and_can_be_set_again() {
    world("steering_untrue", Setup::default(), |world, _running| async move {
        world.apply(&sleepers("twice", "paused: true"));
        world.until_phase("twice", &["Paused"]).await;
        // From then on nothing else leads to a look at the job.
        until_object(&world, "il", "twice.a", "is there", |_| true).await;
        world.annotate("twice", "igor/pause=true");
        world.until("twice", "the annotation is what pauses", |job| condition(job, "Paused").1 == "PausedByAnnotation").await;
        world.apply(&sleepers("twice", "paused: false"));
        let gone = |job: &serde_json::Value| job["metadata"]["annotations"].get("igor/pause").is_none();
        world.until("twice", "the annotation is removed", gone).await;
        world.until_count(DONE, |count| count > 0).await;
        world.annotate("twice", "igor/pause=true");
        world.until_phase("twice", &["Paused"]).await;
    })
    .await;
}
