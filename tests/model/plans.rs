//! Jobs as people might write them, drawn from a seed.

use igor::core::job::OnFailure;
use igor::core::plan::{BackoffSpec, Defaults, JobSpec, LayerSpec, TaskSpec};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

const KINDS: [&str; 3] = ["render", "encode", "mail"];

/// One to three jobs of three to five layers, 20 to 60 tasks in all.
pub(crate) fn some_jobs(rng: &mut Xoshiro256PlusPlus) -> Vec<JobSpec> {
    let jobs = rng.random_range(1..=3);
    (0..jobs).map(|_| some_job(rng, 60 / jobs)).collect()
}

fn some_job(rng: &mut Xoshiro256PlusPlus, most: i64) -> JobSpec {
    let layers = rng.random_range(3..=5);
    let initial = rng.random_range(1..=10);
    JobSpec {
        queue: "default".to_owned(),
        max_in_flight: rng.random_bool(0.3).then(|| rng.random_range(1..=6)),
        on_failure: if rng.random_bool(0.4) { OnFailure::Continue } else { OnFailure::Hold },
        active_deadline_seconds: rng.random_bool(0.15).then(|| rng.random_range(5..=120)),
        defaults: Defaults {
            retries: Some(rng.random_range(0..=3)),
            backoff: BackoffSpec { initial_seconds: Some(initial), max_seconds: Some(initial * 4) },
            ..Defaults::default()
        },
        layers: (0..layers).map(|place| some_layer(rng, place, most / layers)).collect(),
        ..JobSpec::default()
    }
}

fn some_layer(rng: &mut Xoshiro256PlusPlus, place: i64, most: i64) -> LayerSpec {
    let arrays = if rng.random_bool(0.1) { 0 } else { rng.random_range(1..=3) };
    LayerSpec {
        name: format!("layer-{place}"),
        priority: rng.random_range(0..=3),
        max_in_flight: rng.random_bool(0.2).then(|| rng.random_range(1..=4)),
        tasks: (0..arrays).map(|array| some_tasks(rng, array, most / arrays)).collect(),
        ..LayerSpec::default()
    }
}

/// A single task, or an array.
fn some_tasks(rng: &mut Xoshiro256PlusPlus, array: i64, most: i64) -> TaskSpec {
    TaskSpec {
        name: Some(format!("task-{array}")),
        kind: Some(KINDS[rng.random_range(0..KINDS.len())].to_owned()),
        count: rng.random_bool(0.7).then(|| rng.random_range(1..=most.max(1))),
        ..TaskSpec::default()
    }
}
