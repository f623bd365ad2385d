//! Hands tasks out: decides how much each open layer may have in Redis, and lets the ledger and the queue do it.
//!
//! One loop does all pushes and revokes of a term, one after another, so that a revoke never overtakes the push that it is about.

mod shares;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use self::shares::Shares;
use super::pokes::Moved;
use super::term::Term;
use super::wakes::Woken;
use super::{Error, lost, rebuild, relay};
use crate::queue::TypeKey;
use crate::store::{Dispatched, Filled, OpenType, Want};

/// The shortest nap before a task that waits out of order: the ledger's clock may be a little behind ours.
const SHORTEST_NAP: Duration = Duration::from_millis(20);
/// Everything is read anew so often, should a signal ever be lost.
const FULL_LOOK: Duration = Duration::from_secs(10);

/// The tasks of one type in one open layer.
#[derive(Debug)]
struct Open {
    view: OpenType,
    key: Arc<TypeKey>,
}

impl Open {
    /// Whether there is something to dispatch now.
    fn is_hungry(&self, now_ms: i64) -> bool {
        self.view.next_ordinal < self.view.end || self.is_due(now_ms)
    }

    fn is_due(&self, now_ms: i64) -> bool {
        self.view.due_ms.is_some_and(|due| due <= now_ms)
    }

    /// The most that there may be to dispatch; what waits out of order is not counted here.
    fn left(&self, now_ms: i64) -> usize {
        let left = self.view.end.saturating_sub(self.view.next_ordinal) as usize;
        if self.is_due(now_ms) { usize::MAX } else { left }
    }
}

/// What the loop knows.
pub(super) struct Dispatcher {
    term: Arc<Term>,
    open: BTreeMap<(Uuid, Uuid, String), Open>,
    /// Types made ready in this run of the loop.
    keys: HashMap<TypeKey, Arc<TypeKey>>,
    /// Who had the last turn.
    last: Option<(Uuid, Uuid, String)>,
    /// Layers that opened because others ended, and since when their first tasks are awaited.
    advanced: HashMap<Uuid, Instant>,
    /// Outbox rows that are done in Redis, and not yet known to be deleted.
    pub(super) relayed: relay::Relayed,
}

/// Runs until the term is over.
pub(super) async fn run(term: Arc<Term>) -> Result<(), Error> {
    let mut dispatcher = Dispatcher::new(&term);
    rebuild::rebuild(&mut dispatcher, false).await?;
    dispatcher.look_at_everything().await?;
    let mut full_look = tokio::time::interval(FULL_LOOK);
    full_look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    full_look.reset();
    loop {
        // One transaction a turn: revokes, new jobs and the end of the term must not wait until a million tasks are out.
        let more = dispatcher.fill_once().await?;
        if term.types.is_asked() {
            term.types.ready(dispatcher.ready_by_type());
        }
        term.fine("dispatcher");
        let nap = dispatcher.nap();
        tokio::select! {
            biased;
            () = term.stop.cancelled() => return Ok(()),
            _ = full_look.tick() => {
                relay::relay(&mut dispatcher).await?;
                dispatcher.look_at_everything().await?;
            }
            () = term.wakes.wait() => {}
            () = std::future::ready(()), if more => {}
            () = tokio::time::sleep(nap) => {}
        }
        dispatcher.take_in(term.wakes.take()).await?;
        lost::stop_waiting(&mut dispatcher).await?;
    }
}

impl Dispatcher {
    fn new(term: &Arc<Term>) -> Self {
        Self {
            term: term.clone(),
            open: BTreeMap::new(),
            keys: HashMap::new(),
            last: None,
            advanced: HashMap::new(),
            relayed: relay::Relayed::default(),
        }
    }

    pub(super) fn term(&self) -> &Arc<Term> {
        &self.term
    }

    async fn take_in(&mut self, woken: Woken) -> Result<(), Error> {
        if woken.doubt {
            rebuild::rebuild(self, woken.moved).await?;
            self.look_at_everything().await?;
        }
        if let Some(ticket) = woken.outbox {
            relay::relay(self).await?;
            self.term.wakes.relayed(ticket);
        }
        if woken.doubt {
            return Ok(());
        }
        self.open.retain(|(_, layer, _), _| !woken.layers.contains_key(layer));
        self.advanced.extend(woken.advanced);
        self.note(woken.layers.into_values().flatten().collect()).await?;
        if woken.jobs.is_empty() {
            return Ok(());
        }
        let jobs: Vec<Uuid> = woken.jobs.iter().copied().collect();
        let seen = self.term.context.store.open_types_of(&jobs).await?;
        self.open.retain(|(known, _, _), _| !woken.jobs.contains(known));
        self.note(seen).await
    }

    async fn look_at_everything(&mut self) -> Result<(), Error> {
        let seen = self.term.context.store.open_types().await?;
        self.open.clear();
        // What is not open any more waits for somebody who unpauses it, or was killed.
        self.advanced.retain(|layer, _| seen.iter().any(|open| open.layer_id == *layer));
        self.note(seen).await
    }

    async fn note(&mut self, seen: Vec<OpenType>) -> Result<(), Error> {
        for view in seen {
            let Some(key) = self.term.key(&view.namespace, &view.queue, &view.kind) else { continue };
            let key = self.ready(key).await?;
            self.open.insert((view.job_id, view.layer_id, view.kind.clone()), Open { view, key });
        }
        Ok(())
    }

