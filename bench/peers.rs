//! Igor beside its peers, in one run: the same number of tasks that do nothing, on the same stores.

use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::figure::Row;

/// What a peer's program prints.
#[derive(Debug, Deserialize)]
struct Peer {
    #[serde(rename = "peer")]
    name: String,
    version: String,
    mode: String,
    shape: String,
    seconds: f64,
    per_second: f64,
    lacks: Vec<String>,
}

/// Whether this is to be a comparison.
pub(crate) fn wanted() -> bool {
    std::env::var("PEERS").is_ok_and(|word| word == "1")
}

/// The rows of Igor's that are compared.
pub(crate) const ROWS: &[&str] = &["noop", "chain"];

/// Runs the peers, and prints how Igor's figures stand to theirs.
pub(crate) fn compare(rows: &[Row]) {
    let value = |row: &str| rows.iter().find(|known| known.name == row).and_then(|row| row.figures.first()).map(|figure| figure.value);
    let (Some(rate), Some(chain)) = (value("noop"), value("chain")) else { return };
    let run = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/peers/run");
    let output = Command::new(run).stderr(Stdio::inherit()).output().expect("bench/peers/run");
    assert!(output.status.success(), "bench/peers/run failed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("\n{:<24} {:<8} {:>14} {:>14} {:>16}  what it does not do", "peer", "mode", "theirs", "igor's", "igor is quicker");
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let peer: Peer = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let (theirs, ours, ratio) = if peer.shape == "chain" {
            (format!("{:.3} s", peer.seconds), format!("{chain:.3} s"), peer.seconds / chain)
        } else {
            (format!("{:.0}/s", peer.per_second), format!("{rate:.0}/s"), rate / peer.per_second)
        };
        let name = format!("{} {}, {}", peer.name, peer.version, peer.shape);
        println!("{name:<24} {:<8} {theirs:>14} {ours:>14} {ratio:>15.2}x  {}", peer.mode, peer.lacks.join("; "));
    }
}
