//! The controllers: for each namespace (or for the whole cluster) one watch, one cache, one reconcile at a time for each job.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use kube::api::Api;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store as Cache};
use kube::runtime::{Predicate, WatchStreamExt, predicates, watcher};
use kube::{Resource, ResourceExt};
use tokio::sync::{Mutex, mpsc, watch};

use super::clients::Again;
use super::pokes::Pokes;
use super::reconcile::{self, Backoff};
use super::term::Term;
use super::{Error, Handle, Job, TaskObject, clients};
use crate::crd::{IgorJob, LayerTask, TaskPhase};

/// Reconciles at the same time, over all jobs.
const CONCURRENCY: u16 = 16;
/// A new job with so few tasks is accepted from the cache. While the ledger is away thousands of them may wait there.
const FEW_TASKS: usize = 16;
const FEW_BYTES: usize = 4096;

/// The jobs of one namespace or of all.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) cache: Cache<Job>,
    /// Whether the cache is filled. Its own signal wakes one waiter only, and the controller waits for it.
    filled: watch::Receiver<bool>,
    /// `None` = all namespaces.
    pub(super) namespace: Option<String>,
}

impl Watched {
    /// Waits until the cache is filled.
    pub(super) async fn filled(&self) -> Result<(), Error> {
        self.filled.clone().wait_for(|filled| *filled).await.map(drop).map_err(|_| Error::CacheGone)
    }
}

/// An object that was deleted.
pub(super) struct Gone {
    pub(super) uid: String,
    pub(super) created_ms: i64,
}

/// Where deleted objects are told of. Shared, because the loop that reads it may begin again.
pub(super) type Deleted = Arc<Mutex<mpsc::UnboundedReceiver<Gone>>>;

/// The namespaces to watch; `None` = all in one.
pub(super) fn scopes(namespaces: &[String]) -> Vec<Option<String>> {
    if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() }
}

/// A cache of jobs, and the controller that fills it and works on it, to be run.
pub(super) fn build(
    term: &Arc<Term>,
    namespace: Option<String>,
    pokes: Pokes,
    deleted: mpsc::UnboundedSender<Gone>,
) -> (Watched, impl Future<Output = ()> + use<>) {
    let client = term.context.watch_client.clone();
    let api: Api<Job> =
        namespace.as_deref().map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace));
    let (cache, writer) = reflector::store();
    let (fill, filled) = watch::channel(false);
    let events = watcher(api, clients::watching()).backoff(Again::default()).modify(strip).inspect_ok(move |event| {
        if let watcher::Event::Delete(object) = event
            && let Some(uid) = object.uid()
        {
            let created_ms = object.meta().creation_timestamp.as_ref().map_or(0, |time| time.0.as_millisecond());
            deleted.send(Gone { uid, created_ms }).ok();
        }
    });
    let predicate = Predicate::<Job>::combine(predicates::generation, predicates::annotations).combine(predicates::labels);
    let events = events.reflect(writer).inspect_ok(move |event| {
        if matches!(event, watcher::Event::InitDone) {
            fill.send_replace(true);
        }
    });
    let triggers = events.applied_objects().predicate_filter(predicate, Default::default());
    let run = Controller::for_stream(unbroken(triggers), cache.clone())
        .owns_stream(unbroken(handles(term, namespace.as_deref())))
        .watches_stream(unbroken(task_objects(term, namespace.clone())), job_of)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .reconcile_on(pokes)
        .graceful_shutdown_on(term.stop.clone().cancelled_owned())
        .run(contained, on_error, term.clone())
        .for_each(|outcome| {
            if let Err(error) = outcome {
                tracing::debug!(error = &error as &dyn std::error::Error, "reconcile");
            }
            std::future::ready(())
        });
    let (stop, ready) = (term.stop.clone(), filled.clone());
    let run = async move {
        // A controller whose cache was never filled does not end by itself.
        let given_up = async {
            stop.cancelled().await;
            if *ready.borrow() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = run => {}
            () = given_up => {}
        }
    };
    (Watched { cache, filled, namespace }, run)
}

/// Without its errors: the watch tries again by itself, and the controller would hold everything back for up to half a minute.
fn unbroken<Item>(triggers: impl Stream<Item = Result<Item, watcher::Error>>) -> impl Stream<Item = Result<Item, watcher::Error>> {
    let triggers = triggers.inspect_err(|error| tracing::debug!(error = error as &dyn std::error::Error, "a watch failed"));
    triggers.filter(|trigger| std::future::ready(trigger.is_ok()))
}

