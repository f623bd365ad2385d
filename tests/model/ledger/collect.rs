//! `store/collect.rs` and `sql/apply.sql`.

use std::collections::BTreeSet;

use igor::core::fold::{Report, Said};
use igor::core::retry::{Ended, REASON_UNREADABLE, Standing, decide};
use igor::core::status::{RECALL, RESULT, Status};

use super::{Ledger, Snapshot, Trouble};
use crate::promises::Broken;
use crate::rules::{Rules, Safeguard};

/// A folded report, and the kind of the stream in which it was told.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) report: Report,
    pub(crate) kind: usize,
}

/// The task that a report is about.
pub(crate) fn task_of(report: &Report) -> usize {
    usize::try_from(report.task.as_u128()).unwrap_or(usize::MAX)
}

impl Ledger {
    /// `Store::collect`. `seen`: without the job's lock, the rows as they were when the transaction began. Gives the outcomes that
    /// counted.
    pub(crate) fn collect(
        &mut self,
        rules: &Rules,
        epoch: u32,
        outcomes: &[Outcome],
        seen: Option<Snapshot>,
    ) -> Result<Vec<(usize, u32)>, Trouble> {
        self.begin(rules, epoch)?;
        let before = seen.as_ref().map(|_| self.snapshot());
        let mut applied = Vec::new();
        for outcome in outcomes {
            if self.take(rules, outcome) {
                applied.push((task_of(&outcome.report), outcome.report.attempt));
            }
        }
        let seen = seen.zip(before).map(|(seen, before)| self.own_view(seen, &before));
        let layers: BTreeSet<usize> = applied.iter().map(|(task, _)| rules.tasks[*task].layer).collect();
        let at_rest = layers.into_iter().filter(|layer| self.layers[*layer].tally.0.unfinished() == 0);
        let jobs: BTreeSet<usize> = at_rest.map(|layer| rules.layers[layer].job).collect();
        for job in jobs {
            self.advance(rules, job, seen.as_ref());
        }
        Ok(applied)
    }

    /// `Store::recall_done`: tasks that were taken back from the queue are pending again.
    pub(crate) fn recall_done(&mut self, rules: &Rules, epoch: u32, recalled: &[(usize, u32)]) -> Result<(), Trouble> {
        self.begin(rules, epoch)?;
        for (task, attempt) in recalled {
            if self.tasks[*task].attempt == *attempt && self.move_task(rules, *task, Status::Pending, RECALL) {
                self.tasks[*task].due_ms = Some(self.now_ms);
            }
        }
        Ok(())
    }

    fn take(&mut self, rules: &Rules, outcome: &Outcome) -> bool {
        let (report, task) = (&outcome.report, task_of(&outcome.report));
        let rule = &rules.tasks[task];
        let row = &self.tasks[task];
        if rule.kind != outcome.kind || rules.has(Safeguard::AttemptFence) && row.attempt != report.attempt {
            return false;
        }
        let standing =
            Standing { failures: row.failures, lost: row.lost, max_failures: rule.max_failures, backoff: rules.jobs[rule.job].backoff };
        let ended = Ended {
            said: report.said,
            unreadable: report.why.as_deref() == Some(REASON_UNREADABLE),
            at_least: std::time::Duration::from_millis(report.retry_ms.unwrap_or(0)),
            last: report.last,
        };
        let Some(verdict) = decide(standing, ended, self.jitter) else { return false };
        let right_one = row.attempt == report.attempt;
        if !self.move_task(rules, task, verdict.to, RESULT) {
            return false;
        }
        if !right_one {
            self.note(Broken::StaleCounted);
        }
        let retried = verdict.to == Status::Pending && verdict.failures > self.tasks[task].failures;
        self.layers[rule.layer].tally.0.retried += u32::from(retried);
        let row = &mut self.tasks[task];
        if matches!(report.said, Said::Errored | Said::Released | Said::Lost) {
            (row.failures, row.lost) = (verdict.failures, verdict.lost);
        }
        if verdict.to == Status::Pending {
            row.due_ms = Some(self.now_ms + i64::try_from(verdict.wait.as_millis()).unwrap_or(i64::MAX));
        }
        true
    }

    /// What a transaction without the lock sees: the rows of its beginning, and its own changes of the counters.
    fn own_view(&self, mut seen: Snapshot, before: &Snapshot) -> Snapshot {
        for ((seen, before), now) in seen.layers.iter_mut().zip(&before.layers).zip(&self.layers) {
            for status in Status::ALL {
                let of = |layer: &super::LayerRow| *super::counter(&mut { layer.tally.0 }, status);
                let moved = (of(seen) + of(now)).saturating_sub(of(before));
                *super::counter(&mut seen.tally.0, status) = moved;
            }
        }
        seen
    }
}
