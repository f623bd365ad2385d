//! What may be asked for, and what a server that cannot answer says.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::served::{Served, served, served_as};
use crate::support::{from_rig, until};
use crate::v1::{STILL, job};
use crate::world::SOON;

/// Longer than any request may take.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(api: &Served) -> PgConnection {
    PgConnection::connect(&api.world.database.url).await.expect("the test's database")
}

/// Holds every reader of jobs up until it is dropped.
async fn lock(api: &Served) -> PgConnection {
    let mut connection = connect(api).await;
    connection.execute("BEGIN; LOCK TABLE igor.jobs IN ACCESS EXCLUSIVE MODE").await.expect("a lock");
    connection
}

/// How many readers the database holds up.
async fn held_up(api: &Served) -> i64 {
    api.world.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_to_wait_and_others_are_not() {
    let settings = "limits: {requestsPerSecond: 1, burst: 5}";
    served_as("who_asks_too_often_is_told_to_wait", STILL, settings, async |api, _| {
        let mut last = api.get("/api/v1/jobs").await;
        for _ in 0..10 {
            last = api.get("/api/v1/jobs").await;
        }
        assert!(last.passing(429).starts_with("too many requests"));
        let other = crate::served::person(&api.world, "other", &["list"]);
        api.ask(Method::GET, "/api/v1/jobs", None, Some(&other)).await.ok();
        until("the bucket fills again", SOON, || async {
            let again = api.get("/api/v1/jobs").await;
            if again.status == 200 { Ok(()) } else { Err(again) }
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_too_much_under_way_is_told_to_wait() {
    served_as("who_has_too_much_under_way", STILL, "limits: {atOnce: 2}", async |api, _| {
        let holder = lock(&api).await;
        let (first, second) = (api.get("/api/v1/jobs"), api.get("/api/v1/jobs"));
        let third = async {
            until("two are under way", SOON, || async { if held_up(&api).await == 2 { Ok(()) } else { Err(()) } }).await;
            let third = api.get("/api/v1/jobs").await;
            drop(holder);
            third
        };
        let (first, second, third) = tokio::join!(first, second, third);
        assert!(third.passing(429).starts_with("too many requests"));
        assert_eq!((first.ok(), second.ok()), (json!([]), json!([])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_connection_in_use_the_answer_is_503_and_no_hang() {
    served("with_every_connection_in_use_the_answer_is_503", STILL, async |api, _| {
        let holder = lock(&api).await;
        let began = Instant::now();
        let asked = futures::future::join_all((0..12).map(|_| api.get("/api/v1/jobs")));
        for answer in tokio::time::timeout(PATIENCE, asked).await.expect("answers") {
            assert_eq!(answer.passing(503), "the ledger is away: try again");
        }
        assert!(began.elapsed() < PATIENCE);
        drop(holder);
        assert_eq!(api.get("/api/v1/jobs").await.ok(), json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_its_query_with_it() {
    served("a_client_that_goes_away_takes_its_query_with_it", STILL, async |api, _| {
        let holder = lock(&api).await;
        let asked = tokio::time::timeout(Duration::from_secs(2), api.get("/api/v1/jobs"));
        let (answer, ()) = tokio::join!(asked, async {
            until("the query waits", SOON, || async { if held_up(&api).await == 1 { Ok(()) } else { Err(()) } }).await;
        });
        answer.expect_err("nobody answers while the table is locked");
        let gone = Instant::now();
        until("the query is given up", SOON, || async { if held_up(&api).await == 0 { Ok(()) } else { Err(()) } }).await;
        // Its own limit would end it after five seconds, of which two are over.
        assert!(gone.elapsed() < Duration::from_secs(2), "{:?}", gone.elapsed());
        drop(holder);
    })
    .await;
}

/// The answer to raw bytes, or nothing when the server hangs up.
async fn raw(api: &Served, bytes: &str) -> String {
    let address = api.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server hangs up").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_slowly_is_given_up_and_holds_nobody_up() {
    let settings = "limits: {headSeconds: 1, requestSeconds: 4, connections: 64}";
    served_as("who_sends_slowly_is_given_up", STILL, settings, async |api, _| {
        let slow_head = raw(&api, "GET /api/v1/jobs HTTP/1.1\r\nHost: a\r\nX-Slow: ");
        let body = format!(
            "POST /api/v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: 50\r\nConnection: close\r\n\r\n{{",
            api.token
        );
        let slow_body = raw(&api, &body);
        let meanwhile = async {
            for _ in 0..20 {
                api.get("/api/v1/jobs").await.ok();
            }
        };
        let (head, body, ()) = tokio::join!(slow_head, slow_body, meanwhile);
        assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
        assert!(body.starts_with("HTTP/1.1 408") && body.contains("the request did not arrive within 2 seconds"), "{body}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_ledger_is_away_the_answer_is_503_and_afterwards_all_is_well() {
    served("while_the_ledger_is_away_the_answer_is_503", STILL, async |api, _| {
        let name = api.world.database.url.rsplit('/').next().expect("a name").split('?').next().expect("a name").to_owned();
        let mut admin = PgConnection::connect(&from_rig("IGOR_TEST_DATABASE_URL")).await.expect("the rig's Postgres");
        let mut take = async |connections: bool| {
            let away = format!(
                "ALTER DATABASE {name} ALLOW_CONNECTIONS {connections};
                 SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            );
            admin.execute(sqlx::AssertSqlSafe(away)).await.expect("done");
        };
        take(false).await;
        assert_eq!(api.get("/api/v1/jobs").await.passing(503), "the ledger is away: try again");
        assert_eq!(api.ask(Method::GET, "/healthz", None, None).await.passing(503), "the ledger is away: try again");
        assert_eq!(api.post("/api/v1/jobs", &job("noop", 1)).await.passing(503), "the ledger is away: try again");
        assert_eq!(api.world.job_names().await, Vec::<String>::new(), "what could not be accepted is not left behind");
        take(true).await;
        until("the API is well again", SOON, || async {
            let made = api.post("/api/v1/jobs", &job("noop", 1)).await;
            if made.status == 200 { Ok(()) } else { Err(made) }
        })
        .await;
        assert_eq!(api.world.job_names().await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_api_server_is_away_the_answer_is_503() {
    served("while_the_api_server_is_away_the_answer_is_503", STILL, async |api, _| {
        let text = std::fs::read_to_string(from_rig("IGOR_TEST_API_KUBECONFIG")).expect("a kubeconfig");
        let server = text.lines().find_map(|line| line.split("server: ").nth(1)).expect("a server").split(',').next().expect("a server");
        let nowhere = api.world.folder.join("nowhere.kubeconfig");
        std::fs::write(&nowhere, text.replace(server, "\"https://127.0.0.1:1\"")).expect("written");
        let cut_off = Served::start(api.world.clone(), &api.token, |command| command.env("KUBECONFIG", &nowhere)).await;
        assert_eq!(cut_off.get("/api/v1/jobs").await.passing(503), "the API server is away: try again");
        assert_eq!(cut_off.ask(Method::GET, "/healthz", None, None).await.ok(), json!({"ok": true}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_ends_what_is_under_way_first() {
    served("told_to_stop_it_ends_what_is_under_way", STILL, async |mut api, _| {
        let holder = lock(&api).await;
        let asked = api.get("/api/v1/jobs");
        let stop = async {
            until("the query waits", SOON, || async { if held_up(&api).await == 1 { Ok(()) } else { Err(()) } }).await;
            api.process.signal("TERM");
            until("it heard", SOON, || async { if api.process.printed().contains("told to stop") { Ok(()) } else { Err(()) } }).await;
            drop(holder);
        };
        let (answer, ()) = tokio::join!(asked, stop);
        assert_eq!(answer.ok(), json!([]));
        let ended = until("it ends", SOON, || std::future::ready(api.process.ended().ok_or(()))).await;
        assert!(ended.success());
    })
    .await;
}
