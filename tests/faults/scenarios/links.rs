//! Links that are cut, reset, half-open or slow, between any two that talk to each other.

use std::time::Duration;

use super::Cast;
use super::fault::{Fault, Link};
use crate::load::Load;
use crate::suite::Scenario;
use crate::world::LEASE;

pub(super) fn all(seed: u64) -> Vec<Scenario> {
    vec![
        Scenario::new("link_operator_postgres", link(seed, "link_operator_postgres", Link::OperatorPostgres)),
        Scenario::new("link_operator_redis", link(seed + 1, "link_operator_redis", Link::OperatorRedis)),
        Scenario::new("link_operator_apiserver", link(seed + 2, "link_operator_apiserver", Link::OperatorApi)),
        Scenario::new("link_worker_redis", link(seed + 3, "link_worker_redis", Link::WorkerRedis)),
        Scenario::new("lease_stolen", stolen(seed + 4)),
    ]
}

async fn link(seed: u64, name: &str, link: Link) {
    let mut cast = Cast::new(name, 1, LEASE).await;
    let world = cast.world.clone();
    let load = Load::start(&world, seed, 60);
    cast.until_completed(40).await;
    for (fault, seconds) in [(Fault::Reset(link), 0), (Fault::Cut(link), 4), (Fault::HalfOpen(link), 8), (Fault::Late(link), 8)] {
        cast.suffer_and_go_on(fault, Duration::from_secs(seconds)).await;
    }
    load.stop().await;
    world.finish().await;
}

/// Somebody takes the leader's lease away: it gives up, and leads again when that lease has run out.
async fn stolen(seed: u64) {
    let mut cast = Cast::new("lease_stolen", 1, LEASE).await;
    let world = cast.world.clone();
    let load = Load::start(&world, seed, 60);
    cast.until_completed(40).await;
    let epoch = world.epoch().await;
    let since = cast.suffer(Fault::LeaseStolen, Duration::ZERO).await;
    let bound = Fault::LeaseStolen.bound(LEASE);
    let took = world.until_led(epoch, since, bound * 2).await;
    world.recovered(Fault::LeaseStolen.class(), took, bound);
    load.stop().await;
    world.finish().await;
}
