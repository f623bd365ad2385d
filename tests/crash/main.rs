//! The crash-point sweep: a small but rich piece of work is done again and again, and each time one process dies before or after
//! another of its external effects. Whatever died, the ledger ends as it does when nothing dies.
//!
//! A program of its own rather than a list of tests: how many runs there are is known after the first, and it is its own worker.

#[path = "../support/mod.rs"]
mod support;

mod ending;
mod points;
mod run;
mod scenario;
mod sweep;
mod worker;
mod world;

fn main() -> std::process::ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if std::env::args().nth(1).as_deref() == Some(worker::ROLE) {
        runtime.block_on(worker::serve());
        return std::process::ExitCode::SUCCESS;
    }
    if runtime.block_on(sweep::sweep()) { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
