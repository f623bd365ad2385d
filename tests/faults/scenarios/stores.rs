//! Stores that go away, forget, refuse or fill up.

use std::time::Duration;

use kube::api::DynamicObject;

use super::fault::Fault;
use super::{COMPLETED, Cast, STARTED};
use crate::client::condition;
use crate::disk::SmallDisk;
use crate::load::Load;
use crate::say;
use crate::stores::Ledger;
use crate::suite::Scenario;
use crate::workload::{plain, work};
use crate::world::{LEASE, World};

pub(super) fn all(seed: u64) -> Vec<Scenario> {
    vec![
        Scenario::new("redis_flushed", forgotten(seed, "redis_flushed", Fault::RedisFlushed)),
        Scenario::new("redis_restarted_empty", forgotten(seed + 1, "redis_restarted_empty", Fault::RedisRestarted)),
        Scenario::new("redis_out_of_memory", refused(seed + 2, "redis_out_of_memory", Fault::RedisFull)),
        Scenario::new("postgres_out_of_connections", refused(seed + 3, "postgres_out_of_connections", Fault::PostgresTaken)),
        Scenario::new("postgres_full", full(seed + 7)),
        Scenario::alone("postgres_read_only", refused(seed + 4, "postgres_read_only", Fault::PostgresReadOnly)),
        Scenario::alone("postgres_restarted", restarted(seed + 5)),
        Scenario::alone("apiserver_down", apiserver_down(seed + 6)),
    ]
}

/// Redis loses everything: dispatch goes on soon, and what runs is neither stopped nor run again.
async fn forgotten(seed: u64, name: &str, fault: Fault) {
    let mut cast = Cast::new(name, 1, LEASE).await;
    let world = cast.world.clone();
    world.submit(&plain("long", &[(6, work(8000, 9000, 0))])).await;
    world.until_said("begin", 6).await;
    let load = Load::start(&world, seed, 60);
    for round in 1..=2 {
        cast.until_completed(round * 40).await;
        cast.suffer_and_go_on(fault, Duration::ZERO).await;
    }
    load.stop().await;
    undisturbed(&world).await;
    world.finish().await;
}

/// The long tasks, which ran when Redis forgot them, ran once and to their end.
async fn undisturbed(world: &World) {
    let of_long = |line: &serde_json::Value| line["job"].as_str().is_some_and(|job| job.ends_with("/long"));
    let ends = || world.said("end").into_iter().filter(of_long).count();
    crate::support::until("the long tasks end", STARTED, || async { if ends() >= 6 { Ok(()) } else { Err(ends()) } }).await;
    let (begun, stopped) =
        (world.said("begin").into_iter().filter(of_long).count(), world.said("stopped").into_iter().filter(of_long).count());
    assert_eq!((begun, stopped), (6, 0), "executions and stops of the six long tasks");
}

/// A store takes no writes for a while: what is not durable is not accepted, the objects say which store it is, and all goes on by
/// itself.
async fn refused(seed: u64, name: &str, fault: Fault) {
    let mut cast = Cast::new(name, 1, LEASE).await;
    let reason = if fault == Fault::RedisFull { "QueueUnavailable" } else { "LedgerUnavailable" };
    refuse(&mut cast, seed, fault, reason).await;
}

/// The disk of the ledger has no room left.
async fn full(seed: u64) {
    let Some(mut disk) = SmallDisk::mount() else {
        return say("postgres_full: skipped, a small disk cannot be mounted here");
    };
    let world = World::with("postgres_full", LEASE, Ledger::on(&mut disk).await).await;
    let mut cast = Cast::in_world(world, 1).await;
    cast.disk = Some(disk);
    refuse(&mut cast, seed, Fault::PostgresFull, "LedgerUnavailable").await;
}

async fn refuse(cast: &mut Cast, seed: u64, fault: Fault, reason: &str) {
    let world = cast.world.clone();
    let load = Load::start(&world, seed, 60);
    for round in 1..=2 {
        cast.until_completed(round * 40).await;
        world.fault(fault.class(), reason);
        fault.strike(cast).await;
        let job = plain(&format!("meanwhile-{round}"), &[(5, work(5, 50, 0))]);
        world.submit(&job).await;
        until_stalled(&world, reason).await;
        // On a full disk there may be room in a page that is there: then it is durable, as the checker will see.
        if reason == "LedgerUnavailable" && fault != Fault::PostgresFull {
            let object = world.job(&job.name).await.expect("the job");
            assert_ne!(condition(&object, "Accepted"), "True", "nothing is accepted that is not durable");
        }
        fault.heal(cast).await;
        let healed = world.healed(fault.class(), reason);
        let took = cast.until_work_goes_on(fault, healed).await;
        world.recovered(fault.class(), took, fault.bound(LEASE));
        assert!(world.accepted(&job.name, STARTED).await, "what was submitted meanwhile is accepted");
    }
    load.stop().await;
    world.finish().await;
}

/// Waits until an object says that Igor cannot act for this reason.
async fn until_stalled(world: &World, reason: &str) {
    let stalls = |object: &DynamicObject| {
        let conditions = object.data["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|one| one["type"] == "Stalled" && one["status"] == "True" && one["reason"] == reason)
    };
    crate::support::until(&format!("an object says Stalled, {reason}"), STARTED, || async {
        let objects = world.jobs().list(&Default::default()).await.expect("the jobs");
        if objects.iter().any(stalls) { Ok(()) } else { Err("none does") }
    })
    .await;
}

async fn restarted(seed: u64) {
    let mut cast = Cast::new("postgres_restarted", 2, LEASE).await;
    let world = cast.world.clone();
    let load = Load::start(&world, seed, 60);
    for round in 1..=3 {
        cast.until_completed(round * 40).await;
        cast.suffer_and_go_on(Fault::PostgresRestarted, Duration::from_secs(2)).await;
    }
    load.stop().await;
    world.finish().await;
}

/// What was accepted runs to its end without the API server, for longer than the leader's lease lasts.
async fn apiserver_down(seed: u64) {
    const BOUND: Duration = Duration::from_secs(10);
    let mut cast = Cast::new("apiserver_down", 2, LEASE).await;
    let world = cast.world.clone();
    world.submit(&plain("work", &[(200, work(200, 400, 0)), (60, work(100, 200, 0))])).await;
    assert!(world.accepted("work", STARTED).await);
    cast.until_completed(20).await;
    world.fault(Fault::ApiserverDown.class(), "all");
    Fault::ApiserverDown.strike(&mut cast).await;
    world.until_count(COMPLETED, STARTED, |count| count == 260).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    Fault::ApiserverDown.heal(&mut cast).await;
    let since = world.healed(Fault::ApiserverDown.class(), "all");
    let shown = world.wait_for("work", BOUND * 3, |object| condition(object, "Complete") == "True").await;
    assert!(shown.is_some(), "the status is never right");
    world.recovered("apiserver down: status right", since.elapsed(), BOUND);
    let took = cast.until_work_goes_on(Fault::ApiserverDown, since).await;
    world.recovered("apiserver down: a new job is accepted", took, BOUND);
    let load = Load::start(&world, seed, 60);
    cast.until_completed(300).await;
    load.stop().await;
    world.finish().await;
}
