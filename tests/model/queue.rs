//! The abstract queue: the wire contract of `docs/queue-contract.md` as far as it can lose, double or keep something.
//!
//! A lane is a stream with one group; an entry with a holder is in the pending list, and that is the lease. Scripts check the owner.

use igor::core::fold::Said;

use crate::ledger::Trouble;
use crate::worker::Worker;

/// An entry's id: the task, and the how manyeth entry of it. No id is ever given twice, as the ids of a stream are times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId {
    pub(crate) task: usize,
    pub(crate) copy: u32,
}

/// Who has an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// Nobody yet.
    Nobody,
    /// A worker, by its place.
    Worker(usize),
    /// A worker that is dead.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) id: EntryId,
    pub(crate) attempt: u32,
    pub(crate) holder: Holder,
}

/// A result entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub(crate) id: u32,
    pub(crate) entry: EntryId,
    pub(crate) task: usize,
    pub(crate) attempt: u32,
    pub(crate) said: Said,
    /// Its worker kept the lease when it said so.
    pub(crate) in_time: bool,
}

/// The keys of one kind: a lane and the results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Streams {
    pub(crate) lane: Vec<Entry>,
    pub(crate) results: Vec<Told>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    /// The epoch of the leader that prepared the types; `None` = data was lost, or nobody has yet.
    pub(crate) owner: Option<u32>,
    /// Which data this is.
    pub(crate) generation: Option<u32>,
    pub(crate) kinds: Vec<Streams>,
    next_result: u32,
}

impl Queue {
    pub(crate) fn new(kinds: usize) -> Self {
        Self { owner: None, generation: None, kinds: vec![Streams::default(); kinds], next_result: 0 }
    }

    /// FLUSHALL, or a restart without data.
    pub(crate) fn lose_data(&mut self) {
        *self = Self { next_result: self.next_result, ..Self::new(self.kinds.len()) };
    }

    /// Fails over to an older copy. Ids are times: none is given again. Nobody renews what has left the hands of its worker meanwhile.
    pub(crate) fn go_back_to(&mut self, older: Self, workers: &[Worker]) {
        *self = Self { next_result: self.next_result, ..older };
        for entry in self.kinds.iter_mut().flat_map(|streams| &mut streams.lane) {
            let holds = |worker: usize| workers[worker].held.iter().any(|held| held.entry == entry.id);
            if matches!(entry.holder, Holder::Worker(worker) if !holds(worker)) {
                entry.holder = Holder::Gone;
            }
        }
    }

    /// `Client::prepare`: the types are this leader's, unless a later one has them. `fresh` becomes the generation of new data.
    pub(crate) fn prepare(&mut self, epoch: u32, fresh: u32) -> Result<(), Trouble> {
        if self.owner.is_some_and(|owner| owner > epoch) {
            return Err(Trouble::Fenced);
        }
        self.owner = Some(epoch);
        self.generation.get_or_insert(fresh);
        Ok(())
    }

    /// What every script of the operator checks first.
    pub(crate) fn check_owner(&self, epoch: u32) -> Result<(), Trouble> {
        match self.owner {
            None => Err(Trouble::Doubt),
            Some(owner) if owner != epoch => Err(Trouble::Fenced),
            Some(_) => Ok(()),
        }
    }

    /// `Client::admit`, of one entry.
    pub(crate) fn add(&mut self, kind: usize, id: EntryId, attempt: u32) {
        self.kinds[kind].lane.push(Entry { id, attempt, holder: Holder::Nobody });
    }

    /// `Client::remove`: the entry leaves stream and pending list, which ends the lease.
    pub(crate) fn remove(&mut self, kind: usize, id: EntryId) {
        self.kinds[kind].lane.retain(|entry| entry.id != id);
    }

    /// `Client::recall`: takes an entry back if nobody has got it.
    pub(crate) fn recall(&mut self, kind: usize, id: EntryId) -> bool {
        let lane = &mut self.kinds[kind].lane;
        let before = lane.len();
        lane.retain(|entry| entry.id != id || entry.holder != Holder::Nobody);
        lane.len() < before
    }

    /// `XREADGROUP … >`: the oldest entry that nobody has got.
    pub(crate) fn deliver(&mut self, kind: usize, worker: usize) -> Option<Entry> {
        let entry = self.kinds[kind].lane.iter_mut().find(|entry| entry.holder == Holder::Nobody)?;
        entry.holder = Holder::Worker(worker);
        Some(entry.clone())
    }

    /// Whether a worker holds an entry: what `XCLAIM` answers.
    pub(crate) fn is_held(&self, kind: usize, id: EntryId, worker: usize) -> bool {
        self.kinds[kind].lane.iter().any(|entry| entry.id == id && entry.holder == Holder::Worker(worker))
    }

    /// `XADD r`.
    pub(crate) fn tell(&mut self, kind: usize, told: &Told) {
        self.next_result += 1;
        self.kinds[kind].results.push(Told { id: self.next_result, ..told.clone() });
    }

    /// A result stands in the stream twice: its worker repeated what it got no answer for.
    pub(crate) fn repeat(&mut self, kind: usize, place: usize) {
        let told = self.kinds[kind].results[place].clone();
        self.tell(kind, &told);
    }
}
