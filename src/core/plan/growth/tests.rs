use std::time::Duration;

use super::*;
use crate::core::job::{Counters, OnFailure};

fn spec(layers: Vec<LayerSpec>) -> JobSpec {
    let defaults = Defaults { kind: Some("render".to_owned()), ..Defaults::default() };
    JobSpec { queue: "default".to_owned(), defaults, layers, ..JobSpec::default() }
}

fn layer(name: &str, priority: i64, tasks: &[&str]) -> LayerSpec {
    let task = |(at, name): (u32, &&str)| TaskSpec { place: Place::Listed(at), name: Some((*name).to_owned()), ..TaskSpec::default() };
    LayerSpec { name: name.to_owned(), priority, tasks: (0..).zip(tasks).map(task).collect(), ..LayerSpec::default() }
}

fn plan(spec: JobSpec) -> Plan {
    Plan::resolve(spec).expect("a plan")
}

/// The accepted plan of a spec, whose layers stand as they are told.
fn accepted(spec: JobSpec, stand: &[(Status, u32, bool)]) -> AcceptedPlan {
    let plan = plan(spec);
    let known = |(planned, (status, run, paused)): (&LayerPlan, &(Status, u32, bool))| Layer {
        name: planned.name.clone(),
        priority: planned.priority,
        status: *status,
        run: *run,
        paused_by: paused.then(|| "ann".to_owned()),
        gated: false,
        expected: planned.expected(),
        loaded: planned.expected(),
        tasks: Counters::default(),
    };
    let job = Job {
        status: Status::Running,
        accepted: true,
        finished: false,
        paused_by: None,
        gated: false,
        on_failure: plan.on_failure,
        layers: plan.layers.iter().zip(stand).map(known).collect(),
    };
    let of_layer = |planned: &LayerPlan| AcceptedLayer {
        inline: planned.inline,
        spec_hash: planned.spec_hash.to_vec(),
        sources_hash: planned.sources_hash.map(Vec::from),
    };
    AcceptedPlan { job, queue: plan.queue, backoff: plan.backoff, layers: plan.layers.iter().map(of_layer).collect() }
}

const OPEN: (Status, u32, bool) = (Status::Running, 1, false);
const PAUSED: (Status, u32, bool) = (Status::Running, 1, true);
const WAITS: (Status, u32, bool) = (Status::Pending, 0, false);

fn said(edit: &Edit) -> Vec<String> {
    edit.faults.iter().map(|fault| format!("{} {fault}", fault.reason.as_str())).collect()
}

#[test]
fn the_same_plan_in_another_order_and_its_live_fields_are_no_edit() {
    let before = accepted(spec(vec![layer("a", 0, &["x"]), layer("b", 1, &["y"])]), &[OPEN, WAITS]);
    let mut after = spec(vec![layer("b", 1, &["y"]), LayerSpec { title: Some("A".to_owned()), paused: true, ..layer("a", 0, &["x"]) }]);
    (after.priority, after.active_deadline_seconds, after.title) = (7, Some(60), Some("t".to_owned()));
    assert_eq!(edit(&before, &plan(after)), Edit::default());
}

#[test]
fn tasks_are_appended_where_nothing_has_begun_or_all_stands_still() {
    let before = accepted(spec(vec![layer("a", 0, &["x"]), layer("b", 1, &[]), layer("c", 1, &["z"])]), &[PAUSED, WAITS, WAITS]);
    let after = plan(spec(vec![layer("c", 1, &["z"]), layer("a", 0, &["x", "x2"]), layer("b", 1, &["y"])]));
    let appended = vec![Appended { accepted: 0, planned: 1 }, Appended { accepted: 1, planned: 2 }];
    assert_eq!(edit(&before, &after), Edit { appended, ..Edit::default() });
}

