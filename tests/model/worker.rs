//! A worker: holds entries, reports how they ended, renews; may die, fall silent and come back.

use igor::core::fold::Said;

use crate::queue::{EntryId, Holder, Queue, Told};

/// A task in hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) kind: usize,
    pub(crate) entry: EntryId,
    pub(crate) attempt: u32,
    /// The generation of the data in which it was fetched.
    generation: Option<u32>,
    /// Redis lost the entry: the announcement is the lease.
    announced: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    /// Longer than a lease without renewing: to the operator it may be dead.
    pub(crate) silent: bool,
    pub(crate) held: Vec<Held>,
}

/// What a heartbeat finds of a task in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beat {
    Leased,
    Revoked,
    ToAnnounce,
    Announced,
}

impl Worker {
    pub(crate) fn receive(&mut self, kind: usize, entry: EntryId, attempt: u32, generation: Option<u32>) {
        self.held.push(Held { kind, entry, attempt, generation, announced: false });
    }

    /// The handler ends, or the worker gives the task back; the result is stored.
    pub(crate) fn finish(&mut self, me: usize, queue: &mut Queue, place: usize, said: Said) {
        let held = self.held.remove(place);
        let in_time = !self.silent && queue.is_held(held.kind, held.entry, me);
        tell(queue, &held, said, in_time);
    }

    /// Whether the next heartbeat would change anything.
    pub(crate) fn has_news(&self, me: usize, queue: &Queue) -> bool {
        !self.silent && self.held.iter().any(|held| matches!(look(held, me, queue), Beat::Revoked | Beat::ToAnnounce))
    }

    /// A heartbeat: what was revoked is stopped, what Redis has lost is announced.
    pub(crate) fn beat(&mut self, me: usize, queue: &mut Queue) {
        for mut held in std::mem::take(&mut self.held) {
            match look(&held, me, queue) {
                Beat::Revoked => continue,
                Beat::ToAnnounce => {
                    held.announced = true;
                    tell(queue, &held, Said::Running, true);
                }
                Beat::Leased | Beat::Announced => {}
            }
            self.held.push(held);
        }
    }

    /// The operator's word that an attempt is to stop; only a hint.
    pub(crate) fn hear_kill(&mut self, task: usize, attempt: u32) {
        self.held.retain(|held| held.entry.task != task || held.attempt != attempt);
    }

    /// The process dies with what it holds, and another takes its place under another name.
    pub(crate) fn die(&mut self, me: usize, queue: &mut Queue) {
        *self = Self::default();
        for entry in queue.kinds.iter_mut().flat_map(|streams| &mut streams.lane) {
            if entry.holder == Holder::Worker(me) {
                entry.holder = Holder::Gone;
            }
        }
    }
}

fn look(held: &Held, me: usize, queue: &Queue) -> Beat {
    if queue.is_held(held.kind, held.entry, me) {
        Beat::Leased
    } else if queue.generation.is_some() && queue.generation == held.generation {
        Beat::Revoked
    } else if held.announced {
        Beat::Announced
    } else {
        Beat::ToAnnounce
    }
}

fn tell(queue: &mut Queue, held: &Held, said: Said, in_time: bool) {
    let told = Told { id: 0, entry: held.entry, task: held.entry.task, attempt: held.attempt, said, in_time };
    queue.tell(held.kind, &told);
}
