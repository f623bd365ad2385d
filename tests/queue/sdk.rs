//! What the Rust SDK promises to handlers, with handlers of our own in this process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use igor::core::fold::Said;
use igor::queue::{Header, Lane, Meta};
use igor::worker::exec::{self, Program};
use igor::worker::{Batch, Builder, Failure, Outcome, Task, Worker};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::rig::{meta, redis_url, until};
use crate::stand_in::{StandIn, task};

/// A worker that runs in this process and is shut down with the test.
struct Running {
    shutdown: CancellationToken,
    ended: JoinHandle<()>,
}

impl Running {
    fn start(builder: Builder) -> Self {
        let shutdown = CancellationToken::new();
        let worker = builder.build().expect("a worker");
        let ended = tokio::spawn(worker.run(shutdown.clone()));
        Self { shutdown, ended }
    }

    async fn shut_down(self) {
        self.shutdown.cancel();
        self.ended.await.expect("it ends well");
    }
}

fn worker(stand_in: &StandIn) -> Builder {
    Worker::builder(redis_url()).prefix(&stand_in.client.settings().prefix).queue("film.default").stop_grace(Duration::from_millis(300))
}

#[tokio::test]
async fn a_panic_fails_its_task_and_the_worker_goes_on() {
    let stand_in = StandIn::new().await;
    let render = stand_in.prepare("render", &meta()).await;
    let running = Running::start(worker(&stand_in).task("render", |task: Task| async move {
        assert_ne!(task.args(), b"bad", "cannot render this");
        Ok::<_, Failure>(())
    }));
    let tasks = [task("bad"), task("good")];
    stand_in.admit(&render, Lane::Normal, &tasks).await;
    let report = stand_in.until_ended(&tasks[0]).await;
    assert_eq!((report.said, report.why.as_deref()), (Said::Errored, Some("Panic")));
    assert!(report.message.is_some_and(|message| message.starts_with("panicked: ") && message.contains("cannot render this")));
    assert_eq!(stand_in.until_ended(&tasks[1]).await.said, Said::Completed);
    running.shut_down().await;
}

#[tokio::test]
async fn a_panic_in_a_batch_spares_the_tasks_that_have_a_status() {
    let stand_in = StandIn::new().await;
    let thumb = stand_in.prepare("thumb", &meta()).await;
    let tasks = [task("0"), task("1"), task("2")];
    stand_in.admit(&thumb, Lane::Normal, &tasks).await;
    let running = Running::start(worker(&stand_in).batch("thumb", 10, |batch: Batch| async move {
        for item in &batch {
            assert_ne!(item.args(), b"1");
            item.skip("was there");
        }
        Ok::<_, Failure>(())
    }));
    let report = stand_in.until_ended(&tasks[0]).await;
    assert_eq!((report.said, report.message.as_deref()), (Said::Skipped, Some("was there")));
    for task in &tasks[1..] {
        assert_eq!(stand_in.until_ended(task).await.why.as_deref(), Some("Panic"));
    }
    running.shut_down().await;
}

#[tokio::test]
async fn the_tasks_of_a_batch_end_as_their_status_or_the_handler_says() {
    let stand_in = StandIn::new().await;
    let thumb = stand_in.prepare("thumb", &meta()).await;
    let tasks = ["message", "skip", "fail", "unset"].map(task);
    stand_in.admit(&thumb, Lane::Normal, &tasks).await;
    let running = Running::start(worker(&stand_in).batch("thumb", 10, |batch: Batch| async move {
        for item in batch {
            match item.text()? {
                "message" => item.complete("12 KiB".to_owned()),
                "skip" => item.skip("no image"),
                "fail" => item.fail(Failure::new("too big").retry_after(Duration::from_secs(9)).last()),
                _ => {}
            }
        }
        Err(Failure::new("the disk is full"))
    }));
    let mut ends = Vec::new();
    for task in &tasks {
        let report = stand_in.until_ended(task).await;
        ends.push((report.said, report.message.unwrap_or_default(), report.retry_ms, report.last));
    }
    let expected = [
        (Said::Completed, "12 KiB", None, false),
        (Said::Skipped, "no image", None, false),
        (Said::Errored, "too big", Some(9000), true),
        (Said::Errored, "the disk is full", None, false),
    ];
    assert_eq!(ends, expected.map(|(said, message, retry, last)| (said, message.to_owned(), retry, last)));
    running.shut_down().await;
}

