//! The `IgorTask` objects, by the job that they name: those of users, which add tasks, and handles on failed ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::ResourceExt;
use kube::runtime::watcher::Event;

use super::TaskObject;
use crate::crd::{self, IgorTask};

/// Namespace and name of a job.
type Job = (String, String);

/// What was seen of them, shared by the watches of all namespaces.
#[derive(Debug, Default)]
pub(super) struct Children(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_job: HashMap<Job, BTreeMap<String, Arc<IgorTask>>>,
    /// The job of each object, by namespace and name.
    jobs: HashMap<(String, String), Job>,
}

impl Children {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The objects that name a job.
    pub(super) fn of(&self, namespace: &str, job: &str) -> Vec<Arc<IgorTask>> {
        let state = self.state();
        state.by_job.get(&(namespace.to_owned(), job.to_owned())).map(|tasks| tasks.values().cloned().collect()).unwrap_or_default()
    }

    /// How many handles a namespace has.
    pub(super) fn handles_in(&self, namespace: &str) -> usize {
        let state = self.state();
        let of_namespace = state.by_job.iter().filter(|((known, _), _)| known == namespace);
        of_namespace.flat_map(|(_, tasks)| tasks.values()).filter(|task| is_handle(task)).count()
    }

    /// All objects that users made.
    pub(super) fn of_users(&self) -> Vec<Arc<IgorTask>> {
        self.state().by_job.values().flat_map(BTreeMap::values).filter(|task| !is_handle(task)).cloned().collect()
    }

    /// Takes in what a watch tells; `listed` is what its listing has named so far.
    pub(super) fn take_in(&self, event: &Event<TaskObject>, namespace: Option<&str>, listed: &mut BTreeSet<(String, String)>) {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(task) => {
                listed.insert(place(task));
                self.insert(task);
            }
            Event::InitDone => {
                let of_watch = |(of, _): &&(String, String)| namespace.is_none_or(|namespace| namespace == of);
                let gone: Vec<_> = self.state().jobs.keys().filter(of_watch).filter(|place| !listed.contains(place)).cloned().collect();
                for place in gone {
                    self.remove(&place);
                }
            }
            Event::Apply(task) => self.insert(task),
            Event::Delete(task) => self.remove(&place(task)),
        }
    }

    /// One that this version cannot read is as if it were not there.
    fn insert(&self, task: &TaskObject) {
        let place = place(task);
        let Ok(known) = &task.0 else { return self.remove(&place) };
        let job = (place.0.clone(), known.spec.job_name.clone());
        let mut state = self.state();
        state.by_job.entry(job.clone()).or_default().insert(place.1.clone(), Arc::new(known.clone()));
        state.jobs.insert(place, job);
    }

    fn remove(&self, place: &(String, String)) {
        let mut state = self.state();
        let Some(job) = state.jobs.remove(place) else { return };
        if let Some(tasks) = state.by_job.get_mut(&job) {
            tasks.remove(&place.1);
            if tasks.is_empty() {
                state.by_job.remove(&job);
            }
        }
    }
}

fn place(task: &TaskObject) -> (String, String) {
    (task.namespace().unwrap_or_default(), task.name_any())
}

/// Whether the operator made it for a task that is there anyway.
pub(super) fn is_handle(task: &IgorTask) -> bool {
    task.labels().get(crd::LABEL_ORIGIN).is_some_and(|origin| origin == crd::ORIGIN_HANDLE)
}
