//! A job at a glance: its head, then a line a layer, never a line a task.

use std::fmt::Write;

use igor::core::job::{Facts, Layer};
use igor::core::status::Status;
use igor::core::words::number;
use igor::crd::status::job_status;
use igor::crd::{IgorJobStatus, JobPhase};
use igor::store::{LayerFacts, Snapshot};
use serde_json::json;

use super::lines::{bar, clean, share, span};

/// A layer that runs for less than this has no pace yet, in milliseconds.
const PACE_AFTER: i64 = 5_000;

/// As programs read it: the status as its object shows it, with what names the job.
pub(super) fn json(job: &Snapshot, facts: &Facts, now_ms: i64) -> anyhow::Result<String> {
    let status = status(job, facts, now_ms);
    let shown = json!({"namespace": job.namespace, "job": job.name, "uid": job.uid, "id": job.job_id, "status": status});
    Ok(serde_json::to_string_pretty(&shown)? + "\n")
}

fn status(job: &Snapshot, facts: &Facts, now_ms: i64) -> IgorJobStatus {
    job_status(Some(facts), None, None, job.generation, now_ms)
}

/// As people read it.
pub(super) fn text(job: &Snapshot, facts: &Facts, now_ms: i64, colour: bool) -> String {
    let status = status(job, facts, now_ms);
    let mut text = head(job, &status, now_ms);
    let counts: Vec<String> = facts.job.layers.iter().map(|layer| share(layer.tasks.done(), total(layer))).collect();
    let width = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let names = width(&mut facts.job.layers.iter().map(|layer| layer.name.len()));
    let shares = width(&mut counts.iter().map(String::len));
    for ((layer, known), count) in facts.job.layers.iter().zip(&job.layers).zip(&counts) {
        let (glyph, paint) = glyph(layer);
        let glyph = if colour { format!("\u{1b}[{paint}m{glyph}\u{1b}[0m") } else { glyph.to_owned() };
        let bar = bar(layer.tasks.done(), total(layer));
        let more: Vec<String> = remarks(layer, known, now_ms);
        let line = format!("  {glyph} {:<names$}  {bar}  {count:>shares$}  {}", layer.name, more.join("  "));
        writeln!(text, "{}", line.trim_end()).ok();
    }
    text
}

fn head(job: &Snapshot, status: &IgorJobStatus, now_ms: i64) -> String {
    let phase = if job.deleted { "Deleted".to_owned() } else { status.phase.map(|phase| format!("{phase:?}")).unwrap_or_default() };
    let mut text = format!("{}  {}  {phase}  {}", job.name, job.namespace, status.layer.as_deref().unwrap_or_default());
    let tasks = status.tasks.unwrap_or_default();
    write!(text, "  {}", share(tasks.completed + tasks.skipped, tasks.total)).ok();
    if let Some(eta) = status.eta.as_ref().filter(|_| status.phase != Some(JobPhase::Completed)) {
        write!(text, "  eta {}", span(eta.0.as_millisecond() - now_ms)).ok();
    }
    if let (Some(started), Some(finished)) = (job.started_ms, job.finished_ms) {
        write!(text, "  took {}", span(finished - started)).ok();
    }
    text.push('\n');
    if let Some(why) = &status.why {
        writeln!(text, "  {}", clean(why)).ok();
    }
    text
}

fn total(layer: &Layer) -> u32 {
    layer.expected.max(layer.tasks.total())
}

/// What stands for how the layer stands, and the colour that it has on a terminal.
fn glyph(layer: &Layer) -> (&'static str, &'static str) {
    match layer.status {
        Status::Completed => ("✓", "32"),
        Status::Skipped => ("⤼", "2"),
        Status::Errored => ("✗", "31"),
        _ if layer.paused_by.is_some() => ("⏸", "33"),
        Status::Running => ("▶", "36"),
        Status::Pending | Status::Queued if layer.is_loading() => ("…", "2"),
        Status::Pending | Status::Queued => ("·", "2"),
    }
}

fn remarks(layer: &Layer, known: &LayerFacts, now_ms: i64) -> Vec<String> {
    let counted = |count: u32, word: &str| (count > 0).then(|| format!("{} {word}", number(count)));
    let tasks = &layer.tasks;
    let eta = eta(layer, known, now_ms).map(|left| format!("eta {}", span(left)));
    let paused = layer.paused_by.as_ref().filter(|_| !layer.status.is_finished()).map(|by| format!("paused by {}", clean(by)));
    [counted(tasks.running, "running"), counted(tasks.errored, "errored"), eta, paused].into_iter().flatten().collect()
}

/// How long the layer still takes at the pace that it had, in milliseconds.
fn eta(layer: &Layer, known: &LayerFacts, now_ms: i64) -> Option<i64> {
    let (elapsed, done) = (now_ms - known.started_ms?, i64::from(layer.tasks.completed));
    let at_work = layer.status == Status::Running && layer.paused_by.is_none();
    let left = i64::from(layer.tasks.unfinished());
    (at_work && done > 0 && left > 0 && elapsed >= PACE_AFTER).then(|| elapsed.saturating_mul(left) / done)
}
