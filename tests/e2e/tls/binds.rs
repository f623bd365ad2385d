//! How long a statement with much to say takes over TLS.
//!
//! sqlx 0.9.0 leaves Nagle's algorithm on: what is longer than a record of TLS then waits for the server to confirm a packet that it
//! is in no hurry to confirm, 40 ms. Between machines a record fills several packets, and they are confirmed at once. So this is
//! measured with packets as between machines, in a network of its own; over plain loopback, whose packets hold a whole record, the
//! 40 ms are there (docs/performance.md).

use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::Connection;

use super::stores::{Form, Stores};

/// Packets as Ethernet has them.
const NETWORK: &str = "ip link set lo mtu 1500 up && \"$0\" --ignored --exact tls::binds::a_long_statement_is_quick; code=$?; \
                       rig/tls-stores down; exit $code";

#[test]
fn a_statement_of_64_kb_takes_no_40_ms_between_machines() {
    let own = ["--net", "sh", "-c"];
    if !Command::new("unshare").args(own).arg("ip link set lo up").status().is_ok_and(|made| made.success()) {
        eprintln!("skipped: a network of its own needs root, unshare and ip");
        return;
    }
    let state = tempfile::tempdir().expect("a folder");
    let mut run = Command::new("unshare");
    run.args(own).arg(NETWORK).arg(std::env::current_exe().expect("this program"));
    let said = run.env("STATE", state.path()).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(said.status.success(), "{}\n{}", text(&said.stdout), text(&said.stderr));
    assert!(text(&said.stdout).contains("1 passed; 0 failed"), "{}", text(&said.stdout));
}

#[tokio::test]
#[ignore = "needs a network of its own: run by a_statement_of_64_kb_takes_no_40_ms_between_machines"]
async fn a_long_statement_is_quick() {
    let Some((_stores, database)) = Stores::new(Form::Parts, "some", "some").await else { return };
    let mut connection = sqlx::PgConnection::connect(&database.url).await.expect("the ledger");
    for kilobytes in [17, 32, 64] {
        let text = "x".repeat(kilobytes * 1024);
        let mut took = Vec::new();
        for _ in 0..15 {
            let began = Instant::now();
            let _: i32 = sqlx::query_scalar("SELECT length($1)").bind(&text).fetch_one(&mut connection).await.expect("a number");
            took.push(began.elapsed());
        }
        took.sort();
        assert!(took[took.len() / 2] < Duration::from_millis(20), "{kilobytes} KB: {took:?}");
    }
}
