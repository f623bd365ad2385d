use proptest::prelude::*;

use super::*;
use crate::core::end::End;
use crate::core::job::OnFailure;
use crate::core::wait::{Known, Limit, Standstill, Wait, waits};
use crate::crd::{Condition, ConditionStatus, FailedTask};

const NOW: i64 = 1_764_000_060_500;

fn tasks(pending: u32, running: u32, completed: u32, errored: u32) -> Counters {
    Counters { pending, running, completed, errored, ..Counters::default() }
}

fn layer(name: &str, priority: i32, status: Status, tasks: Counters) -> Layer {
    let total = tasks.total();
    let run = u32::from(status != Status::Pending);
    Layer { name: name.to_owned(), priority, status, run, paused_by: None, gated: false, expected: total, loaded: total, tasks }
}

fn job(status: Status, layers: Vec<Layer>) -> Facts {
    let finished = status.is_done();
    let job = Job { status, accepted: true, finished, paused_by: None, gated: false, on_failure: OnFailure::Hold, layers };
    told(job)
}

/// The facts of a job about which the queue knows nothing special.
fn told(job: Job) -> Facts {
    let waits = waits(&job, &Known::default());
    Facts { waits, job, reason: None, started_ms: Some(NOW - 60_000), finished_ms: None, paused_ms: 0, end: None }
}

/// What is known of one layer alone.
fn known(layer: &str, still: Standstill) -> Known {
    Known { layers: [(layer.to_owned(), still)].into(), ..Known::default() }
}

fn shown(facts: &Facts) -> IgorJobStatus {
    job_status(Some(facts), None, None, 3, NOW)
}

/// `phase | layer | progress | the conditions`: those that are True with a +, each with its reason.
fn brief(status: &IgorJobStatus) -> String {
    let mark = |condition: &Condition| if condition.status == ConditionStatus::True { "+" } else { "-" };
    let conditions: Vec<String> = status.conditions.iter().map(|condition| format!("{}{}", mark(condition), condition.reason)).collect();
    let phase = status.phase.map(|phase| format!("{phase:?}")).unwrap_or_default();
    let (layer, progress) = (status.layer.as_deref().unwrap_or_default(), status.progress.as_deref().unwrap_or_default());
    format!("{phase} | {layer} | {progress} | {}", conditions.join(" "))
}

fn three(status: Status, tasks: Counters) -> Vec<Layer> {
    vec![
        layer("join", 10, Status::Pending, Counters { pending: 1, ..Counters::default() }),
        layer("render", 5, status, tasks),
        layer("fetch", -5, Status::Completed, Counters { completed: 2, ..Counters::default() }),
    ]
}

#[test]
fn each_way_to_stand_has_its_phase_layer_and_conditions() {
    let table = [
        (
            job(Status::Pending, vec![layer("a", 0, Status::Pending, tasks(2, 0, 0, 0))]),
            "Pending | a (1/1) | 0/2 | +Accepted +LayerRunning -NotPaused -Working -NotFinished -NotFinished",
        ),
        (
            job(Status::Running, three(Status::Running, tasks(2, 2, 4, 0))),
            "Running | render (2/3) | 6/11 | +Accepted +LayerRunning -NotPaused -Working -NotFinished -NotFinished",
        ),
        (
            job(Status::Running, three(Status::Running, tasks(2, 2, 4, 1))),
            "Failing | render (2/3) | 6/12 | +Accepted +LayerRunning -NotPaused -Working -NotFinished -NotFinished",
        ),
        (
            job(Status::Errored, three(Status::Errored, tasks(0, 0, 4, 1))),
            "Errored | render (2/3) | 6/8 | +Accepted -HeldOnFailure -NotPaused -Working -Held +TaskFailures",
        ),
        (
            job(
                Status::Completed,
                vec![layer("a", 0, Status::Completed, tasks(0, 0, 3, 0)), layer("b", 1, Status::Completed, tasks(0, 0, 0, 0))],
            ),
            "Completed | 2/2 | 3/3 | +Accepted -Finished -NotPaused -Working +AllLayersFinished -AllLayersFinished",
        ),
        (
            job(Status::Completed, vec![layer("a", 0, Status::Completed, Counters { skipped: 1, completed: 2, ..Counters::default() })]),
            "Completed | 1/1 | 3/3 | +Accepted -Finished -NotPaused -Working +SomeSkipped -SomeSkipped",
        ),
    ];
    for (facts, expected) in table {
        assert_eq!(brief(&shown(&facts)), expected);
    }
}

