//! Proofs over the real core in an abstract world.

mod check;
mod ledger;
mod mischief;
mod operator;
mod plans;
mod promises;
mod queue;
mod rules;
mod simulate;
mod worker;
mod world;

use check::{search, small};
use mischief::Budget;

#[test]
#[ignore = "by hand"]
fn probe() {
    let mut budget = Budget::default();
    for word in std::env::var("BUDGET").unwrap_or_default().split(',') {
        let Some((name, count)) = word.split_once('=') else { continue };
        let count: u8 = count.parse().unwrap();
        *match name {
            "oc" => &mut budget.operator_crashes, "to" => &mut budget.takeovers, "wc" => &mut budget.worker_crashes,
            "si" => &mut budget.silences, "lo" => &mut budget.losses, "re" => &mut budget.repeats, "fa" => &mut budget.failures,
            "rl" => &mut budget.releases, "pa" => &mut budget.pauses, "ki" => &mut budget.kills, _ => &mut budget.retries,
        } = count;
    }
    let without = without();
    let found = search(small(&std::env::var("SHAPE").unwrap_or("2,2".into()).split(',').map(|n| n.parse().unwrap()).collect::<Vec<i64>>(), budget, without));
    println!("{} states, depth {}, {:.1} s", found.states, found.depth, found.took.as_secs_f64());
    for (name, steps) in found.broken { println!("{name}\n{steps}"); }
}

#[test]
#[ignore = "by hand"]
fn probe_simulator() {
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let first: u64 = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let began = std::time::Instant::now();
    let mut steps = 0;
    let mut faults = std::collections::BTreeMap::new();
    let mut bad = 0;
    for seed in first..first + seeds {
        match simulate::live(seed, without(), |step, action, world| if seeds == 1 { println!("{step} {action:?}"); if std::env::var("STATE").is_ok() { println!("   {:?}\n   {:?}\n   {:?}\n  {:?}", world.ledger.jobs, world.ledger.layers, world.ledger.tasks, world.ledger.outbox); } }) {
            Ok(figures) => { steps += figures.steps; for (n, c) in figures.faults { *faults.entry(n).or_insert(0) += c; } }
            Err(v) => { println!("seed {seed}: {v:?}"); bad += 1; if bad > 10 { break; } }
        }
    }
    println!("{steps} steps, {faults:?}, {:.1} s", began.elapsed().as_secs_f64());
}

fn without() -> Option<rules::Safeguard> {
    use rules::Safeguard::*;
    match std::env::var("WITHOUT").unwrap_or_default().as_str() {
        "fence" => Some(AttemptFence), "epoch" => Some(EpochCheck), "mutex" => Some(JobMutex), "gate" => Some(LoadingGate),
        "outbox" => Some(Outbox), "stream" => Some(StreamCheck), "ofence" => Some(OutboxFence), "order" => Some(OutboxOrder), "drain" => Some(DrainBeforeSweep), "diff" => Some(Diff), _ => None }
}
