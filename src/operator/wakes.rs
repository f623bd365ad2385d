//! What wakes the dispatcher: room in the windows, jobs whose layers moved, rows in the outbox.
//!
//! Signals carry no truth: whoever wakes reads the ledger. Many signals while the dispatcher works are one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

/// What has happened since the last look.
#[derive(Debug, Default)]
pub(super) struct Woken {
    /// Jobs whose open layers must be read again.
    pub(super) jobs: HashSet<Uuid>,
    /// The outbox holds revokes or recalls.
    pub(super) outbox: bool,
    /// Redis may not hold what it should.
    pub(super) doubt: bool,
    /// It is another server than before, so what it holds may be an older copy.
    pub(super) moved: bool,
}

/// The shared signal.
#[derive(Clone, Debug, Default)]
pub(super) struct Wakes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    woken: Mutex<Woken>,
    notify: Notify,
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

    /// A command left rows in the outbox.
    pub(super) fn outbox(&self) {
        self.with(|woken| woken.outbox = true);
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