#[test]
fn an_end_with_errors_says_why() {
    let ended = |reason: Option<&str>| {
        let mut facts = job(Status::Errored, three(Status::Errored, tasks(0, 0, 4, 1)));
        facts.job.finished = true;
        facts.reason = reason.map(str::to_owned);
        facts.waits = Vec::new();
        shown(&facts)
    };
    let expected = |reason| format!("Errored | render (2/3) | 6/8 | +Accepted -Finished -NotPaused -Working -{reason} +{reason}");
    assert_eq!(brief(&ended(None)), expected("TaskFailures"));
    assert_eq!(brief(&ended(Some("Killed"))), expected("Killed"));
    assert_eq!(brief(&ended(Some("DeadlineExceeded"))), expected("DeadlineExceeded"));
    assert_eq!(ended(None).conditions[5].message, "render: 1 of 5 tasks errored");
    assert_eq!(ended(None).why.as_deref(), Some("render: 1 of 5 tasks errored"));
}

#[test]
fn a_killed_job_says_who_when_and_why_in_the_status() {
    let mut facts = job(Status::Errored, three(Status::Errored, tasks(0, 0, 4, 1)));
    facts.job.finished = true;
    facts.reason = Some("Killed".to_owned());
    facts.waits = Vec::new();
    facts.end = Some(End { by: "mara".to_owned(), at_ms: NOW, words: Some("wrong scene".to_owned()), stopped: 1 });
    let status = shown(&facts);
    let said = "killed by mara at 2025-11-24T16:01:00Z: wrong scene (1 task stopped)";
    assert_eq!((status.why.as_deref(), status.conditions[5].message.as_str()), (Some(said), said));
}

#[test]
fn an_estimate_does_not_count_paused_time() {
    let mut facts = job(Status::Running, vec![layer("a", 0, Status::Running, tasks(5, 1, 6, 0))]);
    let left = |facts: &Facts| shown(facts).eta.expect("an estimate").0.as_second() - NOW / 1000;
    assert_eq!(left(&facts), 60);
    facts.paused_ms = 30_000;
    assert_eq!(left(&facts), 30);
}

#[test]
fn a_pause_names_its_source_and_outweighs_what_runs() {
    let by = |who: &str| {
        let mut facts = job(Status::Running, three(Status::Running, tasks(2, 2, 4, 1)));
        facts.job.paused_by = Some(who.to_owned());
        shown(&told(facts.job))
    };
    let expected = |reason| format!("Paused | render (2/3) | 6/12 | +Accepted -Paused +{reason} -Working -NotFinished -NotFinished");
    assert_eq!(brief(&by("spec")), expected("PausedBySpec"));
    assert_eq!(brief(&by("annotation")), expected("PausedByAnnotation"));
    assert_eq!(brief(&by("restore")), expected("PausedByRestore"));
    assert_eq!(brief(&by("mara")), expected("PausedByCommand"));
    assert_eq!(by("mara").conditions[2].message, "paused by mara");
    assert_eq!(by("mara").why.as_deref(), Some("paused by mara"));
    let mut facts = job(Status::Running, three(Status::Running, tasks(2, 2, 4, 1)));
    facts.job.paused_by = Some("annotation".to_owned());
    facts.waits = waits(&facts.job, &Known { pause_words: Some("the plates come at noon".to_owned()), ..Known::default() });
    let said = "the annotation igor/pause says so: the plates come at noon";
    assert_eq!(shown(&facts).conditions[2].message, said);
}

#[test]
fn a_plan_on_its_way_into_the_ledger_is_loading() {
    let mut facts = job(Status::Pending, vec![layer("a", 0, Status::Pending, tasks(200, 0, 0, 0))]);
    facts.job.accepted = false;
    facts.job.layers[0].expected = 60_000;
    let status = shown(&told(facts.job));
    assert_eq!(brief(&status), "Pending | a (1/1) | 0/60000 | -Loading -Loading -NotPaused -Working -NotFinished -NotFinished");
    assert_eq!(status.conditions[0].message, "200 of 60,000 tasks are in the ledger");
    assert_eq!(status.layers[0].phase, LayerPhase::Loading);
    assert_eq!(status.why.as_deref(), Some("a: 200 of 60,000 tasks loaded"));
}

