//! From a request to the object and the plan of a new job.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::super::Fault;
use super::body::{NewJob, NewLayer, NewTask, checked_name, checked_pause};
use crate::core::plan::{MAX_LAYERS, MAX_TASKS, Plan};
use crate::core::slug;
use crate::crd::resolve::{plan, plan_of_uploads};
use crate::crd::{IgorJobSpec, JobLayer, LayerTask, TasksFrom, Upload};

/// Tasks that an object may hold itself: in a layer, and in all.
const INLINE: (usize, usize) = (1_000, 2_000);
/// Bytes of an object that holds its tasks; the API server takes one and a half times as many, with what it writes itself.
const INLINE_BYTES: usize = 900_000;

/// A job that is to be made.
pub(super) struct Birth {
    /// What its object's name begins with.
    pub(super) stem: String,
    /// What its object says.
    pub(super) spec: IgorJobSpec,
    /// All of it.
    pub(super) plan: Plan,
    /// Since when its paused layers are paused, by their names.
    pub(super) paused_layers: Vec<(String, i64)>,
    /// Since when its paused tasks are paused, by the names of layer and task.
    pub(super) paused_tasks: Vec<(String, String, i64)>,
}

impl Birth {
    /// Checks a request, and names what it holds.
    pub(super) fn of(job: NewJob) -> Result<Self, Fault> {
        check(&job)?;
        let names = slug::labels(job.layers.iter().map(|layer| layer.name.as_str()), "layer");
        let stem = slug::slug(&job.name, 50);
        let mut born = Paused::default();
        let layers = names.into_iter().zip(job.layers).map(|(name, layer)| born.layer(name, layer)).collect::<Result<Vec<_>, _>>()?;
        let mut spec = IgorJobSpec { title: (!job.name.is_empty()).then_some(job.name), ..IgorJobSpec::of(layers) };
        let uploads = if fits(&spec) { BTreeMap::new() } else { upload(&mut spec) };
        let planned =
            if uploads.is_empty() { plan(&spec, &BTreeMap::new(), &Default::default()) } else { plan_of_uploads(&spec, &uploads) };
        let plan = planned.map_err(|faults| Fault::Bad(faults.iter().map(ToString::to_string).collect()))?;
        let stem = if stem.is_empty() { "job".to_owned() } else { stem };
        Ok(Self { stem, spec, plan, paused_layers: born.layers, paused_tasks: born.tasks })
    }
}

fn check(job: &NewJob) -> Result<(), Fault> {
    if job.layers.is_empty() {
        return Err(Fault::bad("no layers specified"));
    }
    if job.layers.len() > MAX_LAYERS {
        return Err(Fault::bad(format!("max length exceeded job has {} layers, max {MAX_LAYERS}", job.layers.len())));
    }
    let total: usize = job.layers.iter().map(|layer| layer.tasks.len()).sum();
    if total > MAX_TASKS as usize {
        return Err(Fault::bad(format!("max length exceeded job has {total} tasks, max {MAX_TASKS}")));
    }
    checked_name("job", &job.name)?;
    for layer in &job.layers {
        checked_name("layer", &layer.name)?;
        checked_pause(layer.paused_at)?;
        if i32::try_from(layer.priority).is_err() {
            return Err(Fault::bad(format!("invalid arg: priority {} does not fit 32 bits", layer.priority)));
        }
        if layer.tasks.iter().any(|task| !task.layer_id.is_empty()) {
            return Err(Fault::bad("the body cannot be read: unknown field `layer_id`"));
        }
        layer.tasks.iter().try_for_each(NewTask::check)?;
    }
    Ok(())
}

/// Since when what is paused is so.
#[derive(Default)]
struct Paused {
    layers: Vec<(String, i64)>,
    tasks: Vec<(String, String, i64)>,
}

impl Paused {
    fn layer(&mut self, name: String, layer: NewLayer) -> Result<JobLayer, Fault> {
        if layer.paused_at != 0 {
            self.layers.push((name.clone(), layer.paused_at));
        }
        let mut tasks = Vec::with_capacity(layer.tasks.len());
        for (ordinal, task) in layer.tasks.iter().enumerate() {
            // The name that a task without one gets.
            if task.paused_at != 0 {
                self.tasks.push((name.clone(), format!("t{ordinal}"), task.paused_at));
            }
            tasks.push(written(task)?);
        }
        Ok(JobLayer {
            name,
            title: (!layer.name.is_empty()).then_some(layer.name),
            priority: i32::try_from(layer.priority).unwrap_or(0),
            paused: layer.paused_at != 0,
            tasks,
            ..JobLayer::default()
        })
    }
}

fn written(task: &NewTask) -> Result<LayerTask, Fault> {
    let args = task.args()?;
    Ok(LayerTask {
        // The API server takes no empty text for base64.
        args: args.as_ref().filter(|args| args.is_empty()).map(|_| String::new()),
        title: task.title(),
        kind: Some(task.kind.clone()),
        args_base64: args.filter(|args| !args.is_empty()).map(|args| BASE64_STANDARD.encode(args)),
        retries: i32::try_from(task.retries).ok().filter(|retries| *retries != 0),
        paused: task.paused_at != 0,
        ..LayerTask::default()
    })
}

/// Whether an object can hold its tasks itself.
fn fits(spec: &IgorJobSpec) -> bool {
    let lengths = || spec.layers.iter().map(|layer| layer.tasks.len());
    lengths().all(|length| length <= INLINE.0)
        && lengths().sum::<usize>() <= INLINE.1
        && serde_json::to_string(spec).is_ok_and(|text| text.len() <= INLINE_BYTES)
}

/// Takes the tasks out of the object, which then says how many are to come.
fn upload(spec: &mut IgorJobSpec) -> BTreeMap<String, Vec<LayerTask>> {
    let mut uploads = BTreeMap::new();
    for layer in spec.layers.iter_mut().filter(|layer| !layer.tasks.is_empty()) {
        let tasks = std::mem::take(&mut layer.tasks);
        let count = i32::try_from(tasks.len()).unwrap_or(i32::MAX);
        layer.tasks_from = vec![TasksFrom { upload: Some(Upload { count }), ..TasksFrom::default() }];
        uploads.insert(layer.name.clone(), tasks);
    }
    uploads
}