    /// The type, made ready in Redis and followed by the collector.
    pub(super) async fn ready(&mut self, key: TypeKey) -> Result<Arc<TypeKey>, Error> {
        if let Some(known) = self.keys.get(&key) {
            return Ok(known.clone());
        }
        let taken = self.take_over(key, false).await?;
        rebuild::judge_alone(self, &taken.key, taken.lying).await?;
        self.open(&taken.key, taken.generation).await?;
        Ok(taken.key)
    }

    /// Makes this leader the owner of a type, then reads what lies in its streams. `moved`: no generation is believed.
    pub(super) async fn take_over(&mut self, key: TypeKey, moved: bool) -> Result<rebuild::Taken, Error> {
        let queue = &self.term.context.queue;
        let found = queue.claim(&key, &self.term.meta(), self.term.owner).await?;
        if moved {
            queue.close(&key, self.term.owner).await?;
        }
        let lying = rebuild::read_lanes(self, &key).await?;
        self.term.followed.send_if_modified(|followed| followed.insert(key.clone()));
        let shared = Arc::new(key.clone());
        self.keys.insert(key, shared.clone());
        Ok(rebuild::Taken { key: shared, generation: found.generation.filter(|_| !moved), lying })
    }

    /// The type's data are whole: under the generation that was found, or a new one.
    pub(super) async fn open(&self, key: &TypeKey, generation: Option<String>) -> Result<(), Error> {
        let generation = match generation {
            Some(found) => found,
            None => self.term.context.queue.open(key, self.term.owner).await?,
        };
        self.term.types.opened(key, generation);
        Ok(())
    }

    /// Nothing is known to be ready in Redis any more.
    pub(super) fn forget_types(&mut self) {
        self.keys.clear();
        self.relayed = relay::Relayed::default();
    }

    /// Dispatches one transaction's worth; whether there may be more.
    async fn fill_once(&mut self) -> Result<bool, Error> {
        let wants = self.wants();
        if wants.is_empty() {
            return Ok(false);
        }
        let done = self.term.context.store.dispatch(self.term.epoch, &wants).await?;
        for filled in &done.filled {
            self.progress(filled, &wants);
        }
        if done.tasks.is_empty() {
            return Ok(false);
        }
        for job in done.tasks.iter().map(|task| task.job_id).collect::<BTreeSet<_>>() {
            self.term.poke(job, Moved::Count);
        }
        let of_advanced = |task: &Dispatched| self.advanced.remove(&task.layer_id);
        let begun: Vec<Instant> = done.tasks.iter().filter_map(of_advanced).collect();
        relay::push(self, done.tasks).await?;
        for since in begun {
            metrics::histogram!("igor_layer_advance_seconds").record(since.elapsed());
        }
        Ok(true)
    }

    fn progress(&mut self, filled: &Filled, wants: &[Want]) {
        let Some(want) = wants.iter().find(|want| want.layer_id == filled.layer_id && want.kind == filled.kind) else { return };
        let place = (want.job_id, want.layer_id, want.kind.clone());
        let Some(open) = self.open.get_mut(&place) else { return };
        (open.view.next_ordinal, open.view.end, open.view.due_ms) = (filled.next_ordinal, filled.end, filled.due_ms);
        let limited = open.view.layer_limit.is_some() || open.view.job_limit.is_some();
        if filled.blocked && !limited || !limited && open.view.next_ordinal >= open.view.end && open.view.due_ms.is_none() {
            self.open.remove(&place);
        }
    }

    /// Who gets how much of the room in each window: high lanes first, layers take turns, limits hold.
    fn wants(&mut self) -> Vec<Want> {
        let now = now_ms();
        let is_next = |place: &(Uuid, Uuid, String)| self.last.as_ref().is_none_or(|last| place > last);
        let (behind, before): (Vec<_>, Vec<_>) =
            self.open.iter().filter(|(_, open)| open.is_hungry(now)).partition(|(place, _)| is_next(place));
        let mut hungry: Vec<_> = behind.into_iter().chain(before).collect();
        hungry.sort_by_key(|(_, open)| open.view.lane);
        let mut shares = Shares::new(&self.term, hungry.iter().map(|(_, open)| *open));
        let served: Vec<_> = hungry.into_iter().filter_map(|(place, open)| Some((place, shares.take(open, now)?))).collect();
        let last = served.last().map(|(place, _)| (*place).clone());
        let wants = served.into_iter().map(|(_, want)| want).collect();
        self.last = last.or_else(|| self.last.take());
        wants
    }

    /// How many tasks of each type are ready and not handed out, at most: a layer of several types has them mixed.
    fn ready_by_type(&self) -> BTreeMap<Arc<TypeKey>, u64> {
        let mut ready = BTreeMap::new();
        for Open { view, key } in self.open.values() {
            *ready.entry(key.clone()).or_default() += u64::from(view.end.saturating_sub(view.next_ordinal));
        }
        ready
    }

    fn nap(&self) -> Duration {
        let now = now_ms();
        let due = self.open.values().filter_map(|open| open.view.due_ms).filter(|due| *due > now).min();
        let due = due.map(|due| Duration::from_millis(u64::try_from(due - now).unwrap_or(0)));
        let awaited = self.term.in_flight.awaited_until().map(|until| until.saturating_duration_since(Instant::now()));
        due.into_iter().chain(awaited).min().map_or(FULL_LOOK, |nap| nap.clamp(SHORTEST_NAP, FULL_LOOK))
    }
}

/// Unix milliseconds by this machine's clock.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
