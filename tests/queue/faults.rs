//! What becomes of tasks when workers, connections or Redis's data go away, for each of the workers.

use std::time::Instant;

use igor::core::fold::Said;
use igor::queue::{Lane, Owner, Pending, TypeKey};

use crate::contract::for_each_worker;
use crate::rig::{meta, raw, until};
use crate::stand_in::{Language, StandIn, Start, again, task};

for_each_worker!(
    a_killed_worker_s_task_runs_again_elsewhere,
    a_task_four_leases_long_runs_once,
    a_stopped_worker_that_wakes_up_gives_way,
    results_survive_lost_connections,
    a_task_that_redis_forgot_is_announced_and_stopped_only_by_message,
    another_leader_disturbs_nobody,
);

/// Entries that were not renewed for a lease, as an operator looks for them.
async fn idle(stand_in: &StandIn, key: &TypeKey) -> Vec<Pending> {
    stand_in.client.pending_idle(key, Lane::Normal, meta().lease_ms).await.expect("what is pending")
}

async fn until_idle(stand_in: &StandIn, key: &TypeKey) -> Pending {
    until("an entry idle for a lease", || async {
        let held = idle(stand_in, key).await;
        held.first().cloned().ok_or(held)
    })
    .await
}

async fn a_killed_worker_s_task_runs_again_elsewhere(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let mut first = Start { types: &["sleep"], ..Start::default() }.worker(language, &stand_in);
    let lost = task("1.5");
    let entry = stand_in.give(&sleep, &lost).await;
    let said = stand_in.until_said(&lost, Said::Running).await;
    first.kill();
    let held = until_idle(&stand_in, &sleep).await;
    assert_eq!((held.id, Some(&held.consumer)), (entry.id, said.worker.as_ref()));
    until("its card to expire", || async {
        let workers = stand_in.client.workers(&sleep).await.expect("workers");
        if workers.iter().all(|worker| worker.card.is_none()) { Ok(()) } else { Err(workers) }
    })
    .await;
    stand_in.remove(&sleep, entry).await;
    let second = again(&lost);
    stand_in.give(&sleep, &second).await;
    let _other = Start { types: &["sleep"], ..Start::default() }.worker(language, &stand_in);
    let report = stand_in.until_ended(&second).await;
    assert_eq!(report.said, Said::Completed);
    assert_ne!(report.worker, said.worker);
    assert_eq!(stand_in.said(&lost).len(), 1, "of the first attempt only its start is known");
}

