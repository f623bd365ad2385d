//! What wakes the dispatcher: room in the windows, jobs whose layers moved, rows in the outbox.
//!
//! Signals carry no truth: dispatch decides in the ledger. Many signals while the dispatcher works are one.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::store::{JobChange, OpenType};

/// How long it is waited for Redis before a command is left unacknowledged: other jobs wait meanwhile.
const PATIENCE: Duration = Duration::from_millis(500);

/// What has happened since the last look.
#[derive(Debug, Default)]
pub(super) struct Woken {
    /// Jobs whose open layers must be read again.
    pub(super) jobs: HashSet<Uuid>,
    /// Layers that opened, with what there is to dispatch; and those that ended, with nothing.
    pub(super) layers: HashMap<Uuid, Vec<OpenType>>,
    /// Layers that opened because others ended, and when the results that ended those were taken in.
    pub(super) advanced: HashMap<Uuid, Instant>,
    /// The outbox holds revokes or recalls; who waits for the last of those that asked.
    pub(super) outbox: Option<Ticket>,
    /// Redis may not hold what it should.
    pub(super) doubt: bool,
    /// It is another server than before, so what it holds may be an older copy.
    pub(super) moved: bool,
}

/// A place in the order of those who wait until the outbox is done in Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// The shared signal.
#[derive(Clone, Debug, Default)]
pub(super) struct Wakes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    woken: Mutex<Woken>,
    notify: Notify,
    asked: AtomicU64,
    relayed: watch::Sender<Ticket>,
}

impl Wakes {
    /// Entries left Redis: there is room.
    pub(super) fn room(&self) {
        self.0.notify.notify_one();
    }

    /// Layers of these jobs opened, ended, were paused or have tasks again.
    pub(super) fn jobs(&self, jobs: impl IntoIterator<Item = Uuid>) {
        self.with(|woken| woken.jobs.extend(jobs));
    }

    /// A transaction opened or ended layers, and says which: the ledger need not be asked.
    pub(super) fn layers(&self, change: &JobChange) {
        self.with(|woken| {
            woken.layers.extend(change.closed.iter().map(|layer| (*layer, Vec::new())));
            for open in &change.opened {
                let types = woken.layers.entry(open.layer_id).or_default();
                types.retain(|known| known.kind != open.kind);
                types.push(open.clone());
            }
        });
    }

    /// A result that was taken in at that moment opened the layers of this change.
    pub(super) fn advanced(&self, change: &JobChange, taken_in: Instant) {
        if !change.opened.is_empty() {
            self.with(|woken| woken.advanced.extend(change.opened.iter().map(|open| (open.layer_id, taken_in))));
        }
    }

    /// A command left rows in the outbox.
    pub(super) fn outbox(&self) -> Ticket {
        let ticket = Ticket(self.0.asked.fetch_add(1, Ordering::Relaxed) + 1);
        self.with(|woken| woken.outbox = woken.outbox.max(Some(ticket)));
        ticket
    }

    /// What was in the outbox when this ticket was given is done in Redis.
    pub(super) fn relayed(&self, ticket: Ticket) {
        self.0.relayed.send_if_modified(|last| {
            let is_news = ticket > *last;
            *last = ticket.max(*last);
            is_news
        });
    }

    /// Waits a little until what was in the outbox at that ticket is done in Redis; whether it is.
    pub(super) async fn is_relayed(&self, ticket: Ticket) -> bool {
        let mut relayed = self.0.relayed.subscribe();
        tokio::time::timeout(PATIENCE, relayed.wait_for(|last| *last >= ticket)).await.is_ok_and(|waited| waited.is_ok())
    }

    /// Redis may not hold what it should: everything is compared anew.
    pub(super) fn doubt(&self) {
        self.with(|woken| woken.doubt = true);
    }

    /// Redis is another server than before: everything is compared anew, under new generations.
    pub(super) fn moved(&self) {
        self.with(|woken| (woken.doubt, woken.moved) = (true, true));
    }

    fn with(&self, note: impl FnOnce(&mut Woken)) {
        note(&mut self.0.woken.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.notify.notify_one();
    }

    /// Waits for a signal; what came before the call counts.
    pub(super) async fn wait(&self) {
        self.0.notify.notified().await;
    }

    /// Takes what has happened.
    pub(super) fn take(&self) -> Woken {
        std::mem::take(&mut *self.0.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asked_waits_for_a_round_that_began_afterwards() {
        let wakes = Wakes::default();
        let first = wakes.outbox();
        let round = wakes.take().outbox.expect("asked");
        let second = wakes.outbox();
        wakes.relayed(round);
        assert!(wakes.is_relayed(first).await);
        assert!(!wakes.is_relayed(second).await);
        wakes.relayed(wakes.take().outbox.expect("asked"));
        assert!(wakes.is_relayed(second).await);
    }
}
