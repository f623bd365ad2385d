//! A worker with handlers of its own, in Rust.
//!
//! ```text
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example worker --no-default-features --features worker -- film.default
//! ```
//!
//! It serves two types of the queue it is given:
//! - `primes`: the number of primes below the number in the task's arguments. Work for a processor, so it leaves the runtime's threads
//!   alone, and asks now and then whether it is to stop.
//! - `count-words`: the words of the file that the arguments name. Small work, so it is taken by the batch, and each task of a batch
//!   has a status of its own.

use igor::worker::{Batch, Failure, Outcome, Task, Worker};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let queue = std::env::args().nth(1).ok_or("which queue? for example film.default")?;
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        told.cancel();
    });
    let slots = std::thread::available_parallelism()?.get();
    let worker = Worker::builder(url).queue(queue).slots(slots).task("primes", primes).batch("count-words", 100, count_words);
    worker.build()?.run(shutdown).await;
    Ok(())
}

async fn primes(task: Task) -> Result<Outcome, Failure> {
    let below: u32 = task.text()?.trim().parse().map_err(|_| Failure::new("the arguments are a number, like 1000000").last())?;
    let stop = task.cancel_token().clone();
    let found = tokio::task::spawn_blocking(move || {
        let mut found = 0;
        for number in 2..below {
            if number % 4096 == 0 && stop.is_cancelled() {
                return None;
            }
            found += u32::from((2..number).take_while(|divisor| divisor * divisor <= number).all(|divisor| number % divisor != 0));
        }
        Some(found)
    });
    let found = found.await?.ok_or_else(|| Failure::new("stopped"))?;
    Ok(Outcome::message(format!("{found} primes below {below}")))
}

async fn count_words(batch: Batch) -> Result<(), Failure> {
    for item in &batch {
        // What was killed or given back meanwhile is left out.
        if !item.begin() {
            continue;
        }
        let path = match item.text() {
            Ok(path) => path.to_owned(),
            Err(failure) => {
                item.fail(failure);
                continue;
            }
        };
        match tokio::fs::read_to_string(&path).await {
            Ok(text) => item.complete(format!("{} words", text.split_whitespace().count())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => item.skip(format!("{path} is not there")),
            Err(error) => item.fail(error),
        }
    }
    Ok(())
}