#[test]
fn a_refused_spec_is_rejected_and_a_refused_edit_lets_the_job_run_on() {
    let refusal = Some((Reason::DuplicateTaskName, "layers[0].tasks[1].name: taken\nlayers[1].name: taken"));
    let never = job_status(None, refusal, None, 1, NOW);
    assert_eq!(brief(&never), "Rejected |  |  | -DuplicateTaskName -Loading -NotPaused -Working -NotFinished -NotFinished");
    assert_eq!(never.why.as_deref(), Some("layers[0].tasks[1].name: taken"));
    assert_eq!(
        brief(&job_status(None, None, None, 1, NOW)),
        "Pending |  |  | -Loading -Loading -NotPaused -Working -NotFinished -NotFinished"
    );

    let running = job(Status::Running, three(Status::Running, tasks(2, 2, 4, 0)));
    let edited = job_status(Some(&running), Some((Reason::ImmutablePlan, "queue differs")), None, 2, NOW);
    assert_eq!(
        brief(&edited),
        "Running | render (2/3) | 6/11 | -ImmutablePlan +LayerRunning -NotPaused -Working -NotFinished -NotFinished"
    );
}

#[test]
fn work_that_stands_still_says_what_it_waits_for() {
    let facts = |tasks: Counters, still: Standstill| {
        let mut facts = job(Status::Running, vec![layer("render", 0, Status::Running, tasks)]);
        facts.waits = waits(&facts.job, &known("render", still));
        let status = shown(&facts);
        let progressing = &status.conditions[1];
        format!("{:?} {} {}", progressing.status, progressing.reason, progressing.message)
    };
    let queued = |queued, running| Counters { queued, running, ..Counters::default() };
    let unserved = || Standstill { unserved: [("rendr".to_owned(), (12, None))].into(), ..Standstill::default() };
    assert_eq!(facts(queued(12, 0), unserved()), "False NoWorkers render: 12 queued, no worker serves type rendr");
    assert_eq!(facts(queued(12, 3), unserved()), "True LayerRunning ");
    assert_eq!(facts(queued(12, 0), Standstill::default()), "True LayerRunning ");
    let backoff = Standstill { backoff: Some((4, NOW)), ..Standstill::default() };
    assert_eq!(
        facts(tasks(4, 0, 0, 0), backoff),
        "False Backoff render: 4 tasks wait for their next attempt, the first at 2025-11-24T16:01:00Z"
    );
}

#[test]
fn work_in_one_layer_is_progress_whatever_holds_its_neighbour() {
    let queued = Counters { queued: 1, ..Counters::default() };
    let mut left = layer("left", 0, Status::Pending, tasks(5, 0, 0, 0));
    left.paused_by = Some("spec".to_owned());
    let both = job(Status::Running, vec![left.clone(), layer("right", 0, Status::Running, queued)]);
    assert_eq!(shown(&both).conditions[1].reason, "LayerRunning");
    assert_eq!(shown(&both).why.as_deref(), Some("left: paused by the spec"));
    let alone = job(Status::Running, vec![left, layer("right", 0, Status::Completed, tasks(0, 0, 1, 0))]);
    assert_eq!((shown(&alone).conditions[1].reason.as_str(), shown(&alone).layers[0].phase), ("Paused", LayerPhase::Paused));
}

#[test]
fn a_limit_is_no_standstill_while_something_is_in_flight() {
    let limited = |queued| {
        let mut facts = job(Status::Running, vec![layer("a", 0, Status::Running, Counters { pending: 9, queued, ..Counters::default() })]);
        let known = Known { limit: Some(Limit { most: 2, in_flight: queued }), ..Known::default() };
        facts.waits = waits(&facts.job, &known);
        shown(&facts).conditions[1].reason.clone()
    };
    assert_eq!([limited(2), limited(0)], ["LayerRunning", "LimitReached"]);
}

#[test]
fn a_limit_of_none_drains() {
    let mut facts = job(Status::Running, three(Status::Running, tasks(2, 0, 4, 0)));
    facts.waits = vec![Wait::Limit { layer: None, limit: Limit { most: 0, in_flight: 0 }, waiting: 2 }];
    assert_eq!(
        brief(&shown(&facts)),
        "Running | render (2/3) | 6/9 | +Accepted -LimitReached +Draining -Working -NotFinished -NotFinished"
    );
}

