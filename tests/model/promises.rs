//! What must hold in every state: the invariants of ARCHITECTURE.md, found out from the rows and not from what the core says.

use igor::core::job::Counters;
use igor::core::status::Status;
use igor::core::wait::{Known, Wait, waits};

use crate::ledger::Ledger;
use crate::rules::Rules;

/// A promise that was broken, by its number in ARCHITECTURE.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    /// 2: a layer began while one of an earlier priority was unfinished.
    Order,
    /// 2: a layer or a job ended while tasks of it were not.
    EndedEarly,
    /// 3: a layer was opened twice in one run.
    OpenedTwice,
    /// 4: a result changed another attempt than its own.
    StaleCounted,
    /// 5: an attempt started after a pause or kill of it was acknowledged.
    StartedAfterAck,
    /// A lease that was kept, or a result that came in time, was given up as lost.
    LeaseTaken,
}

/// 6: the counters equal a recount.
pub(crate) fn counters_are_right(ledger: &Ledger, rules: &Rules) -> bool {
    rules.layers.iter().zip(&ledger.layers).all(|(rule, layer)| {
        let mut recount = Counters { retried: layer.tally.0.retried, ..Counters::default() };
        for task in &ledger.tasks[rule.tasks.clone()][..layer.loaded] {
            *crate::ledger::counter(&mut recount, task.status) += 1;
        }
        recount == layer.tally.0
    })
}

/// Limits on what is in flight hold.
pub(crate) fn limits_hold(ledger: &Ledger, rules: &Rules) -> bool {
    let within = |limit: Option<u32>, used: u32| limit.is_none_or(|limit| used <= limit);
    let in_flight = |layer: usize| ledger.layers[layer].tally.in_flight();
    let layers = rules.layers.iter().enumerate().all(|(layer, rule)| within(rule.max_in_flight, in_flight(layer)));
    layers && rules.jobs.iter().all(|rule| within(rule.max_in_flight, rule.layers.clone().map(in_flight).sum()))
}

/// 1 and 7, of a world in which nothing more happens by itself: each job ended with all of its tasks, or says what it waits for; and
/// no task stands where only the system could have moved it.
pub(crate) fn is_settled(ledger: &Ledger, rules: &Rules) -> bool {
    (0..rules.jobs.len()).all(|job| {
        let row = &ledger.jobs[job];
        let asks_a_person = || waits(&ledger.as_core(rules, job), &Known::default()).iter().any(Wait::stops);
        let at_rest = rules.jobs[job].layers.clone().all(|layer| {
            let unopened = ledger.layers[layer].status == Status::Pending && !row.finished;
            let rows = &ledger.tasks[rules.layers[layer].tasks.clone()][..ledger.layers[layer].loaded];
            rows.iter().all(|task| task.status.is_finished() || task.status == Status::Pending && unopened)
        });
        at_rest && (row.finished || asks_a_person())
    })
}
