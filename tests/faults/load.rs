//! Work that goes on while faults happen: jobs submitted one after the other, some steered, from a seed.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::storm;
use crate::workload::{Jobs, Shape};
use crate::world::World;

/// How long a steering client waits for its acknowledgement.
const PATIENCE: Duration = Duration::from_secs(40);

/// Ways to steer a whole job.
const WHOLE: usize = 4;

/// Most jobs that are not over at once.
const AT_ONCE: i64 = 3;

pub(crate) struct Load {
    stop: CancellationToken,
    client: JoinHandle<()>,
}

impl Load {
    /// Submits jobs of about `tasks` tasks, so that a few are at work at any time; nearly every other one is steered.
    pub(crate) fn start(world: &Arc<World>, seed: u64, tasks: u32) -> Self {
        let stop = CancellationToken::new();
        let client = tokio::spawn(submit(world.clone(), seed, tasks, stop.clone()));
        Self { stop, client }
    }

    /// Submits no more, and waits until what was steered goes on by itself.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.client.await.expect("the client");
    }
}

async fn submit(world: Arc<World>, seed: u64, tasks: u32, stop: CancellationToken) {
    const ENDED: &str = "SELECT count(*) FROM igor.jobs WHERE finished_at IS NOT NULL OR status = 'ERRORED' OR paused_at IS NOT NULL";
    let mut jobs = Jobs::new(seed);
    let mut submitted = 0;
    let mut steering = tokio::task::JoinSet::new();
    while !stop.is_cancelled() {
        let job = jobs.next(tasks);
        let made = world.submit(&job).await;
        submitted += i64::from(made);
        let how = jobs.pick(20);
        if made && how < WHOLE {
            steering.spawn(steer(world.clone(), job.name, how));
        } else if made && how < WHOLE + storm::WAYS {
            steering.spawn(steer_part(world.clone(), job.name, job.shape, how - WHOLE));
        }
        let calm = async {
            // What the ledger does not know yet counts too.
            while world.ledger.count(ENDED).await.map_or(true, |ended| submitted - ended >= AT_ONCE) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        };
        stop.run_until_cancelled(calm).await;
    }
    while steering.join_next().await.is_some() {}
}

async fn steer_part(world: Arc<World>, job: String, shape: Vec<Shape>, way: usize) {
    if world.accepted(&job, PATIENCE).await {
        storm::steer(world, job, shape, way, PATIENCE).await;
    }
}

async fn steer(world: Arc<World>, job: String, how: usize) {
    if !world.accepted(&job, PATIENCE).await {
        return;
    }
    match how {
        0 => {
            world.pause(&job, PATIENCE).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            // Without an answer it may be paused or not: it must not stay so.
            while !world.unpause(&job, PATIENCE).await {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        1 => {
            world.kill_job(&job, PATIENCE).await;
        }
        2 => {
            world.kill_job(&job, PATIENCE).await;
            world.retry(&job, PATIENCE).await;
        }
        _ => {
            world.delete(&job).await;
        }
    }
}
