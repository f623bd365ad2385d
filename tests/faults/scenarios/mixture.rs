//! Faults of all classes, in an order, at moments and in pairs that a seed says.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Cast;
use super::fault::{Fault, HEALED, Link};
use crate::load::Load;
use crate::say;
use crate::suite::Scenario;
use crate::world::LEASE;

const LINKS: [Link; 4] = [Link::OperatorPostgres, Link::OperatorRedis, Link::OperatorApi, Link::WorkerRedis];

/// A mixture for so long, then everything heals.
pub(crate) fn mixture(seed: u64, time: Duration) -> Scenario {
    let name = format!("mixture_seed_{seed}");
    Scenario::alone(&name.clone(), async move {
        say(&format!("{name}: {} s", time.as_secs()));
        mix(&name, seed, time).await;
    })
}

async fn mix(name: &str, seed: u64, time: Duration) {
    let mut cast = Cast::new(name, 2, LEASE).await;
    let world = cast.world.clone();
    let mut random = StdRng::seed_from_u64(seed);
    let load = Load::start(&world, seed, 60);
    cast.until_completed(40).await;
    let began = Instant::now();
    while began.elapsed() < time {
        let (first, second) = (any(&mut random), any(&mut random));
        let lasts = Duration::from_millis(random.random_range(200..6000));
        if random.random_ratio(1, 3) && first.part() != second.part() {
            both(&mut cast, first, second, lasts).await;
        } else {
            one(&mut cast, first, lasts).await;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(100..3000))).await;
    }
    load.stop().await;
    world.finish().await;
}

/// One fault, with its bound: that of a takeover where a standby may have to take over.
async fn one(cast: &mut Cast, fault: Fault, lasts: Duration) {
    let world = cast.world.clone();
    if let Fault::WorkerKilled(number) = fault {
        return super::workers::kill(cast, number, super::operators::TAKEOVER).await;
    }
    let healed = cast.suffer(fault, lasts).await;
    let took = cast.until_work_goes_on(fault, healed).await;
    world.recovered(fault.class(), took, fault.bound(world.lease).max(super::operators::TAKEOVER));
}

/// Two at once: what the slower of them may take.
async fn both(cast: &mut Cast, first: Fault, second: Fault, lasts: Duration) {
    let world = cast.world.clone();
    world.fault(first.class(), &format!("{first:?}"));
    first.strike(cast).await;
    world.fault(second.class(), &format!("{second:?}"));
    second.strike(cast).await;
    tokio::time::sleep(lasts).await;
    second.heal(cast).await;
    first.heal(cast).await;
    let healed = world.healed(first.class(), &format!("{first:?} and {second:?}"));
    let took = world.until_dispatch(healed, HEALED * 3).await;
    world.recovered("two faults at once", took, HEALED);
}

fn any(random: &mut StdRng) -> Fault {
    let which = random.random_range(0..2);
    let link = LINKS[random.random_range(0..LINKS.len())];
    match random.random_range(0..16) {
        0 | 1 => Fault::OperatorKilled(which),
        2 => Fault::OperatorStopped(which),
        3 | 4 => Fault::WorkerKilled(which),
        5 => Fault::WorkerStopped(which),
        6 => Fault::LeaseStolen,
        7 => Fault::RedisFlushed,
        8 => Fault::RedisRestarted,
        9 => Fault::RedisFull,
        10 => Fault::PostgresRestarted,
        11 => {
            if which == 0 {
                Fault::PostgresReadOnly
            } else {
                Fault::PostgresTaken
            }
        }
        12 => Fault::ApiserverDown,
        13 => {
            if which == 0 {
                Fault::Cut(link)
            } else {
                Fault::Reset(link)
            }
        }
        14 => Fault::HalfOpen(link),
        _ => Fault::Late(link),
    }
}
