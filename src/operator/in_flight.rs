//! The table of what lies in Redis: which entry is which attempt of which task, bounded by the windows.
//!
//! It is memory only. A new leader rebuilds it from the streams and the ledger; nothing is decided by it alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::queue::{EntryId, Lane, TypeKey};
use crate::store::Attempt;

/// An entry in Redis and the attempt it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) key: Arc<TypeKey>,
    pub(super) lane: Lane,
    /// Its entry; `None` while the push is under way.
    pub(super) entry: Option<EntryId>,
    pub(super) attempt: u32,
    pub(super) layer: Uuid,
    pub(super) job: Uuid,
    /// How long its handler may run.
    pub(super) timeout: Option<Duration>,
    /// Since when it is here.
    pub(super) since: Instant,
}

impl Flight {
    /// An attempt that was found in a stream; its timeout counts from now.
    pub(super) fn new(key: &Arc<TypeKey>, lane: Lane, entry: Option<EntryId>, attempt: &Attempt) -> Self {
        let Attempt { attempt, layer_id, job_id, .. } = *attempt;
        Self { key: key.clone(), lane, entry, attempt, layer: layer_id, job: job_id, timeout: Some(Duration::ZERO), since: Instant::now() }
    }
}

/// How many entries there are of each type, layer and job.
#[derive(Debug, Default)]
struct Table {
    tasks: HashMap<Uuid, Flight>,
    entries: HashMap<(Arc<TypeKey>, Lane, EntryId), Uuid>,
    by_type: HashMap<Arc<TypeKey>, usize>,
    by_layer: HashMap<Uuid, usize>,
    by_job: HashMap<Uuid, usize>,
}

/// The shared table.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<Mutex<Table>>);

impl InFlight {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.table() = Table::default();
    }

    /// Notes an attempt that lies in Redis, or (without an entry) is about to be pushed; an older one of the task is forgotten.
    pub(super) fn insert(&self, task: Uuid, flight: Flight) {
        let mut table = self.table();
        table.remove(task);
        if let Some(entry) = flight.entry {
            table.entries.insert((flight.key.clone(), flight.lane, entry), task);
        }
        *table.by_type.entry(flight.key.clone()).or_default() += 1;
        *table.by_layer.entry(flight.layer).or_default() += 1;
        *table.by_job.entry(flight.job).or_default() += 1;
        table.tasks.insert(task, flight);
    }

    /// Notes where an announced attempt lies. Its result may have come before this: then there is nothing to note.
    pub(super) fn pushed(&self, task: Uuid, attempt: u32, entry: EntryId) {
        let mut table = self.table();
        let Some(flight) = table.tasks.get_mut(&task).filter(|flight| flight.attempt == attempt) else { return };
        flight.entry = Some(entry);
        let place = (flight.key.clone(), flight.lane, entry);
        table.entries.insert(place, task);
    }

    /// Forgets that attempt of a task, and says where it lay.
    pub(super) fn remove(&self, task: Uuid, attempt: u32) -> Option<Flight> {
        let mut table = self.table();
        (table.tasks.get(&task)?.attempt == attempt).then(|| table.remove(task)).flatten()
    }

    pub(super) fn get(&self, task: Uuid) -> Option<Flight> {
        self.table().tasks.get(&task).cloned()
    }

    /// The task and attempt of an entry.
    pub(super) fn at(&self, key: &TypeKey, lane: Lane, entry: EntryId) -> Option<(Uuid, u32)> {
        let place = (Arc::new(key.clone()), lane, entry);
        let table = self.table();
        let task = *table.entries.get(&place)?;
        Some((task, table.tasks.get(&task)?.attempt))
    }

    pub(super) fn of_type(&self, key: &TypeKey) -> usize {
        self.table().by_type.get(key).copied().unwrap_or(0)
    }

    pub(super) fn of_layer(&self, layer: Uuid) -> usize {
        self.table().by_layer.get(&layer).copied().unwrap_or(0)
    }

    pub(super) fn of_job(&self, job: Uuid) -> usize {
        self.table().by_job.get(&job).copied().unwrap_or(0)
    }

    /// How many entries of a type a layer has.
    pub(super) fn of_layer_and_type(&self, layer: Uuid, key: &TypeKey) -> usize {
        self.table().tasks.values().filter(|flight| flight.layer == layer && *flight.key == *key).count()
    }

    /// Whether anything may be running beyond its timeout: only then is the ledger asked.
    pub(super) fn has_overdue(&self, slack: Duration) -> bool {
        self.table().tasks.values().any(|flight| flight.timeout.is_some_and(|timeout| flight.since.elapsed() > timeout + slack))
    }

    /// The jobs that have entries of the type.
    pub(super) fn jobs_of(&self, key: &TypeKey) -> BTreeSet<Uuid> {
        self.table().tasks.values().filter(|flight| *flight.key == *key).map(|flight| flight.job).collect()
    }

    /// Everything of the layers, jobs or tasks that `picks` picks.
    pub(super) fn matching(&self, picks: impl Fn(Uuid, &Flight) -> bool) -> Vec<(Uuid, Flight)> {
        let table = self.table();
        table.tasks.iter().filter(|(task, flight)| picks(**task, flight)).map(|(task, flight)| (*task, flight.clone())).collect()
    }
}

