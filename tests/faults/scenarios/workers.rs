//! Workers that die, stand still or are told to go.

use std::time::{Duration, Instant};

use super::Cast;
use crate::load::Load;
use crate::suite::Scenario;
use crate::workload::{plain, work};
use crate::world::LEASE;

pub(super) fn all(seed: u64) -> Vec<Scenario> {
    vec![Scenario::new("worker_killed", killed()), Scenario::new("worker_stopped_and_told_to_stop", stopped(seed))]
}

/// Its tasks run again within two leases.
async fn killed() {
    let mut cast = Cast::new("worker_killed", 1, LEASE).await;
    let world = cast.world.clone();
    // Enough beside what the worker holds that it is not most of its type, which would take one lease more.
    world.submit(&plain("work", &[(300, work(300, 600, 0)), (10, work(5, 50, 0))])).await;
    for round in 1..=4 {
        cast.until_completed(round * 30).await;
        let lost = "SELECT count(*) FROM igor.transitions WHERE reason = 'Lost'";
        let before = world.ledger.count(lost).await.expect("a number");
        let since = world.fault("worker kill -9", "worker-0");
        cast.workers[0].kill();
        cast.workers[0].start();
        let took = until_run_again(&world, before, since).await;
        world.recovered("worker kill -9", took, LEASE * 2);
    }
    world.finish().await;
}

/// Until everything that was lost since is handed out again.
async fn until_run_again(world: &crate::world::World, before: i64, since: Instant) -> Duration {
    world.until_count("SELECT count(*) FROM igor.transitions WHERE reason = 'Lost'", LEASE * 5, |count| count > before).await;
    let waiting = "SELECT count(*) FROM igor.tasks WHERE status = 'PENDING' AND lost > 0";
    world.until_count(waiting, LEASE * 5, |count| count == 0).await;
    since.elapsed()
}

/// A worker that stands still past its lease comes back to find its tasks elsewhere; one that is told to stop ends in time.
async fn stopped(seed: u64) {
    const BOUND: Duration = Duration::from_secs(10);
    let mut cast = Cast::new("worker_stopped_and_told_to_stop", 1, LEASE).await;
    let world = cast.world.clone();
    let load = Load::start(&world, seed + 4, 60);
    for round in 1..=2 {
        cast.until_completed(round * 60).await;
        world.fault("worker stopped", "worker-1");
        cast.workers[1].signal("STOP");
        tokio::time::sleep(LEASE * 3).await;
        world.healed("worker stopped", "worker-1");
        cast.workers[1].signal("CONT");
        world.fault("worker SIGTERM", "worker-0");
        cast.workers[0].signal("TERM");
        let took = cast.workers[0].ended(BOUND * 2).await;
        world.recovered("worker SIGTERM: it ends", took, BOUND);
        cast.workers[0].start();
    }
    load.stop().await;
    world.finish().await;
}