async fn a_task_four_leases_long_runs_once(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let _workers = [(); 2].map(|()| Start { types: &["sleep"], ..Start::default() }.worker(language, &stand_in));
    let first = stand_in.until_worker(&sleep, &[]).await;
    stand_in.until_worker(&sleep, &[&first.id]).await;
    let long = task("3.6");
    stand_in.give(&sleep, &long).await;
    let mut looks = 0;
    while stand_in.said(&long).iter().all(|report| report.said == Said::Running) {
        assert_eq!(idle(&stand_in, &sleep).await, [], "its lease is renewed all the time");
        looks += 1;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(looks > 10, "{looks} looks");
    let said: Vec<_> = stand_in.said(&long).into_iter().map(|report| report.said).collect();
    assert_eq!(said, [Said::Running, Said::Completed]);
}

async fn a_stopped_worker_that_wakes_up_gives_way(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let zombie = Start { types: &["sleep"], ..Start::default() }.worker(language, &stand_in);
    let first = task("60");
    let entry = stand_in.give(&sleep, &first).await;
    let zombie_id = stand_in.until_said(&first, Said::Running).await.worker.expect("a worker");
    zombie.signal("STOP");
    until_idle(&stand_in, &sleep).await;
    stand_in.remove(&sleep, entry).await;
    let second = task("0");
    let other = Start { types: &["sleep"], ..Start::default() }.worker(language, &stand_in);
    stand_in.give(&sleep, &second).await;
    assert_ne!(stand_in.until_ended(&second).await.worker.as_ref(), Some(&zombie_id));
    drop(other);
    zombie.signal("CONT");
    let late = stand_in.until_ended(&first).await;
    assert_eq!((late.said, late.worker.as_ref()), (Said::Cancelled, Some(&zombie_id)), "it is told that its lease is gone");
    let third = task("0");
    stand_in.give(&sleep, &third).await;
    assert_eq!(stand_in.until_ended(&third).await.worker.as_ref(), Some(&zombie_id), "and works on");
}

async fn results_survive_lost_connections(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let _worker = Start { types: &["sleep"], batch: 5, ..Start::default() }.worker(language, &stand_in);
    let worker = stand_in.until_worker(&sleep, &[]).await.id;
    let tasks: Vec<_> = (0..150).map(|_| task("0.02")).collect();
    stand_in.admit(&sleep, Lane::Normal, &tasks).await;
    let mut killed = 0;
    for cut in 1..=6 {
        stand_in.until_ended(&tasks[cut * 20]).await;
        killed += stand_in.cut(&worker).await;
    }
    assert!(killed >= 12, "{killed} connections were there to be killed");
    for task in &tasks {
        assert_eq!(stand_in.until_ended(task).await.said, Said::Completed);
    }
    until("all entries to be settled", || async {
        let backlog = stand_in.client.backlog(&sleep).await.expect("a count")[1];
        if backlog.length == 0 { Ok(()) } else { Err(backlog) }
    })
    .await;
}

async fn a_task_that_redis_forgot_is_announced_and_stopped_only_by_message(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let _worker = Start { types: &["sleep"], ..Start::default() }.worker(language, &stand_in);
    let task = task("60");
    stand_in.give(&sleep, &task).await;
    stand_in.until_said(&task, Said::Running).await;
    let keys = stand_in.client.keys().clone();
    let mut forget = redis::cmd("DEL");
    forget.arg(keys.meta(&sleep));
    for lane in Lane::ALL {
        forget.arg(keys.lane(&sleep, lane));
    }
    forget.exec_async(&mut raw().await).await.expect("forgotten");
    let announced = |times: usize| {
        let (stand_in, task) = (&stand_in, &task);
        until("announcements", move || async move {
            let said = stand_in.said(task);
            if said.len() > times && said.iter().all(|report| report.said == Said::Running) { Ok(said.len()) } else { Err(said) }
        })
    };
    let without_data = announced(2).await;
    // With the data back under another generation it is still announced: its entry is not among it.
    stand_in.prepare("sleep", &meta()).await;
    announced(without_data + 2).await;
    stand_in.client.publish_kill(&sleep, &[(task.header.id, 1)]).await.expect("published");
    assert_eq!(stand_in.until_ended(&task).await.said, Said::Cancelled);
}

async fn another_leader_disturbs_nobody(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let _worker = Start { types: &["sleep"], ..Start::default() }.worker(language, &stand_in);
    let task = task("60");
    let entry = stand_in.give(&sleep, &task).await;
    stand_in.until_said(&task, Said::Running).await;
    stand_in.client.prepare(&sleep, &meta(), Owner(2)).await.expect("taken over");
    stand_in.client.open(&sleep, Owner(2)).await.expect("opened");
    let opened = Instant::now();
    until("a heartbeat that has seen the other generation", || async {
        let held = stand_in.client.pending_idle(&sleep, Lane::Normal, 0).await.expect("what is pending");
        let since = opened.elapsed().as_millis();
        if held.iter().any(|held| u128::from(held.idle_ms) + 10 < since) { Ok(()) } else { Err((held, since)) }
    })
    .await;
    assert_eq!(stand_in.said(&task).len(), 1, "an entry that is there is leased whatever the generation: nothing to announce");
    assert_eq!(stand_in.client.remove(&sleep, &[entry], Owner(2)).await.expect("removed"), 1);
    assert_eq!(stand_in.until_ended(&task).await.said, Said::Cancelled, "and was leased in the new one: now it is gone");
}
