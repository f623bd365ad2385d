//! What is known of each task type: its workers, how fast it drains, how far its results are committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::core::wait::nearest;
use crate::queue::{self, Backlog, EntryId, Lane, TypeKey};

/// The window of a type that nobody is known to serve.
const UNSERVED: (usize, usize) = (1, 1);
/// Workers look each second whether a type of theirs has come into being.
const NOTICED: Duration = Duration::from_secs(3);

/// One type.
#[derive(Clone, Debug, Default)]
struct Type {
    workers: usize,
    slots: usize,
    batch: usize,
    /// Entries that no worker has, as of the last look.
    undelivered: u64,
    /// Tasks that are ready and not handed out, as far as the dispatcher was asked.
    ready: u64,
    /// Since when nobody is seen to serve it.
    alone: Option<Instant>,
    /// Whether that lasts longer than workers take to notice a new type.
    unserved: bool,
    /// Workers that hold tasks and are not heard of.
    silent: BTreeSet<String>,
    drained: u32,
    rate: f64,
    /// The newest result that is committed to the ledger and deleted.
    committed: Option<EntryId>,
    /// The generation of its data that this leader wrote or found.
    generation: Option<String>,
    /// By lane: entries up to this one have been delivered.
    delivered: [EntryId; Lane::ALL.len()],
}

/// All types, shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Types(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Woken at each commit of results.
    committed: Notify,
    /// Somebody wants to know how much is ready.
    asked: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    types: BTreeMap<TypeKey, Type>,
    rated: Option<Instant>,
    /// What workers say they serve, as of the last search.
    served: BTreeSet<TypeKey>,
}

/// What a look at the workers of a type found.
#[derive(Debug, Default)]
pub(super) struct Staff {
    /// Those that are heard of.
    pub(super) workers: usize,
    pub(super) slots: usize,
    pub(super) batch: usize,
    /// Those that hold tasks and are not heard of.
    pub(super) silent: BTreeSet<String>,
}

/// How a type stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    pub(super) workers: usize,
    /// Entries that no worker has.
    pub(super) undelivered: u64,
    /// Tasks that are ready and not handed out.
    pub(super) ready: u64,
    /// By lane: entries up to this one have been delivered.
    pub(super) delivered: [EntryId; Lane::ALL.len()],
}

impl Types {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a look at the registry found; whether what people are told of the type's workers is another than before.
    pub(super) fn surveyed(&self, key: &TypeKey, staff: Staff) -> bool {
        let mut state = self.state();
        let known = state.types.entry(key.clone()).or_default();
        (known.workers, known.slots, known.batch) = (staff.workers, staff.slots, staff.batch);
        known.alone = if staff.workers == 0 { known.alone.or_else(|| Some(Instant::now())) } else { None };
        let unserved = known.alone.is_some_and(|since| since.elapsed() > NOTICED);
        let served_otherwise = std::mem::replace(&mut known.unserved, unserved) != unserved;
        let fell_silent = known.silent != staff.silent;
        known.silent = staff.silent;
        served_otherwise || fell_silent
    }

    /// Whether there is a type that nobody serves.
    pub(super) fn any_unserved(&self) -> bool {
        self.state().types.values().any(|known| known.unserved)
    }

    /// What workers say they serve; whether that is news.
    pub(super) fn found(&self, served: BTreeSet<TypeKey>) -> bool {
        let mut state = self.state();
        let is_news = state.served != served;
        state.served = served;
        is_news
    }

    /// The type of the same queue that has workers and nearly the same name.
    pub(super) fn meant(&self, key: &TypeKey) -> Option<String> {
        let state = self.state();
        let known = state.served.iter().filter(|served| served.queue == key.queue).map(|served| served.kind.as_str());
        nearest(&key.kind, known).map(str::to_owned)
    }

    /// Workers that hold tasks of the type and are not heard of.
    pub(super) fn silent(&self, key: &TypeKey) -> BTreeSet<String> {
        self.state().types.get(key).map(|known| known.silent.clone()).unwrap_or_default()
    }

    /// The type's data in Redis are whole, and this is their generation.
    pub(super) fn opened(&self, key: &TypeKey, generation: String) {
        self.state().types.entry(key.clone()).or_default().generation = Some(generation);
    }

