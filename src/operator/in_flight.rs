//! The table of what is out: which entry in Redis is which attempt of which task, bounded by the windows.
//!
//! It is memory only. A new leader rebuilds it from the streams and the ledger; nothing is decided by it alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::queue::{EntryId, Lane, TypeKey};
use crate::store::Attempt;

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Its push is under way.
    Pushing,
    /// In a stream.
    Entry(EntryId),
    /// Redis lost its entry and it may be running: its worker has until then to announce it.
    Awaited(Instant),
    /// Redis lost its entry, and its worker announced then that it runs: that is its lease.
    Announced(Instant),
}

/// An attempt that is queued or running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) key: Arc<TypeKey>,
    pub(super) lane: Lane,
    pub(super) place: Place,
    pub(super) attempt: u32,
    pub(super) layer: Uuid,
    pub(super) job: Uuid,
    /// How long its handler may run.
    pub(super) timeout: Option<Duration>,
    /// Since when it is here.
    pub(super) since: Instant,
    /// The size of its arguments, as far as known.
    pub(super) bytes: usize,
    /// Its task's name, when its spans are sent.
    pub(super) traced: Option<Arc<str>>,
}

impl Flight {
    /// An attempt that was found again; its timeout counts from now.
    pub(super) fn new(key: &Arc<TypeKey>, lane: Lane, place: Place, attempt: &Attempt) -> Self {
        let Attempt { attempt, layer_id, job_id, .. } = *attempt;
        let (timeout, since) = (Some(Duration::ZERO), Instant::now());
        Self { key: key.clone(), lane, place, attempt, layer: layer_id, job: job_id, timeout, since, bytes: 0, traced: None }
    }

    /// Its entry, if it lies in a stream.
    pub(super) fn entry(&self) -> Option<EntryId> {
        match self.place {
            Place::Entry(entry) => Some(entry),
            Place::Pushing | Place::Awaited(_) | Place::Announced(_) => None,
        }
    }
}

/// What of a type is out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) tasks: usize,
    /// Of arguments.
    pub(super) bytes: usize,
}

/// How much there is of each type, layer and job.
#[derive(Debug, Default)]
struct Table {
    tasks: HashMap<Uuid, Flight>,
    entries: HashMap<(Arc<TypeKey>, Lane, EntryId), Uuid>,
    by_type: HashMap<Arc<TypeKey>, Load>,
    by_layer: HashMap<Uuid, usize>,
    by_job: HashMap<Uuid, usize>,
    /// Whose worker is awaited, and until when: asked for at each turn, and nearly always empty.
    awaited: HashMap<Uuid, Instant>,
}

/// The shared table.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<Mutex<Table>>);

impl InFlight {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything, and says what was known.
    pub(super) fn take(&self) -> HashMap<Uuid, Flight> {
        std::mem::take(&mut *self.table()).tasks
    }

    /// Notes an attempt; what was known of an older one of the task is given back.
    pub(super) fn insert(&self, task: Uuid, flight: Flight) -> Option<Flight> {
        let mut table = self.table();
        let older = table.remove(task);
        if let Some(entry) = flight.entry() {
            table.entries.insert((flight.key.clone(), flight.lane, entry), task);
        }
        if let Place::Awaited(until) = flight.place {
            table.awaited.insert(task, until);
        }
        let load = table.by_type.entry(flight.key.clone()).or_default();
        (load.tasks, load.bytes) = (load.tasks + 1, load.bytes + flight.bytes);
        *table.by_layer.entry(flight.layer).or_default() += 1;
        *table.by_job.entry(flight.job).or_default() += 1;
        table.tasks.insert(task, flight);
        older
    }

    /// Notes where a pushed attempt lies. Its result may have come before this: then there is nothing to note.
    pub(super) fn pushed(&self, task: Uuid, attempt: u32, entry: EntryId) {
        let mut table = self.table();
        let Some(flight) = table.tasks.get_mut(&task).filter(|flight| flight.attempt == attempt) else { return };
        flight.place = Place::Entry(entry);
        let place = (flight.key.clone(), flight.lane, entry);
        table.entries.insert(place, task);
    }

