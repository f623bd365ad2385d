//! Whose ledger it is, and which leader may write to it.

use std::time::Duration;

use igor::core::fold::Said;
use igor::store::{Class, Command, Error, Settings, Store};

use crate::support::until;
use crate::world::{World, array, command, job_id, layer, ledger, object, outcome, plan};

#[tokio::test]
async fn every_write_of_an_earlier_leader_is_refused() {
    let world = World::new().await;
    let object = object("j");
    let plan = plan(vec![layer("a", 0, vec![array("t", 3)])]);
    let change = world.accept(&object, &plan).await.change;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    let later = world.store.bump_epoch().await.expect("an epoch");
    assert!(later > world.epoch);
    let (store, old, job) = (&world.store, world.epoch, job_id(&object));
    let want = igor::store::Want { layer_id: change.opened[0].layer_id, job_id: job, kind: "render".to_owned(), room: 1 };
    let refused: Vec<Error> = vec![
        store.accept(old, &crate::world::object("k"), &plan).await.expect_err("accept"),
        store.dispatch(old, &[want]).await.expect_err("dispatch"),
        store.collect(old, vec![outcome(&tasks[0], Said::Completed)]).await.expect_err("collect"),
        store.recall_done(old, &[]).await.expect_err("recall"),
        store.command(Some(old), &Command::deletion(job, "operator")).await.expect_err("delete"),
        store.command(Some(old), &command(job, "retry", "1")).await.expect_err("retry"),
        store.mark_expired(Some(old), job).await.expect_err("expire"),
        store.take_dirty(old).await.expect_err("dirty"),
    ];
    for error in refused {
        assert_eq!(error.class(), Class::Fenced, "{error:?}");
    }
    assert_eq!(store.collect(later, vec![outcome(&tasks[0], Said::Completed)]).await.expect("collected").applied.len(), 1);
    world.check().await;
}

#[tokio::test]
async fn a_restored_ledger_goes_on_above_what_redis_remembers() {
    let world = World::new().await;
    let remembered = world.store.bump_epoch().await.expect("an epoch");
    let earlier = "UPDATE igor.epoch SET number = 1 WHERE statement_timestamp() > since + interval '5 ms'";
    until("a moment passes", Duration::from_secs(10), || async {
        let restored = sqlx::query(earlier).execute(&world.database.pool).await.expect("an earlier moment");
        if restored.rows_affected() == 1 { Ok(()) } else { Err("none has") }
    })
    .await;
    assert!(world.store.bump_epoch().await.expect("an epoch") > remembered);
    world.check().await;
}

#[tokio::test]
async fn a_ledger_belongs_to_one_cluster_until_it_is_adopted() {
    let world = World::new().await;
    let first = world.store.install("cluster-a", false).await.expect("claimed");
    assert_eq!(world.store.install("cluster-a", false).await.expect("known"), first);
    let refused = world.store.install("cluster-b", false).await.expect_err("another's");
    assert_eq!(
        refused.to_string(),
        "the ledger is stamped by cluster cluster-a, but this is cluster cluster-b: check DATABASE_URL and the kubeconfig, \
         or start once with --adopt to make it this cluster's"
    );
    assert_eq!(world.store.install("cluster-b", true).await.expect("adopted"), first);
    assert!(world.store.install("cluster-a", false).await.is_err());
}

#[tokio::test]
async fn a_ledger_without_schema_is_refused_with_what_to_run() {
    let database = ledger().await;
    sqlx::query("DROP SCHEMA igor CASCADE").execute(&database.pool).await.expect("dropped");
    let refused = Store::connect(&Settings::new(&database.url)).await.expect_err("no schema");
    assert_eq!(refused.to_string(), "the ledger's schema is at version 0, this program needs 13: run `igor migrate`");
}

#[tokio::test]
async fn migrating_twice_and_two_at_once_is_migrating_once() {
    let database = ledger().await;
    let settings = Settings::new(&database.url);
    let (one, two) = tokio::join!(igor::store::migrate(&settings), igor::store::migrate(&settings));
    one.expect("migrated");
    two.expect("migrated");
    Store::connect(&Settings::new(&database.url)).await.expect("the ledger").ping().await.expect("an answer");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_passing_failure() {
    let refused = Store::connect(&Settings::new("postgres://igor@127.0.0.1:1/igor")).await.expect_err("nobody");
    assert_eq!(refused.class(), Class::Transient);
    assert!(!format!("{:?}", Settings::new("postgres://igor:secret@h/d")).contains("secret"));
}

#[tokio::test]
async fn a_large_bind_is_not_held_back() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 20)])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    let batch = || {
        let mut outcomes: Vec<_> = tasks.iter().map(|task| outcome(task, Said::Running)).collect();
        for outcome in &mut outcomes {
            outcome.report.message = Some("m".repeat(4096));
        }
        outcomes
    };
    let mut fastest = std::time::Duration::MAX;
    for _ in 0..10 {
        let began = std::time::Instant::now();
        world.store.collect(world.epoch, batch()).await.expect("collected");
        fastest = fastest.min(began.elapsed());
    }
    // Without TCP_NODELAY each waits for a delayed acknowledgement of 40 ms.
    assert!(fastest < std::time::Duration::from_millis(35), "{fastest:?}");
}
