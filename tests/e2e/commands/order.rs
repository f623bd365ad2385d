//! Several commands at once, one over another, and those that their user keeps.

use super::{acknowledged, job, told, verbs_in_order};
use crate::steer::{annotate, object, steer, until_handled, until_object, until_tasks};
use crate::world::{Setup, world};

const FRAMES: &str = "  - {name: render, tasks: [{name: frame, count: 4}]}";

#[tokio::test]
async fn several_at_once_act_in_their_order_and_the_unpause_last() {
    world("commands_order", Setup::default(), |world, _running| async move {
        world.apply(&job("film", "priority: 0\n  paused: true", FRAMES));
        world.until_phase("film", &["Paused"]).await;
        // The later ones need the earlier ones: what is killed is retried, what is paused is let go.
        let all = ["igor/pause=false", "igor/unpause-tasks=render/0", "igor/retry=render/1", "igor/skip=render/2", "igor/kill=render/1"];
        annotate(&world, "ij", "film", &[&all[..], &["igor/pause-tasks=render/0"]].concat()).await;
        until_handled(&world, "ij", "film").await;
        world.until_phase("film", &["Completed"]).await;
        until_tasks(&world, "render", &["frame-0 COMPLETED 1", "frame-1 COMPLETED 1", "frame-2 SKIPPED 0", "frame-3 COMPLETED 1"]).await;
        let verbs = verbs_in_order(&world).await;
        let from = verbs.iter().position(|verb| verb == "pause-tasks").expect("it acted");
        assert_eq!(verbs[from..], ["pause-tasks", "kill", "skip", "retry", "unpause-tasks", "unpause"]);
    })
    .await;
}

#[tokio::test]
async fn a_command_written_over_another_is_never_lost() {
    world("commands_over", Setup { workers: 0, ..Setup::default() }, |world, _running| async move {
        world.apply(&job("film", "priority: 0", "  - {name: render, tasks: [{name: frame, count: 20}]}"));
        world.until_phase("film", &["Running"]).await;
        for number in 0..20 {
            annotate(&world, "ij", "film", &[&format!("igor/skip=render/{number}")]).await;
        }
        until_handled(&world, "ij", "film").await;
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE name = 'frame-19' AND status = 'SKIPPED'").await, 1);
        let commands = world.count("SELECT count(*) FROM igor.commands WHERE verb = 'skip' AND done_at IS NOT NULL").await;
        let skipped = world.count("SELECT count(*) FROM igor.tasks WHERE status = 'SKIPPED'").await;
        assert_eq!(commands, skipped, "each that was taken acted once");
        let handled = told(&world, "IgorJob", "film").iter().filter(|told| told.contains("skip")).count();
        assert_eq!(i64::try_from(handled).expect("few"), commands);
    })
    .await;
}

#[tokio::test]
async fn a_token_of_the_user_acts_once_and_stays() {
    world("commands_token", Setup { workers: 0, ..Setup::default() }, |world, running| async move {
        world.apply(&job("film", "priority: 0", FRAMES));
        annotate(&world, "ij", "film", &["igor/skip=render/0#friday"]).await;
        annotate(&world, "il", "film.render", &["igor/skip=1#friday"]).await;
        for (kind, name) in [("ij", "film"), ("il", "film.render")] {
            until_object(&world, kind, name, "acknowledges it", |object| object["status"]["lastHandled"]["skip"] == "friday").await;
        }
        steer(&world, "ij", "film", &["igor/retry=render/0-1"]).await;
        running.lock().await.operators[0].kill();
        running.lock().await.operators.push(world.operator());
        // The command afterwards shows that the new operator has looked at both.
        steer(&world, "il", "film.render", &["igor/kill=3"]).await;
        let left = "SELECT count(*) FROM igor.tasks WHERE name IN ('frame-0', 'frame-1') AND status IN ('PENDING', 'QUEUED')";
        assert_eq!(world.count(left).await, 2);
        assert_eq!(object(&world, "ij", "film").expect("the job")["metadata"]["annotations"]["igor/skip"], "render/0#friday");
        annotate(&world, "ij", "film", &["igor/skip=render/0#monday"]).await;
        until_object(&world, "ij", "film", "acknowledges it", |job| job["status"]["lastHandled"]["skip"] == "monday").await;
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'SKIPPED'", |count| count == 1).await;
        assert_eq!(acknowledged(&world, "il", "film.render", "skip").as_deref(), Some("friday"));
    })
    .await;
}