    /// The generation of the type's data, unless it is being made or restored.
    pub(super) fn generation(&self, key: &TypeKey) -> Option<String> {
        self.state().types.get(key)?.generation.clone()
    }

    /// The types' data are about to be compared or restored.
    pub(super) fn close(&self) {
        for known in self.state().types.values_mut() {
            known.generation = None;
        }
    }

    /// How far each lane of a type has been delivered.
    pub(super) fn delivered(&self, key: &TypeKey, backlog: &[Backlog]) {
        let mut state = self.state();
        let known = state.types.entry(key.clone()).or_default();
        for (known, seen) in known.delivered.iter_mut().zip(backlog) {
            // Ids rise with the time, also beyond a loss of the data.
            *known = seen.delivered.max(*known);
        }
        known.undelivered = backlog.iter().map(|lane| lane.length.saturating_sub(lane.pending)).sum();
    }

    /// Whether an entry was delivered as of the last look.
    pub(super) fn was_delivered(&self, key: &TypeKey, lane: Lane, entry: EntryId) -> bool {
        let place = Lane::ALL.iter().position(|known| *known == lane);
        self.state().types.get(key).zip(place).is_some_and(|(known, place)| entry <= known.delivered[place])
    }

    /// Results of the type up to `newest` are committed, `count` of them.
    pub(super) fn committed(&self, key: &TypeKey, newest: EntryId, count: u32) {
        let mut state = self.state();
        let known = state.types.entry(key.clone()).or_default();
        known.drained += count;
        known.committed = known.committed.max(Some(newest));
        drop(state);
        self.0.committed.notify_waiters();
    }

    /// Waits until every result of the type up to `last` is committed, at most for `limit`; whether it is.
    pub(super) async fn drained(&self, key: &TypeKey, last: Option<EntryId>, limit: Duration) -> bool {
        let Some(last) = last else { return true };
        let drained = async {
            loop {
                let mut commit = std::pin::pin!(self.0.committed.notified());
                commit.as_mut().enable();
                if self.state().types.get(key).is_some_and(|known| known.committed >= Some(last)) {
                    return;
                }
                commit.await;
            }
        };
        tokio::time::timeout(limit, drained).await.is_ok()
    }

    /// Turns what drained since the last call into rates.
    pub(super) fn rate(&self) {
        let mut state = self.state();
        let now = Instant::now();
        let passed = state.rated.replace(now).map_or(Duration::from_secs(1), |then| now - then).as_secs_f64().max(0.001);
        for known in state.types.values_mut() {
            known.rate = f64::from(std::mem::take(&mut known.drained)) / passed;
        }
    }

    /// Asks the dispatcher how much is ready: its word comes soon, and is believed until the next.
    pub(super) fn ask(&self) {
        self.0.asked.store(true, Ordering::Relaxed);
    }

    /// Whether that was asked since the last call.
    pub(super) fn is_asked(&self) -> bool {
        self.0.asked.swap(false, Ordering::Relaxed)
    }

    /// What is ready and not handed out; nothing of types that are not named.
    pub(super) fn ready(&self, ready: BTreeMap<Arc<TypeKey>, u64>) {
        let mut state = self.state();
        state.types.values_mut().for_each(|known| known.ready = 0);
        for (key, tasks) in ready {
            state.types.entry(TypeKey::clone(&key)).or_default().ready = tasks;
        }
    }

    /// What is known of each type, for those who watch.
    pub(super) fn standings(&self) -> Vec<(TypeKey, Standing)> {
        let standing = |known: &Type| Standing {
            workers: known.workers,
            undelivered: known.undelivered,
            ready: known.ready,
            delivered: known.delivered,
        };
        self.state().types.iter().map(|(key, known)| (key.clone(), standing(known))).collect()
    }

    /// How many tasks of the type may lie in Redis.
    pub(super) fn window(&self, key: &TypeKey) -> usize {
        let state = self.state();
        let (slots, batch, rate) =
            state.types.get(key).map_or((UNSERVED.0, UNSERVED.1, 0.0), |known| (known.slots, known.batch, known.rate));
        queue::window(slots, batch, rate)
    }

    /// Whether nobody has served the type for longer than workers take to notice a new one.
    pub(super) fn is_unserved(&self, key: &TypeKey) -> bool {
        self.state().types.get(key).is_some_and(|known| known.unserved)
    }
}