#[tokio::test]
async fn a_handler_sees_all_that_its_task_carries() {
    let stand_in = StandIn::new().await;
    let render = stand_in.prepare("render", &meta()).await;
    let running = Running::start(worker(&stand_in).task("render", |task: Task| async move {
        let seen = format!(
            "{} {} {} {} {} {} {} {}",
            task.id(),
            task.attempt(),
            task.job(),
            task.layer(),
            task.name(),
            task.index(),
            task.retries_left(),
            task.traceparent().unwrap_or("-")
        );
        Ok::<_, Failure>(Outcome::message(format!("{seen} {}", task.json::<serde_json::Value>()?["frame"])))
    }));
    let mut task = task(r#"{"frame": 17}"#);
    task.header = Header {
        job: "film/nightly".into(),
        layer: "render".into(),
        name: "frame-17".into(),
        index: 17,
        retries_left: 2,
        traceparent: Some("00-aa-bb-01".into()),
        attempt: 3,
        ..task.header
    };
    stand_in.give(&render, &task).await;
    let expected = format!("{} 3 film/nightly render frame-17 17 2 00-aa-bb-01 17", task.header.id);
    assert_eq!(stand_in.until_ended(&task).await.message, Some(expected));
    running.shut_down().await;
}

#[tokio::test]
async fn a_handler_that_ignores_its_token_is_dropped_after_the_stop_grace() {
    let stand_in = StandIn::new().await;
    let render = stand_in.prepare("render", &meta()).await;
    let running = Running::start(worker(&stand_in).task("render", |_: Task| async move {
        std::future::pending::<()>().await;
        Ok::<_, Failure>(())
    }));
    let mut late = task("late");
    late.header.timeout_ms = 100;
    stand_in.give(&render, &late).await;
    let report = stand_in.until_ended(&late).await;
    assert_eq!(
        (report.said, report.why.as_deref(), report.message.as_deref()),
        (Said::Errored, Some("Timeout"), Some("ran longer than its timeout of 100ms"))
    );
    let killed = task("killed");
    stand_in.give(&render, &killed).await;
    stand_in.until_said(&killed, Said::Running).await;
    stand_in.client.publish_kill(&render, &[(killed.header.id, 1)]).await.unwrap();
    assert_eq!(stand_in.until_ended(&killed).await.said, Said::Cancelled);
    running.shut_down().await;
}

#[tokio::test]
async fn a_batch_that_never_begins_its_tasks_has_the_sum_of_their_timeouts() {
    let stand_in = StandIn::new().await;
    let thumb = stand_in.prepare("thumb", &meta()).await;
    let mut tasks = [task("0"), task("1")];
    for task in &mut tasks {
        task.header.timeout_ms = 400;
    }
    stand_in.admit(&thumb, Lane::Normal, &tasks).await;
    let running = Running::start(worker(&stand_in).batch("thumb", 10, |batch: Batch| async move {
        batch.iter().next().expect("a task").cancelled().await;
        Err::<(), _>(Failure::new("stopped"))
    }));
    for task in &tasks {
        let report = stand_in.until_ended(task).await;
        assert_eq!((report.said, report.why.as_deref()), (Said::Errored, Some("Timeout")));
        let ended_after = report.at_ms - stand_in.said(task)[0].at_ms;
        assert!(ended_after >= 200, "it was said to run after 500 ms and had 800: {ended_after}");
    }
    running.shut_down().await;
}

#[tokio::test]
async fn what_a_batch_has_not_begun_is_given_back_at_once_by_a_shutdown() {
    let stand_in = StandIn::new().await;
    let thumb = stand_in.prepare("thumb", &meta()).await;
    let tasks = [task("0"), task("1"), task("2")];
    stand_in.admit(&thumb, Lane::Normal, &tasks).await;
    let go_on = Arc::new(tokio::sync::Notify::new());
    let (begun, wait) = (Arc::new(AtomicUsize::new(0)), go_on.clone());
    let count = begun.clone();
    let running = Running::start(worker(&stand_in).batch("thumb", 10, move |batch: Batch| {
        let (count, wait) = (count.clone(), wait.clone());
        async move {
            for item in &batch {
                if item.begin() {
                    count.fetch_add(1, Ordering::SeqCst);
                    wait.notified().await;
                    item.complete(());
                }
            }
            Ok::<_, Failure>(())
        }
    }));
    stand_in.until_said(&tasks[0], Said::Running).await;
    running.shutdown.cancel();
    for task in &tasks[1..] {
        let report = stand_in.until_ended(task).await;
        assert_eq!((report.said, report.why.as_deref()), (Said::Released, Some("Shutdown")));
    }
    assert_eq!(stand_in.said(&tasks[0]).len(), 1, "the first one is still at work");
    go_on.notify_one();
    assert_eq!(stand_in.until_ended(&tasks[0]).await.said, Said::Completed);
    running.shut_down().await;
    assert_eq!(begun.load(Ordering::SeqCst), 1);
}

/// Tells the sizes of the batches that a handler gets.
async fn batch_sizes(meta: &Meta, tasks: usize, slots: usize) -> Vec<usize> {
    let stand_in = StandIn::new().await;
    let thumb = stand_in.prepare("thumb", meta).await;
    let tasks: Vec<_> = (0..tasks).map(|n| task(&n.to_string())).collect();
    stand_in.admit(&thumb, Lane::Normal, &tasks).await;
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = sizes.clone();
    let running = Running::start(worker(&stand_in).slots(slots).batch("thumb", 10, move |batch: Batch| {
        seen.lock().expect("no panic inside").push(batch.len());
        std::future::ready(Ok::<_, Failure>(()))
    }));
    for task in &tasks {
        assert_eq!(stand_in.until_ended(task).await.said, Said::Completed);
    }
    running.shut_down().await;
    let sizes = sizes.lock().expect("no panic inside");
    sizes.clone()
}

#[tokio::test]
async fn a_batch_is_bounded_by_the_handler_the_type_and_the_share() {
    assert_eq!(batch_sizes(&meta(), 25, 1).await, [10, 10, 5]);
    assert_eq!(batch_sizes(&Meta { batch_max: 4, ..meta() }, 10, 1).await, [4, 4, 2]);
    assert_eq!(batch_sizes(&Meta { share: 3, ..meta() }, 7, 1).await, [3, 3, 1]);
}

#[tokio::test]
async fn tasks_run_beside_each_other_as_slots_allow_over_all_types() {
    let stand_in = StandIn::new().await;
    let keys = [stand_in.prepare("render", &meta()).await, stand_in.prepare("thumb", &meta()).await];
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (of_tasks, of_all) = (now.clone(), most.clone());
    let handler = move |_: Task| {
        let (now, most) = (of_tasks.clone(), of_all.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(30)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Failure>(())
        }
    };
    let running = Running::start(worker(&stand_in).slots(3).task("render", handler.clone()).task("thumb", handler));
    let mut tasks = Vec::new();
    for key in &keys {
        let of_key: Vec<_> = (0..20).map(|n| task(&n.to_string())).collect();
        stand_in.admit(key, Lane::Normal, &of_key).await;
        tasks.extend(of_key);
    }
    for task in &tasks {
        assert_eq!(stand_in.until_ended(task).await.said, Said::Completed);
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    running.shut_down().await;
}

#[tokio::test]
async fn a_worker_waits_for_a_redis_that_is_not_there_and_stops_when_told() {
    let builder = Worker::builder("redis://127.0.0.1:1").queue("film.default");
    let running = Running::start(builder.task("render", |_: Task| async { Ok::<_, Failure>(()) }));
    until("an end within the limit", || async {
        running.shutdown.cancel();
        if running.ended.is_finished() { Ok(()) } else { Err("it runs") }
    })
    .await;
}

/// Runs one task by `sh -c script` and returns what became of it.
async fn by_program(script: &str, change: impl FnOnce(&mut Header)) -> igor::core::fold::Report {
    let stand_in = StandIn::new().await;
    let render = stand_in.prepare("render", &meta()).await;
    let program = Arc::new(Program { command: "sh".into(), arguments: vec!["-c".into(), script.into()] });
    let builder = worker(&stand_in).stop_grace(Duration::from_secs(20));
    let running = Running::start(builder.task("render", move |task: Task| {
        let program = program.clone();
        async move { exec::run(&program, "render", &task).await }
    }));
    let mut task = task("the arguments");
    change(&mut task.header);
    stand_in.give(&render, &task).await;
    let report = stand_in.until_ended(&task).await;
    running.shut_down().await;
    report
}

#[tokio::test]
async fn a_program_gets_its_task_by_standard_input_and_environment() {
    let script =
        r#"read -r line; echo "$line, $IGOR_TASK_ID $IGOR_ATTEMPT $IGOR_INDEX $IGOR_NAME $IGOR_JOB $IGOR_LAYER $IGOR_TYPE" >&2; exit 1"#;
    let mut id = None;
    let report = by_program(script, |header| {
        header.index = 17;
        (header.name, header.job, header.layer) = ("f17".into(), "film/nightly".into(), "render".into());
        id = Some(header.id);
    })
    .await;
    let seen = format!("the arguments, {} 1 17 f17 film/nightly render render", id.expect("an id"));
    assert_eq!((report.said, report.message), (Said::Errored, Some(seen)));
}

#[tokio::test]
async fn a_program_s_exit_code_says_how_it_went() {
    assert_eq!(by_program("exit 0", |_| {}).await.said, Said::Completed);
    let report = by_program("echo first >&2; echo 'no licence' >&2; echo >&2; exit 75", |_| {}).await;
    assert_eq!((report.said, report.message.as_deref(), report.retry_ms), (Said::Released, Some("no licence"), Some(10_000)));
    let report = by_program("exit 3", |_| {}).await;
    assert_eq!((report.said, report.message.as_deref()), (Said::Errored, Some("exit status: 3")));
}

#[tokio::test]
async fn a_stopped_program_takes_its_children_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let pid = folder.path().join("pid");
    // The child ignores SIGTERM and would live for long; its parent obeys.
    let script = format!("sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1; done' & wait", pid.display());
    let report = by_program(&script, |header| header.timeout_ms = 700).await;
    assert_eq!((report.said, report.why.as_deref()), (Said::Errored, Some("Timeout")));
    let child: i32 = std::fs::read_to_string(&pid).expect("the child began").trim().parse().expect("a pid");
    until("the child's end", || async {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // A zombie nobody reaps is as gone as it gets in a container without an init.
        if state.is_empty() || state.contains(") Z ") { Ok(()) } else { Err(state) }
    })
    .await;
}
