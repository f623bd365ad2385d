//! What a handler gets: one task, or a batch of them.

use std::ops::Deref;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::held::Held;
use super::outcome::{Failure, Outcome};
use crate::queue::Header;

/// A task to be run.
///
/// Its cancel token fires when the task is killed or skipped, runs out of time, or the worker shuts down: stop then and return an
/// error; what it says is replaced by the true reason. A handler that goes on regardless is dropped at its next `await` once the
/// stop grace is over. One that never awaits cannot be stopped inside its process: run such work with [`exec`](super::exec).
#[derive(Debug)]
pub struct Task {
    pub(super) header: Header,
    pub(super) args: Vec<u8>,
    pub(super) held: Arc<Held>,
}

impl Task {
    /// The task's id, the same over all attempts.
    pub fn id(&self) -> Uuid {
        self.header.id
    }

    /// The attempt, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.header.attempt
    }

    /// Retries left after this attempt.
    pub fn retries_left(&self) -> u32 {
        self.header.retries_left
    }

    /// `<namespace>/<name>` of the job.
    pub fn job(&self) -> &str {
        &self.header.job
    }

    /// The layer's name.
    pub fn layer(&self) -> &str {
        &self.header.layer
    }

    /// The task's name.
    pub fn name(&self) -> &str {
        &self.header.name
    }

    /// The task's index in its array; 0 for a task that is none.
    pub fn index(&self) -> u32 {
        self.header.index
    }

    /// W3C trace context for what the handler does, when the task is traced: of its run if this worker sends spans, else of its attempt.
    pub fn traceparent(&self) -> Option<&str> {
        self.header.traceparent.as_deref()
    }

    /// The arguments as they were given.
    pub fn args(&self) -> &[u8] {
        &self.args
    }

    /// The arguments as text.
    pub fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.args).map_err(|error| Failure::new(format!("the arguments are not UTF-8: {error}")).last())
    }

    /// The arguments read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.args).map_err(|error| Failure::new(format!("the arguments do not parse: {error}")).last())
    }

    /// Fires when the work shall stop.
    pub fn cancel_token(&self) -> &CancellationToken {
        &self.held.token
    }

    /// Waits until the work shall stop.
    pub async fn cancelled(&self) {
        self.held.token.cancelled().await;
    }

    /// Whether the work shall stop.
    pub fn is_cancelled(&self) -> bool {
        self.held.token.is_cancelled()
    }
}

/// A task in a batch, which takes a status of its own.
///
/// What has none when the handler returns is completed, or failed if the handler did.
#[derive(Debug)]
pub struct BatchItem {
    task: Task,
}

impl BatchItem {
    pub(super) fn new(task: Task) -> Self {
        Self { task }
    }

    /// Says that the work on this task begins: its timeout counts from here. `false`: it was cancelled or given back meanwhile,
    /// leave it out. In a batch whose handler never says so, the tasks share the sum of their timeouts.
    pub fn begin(&self) -> bool {
        self.task.held.begin()
    }

    /// Ended well. The first status counts.
    pub fn complete(&self, outcome: impl Into<Outcome>) {
        self.task.held.decide(Ok(outcome.into()));
    }

    /// Left out on purpose.
    pub fn skip(&self, why: impl Into<String>) {
        self.task.held.decide(Ok(Outcome::skipped(why)));
    }

    /// Failed.
    pub fn fail(&self, failure: impl Into<Failure>) {
        self.task.held.decide(Err(failure.into()));
    }
}

impl Deref for BatchItem {
    type Target = Task;

    fn deref(&self) -> &Task {
        &self.task
    }
}

/// Tasks of one type for one call of a handler.
#[derive(Debug)]
pub struct Batch {
    items: Vec<BatchItem>,
}

impl Batch {
    pub(super) fn new(tasks: Vec<Task>) -> Self {
        Self { items: tasks.into_iter().map(BatchItem::new).collect() }
    }

    /// How many tasks; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The tasks, in the order of delivery.
    pub fn iter(&self) -> std::slice::Iter<'_, BatchItem> {
        self.items.iter()
    }
}

impl IntoIterator for Batch {
    type Item = BatchItem;
    type IntoIter = std::vec::IntoIter<BatchItem>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a BatchItem;
    type IntoIter = std::slice::Iter<'a, BatchItem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
