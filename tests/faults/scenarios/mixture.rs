//! Faults of all classes, one after the other at random, from a seed.

use std::time::Duration;

use crate::suite::Scenario;

/// A mixture for so long, then everything heals.
pub(crate) fn mixture(seed: u64, time: Duration) -> Scenario {
    Scenario::new(&format!("mixture_{seed}"), mix(seed, time))
}

async fn mix(_seed: u64, _time: Duration) {}
