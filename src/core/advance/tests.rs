use proptest::prelude::*;

use super::Step::{FinishJob, FinishLayer, HoldJob, OpenLayer, ReopenJob, ResetLayer, ResumeJob, StartJob};
use super::*;
use crate::core::job::{Counters, OnFailure};

fn layer(priority: i32, pending: u32) -> Layer {
    Layer {
        name: format!("p{priority}"),
        priority,
        status: Status::Pending,
        run: 0,
        paused_by: None,
        gated: false,
        expected: pending,
        loaded: pending,
        tasks: Counters { pending, ..Counters::default() },
    }
}

fn job(layers: Vec<Layer>) -> Job {
    Job { status: Status::Pending, accepted: true, finished: false, paused_by: None, gated: false, on_failure: OnFailure::Hold, layers }
}

/// Writes the steps that are due, as the ledger would.
fn written(job: &mut Job) -> Vec<Step> {
    let steps = advance(job);
    for step in &steps {
        apply(job, *step);
    }
    steps
}

/// Every unfinished task of the layer ends.
fn ends(layer: &mut Layer, completed: u32, errored: u32, skipped: u32) {
    layer.tasks = Counters { completed, errored, skipped, ..layer.tasks };
    (layer.tasks.pending, layer.tasks.queued, layer.tasks.running) = (0, 0, 0);
}

#[test]
fn layers_of_one_priority_open_together_and_later_ones_when_all_are_done() {
    let mut job = job(vec![layer(0, 1), layer(0, 1), layer(5, 1)]);
    assert_eq!(written(&mut job), [StartJob, OpenLayer(0), OpenLayer(1)]);
    ends(&mut job.layers[1], 1, 0, 0);
    assert_eq!(written(&mut job), [FinishLayer(1, Status::Completed)]);
    ends(&mut job.layers[0], 0, 0, 1);
    assert_eq!(written(&mut job), [FinishLayer(0, Status::Skipped), OpenLayer(2)]);
    ends(&mut job.layers[2], 1, 0, 0);
    assert_eq!(written(&mut job), [FinishLayer(2, Status::Completed), FinishJob(Status::Completed)]);
    assert_eq!(written(&mut job), []);
}

#[test]
fn layers_open_by_priority_whatever_their_place_in_the_plan() {
    let mut job = job(vec![layer(9, 1), layer(-3, 1)]);
    assert_eq!(written(&mut job), [StartJob, OpenLayer(1)]);
}

#[test]
fn empty_layers_are_opened_and_completed_in_one_go() {
    let mut job = job(vec![layer(0, 0), layer(1, 0)]);
    let all = [
        StartJob,
        OpenLayer(0),
        FinishLayer(0, Status::Completed),
        OpenLayer(1),
        FinishLayer(1, Status::Completed),
        FinishJob(Status::Completed),
    ];
    assert_eq!(written(&mut job), all);
}

#[test]
fn a_loading_layer_is_neither_empty_nor_opened() {
    let mut job = job(vec![Layer { expected: 3, ..layer(0, 0) }, layer(1, 1)]);
    assert_eq!(written(&mut job), []);
    job.layers[0].loaded = 3;
    job.layers[0].tasks.pending = 3;
    assert_eq!(written(&mut job), [StartJob, OpenLayer(0)]);
}

#[test]
fn a_job_that_is_not_accepted_or_gated_stands_still() {
    assert_eq!(advance(&Job { accepted: false, ..job(vec![layer(0, 1)]) }), []);
    assert_eq!(advance(&Job { gated: true, ..job(vec![layer(0, 1)]) }), []);
}

#[test]
fn a_paused_job_opens_nothing_but_what_runs_may_end_it() {
    let mut job = job(vec![layer(0, 1), layer(1, 1)]);
    job.paused_by = Some("spec".to_owned());
    assert_eq!(written(&mut job), []);
    job.paused_by = None;
    written(&mut job);
    job.paused_by = Some("mara".to_owned());
    ends(&mut job.layers[0], 1, 0, 0);
    assert_eq!(written(&mut job), [FinishLayer(0, Status::Completed)]);
    job.paused_by = None;
    assert_eq!(written(&mut job), [OpenLayer(1)]);
}

