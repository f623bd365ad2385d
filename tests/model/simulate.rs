//! The simulator: larger worlds, each from one seed, with whatever the seed lets go wrong; then faults stop, and it must come to rest.

use std::collections::BTreeMap;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::mischief::{Budget, Mischief};
use crate::operator::Act;
use crate::plans::some_jobs;
use crate::promises::{counters_are_right, is_settled, limits_hold};
use crate::rules::{Rules, Safeguard};
use crate::seeds;
use crate::world::{Action, Seat, World};

/// Steps in which things go wrong.
const TROUBLED: usize = 1_500;
/// Steps after which a world that does not come to rest never will.
const LONGEST: usize = 30_000;

/// What a world went through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) steps: usize,
    pub(crate) tasks: usize,
    /// How often each kind of mischief happened.
    pub(crate) faults: BTreeMap<&'static str, usize>,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.tasks += other.tasks;
        for (name, count) in other.faults {
            *self.faults.entry(name).or_default() += count;
        }
    }
}

/// A promise that was broken, and after how many steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) step: usize,
    pub(crate) what: String,
}

/// Lives through the world of one seed; `tell` hears of every step.
pub(crate) fn live(seed: u64, without: Option<Safeguard>, mut tell: impl FnMut(usize, &Action, &World)) -> Result<Figures, Violation> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let rules = Rules {
        window: rng.random_range(2..12),
        chunk: rng.random_range(3..25),
        slots: rng.random_range(1..4),
        without,
        ..Rules::of(some_jobs(&mut rng))
    };
    let workers = rng.random_range(2..5);
    let mut world = World::new(&rules, workers, some_trouble(&mut rng));
    world.hints = rng.random_bool(0.5);
    let rules = steered(seed, rules, &mut world.budget);
    let mut driver = Driver { poison: rng.random_bool(0.2).then(|| rng.random_range(0..rules.tasks.len().max(1))), rng, haste: 0 };
    driver.haste = driver.rng.random_range(0..200);
    let mut figures = Figures { tasks: rules.tasks.len(), ..Figures::default() };
    let mut attempts = vec![0; rules.tasks.len()];
    for step in 0..LONGEST {
        if step == TROUBLED {
            world.budget = Budget::default();
        }
        let Some(action) = driver.choose(&world, &rules) else { break };
        figures.steps += 1;
        if let Action::Mischief(mischief) = action {
            *figures.faults.entry(mischief.name()).or_default() += 1;
        }
        world.ledger.jitter = driver.rng.random();
        world.ledger.now_ms += driver.rng.random_range(0..=driver.haste);
        world.step(&rules, action);
        tell(step, &action, &world);
        inspect(&world, &rules, &mut attempts).map_err(|what| Violation { step, what })?;
    }
    let at_rest = world.progress(&rules).is_empty();
    let what = match (at_rest, is_settled(&world.ledger, &rules)) {
        (true, true) => return Ok(figures),
        (true, false) => "1, 7: at rest, and a task has neither ended nor does a wait say why".to_owned(),
        (false, _) => "1: the world does not come to rest".to_owned(),
    };
    Err(Violation { step: figures.steps, what })
}

/// In the worlds of `seeds::steered` people steer layers and tasks too, and their commands may be large.
fn steered(seed: u64, rules: Rules, budget: &mut Budget) -> Rules {
    if !seeds::is_steered(seed) {
        return rules;
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(!seed);
    let mut up_to = |most: u8| rng.random_range(0..=most);
    (budget.skips, budget.narrow_kills, budget.narrow_retries, budget.task_pauses) = (up_to(4), up_to(4), up_to(6), up_to(5));
    let step = if rng.random_bool(0.5) { rng.random_range(2..12) } else { usize::MAX };
    Rules { step, ..rules }
}

/// What must hold after each step.
fn inspect(world: &World, rules: &Rules, attempts: &mut [u32]) -> Result<(), String> {
    if let Some(broken) = world.ledger.broken {
        return Err(format!("{broken:?}"));
    }
    if !counters_are_right(&world.ledger, rules) {
        return Err("6: counters are not a recount".to_owned());
    }
    if !limits_hold(&world.ledger, rules) {
        return Err("more is in flight than a limit allows".to_owned());
    }
    for (known, task) in attempts.iter_mut().zip(&world.ledger.tasks) {
        if task.attempt < *known {
            return Err("4: an attempt number fell".to_owned());
        }
        *known = task.attempt;
    }
    Ok(())
}

fn some_trouble(rng: &mut Xoshiro256PlusPlus) -> Budget {
    let mut up_to = |most: u8| if rng.random_bool(0.5) { 0 } else { rng.random_range(0..=most) };
    Budget {
        operator_crashes: up_to(3),
        takeovers: up_to(3),
        worker_crashes: up_to(5),
        silences: up_to(4),
        losses: up_to(3),
        repeats: up_to(4),
        failures: up_to(12),
        releases: up_to(4),
        pauses: up_to(3),
        kills: up_to(2),
        retries: up_to(4),
        layer_pauses: up_to(3),
        fail_overs: up_to(2),
        lies: up_to(3),
        ..Budget::default()
    }
}

/// Chooses what happens next.
struct Driver {
    rng: Xoshiro256PlusPlus,
    /// A task that kills its worker each time.
    poison: Option<usize>,
    /// Most milliseconds that a step takes.
    haste: i64,
}

impl Driver {
    fn choose(&mut self, world: &World, rules: &Rules) -> Option<Action> {
        let progress = world.progress(rules);
        let poisoned = world.workers.iter().position(|worker| worker.held.iter().any(|held| Some(held.entry.task) == self.poison));
        if let Some(worker) = poisoned.filter(|_| !world.is_urgent()) {
            return Some(Action::Mischief(Mischief::CrashWorker(worker)));
        }
        // An operator that goes on after it was stopped begins with its periodic look at the outbox.
        let look = |action: &&Action| matches!(action, Action::Operator(Seat::Stale, Act::Relay | Act::RecallDone));
        if let Some(look) = progress.iter().find(look).filter(|_| self.rng.random_bool(0.5)) {
            return Some(*look);
        }
        let mischief = if self.rng.random_bool(0.08) || progress.is_empty() { world.mischief(rules) } else { Vec::new() };
        if mischief.is_empty() {
            return pick(&mut self.rng, &progress);
        }
        // First which kind of trouble, then which of its kind: that there are many tasks must not make some troubles rare.
        let mut names: Vec<&str> = mischief.iter().map(|mischief| mischief.name()).collect();
        names.dedup();
        let name = pick(&mut self.rng, &names)?;
        let of_kind: Vec<Mischief> = mischief.into_iter().filter(|mischief| mischief.name() == name).collect();
        pick(&mut self.rng, &of_kind).map(Action::Mischief)
    }
}

fn pick<T: Clone>(rng: &mut Xoshiro256PlusPlus, from: &[T]) -> Option<T> {
    if from.is_empty() { None } else { Some(from[rng.random_range(0..from.len())].clone()) }
}
