//! Taking tasks and handing them to slots. Knows nothing of what a handler does.

mod take;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::take::BLOCK;
pub(super) use self::take::READ_TIMEOUT;
use super::report::Reporter;
use super::run;
use super::shared::{Backoff, Handler, Kind, Shared};
use super::task::Task;
use crate::queue::{Error, Link};

/// Tasks that found no free slot are given back after this, so that another worker takes them.
const KEEP_WAITING: Duration = Duration::from_secs(1);

pub(super) struct Fetcher {
    shared: Arc<Shared>,
    /// Fires when nothing new is to be taken.
    stopping: CancellationToken,
    link: Link,
    reporter: Reporter,
    /// Delivered, not yet begun, in the order of delivery; one list a type.
    waiting: Vec<Vec<Task>>,
    waiting_since: Option<Instant>,
    /// Types whose groups are there.
    ready: Vec<bool>,
    /// The connection on which the own pending list was read last.
    looked_back_on: u64,
    look_back_again: Option<Instant>,
    /// The last task delivered was to run alone: the next ones may be too, so they are taken one by one.
    last_was_solo: bool,
    first_kind: usize,
    running: JoinSet<()>,
}

impl Fetcher {
    pub(super) fn new(shared: Arc<Shared>, link: Link, reporter: Reporter, stopping: CancellationToken) -> Self {
        let kinds = shared.kinds.len();
        Self {
            shared,
            stopping,
            link,
            reporter,
            waiting: (0..kinds).map(|_| Vec::new()).collect(),
            waiting_since: None,
            ready: vec![false; kinds],
            looked_back_on: 0,
            look_back_again: None,
            last_was_solo: false,
            first_kind: 0,
            running: JoinSet::new(),
        }
    }

    /// Takes and hands out tasks until `stopping` fires; then gives back what was not begun. The calls that still run are returned.
    pub(super) async fn run(mut self) -> JoinSet<()> {
        let mut backoff = Backoff::new();
        while !self.stopping.is_cancelled() {
            match self.step().await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "cannot read tasks");
                    self.link.reset().await;
                    tokio::select! {
                        () = self.stopping.cancelled() => {}
                        () = tokio::time::sleep(backoff.step()) => {}
                    }
                }
            }
        }
        self.release_waiting("Shutdown");
        // A read whose reply got lost may have delivered something: that is given back too.
        if tokio::time::timeout(BLOCK, self.look_back_if_due()).await.is_ok() {
            self.release_waiting("Shutdown");
        }
        self.running
    }

    async fn step(&mut self) -> Result<(), Error> {
        while self.running.try_join_next().is_some() {}
        if self.waiting_since.is_none() {
            self.look_for_types().await?;
            self.look_back_if_due().await?;
        }
        if self.waiting_since.is_none() {
            if self.room() == 0 {
                self.wait_for_room().await;
                return Ok(());
            }
            self.take().await?;
        }
        self.hand_out().await;
        Ok(())
    }

    /// Free slots, as far as not too much is still in hand because its results cannot be written.
    fn room(&self) -> usize {
        let largest = self.shared.kinds.iter().map(Kind::batch_now).max().unwrap_or(1);
        let bound = self.shared.slot_count * largest * 4 + 100;
        if self.shared.table.len() >= bound { 0 } else { self.shared.slots.available_permits() }
    }

    async fn wait_for_room(&mut self) {
        let shared = self.shared.clone();
        let left = shared.left.notified();
        tokio::pin!(left);
        left.as_mut().enable();
        if self.room() > 0 {
            return;
        }
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = left => {}
            _ = self.running.join_next(), if !self.running.is_empty() => {}
        }
    }

    fn has_solo(&self) -> bool {
        self.waiting.iter().flatten().any(|task| task.header.solo)
    }

    /// Starts what has a free slot; what has none waits a little, then it is given back.
    async fn hand_out(&mut self) {
        if self.has_solo() {
            return self.run_alone().await;
        }
        for number in 0..self.waiting.len() {
            let batch = match self.shared.kinds[number].handler {
                Handler::One(_) => 1,
                Handler::Batch(_) => self.shared.kinds[number].batch_now(),
            };
            while !self.waiting[number].is_empty() {
                let Ok(slot) = self.shared.slots.clone().try_acquire_owned() else { break };
                let many = self.waiting[number].len().min(batch);
                let rest = self.waiting[number].split_off(many);
                let tasks = std::mem::replace(&mut self.waiting[number], rest);
                let call = run::run(self.shared.clone(), self.reporter.clone(), number, tasks);
                self.running.spawn(async move {
                    call.await;
                    drop(slot);
                });
            }
        }
        let Some(since) = self.waiting_since else { return };
        if self.waiting.iter().all(Vec::is_empty) {
            self.waiting_since = None;
        } else if since.elapsed() >= KEEP_WAITING {
            self.release_waiting("Busy");
        } else {
            tokio::select! {
                () = self.stopping.cancelled() => {}
                () = tokio::time::sleep_until(since + KEEP_WAITING) => {}
                _ = self.running.join_next(), if !self.running.is_empty() => {}
            }
        }
    }

    /// A task of which an earlier attempt was lost may be what crashed its worker: it takes nobody along.
    async fn run_alone(&mut self) {
        let place = (0..self.waiting.len()).find_map(|kind| Some((kind, self.waiting[kind].iter().position(|task| task.header.solo)?)));
        let Some((number, at)) = place else { return };
        let solo = self.waiting[number].remove(at);
        self.release_waiting("Solo");
        let all = u32::try_from(self.shared.slot_count).unwrap_or(u32::MAX);
        let slots = tokio::select! {
            () = self.stopping.cancelled() => None,
            slots = self.shared.slots.clone().acquire_many_owned(all) => slots.ok(),
        };
        if slots.is_none() {
            return self.reporter.release(&solo.held, "Shutdown", None);
        }
        let call = run::run(self.shared.clone(), self.reporter.clone(), number, vec![solo]);
        self.running.spawn(async move {
            call.await;
            drop(slots);
        });
    }

    fn release_waiting(&mut self, why: &str) {
        for task in self.waiting.iter_mut().flat_map(|tasks| tasks.drain(..)) {
            self.reporter.release(&task.held, why, None);
        }
        self.waiting_since = None;
    }
}
