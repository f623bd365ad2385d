//! `store/accept.rs`.

use super::{Ledger, Trouble};
use crate::rules::{Rules, Safeguard};

impl Ledger {
    /// Whether an acceptance has something left to do; a job that ended while it was loading stays as it is.
    pub(crate) fn is_loading(&self, job: usize) -> bool {
        !self.jobs[job].accepted && !self.jobs[job].finished
    }

    /// `Store::accept_chunk`: the next rows, and with the last of them the job is accepted and its first layers open.
    pub(crate) fn accept_chunk(&mut self, rules: &Rules, epoch: u32, job: usize) -> Result<(), Trouble> {
        self.begin(rules, epoch)?;
        let mut left = rules.chunk;
        for layer in rules.jobs[job].layers.clone() {
            let row = &mut self.layers[layer];
            let more = (rules.layers[layer].tasks.len() - row.loaded).min(left);
            row.loaded += more;
            row.tally.0.pending += u32::try_from(more).unwrap_or(u32::MAX);
            left -= more;
        }
        let missing = |layer: usize| self.layers[layer].loaded < rules.layers[layer].tasks.len();
        let whole = !rules.jobs[job].layers.clone().any(missing);
        self.jobs[job].accepted |= whole;
        if whole || !rules.has(Safeguard::LoadingGate) {
            self.advance(rules, job, None);
        }
        Ok(())
    }
}
