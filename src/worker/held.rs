//! The tasks that this worker holds: each with its lease, its cancel token and what became of it so far.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::outcome::{Failure, Outcome};
use crate::queue::{EntryRef, Header};
use crate::trace;

/// Why a handler was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The entry is gone, or a kill named the attempt.
    Killed,
    /// Ran longer than its timeout.
    Timeout,
    /// Ran into its deadline.
    Deadline,
    /// The worker shuts down.
    Shutdown,
    /// No contact with Redis for so long that the work may run elsewhere.
    NoContact,
}

/// What the handler said of a task.
pub(super) type Verdict = Result<Outcome, Failure>;

/// One task in hand, from its delivery until its result is stored.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) kind: usize,
    pub(super) entry: EntryRef,
    pub(super) task: Uuid,
    pub(super) attempt: u32,
    pub(super) exclusive: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) deadline_ms: Option<i64>,
    pub(super) token: CancellationToken,
    /// The span of the attempt, when its spans are sent.
    pub(super) attempt_span: Option<trace::Context>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stop: Option<(Stop, Instant)>,
    began: Option<Instant>,
    said_running: bool,
    verdict: Option<(Verdict, Instant)>,
    reported: bool,
    lease: Lease,
}

/// How the entry stands, as of the last renewal.
#[derive(Clone, Debug, Default)]
pub(super) struct Lease {
    /// The generation of the type's data in which the entry was last seen.
    pub(super) generation: Option<String>,
    /// When it was announced last; `Some` means that the announcement is the lease.
    pub(super) announced: Option<Instant>,
    /// The entry is gone for good: nothing is left to renew.
    pub(super) revoked: bool,
}

impl Held {
    pub(super) fn new(kind: usize, entry: EntryRef, header: &Header, generation: Option<String>) -> Self {
        let lease = Lease { generation, ..Lease::default() };
        Self {
            kind,
            entry,
            task: header.id,
            attempt: header.attempt,
            exclusive: header.exclusive,
            timeout: (header.timeout_ms > 0).then(|| Duration::from_millis(header.timeout_ms)),
            deadline_ms: (header.deadline_ms > 0).then_some(header.deadline_ms),
            token: CancellationToken::new(),
            attempt_span: header.traceparent.as_deref().filter(|_| trace::is_on()).and_then(trace::Context::parse),
            state: Mutex::new(State { lease, ..State::default() }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the start of the work on this task; `false`: it was stopped before, leave it.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.state();
        if state.stop.is_some() {
            return false;
        }
        state.began.get_or_insert_with(Instant::now);
        true
    }

    pub(super) fn began(&self) -> Option<Instant> {
        self.state().began
    }

    /// Tells the handler to stop; the first reason stays. Nothing when its verdict is there, except without contact: then nobody
    /// may hear of the task any more.
    pub(super) fn stop(&self, why: Stop) {
        let mut state = self.state();
        if why == Stop::NoContact || (state.stop.is_none() && state.verdict.is_none()) {
            state.stop = Some((why, Instant::now()));
            drop(state);
            self.token.cancel();
        }
    }

    /// Stops a task that was not begun, for the shutdown; `false`: it was begun, or is stopped or decided.
    pub(super) fn spare(&self) -> bool {
        let mut state = self.state();
        if state.began.is_some() || state.stop.is_some() || state.verdict.is_some() {
            return false;
        }
        state.stop = Some((Stop::Shutdown, Instant::now()));
        drop(state);
        self.token.cancel();
        true
    }

    pub(super) fn stopped(&self) -> Option<Stop> {
        self.state().stop.map(|(why, _)| why)
    }

    /// Since when the handler ought to have stopped.
    pub(super) fn stopped_at(&self) -> Option<Instant> {
        self.state().stop.map(|(_, at)| at)
    }

    /// The handler's word; the first one stays.
    pub(super) fn decide(&self, verdict: Verdict) {
        self.state().verdict.get_or_insert_with(|| (verdict, Instant::now()));
    }

    pub(super) fn is_decided(&self) -> bool {
        self.state().verdict.is_some()
    }

    /// The verdict, and how long it took.
    pub(super) fn verdict(&self) -> Option<(Verdict, Duration)> {
        let state = self.state();
        state.verdict.as_ref().map(|(verdict, at)| (verdict.clone(), state.began.map_or(Duration::ZERO, |began| *at - began)))
    }

    /// Whether it is time to say that the task runs; says yes once.
    pub(super) fn take_running(&self, after: Duration, started: Instant) -> bool {
        let mut state = self.state();
        let due = !state.said_running && !state.reported && state.verdict.is_none();
        let due = due && state.began.unwrap_or(started).elapsed() >= after;
        state.said_running |= due;
        due
    }

    /// Whether its end is still to be reported; says yes once.
    pub(super) fn take_report(&self) -> bool {
        !std::mem::replace(&mut self.state().reported, true)
    }

    pub(super) fn is_reported(&self) -> bool {
        self.state().reported
    }

    pub(super) fn lease(&self) -> Lease {
        self.state().lease.clone()
    }

    pub(super) fn set_lease(&self, lease: Lease) {
        self.state().lease = lease;
    }
}

/// All tasks in hand, by type and entry.
#[derive(Debug, Default)]
pub(super) struct Table {
    held: Mutex<HashMap<(usize, EntryRef), Arc<Held>>>,
}

impl Table {
    fn held(&self) -> MutexGuard<'_, HashMap<(usize, EntryRef), Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a task; `false` when it is in hand already.
    pub(super) fn insert(&self, held: &Arc<Held>) -> bool {
        match self.held().entry((held.kind, held.entry)) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(held.clone());
                true
            }
        }
    }

