//! The table for people, the file for programs, and the verdict.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::Scale;
use crate::baseline::Baseline;
use crate::figure::{Figure, Reach, Row};
use crate::machine;

/// Prints the table and writes `target/bench/<date>.json`. A quick bench fails when a count has grown over the baseline's.
pub(crate) fn report(scale: &Scale, before: &str, rows: &[Row]) -> ExitCode {
    let machine = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(machine::describe()));
    let after = machine::load();
    let baseline = Baseline::read(scale.quick);
    println!("\n{}", conditions(&machine, before, &after));
    println!(
        "{:<10} {:<34} {:>12} {:<12} {:>25} {:>12} {:>9}",
        "row", "figure", "median", "unit", "least .. most (runs)", "reach", "baseline"
    );
    for row in rows {
        for figure in &row.figures {
            println!("{}", line(scale.quick, row.name, figure, &baseline));
        }
    }
    write(scale, &machine, before, &after, rows);
    let grown = baseline.grown(rows);
    for fault in &grown {
        println!("FAILED {fault}");
    }
    if std::env::var("BASELINE").is_ok_and(|word| word == "write") {
        Baseline::write(scale.quick, rows);
    }
    if scale.quick && !grown.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn conditions(machine: &Value, before: &str, after: &str) -> String {
    let word = |pointer: &str| {
        machine.pointer(pointer).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
    };
    format!(
        "{} processors shared by all ({}), {}; Postgres {} (fsync {}, synchronous_commit {}), {}; {} build; load {} before, {} after",
        word("/processors"),
        word("/model"),
        word("/memory"),
        word("/postgres/server_version"),
        word("/postgres/fsync"),
        word("/postgres/synchronous_commit"),
        word("/redis"),
        word("/build"),
        before.split(' ').next().unwrap_or_default(),
        after.split(' ').next().unwrap_or_default(),
    )
}

fn line(quick: bool, row: &str, figure: &Figure, baseline: &Baseline) -> String {
    let spread = format!("{} .. {} ({})", number(figure.least), number(figure.most), figure.runs);
    let reach = match figure.reach {
        Some(Reach::AtLeast(least)) => format!(">= {}", number(least)),
        Some(Reach::AtMost(most)) => format!("<= {}", number(most)),
        None => String::new(),
    };
    // A quick bench is no measure of time: it may be of a build that is not optimised.
    let counts = !quick || figure.slack.is_some();
    let mark = if counts && figure.holds() == Some(false) { "  MISSED" } else { "" };
    let ratio = baseline.ratio(row, figure).map(|ratio| format!("x {ratio:.2}")).unwrap_or_default();
    format!("{row:<10} {:<34} {:>12} {:<12} {spread:>25} {reach:>12} {ratio:>9}{mark}", figure.name, number(figure.value), figure.unit)
}

fn number(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn write(scale: &Scale, machine: &Value, before: &str, after: &str, rows: &[Row]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/bench");
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H%M%SZ").to_string();
    let file = folder.join(format!("{now}{}.json", if scale.quick { "-quick" } else { "" }));
    let text = json!({"at": now, "machine": machine, "loadBefore": before, "loadAfter": after, "rows": rows});
    std::fs::write(&file, serde_json::to_string_pretty(&text).expect("json")).expect("the file");
    println!("\n{}", file.display());
}
