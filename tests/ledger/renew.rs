//! A password that changes while the ledger is in use.

use std::time::Duration;

use igor::store::{Class, Settings, Store};
use sqlx::Executor;

use crate::support::{unique, until};
use crate::world::ledger;

#[tokio::test]
async fn a_new_password_in_the_file_is_used_by_the_next_connection() {
    let database = ledger().await;
    let user = unique("renew").replace('-', "_");
    let change = |how: &str, password: &str| sqlx::AssertSqlSafe(format!("{how} ROLE {user} LOGIN SUPERUSER PASSWORD '{password}'"));
    sqlx::query(change("CREATE", "old")).execute(&database.pool).await.expect("a user");
    let (_, place) = database.url.rsplit_once('@').expect("a URL with a user");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let write = |password: &str| std::fs::write(file.path(), format!("postgres://{user}:{password}@{place}\n")).expect("written");
    write("old");
    let store = Store::connect(&Settings::of_file(file.path())).await.expect("the ledger");

    sqlx::query(change("ALTER", "new")).execute(&database.pool).await.expect("another password");
    let cut = sqlx::AssertSqlSafe(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'"));
    database.pool.execute(sqlx::query(cut)).await.expect("cut off");
    let refused = || async { store.ping().await.err().filter(|error| error.class() == Class::Transient).ok_or("it answers") };
    until("the old password is refused, for now", Duration::from_secs(10), refused).await;

    write("new");
    store.renew().expect("a readable file");
    until("the new one is let in", Duration::from_secs(10), || store.ping()).await;
    store.close().await;
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let missing = Store::connect(&Settings::of_file("/nonexistent/uri")).await.expect_err("no file");
    assert_eq!(missing.to_string(), "cannot read the database's address in /nonexistent/uri");
    assert_eq!(missing.class(), Class::Invalid);
}