impl Table {
    fn remove(&mut self, task: Uuid) -> Option<Flight> {
        let flight = self.tasks.remove(&task)?;
        if let Some(entry) = flight.entry {
            self.entries.remove(&(flight.key.clone(), flight.lane, entry));
        }
        forget_one(&mut self.by_type, &flight.key);
        forget_one(&mut self.by_layer, &flight.layer);
        forget_one(&mut self.by_job, &flight.job);
        Some(flight)
    }
}

fn forget_one<Key: std::hash::Hash + Eq>(counts: &mut HashMap<Key, usize>, key: &Key) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(key: &Arc<TypeKey>, attempt: u32, entry: Option<EntryId>) -> Flight {
        let (layer, job) = (Uuid::from_u128(10), Uuid::from_u128(20));
        Flight { key: key.clone(), lane: Lane::Normal, entry, attempt, layer, job, timeout: None, since: Instant::now() }
    }

    fn counts(table: &InFlight, key: &TypeKey) -> (usize, usize, usize) {
        (table.of_type(key), table.of_layer(Uuid::from_u128(10)), table.of_job(Uuid::from_u128(20)))
    }

    const TASK: Uuid = Uuid::from_u128(1);
    const ENTRY: EntryId = EntryId { ms: 5, seq: 0 };

    #[test]
    fn a_result_that_comes_before_the_push_is_confirmed_leaves_nothing_behind() {
        let (table, key) = (InFlight::default(), Arc::new(TypeKey::new("film.default", "render")));
        table.insert(TASK, flight(&key, 1, None));
        assert_eq!(counts(&table, &key), (1, 1, 1));
        assert!(table.remove(TASK, 1).is_some());
        table.pushed(TASK, 1, ENTRY);
        assert_eq!(counts(&table, &key), (0, 0, 0));
        assert_eq!(table.at(&key, Lane::Normal, ENTRY), None);
    }

    #[test]
    fn a_later_attempt_takes_the_place_of_an_earlier_one_whose_end_no_longer_counts() {
        let (table, key) = (InFlight::default(), Arc::new(TypeKey::new("film.default", "render")));
        table.insert(TASK, flight(&key, 1, Some(ENTRY)));
        table.insert(TASK, flight(&key, 2, None));
        assert_eq!(table.remove(TASK, 1), None);
        assert_eq!(table.at(&key, Lane::Normal, ENTRY), None);
        let later = EntryId { ms: 6, seq: 0 };
        table.pushed(TASK, 2, later);
        assert_eq!(table.at(&key, Lane::Normal, later), Some((TASK, 2)));
        assert_eq!(counts(&table, &key), (1, 1, 1));
    }
}
