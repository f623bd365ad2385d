//! From a spec to a plan: every rule, every default, every fault with its place.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::fault::Faults;
use super::{
    Backoff, BackoffSpec, Defaults, Fault, JobSpec, LayerPlan, LayerSpec, MAX_ARGS, MAX_BACKOFF_SECONDS, MAX_LAYERS, MAX_PRIORITY,
    MAX_RETRIES, MAX_TASKS, MAX_TIMEOUT_SECONDS, Place, Plan, Reason, TaskPlan, TaskSpec, digest, names,
};
use crate::core::name;

/// What fits the ledger's integers.
const INT: RangeInclusive<i64> = i32::MIN as i64..=i32::MAX as i64;
/// The same, from 0.
const COUNT: RangeInclusive<i64> = 0..=i32::MAX as i64;

/// The plan of `spec`, or its faults.
pub(super) fn resolve(spec: JobSpec) -> Result<Plan, Vec<Fault>> {
    let mut check = Check::default();
    let root = || String::new();
    let plan = Plan {
        title: check.title(root, spec.title),
        priority: check.within(root, "priority", spec.priority, -MAX_PRIORITY..=MAX_PRIORITY),
        max_in_flight: spec.max_in_flight.map(|limit| check.within(root, "maxInFlight", limit, COUNT)),
        on_failure: spec.on_failure,
        deadline_seconds: spec.active_deadline_seconds.map(|s| check.within(root, "activeDeadlineSeconds", s, 1..=*COUNT.end())),
        paused: spec.paused,
        backoff: check.backoff(spec.defaults.backoff),
        layers: check.layers(spec.layers, &spec.defaults),
        queue: check.label(root, "queue", spec.queue),
    };
    check.faults.or(plan)
}

/// The faults so far.
#[derive(Default)]
struct Check {
    faults: Faults,
}

/// `outer.inner`, or `inner` alone at the root.
fn join(outer: &str, inner: &str) -> String {
    if outer.is_empty() { inner.to_owned() } else { format!("{outer}.{inner}") }
}

impl Check {
    fn invalid(&mut self, outer: impl FnOnce() -> String, field: &str, message: impl FnOnce() -> String) {
        self.faults.push(Reason::InvalidSpec, || join(&outer(), field), message);
    }

    fn within<T: TryFrom<i64> + Default>(
        &mut self,
        outer: impl FnOnce() -> String,
        field: &str,
        value: i64,
        range: RangeInclusive<i64>,
    ) -> T {
        if !range.contains(&value) {
            self.invalid(outer, field, || format!("must lie from {} to {}", range.start(), range.end()));
        }
        T::try_from(value).unwrap_or_default()
    }

    fn label(&mut self, outer: impl FnOnce() -> String, field: &str, text: String) -> String {
        if !name::is_label(&text) {
            self.invalid(outer, field, || format!("{text:?} {}", name::LABEL_RULE));
        }
        text
    }

    fn title(&mut self, outer: impl FnOnce() -> String, title: Option<String>) -> Option<String> {
        if title.as_deref().is_some_and(|title| !name::is_title(title)) {
            self.invalid(outer, "title", || name::TITLE_RULE.to_owned());
        }
        title.filter(|title| !title.is_empty())
    }

    /// One bound alone moves the other one's default out of its way.
    fn backoff(&mut self, spec: BackoffSpec) -> Backoff {
        let outer = || "defaults.backoff".to_owned();
        let mut seconds =
            |field, value: Option<i64>| value.map(|value| Duration::from_secs(self.within(outer, field, value, 0..=MAX_BACKOFF_SECONDS)));
        let (initial, max) = (seconds("initialSeconds", spec.initial_seconds), seconds("maxSeconds", spec.max_seconds));
        let normal = Backoff::default();
        match (initial, max) {
            (None, None) => normal,
            (Some(initial), None) => Backoff { initial, max: normal.max.max(initial) },
            (None, Some(max)) => Backoff { initial: normal.initial.min(max), max },
            (Some(initial), Some(max)) => {
                if initial > max {
                    self.invalid(outer, "maxSeconds", || "must not be less than initialSeconds".to_owned());
                }
                Backoff { initial, max }
            }
        }
    }

