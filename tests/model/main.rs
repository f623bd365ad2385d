//! Proofs over the real core in an abstract world.

mod check;
mod ledger;
mod operator;
mod promises;
mod queue;
mod rules;
mod worker;
mod world;

use check::{search, small};
use world::Budget;

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what the run is for")]
fn every_order_of_steps_keeps_every_promise() {
    let none = Budget::default();
    let name_of = std::env::var("CONFIG").unwrap_or_default();
    for (name, budget) in [
        ("calm", none),
        ("fail", Budget { failures: 1, retries: 1, ..none }),
        ("operator", Budget { operator_crashes: 1, takeovers: 1, ..none }),
        ("workers", Budget { worker_crashes: 1, silences: 1, repeats: 1, ..none }),
        ("redis", Budget { losses: 1, repeats: 1, ..none }),
        ("pause", Budget { pauses: 1, ..none }),
        ("kill", Budget { kills: 1, retries: 1, ..none }),
    ] {
        if !name.contains(&name_of) { continue; }
        let found = search(small(budget, None));
        println!("model {name}: {} states, depth {}, {:.1} s", found.states, found.depth, found.took.as_secs_f64());
        for (name, steps) in found.broken { println!("{name}\n{steps}"); }
    }
}
