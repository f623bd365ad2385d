//! The reads of the benchmark's table alone: fills a ledger with READS_TASKS tasks (ten million) over thirty days and reads it.
//!
//! `rig/with-test-env cargo bench --bench reads`. It takes 8 GB of disk and some minutes. KEEP=1 leaves the ledger and prints its
//! address; READS_DATABASE_URL reads such a one again.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "rows/reads/mod.rs"]
mod reads;
#[path = "../tests/support/mod.rs"]
mod support;

use support::stores;

#[tokio::main]
async fn main() {
    let number = |name: &str, usual| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let requests = number("READS_REQUESTS", 1_000) as usize;
    if let Ok(url) = std::env::var("READS_DATABASE_URL") {
        igor::store::migrate(&igor::store::Settings::new(&url)).await.expect("the migrations");
        return show(&reads::run(&url, requests).await);
    }
    let database = stores::database().await;
    reads::fill(&database.url, number("READS_TASKS", 10_000_000)).await;
    show(&reads::run(&database.url, requests).await);
    if std::env::var_os("KEEP").is_some() {
        println!("READS_DATABASE_URL={}", database.url);
    } else {
        database.remove().await;
    }
}

fn show(reads: &[reads::Read]) {
    println!("  {:<48} {:>9} {:>9} {:>9} {:>7}", "milliseconds", "p50", "p99", "most", "rows");
    for read in reads {
        println!("  {:<48} {:>9.2} {:>9.2} {:>9.2} {:>7.0}", read.what, read.p50, read.p99, read.most, read.rows);
    }
}
