use proptest::prelude::*;

use super::*;
use crate::core::job::OnFailure;

fn job(layers: Vec<Layer>) -> Job {
    Job { status: Status::Running, accepted: true, finished: false, paused_by: None, gated: false, on_failure: OnFailure::Hold, layers }
}

fn layer(name: &str, priority: i32, status: Status, tasks: Counters) -> Layer {
    let total = tasks.total();
    Layer { name: name.to_owned(), priority, status, run: 1, paused_by: None, gated: false, expected: total, loaded: total, tasks }
}

/// A job of one open layer, `render`.
fn render(tasks: Counters) -> Job {
    job(vec![layer("render", 0, Status::Running, tasks)])
}

/// What is known of `render` alone.
fn known(still: Standstill) -> Known {
    Known { layers: [("render".to_owned(), still)].into(), ..Known::default() }
}

fn said(job: &Job, known: &Known) -> Vec<String> {
    waits(job, known).iter().map(ToString::to_string).collect()
}

const QUEUED: Counters = Counters { pending: 0, queued: 12, running: 0, completed: 228, errored: 0, skipped: 0, retried: 0 };

fn pending(pending: u32) -> Counters {
    Counters { pending, ..Counters::default() }
}

#[test]
fn a_type_without_workers_is_named_with_its_numbers_and_what_was_meant() {
    let unserved = |meant: Option<&str>| {
        let kinds = [("rendr".to_owned(), (12, meant.map(str::to_owned)))].into();
        said(&render(QUEUED), &known(Standstill { unserved: kinds, ..Standstill::default() }))
    };
    let moving = "render: 12 tasks on the way to a worker";
    assert_eq!(unserved(None), ["render: 12 queued, no worker serves type rendr", moving]);
    assert_eq!(unserved(Some("render")), ["render: 12 queued, no worker serves type rendr; did you mean render?", moving]);
}

#[test]
fn a_held_layer_says_what_most_of_its_tasks_said() {
    let held = |errored, times, of| {
        let failed = Counters { errored, completed: 240 - errored, ..Counters::default() };
        let commonest = Some(Commonest { text: "licence server away".to_owned(), times, of });
        said(&job(vec![layer("render", 0, Status::Errored, failed)]), &known(Standstill { said: commonest, ..Standstill::default() }))
    };
    assert_eq!(held(12, 9, 12), ["render: 12 of 240 tasks errored, 9 of them: licence server away"]);
    assert_eq!(held(1, 1, 1), ["render: 1 of 240 tasks errored: licence server away"]);
    assert_eq!(held(12, 7, 10), ["render: 12 of 240 tasks errored, 7 of the first 10: licence server away"]);
    let failed = Counters { errored: 2, ..Counters::default() };
    let silent = job(vec![layer("render", 0, Status::Errored, failed)]);
    assert_eq!(said(&silent, &Known::default()), ["render: 2 of 2 tasks errored; retry or skip them"]);
}

#[test]
fn a_job_that_continues_is_not_held() {
    let failed = Counters { errored: 2, ..Counters::default() };
    let layers = vec![layer("render", 0, Status::Errored, failed), layer("join", 1, Status::Running, QUEUED)];
    let job = Job { on_failure: OnFailure::Continue, ..job(layers) };
    assert_eq!(said(&job, &Known::default()), ["join: 12 tasks on the way to a worker"]);
}

#[test]
fn pauses_come_first_and_say_who() {
    let mut job = render(QUEUED);
    job.paused_by = Some("annotation".to_owned());
    job.layers[0].paused_by = Some("spec".to_owned());
    assert_eq!(
        said(&job, &Known::default())[..2],
        ["paused by the annotation igor/pause".to_owned(), "render: paused by the spec".to_owned()]
    );
    job.paused_by = Some("mara".to_owned());
    assert_eq!(said(&job, &Known::default())[0], "paused by mara");
    let known = Known { pause_words: Some("the plates come at noon".to_owned()), ..Known::default() };
    assert_eq!(said(&job, &known)[0], "paused by mara: the plates come at noon");
}

#[test]
fn single_paused_tasks_are_counted_and_stop_the_layer_when_nothing_else_is_left() {
    let paused = |paused, tasks| {
        let job = render(tasks);
        let waits = waits(&job, &known(Standstill { paused, ..Standstill::default() }));
        (waits[0].to_string(), moves(&job, &waits))
    };
    assert_eq!(paused(3, pending(3)), ("render: 3 of 3 tasks left are paused".to_owned(), false));
    assert_eq!(paused(1, Counters { queued: 2, ..pending(1) }), ("render: 1 of 3 tasks left is paused".to_owned(), true));
    assert_eq!(paused(3, Counters { running: 2, ..pending(3) }), ("render: 3 of 5 tasks left are paused".to_owned(), true));
    let backoff = Some((2, 0));
    let both = said(&render(pending(5)), &known(Standstill { paused: 3, backoff, ..Standstill::default() }));
    assert_eq!(both[1], "render: 2 tasks wait for their next attempt, the first at 1970-01-01T00:00:00Z");
}

