//! Why a job stands or ended, as kubectl shows it; limits, turns between jobs, and how soon a kill stops what runs.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::until;
use crate::world::{SOON, Setup, World, condition, world};

/// What runs is told to stop within a second of a kill; the rest is for a machine that does other things too.
const STOPPED: Duration = Duration::from_secs(3);

/// One layer of so many tasks.
fn job(name: &str, spec: &str, task: &str) -> String {
    format!(
        "{{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {{name: {name}}}, spec: {{{spec} layers: [{{name: a, tasks: [{task}]}}]}}}}"
    )
}

fn why(job: &Value) -> &str {
    job["status"]["why"].as_str().unwrap_or_default()
}

/// Messages of the job's events of that reason.
fn events(world: &World, name: &str, reason: &str) -> Vec<String> {
    let selector = format!("involvedObject.name={name},reason={reason}");
    let path = "jsonpath={range .items[*]}{.message}{'\\n'}{end}";
    let told = world.kubectl(&["get", "events", "--field-selector", &selector, "-o", path], None).unwrap_or_default();
    told.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_mistyped_type_is_told_once_with_the_one_that_was_meant() {
    world("why_mistyped", Setup::default(), |world, _running| async move {
        world.apply(&job("odd", "", "{name: x, type: nopp, count: 3}"));
        let told = world.until("odd", "it asks whether noop was meant", |job| why(job).contains("did you mean")).await;
        assert_eq!(why(&told), "a: 3 queued, no worker serves type nopp; did you mean noop?");
        assert_eq!(condition(&told, "Progressing"), ("False".to_owned(), "NoWorkers".to_owned()));
        world.until_event("Warning", "no worker serves type nopp").await;
        let described = world.kubectl(&["describe", "ij", "odd"], None).expect("described");
        assert!(described.contains("did you mean noop?") && described.contains("NoWorkers"), "{described}");
        assert_eq!(events(&world, "odd", "NoWorkers").len(), 1);
        let said = world.by_hand(&["why", "-n", world.namespace(), "odd"]).expect("an answer");
        assert!(said.contains("3 tasks on the way to a worker"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_killed_job_says_who_killed_it_and_in_whose_words() {
    world("why_killed", Setup::default(), |world, _running| async move {
        world.apply(&job("gone", "", "{name: nap, type: sleep, args: '600', count: 20}"));
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 8).await;
        world.kubectl(&["annotate", "ij", "gone", "igor/kill=true", "igor/reason=wrong scene"], None).expect("annotated");
        let ended = world.until("gone", "it has ended", |job| job["status"]["finishedAt"].is_string()).await;
        let said = why(&ended).to_owned();
        assert!(
            said.starts_with("killed by the annotation igor/kill at 2") && said.ends_with(": wrong scene (20 tasks stopped)"),
            "{said}"
        );
        assert_eq!(condition(&ended, "Failed"), ("True".to_owned(), "Killed".to_owned()));
        world.until_event("Warning", &said).await;
        let by_hand = world.by_hand(&["why", "-n", world.namespace(), "gone"]).expect("an answer");
        assert!(by_hand.contains(&said) && by_hand.contains("igor/retry=failed"), "{by_hand}");
    })
    .await;
}

#[tokio::test]
async fn a_job_scaled_to_none_drains_says_so_and_goes_on_when_scaled_up() {
    world("why_drained", Setup::default(), |world, _running| async move {
        // A status is of a moment: between one task and the next the job is below its limit. Long tasks make that rare, many a second look.
        world.apply(&job("narrow", "maxInFlight: 4,", "{name: nap, type: sleep, args: '1.5', count: 40}"));
        let limited = world.until("narrow", "it is at its limit", |job| why(job).contains("maxInFlight of the job is 4")).await;
        assert_eq!(condition(&limited, "Progressing").0, "True", "at its limit it moves: {limited:#}");
        world.kubectl(&["scale", "ij/narrow", "--replicas=0"], None).expect("scaled");
        let drained = world.until("narrow", "it is drained", |job| why(job).starts_with("drained")).await;
        assert_eq!(condition(&drained, "Paused"), ("True".to_owned(), "Draining".to_owned()));
        assert_eq!(condition(&drained, "Progressing"), ("False".to_owned(), "LimitReached".to_owned()));
        let handed_out = "SELECT count(*) FROM igor.transitions WHERE \"to\" = 'QUEUED'";
        let before = world.count(handed_out).await;
        assert!(before < 40, "{before}");
        let limit = world.kubectl(&["get", "ij/narrow", "-o", "jsonpath={.spec.maxInFlight}"], None);
        assert_eq!(limit.as_deref(), Ok("0"));
        assert_eq!(world.count(handed_out).await, before);
        world.kubectl(&["scale", "ij/narrow", "--replicas=100"], None).expect("scaled");
        let done = world.until_phase("narrow", &["Completed"]).await;
        assert_eq!(condition(&done, "Paused").1, "NotPaused");
    })
    .await;
}

#[tokio::test]
async fn a_held_job_tells_what_most_of_its_tasks_said() {
    world("why_held", Setup::default(), |world, _running| async move {
        world.apply(&job(
            "held",
            "",
            "{name: bad, type: fail, args: 'licence server away', count: 5}, {name: odd, type: fail, args: 'no space'}",
        ));
        let held = world.until("held", "it is held", |job| condition(job, "Progressing").1 == "HeldOnFailure").await;
        let said = why(&held).to_owned();
        assert!(said.starts_with("a: 6 of 6 tasks errored, 5 of them: "), "{said}");
        world.until_event("Warning", &said).await;
        assert_eq!((events(&world, "held", "HeldOnFailure").len(), events(&world, "held", "JobErrored").len()), (1, 0));
        world.annotate("held", "igor/kill=true");
        world.until("held", "it has ended", |job| job["status"]["finishedAt"].is_string()).await;
        until("its end is told", SOON, || async {
            let told = events(&world, "held", "JobErrored");
            if told.len() == 1 { Ok(()) } else { Err(told) }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_dead_workers_name_is_told_until_others_have_its_tasks() {
    // Long enough for the time between a silent worker and its loss, a third of a lease at most, to be seen by a look each second.
    world("why_silent", Setup { task_lease: 18.0, workers: 2, ..Setup::default() }, |world, running| async move {
        world.apply(&job("cut", "", "{name: nap, type: sleep, args: '120', count: 16}"));
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 16).await;
        running.lock().await.workers[0].signal("KILL");
        let told = world.until("cut", "a worker does not answer", |job| why(job).contains("does not answer")).await;
        assert!(why(&told).starts_with("a: worker ") && why(&told).ends_with("others get its tasks within 18 s"), "{told:#}");
        world.until("cut", "its tasks were given to others", |job| !why(job).contains("does not answer")).await;
    })
    .await;
}

/// Tasks of `big` that were done while the other job of that name had begun and was not done.
const DONE_BESIDE: [(&str, &str); 2] = [
    (
        "small",
        "SELECT count(*) FROM igor.transitions t JOIN igor.tasks k ON k.id = t.task_id JOIN igor.jobs b ON b.id = k.job_id AND b.name = 'big'
         JOIN igor.jobs s ON s.name = 'small' WHERE t.\"to\" = 'COMPLETED' AND t.at BETWEEN s.started_at AND s.finished_at",
    ),
    (
        "urgent",
        "SELECT count(*) FROM igor.transitions t JOIN igor.tasks k ON k.id = t.task_id JOIN igor.jobs b ON b.id = k.job_id AND b.name = 'big'
         JOIN igor.jobs s ON s.name = 'urgent' WHERE t.\"to\" = 'COMPLETED' AND t.at BETWEEN s.started_at AND s.finished_at",
    ),
];

#[tokio::test]
async fn a_hundred_thousand_tasks_delay_a_small_job_of_their_type_by_a_window_at_most() {
    world("why_turns", Setup::default(), |world, _running| async move {
        // Eight slots, each done in a hundredth of a second: the window stays at its least, two hundred tasks.
        world.apply(&job("big", "", "{name: t, type: sleep, args: '0.01', count: 100000}"));
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'", |count| count > 400).await;
        world.apply(&job("small", "", "{name: t, type: sleep, args: '0.01', count: 20}"));
        world.apply(&job("urgent", "priority: 5,", "{name: t, type: sleep, args: '0.01', count: 20}"));
        for (name, sql) in DONE_BESIDE {
            world.until_phase(name, &["Completed"]).await;
            let done = world.count(sql).await;
            assert!(done <= 400, "{name} waited for {done} tasks of the large job");
        }
        assert_ne!(world.job("big").await["status"]["phase"], "Completed");
        world.kubectl(&["delete", "ij", "big"], None).expect("deleted");
    })
    .await;
}

#[tokio::test]
async fn a_kill_stops_programs_and_handlers_at_once() {
    world("why_stopped", Setup { workers: 0, ..Setup::default() }, |world, _running| async move {
        let _program = world.timed_worker(1);
        let _handler = world.worker(&["--type", "sleep", "--slots", "1"]);
        world.apply(&job("timed", "", "{name: long, type: timed, args: '600'}"));
        world.apply(&job("nap", "", "{name: nap, type: sleep, args: '600'}"));
        world.until_timed("begin long").await;
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 2).await;
        world.annotate("timed", "igor/kill=true");
        world.until_timed("stopped long").await;
        let stopped = std::fs::metadata(world.folder.join("timed.log")).and_then(|file| file.modified()).expect("its log");
        let killed: f64 = sqlx::query_scalar("SELECT extract(epoch FROM at)::float8 FROM igor.commands WHERE verb = 'kill'")
            .fetch_one(&world.database.pool)
            .await
            .expect("the command");
        let took = stopped.duration_since(SystemTime::UNIX_EPOCH + Duration::from_secs_f64(killed)).unwrap_or_default();
        assert!(took < STOPPED, "the program was told to stop {took:?} after the kill");
        // The only slot is free as soon as the handler has ended.
        world.apply(&job("next", "", "{name: next, type: sleep, args: '0'}"));
        world.annotate("nap", "igor/kill=true");
        world.until_phase("next", &["Completed"]).await;
        let between = "SELECT (extract(epoch FROM max(t.at) - max(c.at)) * 1000)::int8 FROM igor.transitions t
                       JOIN igor.tasks k ON k.id = t.task_id AND k.name = 'next', igor.commands c";
        let took = world.count(between).await;
        assert!(
            took < 1000 * i64::try_from(STOPPED.as_secs()).expect("small"),
            "the handler's slot was used again {took} ms after the kill"
        );
    })
    .await;
}

#[tokio::test]
async fn a_job_that_was_steered_at_all_levels_has_it_all_in_its_audit() {
    world("why_audit", Setup::default(), |world, _running| async move {
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: steered}
spec:
  layers:
  - {name: render, tasks: [{name: frame, type: sleep, args: '600', count: 4}, {name: bad, type: fail}]}
  - {name: join, priority: 1, tasks: [{name: sheet, type: noop}]}
",
        );
        world.until("steered", "it fails", |job| job["status"]["phase"] == "Failing").await;
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 4).await;
        let steer = |annotations: &[&str]| {
            let args = [&["annotate", "--overwrite", "ij", "steered"], annotations].concat();
            world.kubectl(&args, None).expect("annotated");
        };
        let handled = async |verb: &'static str| {
            let gone = |job: &Value| job["metadata"]["annotations"].get(format!("igor/{verb}")).is_none();
            world.until("steered", &format!("{verb} is handled"), gone).await;
        };
        steer(&["igor/kill=render/frame-0", "igor/reason=black frame"]);
        handled("kill").await;
        steer(&["igor/skip=render"]);
        handled("skip").await;
        world.until_phase("steered", &["Completed"]).await;
        let igor = |args: &[&str]| {
            let args = [&[args[0], "-n", world.namespace()], &args[1..]].concat();
            world.by_hand(&args).unwrap_or_else(|said| panic!("igor {args:?}: {said}"))
        };
        let audit = igor(&["audit", "steered"]);
        let place = |what: &str| audit.find(what).unwrap_or_else(|| panic!("no {what} in\n{audit}"));
        let order = [
            "job PENDING -> RUNNING",
            "kill job render/frame-0, 1 task: black frame  [",
            "skip job render, ",
            "layer/join PENDING -> RUNNING",
            "job RUNNING -> COMPLETED",
        ];
        assert!(order.iter().map(|what| place(what)).is_sorted(), "{audit}");
        let task = igor(&["audit", "steered/render/frame-0"]);
        let steps = ["PENDING -> QUEUED, attempt 1", "RUNNING -> ERRORED (Killed), attempt 1  [", "ERRORED -> SKIPPED"];
        assert!(steps.iter().all(|step| task.contains(step)), "{task}");
        let all = igor(&["audit", "--tasks", "steered"]);
        assert!(all.starts_with(&audit) && all.contains("task/join/sheet PENDING -> QUEUED, attempt 1"), "{all}");
        let got = igor(&["get", "steered"]);
        assert!(got.contains("⤼ render") && got.contains("✓ join") && got.contains("Completed"), "{got}");
        assert!(igor(&["why", "steered/render/frame-0"]).contains("frame-0 was skipped at"));
        let read: Value = serde_json::from_str(&igor(&["get", "-o", "json", "steered"])).expect("json");
        assert_eq!(read["status"]["phase"], "Completed");
        let missing = world.by_hand(&["why", "-n", world.namespace(), "nobody"]).expect_err("refused");
        assert!(missing.contains("the ledger has no job nobody in namespace"), "{missing}");
    })
    .await;
}