    fn layers(&mut self, specs: Vec<LayerSpec>, defaults: &Defaults) -> Vec<LayerPlan> {
        if specs.is_empty() {
            self.invalid(String::new, "layers", || "a job has at least one layer".to_owned());
        }
        if specs.len() > MAX_LAYERS {
            let message = || format!("has {} layers, at most {MAX_LAYERS}", specs.len());
            self.faults.push(Reason::TooLarge, || "layers".to_owned(), message);
        }
        self.unique_layers(&specs);
        self.defaults(defaults);
        let mut total = 0;
        let layers = specs.into_iter().enumerate().map(|(index, spec)| self.layer(index, spec, defaults, &mut total)).collect();
        if total > u64::from(MAX_TASKS) {
            let message = || format!("have {total} tasks, arrays counted by their elements; at most {MAX_TASKS}");
            self.faults.push(Reason::TooLarge, || "layers".to_owned(), message);
        }
        layers
    }

    fn unique_layers(&mut self, specs: &[LayerSpec]) {
        let mut seen = BTreeMap::new();
        for (index, spec) in specs.iter().enumerate() {
            let first = *seen.entry(spec.name.as_str()).or_insert(index);
            if first != index {
                self.invalid(|| format!("layers[{index}]"), "name", || format!("is the name of layers[{first}] too"));
            }
        }
    }

    /// Checked once here; tasks that take them are not blamed again.
    fn defaults(&mut self, defaults: &Defaults) {
        let outer = || "defaults".to_owned();
        if let Some(kind) = defaults.kind.as_deref().filter(|kind| !name::is_task_type(kind)) {
            self.invalid(outer, "type", || format!("{kind:?} {}", name::TASK_TYPE_RULE));
        }
        if let Some(retries) = defaults.retries {
            self.within::<u32>(outer, "retries", retries, 0..=MAX_RETRIES);
        }
        if let Some(seconds) = defaults.timeout_seconds {
            self.within::<u32>(outer, "timeoutSeconds", seconds, 1..=MAX_TIMEOUT_SECONDS);
        }
    }

    fn layer(&mut self, index: usize, spec: LayerSpec, defaults: &Defaults, total: &mut u64) -> LayerPlan {
        let outer = || format!("layers[{index}]");
        let places: Vec<Place> = spec.tasks.iter().map(|task| task.place).collect();
        let mut ordinal = 0;
        let resolve = |task: TaskSpec| {
            let plan = Task { check: self, layer: index, place: task.place }.resolve(task, defaults, ordinal);
            ordinal += u64::from(plan.rows());
            plan
        };
        let tasks: Vec<TaskPlan> = spec.tasks.into_iter().map(resolve).collect();
        *total += ordinal;
        for (later, earlier) in names::collisions(&tasks) {
            self.collision(index, (places[later], &tasks[later]), (places[earlier], &tasks[earlier]));
        }
        let inline = places.iter().filter(|place| matches!(place, Place::Listed(_))).count();
        LayerPlan {
            inline,
            spec_hash: digest::tasks(&tasks[..inline]),
            sources_hash: digest::sources(&spec.sources),
            name: self.label(outer, "name", spec.name),
            title: self.title(outer, spec.title),
            priority: self.within(outer, "priority", spec.priority, INT),
            paused: spec.paused,
            max_in_flight: spec.max_in_flight.map(|limit| self.within(outer, "maxInFlight", limit, COUNT)),
            tasks,
        }
    }

    fn collision(&mut self, layer: usize, (place, task): (Place, &TaskPlan), (other, taken): (Place, &TaskPlan)) {
        let message = || match (place, other) {
            (Place::Listed(_), Place::Listed(_)) => format!("{} collides with {other}, {}", names_of(task), names_of(taken)),
            _ => format!("collides with the name of {other}"),
        };
        self.faults.push(Reason::DuplicateTaskName, || format!("layers[{layer}].{place}.name"), message);
    }
}

/// The name of a task, or the first and the last one of an array.
fn names_of(task: &TaskPlan) -> String {
    match task.count {
        None => task.name.clone(),
        Some(count) => format!("{} … {}", name::of_element(&task.name, 0), name::of_element(&task.name, count.saturating_sub(1))),
    }
}