#[test]
fn a_limit_says_its_numbers_and_one_of_none_is_a_drain() {
    let limit = |most, in_flight| Some(Limit { most, in_flight });
    let own = |most, in_flight| {
        let tasks = Counters { running: in_flight, ..pending(1_950) };
        said(&render(tasks), &known(Standstill { limit: limit(most, in_flight), ..Standstill::default() }))
    };
    assert_eq!(own(50, 50), ["render: 50 in flight, maxInFlight of the layer is 50, 1,950 tasks wait"]);
    assert_eq!(own(0, 0), ["render: drained, maxInFlight of the layer is 0 and 1,950 tasks wait"]);
    let of_job = Known { limit: limit(50, 60), ..Known::default() };
    let two = job(vec![layer("a", 0, Status::Running, Counters { running: 60, ..pending(1) }), layer("b", 0, Status::Running, pending(2))]);
    assert_eq!(said(&two, &of_job), ["60 in flight, maxInFlight of the job is 50, 3 tasks wait"]);
}

#[test]
fn a_layer_whose_turn_has_not_come_names_what_it_waits_for_after_everything_else() {
    let working = Counters { running: 3, pending: 51_600, completed: 8_397, ..Counters::default() };
    let layers = vec![
        layer("fetch", 0, Status::Completed, Counters { completed: 1, ..Counters::default() }),
        layer("render", 10, Status::Running, working),
        layer("encode", 20, Status::Pending, pending(2)),
        layer("sound", 20, Status::Pending, pending(3)),
        layer("join", 30, Status::Pending, pending(1)),
    ];
    let job = job(layers);
    let ahead = [
        "encode waits for render: 51,603 of 60,000 tasks left",
        "sound waits for render: 51,603 of 60,000 tasks left",
        "join waits for encode and 1 more layer: 5 of 5 tasks left",
    ];
    assert_eq!(said(&job, &Known::default()), ahead);
    let all = waits(&job, &Known::default());
    assert!(first(&all).is_none() && moves(&job, &all));
}

#[test]
fn a_command_says_how_far_it_is() {
    let mut job = render(pending(60_000));
    job.gated = true;
    let at_work = AtWork { verb: "kill".to_owned(), done: 25_000, all: 60_000 };
    let known = Known { command: Some(at_work), ..Known::default() };
    assert_eq!(said(&job, &known)[0], "a kill is at work, 25,000 of 60,000 tasks looked at");
}

#[test]
fn a_worker_that_is_not_heard_of_is_named() {
    let silent = [("farm-7-1-abcdef".to_owned(), 30)].into();
    let job = render(Counters { running: 4, ..Counters::default() });
    let told = said(&job, &known(Standstill { silent, ..Standstill::default() }));
    assert_eq!(told, ["render: worker farm-7-1-abcdef does not answer, others get its tasks within 30 s"]);
}

#[test]
fn a_finished_job_waits_for_nothing() {
    let failed = Counters { errored: 1, ..Counters::default() };
    let job = Job { finished: true, ..job(vec![layer("render", 0, Status::Errored, failed)]) };
    assert_eq!(waits(&job, &Known::default()), []);
}

fn any_status() -> impl Strategy<Value = Status> {
    proptest::sample::select(vec![Status::Pending, Status::Running, Status::Completed, Status::Errored, Status::Skipped])
}

prop_compose! {
    fn any_layer()(
        status in any_status(), counts in proptest::array::uniform6(0..3u32), priority in -1..3, expected in 0..20u32,
        paused: bool, gated: bool, name in "[a-c]",
    ) -> Layer {
        let [pending, queued, running, completed, errored, skipped] = counts;
        let tasks = Counters { pending, queued, running, completed, errored, skipped, retried: 0 };
        Layer { expected, gated, paused_by: paused.then(|| "spec".to_owned()), ..layer(&name, priority, status, tasks) }
    }
}

prop_compose! {
    fn any_still()(backoff in proptest::option::of(0..3u32), limit in proptest::option::of(0..3u32), paused in 0..3u32, unserved: bool) -> Standstill {
        Standstill {
            backoff: backoff.map(|tasks| (tasks, 7)),
            limit: limit.map(|most| Limit { most, in_flight: most }),
            paused,
            unserved: unserved.then(|| ("render".to_owned(), (1, None))).into_iter().collect(),
            ..Standstill::default()
        }
    }
}

prop_compose! {
    fn any_job()(
        layers in proptest::collection::vec(any_layer(), 0..5), status in any_status(), accepted: bool, paused: bool, gated: bool,
        goes_on: bool,
    ) -> Job {
        let on_failure = if goes_on { OnFailure::Continue } else { OnFailure::Hold };
        let paused_by = paused.then(|| "mara".to_owned());
        Job { status, accepted, finished: false, paused_by, gated, on_failure, layers }
    }
}

proptest! {
    /// Invariant 7.
    #[test]
    fn an_unfinished_job_in_which_nothing_runs_waits_for_something_that_is_shown(
        job in any_job(), stills in proptest::collection::btree_map("[a-c]", any_still(), 0..4), limit in proptest::option::of(0..3u32),
    ) {
        let known = Known { layers: stills, limit: limit.map(|most| Limit { most, in_flight: most }), ..Known::default() };
        let waits = waits(&job, &known);
        if job.tasks().running == 0 {
            prop_assert!(first(&waits).is_some());
        }
        prop_assert!(waits.is_sorted_by_key(Wait::rank));
        prop_assert!(waits.iter().all(|wait| !wait.to_string().is_empty()));
        if !moves(&job, &waits) {
            prop_assert!(waits.iter().any(Wait::stops), "stands still, and nothing stops it: {waits:?}");
        }
    }
}
