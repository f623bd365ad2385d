//! Connections whose other end is gone without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use igor::store::{Class, Command, Settings, Store};
use sqlx::Executor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::until;
use crate::world::{job_id, layer, ledger, object, plan, task};

/// Stands between the program and Postgres. What is connected when it falls silent never hears anything again; what comes later does.
struct Between {
    port: u16,
    silent: Arc<AtomicBool>,
}

impl Between {
    async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let (port, silent) = (listener.local_addr().expect("an address").port(), Arc::new(AtomicBool::new(false)));
        let falls = silent.clone();
        tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let server = TcpStream::connect(&server).await.expect("Postgres");
                let (early, (from_client, to_client), (from_server, to_server)) =
                    (!falls.load(Ordering::Relaxed), client.into_split(), server.into_split());
                for (mut from, mut to) in [(from_client, to_server), (from_server, to_client)] {
                    let falls = falls.clone();
                    tokio::spawn(async move {
                        let mut bytes = vec![0; 16 * 1024];
                        while let Ok(read @ 1..) = from.read(&mut bytes).await {
                            if early && falls.load(Ordering::Relaxed) {
                                // Neither closed nor answered, as behind a gateway that has forgotten the connection.
                                return std::future::pending::<()>().await;
                            }
                            if to.write_all(&bytes[..read]).await.is_err() {
                                return;
                            }
                        }
                    });
                }
            }
        });
        Self { port, silent }
    }
}

#[tokio::test]
async fn a_pool_of_connections_that_went_silent_is_a_new_one_within_half_a_minute() {
    let database = ledger().await;
    let (head, rest) = database.url.rsplit_once('@').expect("a URL with a user");
    let (server, name) = rest.split_once('/').expect("a URL with a database");
    let between = Between::start(server.to_owned()).await;
    let store = Store::connect(&Settings::new(format!("{head}@127.0.0.1:{}/{name}", between.port))).await.expect("the ledger");
    let epoch = store.bump_epoch().await.expect("an epoch");
    let object = object("j");
    store.accept(epoch, &object, &plan(vec![layer("a", 0, vec![task("x")])])).await.expect("accepted");
    // Every connection that may be waits for an answer when the silence begins.
    let mut other = database.pool.begin().await.expect("a transaction");
    other.execute("SELECT 1 FROM igor.jobs FOR UPDATE").await.expect("locked");
    let deletion = Command::deletion(job_id(&object), "operator");
    let all = futures::future::join_all((0..4).map(|_| store.command(Some(epoch), &deletion)));
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let silence = async {
        until("all wait", Duration::from_secs(10), || async {
            let count: i64 = sqlx::query_scalar(waiting).fetch_one(&database.pool).await.expect("a number");
            if count == 4 { Ok(()) } else { Err(count) }
        })
        .await;
        between.silent.store(true, Ordering::Relaxed);
        Instant::now()
    };
    let (answers, began) = tokio::join!(all, silence);
    for failed in answers {
        assert_eq!(failed.expect_err("no answer").class(), Class::Transient);
    }
    other.rollback().await.expect("unlocked");
    until("it answers", Duration::from_secs(60), || store.live_jobs()).await;
    assert!(began.elapsed() < Duration::from_secs(32), "{:?}", began.elapsed());
}