#[test]
fn a_paused_layer_neither_opens_nor_completes() {
    let mut job = job(vec![layer(0, 1), layer(0, 1)]);
    job.layers[0].paused_by = Some("spec".to_owned());
    assert_eq!(written(&mut job), [StartJob, OpenLayer(1)]);
    job.layers[0].paused_by = None;
    assert_eq!(written(&mut job), [OpenLayer(0)]);
    job.layers[0].paused_by = Some("mara".to_owned());
    ends(&mut job.layers[0], 1, 0, 0);
    assert_eq!(written(&mut job), []);
    job.layers[0].paused_by = None;
    assert_eq!(written(&mut job), [FinishLayer(0, Status::Completed)]);
}

#[test]
fn an_errored_layer_holds_the_job_once_its_siblings_are_at_rest() {
    let mut job = job(vec![layer(0, 2), layer(0, 1), layer(1, 1)]);
    written(&mut job);
    ends(&mut job.layers[0], 1, 1, 0);
    assert_eq!(written(&mut job), [FinishLayer(0, Status::Errored)]);
    ends(&mut job.layers[1], 1, 0, 0);
    assert_eq!(written(&mut job), [FinishLayer(1, Status::Completed), HoldJob]);
    assert_eq!(written(&mut job), []);
    assert!(!job.finished);
}

#[test]
fn retrying_the_failed_reopens_the_layer_and_the_job_goes_on_to_the_end() {
    let mut job = job(vec![layer(0, 2), layer(1, 1)]);
    written(&mut job);
    ends(&mut job.layers[0], 1, 1, 0);
    assert_eq!(written(&mut job), [FinishLayer(0, Status::Errored), HoldJob]);
    job.layers[0].tasks = Counters { pending: 1, completed: 1, ..Counters::default() };
    assert_eq!(written(&mut job), [OpenLayer(0), ResumeJob]);
    assert_eq!(job.layers[0].run, 2);
    ends(&mut job.layers[0], 2, 0, 0);
    assert_eq!(written(&mut job), [FinishLayer(0, Status::Completed), OpenLayer(1)]);
}

#[test]
fn skipping_the_failed_lets_the_job_go_on() {
    let mut job = job(vec![layer(0, 2), layer(1, 1)]);
    written(&mut job);
    ends(&mut job.layers[0], 1, 1, 0);
    written(&mut job);
    ends(&mut job.layers[0], 1, 0, 1);
    assert_eq!(written(&mut job), [FinishLayer(0, Status::Completed), OpenLayer(1), ResumeJob]);
}

#[test]
fn a_job_that_continues_runs_later_layers_and_ends_errored() {
    let mut job = Job { on_failure: OnFailure::Continue, ..job(vec![layer(0, 1), layer(1, 1)]) };
    written(&mut job);
    ends(&mut job.layers[0], 0, 1, 0);
    assert_eq!(written(&mut job), [FinishLayer(0, Status::Errored), OpenLayer(1)]);
    ends(&mut job.layers[1], 1, 0, 0);
    assert_eq!(written(&mut job), [FinishLayer(1, Status::Completed), FinishJob(Status::Errored)]);
}

#[test]
fn a_finished_job_stands_still_until_it_has_work_again() {
    let mut job = job(vec![layer(0, 1), layer(1, 1)]);
    written(&mut job);
    for layer in &mut job.layers {
        layer.status = Status::Errored;
        layer.tasks = Counters { errored: 1, ..Counters::default() };
    }
    (job.status, job.finished) = (Status::Errored, true);
    assert_eq!(written(&mut job), []);
    job.layers[0].tasks = Counters { pending: 1, ..Counters::default() };
    job.layers[1].tasks = Counters { pending: 1, ..Counters::default() };
    assert_eq!(written(&mut job), [ReopenJob, ResetLayer(1), OpenLayer(0)]);
    assert!(!job.finished);
}

