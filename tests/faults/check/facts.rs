//! What was written down, read back: histories as one row of lines by time, dumps as rows, executions put together from their lines.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value;

/// One execution of an attempt by a worker.
#[derive(Clone, Debug)]
pub(super) struct Execution {
    /// The worker's id.
    pub(super) worker: String,
    pub(super) task: String,
    pub(super) attempt: i64,
    pub(super) begin: i64,
    /// When its effect was done, and what it said then.
    pub(super) end: Option<(i64, String)>,
}

/// An audit row of a task.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) attempt: i64,
    pub(super) version: i64,
    pub(super) at: i64,
    pub(super) actor: String,
    pub(super) reason: String,
    pub(super) by_command: bool,
}

impl Move {
    /// Whether it ends the attempt.
    pub(super) fn ends_attempt(&self) -> bool {
        is_out(&self.from) && !is_out(&self.to)
    }

    /// The worker whose word it is.
    pub(super) fn worker(&self) -> Option<&str> {
        self.actor.strip_prefix("worker ")
    }

    /// Whether an operator found the worker gone.
    pub(super) fn is_loss(&self) -> bool {
        self.ends_attempt() && matches!(self.reason.as_str(), "Lost" | "Poison")
    }
}

/// Handed out.
pub(super) fn is_out(status: &str) -> bool {
    matches!(status, "QUEUED" | "RUNNING")
}

pub(super) fn is_ended(status: &str) -> bool {
    matches!(status, "COMPLETED" | "ERRORED" | "SKIPPED")
}

pub(super) type Rows = Vec<Value>;

#[derive(Debug)]
pub(super) struct Facts {
    /// Every line of every history, by time.
    pub(super) lines: Rows,
    /// By name: the tables, the objects, the streams.
    pub(super) dump: BTreeMap<String, Rows>,
    /// The same a little later.
    pub(super) later: BTreeMap<String, Rows>,
    pub(super) executions: Vec<Execution>,
    /// By task, by version.
    pub(super) moves: BTreeMap<String, Vec<Move>>,
}

impl Facts {
    pub(super) fn read(folder: &Path) -> Self {
        let mut lines: Rows = read_folder(&folder.join("history")).into_values().flatten().collect();
        lines.sort_by_key(time);
        let dump = read_folder(&folder.join("dump-1"));
        let executions = executions(&lines);
        let moves = moves(&dump);
        Self { lines, later: read_folder(&folder.join("dump-2")), executions, moves, dump }
    }

    pub(super) fn table(&self, name: &str) -> &[Value] {
        self.dump.get(name).map_or(&[], Vec::as_slice)
    }

    /// Lines that say `what`.
    pub(super) fn said<'a>(&'a self, what: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["what"] == what)
    }

    /// The tasks of a job.
    pub(super) fn tasks_of<'a>(&'a self, job: &'a Value) -> impl Iterator<Item = &'a Value> {
        self.table("tasks").iter().filter(move |task| task["job_id"] == job["id"])
    }

    pub(super) fn job_of_uid(&self, uid: &Value) -> Option<&Value> {
        self.table("jobs").iter().find(|job| job["uid"] == *uid)
    }

    pub(super) fn moves_of(&self, task: &Value) -> &[Move] {
        self.moves.get(text(&task["id"])).map_or(&[], Vec::as_slice)
    }

    /// Whether a fault of one of these classes was injected.
    pub(super) fn had_fault(&self, is_it: impl Fn(&str) -> bool) -> bool {
        self.said("fault").any(|line| is_it(text(&line["class"])))
    }
}

fn read_folder(folder: &Path) -> BTreeMap<String, Rows> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let read = |path: &Path| {
        let lines = std::fs::read_to_string(path).unwrap_or_default();
        // The last line of a process that was killed may be cut.
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let named = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"));
    named.map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), read(&path))).collect()
}

fn executions(lines: &[Value]) -> Vec<Execution> {
    let mut workers: HashMap<&str, &str> = HashMap::new();
    let mut open: HashMap<(&str, &str, i64), usize> = HashMap::new();
    let mut executions: Vec<Execution> = Vec::new();
    for line in lines {
        let key = (text(&line["who"]), text(&line["id"]), number(&line["attempt"]));
        match text(&line["what"]) {
            "start" => {
                workers.insert(key.0, text(&line["worker"]));
            }
            "begin" => {
                open.insert(key, executions.len());
                let worker = workers.get(key.0).copied().unwrap_or_default().to_owned();
                executions.push(Execution { worker, task: key.1.to_owned(), attempt: key.2, begin: time(line), end: None });
            }
            "end" => {
                if let Some(index) = open.remove(&key) {
                    executions[index].end = Some((time(line), text(&line["said"]).to_owned()));
                }
            }
            _ => {}
        }
    }
    executions
}

fn moves(dump: &BTreeMap<String, Rows>) -> BTreeMap<String, Vec<Move>> {
    let mut moves: BTreeMap<String, Vec<Move>> = BTreeMap::new();
    for row in dump.get("transitions").into_iter().flatten().filter(|row| !row["attempt"].is_null()) {
        moves.entry(text(&row["task_id"]).to_owned()).or_default().push(Move {
            from: text(&row["from"]).to_owned(),
            to: text(&row["to"]).to_owned(),
            attempt: number(&row["attempt"]),
            version: number(&row["version"]),
            at: moment(&row["at"]),
            actor: text(&row["actor"]).to_owned(),
            reason: text(&row["reason"]).to_owned(),
            by_command: !row["command_id"].is_null(),
        });
    }
    for of_task in moves.values_mut() {
        of_task.sort_by_key(|one| one.version);
    }
    moves
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// A length as the ledger counts.
pub(super) fn size(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// When a line was written, unix microseconds.
pub(super) fn time(line: &Value) -> i64 {
    number(&line["t"])
}

/// A moment of the ledger, as unix microseconds.
pub(super) fn moment(value: &Value) -> i64 {
    text(value).parse().map_or(0, |moment: jiff::Timestamp| moment.as_microsecond())
}

/// How a task is called in a report.
pub(super) fn name(task: &Value) -> String {
    format!("task {} ({})", text(&task["id"]), text(&task["name"]))
}
