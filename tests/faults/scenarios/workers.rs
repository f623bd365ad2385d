//! Workers that die, stand still or are told to go.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Cast;
use crate::load::Load;
use crate::suite::Scenario;
use crate::workload::{plain, work};
use crate::world::{LEASE, World};

pub(super) fn all(seed: u64) -> Vec<Scenario> {
    vec![Scenario::new("worker_killed", killed()), Scenario::new("worker_stopped_and_told_to_stop", stopped(seed))]
}

/// Its tasks are handed out again within two leases.
async fn killed() {
    let mut cast = Cast::new("worker_killed", 1, LEASE).await;
    let world = cast.world.clone();
    // Enough beside what the worker holds that it is not most of its type, which would take one lease more.
    world.submit(&plain("work", &[(300, work(300, 600, 0)), (10, work(5, 50, 0))])).await;
    for round in 1..=4 {
        cast.until_completed(round * 30).await;
        kill(&mut cast, 0, LEASE * 2).await;
    }
    world.finish().await;
}

/// Kills a worker, starts another in its place, and measures until what it held is handed out again.
pub(super) async fn kill(cast: &mut Cast, number: usize, bound: Duration) {
    let world = cast.world.clone();
    let since = world.fault("worker kill -9", &format!("worker-{number}"));
    cast.workers[number].kill();
    let held = held(&world, &cast.workers[number].who);
    cast.workers[number].start();
    if !held.is_empty() {
        let took = until_handed_out_again(&world, &held, since).await;
        world.recovered("worker kill -9", took, bound);
    }
}

/// The tasks that a worker began and did not end, with their attempts.
fn held(world: &World, who: &str) -> BTreeMap<String, i64> {
    let of = |line: &Value| (line["id"].as_str().unwrap_or_default().to_owned(), line["attempt"].as_i64().unwrap_or_default());
    let mut held: BTreeMap<String, i64> = world.said("begin").iter().filter(|line| line["who"] == who).map(of).collect();
    for line in world.said("end").iter().filter(|line| line["who"] == who) {
        held.remove(&of(line).0);
    }
    held
}

/// Until each of them is handed out as a later attempt.
async fn until_handed_out_again(world: &World, held: &BTreeMap<String, i64>, since: Instant) -> Duration {
    // Or whose job was killed meanwhile, or whose end came just before.
    let later: Vec<String> = held
        .iter()
        .map(|(task, attempt)| format!("(id = '{task}' AND (attempt > {attempt} OR status IN ('COMPLETED', 'ERRORED', 'SKIPPED')))"))
        .collect();
    let sql = format!("SELECT count(*) FROM igor.tasks WHERE {}", later.join(" OR "));
    let all = i64::try_from(held.len()).expect("a small number");
    world.until_count(&sql, LEASE * 5, |count| count == all).await;
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
