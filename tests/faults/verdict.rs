//! The end of a world: it comes to rest, the checker judges it in a process of its own, and its numbers are added to the others'.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::check::Report;
use crate::suite::tally;
use crate::world::World;

/// What is under way when the last fault is over has to end within this time.
const REST: Duration = Duration::from_secs(90);

impl World {
    /// Everything must hold.
    pub(crate) async fn finish(&self) {
        let rested = self.come_to_rest(REST).await;
        self.conclude(rested).await;
    }

    /// Everything must hold, as far as the dumps show that were taken.
    pub(crate) async fn conclude(&self, rested: bool) {
        let report = self.judge().await;
        assert!(report.violations.is_empty(), "{}: {:#?}", self.name, &report.violations[..report.violations.len().min(10)]);
        assert!(rested, "{}: not at rest after {REST:?}", self.name);
        self.add(&report);
        std::fs::remove_dir_all(&self.folder).ok();
    }

    /// Runs the checker, beside the other worlds: what they measure must not wait for it.
    pub(crate) async fn judge(&self) -> Report {
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program).arg("check").arg(&self.folder).output().await.expect("the checker runs");
        std::fs::write(self.folder.join("report.json"), &output.stdout).ok();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("the checker failed: {error}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Adds its numbers to those of all.
    pub(crate) fn add(&self, report: &Report) {
        let faults = faults(&self.folder.join("history/harness.jsonl"));
        tally(|tally| {
            for (name, count) in &report.counts {
                *tally.counts.entry(name.clone()).or_default() += count;
            }
            for class in faults {
                *tally.faults.entry(class).or_default() += 1;
            }
            tally.recoveries.extend(self.recoveries());
        });
    }
}

/// The classes of the faults that were noted.
fn faults(history: &Path) -> Vec<String> {
    let lines = std::fs::read_to_string(history).unwrap_or_default();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["what"] == "fault").filter_map(|line| line["class"].as_str().map(str::to_owned)).collect()
}
