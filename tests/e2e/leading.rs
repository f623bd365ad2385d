//! The leader's lease: lost, stolen, and taken again.

use std::time::{Duration, Instant};

use crate::support::process::Process;
use crate::support::until;
use crate::world::{Setup, World, world};

const DONE: &str = "SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'";

fn times(operator: &Process, words: &str) -> usize {
    operator.printed().lines().filter(|line| line.contains(words)).count()
}

/// Writes another holder into the lease, as if it had just renewed it.
fn steal(world: &World) {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    let patch = serde_json::json!({"spec": {"holderIdentity": "thief", "acquireTime": now, "renewTime": now}}).to_string();
    world.kubectl(&["-n", "igor-system", "patch", "lease", world.namespace(), "--type=merge", "-p", &patch], None).expect("stolen");
}

#[tokio::test]
async fn a_leader_whose_lease_is_stolen_stops_and_takes_over_again_once_it_runs_out() {
    world("leading_stolen", Setup::default(), |world, running| async move {
        let running = running.lock().await;
        let operator = &running.operators[0];
        world.apply(
            "{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: work}, \
             spec: {layers: [{name: a, tasks: [{name: x, type: sleep, args: '0.05', count: 2500}]}]}}",
        );
        world.until_count(DONE, |done| done > 50).await;
        let began = Instant::now();
        steal(&world);
        let seen = |words: &'static str, count| async move {
            until(words, Duration::from_secs(40), || {
                let now = times(operator, words);
                std::future::ready(if now >= count { Ok(()) } else { Err(now) })
            })
            .await;
        };
        seen("no longer leading", 1).await;
        // It renews five seconds before its lease of fifteen runs out, and is told then.
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        let when_stopped = world.count(DONE).await;
        let epoch = world.count("SELECT number FROM igor.epoch").await;
        seen(": leading epoch", 2).await;
        assert!(began.elapsed() >= Duration::from_secs(13), "the thief's lease had not run out: {:?}", began.elapsed());
        assert!(world.count("SELECT number FROM igor.epoch").await > epoch);
        world.until_phase("work", &["Completed"]).await;
        assert!(when_stopped < 2500, "nothing was left to do");
        assert_eq!(world.count(DONE).await, 2500);
        let ends = "SELECT count(*) FROM igor.transitions WHERE \"to\" = 'COMPLETED' AND attempt IS NOT NULL";
        assert_eq!(world.count(ends).await, 2500);
        assert_eq!(world.count("SELECT count(*) FROM igor.layers WHERE run <> 1").await, 0);
    })
    .await;
}
