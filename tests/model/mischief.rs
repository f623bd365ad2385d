//! What people do and what goes wrong, each a number of times.

use igor::core::fold::Said;
use igor::core::status::Status;

use crate::ledger::{Ask, Scope};
use crate::queue::{EntryId, Told};
use crate::rules::Rules;
use crate::world::World;

/// What people and faults do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mischief {
    /// The leader's process dies.
    CrashOperator,
    /// The leader is stopped past its lease; another takes over, and the first goes on later.
    TakeOver,
    /// A worker's process dies.
    CrashWorker(usize),
    /// A worker is stopped, or cut off, for longer than a lease.
    Silence(usize),
    /// Redis loses its data.
    LoseData,
    /// A result is stored twice, the second time behind later ones.
    Repeat(usize, usize),
    /// A handler fails, or gives its task back.
    Fail(usize, usize, Said),
    Pause(Scope),
    Kill(usize),
    Retry(usize),
    /// A command on a layer or a task.
    Steer(Ask),
    /// The state of Redis is kept, as a replica that falls behind keeps it.
    Copy,
    /// Redis goes on from that older state.
    FailOver,
    /// A worker of this kind tells of a task of another one.
    Mislead(usize, usize),
}

/// How many classes of it there are.
pub(crate) const KINDS: usize = 19;

impl Mischief {
    /// Its class, for counting.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CrashOperator => "operator crashes",
            Self::TakeOver => "takeovers",
            Self::CrashWorker(_) => "worker crashes",
            Self::Silence(_) => "silent workers",
            Self::LoseData => "data losses",
            Self::Repeat(..) => "repeated results",
            Self::Fail(_, _, Said::Released) => "releases",
            Self::Fail(..) => "failures",
            Self::Pause(Scope::Job(_)) => "pauses",
            Self::Pause(Scope::Layer(_)) => "layer pauses",
            Self::Pause(Scope::Task(_)) => "task pauses",
            Self::Steer(Ask::Skip(_)) => "skips",
            Self::Steer(Ask::Kill(_)) => "narrow kills",
            Self::Steer(Ask::Retry(_)) => "narrow retries",
            Self::Kill(_) => "kills",
            Self::Retry(_) => "retries",
            Self::Copy => "copies",
            Self::FailOver => "fail-overs",
            Self::Mislead(..) => "foreign results",
        }
    }
}

/// How often each kind of mischief may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) operator_crashes: u8,
    pub(crate) takeovers: u8,
    pub(crate) worker_crashes: u8,
    pub(crate) silences: u8,
    pub(crate) losses: u8,
    pub(crate) repeats: u8,
    pub(crate) failures: u8,
    pub(crate) releases: u8,
    pub(crate) pauses: u8,
    pub(crate) kills: u8,
    pub(crate) retries: u8,
    pub(crate) layer_pauses: u8,
    pub(crate) fail_overs: u8,
    pub(crate) lies: u8,
    pub(crate) skips: u8,
    pub(crate) narrow_kills: u8,
    pub(crate) narrow_retries: u8,
    pub(crate) task_pauses: u8,
}

impl World {
    /// An older copy of Redis holds entries that were taken back since, pause and kill acknowledged: nobody can promise that they do
    /// not start before the operator looks. What they report changes nothing all the same.
    fn excuse_what_came_back(&mut self) {
        for entry in self.queue.kinds.iter().flat_map(|streams| &streams.lane) {
            let started = &mut self.ledger.tasks[entry.id.task].started;
            *started = entry.attempt.max(*started);
        }
    }

