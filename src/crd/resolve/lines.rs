//! Files of tasks: NDJSON, one task a line, gzipped or not, read as a stream within a budget.
//!
//! Errors name line and field, never what stands there: whoever sees a job's status need not be allowed to see its files.

use std::io::{BufRead, BufReader};

use flate2::bufread::MultiGzDecoder;
use serde_json::{Map, Value};

use crate::core::plan::{Fault, MAX_FAULTS, MAX_TASKS, Place, Reason, TaskSpec};

/// Most bytes that all files of a job may have, inflated.
const MAX_BYTES: u64 = 64 << 20;
/// The first bytes of every gzip file; no JSON begins so.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The fields of a task, as a fault lists them.
const FIELDS: &str = "name, title, type, args, argsBase64, payload, count, retries, timeoutSeconds, paused";

/// What a job may still read.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: u64,
    tasks: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: MAX_BYTES, tasks: MAX_TASKS }
    }
}

/// A file being read.
pub(super) struct Lines<'a> {
    pub(super) layer: usize,
    pub(super) source: u32,
    pub(super) budget: &'a mut Budget,
    pub(super) faults: &'a mut Vec<Fault>,
}

impl Lines<'_> {
    /// The tasks that stand in `bytes`.
    pub(super) fn read(mut self, bytes: &[u8]) -> Vec<TaskSpec> {
        if bytes.starts_with(&GZIP) { self.stream(BufReader::new(MultiGzDecoder::new(bytes))) } else { self.stream(bytes) }
    }

    fn stream(&mut self, from: impl BufRead) -> Vec<TaskSpec> {
        let mut from = from.take(self.budget.bytes + 1);
        let (mut tasks, mut line) = (Vec::new(), Vec::new());
        for number in 1.. {
            line.clear();
            match from.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) if !self.spend(line.len()) => break,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    let Some(left) = self.budget.tasks.checked_sub(1) else {
                        self.too_large(format!("with this file the job has more than {MAX_TASKS} tasks"));
                        break;
                    };
                    self.budget.tasks = left;
                    tasks.extend(self.task(number, &line));
                }
                Err(_) => {
                    self.fault(number, "", "cannot be inflated: the file is no gzip, or damaged");
                    break;
                }
            }
            if self.faults.len() >= MAX_FAULTS {
                break;
            }
        }
        tasks
    }

    /// Takes `bytes` off the budget, or says that it is used up.
    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.budget.bytes.checked_sub(bytes as u64);
        if left.is_none() {
            self.too_large(format!("with this file the tasks of the job have more than {} MiB", MAX_BYTES >> 20));
        }
        self.budget.bytes = left.unwrap_or_default();
        left.is_some()
    }

    fn too_large(&mut self, message: String) {
        let path = format!("layers[{}].tasksFrom[{}]", self.layer, self.source);
        self.faults.push(Fault { path, reason: Reason::TooLarge, message });
    }

    fn place(&self, line: u32) -> Place {
        Place::Line { source: self.source, line }
    }

    fn fault(&mut self, line: u32, field: &str, message: impl Into<String>) {
        let dot = if field.is_empty() { "" } else { "." };
        let path = format!("layers[{}].{}{dot}{field}", self.layer, self.place(line));
        self.faults.push(Fault::invalid(path, message));
    }

    fn task(&mut self, number: u32, line: &[u8]) -> Option<TaskSpec> {
        match serde_json::from_slice(line) {
            Ok(Value::Object(fields)) => Some(self.fields(number, fields)),
            Ok(_) => {
                self.fault(number, "", "is no JSON object");
                None
            }
            Err(error) => {
                self.fault(number, "", format!("is no JSON from column {} on", error.column()));
                None
            }
        }
    }

    fn fields(&mut self, number: u32, fields: Map<String, Value>) -> TaskSpec {
        let mut task = TaskSpec { place: self.place(number), ..TaskSpec::default() };
        for (field, value) in fields {
            let taken = match (field.as_str(), value) {
                (_, Value::Null) => Ok(()),
                ("name", value) => text(value, &mut task.name),
                ("title", value) => text(value, &mut task.title),
                ("type", value) => text(value, &mut task.kind),
                ("args", value) => text(value, &mut task.args),
                ("argsBase64", value) => text(value, &mut task.args_base64),
                ("payload", value) => object(&value, &mut task.payload),
                ("count", value) => whole(&value, &mut task.count),
                ("retries", value) => whole(&value, &mut task.retries),
                ("timeoutSeconds", value) => whole(&value, &mut task.timeout_seconds),
                ("paused", value) => truth(&value, &mut task.paused),
                _ => {
                    self.fault(number, shown(&field), format!("is not known: a task has {FIELDS}"));
                    continue;
                }
            };
            if let Err(message) = taken {
                self.fault(number, &field, message);
            }
        }
        task
    }
}

/// An unknown field's name if it looks like one, so that a slip of the pen can be found.
fn shown(field: &str) -> &str {
    let is_name = field.len() <= 32 && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name { field } else { "(a field)" }
}

fn text(value: Value, into: &mut Option<String>) -> Result<(), &'static str> {
    let Value::String(text) = value else { return Err("must be a string") };
    *into = Some(text);
    Ok(())
}

fn object(value: &Value, into: &mut Option<String>) -> Result<(), &'static str> {
    if !value.is_object() {
        return Err("must be a JSON object");
    }
    *into = Some(value.to_string());
    Ok(())
}

fn whole(value: &Value, into: &mut Option<i64>) -> Result<(), &'static str> {
    *into = Some(value.as_i64().ok_or("must be a whole number")?);
    Ok(())
}

fn truth(value: &Value, into: &mut bool) -> Result<(), &'static str> {
    *into = value.as_bool().ok_or("must be true or false")?;
    Ok(())
}
