use igor::core::command::Object;
use igor::core::end::End;
use igor::core::job::{Counters, Job, Layer, OnFailure};
use igor::core::status::Status;
use igor::core::wait::{Commonest, Known, Standstill};
use igor::store::{Event, Given, LayerFacts, Moved, Snapshot, TaskView};
use uuid::Uuid;

use super::{Output, audit, get, why};

const NOW: i64 = 1_764_000_060_000;

fn layer(name: &str, priority: i32, status: Status, tasks: Counters) -> Layer {
    let total = tasks.total();
    Layer { name: name.to_owned(), priority, status, run: 1, paused_by: None, gated: false, expected: total, loaded: total, tasks }
}

fn facts() -> LayerFacts {
    LayerFacts {
        layer_id: Uuid::nil(),
        title: String::new(),
        growing: false,
        reason: None,
        started_ms: Some(NOW - 60_000),
        finished_ms: None,
        kinds: Vec::new(),
        max_in_flight: None,
    }
}

/// A job in which `fetch` is done, `render` is held by 12 of 240 tasks, and `join` comes behind.
fn held() -> Snapshot {
    let layers = vec![
        layer("fetch", 0, Status::Completed, Counters { completed: 1, ..Counters::default() }),
        layer("render", 5, Status::Errored, Counters { completed: 228, errored: 12, ..Counters::default() }),
        layer("join", 10, Status::Pending, Counters { pending: 1, ..Counters::default() }),
    ];
    let known =
        Known { layers: [("render".to_owned(), Standstill { said: Some(licence()), ..Standstill::default() })].into(), ..Known::default() };
    Snapshot {
        job_id: Uuid::nil(),
        uid: "4f3c".to_owned(),
        namespace: "film".to_owned(),
        name: "nightly".to_owned(),
        queue: "default".to_owned(),
        generation: 1,
        layers: layers.iter().map(|_| facts()).collect(),
        job: Job {
            status: Status::Errored,
            accepted: true,
            finished: false,
            paused_by: None,
            gated: false,
            on_failure: OnFailure::Hold,
            layers,
        },
        reason: None,
        started_ms: Some(NOW - 60_000),
        finished_ms: None,
        deadline_ms: None,
        deleted: false,
        expired: false,
        max_in_flight: None,
        paused_ms: 0,
        end: None,
        known,
    }
}

fn licence() -> Commonest {
    Commonest { text: "licence server\naway".to_owned(), times: 9, of: 12 }
}

fn running() -> Snapshot {
    let mut job = held();
    job.job.status = Status::Running;
    job.job.layers[1] =
        layer("render", 5, Status::Running, Counters { pending: 100, running: 20, completed: 118, errored: 2, ..Counters::default() });
    job.known = Known::default();
    job
}

fn asked(job: &Snapshot, layer: Option<&str>, task: Option<&TaskView>) -> String {
    why::text(&why::answer(job, &job.facts(&job.known), layer, task))
}

#[test]
fn a_held_job_says_why_and_what_would_mend_it() {
    assert_eq!(
        asked(&held(), None, None),
        "nightly (film): held, 229 of 242 tasks done, 0 running
  render: 12 of 240 tasks errored, 9 of them: licence server away
      kubectl -n film annotate il nightly.render igor/retry=failed
      kubectl -n film annotate il nightly.render igor/skip=failed
  join waits for render: 12 of 240 tasks left
"
    );
}

#[test]
fn a_layer_tells_its_own_waits_and_those_of_the_layers_before_it() {
    let said = asked(&held(), Some("join"), None);
    assert!(said.starts_with("nightly (film): layer join pending, 0 of 1 task done, 0 running\n  render: 12 of 240"), "{said}");
    assert_eq!(asked(&held(), Some("fetch"), None), "nightly (film): layer fetch completed, 1 of 1 task done, 0 running\n");
    assert!(!asked(&held(), Some("render"), None).contains("join"));
}

