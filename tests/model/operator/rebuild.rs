//! `operator/rebuild.rs`: the table is made anew from the lanes and the ledger, when a term begins and after any doubt.

use std::collections::BTreeMap;

use crate::ledger::Trouble;
use crate::operator::{Flight, Reach, Stage, Term};

impl Term {
    /// Takes the types over, then reads what lies in the lanes.
    pub(super) fn claim(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        self.table.clear();
        self.pushing.clear();
        self.done.clear();
        reach.queue.prepare(self.epoch, reach.losses)?;
        let lanes = reach.queue.kinds.iter().flat_map(|streams| &streams.lane);
        self.stage = Stage::Judge(lanes.map(|entry| (entry.id, entry.attempt)).collect());
        Ok(())
    }

    /// Enters what the ledger calls in flight, and deletes what is stale or double.
    pub(super) fn judge(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        let Stage::Judge(lying) = std::mem::replace(&mut self.stage, Stage::Claim) else { return Ok(()) };
        let outstanding = reach.ledger.outstanding(reach.rules);
        for (entry, attempt) in lying {
            if outstanding.contains(&(entry.task, attempt)) && !self.table.contains_key(&entry.task) {
                self.table.insert(entry.task, Flight { attempt, entry: Some(entry) });
            } else {
                reach.queue.check_owner(self.epoch)?;
                reach.queue.remove(reach.rules.tasks[entry.task].kind, entry);
            }
        }
        self.stage = Stage::Relay(outstanding);
        Ok(())
    }

    /// What has ended meanwhile is forgotten; what was in flight all the time and is not in Redis is pushed again at the same
    /// attempt, or is pending again where it is paused.
    pub(super) fn compare(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        let Stage::Relay(before) = std::mem::replace(&mut self.stage, Stage::Claim) else { return Ok(()) };
        let now: BTreeMap<usize, u32> = reach.ledger.outstanding(reach.rules).into_iter().collect();
        self.table.retain(|task, flight| now.get(task) == Some(&flight.attempt));
        let missing = now.into_iter().filter(|(task, _)| !self.table.contains_key(task));
        let (back, push): (Vec<_>, Vec<_>) = missing.filter(|known| before.contains(known)).partition(|(task, _)| {
            let running = reach.ledger.tasks[*task].status == igor::core::status::Status::Running;
            reach.ledger.is_paused(reach.rules, *task) && !running
        });
        if !back.is_empty() {
            reach.ledger.recall_done(reach.rules, self.epoch, &back)?;
        }
        self.pushing = push;
        self.stage = Stage::Ready;
        Ok(())
    }
}