#[derive(Clone, Debug)]
enum Event {
    Ends { layer: usize, errored: bool },
    Retry(usize),
    Skip(usize),
    PauseJob(bool),
    PauseLayer(usize, bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..5usize, prop::bool::weighted(0.2)).prop_map(|(layer, errored)| Event::Ends { layer, errored }),
        1 => (0..5usize).prop_map(Event::Retry),
        1 => (0..5usize).prop_map(Event::Skip),
        1 => any::<bool>().prop_map(Event::PauseJob),
        1 => (0..5usize, any::<bool>()).prop_map(|(layer, paused)| Event::PauseLayer(layer, paused)),
    ]
}

fn happen(job: &mut Job, event: &Event) {
    let count = job.layers.len();
    match *event {
        Event::Ends { layer, errored } => {
            let layer = &mut job.layers[layer % count];
            if layer.status == Status::Running && layer.tasks.pending > 0 {
                layer.tasks.pending -= 1;
                if errored { layer.tasks.errored += 1 } else { layer.tasks.completed += 1 }
            }
        }
        Event::Retry(layer) => {
            let tasks = &mut job.layers[layer % count].tasks;
            tasks.pending += std::mem::take(&mut tasks.errored);
        }
        Event::Skip(layer) => {
            let tasks = &mut job.layers[layer % count].tasks;
            tasks.skipped += std::mem::take(&mut tasks.errored);
        }
        Event::PauseJob(paused) => job.paused_by = paused.then(|| "p".to_owned()),
        Event::PauseLayer(layer, paused) => job.layers[layer % count].paused_by = paused.then(|| "p".to_owned()),
    }
}