/// The layers' handles: a change of their annotations is a command on their job.
fn handles(term: &Term, namespace: Option<&str>) -> impl Stream<Item = Result<Handle, watcher::Error>> + Send + use<> {
    let client = term.context.watch_client.clone();
    let api: Api<Handle> = namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace));
    let (cache, writer) = reflector::store();
    term.add_handles(cache);
    let events = watcher(api, clients::watching()).backoff(Again::default()).modify(|handle| {
        handle.metadata.managed_fields = None;
    });
    events.reflect(writer).applied_objects().predicate_filter(predicates::annotations, Default::default())
}

/// The objects of tasks: a new one, or a change of its annotations, is something for its job.
fn task_objects(term: &Arc<Term>, namespace: Option<String>) -> impl Stream<Item = Result<TaskObject, watcher::Error>> + Send + use<> {
    let client = term.context.watch_client.clone();
    let api: Api<TaskObject> =
        namespace.as_deref().map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace));
    let (term, mut listed) = (term.clone(), BTreeSet::new());
    let events = watcher(api, clients::watching()).backoff(Again::default()).modify(strip_task).inspect_ok(move |event| {
        term.children.take_in(event, namespace.as_deref(), &mut listed);
    });
    let predicate = Predicate::<TaskObject>::combine(predicates::generation, predicates::annotations);
    events.applied_objects().predicate_filter(predicate, Default::default())
}

fn job_of(task: TaskObject) -> Option<ObjectRef<Job>> {
    let namespace = task.namespace()?;
    task.0.ok().map(|task| ObjectRef::new(&task.spec.job_name).within(&namespace))
}

/// What a task is to do is in the ledger once it is taken.
fn strip_task(object: &mut TaskObject) {
    object.meta_mut().managed_fields = None;
    if let Ok(task) = &mut object.0
        && task.status.as_ref().is_some_and(|status| status.phase.is_some_and(|phase| phase != TaskPhase::Rejected))
    {
        (task.spec.args, task.spec.args_base64, task.spec.payload) = (None, None, None);
    }
}

/// Task lists are most of an object's bytes, and only acceptance needs them: it reads the object anew, unless they are few and new.
fn strip(object: &mut Job) {
    object.meta_mut().managed_fields = None;
    if let Ok(job) = &mut object.0
        && !(job.status.is_none() && is_small(job))
    {
        job.spec.layers.iter_mut().for_each(|layer| layer.tasks.clear());
    }
}

fn is_small(job: &IgorJob) -> bool {
    let tasks: Vec<&LayerTask> = job.spec.layers.iter().flat_map(|layer| &layer.tasks).collect();
    tasks.len() <= FEW_TASKS && serde_json::to_vec(&tasks).is_ok_and(|written| written.len() <= FEW_BYTES)
}

/// A panic over one object is an error of that object.
async fn contained(object: Arc<Job>, term: Arc<Term>) -> Result<Action, Error> {
    let done = catch(reconcile::reconcile(object.clone(), term.clone())).await;
    if let Err(error @ Error::ReconcilePanicked(_)) = &done {
        metrics::counter!("igor_panics_total").increment(1);
        reconcile::failed(&object, &term, error).await;
    }
    done
}

/// Turns a panic of `work` into an error.
async fn catch<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Error::ReconcilePanicked(said.unwrap_or_else(|| "something that is no text".to_owned())))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the controller calls it so")]
fn on_error(object: Arc<Job>, error: &Error, term: Arc<Term>) -> Action {
    if error.is_fenced() {
        term.stop.cancel();
        return Action::await_change();
    }
    if error.is_conflict() {
        return Action::requeue(Duration::from_secs(1));
    }
    let uid = object.uid().unwrap_or_default();
    let mut failures = 0;
    term.context.remember(&uid, |memory| {
        memory.failures += 1;
        failures = memory.failures;
    });
    let namespace = object.namespace().unwrap_or_default();
    tracing::warn!(job = %object.name_any(), %namespace, failures, error = error as &dyn std::error::Error, "reconcile failed");
    Action::requeue(Backoff::after(failures, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_that_is_tried_again_ever_more_rarely() {
        let broken = |text: Option<String>| async move {
            match text {
                None => panic!("no text"),
                Some(text) => panic!("{text}"),
            }
        };
        for (work, said) in [(broken(None), "no text"), (broken(Some("row 7".to_owned())), "row 7")] {
            let error = catch::<()>(work).await.expect_err("it panicked");
            assert_eq!(error.to_string(), format!("the reconcile panicked: {said}"));
            assert_eq!(error.stalled_reason(), "ReconcileError");
            let wait = |failures| Backoff::after(failures, &error);
            assert!(wait(1) <= Duration::from_secs(1) && wait(12) >= Duration::from_secs(150), "{:?}", wait(12));
        }
        assert_eq!(catch(std::future::ready(Ok(7))).await.ok(), Some(7));
    }
}
