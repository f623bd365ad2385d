//! Proofs over the real core in an abstract world: a ledger whose transactions are single steps, a queue that may lose, double and
//! forget, two operators, workers, people. What is decided, `igor::core` decides.
//!
//! `check` searches every order of steps of small worlds; `simulate` lives through larger ones, one a seed. Both are run again with
//! each safeguard left out, and must then see a promise broken: a proof that cannot fail proves nothing.
//!
//! `make model` runs all of it. `SEEDS=n` sets the number of seeds; a seed that fails is printed with the command that replays it,
//! and is then kept in `seeds.txt`.
#![expect(clippy::print_stdout, reason = "the figures are what a run is for")]

mod check;
mod ledger;
mod mischief;
mod operator;
mod plans;
mod promises;
mod queue;
mod rules;
mod seeds;
mod simulate;
mod worker;
mod world;

use std::collections::BTreeMap;
use std::time::Instant;

use check::{CONFIGURATIONS, LARGE, LEFT_OUT, Small, search, small};
use rules::{Rules, Safeguard};
use simulate::{Figures, live};

#[test]
fn no_order_of_steps_breaks_a_promise() {
    let mut states = 0;
    for (name, tasks, budget) in CONFIGURATIONS {
        let found = search(small(tasks, *budget, None));
        println!("model {name}: {} states, depth {}, {:.1} s", found.states, found.depth, found.took.as_secs_f64());
        assert!(found.broken.is_empty(), "model {name}:\n{}", found.told());
        states += found.states;
    }
    for (name, tasks, budget) in LARGE {
        let world = small(tasks, *budget, None);
        let found = search(Small { rules: Rules { step: 1, ..world.rules }, ..world });
        println!("model {name}: {} states, depth {}, {:.1} s", found.states, found.depth, found.took.as_secs_f64());
        assert!(found.broken.is_empty(), "model {name}:\n{}", found.told());
        states += found.states;
    }
    println!("states explored: {states}");
}

#[test]
fn the_model_catches_a_safeguard_that_is_left_out() {
    for (safeguard, budget) in LEFT_OUT {
        let world = small(&[2, 2], *budget, Some(*safeguard));
        let step = if *safeguard == Safeguard::Gate { 1 } else { usize::MAX };
        let found = search(Small { rules: Rules { step, ..world.rules }, ..world });
        let name = safeguard.name();
        let broken = found.broken.first().map(|(promise, _)| *promise);
        let promise = broken.unwrap_or_else(|| panic!("model without {name}: not caught in {} states", found.states));
        println!("model without {name}: caught ({promise})");
    }
}

#[test]
fn simulate() {
    if let Some(seed) = seeds::to_replay() {
        let told = live(seed, None, |step, action, world| println!("{step} at {} ms: {action:?}", world.ledger.now_ms));
        println!("seed {seed}: {told:?}");
        assert!(told.is_ok(), "seed {seed}: {told:?}");
        return;
    }
    let began = Instant::now();
    let (kept, mut all) = (seeds::kept(), seeds::to_run(20_000));
    all.extend(seeds::steered(8_000));
    let mut sum = Figures::default();
    for seed in all.iter().copied() {
        match live(seed, None, |_, _, _| {}) {
            Ok(figures) => sum.add(figures),
            Err(violation) => panic!("seed {seed}, step {}: {}\nreplay: {}", violation.step, violation.what, seeds::replay(seed)),
        }
    }
    let faults: Vec<String> = sum.faults.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!(
        "simulator: {} seeds ({} kept), {} tasks, {} steps, faults by class: {}, 0 violations, {:.1} s",
        all.len(),
        kept.len(),
        sum.tasks,
        sum.steps,
        faults.join(", "),
        began.elapsed().as_secs_f64()
    );
    let kinds: BTreeMap<&str, usize> = sum.faults;
    assert_eq!(kinds.len(), mischief::KINDS, "a kind of fault never happened: {kinds:?}");
}

#[test]
fn the_simulator_catches_a_safeguard_that_is_left_out() {
    for safeguard in Safeguard::ALL {
        let name = safeguard.name();
        let seeds = seeds::kept().into_iter().chain(seeds::steered(8_000)).chain(seeds::to_run(40_000));
        let caught = seeds.into_iter().find_map(|seed| Some((seed, live(seed, Some(safeguard), |_, _, _| {}).err()?)));
        let (seed, violation) = caught.unwrap_or_else(|| panic!("simulator without {name}: not caught"));
        println!("simulator without {name}: caught at seed {seed} ({})", violation.what);
    }
}
