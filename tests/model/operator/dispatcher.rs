//! `operator/dispatcher.rs` and `operator/relay.rs`: one loop does all pushes, revokes and recalls, one after another.

use crate::ledger::{Change, Trouble};
use crate::operator::{Act, Flight, Reach, Sight, Stage, Term};
use crate::queue::EntryId;
use crate::rules::Safeguard;

impl Term {
    pub(super) fn dispatcher_acts(&self, sight: Sight<'_>, acts: &mut Vec<Act>) {
        if self.recalled.is_some() {
            acts.push(Act::RecallDone);
            return;
        }
        match &self.stage {
            Stage::Claim => acts.push(Act::Claim),
            Stage::Judge(_) => acts.push(Act::Judge),
            Stage::Relay(_) | Stage::Ready => self.relay_acts(sight, acts),
        }
        if self.stage == Stage::Ready && sight.queue.owner.is_none() {
            acts.push(Act::Doubt);
        }
    }

    fn relay_acts(&self, sight: Sight<'_>, acts: &mut Vec<Act>) {
        let next = self.next_row(&sight.ledger.outbox);
        if !self.pushing.is_empty() {
            acts.push(if self.pushes_are_next(sight) { Act::Push } else { Act::Relay });
            return;
        }
        if next.is_some() {
            acts.push(Act::Relay);
        }
        match self.stage {
            Stage::Relay(_) if next.is_none() => acts.push(Act::Compare),
            Stage::Ready => {
                let has_room = |kind: usize| self.room(sight.rules, kind) > 0 && sight.ledger.has_work(sight.rules, kind);
                if (0..sight.rules.kinds.len()).any(has_room) {
                    acts.push(Act::Dispatch);
                }
            }
            Stage::Claim | Stage::Judge(_) | Stage::Relay(_) => {}
        }
    }

    /// Whether nothing stands in the outbox before the rows of what is to be pushed. What is pushed again has no rows.
    fn pushes_are_next(&self, sight: Sight<'_>) -> bool {
        let ours = |change: &Change| matches!(change, Change::Enqueue(task, attempt) if self.pushing.contains(&(*task, *attempt)));
        let outbox = &sight.ledger.outbox;
        let first = outbox.iter().position(ours).unwrap_or(0);
        let rest = &outbox[..first];
        !sight.rules.has(Safeguard::OutboxOrder) || self.next_row(rest).is_none()
    }

    fn room(&self, rules: &crate::rules::Rules, kind: usize) -> usize {
        let in_flight = self.table.keys().filter(|task| rules.tasks[**task].kind == kind).count();
        rules.window.saturating_sub(in_flight)
    }

    /// The first row that is not done.
    fn next_row(&self, outbox: &[Change]) -> Option<Change> {
        outbox.iter().find(|change| !self.done.contains(change)).copied()
    }

    /// Commits a dispatch; its pushes are left in memory.
    pub(super) fn dispatch(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        let rooms: Vec<usize> = (0..reach.rules.kinds.len()).map(|kind| self.room(reach.rules, kind)).collect();
        self.pushing = reach.ledger.dispatch(reach.rules, self.epoch, &rooms)?;
        Ok(())
    }

    /// `relay::push`: what was committed goes into the lanes, in one script.
    pub(super) fn push(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        reach.queue.check_owner(self.epoch)?;
        for (task, attempt) in std::mem::take(&mut self.pushing) {
            reach.copies[task] += 1;
            let id = EntryId { task, copy: reach.copies[task] };
            reach.queue.add(reach.rules.tasks[task].kind, id, attempt);
            self.table.insert(task, Flight { attempt, entry: Some(id) });
            let row = Change::Enqueue(task, attempt);
            if reach.ledger.outbox.contains(&row) {
                self.done.push(row);
            }
        }
        Ok(())
    }

    /// `relay::page`, one row: the oldest that is not done.
    pub(super) fn relay(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        let Some(change) = self.next_row(&reach.ledger.outbox) else { return Ok(()) };
        match change {
            Change::Enqueue(task, attempt) => {
                let known = self.table.get(&task).is_some_and(|flight| flight.attempt == attempt);
                if known
                    || reach.ledger.tasks[task].status != igor::core::status::Status::Queued
                    || !reach.ledger.is_in_flight(task, attempt)
                {
                    self.done.push(change);
                } else {
                    self.pushing.push((task, attempt));
                }
            }
            Change::Revoke(task, attempt) => {
                reach.queue.check_owner(self.epoch)?;
                if let Some(Flight { entry: Some(entry), .. }) = self.land(task, attempt) {
                    reach.queue.remove(reach.rules.tasks[task].kind, entry);
                }
                if reach.hints {
                    reach.workers.iter_mut().filter(|worker| !worker.silent).for_each(|worker| worker.hear_kill(task, attempt));
                }
                reach.ledger.forget(reach.rules, self.epoch, &[change])?;
            }
            Change::Recall(scope) => {
                let flights: Vec<(usize, Flight)> = self.table.iter().map(|(task, flight)| (*task, *flight)).collect();
                let mut taken = Vec::new();
                for (task, flight) in flights.into_iter().filter(|(task, _)| scope.holds(reach.rules, *task)) {
                    reach.queue.check_owner(self.epoch)?;
                    let Some(entry) = flight.entry else { continue };
                    if reach.queue.recall(reach.rules.tasks[task].kind, entry) {
                        self.table.remove(&task);
                        taken.push((task, flight.attempt));
                    }
                }
                self.recalled = Some((change, taken));
            }
        }
        Ok(())
    }

    /// The ledger learns what was taken back; then the row that asked for it is done.
    pub(super) fn recall_done(&mut self, reach: &mut Reach<'_>) -> Result<(), Trouble> {
        let Some((change, taken)) = self.recalled.take() else { return Ok(()) };
        if !taken.is_empty() {
            reach.ledger.recall_done(reach.rules, self.epoch, &taken)?;
        }
        reach.ledger.forget(reach.rules, self.epoch, &[change])
    }
}