#[test]
fn a_pause_is_mended_where_it_was_said() {
    let by = |who: &str| {
        let mut job = running();
        job.job.paused_by = Some(who.to_owned());
        asked(&job, None, None).lines().nth(2).expect("a command").trim().to_owned()
    };
    assert_eq!(by("spec"), r#"kubectl -n film patch ij nightly --type merge -p '{"spec":{"paused":false}}'"#);
    assert_eq!(by("annotation"), "kubectl -n film annotate ij nightly igor/pause-");
    assert_eq!(by("mara"), "kubectl -n film annotate --overwrite ij nightly igor/pause=false");
}

#[test]
fn a_killed_job_says_by_whom_and_how_it_goes_on() {
    let mut job = held();
    (job.job.finished, job.reason, job.finished_ms) = (true, Some("Killed".to_owned()), Some(NOW));
    job.end = Some(End { by: "mara".to_owned(), at_ms: NOW, words: Some("wrong scene".to_owned()), stopped: 1 });
    assert_eq!(
        asked(&job, None, None),
        "nightly (film): ended with errors, 229 of 242 tasks done, 0 running
  killed by mara at 2025-11-24T16:01:00Z: wrong scene (1 task stopped)
      kubectl -n film annotate ij nightly igor/retry=failed
"
    );
}

fn task(status: Status) -> TaskView {
    TaskView {
        task_id: Uuid::nil(),
        name: "frame-17".to_owned(),
        kind: "render".to_owned(),
        status,
        reason: Some("Failed".to_owned()),
        message: Some("no licence".to_owned()),
        attempt: 4,
        failures: 4,
        max_failures: 4,
        paused: false,
        due_ms: None,
        moved_ms: NOW,
    }
}

#[test]
fn a_task_says_how_it_stands_and_one_that_has_not_begun_why_not() {
    let said = |task: &TaskView| {
        asked(&running(), Some("render"), Some(task)).lines().skip(1).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let [retry, skip] = ["retry", "skip"].map(|verb| format!("kubectl -n film annotate ij nightly igor/{verb}=render/frame-17"));
    assert_eq!(
        said(&task(Status::Errored)),
        ["frame-17 errored at 2025-11-24T16:01:00Z in attempt 4: no licence".to_owned(), retry.clone(), skip]
    );
    let backoff = TaskView { due_ms: Some(NOW), ..task(Status::Pending) };
    assert_eq!(said(&backoff), ["frame-17 waits until 2025-11-24T16:01:00Z for attempt 5: no licence".to_owned(), retry]);
    let paused = TaskView { paused: true, ..task(Status::Pending) };
    assert_eq!(said(&paused)[1], "kubectl -n film annotate ij nightly igor/unpause-tasks=render/frame-17");
    let fresh = TaskView { name: "sheet".to_owned(), ..task(Status::Pending) };
    let behind = asked(&running(), Some("join"), Some(&fresh));
    assert!(behind.contains("sheet has not begun\n  join waits for render: 122 of 240 tasks left"), "{behind}");
}

#[test]
fn a_job_at_a_glance_has_a_line_a_layer() {
    let job = running();
    assert_eq!(
        get::text(&job, &job.facts(&job.known), NOW, false),
        "nightly  film  Failing  render (2/3)  119/242  eta 1m
  ✓ fetch   ████████████████████      1/1
  ▶ render  █████████░░░░░░░░░░░  118/240  20 running  2 errored  eta 1m
  · join    ░░░░░░░░░░░░░░░░░░░░      0/1
"
    );
    let on_terminal = get::text(&job, &job.facts(&job.known), NOW, true);
    assert!(on_terminal.contains("\n  \u{1b}[32m✓\u{1b}[0m fetch"), "{on_terminal:?}");
}

#[test]
fn what_programs_read_says_the_same() {
    let job = held();
    let facts = job.facts(&job.known);
    let shown: serde_json::Value = serde_json::from_str(&get::json(&job, &facts, NOW).expect("json")).expect("json");
    assert_eq!(
        (&shown["job"], &shown["status"]["phase"], &shown["status"]["tasks"]["errored"]),
        (&"nightly".into(), &"Errored".into(), &12.into())
    );
    let answer: serde_json::Value =
        serde_json::from_str(&serde_json::to_string(&why::answer(&job, &facts, None, None)).expect("json")).expect("json");
    assert_eq!((&answer["why"][0]["reason"], &answer["why"][1]["reason"]), (&"HeldOnFailure".into(), &"LayerAhead".into()));
}

fn history() -> Vec<Event> {
    let id = Uuid::from_u128(7);
    let given = Given {
        id,
        at_ms: NOW,
        done_ms: Some(NOW),
        verb: "kill".to_owned(),
        object: "layer/render".to_owned(),
        selector: "3-9".to_owned(),
        actor: "mara".to_owned(),
        reason: Some("wrong scene".to_owned()),
        matched: 7,
        changed: 7,
    };
    let pause = Given { verb: "pause".to_owned(), object: "job".to_owned(), selector: "true".to_owned(), reason: None, ..given.clone() };
    let moved = Moved {
        at_ms: NOW,
        object: Object::Layer("render".to_owned()),
        from: Status::Running,
        to: Status::Errored,
        version: 3,
        run: Some(2),
        attempt: None,
        actor: "operator".to_owned(),
        reason: Some("Killed".to_owned()),
        command: Some(id),
    };
    let paused = Moved {
        from: Status::Running,
        to: Status::Running,
        object: Object::Job,
        run: None,
        reason: Some("Paused".to_owned()),
        ..moved.clone()
    };
    vec![Event::Given(given), Event::Given(pause), Event::Moved(moved), Event::Moved(paused)]
}

#[test]
fn each_event_is_a_line_with_time_actor_what_why_and_its_command() {
    let id = "[00000000-0000-0000-0000-000000000007]";
    assert_eq!(
        audit::of_events(history().into_iter(), Output::Text).expect("lines"),
        format!(
            "2025-11-24T16:01:00Z  mara          kill layer/render 3-9, 7 tasks: wrong scene  {id}
2025-11-24T16:01:00Z  mara          pause job true  {id}
2025-11-24T16:01:00Z  operator      layer/render RUNNING -> ERRORED (Killed), run 2  {id}
2025-11-24T16:01:00Z  operator      job paused  {id}
"
        )
    );
    let lines = audit::of_events(history().into_iter(), Output::Json).expect("lines");
    let read: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!((&read[0]["changed"], &read[0]["object"], &read[2]["to"]), (&7.into(), &"layer/render".into(), &"ERRORED".into()));
}
