//! Runs the scenarios, several at once where they may, and adds up what came of them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt};

use crate::say;
use crate::scenarios;
use crate::table;
use crate::world::Recovery;

/// One thing that may go wrong, and what must come of it. It fails by a panic.
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// It breaks what all share: nothing else may run beside it.
    pub(crate) alone: bool,
    pub(crate) run: LocalBoxFuture<'static, ()>,
}

impl Scenario {
    pub(crate) fn new(name: &str, run: impl Future<Output = ()> + 'static) -> Self {
        Self { name: name.to_owned(), alone: false, run: run.boxed_local() }
    }

    pub(crate) fn alone(name: &str, run: impl Future<Output = ()> + 'static) -> Self {
        Self { alone: true, ..Self::new(name, run) }
    }
}

/// What all scenarios together came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: BTreeMap<String, u64>,
    /// By class.
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) recoveries: Vec<Recovery>,
    /// What became of each sabotage: which invariant caught it, if any did.
    pub(crate) sabotage: BTreeMap<String, Option<String>>,
}

static TALLY: Mutex<Option<Tally>> = Mutex::new(None);

/// Adds to what all came to.
pub(crate) fn tally<Result>(add: impl FnOnce(&mut Tally) -> Result) -> Result {
    add(TALLY.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// Worlds at a time; each is half a dozen processes that mostly wait.
const ABREAST: usize = 3;

/// Runs every scenario whose name holds `filter`.
pub(crate) async fn run(filter: Option<&str>) -> ExitCode {
    let began = Instant::now();
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap_or_else(|_| panic!("{name} is a number")));
    let seed = number("SEED").unwrap_or(1);
    let minutes = number("MINUTES");
    let wanted = |scenario: &Scenario| filter.is_none_or(|filter| scenario.name.contains(filter));
    let all = if minutes.is_some() { Vec::new() } else { scenarios::all(seed) };
    let (alone, beside): (Vec<_>, Vec<_>) = all.into_iter().filter(wanted).partition(|scenario| scenario.alone);
    let mut results: Vec<(String, bool)> = futures::stream::iter(beside).map(attempt).buffer_unordered(ABREAST).collect().await;
    for scenario in alone {
        results.push(attempt(scenario).await);
    }
    if let Some(minutes) = minutes {
        results.extend(long_form(seed, minutes, began).await);
    }
    tally(|tally| table::print(tally, minutes.map(|minutes| (seed, minutes))));
    let failed: Vec<&String> = results.iter().filter(|(_, passed)| !passed).map(|(name, _)| name).collect();
    for name in &failed {
        say(&format!("failed: {name}; its logs, histories and dumps are in target/failures/faults_{name}"));
    }
    let (passed, failed) = (results.len() - failed.len(), failed.len());
    let word = if failed == 0 { "ok" } else { "FAILED" };
    say(&format!("\ntest result: {word}. {passed} passed; {failed} failed; finished in {:.1}s", began.elapsed().as_secs_f64()));
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Random mixtures from one seed after the other, until the time is over; at least five.
async fn long_form(seed: u64, minutes: u64, began: Instant) -> Vec<(String, bool)> {
    let mut results = Vec::new();
    let each = (minutes * 60 / 5).max(1);
    for seed in seed.. {
        if began.elapsed().as_secs() + each / 2 >= minutes * 60 && results.len() >= 5 {
            break;
        }
        results.push(attempt(scenarios::mixture(seed, std::time::Duration::from_secs(each))).await);
    }
    results
}

async fn attempt(scenario: Scenario) -> (String, bool) {
    let began = Instant::now();
    // A panic ends here, and its world with it.
    let passed = AssertUnwindSafe(scenario.run).catch_unwind().await.is_ok();
    let word = if passed { "ok" } else { "FAILED" };
    say(&format!("test {} ... {word} ({:.1} s)", scenario.name, began.elapsed().as_secs_f64()));
    (scenario.name, passed)
}
