//! What may go wrong, one file for each part that breaks.

mod fault;
mod links;
mod mixture;
mod operators;
mod sabotage;
mod stores;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use crate::disk::SmallDisk;
use crate::slot::{Operator, Switches, Worker};
use crate::suite::Scenario;
use crate::world::World;

pub(crate) use self::mixture::mixture;

/// The short form.
pub(crate) fn all(seed: u64) -> Vec<Scenario> {
    let mixed = vec![mixture(seed, MIXED)];
    [sabotage::all(), operators::all(seed), workers::all(seed), links::all(seed), stores::all(seed), mixed].into_iter().flatten().collect()
}

/// How long the short form's mixture lasts.
const MIXED: Duration = Duration::from_secs(60);

/// The usual cast: operators named a, b …, and two workers of eight slots.
pub(crate) struct Cast {
    pub(crate) world: Arc<World>,
    pub(crate) operators: Vec<Operator>,
    pub(crate) workers: Vec<Worker>,
    /// Last: the database on it is dropped with it.
    pub(crate) disk: Option<SmallDisk>,
}

impl Cast {
    /// The first operator leads; others stand by.
    pub(crate) async fn new(name: &str, operators: usize, lease: Duration) -> Self {
        Self::in_world(World::new(name, lease).await, operators).await
    }

    /// The same in a world that is there.
    pub(crate) async fn in_world(world: Arc<World>, operators: usize) -> Self {
        let mut cast = Self { world: world.clone(), operators: Vec::new(), workers: Vec::new(), disk: None };
        for number in 0..2 {
            cast.workers.push(world.worker(&format!("worker-{number}"), 8).await);
        }
        for number in 0..operators {
            let mut operator = world.operator(&format!("operator-{number}")).await;
            operator.start(&Switches::default());
            if number == 0 {
                world.until_count("SELECT number FROM igor.epoch", STARTED, |epoch| epoch > 0).await;
            }
            cast.operators.push(operator);
        }
        cast
    }

    /// Waits until so many tasks have been completed.
    pub(crate) async fn until_completed(&self, tasks: i64) {
        self.world.until_count(COMPLETED, STARTED, |count| count >= tasks).await;
    }
}

/// A machine that does other things too may take that long to start a few processes.
pub(crate) const STARTED: Duration = Duration::from_secs(60);

pub(crate) const COMPLETED: &str = "SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'";