    /// What people and faults may still do.
    pub(crate) fn mischief(&self, rules: &Rules) -> Vec<Mischief> {
        let mut found = Vec::new();
        let budget = &self.budget;
        if self.leader.is_some() {
            found.extend((budget.operator_crashes > 0).then_some(Mischief::CrashOperator));
            found.extend((budget.takeovers > 0).then_some(Mischief::TakeOver));
        }
        if self.is_urgent() {
            return found;
        }
        found.extend((budget.losses > 0 && self.queue.owner.is_some()).then_some(Mischief::LoseData));
        for (me, worker) in self.workers.iter().enumerate().filter(|(_, worker)| !worker.held.is_empty()) {
            found.extend((budget.worker_crashes > 0).then_some(Mischief::CrashWorker(me)));
            found.extend((budget.silences > 0 && !worker.silent).then_some(Mischief::Silence(me)));
            for place in 0..worker.held.len() {
                found.extend((budget.failures > 0).then_some(Mischief::Fail(me, place, Said::Errored)));
                found.extend((budget.releases > 0).then_some(Mischief::Fail(me, place, Said::Released)));
            }
        }
        if budget.repeats > 0 {
            let all = |kind: usize| (0..self.queue.kinds[kind].results.len()).map(move |place| Mischief::Repeat(kind, place));
            found.extend((0..rules.kinds.len()).flat_map(all));
        }
        if budget.fail_overs > 0 {
            found.push(if self.copy.is_some() { Mischief::FailOver } else { Mischief::Copy });
        }
        self.people(rules, &mut found);
        found
    }

    fn people(&self, rules: &Rules, found: &mut Vec<Mischief>) {
        for (job, row) in self.ledger.jobs.iter().enumerate().filter(|(_, row)| (!row.finished || row.accepted) && row.gate.is_none()) {
            if !row.finished {
                found.extend((self.budget.pauses > 0 && !row.paused).then_some(Mischief::Pause(Scope::Job(job))));
                found.extend((self.budget.kills > 0).then_some(Mischief::Kill(job)));
            }
            let failed = || row.accepted && rules.tasks_of(job).any(|task| self.ledger.tasks[task].status == Status::Errored);
            found.extend((self.budget.retries > 0 && failed()).then_some(Mischief::Retry(job)));
        }
        if self.budget.layer_pauses > 0 {
            let can = |layer: &usize| !self.ledger.layers[*layer].paused && !self.ledger.jobs[rules.layers[*layer].job].finished;
            found.extend((0..rules.layers.len()).filter(can).map(|layer| Mischief::Pause(Scope::Layer(layer))));
        }
        self.steering(rules, found);
        if self.budget.lies > 0 {
            let flying = |task: &usize| matches!(self.ledger.tasks[*task].status, Status::Queued | Status::Running);
            let strangers = (0..rules.tasks.len()).filter(flying).map(|task| ((rules.tasks[task].kind + 1) % rules.kinds.len(), task));
            found.extend(
                strangers.filter(|(kind, task)| rules.tasks[*task].kind != *kind).map(|(kind, task)| Mischief::Mislead(kind, task)),
            );
        }
    }

    /// Commands on layers and tasks. They wait while another command of the job is at work.
    fn steering(&self, rules: &Rules, found: &mut Vec<Mischief>) {
        let budget = &self.budget;
        let free = |job: usize| self.ledger.jobs[job].accepted && self.ledger.jobs[job].gate.is_none();
        let asks = |scope: Scope, statuses: &[Status]| {
            let (skips, kills, retries) = (budget.skips > 0, budget.narrow_kills > 0, budget.narrow_retries > 0);
            let unfinished = statuses.iter().any(|status| !status.is_finished());
            let errored = statuses.contains(&Status::Errored);
            let again = errored || matches!(scope, Scope::Task(_)) && !statuses.contains(&Status::Pending);
            let skip = (skips && (unfinished || errored)).then_some(Ask::Skip(scope));
            let kill = (kills && unfinished).then_some(Ask::Kill(scope));
            [skip, kill, (retries && again).then_some(Ask::Retry(scope))].into_iter().flatten()
        };
        if budget.skips + budget.narrow_kills + budget.narrow_retries + budget.task_pauses == 0 {
            return;
        }
        for (layer, rule) in rules.layers.iter().enumerate().filter(|(_, rule)| free(rule.job)) {
            let statuses: Vec<Status> = rule.tasks.clone().map(|task| self.ledger.tasks[task].status).collect();
            found.extend(asks(Scope::Layer(layer), &statuses).map(Mischief::Steer));
        }
        let free_tasks = || rules.tasks.iter().enumerate().filter(|(_, rule)| free(rule.job)).map(|(task, _)| task);
        found.extend(free_tasks().flat_map(|task| asks(Scope::Task(task), &[self.ledger.tasks[task].status])).map(Mischief::Steer));
        let can = |task: &usize| !self.ledger.tasks[*task].paused && !self.ledger.tasks[*task].status.is_finished();
        if budget.task_pauses > 0 {
            found.extend(free_tasks().filter(can).map(|task| Mischief::Pause(Scope::Task(task))));
        }
    }

