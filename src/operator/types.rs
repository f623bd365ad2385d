//! What is known of each task type: its workers, how fast it drains, how far its results are committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::queue::{self, EntryId, TypeKey};

/// The window of a type that nobody is known to serve.
const UNSERVED: (usize, usize) = (1, 1);
/// Workers look each second whether a type of theirs has come into being.
const NOTICED: Duration = Duration::from_secs(3);

/// One type.
#[derive(Clone, Debug, Default)]
struct Type {
    slots: usize,
    batch: usize,
    /// Since when nobody is seen to serve it.
    alone: Option<Instant>,
    /// Whether that lasts longer than workers take to notice a new type.
    unserved: bool,
    drained: u32,
    rate: f64,
    /// The newest result that is committed to the ledger and deleted.
    committed: Option<EntryId>,
}

/// All types, shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Types(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    types: BTreeMap<TypeKey, Type>,
    rated: Option<Instant>,
}

impl Types {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a look at the registry found; whether the type is served now and was not before, or the other way round.
    pub(super) fn surveyed(&self, key: &TypeKey, workers: usize, slots: usize, batch: usize) -> bool {
        let mut state = self.state();
        let known = state.types.entry(key.clone()).or_default();
        (known.slots, known.batch) = (slots, batch);
        known.alone = if workers == 0 { known.alone.or_else(|| Some(Instant::now())) } else { None };
        let unserved = known.alone.is_some_and(|since| since.elapsed() > NOTICED);
        std::mem::replace(&mut known.unserved, unserved) != unserved
    }

    /// Results of the type up to `newest` are committed, `count` of them.
    pub(super) fn committed(&self, key: &TypeKey, newest: EntryId, count: u32) {
        let mut state = self.state();
        let known = state.types.entry(key.clone()).or_default();
        known.drained += count;
        known.committed = known.committed.max(Some(newest));
    }

    /// Whether every result of the type up to `last` is committed.
    pub(super) fn is_committed(&self, key: &TypeKey, last: EntryId) -> bool {
        last == EntryId::ZERO || self.state().types.get(key).is_some_and(|known| known.committed >= Some(last))
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
