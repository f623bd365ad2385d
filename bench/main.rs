//! The benchmark: Igor's own processes on the rig's real API server, Postgres and Redis, a row for each promise about speed.
//!
//! `make bench` runs it; `QUICK=1` runs what counts instead of what times, `ROWS=noop,advance` some rows, `RUNS=n` each so often, `PEERS=1`
//! (`make bench-peers`) River and asynq beside it. `BASELINE=write` takes its figures as those to compare with.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod baseline;
mod figure;
mod machine;
mod meter;
mod peers;
mod processes;
mod report;
mod rows;
mod site;
#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use figure::Row;

/// How much is done.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Two minutes at most, for counts.
    pub(crate) quick: bool,
    /// How often a row that times is run; its median counts.
    pub(crate) runs: usize,
    /// The rows asked for; none = all.
    only: Vec<String>,
}

impl Scale {
    fn from_environment() -> Self {
        let words = |name: &str| std::env::var(name).unwrap_or_default();
        let quick = words("QUICK") == "1";
        let only = words("ROWS").split(',').map(str::trim).filter(|row| !row.is_empty()).map(str::to_owned).collect();
        Self { quick, runs: words("RUNS").parse().unwrap_or(if quick { 1 } else { 5 }), only }
    }

    fn wants(&self, row: &str) -> bool {
        if peers::wanted() {
            return peers::ROWS.contains(&row);
        }
        self.only.is_empty() || self.only.iter().any(|only| only == row)
    }

    /// One of two sizes.
    pub(crate) fn of(&self, whole: u32, quick: u32) -> u32 {
        if self.quick { quick } else { whole }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == "mark") {
        rows::advance::serve(&arguments[1..]).await;
        return ExitCode::SUCCESS;
    }
    let scale = Scale::from_environment();
    let before = machine::load();
    let mut done: Vec<Row> = Vec::new();
    for row in rows::ROWS.iter().filter(|row| scale.wants(row.name) && (row.quick || !scale.quick)) {
        println!("\n{}: {}", row.name, row.about);
        let began = std::time::Instant::now();
        let figures = (row.run)(scale.clone()).await;
        println!("  took {:.0} s", began.elapsed().as_secs_f64());
        done.push(Row { name: row.name, about: row.about, figures });
    }
    let verdict = report::report(&scale, &before, &done);
    if peers::wanted() {
        peers::compare(&done);
    }
    verdict
}