    /// Something happens, and is used up.
    pub(crate) fn suffer(&mut self, rules: &Rules, mischief: Mischief) {
        match mischief {
            Mischief::CrashOperator => {
                self.budget.operator_crashes -= 1;
                self.leader = None;
            }
            Mischief::TakeOver => {
                self.budget.takeovers -= 1;
                self.stale = self.leader.take();
                self.lead();
            }
            Mischief::CrashWorker(me) => {
                self.budget.worker_crashes = self.budget.worker_crashes.saturating_sub(1);
                self.workers[me].die(me, &mut self.queue);
            }
            Mischief::Silence(me) => {
                self.budget.silences -= 1;
                self.workers[me].silent = true;
            }
            Mischief::Fail(me, place, said) => {
                let budget = &mut self.budget;
                *if said == Said::Released { &mut budget.releases } else { &mut budget.failures } -= 1;
                self.workers[me].finish(me, &mut self.queue, place, said);
            }
            Mischief::LoseData | Mischief::Repeat(..) | Mischief::Copy | Mischief::FailOver | Mischief::Mislead(..) => {
                self.suffer_in_redis(mischief);
            }
            Mischief::Pause(_) | Mischief::Kill(_) | Mischief::Retry(_) | Mischief::Steer(_) => self.steer(rules, mischief),
        }
    }

    fn suffer_in_redis(&mut self, mischief: Mischief) {
        let budget = &mut self.budget;
        match mischief {
            Mischief::LoseData => {
                budget.losses -= 1;
                self.losses += 1;
                self.queue.lose_data();
            }
            Mischief::Repeat(kind, place) => {
                budget.repeats -= 1;
                self.queue.repeat(kind, place);
            }
            Mischief::Copy => self.copy = Some(Box::new(self.queue.clone())),
            Mischief::FailOver => {
                budget.fail_overs -= 1;
                if let Some(older) = self.copy.take() {
                    self.queue.go_back_to(*older, &self.workers);
                    self.excuse_what_came_back();
                }
            }
            Mischief::Mislead(kind, task) => {
                budget.lies -= 1;
                let (entry, attempt) = (EntryId { task, copy: 0 }, self.ledger.tasks[task].attempt);
                self.queue.tell(kind, &Told { id: 0, entry, task, attempt, said: Said::Completed, in_time: false });
            }
            other => unreachable!("{other:?} is not about Redis"),
        }
    }

    fn steer(&mut self, rules: &Rules, mischief: Mischief) {
        let budget = &mut self.budget;
        match mischief {
            Mischief::Pause(scope) => {
                *match scope {
                    Scope::Job(_) => &mut budget.pauses,
                    Scope::Layer(_) => &mut budget.layer_pauses,
                    Scope::Task(_) => &mut budget.task_pauses,
                } -= 1;
                self.ledger.pause(rules, scope);
            }
            Mischief::Kill(job) => {
                budget.kills -= 1;
                self.ledger.command(rules, Ask::Kill(Scope::Job(job)));
            }
            Mischief::Retry(job) => {
                budget.retries -= 1;
                self.ledger.command(rules, Ask::Retry(Scope::Job(job)));
            }
            Mischief::Steer(ask) => {
                *match ask {
                    Ask::Skip(_) => &mut budget.skips,
                    Ask::Kill(_) => &mut budget.narrow_kills,
                    Ask::Retry(_) => &mut budget.narrow_retries,
                } -= 1;
                self.ledger.command(rules, ask);
            }
            other => unreachable!("{other:?} is not a command"),
        }
    }
}
