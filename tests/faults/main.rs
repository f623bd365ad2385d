//! Faults on real processes: operators, workers and stores are killed, stopped and cut off under load, and a checker holds what every
//! process noted against what the ledger says.
//!
//! ```text
//! make test-faults                    the short form
//! SEED=7 MINUTES=30 make test-faults  random mixtures, from one seed after the other
//! ```
//!
//! This program is also the worker under test (`worker …`) and the checker (`check FOLDER`), each in a process of its own.

#[path = "../support/mod.rs"]
mod support;

mod check;
mod client;
mod disk;
mod dump;
mod hand;
mod history;
mod load;
mod proxy;
mod scenarios;
mod slot;
mod stores;
mod storm;
mod suite;
mod table;
mod verdict;
mod workload;
mod world;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("worker") if arguments.len() > 1 => {
            hand::run(&arguments[1..]).await;
            ExitCode::SUCCESS
        }
        Some("check") if arguments.len() > 1 => check::run(arguments[1].as_ref()),
        filter => suite::run(filter.filter(|word| !word.starts_with('-'))).await,
    }
}

/// A line for the person or the program that runs this.
fn say(line: &str) {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").ok();
}