/// Invariant 2: a layer that begins for the first time finds every earlier one out of the way.
fn check_begin(before: &Job, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut job = before.clone();
    for step in steps {
        if let OpenLayer(index) = step
            && job.layers[*index].run == 0
        {
            let priority = job.layers[*index].priority;
            let passed = job.layers.iter().filter(|l| l.priority < priority).all(|l| {
                l.tasks.unfinished() == 0 && (l.status.is_done() || job.on_failure == OnFailure::Continue && l.status == Status::Errored)
            });
            prop_assert!(passed, "{step:?} on {job:?}");
        }
        apply(&mut job, *step);
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_layers_begin_in_order_and_asking_twice_changes_nothing(
        sizes in prop::collection::vec((0..3i32, 0..3u32), 1..5), on in any::<bool>(), events in prop::collection::vec(event(), 0..60)
    ) {
        let mut job = job(sizes.into_iter().map(|(priority, pending)| layer(priority, pending)).collect());
        job.on_failure = if on { OnFailure::Continue } else { OnFailure::Hold };
        written(&mut job);
        for event in events {
            happen(&mut job, &event);
            let before = job.clone();
            let steps = written(&mut job);
            check_begin(&before, &steps)?;
            prop_assert_eq!(advance(&job), [], "again on {:?}", job);
        }
    }

    #[test]
    fn a_job_without_errors_or_pauses_always_ends(sizes in prop::collection::vec((0..4i32, 0..3u32), 1..6)) {
        let mut job = job(sizes.into_iter().map(|(priority, pending)| layer(priority, pending)).collect());
        for _ in 0..100 {
            written(&mut job);
            if let Some(layer) = job.layers.iter_mut().find(|l| l.status == Status::Running && l.tasks.pending > 0) {
                layer.tasks.pending -= 1;
                layer.tasks.completed += 1;
            }
        }
        prop_assert_eq!((job.status, job.finished), (Status::Completed, true));
    }
}

/// Writes the steps that are due after a command.
fn commanded(job: &mut Job, cause: &Cause) -> Vec<Step> {
    let steps = advance_after(job, cause);
    for step in &steps {
        apply(job, *step);
    }
    steps
}

fn skipped(whole: &[usize], part: &[usize]) -> Cause {
    Cause::Skipped { whole: whole.to_vec(), part: part.to_vec() }
}

#[test]
fn a_layer_that_is_skipped_as_a_whole_is_done_before_its_turn_and_also_when_paused_or_empty() {
    let mut job = job(vec![layer(0, 1), layer(1, 2), layer(1, 0), Layer { paused_by: Some("spec".to_owned()), ..layer(1, 1) }]);
    written(&mut job);
    for index in [1, 3] {
        let left = job.layers[index].tasks.pending;
        ends(&mut job.layers[index], 0, 0, left);
    }
    let done = [1, 2, 3].map(|index| FinishLayer(index, Status::Skipped));
    assert_eq!(commanded(&mut job, &skipped(&[1, 2, 3], &[])), done);
    assert_eq!(commanded(&mut job, &skipped(&[1, 2, 3], &[])), []);
    ends(&mut job.layers[0], 1, 0, 0);
    assert_eq!(written(&mut job), [FinishLayer(0, Status::Completed), FinishJob(Status::Completed)]);
}

#[test]
fn a_layer_whose_skip_leaves_completed_tasks_is_completed() {
    let mut job = job(vec![Layer { paused_by: Some("spec".to_owned()), status: Status::Running, run: 1, ..layer(0, 2) }]);
    job.status = Status::Running;
    ends(&mut job.layers[0], 1, 0, 1);
    assert_eq!(commanded(&mut job, &skipped(&[], &[0])), [], "single tasks do not end a paused layer");
    assert_eq!(commanded(&mut job, &skipped(&[0], &[])), [FinishLayer(0, Status::Completed), FinishJob(Status::Completed)]);
}

#[test]
fn an_ended_job_whose_errors_are_all_skipped_is_completed() {
    let failed = Layer { status: Status::Errored, run: 1, ..layer(0, 2) };
    let mut job = job(vec![failed, Layer { status: Status::Completed, run: 1, ..layer(1, 0) }]);
    (job.status, job.finished) = (Status::Errored, true);
    ends(&mut job.layers[0], 0, 1, 1);
    assert_eq!(commanded(&mut job, &skipped(&[], &[0])), []);
    ends(&mut job.layers[0], 0, 0, 2);
    assert_eq!(commanded(&mut job, &skipped(&[], &[0])), [FinishLayer(0, Status::Skipped), FinishJob(Status::Completed)]);
}

#[test]
fn a_skipped_layer_that_never_began_waits_for_its_turn_again_when_it_is_retried() {
    let mut job = job(vec![layer(0, 1), layer(1, 1)]);
    written(&mut job);
    ends(&mut job.layers[1], 0, 0, 1);
    commanded(&mut job, &skipped(&[1], &[]));
    job.layers[1].tasks = Counters { pending: 1, ..Counters::default() };
    assert_eq!(commanded(&mut job, &Cause::Retried(vec![1])), [ResetLayer(1)]);
    ends(&mut job.layers[0], 1, 0, 0);
    assert_eq!(written(&mut job), [FinishLayer(0, Status::Completed), OpenLayer(1)]);
}

#[test]
fn a_killed_job_of_which_only_empty_layers_were_left_completes_when_it_is_retried() {
    let mut job = job(vec![Layer { status: Status::Completed, run: 1, ..layer(0, 0) }, Layer { status: Status::Errored, ..layer(1, 0) }]);
    (job.status, job.finished) = (Status::Errored, true);
    assert_eq!(commanded(&mut job, &Cause::Nothing), []);
    let all = [ReopenJob, ResetLayer(1), OpenLayer(1), FinishLayer(1, Status::Completed), FinishJob(Status::Completed)];
    assert_eq!(commanded(&mut job, &Cause::Retried(vec![0, 1])), all);
}
