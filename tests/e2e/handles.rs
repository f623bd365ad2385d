//! Handles on layers and on failed tasks: they come when there is something to see, and go in time.

use serde_json::json;

use crate::steer::{names, object, steer, until_gone, until_object};
use crate::support::until;
use crate::world::{SOON, Setup, World, world};

fn failing(name: &str, more: &str, count: u32) -> String {
    format!(
        "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {{name: {name}}}
spec:
  {more}
  layers: [{{name: fetch, tasks: [{{name: plate, type: fail, args: no licence, count: {count}}}, {{name: Nap_1, type: sleep, args: '3600'}}]}}]
"
    )
}

/// Waits until there are so many objects of tasks.
async fn until_handles(world: &World, count: usize) -> Vec<String> {
    until(&format!("{count} task objects"), SOON, || async {
        let seen = names(world, "it");
        if seen.len() == count { Ok(seen) } else { Err(seen) }
    })
    .await
}

#[tokio::test]
async fn a_job_that_stands_still_has_its_layers_handles_whenever_it_moved_last() {
    world("handles_layers", Setup { workers: 0, ..Setup::default() }, |world, running| async move {
        running.lock().await.workers.push(world.worker(&["--slots", "100"]));
        // Their last move, a failure that gets a handle of its own, is about the moment at which those of layers are due.
        let job = |number: u32| {
            let (name, seconds) = (format!("film-{number}"), 0.3 + f64::from(number) * 0.006);
            format!(
                "
---
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {{name: {name}}}
spec:
  layers: [{{name: nap, tasks: [{{type: sleep, args: '{seconds}'}}]}}, {{name: bad, priority: 1, tasks: [{{type: fail}}]}}, {{name: later, priority: 2}}]
"
            )
        };
        // Few at a time: a crowd is looked at more rarely.
        for round in 1..=5 {
            world.apply(&(round * 20 - 20..round * 20).map(job).collect::<String>());
            until("each layer has a handle", SOON, || async {
                let handles = names(&world, "il").len();
                if handles == 60 * round as usize { Ok(()) } else { Err(handles) }
            })
            .await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_failed_task_has_a_handle_that_says_how_it_stands() {
    world("handles_status", Setup::default(), |world, _running| async move {
        world.apply(&failing("film", "defaults: {retries: 1, backoff: {initialSeconds: 0, maxSeconds: 0}}", 1));
        let handle = until_object(&world, "it", "film.fetch.plate-0", "is errored", |task| task["status"]["phase"] == "Errored").await;
        let status = &handle["status"];
        let seen =
            json!({"phase": status["phase"], "attempt": status["attempt"], "failures": status["failures"], "message": status["message"]});
        assert_eq!(seen, json!({"phase": "Errored", "attempt": 2, "failures": 2, "message": "no licence"}));
        assert!(status["worker"].is_string() && status["startedAt"].is_string() && status["finishedAt"].is_string(), "{status}");
        assert_eq!(
            handle["spec"],
            json!({"jobName": "film", "layerName": "fetch", "name": "plate-0", "type": "fail"}),
            "no arguments are copied"
        );
        assert_eq!(handle["metadata"]["labels"]["igor.dev/origin"], "handle");
        assert_eq!(handle["metadata"]["ownerReferences"][0]["kind"], "IgorJob");
        assert_eq!(names(&world, "it"), ["film.fetch.plate-0"], "only what failed has one");
    })
    .await;
}

#[tokio::test]
async fn a_task_whose_name_no_object_may_have_is_found_by_its_handle_too() {
    world("handles_slug", Setup::default(), |world, _running| async move {
        world.apply(&failing("film", "priority: 0", 1).replace("args: '3600'", "args: '3600', timeoutSeconds: 1"));
        let named = |names: &[String]| names.iter().find(|name| name.starts_with("film.fetch.nap-1-")).cloned();
        let name = until("a handle of Nap_1", SOON, || async { named(&names(&world, "it")).ok_or_else(|| names(&world, "it")) }).await;
        assert_eq!(object(&world, "it", &name).expect("the handle")["spec"]["name"], "Nap_1");
        steer(&world, "it", &name, &["igor/skip=true"]).await;
        world.until_count("SELECT count(*) FROM igor.tasks WHERE name = 'Nap_1' AND status = 'SKIPPED'", |count| count == 1).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_command_ended_has_no_handle() {
    world("handles_killed", Setup::default(), |world, _running| async move {
        world.apply(&failing("film", "priority: 0", 2));
        until_handles(&world, 2).await;
        steer(&world, "il", "film.fetch", &["igor/kill=Nap_1"]).await;
        steer(&world, "ij", "film", &["igor/retry=fetch/plate-0"]).await;
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'ERRORED' AND attempt > 0", |count| count == 3).await;
        // The handles are looked over when the layer ends.
        world.until_phase("film", &["Errored"]).await;
        until_handles(&world, 2).await;
    })
    .await;
}

#[tokio::test]
async fn of_very_many_failures_of_a_layer_fifty_have_handles() {
    world("handles_many", Setup::default(), |world, _running| async move {
        world.apply(&failing("film", "priority: 0", 120));
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'ERRORED'", |count| count == 120).await;
        until_handles(&world, 50).await;
    })
    .await;
}

#[tokio::test]
async fn a_job_that_wants_no_handles_has_none_and_a_deletion_takes_all_along() {
    world("handles_none", Setup::default(), |world, _running| async move {
        world.apply(&failing("quiet", "taskObjects: None", 3));
        world.apply(&failing("film", "priority: 0", 3));
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'ERRORED'", |count| count == 6).await;
        let seen = until_handles(&world, 3).await;
        assert!(seen.iter().all(|name| name.starts_with("film.")), "{seen:?}");
        world.kubectl(&["delete", "ij", "film", "--wait=true"], None).expect("deleted");
        for name in seen {
            until_gone(&world, "it", &name).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_layers_handle_that_somebody_deleted_is_made_again() {
    world("handles_again", Setup::default(), |world, _running| async move {
        world.apply(&failing("film", "priority: 0", 1));
        let first = until_object(&world, "il", "film.fetch", "is there", |layer| layer["status"]["phase"] == "Failing").await;
        world.kubectl(&["delete", "il", "film.fetch", "--wait=true"], None).expect("deleted");
        // Something moves, so that there is something to write.
        steer(&world, "ij", "film", &["igor/skip=fetch/plate-0"]).await;
        let again = until_object(&world, "il", "film.fetch", "is there again", |layer| layer["status"]["phase"] == "Running").await;
        assert_ne!(first["metadata"]["uid"], again["metadata"]["uid"]);
    })
    .await;
}

#[tokio::test]
async fn while_nothing_changes_no_handle_is_written() {
    world("handles_quiet", Setup::default(), |world, _running| async move {
        world.apply(&failing("film", "priority: 0", 5));
        until_handles(&world, 5).await;
        until_object(&world, "il", "film.fetch", "counts all", |layer| {
            (&layer["status"]["tasks"]["errored"], &layer["status"]["tasks"]["running"]) == (&5.into(), &1.into())
        })
        .await;
        for index in 0..5 {
            until_object(&world, "it", &format!("film.fetch.plate-{index}"), "is written", |task| task["status"]["phase"].is_string())
                .await;
        }
        let versions = || {
            let path = "jsonpath={range .items[*]}{.metadata.name} {.metadata.resourceVersion}{'\\n'}{end}";
            world.kubectl(&["get", "it,il", "-o", path], None).expect("listed")
        };
        let before = versions();
        // Another job from its beginning to its end shows that the operator was at work meanwhile.
        let nap = "apiVersion: igor.dev/v1alpha1\nkind: IgorJob\nmetadata: {name: nap}\nspec:\n  taskObjects: None\n  \
                   layers: [{name: a, tasks: [{name: t, type: sleep, args: '0.9'}]}]";
        world.apply(nap);
        world.until_phase("nap", &["Completed"]).await;
        world.kubectl(&["delete", "ij", "nap", "--wait=true"], None).expect("deleted");
        until("only film's objects are left", SOON, || async {
            let now = versions();
            if now.lines().all(|line| line.starts_with("film.")) { Ok(()) } else { Err(now) }
        })
        .await;
        assert_eq!(versions(), before);
    })
    .await;
}
