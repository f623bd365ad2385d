//! The world: a ledger, a queue, two operators, some workers, people, and what may go wrong.
//!
//! A step is one action. *Progress* is what the parts do by themselves, *mischief* is what people and faults do; mischief is counted
//! down, so that every world comes to rest.

use igor::core::fold::Said;
use igor::core::status::Status;

use crate::ledger::{Change, Ledger, Scope, Trouble};
use crate::mischief::{Budget, Mischief};
use crate::operator::{Act, Reach, Sight, Term};
use crate::promises::Broken;
use crate::queue::{Holder, Queue};
use crate::rules::Rules;
use crate::worker::Worker;

/// An operator by its standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Seat {
    /// It leads, as far as anybody knows.
    Leader,
    /// It led before another took over, and does not know.
    Stale,
}

/// One step of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// An operator takes the free lease: a new epoch.
    Lead,
    /// A loop of an operator does one thing.
    Operator(Seat, Act),
    /// A worker reads the next entry of a kind.
    Take(usize, usize),
    /// A handler ends, and its result is stored.
    Finish(usize, usize, Said),
    /// A worker's heartbeat.
    Beat(usize),
    /// A silent worker is heard again.
    Wake(usize),
    /// Time passes until something is due.
    Wait,
    /// A person lets go on what another paused.
    Unpause(Scope),
    /// People and faults.
    Mischief(Mischief),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) queue: Queue,
    pub(crate) leader: Option<Term>,
    pub(crate) stale: Option<Term>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) budget: Budget,
    /// How many entries each task ever had.
    copies: Vec<u32>,
    pub(crate) losses: u32,
    /// An older state of Redis, as a replica or a backup has it.
    pub(crate) copy: Option<Box<Queue>>,
    /// Whether workers hear of kills at once; the model lets every hint be lost.
    pub(crate) hints: bool,
}

impl World {
    pub(crate) fn new(rules: &Rules, workers: usize, budget: Budget) -> Self {
        Self {
            ledger: Ledger::new(rules),
            queue: Queue::new(rules.kinds.len()),
            leader: None,
            stale: None,
            workers: vec![Worker::default(); workers],
            budget,
            copies: vec![0; rules.tasks.len()],
            losses: 0,
            copy: None,
            hints: false,
        }
    }

    fn sight<'a>(&'a self, rules: &'a Rules) -> Sight<'a> {
        Sight { rules, ledger: &self.ledger, queue: &self.queue, workers: &self.workers }
    }

    /// Whether a verdict waits for its commit: nothing else is quick enough to come between.
    pub(crate) fn is_urgent(&self) -> bool {
        self.leader.as_ref().is_some_and(|term| term.verdict.is_some())
    }

