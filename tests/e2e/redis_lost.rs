//! Redis loses its data while tasks run: what runs is not disturbed, what nobody has runs anew, and people still steer.

use std::time::{Duration, Instant};

use crate::world::{SOON, Setup, world};

const LEASE: f64 = 6.0;

/// Four tasks that run for long, and four that wait for a slot.
const JOB: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: work}
spec:
  layers:
  - {name: a, tasks: [{name: long, type: timed, args: '12', count: 4}, {name: short, type: timed, args: '0.1', count: 4}]}
";

const RUNNING: &str = "SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'";

fn setup() -> Setup {
    Setup { workers: 0, task_lease: LEASE, ..Setup::default() }
}

#[tokio::test]
async fn what_runs_while_redis_forgets_everything_runs_once() {
    world("redis_once", setup(), |world, _running| async move {
        let _worker = world.timed_worker(4);
        world.apply(JOB);
        world.until_count(RUNNING, |count| count == 4).await;
        assert!(world.forget_in_redis().await > 0);
        // Who waits for a slot was in Redis only, and is put there again; so is whose Redis it is.
        world.until_phase("work", &["Completed"]).await;
        let stamp: String = redis::AsyncCommands::get(&mut world.redis().await, world.install_key()).await.expect("a stamp");
        let ours: String =
            sqlx::query_scalar("SELECT id::text FROM igor.install").fetch_one(&world.database.pool).await.expect("the ledger's id");
        assert_eq!(stamp, ours);
        let mut expected: Vec<String> = ["long", "short"].iter().flat_map(|name| (0..4).map(move |n| format!("{name}-{n}"))).collect();
        expected.sort();
        let names = |word: &str| -> Vec<String> {
            world
                .timed()
                .into_iter()
                .filter(|(line, times)| line.starts_with(word) && *times == 1)
                .map(|(line, _)| line[word.len()..].to_owned())
                .collect()
        };
        assert_eq!((names("begin "), names("end ")), (expected.clone(), expected));
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE attempt <> 1 OR lost <> 0").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_kill_reaches_what_redis_forgot() {
    world("redis_kill", setup(), |world, _running| async move {
        let _worker = world.timed_worker(4);
        world.apply(&JOB.replace("'12'", "'300'"));
        world.until_count(RUNNING, |count| count == 4).await;
        world.forget_in_redis().await;
        // Half a lease later everything that was announced is known to run, and nothing else.
        world.until_count("SELECT count(*) FROM igor.outbox", |count| count == 0).await;
        world.annotate("work", "igor/kill=true");
        world.until_phase("work", &["Errored"]).await;
        for n in 0..4 {
            world.until_timed(&format!("stopped long-{n}")).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_redis_forgot_and_its_worker_too_runs_again() {
    world("redis_worker", setup(), |world, _running| async move {
        let mut worker = world.timed_worker(4);
        world.apply(&JOB.replace("'12'", "'8'"));
        world.until_count(RUNNING, |count| count == 4).await;
        world.forget_in_redis().await;
        worker.kill();
        let began = Instant::now();
        let _other = world.timed_worker(8);
        // Nobody announces the four: after half a lease they are given out again, at the same attempt.
        crate::support::until("all run again", Duration::from_secs(30), || async {
            let timed = world.timed();
            if (0..4).all(|n| timed.get(&format!("begin long-{n}")) == Some(&2)) { Ok(()) } else { Err(timed) }
        })
        .await;
        let bound = Duration::from_secs_f64(LEASE / 2.0 + 5.0);
        assert!(began.elapsed() < bound, "{:?}", began.elapsed());
        world.until_phase("work", &["Completed"]).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE attempt <> 1").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_announced_task_whose_worker_dies_is_lost_and_runs_again() {
    world("redis_announced", setup(), |world, running| async move {
        let mut worker = world.timed_worker(4);
        world.apply(&JOB.replace("'12'", "'20'"));
        world.until_count(RUNNING, |count| count == 4).await;
        world.forget_in_redis().await;
        crate::support::until("all four are announced", SOON, || async {
            let log = running.lock().await.operators[0].printed();
            if log.matches("announced: its worker goes on").count() == 4 { Ok(()) } else { Err(log.lines().last().map(str::to_owned)) }
        })
        .await;
        let _other = world.timed_worker(4);
        worker.kill();
        world.until_count("SELECT count(*) FROM igor.tasks WHERE lost = 1", |count| count == 4).await;
        // After a loss each runs alone, so the fourth begins late.
        crate::support::until("one runs again", SOON, || async {
            let timed = world.timed();
            if (0..4).any(|n| timed.get(&format!("begin long-{n}")) == Some(&2)) { Ok(()) } else { Err(timed) }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_vanished_or_appeared_by_itself_is_noticed() {
    world("redis_entry", setup(), |world, _running| async move {
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: work}
spec: {layers: [{name: a, tasks: [{name: x, type: unserved, count: 5}]}]}
",
        );
        let (stream, redis) = (world.lane("unserved"), world.redis().await);
        let entries = async || -> Vec<String> {
            let entries: redis::streams::StreamRangeReply =
                redis::AsyncCommands::xrange_all(&mut redis.clone(), &stream).await.expect("entries");
            entries.ids.into_iter().map(|entry| entry.id).collect()
        };
        let lie = crate::support::until("all lie there", SOON, || async {
            let lie = entries().await;
            if lie.len() == 5 { Ok(lie) } else { Err(lie) }
        })
        .await;
        redis::cmd("XDEL").arg(&stream).arg(&lie[2]).exec_async(&mut redis.clone()).await.expect("deleted");
        crate::support::until("another stands for the one that vanished", SOON, || async {
            let now = entries().await;
            let kept = now.iter().filter(|id| lie.contains(id)).count();
            if now.len() == 5 && kept == 4 { Ok(()) } else { Err(now) }
        })
        .await;
        let foreign: String = redis::cmd("XADD")
            .arg(&stream)
            .arg("*")
            .arg("h")
            .arg("{}")
            .arg("p")
            .arg("")
            .query_async(&mut redis.clone())
            .await
            .expect("added");
        crate::support::until("the foreign one is gone", SOON, || async {
            let now = entries().await;
            if now.len() == 5 && !now.contains(&foreign) { Ok(()) } else { Err(now) }
        })
        .await;
    })
    .await;
}
