//! What happened, as JSON lines in files outside Igor's stores: one file a process, one line a `write`, so that a killed process loses
//! at most the line it had not begun.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

/// The history that one process writes.
#[derive(Debug)]
pub(crate) struct History {
    who: String,
    file: File,
}

impl History {
    /// Opens `<folder>/<who>.jsonl` to append to.
    pub(crate) fn open(folder: &Path, who: &str) -> Self {
        std::fs::create_dir_all(folder).expect("a folder for the history");
        let file = File::options().create(true).append(true).open(folder.join(format!("{who}.jsonl"))).expect("a history file");
        Self { who: who.to_owned(), file }
    }

    /// Notes that `what` happened now; `more` is an object with the rest.
    pub(crate) fn note(&self, what: &str, more: Value) {
        let mut line = json!({"t": now_us(), "who": self.who, "what": what});
        let (Value::Object(fields), Value::Object(more)) = (&mut line, more) else { panic!("a history line is an object") };
        fields.extend(more);
        (&self.file).write_all(format!("{line}\n").as_bytes()).expect("the history is written");
    }
}

/// Unix microseconds.
pub(crate) fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    i64::try_from(since.as_micros()).expect("a time in reach")
}