/// One task being checked.
struct Task<'a> {
    check: &'a mut Check,
    layer: usize,
    place: Place,
}

impl Task<'_> {
    fn path(&self) -> impl FnOnce() -> String + use<> {
        let (layer, place) = (self.layer, self.place);
        move || format!("layers[{layer}].{place}")
    }

    fn invalid(&mut self, field: &str, message: impl FnOnce() -> String) {
        self.check.invalid(self.path(), field, message);
    }

    fn within(&mut self, field: &str, value: i64, range: RangeInclusive<i64>) -> u32 {
        self.check.within(self.path(), field, value, range)
    }

    /// A text that breaks `rule`: shown where the spec's reader sees it anyway, not where it comes from a file.
    fn breaks(&mut self, field: &str, text: &str, rule: &str) {
        let message = match self.place {
            Place::Listed(_) => format!("{:?} {rule}", text.get(..text.floor_char_boundary(name::MAX_TYPE)).unwrap_or_default()),
            Place::Line { .. } => rule.to_owned(),
        };
        self.invalid(field, || message);
    }

    fn resolve(&mut self, spec: TaskSpec, defaults: &Defaults, ordinal: u64) -> TaskPlan {
        let count = spec.count.map(|count| self.within("count", count, 1..=i64::from(MAX_TASKS)));
        let retries = spec.retries.map(|retries| self.within("retries", retries, 0..=MAX_RETRIES));
        let timeout = spec.timeout_seconds.map(|seconds| self.within("timeoutSeconds", seconds, 1..=MAX_TIMEOUT_SECONDS));
        let default = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
        TaskPlan {
            name: self.name(spec.name, count, ordinal),
            title: self.check.title(self.path(), spec.title),
            kind: self.kind(spec.kind, defaults),
            args: self.args(spec.args, spec.args_base64, spec.payload),
            count,
            max_failures: retries.or(default(defaults.retries)).unwrap_or(0).saturating_add(1),
            timeout_ms: timeout.or(default(defaults.timeout_seconds)).map(|seconds| seconds.saturating_mul(1000)),
            paused: spec.paused,
        }
    }

    fn name(&mut self, name: Option<String>, count: Option<u32>, ordinal: u64) -> String {
        let Some(name) = name else { return format!("t{ordinal}") };
        if name::is_task_name(&name) {
            if let Some(count) = count
                && !name::is_task_name(&name::of_element(&name, count.saturating_sub(1)))
            {
                self.invalid("name", || {
                    format!("is too long: its elements' names have an index and at most {} characters", name::MAX_NAME)
                });
            }
        } else {
            self.breaks("name", &name, name::TASK_NAME_RULE);
        }
        name
    }

    fn kind(&mut self, kind: Option<String>, defaults: &Defaults) -> String {
        match (kind, &defaults.kind) {
            (Some(kind), _) => {
                if !name::is_task_type(&kind) {
                    self.breaks("type", &kind, name::TASK_TYPE_RULE);
                }
                kind
            }
            (None, Some(kind)) => kind.clone(),
            (None, None) => {
                self.invalid("type", || "is missing, here and in defaults.type".to_owned());
                String::new()
            }
        }
    }

    fn args(&mut self, text: Option<String>, base64: Option<String>, payload: Option<String>) -> Option<Vec<u8>> {
        let given = [("args", text.is_some()), ("argsBase64", base64.is_some()), ("payload", payload.is_some())];
        let given: Vec<&str> = given.into_iter().filter_map(|(field, given)| given.then_some(field)).collect();
        let (field, others) = given.split_first()?;
        if !others.is_empty() {
            self.invalid(field, || format!("comes with {}: one of args, argsBase64 and payload", others.join(" and ")));
            return None;
        }
        let bytes = if let Some(base64) = base64 {
            let Ok(bytes) = BASE64_STANDARD.decode(base64) else {
                self.invalid(field, || "is not base64 (RFC 4648, with padding)".to_owned());
                return None;
            };
            bytes
        } else {
            text.or(payload)?.into_bytes()
        };
        if bytes.len() > MAX_ARGS {
            self.invalid(field, || format!("has {} bytes, at most {MAX_ARGS}", bytes.len()));
        }
        Some(bytes)
    }
}
