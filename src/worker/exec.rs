//! Exec mode: any program as a handler, one process a task. This is how work that cannot be interrupted from within is stopped.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, Command};
use tracing::warn;

use super::outcome::{Failure, Outcome};
use super::task::Task;

/// The exit code that asks to try again later: `EX_TEMPFAIL` of sysexits.h.
const TRY_AGAIN: i32 = 75;

/// How much later.
const LATER: Duration = Duration::from_secs(10);

/// How long a process may take to end after SIGTERM before it gets SIGKILL.
const KILL_AFTER: Duration = Duration::from_secs(5);

/// What says where the stores are, and where the keys to them lie.
const STORES: [&str; 14] = [
    "REDIS_URL",
    "REDIS_URL_FILE",
    "REDIS_TLS_MODE",
    "REDIS_CA_FILE",
    "REDIS_CERT_FILE",
    "REDIS_KEY_FILE",
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSSLKEY",
    "PGSSLCERT",
    "PGSSLROOTCERT",
    // May hold the token of a collector.
    "OTEL_EXPORTER_OTLP_HEADERS",
];

/// The end of stderr that is kept to find its last line.
const TAIL: usize = 8 * 1024;

/// A program and its arguments, run without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program, found by `PATH`.
    pub command: OsString,
    /// Its arguments, the same for each task.
    pub arguments: Vec<OsString>,
}

/// Whether there is such a file, here or on `PATH`: better told at start than by every task.
pub(super) fn is_there(command: &OsStr) -> bool {
    let path = Path::new(command);
    if path.components().count() > 1 {
        return path.is_file();
    }
    std::env::var_os("PATH").is_some_and(|folders| std::env::split_paths(&folders).any(|folder| folder.join(path).is_file()))
}

/// Runs a task of type `kind` as a process of its own.
///
/// The task's arguments come on its standard input; `IGOR_TASK_ID`, `IGOR_ATTEMPT`, `IGOR_INDEX`, `IGOR_NAME`, `IGOR_JOB`,
/// `IGOR_LAYER` and `IGOR_TYPE` are in its environment, and `TRACEPARENT` when the task is traced. Exit code 0 is done, 75 gives the task back for ten seconds without using up a retry, any other fails;
/// the message is the last line on standard error. The process leads a group of its own, which gets SIGTERM when the task is stopped and SIGKILL five
/// seconds later; nothing of the group outlives the task. Standard output goes where the worker's goes.
pub async fn run(program: &Program, kind: &str, task: &Task) -> Result<Outcome, Failure> {
    let mut command = Command::new(&program.command);
    command.args(&program.arguments).process_group(0).kill_on_drop(true).stdin(Stdio::piped()).stderr(Stdio::piped());
    // The addresses of stores may hold passwords, and are not the task's business.
    for secret in STORES {
        command.env_remove(secret);
    }
    command.env("IGOR_TASK_ID", task.id().to_string()).env("IGOR_ATTEMPT", task.attempt().to_string());
    command.env("IGOR_INDEX", task.index().to_string()).env("IGOR_NAME", task.name());
    command.env("IGOR_JOB", task.job()).env("IGOR_LAYER", task.layer()).env("IGOR_TYPE", kind);
    // The worker's own is not the task's.
    match task.traceparent() {
        Some(traceparent) => command.env("TRACEPARENT", traceparent),
        None => command.env_remove("TRACEPARENT"),
    };
    let begun = Instant::now();
    let mut child = command.spawn().map_err(|error| Failure::new(format!("cannot start {}: {error}", program.command.display())))?;
    let group = Group::of(&child);
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program need not read its arguments: a closed pipe is its choice.
            stdin.write_all(task.args()).await.ok();
        }
    };
    let attend = attend(&mut child, task, &group);
    let (status, last_line, ()) = tokio::join!(attend, last_line(stderr), feed);
    judge(status?, &last_line, begun.elapsed(), task)
}

/// Waits for the end, and brings it about when the task is stopped.
async fn attend(child: &mut Child, task: &Task, group: &Group) -> std::io::Result<ExitStatus> {
    let status = tokio::select! {
        status = child.wait() => status,
        () = task.cancelled() => {
            group.signal(Signal::TERM);
            if let Ok(status) = tokio::time::timeout(KILL_AFTER, child.wait()).await {
                status
            } else {
                group.signal(Signal::KILL);
                child.wait().await
            }
        }
    };
    // What the process left behind in its group goes with it, and lets go of its standard error.
    group.signal(Signal::KILL);
    status
}

fn judge(status: ExitStatus, last_line: &str, ran: Duration, task: &Task) -> Result<Outcome, Failure> {
    let stopped = task.is_cancelled().then(|| format!("stopped after {:.1} s", ran.as_secs_f64()));
    let said = Some(last_line).filter(|line| !line.is_empty()).map(str::to_owned);
    let message = match (stopped, said) {
        (Some(stopped), Some(said)) => format!("{stopped}: {said}"),
        (stopped, said) => stopped.or(said).unwrap_or_else(|| status.to_string()),
    };
    match status.code() {
        Some(0) => Ok(Outcome::default()),
        Some(TRY_AGAIN) => Err(Failure::new(message).put_off(LATER)),
        _ => Err(Failure::new(message)),
    }
}

/// Passes standard error on, and returns its last line that is not empty.
async fn last_line(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut tail: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 4096];
    while let Ok(read) = stderr.read(&mut buffer).await {
        if read == 0 {
            break;
        }
        std::io::stderr().write_all(&buffer[..read]).ok();
        tail.extend_from_slice(&buffer[..read]);
        if tail.len() > 2 * TAIL {
            tail.drain(..tail.len() - TAIL);
        }
    }
    let text = String::from_utf8_lossy(&tail);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// The process group of a child; it is killed when this goes, so that a dropped handler leaves nothing running.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0
            && let Err(error) = kill_process_group(pid, signal)
            && error != rustix::io::Errno::SRCH
        {
            warn!(%error, "cannot signal a task's processes");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