    pub(super) fn contains(&self, kind: usize, entry: EntryRef) -> bool {
        self.held().contains_key(&(kind, entry))
    }

    pub(super) fn remove(&self, held: &Held) {
        self.held().remove(&(held.kind, held.entry));
    }

    pub(super) fn len(&self) -> usize {
        self.held().len()
    }

    /// All of them, in the order of their entries.
    pub(super) fn all(&self) -> Vec<Arc<Held>> {
        let mut all: Vec<_> = self.held().values().cloned().collect();
        all.sort_by_key(|held| (held.kind, held.entry));
        all
    }

    /// Those that are an attempt of a task.
    pub(super) fn attempts(&self, task: Uuid, attempt: u32) -> Vec<Arc<Held>> {
        self.held().values().filter(|held| held.task == task && held.attempt == attempt).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{EntryId, Lane};

    fn held() -> Held {
        let entry = EntryRef { lane: Lane::Normal, id: EntryId { ms: 1, seq: 0 } };
        Held::new(0, entry, &Header::new(Uuid::from_u128(1), 1), None)
    }

    #[test]
    fn the_first_reason_to_stop_stays_and_nothing_begins_after_it() {
        let held = held();
        held.stop(Stop::Killed);
        held.stop(Stop::Shutdown);
        assert_eq!((held.stopped(), held.token.is_cancelled(), held.begin()), (Some(Stop::Killed), true, false));
    }

    #[test]
    fn the_first_verdict_stays_and_is_reported_once() {
        let held = held();
        assert!(held.begin());
        held.decide(Ok(Outcome::message("a")));
        held.decide(Err(Failure::new("b")));
        held.stop(Stop::Killed);
        assert_eq!(held.verdict().map(|(verdict, _)| verdict), Some(Ok(Outcome::message("a"))));
        assert_eq!((held.stopped(), held.take_report(), held.take_report()), (None, true, false));
    }

    #[test]
    fn a_table_takes_an_entry_once() {
        let table = Table::default();
        let held = Arc::new(held());
        assert!(table.insert(&held) && !table.insert(&held) && table.contains(0, held.entry));
        assert_eq!((table.len(), table.attempts(held.task, 1).len(), table.attempts(held.task, 2).len()), (1, 1, 0));
        table.remove(&held);
        assert_eq!(table.len(), 0);
    }
}
