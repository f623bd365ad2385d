//! Task types for trying Igor out: they need nothing but this program.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::builder::Builder;
use super::outcome::{Failure, Outcome};
use super::task::{Batch, Task};

/// The types there are.
pub const TYPES: [&str; 6] = ["noop", "sleep", "echo", "fail", "flaky", "sha256"];

/// Runs a task of a built-in type.
///
/// | type | arguments | does |
/// |---|---|---|
/// | `noop` | none | nothing |
/// | `sleep` | seconds, fractions allowed | waits; stops when told |
/// | `echo` | any text | returns it as the message |
/// | `fail` | a message, or none | fails |
/// | `flaky` | none | fails in its first attempt |
/// | `sha256` | a path | returns the file's digest in hex as the message |
pub async fn run(kind: &str, task: &Task) -> Result<Outcome, Failure> {
    match kind {
        "sleep" => sleep(task).await,
        "echo" => Ok(Outcome::message(task.text()?)),
        "fail" => Err(Failure::new(if task.args().is_empty() { "told to fail" } else { task.text()? })),
        "flaky" if task.attempt() == 1 => Err(Failure::new("fails in its first attempt")),
        "noop" | "flaky" => Ok(Outcome::default()),
        "sha256" => sha256(task.text()?.into()).await,
        other => Err(Failure::new(format!("{other:?} is no built-in type")).last()),
    }
}

/// Adds a built-in type to a worker, taken by the batch if `batch` is more than 1. A batch runs one task after the other.
#[must_use]
pub(super) fn add(builder: Builder, kind: &'static str, batch: usize) -> Builder {
    if batch <= 1 {
        return builder.task(kind, move |task: Task| async move { run(kind, &task).await });
    }
    builder.batch(kind, batch, move |batch: Batch| async move {
        for item in &batch {
            if item.begin() {
                match run(kind, item).await {
                    Ok(outcome) => item.complete(outcome),
                    // What was stopped says why by itself.
                    Err(_) if item.is_cancelled() => {}
                    Err(failure) => item.fail(failure),
                }
            }
        }
        Ok::<(), Failure>(())
    })
}

async fn sleep(task: &Task) -> Result<Outcome, Failure> {
    let seconds = task.text()?.trim().parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let seconds = seconds.ok_or_else(|| Failure::new("the arguments of sleep are a number of seconds, like 2 or 0.5").last())?;
    tokio::select! {
        () = task.cancelled() => Err(Failure::new("stopped in its sleep")),
        () = tokio::time::sleep(seconds) => Ok(Outcome::default()),
    }
}

async fn sha256(path: PathBuf) -> Result<Outcome, Failure> {
    let shown = path.display().to_string();
    let digest = tokio::task::spawn_blocking(move || digest_of(&path)).await?;
    digest.map(Outcome::message).map_err(|error| Failure::new(format!("{shown}: {error}")))
}

fn digest_of(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_one_that_sha256sum_prints() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        assert_eq!(digest_of(file.path()).unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
