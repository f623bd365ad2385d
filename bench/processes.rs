//! What processes took of the processors and of memory, from /proc.

use std::collections::HashMap;

/// What `/proc` tells of a process behind its name, which stands in brackets and may hold anything: numbers, but for the first.
fn stat(process: &str) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// Ticks of CPU, added up.
fn in_seconds(ticks: &[String]) -> f64 {
    ticks.iter().filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / f64::from(ticks_per_second())
}

/// Seconds of CPU that a process took so far, and its ended children; and its parent.
fn seconds(pid: u32) -> Option<(f64, u32)> {
    let stat = stat(&pid.to_string())?;
    Some((in_seconds(stat.get(11..15)?), stat.get(1)?.parse().ok()?))
}

/// What Linux counts CPU in, for all its programs.
const fn ticks_per_second() -> u32 {
    100
}

/// Seconds of CPU of a process and its children, living and ended.
pub(crate) fn cpu(pid: u32) -> f64 {
    let children: f64 = children_of(pid).into_iter().filter_map(|child| seconds(child).map(|(taken, _)| taken)).sum();
    seconds(pid).map_or(0.0, |(taken, _)| taken) + children
}

/// Seconds of CPU of this program, without its children.
pub(crate) fn own_cpu() -> f64 {
    stat("self").and_then(|stat| Some(in_seconds(stat.get(11..13)?))).unwrap_or(0.0)
}

fn children_of(pid: u32) -> Vec<u32> {
    let parents = all().into_iter().filter_map(|child| Some((child, seconds(child)?.1)));
    parents.filter(|(_, parent)| *parent == pid).map(|(child, _)| child).collect()
}

fn all() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    seconds(pid).map(|(_, parent)| parent)
}

/// The process of that program whose command line holds `word`.
pub(crate) fn find(program: &str, word: &str) -> Option<u32> {
    all().into_iter().find(|pid| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split('\0').next().is_some_and(|first| first.ends_with(program)) && line.contains(word)
    })
}

/// Resident memory in MB: now, and the most it ever was.
pub(crate) fn resident(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let lines: HashMap<&str, f64> = status
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name, value.trim().strip_suffix(" kB")?.parse::<f64>().ok()? * 1024.0 / 1e6))
        })
        .collect();
    let of = |name| lines.get(name).copied().unwrap_or(f64::NAN);
    (of("VmRSS"), of("VmHWM"))
}
