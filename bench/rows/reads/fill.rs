//! A ledger with so many tasks in the last days, written in SQL: no store is asked for it, only its partitions and its seals.

use std::time::Instant;

use futures::{StreamExt, stream};
use sqlx::PgPool;

/// Days of history.
pub(crate) const DAYS: i32 = 30;

/// The newest days are still written to.
const UNSEALED: i32 = 2;

/// Fills an empty ledger.
pub(crate) async fn fill(pool: &PgPool, tasks: u32) {
    let began = Instant::now();
    let a_day = i32::try_from(tasks / DAYS.unsigned_abs()).expect("a number of tasks");
    sqlx::raw_sql(include_str!("fill.sql")).execute(pool).await.expect("the functions that fill");
    let filled: Vec<i64> = stream::iter(0..DAYS).map(|back| day(pool, back, a_day)).buffer_unordered(2).collect().await;
    // What autovacuum does within minutes in a ledger that grows by the day.
    sqlx::query("VACUUM (ANALYZE)").execute(pool).await.expect("statistics");
    println!("  {} tasks written, sealed and analysed in {:.0} s", filled.iter().sum::<i64>(), began.elapsed().as_secs_f64());
}

async fn day(pool: &PgPool, back: i32, tasks: i32) -> i64 {
    let filled: i64 =
        sqlx::query_scalar("SELECT public.fill_day($1, $2)").bind(back).bind(tasks).fetch_one(pool).await.expect("a day of tasks");
    if back >= UNSEALED {
        let seal = "SELECT igor.seal_day((statement_timestamp() AT TIME ZONE 'UTC')::date - $1)";
        sqlx::query(seal).bind(back).execute(pool).await.expect("a sealed day");
    }
    filled
}
