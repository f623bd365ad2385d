//! A kill of very many tasks: nothing runs a second later, and other jobs go on.

use std::time::{Duration, Instant};

use super::{job, tell, told};
use crate::steer::{annotate, until_handled};
use crate::support::until;
use crate::world::{SOON, Setup, world};

/// The promise is a second; the machine of a test does other things too.
const STOPPED: Duration = Duration::from_secs(4);

const AT_WORK: &str =
    "SELECT coalesce(sum(n_queued + n_running), 0)::int8 FROM igor.layers l JOIN igor.jobs j ON j.id = l.job_id WHERE j.name = 'vast'";

#[tokio::test]
async fn a_kill_of_200_000_tasks_stops_the_work_at_once_and_others_go_on() {
    world("commands_large", Setup::default(), |world, _running| async move {
        world.apply(&job("vast", "priority: 0", "  - {name: render, tasks: [{name: nap, type: sleep, args: '3600', count: 200000}]}"));
        world.until_count(AT_WORK, |count| count > 8).await;
        let layers = (0..40)
            .map(|layer| format!("  - {{name: l{layer}, priority: {layer}, tasks: [{{name: t, count: 5}}]}}"))
            .collect::<Vec<_>>()
            .join("\n");
        annotate(&world, "ij", "vast", &["igor/kill=true", "igor/reason=the wrong scene"]).await;
        let began = Instant::now();
        world.apply(&job("small", "priority: 0", &layers));
        world.until_count(AT_WORK, |count| count == 0).await;
        let stopped = began.elapsed();
        world.until_phase("small", &["Completed"]).await;
        let small = began.elapsed();
        world.until_phase("vast", &["Errored"]).await;
        until_handled(&world, "ij", "vast").await;
        tell(&format!(
            "200,000 tasks killed: {stopped:?} until nothing ran, {small:?} for 40 small layers beside, {:?} in all",
            began.elapsed()
        ));
        assert!(stopped < STOPPED, "{stopped:?}");
        assert_eq!(
            world
                .count(
                    "SELECT count(*) FROM igor.tasks t JOIN igor.jobs j ON j.id = t.job_id WHERE j.name = 'vast' AND t.status = 'ERRORED'"
                )
                .await,
            200_000
        );
        let told = told(&world, "IgorJob", "vast");
        assert!(told.len() == 1 && told[0].contains("200,000 tasks") && told[0].contains("the wrong scene"), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn a_large_command_goes_on_after_the_death_of_its_operator_and_without_its_annotation() {
    world("commands_large_cut", Setup { workers: 0, ..Setup::default() }, |world, running| async move {
        world.apply(&job("vast", "priority: 0", "  - {name: render, tasks: [{name: nap, type: sleep, args: '3600', count: 200000}]}"));
        world.until_count("SELECT count(*) FROM igor.jobs WHERE loaded_at IS NOT NULL", |count| count == 1).await;
        annotate(&world, "ij", "vast", &["igor/skip=render"]).await;
        until("the command is under way", SOON, || async {
            let at = world.count("SELECT coalesce(max(next_ordinal), 0)::int8 FROM igor.commands").await;
            if at > 0 { Ok(()) } else { Err(at) }
        })
        .await;
        running.lock().await.operators[0].kill();
        world.kubectl(&["annotate", "ij", "vast", "igor/skip-"], None).ok();
        running.lock().await.operators.push(world.operator());
        world.until_phase("vast", &["Completed"]).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE status = 'SKIPPED'").await, 200_000);
        assert_eq!(world.count("SELECT count(*) FROM igor.jobs WHERE gate IS NOT NULL").await, 0);
    })
    .await;
}
