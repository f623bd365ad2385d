//! Commands whose operator died between two of their steps: each is done to its end, once.

use super::{acknowledged, job, told};
use crate::steer::{annotate, steer, until_handled, until_tasks};
use crate::world::{Setup, World, world};

const FRAMES: &str = "  - {name: render, tasks: [{name: frame, count: 4}]}";

/// What each kind calls the same thing.
const PLACES: [(&str, &str, &str, &str); 2] = [("ij", "film", "IgorJob", "render/0"), ("il", "film.render", "IgorLayer", "0")];

fn stop(world: &World) {
    world.apply(&job("film", "priority: 0\n  paused: true", FRAMES));
}

#[tokio::test]
async fn a_stamp_whose_operator_died_is_carried_out() {
    world("commands_stamped", Setup { workers: 0, ..Setup::default() }, |world, running| async move {
        stop(&world);
        for (kind, name, _, selector) in PLACES {
            // The object is there before the operator dies.
            steer(&world, kind, name, &["igor/retry=failed"]).await;
            running.lock().await.operators.pop().expect("an operator").kill();
            annotate(&world, kind, name, &[&format!("igor/skip={selector}#~01stamp")]).await;
            running.lock().await.operators.push(world.operator());
            until_handled(&world, kind, name).await;
            assert_eq!(acknowledged(&world, kind, name, "skip").as_deref(), Some("01stamp"));
            until_tasks(&world, "render", &["frame-0 SKIPPED 0", "frame-1 PENDING 0", "frame-2 PENDING 0", "frame-3 PENDING 0"]).await;
            steer(&world, kind, name, &[&format!("igor/retry={selector}")]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_effect_whose_operator_died_is_acknowledged_and_not_repeated() {
    world("commands_applied", Setup { workers: 0, ..Setup::default() }, |world, running| async move {
        stop(&world);
        for (kind, name, called, selector) in PLACES {
            steer(&world, kind, name, &[&format!("igor/skip={selector}#~01stamp")]).await;
            steer(&world, kind, name, &[&format!("igor/retry={selector}")]).await;
            // As if it had died before it acknowledged what the ledger had done.
            running.lock().await.operators.pop().expect("an operator").kill();
            let forget = r#"[{"op": "remove", "path": "/status/lastHandled/skip"}]"#;
            world.kubectl(&["patch", kind, name, "--subresource=status", "--type=json", "-p", forget], None).expect("patched");
            annotate(&world, kind, name, &[&format!("igor/skip={selector}#~01stamp")]).await;
            running.lock().await.operators.push(world.operator());
            until_handled(&world, kind, name).await;
            assert_eq!(acknowledged(&world, kind, name, "skip").as_deref(), Some("01stamp"));
            until_tasks(&world, "render", &["frame-0 PENDING 0", "frame-1 PENDING 0", "frame-2 PENDING 0", "frame-3 PENDING 0"]).await;
            let told = told(&world, called, name);
            assert!(told.iter().filter(|told| told.contains("skip")).count() <= 2, "{told:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_acknowledged_is_only_removed() {
    world("commands_acknowledged", Setup { workers: 0, ..Setup::default() }, |world, running| async move {
        stop(&world);
        for (kind, name, called, selector) in PLACES {
            steer(&world, kind, name, &[&format!("igor/skip={selector}#~01stamp")]).await;
            steer(&world, kind, name, &[&format!("igor/retry={selector}")]).await;
            running.lock().await.operators.pop().expect("an operator").kill();
            annotate(&world, kind, name, &[&format!("igor/skip={selector}#~01stamp")]).await;
            running.lock().await.operators.push(world.operator());
            until_handled(&world, kind, name).await;
            until_tasks(&world, "render", &["frame-0 PENDING 0", "frame-1 PENDING 0", "frame-2 PENDING 0", "frame-3 PENDING 0"]).await;
            let told = told(&world, called, name);
            assert_eq!(told.iter().filter(|told| told.contains("skip")).count(), 1, "{told:?}");
        }
    })
    .await;
}
