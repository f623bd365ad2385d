//! The worker of the reference run: handlers whose outcome depends on what the harness allows and on nothing else, however often
//! they run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use igor::worker::{Builder, Failure, Outcome, Task, Worker};
use tokio_util::sync::CancellationToken;

/// The argument that makes this program a worker.
pub(crate) const ROLE: &str = "worker";

/// Serves the types that the arguments name, until it is killed.
pub(crate) async fn serve() {
    tracing_subscriber::fmt().with_env_filter("igor=debug").with_writer(std::io::stderr).init();
    let setting = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let signs = PathBuf::from(setting("SIGNS"));
    let builder = Worker::builder(setting("REDIS_URL")).prefix(setting("IGOR_PREFIX")).queue(setting("QUEUE")).slots(16);
    let builder = std::env::args().skip(2).fold(builder, |builder, kind| with(builder, &kind, &signs));
    builder.build().expect("a worker").run(CancellationToken::new()).await;
}

fn with(builder: Builder, kind: &str, signs: &Path) -> Builder {
    let signs = signs.to_owned();
    match kind {
        "steady" => builder.task("steady", |_| async { Ok::<_, Failure>(Outcome::default()) }),
        // Fails until no retry is left.
        "stumble" => builder.task("stumble", |task: Task| async move {
            if task.retries_left() > 0 { Err(Failure::new("stumbles")) } else { Ok(Outcome::default()) }
        }),
        // Fails until the harness says that it may succeed.
        "stubborn" => builder.task("stubborn", move |task: Task| {
            let sign = signs.join(task.text().expect("a sign's name"));
            async move { if sign.exists() { Ok(Outcome::default()) } else { Err(Failure::new("not yet")) } }
        }),
        // Runs until the harness says that it may end.
        "patient" => builder.task("patient", move |task: Task| {
            let sign = signs.join(task.text().expect("a sign's name"));
            async move {
                while !sign.exists() {
                    tokio::select! {
                        () = task.cancelled() => return Err(Failure::new("stopped")),
                        () = tokio::time::sleep(Duration::from_millis(10)) => {}
                    }
                }
                Ok(Outcome::default())
            }
        }),
        // The same as steady; the harness starts who serves it later.
        "late" => builder.task("late", |_| async { Ok::<_, Failure>(Outcome::default()) }),
        other => panic!("no handler for {other}"),
    }
}
