//! What a worker does with its tasks, for each of the workers.

use igor::core::fold::Said;
use igor::queue::{EntryRef, Header, Lane, Meta, TypeKey};
use uuid::Uuid;

use crate::rig::{OWNER, meta, raw, until};
use crate::stand_in::{Language, StandIn, Start, again, task};

/// Makes a test of each function for each worker.
macro_rules! for_each_worker {
    ($($(#[$attribute:meta])* $test:ident),* $(,)?) => {
        mod rust {
            $($(#[$attribute])* #[tokio::test] async fn $test() { super::$test(crate::stand_in::Language::Rust).await })*
        }
        mod python {
            $($(#[$attribute])* #[tokio::test] async fn $test() { super::$test(crate::stand_in::Language::Python).await })*
        }
    };
}
pub(crate) use for_each_worker;

for_each_worker!(
    a_batch_is_reported_with_few_entries,
    messages_failures_and_attempts_come_back,
    a_batch_waits_for_more_as_long_as_its_type_says,
    lanes_are_taken_in_order,
    a_worker_is_known_by_its_card,
    a_type_without_meta_is_waited_for,
    a_kill_by_message_stops_a_task,
    an_entry_that_is_gone_stops_its_task_at_the_next_heartbeat,
    a_kill_stops_one_task_of_a_batch_alone,
    a_task_has_its_timeout_and_its_deadline,
    a_task_that_is_to_run_alone_sends_the_others_back,
    what_cannot_be_read_is_given_back_with_the_reason,
    what_runs_is_given_back_when_the_shutdown_takes_too_long,
    what_runs_may_end_during_the_shutdown,
);

async fn a_batch_is_reported_with_few_entries(language: Language) {
    let stand_in = StandIn::new().await;
    let noop = stand_in.prepare("noop", &meta()).await;
    let tasks: Vec<_> = (0..500).map(|n| task(&n.to_string())).collect();
    stand_in.admit(&noop, Lane::Normal, &tasks).await;
    let _worker = Start { batch: 100, ..Start::default() }.worker(language, &stand_in);
    for task in &tasks {
        assert_eq!(stand_in.until_ended(task).await.said, Said::Completed);
    }
    let seen = stand_in.seen();
    let entries: std::collections::BTreeSet<_> = seen.iter().map(|seen| seen.result).collect();
    assert_eq!(seen.len(), 500, "each task is reported once");
    assert!(entries.len() <= 10, "{} result entries", entries.len());
}

async fn a_batch_waits_for_more_as_long_as_its_type_says(language: Language) {
    let stand_in = StandIn::new().await;
    let noop = stand_in.prepare("noop", &Meta { batch_delay_ms: 20_000, ..meta() }).await;
    let _worker = Start { batch: 2, ..Start::default() }.worker(language, &stand_in);
    let tasks = [task("0"), task("1")];
    stand_in.give(&noop, &tasks[0]).await;
    until("the first to be delivered", || async {
        let held = stand_in.client.pending_idle(&noop, Lane::Normal, 0).await.expect("what is pending");
        if held.len() == 1 { Ok(()) } else { Err(held) }
    })
    .await;
    stand_in.give(&noop, &tasks[1]).await;
    for task in &tasks {
        assert_eq!(stand_in.until_ended(task).await.said, Said::Completed);
    }
    let entries: std::collections::BTreeSet<_> = stand_in.seen().into_iter().map(|seen| seen.result).collect();
    assert_eq!(entries.len(), 1, "they were one batch");
}

async fn messages_failures_and_attempts_come_back(language: Language) {
    let stand_in = StandIn::new().await;
    let [echo, fail, flaky] =
        [stand_in.prepare("echo", &meta()).await, stand_in.prepare("fail", &meta()).await, stand_in.prepare("flaky", &meta()).await];
    let _worker = Start { types: &["echo", "fail", "flaky"], ..Start::default() }.worker(language, &stand_in);
    let (said, failed, first) = (task("grüße"), task("no disk"), task(""));
    let entry = stand_in.give(&echo, &said).await;
    stand_in.give(&fail, &failed).await;
    stand_in.give(&flaky, &first).await;
    let report = stand_in.until_ended(&said).await;
    assert_eq!((report.said, report.message.as_deref(), report.attempt), (Said::Completed, Some("grüße"), 1));
    assert!(report.run_ms.is_some() && report.at_ms > 0 && report.worker.is_some(), "{report:?}");
    assert_eq!(stand_in.seen().iter().find(|seen| seen.report == report).map(|seen| seen.entry), Some(entry));
    let report = stand_in.until_ended(&failed).await;
    assert_eq!((report.said, report.message.as_deref()), (Said::Errored, Some("no disk")));
    assert_eq!(stand_in.until_ended(&first).await.said, Said::Errored);
    let second = again(&first);
    stand_in.give(&flaky, &second).await;
    assert_eq!(stand_in.until_ended(&second).await.said, Said::Completed);
}

async fn lanes_are_taken_in_order(language: Language) {
    let stand_in = StandIn::new().await;
    let echo = stand_in.prepare("echo", &meta()).await;
    let mut tasks = Vec::new();
    for (lane, name) in [(Lane::Low, "low"), (Lane::Normal, "normal"), (Lane::High, "high")] {
        let of_lane: Vec<_> = (0..3).map(|n| task(&format!("{name} {n}"))).collect();
        stand_in.admit(&echo, lane, &of_lane).await;
        tasks.extend(of_lane);
    }
    let _worker = Start { types: &["echo"], ..Start::default() }.worker(language, &stand_in);
    for task in &tasks {
        stand_in.until_ended(task).await;
    }
    let order: Vec<_> = stand_in.seen().into_iter().filter_map(|seen| seen.report.message).collect();
    assert_eq!(order, ["high 0", "high 1", "high 2", "normal 0", "normal 1", "normal 2", "low 0", "low 1", "low 2"]);
}

async fn a_worker_is_known_by_its_card(language: Language) {
    let stand_in = StandIn::new().await;
    let noop = stand_in.prepare("noop", &meta()).await;
    let mut worker = Start { types: &["noop", "echo"], batch: 7, ..Start::default() }.worker(language, &stand_in);
    let info = stand_in.until_worker(&noop, &[]).await;
    let card = info.card.expect("a card");
    assert_eq!(card.types, ["film.default/noop", "film.default/echo"]);
    assert_eq!((card.slots, card.batch, card.inflight, card.v), (1, 7, 0, 1));
    assert_eq!(card.lang, format!("{language:?}").to_lowercase());
    assert!(info.id.starts_with(&format!("{}-{}-", card.host, worker.id())), "{} on {}", info.id, card.host);
    assert!(card.started_ms > 0 && !card.version.is_empty(), "{card:?}");
    worker.signal("TERM");
    until("the worker to have taken its card away, and to be forgotten", || async {
        let forgotten = stand_in.client.forget(&noop, &info.id, OWNER).await.expect("an answer");
        if forgotten { Ok(()) } else { Err(worker_card(&stand_in, &noop).await) }
    })
    .await;
    let status = until("its end", || std::future::ready(worker.ended().ok_or("it runs"))).await;
    assert!(status.success(), "{status}");
}

async fn worker_card(stand_in: &StandIn, key: &TypeKey) -> String {
    format!("{:?}", stand_in.client.workers(key).await)
}

async fn a_type_without_meta_is_waited_for(language: Language) {
    let stand_in = StandIn::new().await;
    let _worker = Start::default().worker(language, &stand_in);
    let mut connection = raw().await;
    let card = stand_in.client.keys().worker("*");
    until("a card before there is meta", || {
        let (mut connection, card) = (connection.clone(), card.clone());
        async move {
            let names: Vec<String> = redis::cmd("KEYS").arg(card).query_async(&mut connection).await.expect("names");
            if names.len() == 1 { Ok(()) } else { Err(names) }
        }
    })
    .await;
    let noop = stand_in.prepare("noop", &meta()).await;
    let task = task("");
    stand_in.give(&noop, &task).await;
    assert_eq!(stand_in.until_ended(&task).await.said, Said::Completed);
    redis::cmd("PING").exec_async(&mut connection).await.expect("an answer");
}

async fn a_kill_by_message_stops_a_task(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let _worker = Start { types: &["sleep"], ..Start::default() }.worker(language, &stand_in);
    let task = task("60");
    stand_in.give(&sleep, &task).await;
    stand_in.until_said(&task, Said::Running).await;
    // The entry stays, so no heartbeat can be what stops it; another attempt's kill is not meant.
    stand_in.client.publish_kill(&sleep, &[(task.header.id, 2), (Uuid::nil(), 1)]).await.expect("published");
    stand_in.client.publish_kill(&sleep, &[(task.header.id, 1)]).await.expect("published");
    assert_eq!(stand_in.until_ended(&task).await.said, Said::Cancelled);
}

async fn an_entry_that_is_gone_stops_its_task_at_the_next_heartbeat(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let _worker = Start { types: &["sleep"], ..Start::default() }.worker(language, &stand_in);
    let task = task("60");
    let entry = stand_in.give(&sleep, &task).await;
    stand_in.until_said(&task, Said::Running).await;
    stand_in.remove(&sleep, entry).await;
    assert_eq!(stand_in.until_ended(&task).await.said, Said::Cancelled);
}

async fn a_kill_stops_one_task_of_a_batch_alone(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let tasks = [task("0"), task("60"), task("0.1"), task("0")];
    stand_in.admit(&sleep, Lane::Normal, &tasks).await;
    let _worker = Start { types: &["sleep"], batch: 10, ..Start::default() }.worker(language, &stand_in);
    stand_in.until_said(&tasks[1], Said::Running).await;
    let early = stand_in.until_ended(&tasks[0]).await;
    assert_eq!(early.said, Said::Completed, "a long batch reports what is done");
    assert_eq!(stand_in.said(&tasks[1]).len(), 1);
    stand_in.client.publish_kill(&sleep, &[(tasks[1].header.id, 1)]).await.expect("published");
    assert_eq!(stand_in.until_ended(&tasks[1]).await.said, Said::Cancelled);
    assert_eq!(stand_in.until_ended(&tasks[2]).await.said, Said::Completed);
    assert_eq!(stand_in.until_ended(&tasks[3]).await.said, Said::Completed);
}

async fn a_task_has_its_timeout_and_its_deadline(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let _worker = Start { types: &["sleep"], ..Start::default() }.worker(language, &stand_in);
    let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_millis()).expect("a time");
    let mut late = task("60");
    late.header = Header { timeout_ms: 300, ..late.header };
    let mut overdue = task("60");
    overdue.header = Header { deadline_ms: now + 2000, ..overdue.header };
    let mut past = task("60");
    past.header = Header { deadline_ms: now - 1, ..past.header };
    stand_in.admit(&sleep, Lane::Normal, &[late.clone(), overdue.clone(), past.clone()]).await;
    for (task, why) in [(late, "Timeout"), (overdue, "Deadline"), (past, "Deadline")] {
        let report = stand_in.until_ended(&task).await;
        assert_eq!((report.said, report.why.as_deref()), (Said::Errored, Some(why)));
    }
}

async fn a_task_that_is_to_run_alone_sends_the_others_back(language: Language) {
    let stand_in = StandIn::new().await;
    let noop = stand_in.prepare("noop", &meta()).await;
    let mut tasks = [task("0"), task("1"), task("2")];
    tasks[1].header.solo = true;
    stand_in.admit(&noop, Lane::Normal, &tasks).await;
    let _worker = Start { batch: 10, ..Start::default() }.worker(language, &stand_in);
    assert_eq!(stand_in.until_ended(&tasks[1]).await.said, Said::Completed);
    for other in [&tasks[0], &tasks[2]] {
        let report = stand_in.until_ended(other).await;
        assert_eq!((report.said, report.why.as_deref()), (Said::Released, Some("Solo")));
    }
}

async fn what_cannot_be_read_is_given_back_with_the_reason(language: Language) {
    let stand_in = StandIn::new().await;
    let noop = stand_in.prepare("noop", &meta()).await;
    let id = Uuid::from_u128(rand::random());
    let lane = stand_in.client.keys().lane(&noop, Lane::Normal);
    let mut entries = Vec::new();
    for header in [format!(r#"{{"v":2,"id":"{id}","a":3}}"#), "no json".to_owned(), "{}".to_owned()] {
        let mut add = redis::cmd("XADD");
        add.arg(&lane).arg("*").arg("h").arg(header).arg("p").arg("");
        let id: String = add.query_async(&mut raw().await).await.expect("an id");
        entries.push(EntryRef { lane: Lane::Normal, id: id.parse().expect("an id") });
    }
    let good = task("");
    stand_in.give(&noop, &good).await;
    let _worker = Start { batch: 10, ..Start::default() }.worker(language, &stand_in);
    assert_eq!(stand_in.until_ended(&good).await.said, Said::Completed);
    for (entry, (task, attempt)) in entries.into_iter().zip([(id, 3), (Uuid::nil(), 0), (Uuid::nil(), 0)]) {
        let report = until("a report", || async {
            let seen = stand_in.seen();
            seen.iter().find(|seen| seen.entry == entry).map(|seen| seen.report.clone()).ok_or(seen)
        })
        .await;
        assert_eq!((report.said, report.why.as_deref(), report.task, report.attempt), (Said::Released, Some("Unreadable"), task, attempt));
        assert!(report.message.is_some_and(|message| message.contains("header")));
    }
}

async fn what_runs_is_given_back_when_the_shutdown_takes_too_long(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let tasks: Vec<_> = (0..5).map(|_| task("60")).collect();
    stand_in.admit(&sleep, Lane::Normal, &tasks).await;
    let mut worker = Start { types: &["sleep"], batch: 10, shutdown_grace: "0.3", ..Start::default() }.worker(language, &stand_in);
    stand_in.until_said(&tasks[0], Said::Running).await;
    worker.signal("TERM");
    for task in &tasks {
        let report = stand_in.until_ended(task).await;
        assert_eq!((report.said, report.why.as_deref()), (Said::Released, Some("Shutdown")));
    }
    let status = until("its end", || std::future::ready(worker.ended().ok_or("it runs"))).await;
    assert!(status.success(), "{status}");
}

async fn what_runs_may_end_during_the_shutdown(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &Meta { lease_ms: 600, ..meta() }).await;
    let tasks = [task("2"), task("60")];
    stand_in.admit(&sleep, Lane::Normal, &tasks).await;
    let mut worker = Start { types: &["sleep"], batch: 2, ..Start::default() }.worker(language, &stand_in);
    stand_in.until_said(&tasks[0], Said::Running).await;
    worker.signal("TERM");
    assert_eq!(stand_in.until_ended(&tasks[0]).await.said, Said::Completed);
    let report = stand_in.until_ended(&tasks[1]).await;
    assert_eq!((report.said, report.why.as_deref()), (Said::Released, Some("Shutdown")));
    let status = until("its end", || std::future::ready(worker.ended().ok_or("it runs"))).await;
    assert!(status.success(), "{status}");
}