    /// What the parts can do by themselves. None: the world is at rest.
    pub(crate) fn progress(&self, rules: &Rules) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut acts = Vec::new();
        if let Some(term) = &self.leader {
            term.acts(self.sight(rules), false, &mut acts);
        }
        actions.extend(acts.drain(..).map(|act| Action::Operator(Seat::Leader, act)));
        if self.is_urgent() {
            return actions;
        }
        if let Some(term) = &self.stale {
            term.acts(self.sight(rules), true, &mut acts);
        }
        actions.extend(acts.into_iter().map(|act| Action::Operator(Seat::Stale, act)));
        if self.leader.is_none() {
            actions.push(Action::Lead);
        }
        self.worker_actions(rules, &mut actions);
        let jobs = (0..rules.jobs.len()).filter(|job| self.ledger.jobs[*job].paused).map(Scope::Job);
        let layers = (0..rules.layers.len()).filter(|layer| self.ledger.layers[*layer].paused).map(Scope::Layer);
        let tasks = (0..rules.tasks.len()).filter(|task| self.ledger.tasks[*task].paused).map(Scope::Task);
        actions.extend(jobs.chain(layers).chain(tasks).map(Action::Unpause));
        if actions.is_empty() {
            self.late_actions(rules, &mut actions);
        }
        actions
    }

    /// What happens when nothing else does: something becomes due, or the periodic comparison finds a difference.
    fn late_actions(&self, rules: &Rules, actions: &mut Vec<Action>) {
        if self.next_due(rules).is_some() {
            actions.push(Action::Wait);
        } else if self.leader.as_ref().is_some_and(|term| term.differs(self.sight(rules))) {
            actions.push(Action::Operator(Seat::Leader, Act::Doubt));
        }
    }

    /// When the first task that waits, or the first deadline, is due.
    pub(crate) fn next_due(&self, rules: &Rules) -> Option<i64> {
        let is_open = |task: usize| self.ledger.layers[rules.tasks[task].layer].status == Status::Running;
        let tasks = self.ledger.tasks.iter().enumerate().filter(|(task, _)| is_open(*task)).filter_map(|(_, row)| row.due_ms);
        let deadlines = self.ledger.jobs.iter().filter(|job| !job.finished).filter_map(|job| job.deadline_ms);
        tasks.chain(deadlines).filter(|due| *due > self.ledger.now_ms).min()
    }

    fn worker_actions(&self, rules: &Rules, actions: &mut Vec<Action>) {
        let mut an_idle_one = false;
        for (me, worker) in self.workers.iter().enumerate() {
            if worker.silent {
                actions.push(Action::Wake(me));
            }
            // Workers that hold nothing are all alike.
            if worker.held.len() < rules.slots && !worker.silent && !(an_idle_one && worker.held.is_empty()) {
                an_idle_one |= worker.held.is_empty();
                let lies = |kind: &usize| self.queue.kinds[*kind].lane.iter().any(|entry| entry.holder == Holder::Nobody);
                actions.extend((0..rules.kinds.len()).filter(lies).map(|kind| Action::Take(me, kind)));
            }
            actions.extend((0..worker.held.len()).map(|place| Action::Finish(me, place, Said::Completed)));
            if worker.has_news(me, &self.queue) {
                actions.push(Action::Beat(me));
            }
        }
    }

    /// Takes one step.
    pub(crate) fn step(&mut self, rules: &Rules, action: Action) {
        match action {
            Action::Lead => self.lead(),
            Action::Operator(seat, act) => self.operate(rules, seat, act),
            Action::Take(me, kind) => self.take(rules, me, kind),
            Action::Finish(me, place, said) => self.workers[me].finish(me, &mut self.queue, place, said),
            Action::Beat(me) => self.workers[me].beat(me, &mut self.queue),
            Action::Wake(me) => {
                self.workers[me].silent = false;
                let renewed: Vec<_> = self.workers[me].held.iter().map(|held| held.entry).collect();
                self.leader.iter_mut().for_each(|term| term.believe(&renewed));
            }
            Action::Wait => self.ledger.now_ms = self.next_due(rules).unwrap_or(self.ledger.now_ms),
            Action::Unpause(scope) => self.ledger.unpause(rules, scope),
            Action::Mischief(mischief) => self.suffer(rules, mischief),
        }
    }

    pub(crate) fn lead(&mut self) {
        self.ledger.epoch += 1;
        self.leader = Some(Term::new(self.ledger.epoch));
    }

    fn operate(&mut self, rules: &Rules, seat: Seat, act: Act) {
        let place = match seat {
            Seat::Leader => &mut self.leader,
            Seat::Stale => &mut self.stale,
        };
        let Some(mut term) = place.take() else { return };
        let mut reach = Reach {
            rules,
            ledger: &mut self.ledger,
            queue: &mut self.queue,
            workers: &mut self.workers,
            copies: &mut self.copies,
            losses: self.losses,
            hints: self.hints,
        };
        if term.act(act, &mut reach) != Err(Trouble::Fenced) {
            *place = Some(term);
        }
    }

    /// A worker gets an entry. What it starts for the first time must be what the ledger wants to run, or its revoke or recall must
    /// not be acknowledged yet.
    fn take(&mut self, rules: &Rules, me: usize, kind: usize) {
        let Some(entry) = self.queue.deliver(kind, me) else { return };
        self.leader.iter_mut().for_each(|term| term.believe(&[entry.id]));
        let (task, attempt) = (entry.id.task, entry.attempt);
        if self.ledger.tasks[task].started < attempt {
            self.ledger.tasks[task].started = attempt;
            let outbox = &self.ledger.outbox;
            let revoked = !self.ledger.is_in_flight(task, attempt) && !outbox.contains(&Change::Revoke(task, attempt));
            let asked = |change: &Change| matches!(change, Change::Recall(scope) if scope.holds(rules, task));
            let in_flight = self.ledger.is_in_flight(task, attempt);
            let stopped = self.ledger.jobs[rules.tasks[task].job].gate.is_some_and(|gate| gate.stops(rules, task));
            let paused = self.ledger.is_paused(rules, task) && !outbox.iter().any(asked);
            if revoked || in_flight && (stopped || paused) {
                self.ledger.note(Broken::StartedAfterAck);
            }
        }
        self.workers[me].receive(kind, entry.id, attempt, self.queue.generation);
    }
}
