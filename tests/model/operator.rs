//! A term of leadership: its memory, and the loops that share it. All of it is lost with the process.
//!
//! An act either changes ledger and queue, or is refused: then the term ends, or everything is compared anew.

mod collector;
mod dispatcher;
mod rebuild;
mod sweeper;

use std::collections::BTreeMap;

use crate::ledger::{Ask, Change, Ledger, Scope, Snapshot, Trouble};
use crate::queue::{EntryId, Queue};
use crate::rules::{Rules, Safeguard};
use crate::worker::Worker;

/// An attempt that lies in Redis; without an entry while its push is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    attempt: u32,
    entry: Option<EntryId>,
}

/// How far the rebuild of the table is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// To make itself the owner of the types, and read the lanes.
    Claim,
    /// To read the ledger, and judge what lies in the lanes.
    Judge(Vec<(EntryId, u32)>),
    /// To do what the outbox holds, then to compare with what the ledger called in flight.
    Relay(Vec<(usize, u32)>),
    /// The table is right.
    Ready,
}

/// What a commit made superfluous in Redis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Settle {
    entries: Vec<(usize, EntryId)>,
    results: Vec<(usize, u32)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Term {
    pub(crate) epoch: u32,
    stage: Stage,
    table: BTreeMap<usize, Flight>,
    /// Committed as queued, to be pushed from memory.
    pushing: Vec<(usize, u32)>,
    /// Outbox rows that are done in Redis and not yet deleted.
    done: Vec<Change>,
    /// Taken back from the lanes, and not yet in the ledger; and the row that asked for it.
    recalled: Option<(Change, Vec<(usize, u32)>)>,
    /// What the collector has committed.
    settling: Option<Settle>,
    /// Entries found idle by a sweep, each with the newest result at that moment.
    suspects: BTreeMap<EntryId, Option<u32>>,
    /// Judged lost, to be committed.
    pub(crate) verdict: Option<(EntryId, u32)>,
    /// What the sweeper has committed.
    buried: Option<(EntryId, u32)>,
    /// Without the job's lock: what a transaction saw when it began.
    seen: Option<Snapshot>,
}

/// What a term can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Accept(usize),
    Claim,
    Judge,
    Compare,
    Relay,
    RecallDone,
    Dispatch,
    Push,
    Forget,
    BeginCollect,
    Collect,
    Settle,
    Suspect(EntryId),
    Declare(EntryId),
    CommitLost,
    Bury,
    Doubt,
    Expire(usize),
    Resume(usize),
}

/// What a term acts on.
pub(crate) struct Reach<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) queue: &'a mut Queue,
    pub(crate) workers: &'a mut [Worker],
    /// How many entries each task ever had.
    pub(crate) copies: &'a mut [u32],
    /// How often Redis lost its data.
    pub(crate) losses: u32,
    /// Whether workers hear of kills at once.
    pub(crate) hints: bool,
}

/// What a term looks at to know what it can do.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) ledger: &'a Ledger,
    pub(crate) queue: &'a Queue,
    pub(crate) workers: &'a [Worker],
}

impl Term {
    pub(crate) fn new(epoch: u32) -> Self {
        Self {
            epoch,
            stage: Stage::Claim,
            table: BTreeMap::new(),
            pushing: Vec::new(),
            done: Vec::new(),
            recalled: None,
            settling: None,
            suspects: BTreeMap::new(),
            verdict: None,
            buried: None,
            seen: None,
        }
    }

    /// Everything that the term can do now. A verdict is committed at once: only the end of the process comes between, or that it
    /// is stopped in the middle (`is_frozen`).
    pub(crate) fn acts(&self, sight: Sight<'_>, is_frozen: bool, acts: &mut Vec<Act>) {
        if self.verdict.is_some() {
            acts.push(Act::CommitLost);
            if !is_frozen {
                return;
            }
        }
        if !self.done.is_empty() {
            // Deleting rows changes nothing that others look at, so for the leader it may as well come next.
            acts.push(Act::Forget);
            if !is_frozen {
                return;
            }
        }
        let loading = (0..sight.rules.jobs.len()).filter(|job| sight.ledger.is_loading(*job));
        acts.extend(loading.map(Act::Accept));
        let late = |job: &usize| {
            let row = &sight.ledger.jobs[*job];
            !row.finished && !row.paused && row.gate.is_none() && row.deadline_ms.is_some_and(|at| at <= sight.ledger.now_ms)
        };
        acts.extend((0..sight.rules.jobs.len()).filter(late).map(Act::Expire));
        acts.extend((0..sight.rules.jobs.len()).filter(|job| sight.ledger.jobs[*job].gate.is_some()).map(Act::Resume));
        self.dispatcher_acts(sight, acts);
        self.collector_acts(sight, acts);
        self.sweeper_acts(sight, acts);
    }

    /// Does one thing. When it is refused: `Fenced` ends the term, `Doubt` has begun a rebuild.
    pub(crate) fn act(&mut self, act: Act, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        let done = self.try_act(act, reach);
        if done == Err(Trouble::Doubt) {
            self.stage = Stage::Claim;
        }
        done
    }

    fn try_act(&mut self, act: Act, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        match act {
            Act::Accept(job) => reach.ledger.accept_chunk(reach.rules, self.epoch, job),
            Act::Expire(job) => {
                reach.ledger.begin(reach.rules, self.epoch)?;
                reach.ledger.command(reach.rules, Ask::Kill(Scope::Job(job)));
                Ok(())
            }
            Act::Resume(job) => reach.ledger.resume(reach.rules, self.epoch, job),
            Act::Doubt => Err(Trouble::Doubt),
            Act::Claim => self.claim(reach),
            Act::Judge => self.judge(reach),
            Act::Compare => self.compare(reach),
            Act::Relay => self.relay(reach),
            Act::RecallDone => self.recall_done(reach),
            Act::Dispatch => self.dispatch(reach),
            Act::Push => self.push(reach),
            Act::Forget => reach.ledger.forget(reach.rules, self.epoch, &std::mem::take(&mut self.done)),
            Act::BeginCollect => {
                self.seen = Some(reach.ledger.snapshot());
                Ok(())
            }
            Act::Collect => self.collect(reach),
            Act::Settle => self.settle(reach),
            Act::Suspect(entry) => {
                self.suspect(reach, entry);
                Ok(())
            }
            Act::Declare(entry) => {
                self.declare(entry);
                Ok(())
            }
            Act::CommitLost => self.commit_lost(reach),
            Act::Bury => self.bury(reach),
        }
    }

    /// Forgets that attempt of a task.
    fn land(&mut self, task: usize, attempt: u32) -> Option<Flight> {
        let known = self.table.get(&task).is_some_and(|flight| flight.attempt == attempt);
        if known { self.table.remove(&task) } else { None }
    }

    /// Whether the periodic comparison would find a difference: the table against the ledger, and against the lanes.
    pub(crate) fn differs(&self, sight: Sight<'_>) -> bool {
        if self.stage != Stage::Ready || !sight.rules.has(Safeguard::Diff) {
            return false;
        }
        let outstanding: BTreeMap<usize, u32> = sight.ledger.outstanding(sight.rules).into_iter().collect();
        let known = self.table.iter().map(|(task, flight)| (*task, flight.attempt));
        let lying = sight.queue.kinds.iter().flat_map(|streams| &streams.lane).map(|entry| entry.id);
        let mut lying: Vec<EntryId> = lying.collect();
        lying.sort_unstable();
        let entries: Vec<EntryId> = self.table.values().filter_map(|flight| flight.entry).collect();
        !known.eq(outstanding) || lying != entries
    }
}
