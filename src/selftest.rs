//! `igor selftest`: one job of one task, from the API server through ledger and queue to a worker and back. The worker is this process,
//! on a queue that nobody else serves.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use igor::config::RedisFlags;
use igor::crd::IgorJob;
use igor::operator;
use igor::worker::{Failure, Outcome, Task, Worker};
use kube::api::{Api, DeleteParams, PostParams};
use tokio_util::sync::CancellationToken;

/// The queue, and the task's type.
const NAME: &str = "selftest";

/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(250);

#[derive(clap::Args)]
pub(crate) struct Selftest {
    /// Namespace of the job; the operator must watch it
    #[arg(long, env = "IGOR_NAMESPACE", default_value = "default")]
    namespace: String,
    /// Seconds that it may take
    #[arg(long, default_value_t = 60)]
    timeout: u64,
    #[command(flatten)]
    redis: RedisFlags,
}

pub(crate) async fn run(flags: Selftest) -> anyhow::Result<()> {
    let redis = flags.redis.needed()?;
    let worker = Worker::builder("").settings(operator::redis(&redis)).queue(format!("{}.{NAME}", flags.namespace));
    let worker = worker.task(NAME, |_: Task| async { Ok::<_, Failure>(Outcome::message("it works")) }).build()?;
    let client = kube::Client::try_default().await.context("no API server; inside a cluster the pod needs a service account")?;
    let jobs: Api<IgorJob> = Api::namespaced(client, &flags.namespace);
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    let outcome = complete(&jobs, Duration::from_secs(flags.timeout)).await;
    stop.cancel();
    working.await.context("the worker panicked")?;
    let took = outcome?;
    tracing::info!("a job went from the API server through ledger, queue and worker and back in {} ms", took.as_millis());
    Ok(())
}

/// Makes the job, waits for its end and removes it.
async fn complete(jobs: &Api<IgorJob>, limit: Duration) -> anyhow::Result<Duration> {
    let spec = serde_json::json!({
        "queue": NAME, "title": "igor selftest", "layers": [{"name": "all", "tasks": [{"name": "one", "type": NAME}]}],
    });
    let mut job = IgorJob::new("", serde_json::from_value(spec).context("the job of the selftest")?);
    (job.metadata.name, job.metadata.generate_name) = (None, Some("selftest-".to_owned()));
    let began = Instant::now();
    let name = jobs.create(&PostParams::default(), &job).await.context("cannot make a job")?.metadata.name.unwrap_or_default();
    let ended = until_complete(jobs, &name, began + limit).await;
    jobs.delete(&name, &DeleteParams::default()).await.with_context(|| format!("cannot remove job {name}"))?;
    ended.map(|()| began.elapsed())
}

async fn until_complete(jobs: &Api<IgorJob>, name: &str, deadline: Instant) -> anyhow::Result<()> {
    loop {
        let status = jobs.get(name).await.with_context(|| format!("cannot look at job {name}"))?.status;
        let status = serde_json::to_value(status).context("a status")?;
        let holds = |wanted: &str| {
            let all = status["conditions"].as_array();
            all.is_some_and(|all| all.iter().any(|one| one["type"] == wanted && one["status"] == "True"))
        };
        if holds("Complete") {
            return Ok(());
        }
        if holds("Failed") || Instant::now() > deadline {
            bail!("job {name} did not complete; its status was: {status}");
        }
        tokio::time::sleep(LOOK).await;
    }
}
