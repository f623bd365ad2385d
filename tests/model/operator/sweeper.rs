//! `operator/sweeper/leases.rs`: a lease is given up when two sweeps find it idle and everything told before the first is committed.

use igor::core::fold::Said;

use crate::ledger::{Outcome, Trouble};
use crate::operator::collector::report;
use crate::operator::{Act, Reach, Sight, Stage, Term};
use crate::promises::Broken;
use crate::queue::{Entry, EntryId, Holder};
use crate::rules::Safeguard;

impl Term {
    pub(super) fn sweeper_acts(&self, sight: Sight<'_>, acts: &mut Vec<Act>) {
        if self.buried.is_some() {
            acts.push(Act::Bury);
            return;
        }
        if self.verdict.is_some() || self.stage == Stage::Claim {
            return;
        }
        for (kind, streams) in sight.queue.kinds.iter().enumerate() {
            for entry in streams.lane.iter().filter(|entry| is_idle(entry, sight)) {
                match self.suspects.get(&entry.id) {
                    None => acts.push(Act::Suspect(entry.id)),
                    Some(newest) => {
                        let drained = !sight.rules.has(Safeguard::DrainBeforeSweep)
                            || newest.is_none_or(|newest| sight.queue.kinds[kind].results.iter().all(|told| told.id > newest));
                        if drained && self.table.get(&entry.id.task).is_some_and(|flight| flight.entry == Some(entry.id)) {
                            acts.push(Act::Declare(entry.id));
                        }
                    }
                }
            }
        }
    }

    pub(super) fn suspect(&mut self, reach: &Reach<'_>, entry: EntryId) {
        let kind = reach.rules.tasks[entry.task].kind;
        let newest = reach.queue.kinds[kind].results.last().map(|told| told.id);
        self.suspects.insert(entry, newest);
    }

    /// Entries that are renewed again are no longer suspected: their worker was looked at in between.
    pub(crate) fn believe(&mut self, renewed: &[EntryId]) {
        self.suspects.retain(|entry, _| !renewed.contains(entry));
    }

    pub(super) fn declare(&mut self, entry: EntryId) {
        self.suspects.remove(&entry);
        self.verdict = self.table.get(&entry.task).map(|flight| (entry, flight.attempt));
    }

    pub(super) fn commit_lost(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        let Some((entry, attempt)) = self.verdict.take() else { return Ok(()) };
        let kind = reach.rules.tasks[entry.task].kind;
        let outcome = Outcome { report: report(entry.task, attempt, Said::Lost), kind };
        if !reach.ledger.collect(reach.rules, self.epoch, &[outcome], None)?.is_empty() && is_kept(reach, kind, entry) {
            reach.ledger.note(Broken::LeaseTaken);
        }
        self.buried = Some((entry, attempt));
        Ok(())
    }

    pub(super) fn bury(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        let Some((entry, attempt)) = self.buried.take() else { return Ok(()) };
        reach.queue.check_owner(self.epoch)?;
        reach.queue.remove(reach.rules.tasks[entry.task].kind, entry);
        self.land(entry.task, attempt);
        Ok(())
    }
}

/// Not renewed for longer than a lease.
fn is_idle(entry: &Entry, sight: Sight<'_>) -> bool {
    match entry.holder {
        Holder::Nobody => false,
        Holder::Worker(worker) => sight.workers[worker].silent,
        Holder::Gone => true,
    }
}

/// Whether the entry's worker renews it, or has told in time how it ended.
fn is_kept(reach: &Reach<'_>, kind: usize, id: EntryId) -> bool {
    let streams = &reach.queue.kinds[kind];
    let told = streams.results.iter().any(|told| told.entry == id && told.in_time && told.said != Said::Running);
    let renewed =
        streams.lane.iter().any(|entry| entry.id == id && matches!(entry.holder, Holder::Worker(worker) if !reach.workers[worker].silent));
    told || renewed
}
