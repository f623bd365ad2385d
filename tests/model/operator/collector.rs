//! `operator/collector.rs`: results are read, folded and committed; then Redis is cleared of them.

use igor::core::fold::{Report, Said, fold};
use uuid::Uuid;

use crate::ledger::{Outcome, Trouble};
use crate::operator::{Act, Reach, Settle, Sight, Stage, Term};
use crate::rules::Safeguard;

impl Term {
    pub(super) fn collector_acts(&self, sight: Sight<'_>, acts: &mut Vec<Act>) {
        if self.settling.is_some() {
            acts.push(Act::Settle);
        } else if self.stage != Stage::Claim && sight.queue.kinds.iter().any(|streams| !streams.results.is_empty()) {
            let locks = sight.rules.has(Safeguard::JobMutex);
            acts.push(if locks || self.seen.is_some() { Act::Collect } else { Act::BeginCollect });
        }
    }

    /// One transaction of everything that is there.
    pub(super) fn collect(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        let mut settle = Settle { entries: Vec::new(), results: Vec::new() };
        let mut ended = Vec::new();
        let mut outcomes = Vec::new();
        for (kind, streams) in reach.queue.kinds.iter().enumerate() {
            for told in &streams.results {
                settle.results.push((kind, told.id));
                if told.said != Said::Running {
                    settle.entries.push((kind, told.entry));
                    let is_theirs = reach.rules.tasks[told.task].kind == kind || !reach.rules.has(Safeguard::StreamCheck);
                    ended.extend(is_theirs.then_some((told.task, told.attempt)));
                }
            }
            let reports = streams.results.iter().map(|told| report(told.task, told.attempt, told.said));
            outcomes.extend(fold(reports).into_iter().map(|report| Outcome { report, kind }));
        }
        reach.ledger.collect(reach.rules, self.epoch, &outcomes, self.seen.take())?;
        for (task, attempt) in ended {
            self.land(task, attempt);
        }
        self.settling = Some(settle);
        Ok(())
    }

    /// Everything is tried: results are nobody's, entries are the owner's.
    pub(super) fn settle(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        let Some(settle) = self.settling.take() else { return Ok(()) };
        for (kind, id) in settle.results {
            reach.queue.kinds[kind].results.retain(|told| told.id != id);
        }
        if !settle.entries.is_empty() {
            reach.queue.check_owner(self.epoch)?;
        }
        for (kind, entry) in settle.entries {
            reach.queue.remove(kind, entry);
        }
        Ok(())
    }
}

/// A report as the core folds it; tasks are numbers here.
pub(super) fn report(task: usize, attempt: u32, said: Said) -> Report {
    Report::new(Uuid::from_u128(u128::try_from(task).unwrap_or(u128::MAX)), attempt, said)
}