    /// Forgets that attempt of a task, and says where it lay.
    pub(super) fn remove(&self, task: Uuid, attempt: u32) -> Option<Flight> {
        let mut table = self.table();
        (table.tasks.get(&task)?.attempt == attempt).then(|| table.remove(task)).flatten()
    }

    /// Forgets those of these attempts that are of this type: of another one's tasks its stream proves nothing.
    pub(super) fn remove_of(&self, key: &TypeKey, attempts: &[(Uuid, u32)]) {
        let mut table = self.table();
        for (task, attempt) in attempts {
            if table.tasks.get(task).is_some_and(|flight| flight.attempt == *attempt && *flight.key == *key) {
                table.remove(*task);
            }
        }
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

    /// Its worker says that the attempt runs; whether it is known. Where Redis lost the entry, that is its lease from now on.
    pub(super) fn announced(&self, task: Uuid, attempt: u32) -> bool {
        let mut table = self.table();
        let Some(flight) = table.tasks.get_mut(&task).filter(|flight| flight.attempt == attempt) else { return false };
        if matches!(flight.place, Place::Awaited(_) | Place::Announced(_)) {
            flight.place = Place::Announced(Instant::now());
            if table.awaited.remove(&task).is_some() {
                tracing::info!(%task, attempt, "announced: its worker goes on with it");
            }
        }
        true
    }

    /// Our own way to Redis was broken: no announcement could be read, so none is missed.
    pub(super) fn excuse_announcements(&self) {
        for flight in self.table().tasks.values_mut() {
            if let Place::Announced(at) = &mut flight.place {
                *at = Instant::now();
            }
        }
    }

    /// When the first worker's time to announce what it runs is over.
    pub(super) fn awaited_until(&self) -> Option<Instant> {
        self.table().awaited.values().min().copied()
    }

    /// The attempts that nobody announced in time.
    pub(super) fn unannounced(&self, now: Instant) -> Vec<(Uuid, u32)> {
        let table = self.table();
        let late = table.awaited.iter().filter(|(_, until)| **until <= now);
        late.filter_map(|(task, _)| Some((*task, table.tasks.get(task)?.attempt))).collect()
    }

    /// How much is out, of all types.
    pub(super) fn len(&self) -> usize {
        self.table().tasks.len()
    }

    pub(super) fn of_type(&self, key: &TypeKey) -> Load {
        self.table().by_type.get(key).copied().unwrap_or_default()
    }

    /// How many entries of a type there are.
    pub(super) fn count_entries(&self, key: &TypeKey) -> usize {
        self.table().entries.keys().filter(|(of, ..)| **of == *key).count()
    }

    /// Of each of these types the oldest entry behind what its lanes have delivered, if there is one. One look at everything that is out.
    pub(super) fn oldest_undelivered(&self, delivered: &HashMap<&TypeKey, [EntryId; 3]>) -> HashMap<TypeKey, EntryId> {
        let mut oldest: HashMap<TypeKey, EntryId> = HashMap::new();
        for (key, lane, entry) in self.table().entries.keys() {
            let Some(delivered) = delivered.get(&**key) else { continue };
            let waits = Lane::ALL.iter().zip(delivered).any(|(known, last)| known == lane && entry > last);
            if waits && oldest.get(&**key).is_none_or(|known| entry < known) {
                oldest.insert((**key).clone(), *entry);
            }
        }
        oldest
    }

    /// The entries of a type.
    pub(super) fn entries_of(&self, key: &TypeKey) -> BTreeSet<(Lane, EntryId)> {
        let table = self.table();
        table.entries.keys().filter(|(of, ..)| **of == *key).map(|(_, lane, entry)| (*lane, *entry)).collect()
    }

    pub(super) fn of_layer(&self, layer: Uuid) -> usize {
        self.table().by_layer.get(&layer).copied().unwrap_or(0)
    }

    pub(super) fn of_job(&self, job: Uuid) -> usize {
        self.table().by_job.get(&job).copied().unwrap_or(0)
    }

    /// The layers that have something out.
    pub(super) fn layers(&self) -> BTreeSet<Uuid> {
        self.table().by_layer.keys().copied().collect()
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
        self.awaited.remove(&task);
        if let Some(entry) = flight.entry() {
            self.entries.remove(&(flight.key.clone(), flight.lane, entry));
        }
        if let Some(load) = self.by_type.get_mut(&flight.key) {
            (load.tasks, load.bytes) = (load.tasks - 1, load.bytes - flight.bytes);
            if load.tasks == 0 {
                self.by_type.remove(&flight.key);
            }
        }
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

    fn flight(key: &Arc<TypeKey>, attempt: u32, place: Place) -> Flight {
        let (layer, job) = (Uuid::from_u128(10), Uuid::from_u128(20));
        Flight {
            key: key.clone(),
            lane: Lane::Normal,
            place,
            attempt,
            layer,
            job,
            timeout: None,
            since: Instant::now(),
            bytes: 7,
            traced: None,
        }
    }

    fn counts(table: &InFlight, key: &TypeKey) -> (usize, usize, usize, usize) {
        let Load { tasks, bytes } = table.of_type(key);
        (tasks, bytes, table.of_layer(Uuid::from_u128(10)), table.of_job(Uuid::from_u128(20)))
    }

    const TASK: Uuid = Uuid::from_u128(1);
    const ENTRY: EntryId = EntryId { ms: 5, seq: 0 };

    #[test]
    fn a_result_that_comes_before_the_push_is_confirmed_leaves_nothing_behind() {
        let (table, key) = (InFlight::default(), Arc::new(TypeKey::new("film.default", "render")));
        table.insert(TASK, flight(&key, 1, Place::Pushing));
        assert_eq!(counts(&table, &key), (1, 7, 1, 1));
        assert!(table.remove(TASK, 1).is_some());
        table.pushed(TASK, 1, ENTRY);
        assert_eq!(counts(&table, &key), (0, 0, 0, 0));
        assert_eq!(table.at(&key, Lane::Normal, ENTRY), None);
    }

    #[test]
    fn a_later_attempt_takes_the_place_of_an_earlier_one_whose_end_no_longer_counts() {
        let (table, key) = (InFlight::default(), Arc::new(TypeKey::new("film.default", "render")));
        table.insert(TASK, flight(&key, 1, Place::Entry(ENTRY)));
        table.insert(TASK, flight(&key, 2, Place::Pushing));
        assert_eq!(table.remove(TASK, 1), None);
        assert_eq!(table.at(&key, Lane::Normal, ENTRY), None);
        let later = EntryId { ms: 6, seq: 0 };
        table.pushed(TASK, 2, later);
        assert_eq!(table.at(&key, Lane::Normal, later), Some((TASK, 2)));
        assert_eq!(counts(&table, &key), (1, 7, 1, 1));
    }

    #[test]
    fn only_what_redis_lost_lives_by_announcements() {
        let (table, key) = (InFlight::default(), Arc::new(TypeKey::new("film.default", "render")));
        table.insert(TASK, flight(&key, 1, Place::Entry(ENTRY)));
        assert!(table.announced(TASK, 1));
        assert_eq!(table.get(TASK).map(|flight| flight.place), Some(Place::Entry(ENTRY)));
        let until = Instant::now();
        table.insert(TASK, flight(&key, 2, Place::Awaited(until)));
        assert_eq!((table.awaited_until(), table.at(&key, Lane::Normal, ENTRY)), (Some(until), None));
        assert!(!table.announced(TASK, 1));
        assert_eq!(table.awaited_until(), Some(until));
        assert!(table.announced(TASK, 2));
        assert!(matches!(table.get(TASK).map(|flight| flight.place), Some(Place::Announced(at)) if at >= until));
        assert_eq!(table.awaited_until(), None);
    }
}