#[test]
fn the_layer_column_names_two_and_counts_the_rest() {
    let running = |name: &str, priority| layer(name, priority, Status::Running, tasks(1, 1, 0, 0));
    let place = |layers: Vec<Layer>| shown(&job(Status::Running, layers)).layer.expect("a layer");
    assert_eq!(place(vec![running("a", 0), running("b", 0)]), "a, b (2/2)");
    assert_eq!(
        place(vec![running("a", 0), running("b", 0), running("c", 0), layer("d", 1, Status::Pending, tasks(1, 0, 0, 0))]),
        "a, b +1 (3/4)"
    );
    // A layer that runs again while a later one is at work.
    assert_eq!(place(vec![running("late", 9), running("again", 0)]), "again, late (2/2)");
}

#[test]
fn times_of_conditions_move_only_with_their_status() {
    let times = |status: &IgorJobStatus| -> Vec<i64> {
        status.conditions.iter().map(|condition| condition.last_transition_time.0.as_second() - NOW / 1000).collect()
    };
    let running = job(Status::Running, three(Status::Running, tasks(2, 2, 4, 0)));
    let first = shown(&running);
    assert_eq!(times(&first), [0; 6]);
    let mut paused = running.clone();
    paused.job.paused_by = Some("spec".to_owned());
    let second = job_status(Some(&told(paused.job.clone())), None, Some(&first), 4, NOW + 7_000);
    assert_eq!(times(&second), [0, 7, 7, 0, 0, 0]);
    assert!(second.conditions.iter().all(|condition| condition.observed_generation == Some(4)));
    // Another reason alone moves no time.
    paused.job.paused_by = Some("annotation".to_owned());
    let third = job_status(Some(&told(paused.job)), None, Some(&second), 4, NOW + 9_000);
    assert_eq!(times(&third), [0, 7, 7, 0, 0, 0]);
    assert_eq!(third.conditions[2].reason, "PausedByAnnotation");
}

#[test]
fn an_estimate_needs_a_pace_and_stands_still_while_nothing_else_moves() {
    let running = |completed| job(Status::Running, vec![layer("a", 0, Status::Running, tasks(20 - completed, 0, completed, 0))]);
    let eta = |status: &IgorJobStatus| status.eta.as_ref().map(|time| time.0.as_second() - NOW / 1000);
    // 60 s for 5 of 20: 180 s more.
    let first = shown(&running(5));
    assert_eq!(eta(&first), Some(180));
    let later = job_status(Some(&running(5)), None, Some(&first), 3, NOW + 30_000);
    assert_eq!(later, first);
    assert_eq!(eta(&job_status(Some(&running(10)), None, Some(&first), 3, NOW + 60_000)), Some(180));

    let none_done = shown(&running(0));
    let mut young = running(5);
    young.started_ms = Some(NOW - 1_000);
    let mut paused = running(5);
    paused.job.paused_by = Some("spec".to_owned());
    let held = job(Status::Errored, vec![layer("a", 0, Status::Errored, tasks(0, 0, 5, 1))]);
    assert_eq!([eta(&none_done), eta(&shown(&young)), eta(&shown(&paused)), eta(&shown(&held))], [None; 4]);
}

#[test]
fn a_stall_changes_nothing_but_its_own_condition_and_goes_with_the_next_status() {
    let running = job(Status::Running, three(Status::Running, tasks(2, 2, 4, 0)));
    let before = shown(&running);
    let stalled = stalled(before.clone(), &before.conditions, "LedgerUnavailable", "cannot connect", 3, NOW + 5_000);
    let others = |status: &IgorJobStatus| {
        let conditions = status.conditions.iter().filter(|condition| condition.type_ != "Stalled").cloned().collect();
        IgorJobStatus { conditions, ..status.clone() }
    };
    assert_eq!(others(&stalled), others(&before));
    let said = stalled.conditions.iter().find(|condition| condition.type_ == "Stalled").expect("Stalled");
    assert_eq!((said.status, said.reason.as_str(), said.message.as_str()), (ConditionStatus::True, "LedgerUnavailable", "cannot connect"));
    let again = super::stalled(stalled.clone(), &stalled.conditions, "LedgerUnavailable", "cannot connect", 3, NOW + 9_000);
    assert_eq!(again, stalled);
    let after = job_status(Some(&running), None, Some(&stalled), 3, NOW + 10_000);
    assert_eq!(after.conditions[3].reason, "Working");
}