#[test]
fn a_layer_that_runs_or_has_ended_takes_no_tasks() {
    let stands = [OPEN, (Status::Completed, 1, false), (Status::Errored, 1, true), (Status::Skipped, 0, true)];
    let names = ["a", "b", "c", "d"];
    let before = accepted(spec(names.map(|name| layer(name, 0, &["x"])).to_vec()), &stands);
    let after = plan(spec(names.map(|name| layer(name, 0, &["x", "y"])).to_vec()));
    let expected = [
        "ImmutablePlan layers[a].tasks[1]: cannot be appended: the layer has begun: pause it first, or add a layer behind it",
        "ImmutablePlan layers[b].tasks[1]: cannot be appended: the layer has ended: add a layer behind it",
        "ImmutablePlan layers[c].tasks[1]: cannot be appended: the layer has ended: add a layer behind it",
        "ImmutablePlan layers[d].tasks[1]: cannot be appended: the layer has ended: add a layer behind it",
    ];
    assert_eq!(said(&edit(&before, &after)), expected);
}

#[test]
fn a_layer_is_added_behind_every_priority_that_has_begun() {
    let before = accepted(spec(vec![layer("a", 0, &["x"]), layer("b", 5, &["y"])]), &[OPEN, WAITS]);
    let with = |priority| plan(spec(vec![layer("n", priority, &["z"]), layer("a", 0, &["x"]), layer("b", 5, &["y"])]));
    for priority in [1, 5, 9] {
        assert_eq!(edit(&before, &with(priority)), Edit { added: vec![0], ..Edit::default() });
    }
    for priority in [-3, 0] {
        let expected = [
            "ImmutablePlan layers[n].priority: must be more than 0, for layer a of that priority has begun: add it under another name, with a higher one",
        ];
        assert_eq!(said(&edit(&before, &with(priority))), expected);
    }
}

#[test]
fn everything_that_an_edit_may_not_change_is_told_at_once() {
    let mut first = spec(vec![layer("a", 0, &["x"]), layer("b", 5, &["y"]), layer("c", 6, &["z"])]);
    first.layers[2].sources = vec!["map/key".to_owned()];
    let before = accepted(first, &[WAITS, WAITS, WAITS]);
    let mut second = spec(vec![layer("a", 1, &["x"]), layer("c", 6, &["w", "z"])]);
    second.on_failure = OnFailure::Continue;
    second.queue = "other".to_owned();
    second.defaults.backoff.initial_seconds = Some(1);
    let edit = edit(&before, &plan(second));
    let expected = [
        "ImmutablePlan queue: is default and cannot be changed",
        "ImmutablePlan onFailure: is Hold and cannot be changed",
        "ImmutablePlan defaults.backoff: is 10 s, at most 3600 s, and cannot be changed",
        "ImmutablePlan layers[a].priority: is 0 and cannot be changed",
        "ImmutablePlan layers[b]: is gone, and an accepted layer stays: put it back, or skip it",
        "ImmutablePlan layers[c].tasksFrom: is read once, when the layer is accepted: put more tasks into tasks, or into a new layer",
    ];
    assert_eq!(said(&edit), expected);
    assert_eq!(edit.changed, [Appended { accepted: 2, planned: 1 }]);
    assert_eq!(before.backoff.initial, Duration::from_secs(10));
}

#[test]
fn a_default_that_changes_an_accepted_task_changes_the_plan() {
    let before = accepted(spec(vec![layer("a", 0, &["x"])]), &[WAITS]);
    let mut after = spec(vec![layer("a", 0, &["x", "y"])]);
    after.defaults.retries = Some(1);
    assert_eq!(edit(&before, &plan(after)).changed, [Appended { accepted: 0, planned: 0 }]);
}

#[test]
fn a_job_that_has_ended_does_not_grow() {
    let mut before = accepted(spec(vec![layer("a", 0, &["x"])]), &[(Status::Completed, 1, false)]);
    before.job.finished = true;
    let after = plan(spec(vec![layer("a", 0, &["x", "y"]), layer("b", 1, &[])]));
    let expected = [
        "ImmutablePlan layers[a].tasks[1]: cannot be appended: the job has ended",
        "ImmutablePlan layers[b]: cannot be added: the job has ended",
    ];
    assert_eq!(said(&edit(&before, &after)), expected);
}
