//! The numbers that a run came to, for people: to the screen, and for the long form as Markdown too.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::say;
use crate::suite::Tally;

/// Prints everything; `form` = the first seed and the minutes of a long form, which also goes to `target/faults/<date>.md`.
pub(crate) fn print(tally: &Tally, form: Option<(u64, u64)>) {
    let mut text = String::new();
    let counts: Vec<String> = tally.counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let faults: Vec<String> = tally.faults.iter().map(|(class, count)| format!("{class} {count}")).collect();
    let injected: u64 = tally.faults.values().sum();
    writeln!(text, "\nfaults injected {injected}: {}\n", faults.join(", ")).ok();
    writeln!(text, "{}\n", counts.join(", ")).ok();
    text += &recoveries(tally);
    text += &sabotage(tally);
    say(&text);
    if let Some((seed, minutes)) = form {
        keep(&text, seed, minutes);
    }
}

fn recoveries(tally: &Tally) -> String {
    let mut classes: BTreeMap<&str, (Vec<Duration>, Duration)> = BTreeMap::new();
    for recovery in &tally.recoveries {
        let class = classes.entry(recovery.class).or_insert_with(|| (Vec::new(), recovery.bound));
        class.0.push(recovery.took);
        class.1 = class.1.max(recovery.bound);
    }
    if classes.is_empty() {
        return String::new();
    }
    let mut text = String::from("| recovery from | times | p50 | p99 | max | bound |\n|---|---|---|---|---|---|\n");
    for (class, (mut times, bound)) in classes {
        times.sort();
        let at = |percent: usize| times[(times.len() * percent).div_ceil(100).saturating_sub(1)].as_secs_f64();
        let (half, most, all) = (at(50), at(99), at(100));
        writeln!(text, "| {class} | {} | {half:.2} s | {most:.2} s | {all:.2} s | {:.1} s |", times.len(), bound.as_secs_f64()).ok();
    }
    text + "\n"
}

fn sabotage(tally: &Tally) -> String {
    let mut text = String::new();
    for (name, caught) in &tally.sabotage {
        let word = caught.as_ref().map_or_else(|| "NOT CAUGHT".to_owned(), |by| format!("caught ({by})"));
        writeln!(text, "sabotage {name}: {word}").ok();
    }
    if !tally.sabotage.is_empty() {
        let caught = tally.sabotage.values().flatten().count();
        writeln!(text, "sabotage caught {caught}/{}", tally.sabotage.len()).ok();
    }
    text
}

fn keep(text: &str, seed: u64, minutes: u64) {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let (date, commit) = (said("date", &["-u", "+%Y-%m-%d-%H%M"]), said("git", &["rev-parse", "--short", "HEAD"]));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let machine = format!("{} {}, {cores} cores", said("uname", &["-s"]), said("uname", &["-m"]));
    let page = format!("Random mixtures for {minutes} minutes from seed {seed}, commit {commit}, {date} UTC, {machine}.\n{text}");
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/faults");
    std::fs::create_dir_all(&folder).expect("a folder for the table");
    std::fs::write(folder.join(format!("{date}.md")), page).expect("the table is written");
}