#[test]
fn what_was_handled_lives_on() {
    let mut previous = IgorJobStatus::default();
    previous.last_handled.insert("retry".to_owned(), "01J".to_owned());
    assert_eq!(job_status(None, None, Some(&previous), 1, NOW).last_handled, previous.last_handled);
}

#[test]
fn the_status_of_a_running_job_reads_so() {
    let tasks = Counters { queued: 3, retried: 1, ..tasks(2, 2, 4, 1) };
    insta::assert_yaml_snapshot!(shown(&job(Status::Running, three(Status::Running, tasks))), @r#"
    observedGeneration: 3
    phase: Failing
    progress: 6/15
    layer: render (2/3)
    tasks:
      total: 15
      pending: 3
      queued: 3
      running: 2
      completed: 6
      errored: 1
      skipped: 0
      retried: 1
    layers:
      - name: join
        priority: 10
        phase: Pending
        total: 1
        done: 0
        errored: 0
      - name: render
        priority: 5
        phase: Failing
        total: 12
        done: 4
        errored: 1
      - name: fetch
        priority: -5
        phase: Completed
        total: 2
        done: 2
        errored: 0
    startedAt: "2025-11-24T16:00:00Z"
    eta: "2025-11-24T16:02:20Z"
    conditions:
      - type: Accepted
        status: "True"
        observedGeneration: 3
        lastTransitionTime: "2025-11-24T16:01:00Z"
        reason: Accepted
        message: 15 tasks in 3 layers
      - type: Progressing
        status: "True"
        observedGeneration: 3
        lastTransitionTime: "2025-11-24T16:01:00Z"
        reason: LayerRunning
        message: ""
      - type: Paused
        status: "False"
        observedGeneration: 3
        lastTransitionTime: "2025-11-24T16:01:00Z"
        reason: NotPaused
        message: ""
      - type: Stalled
        status: "False"
        observedGeneration: 3
        lastTransitionTime: "2025-11-24T16:01:00Z"
        reason: Working
        message: ""
      - type: Complete
        status: "False"
        observedGeneration: 3
        lastTransitionTime: "2025-11-24T16:01:00Z"
        reason: NotFinished
        message: ""
      - type: Failed
        status: "False"
        observedGeneration: 3
        lastTransitionTime: "2025-11-24T16:01:00Z"
        reason: NotFinished
        message: ""
    "#);
}

#[test]
fn the_status_of_a_layer_reads_so() {
    let mut held = layer("render", 5, Status::Errored, Counters { retried: 4, ..tasks(0, 0, 4, 30) });
    held.paused_by = Some("annotation".to_owned());
    let failed = |ix| FailedTask { name: format!("frame-{ix}"), index: Some(ix), attempt: 2, message: Some("ä".repeat(200)) };
    let view = LayerView {
        layer: &held,
        started_ms: Some(NOW - 60_000),
        finished_ms: Some(NOW),
        max_in_flight: None,
        failed: (0..30).map(failed).collect(),
    };
    let mut status = layer_status(view, None, 1, NOW);
    assert_eq!(status.failed_tasks.len(), 20);
    assert!(status.failed_tasks.iter().all(|task| task.message.as_ref().is_some_and(|message| message.len() == 256)));
    status.failed_tasks.truncate(1);
    status.failed_tasks[0].message = Some("no licence".to_owned());
    insta::assert_yaml_snapshot!(status, @r#"
    phase: Errored
    progress: 4/34
    tasks:
      total: 34
      pending: 0
      queued: 0
      running: 0
      completed: 4
      errored: 30
      skipped: 0
      retried: 4
    failedTasks:
      - name: frame-0
        index: 0
        attempt: 2
        message: no licence
    startedAt: "2025-11-24T16:00:00Z"
    finishedAt: "2025-11-24T16:01:00Z"
    conditions:
      - type: Started
        status: "True"
        observedGeneration: 1
        lastTransitionTime: "2025-11-24T16:01:00Z"
        reason: Started
        message: ""
      - type: Paused
        status: "True"
        observedGeneration: 1
        lastTransitionTime: "2025-11-24T16:01:00Z"
        reason: PausedByAnnotation
        message: the annotation igor/pause says so
      - type: Complete
        status: "False"
        observedGeneration: 1
        lastTransitionTime: "2025-11-24T16:01:00Z"
        reason: TaskFailures
        message: ""
      - type: Failed
        status: "True"
        observedGeneration: 1
        lastTransitionTime: "2025-11-24T16:01:00Z"
        reason: TaskFailures
        message: "render: 30 of 34 tasks errored"
    "#);
}

#[test]
fn each_end_of_a_layer_has_its_conditions() {
    let said = |status, tasks| {
        let layer = layer("a", 0, status, tasks);
        let view = LayerView { layer: &layer, started_ms: None, finished_ms: None, max_in_flight: None, failed: Vec::new() };
        let status = layer_status(view, None, 1, NOW);
        let reasons: Vec<&str> = status.conditions.iter().map(|condition| condition.reason.as_str()).collect();
        format!("{:?} {}", status.phase.expect("a phase"), reasons.join(" "))
    };
    let skipped = Counters { skipped: 1, ..Counters::default() };
    assert_eq!(said(Status::Pending, tasks(1, 0, 0, 0)), "Pending NotStarted NotPaused NotFinished NotFinished");
    assert_eq!(said(Status::Running, tasks(1, 0, 0, 0)), "Running Started NotPaused NotFinished NotFinished");
    assert_eq!(said(Status::Running, tasks(1, 0, 0, 1)), "Failing Started NotPaused NotFinished NotFinished");
    assert_eq!(said(Status::Completed, tasks(0, 0, 1, 0)), "Completed Started NotPaused AllTasksFinished AllTasksFinished");
    assert_eq!(said(Status::Completed, skipped), "Completed Started NotPaused SomeSkipped SomeSkipped");
    assert_eq!(said(Status::Skipped, skipped), "Skipped Started NotPaused Skipped Skipped");
    assert_eq!(said(Status::Errored, tasks(0, 0, 0, 1)), "Errored Started NotPaused TaskFailures TaskFailures");
}

#[test]
fn a_layer_that_may_have_nothing_in_flight_is_draining_until_it_ends() {
    let reason = |status, max_in_flight| {
        let layer = layer("a", 0, status, tasks(1, 0, 0, 0));
        let view = LayerView { layer: &layer, started_ms: None, finished_ms: None, max_in_flight, failed: Vec::new() };
        layer_status(view, None, 1, NOW).conditions[1].reason.clone()
    };
    let reasons = [reason(Status::Running, Some(0)), reason(Status::Running, Some(1)), reason(Status::Completed, Some(0))];
    assert_eq!(reasons, ["Draining", "NotPaused", "NotPaused"]);
}

fn any_status() -> impl Strategy<Value = Status> {
    proptest::sample::select(vec![Status::Pending, Status::Running, Status::Completed, Status::Errored, Status::Skipped])
}

prop_compose! {
    fn any_layer()(status in any_status(), counts in proptest::array::uniform6(0..3u32), priority in -1..2, expected in 0..20u32, paused: bool) -> Layer {
        let [pending, queued, running, completed, errored, skipped] = counts;
        let tasks = Counters { pending, queued, running, completed, errored, skipped, retried: 0 };
        Layer { expected, paused_by: paused.then(|| "spec".to_owned()), ..layer("a", priority, status, tasks) }
    }
}

proptest! {
    #[test]
    fn any_facts_give_six_conditions_that_agree_and_the_same_status_again(
        layers in proptest::collection::vec(any_layer(), 1..5), status in any_status(), finished: bool, paused: bool, later in 0..100_000i64,
    ) {
        let mut facts = job(status, layers);
        facts.job.finished = finished || status.is_done();
        facts.job.paused_by = paused.then(|| "mara".to_owned());
        let facts = told(facts.job);
        let once = shown(&facts);
        let is = |kind: &str| once.conditions.iter().any(|c| c.type_ == kind && c.status == ConditionStatus::True);
        prop_assert_eq!(once.conditions.len(), 6);
        prop_assert!(!(is("Complete") && is("Failed")));
        prop_assert!(!(is("Progressing") && (is("Complete") || is("Failed"))));
        prop_assert!(once.conditions.iter().all(|c| !c.reason.is_empty()));
        if once.eta.is_some() || later < ETA_AFTER {
            prop_assert_eq!(job_status(Some(&facts), None, Some(&once), 3, NOW + later), once);
        }
    }
}
