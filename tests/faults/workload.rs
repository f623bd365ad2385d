//! Jobs made from a seed: layers of short and a few long tasks, arrays and distinct ones, some that fail and are tried again.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::hand::Work;

/// An endless row of different jobs, the same for the same seed.
pub(crate) struct Jobs {
    random: StdRng,
    made: u32,
}

/// A layer as the client knows it: name, priority, number of tasks.
pub(crate) type Shape = (String, i64, u64);

/// A job to be submitted.
pub(crate) struct NewJob {
    pub(crate) name: String,
    pub(crate) spec: Value,
    pub(crate) shape: Vec<Shape>,
}

impl Jobs {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), made: 0 }
    }

    /// The next job, of about so many tasks.
    pub(crate) fn next(&mut self, tasks: u32) -> NewJob {
        self.made += 1;
        let layers = self.random.random_range(2..=4u32);
        let hold = self.random.random_ratio(1, 8);
        let mut job = NewJob { name: format!("job-{}", self.made), spec: Value::Null, shape: Vec::new() };
        let mut specs = Vec::new();
        for layer in 0..layers {
            let priority = i64::from(if self.random.random_ratio(1, 4) { layer.saturating_sub(1) } else { layer });
            let (tasks, count) = self.layer_tasks((tasks / layers).max(2), hold && layer == 1);
            job.shape.push((format!("l{layer}"), priority, count));
            specs.push(json!({"name": format!("l{layer}"), "priority": priority, "tasks": tasks}));
        }
        job.spec = json!({
            "defaults": {"type": "step", "retries": 5, "backoff": {"initialSeconds": 1, "maxSeconds": 2}},
            "onFailure": if self.random.random_ratio(1, 2) { "Continue" } else { "Hold" },
            "layers": specs,
        });
        job
    }

    /// Arrays and single tasks, about `most` in all; how many there are.
    fn layer_tasks(&mut self, most: u32, doomed: bool) -> (Vec<Value>, u64) {
        let long = self.random.random_ratio(1, 4);
        let mut tasks = Vec::new();
        let mut left = most;
        while left > 0 {
            let count = self.random.random_range(1..=left);
            let kind = if self.random.random_ratio(1, 3) { "pile" } else { "step" };
            tasks.push(json!({"name": format!("t{}", tasks.len()), "type": kind, "count": count, "payload": work(5, 200, self.fails())}));
            left -= count;
        }
        let single = |name: &str, payload| json!({"name": name, "payload": payload});
        if long {
            tasks.push(single("long", work(2000, 4000, 0)));
        }
        if doomed {
            tasks.push(json!({"name": "doomed", "retries": 1, "payload": work(5, 50, 1_000_000)}));
        }
        (tasks, u64::from(most) + u64::from(long) + u64::from(doomed))
    }

    fn fails(&mut self) -> u32 {
        u32::from(self.random.random_ratio(1, 6))
    }

    /// Any number below `end`, of the same row.
    pub(crate) fn pick(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }
}

pub(crate) fn work(least: u64, most: u64, fails: u32) -> Value {
    json!(Work { least, most, fails, later: None })
}

/// A job of layers of one array each, in order.
pub(crate) fn plain(name: &str, layers: &[(u32, Value)]) -> NewJob {
    let named = |index: usize| format!("l{index}");
    let spec = |(index, (count, payload)): (usize, &(u32, Value))| json!({"name": named(index), "priority": index, "tasks": [{"name": "t", "type": "step", "count": count, "payload": payload}]});
    NewJob {
        name: name.to_owned(),
        spec: json!({
            "defaults": {"retries": 3, "backoff": {"initialSeconds": 1, "maxSeconds": 2}},
            "layers": layers.iter().enumerate().map(spec).collect::<Vec<_>>(),
        }),
        shape: (0i64..)
            .zip(layers)
            .enumerate()
            .map(|(index, (priority, (count, _)))| (named(index), priority, u64::from(*count)))
            .collect(),
    }
}
