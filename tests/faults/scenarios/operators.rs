//! Operators that die or stand still.

use std::time::Duration;

use super::{COMPLETED, Cast, STARTED};
use crate::load::Load;
use crate::slot::Switches;
use crate::suite::Scenario;
use crate::workload::{plain, work};
use crate::world::{LEASE, World};

/// A lease of leadership, and time to begin.
pub(crate) const TAKEOVER: Duration = Duration::from_secs(20);
/// From the start of a process that need not wait for a lease.
pub(crate) const RESTART: Duration = Duration::from_secs(5);

pub(super) fn all(seed: u64) -> Vec<Scenario> {
    vec![
        Scenario::new("operator_killed_with_standby", with_standby(seed)),
        Scenario::new("operator_killed_without_standby", without_standby(seed)),
        Scenario::new("leader_stopped_past_its_lease", stopped(seed)),
        Scenario::new("operator_told_to_stop", told_to_stop(seed)),
        Scenario::new("outbox_row_deleted_while_it_is_relayed", deleted_while_relayed()),
    ]
}

/// The relay reads a row whose tasks are out already, and by the time it looks at it the row is deleted and they have ended.
async fn deleted_while_relayed() {
    let world = World::new("outbox_row_deleted", LEASE).await;
    let mut operator = world.operator("operator-0").await;
    operator.start(&Switches { linger: Some("forget=1500,relay-read=3000"), ..Switches::default() });
    world.until_count("SELECT number FROM igor.epoch", STARTED, |epoch| epoch > 0).await;
    let _worker = world.worker("worker-0", 8).await;
    world.submit(&plain("other", &[(1, work(10_000, 10_000, 0))])).await;
    world.until_said("begin", 1).await;
    // Behind the first job's own row.
    world.until_count("SELECT count(*) FROM igor.outbox", STARTED, |rows| rows == 0).await;
    world.submit(&plain("work", &[(4, work(1200, 1200, 0))])).await;
    world.until_said("begin", 5).await;
    assert!(world.pause("other", STARTED).await, "the pause is acknowledged");
    world.until_count(COMPLETED, STARTED, |count| count >= 4).await;
    world.unpause("other", STARTED).await;
    world.until_count(COMPLETED, STARTED, |count| count == 5).await;
    assert_eq!(world.said("begin").len(), 5, "executions of five tasks");
    world.finish().await;
    drop(operator);
}

async fn with_standby(seed: u64) {
    let mut cast = Cast::new("operator_killed_with_standby", 2, LEASE).await;
    let world = cast.world.clone();
    let load = Load::start(&world, seed, 60);
    cast.until_completed(50).await;
    let (epoch, since) = (world.epoch().await, world.fault("operator kill -9", "operator-0"));
    cast.operators[0].kill();
    let took = world.until_led(epoch, since, TAKEOVER * 2).await;
    world.recovered("operator kill -9, standby", took, TAKEOVER);
    load.stop().await;
    world.finish().await;
}

async fn without_standby(seed: u64) {
    let mut cast = Cast::new("operator_killed_without_standby", 1, LEASE).await;
    let world = cast.world.clone();
    let load = Load::start(&world, seed + 1, 60);
    for round in 1..=6 {
        cast.until_completed(round * 40).await;
        let (epoch, since) = (world.epoch().await, world.fault("operator kill -9", "operator-0"));
        cast.operators[0].kill();
        cast.operators[0].start(&Switches::default());
        let took = world.until_led(epoch, since, STARTED).await;
        world.recovered("operator kill -9, restart", took, RESTART);
    }
    load.stop().await;
    world.finish().await;
}

async fn stopped(seed: u64) {
    let mut cast = Cast::new("leader_stopped_past_its_lease", 2, LEASE).await;
    let world = cast.world.clone();
    let load = Load::start(&world, seed + 2, 60);
    cast.until_completed(50).await;
    let (epoch, since) = (world.epoch().await, world.fault("operator stopped", "operator-0"));
    cast.operators[0].signal("STOP");
    let took = world.until_led(epoch, since, TAKEOVER * 2).await;
    world.recovered("leader stopped, standby", took, TAKEOVER);
    world.healed("operator stopped", "operator-0");
    cast.operators[0].signal("CONT");
    // That what it still writes is refused, the checker sees by the ledger's observer.
    let before = cast.operators[0].process.as_ref().expect("a process").printed().matches("no longer leading").count();
    crate::support::until("the continued leader gives up", TAKEOVER, || async {
        let log = cast.operators[0].process.as_ref().expect("a process").printed();
        if log.matches("no longer leading").count() > before { Ok(()) } else { Err("it leads") }
    })
    .await;
    load.stop().await;
    world.finish().await;
}

/// SIGTERM under load.
async fn told_to_stop(seed: u64) {
    const BOUND: Duration = Duration::from_secs(10);
    let mut cast = Cast::new("operator_told_to_stop", 1, LEASE).await;
    let world = cast.world.clone();
    let load = Load::start(&world, seed + 3, 120);
    for round in 1..=3 {
        cast.until_completed(round * 50).await;
        world.fault("operator SIGTERM", "operator-0");
        cast.operators[0].signal("TERM");
        let took = cast.operators[0].ended(BOUND * 2).await;
        world.recovered("operator SIGTERM: it ends", took, BOUND);
        cast.operators[0].start(&Switches::default());
    }
    load.stop().await;
    world.finish().await;
}
