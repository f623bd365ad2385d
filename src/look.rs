//! `igor get`, `igor why` and `igor audit`: a job as the ledger has it, for people. Nothing here writes anything.

mod audit;
mod get;
mod lines;
mod reference;

use std::io::{IsTerminal, Write};

use anyhow::{Context, bail};
use igor::config::PostgresFlags;
use igor::core::job::Facts;
use igor::core::status::Status;
use igor::store::{Settings, Snapshot, Store};
use igor::{operator, why};

pub(crate) use audit::Audit;
use reference::Reference;

/// Connections that a look needs.
const CONNECTIONS: u32 = 2;

/// Which job, and how it is shown.
#[derive(clap::Args)]
pub(crate) struct Look {
    /// JOB, JOB/LAYER or JOB/LAYER/TASK; the newest job of that name
    reference: Reference,
    /// Namespace of the job
    #[arg(long, short, env = "IGOR_NAMESPACE", default_value = "default")]
    namespace: String,
    /// The job of this object, when there were several of that name
    #[arg(long)]
    uid: Option<String>,
    /// How it is printed; json is one object, of audit one a line
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    postgres: PostgresFlags,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// A job that was found.
struct Found {
    store: Store,
    job: Snapshot,
}

impl Look {
    /// Looks the job up, and the layer that the reference names.
    async fn find(&self) -> anyhow::Result<Found> {
        let settings = Settings { connections: CONNECTIONS, ..operator::database(&self.postgres.clone().needed()?) };
        let store = Store::connect_to_read(&settings).await?;
        let (name, namespace) = (&self.reference.job, &self.namespace);
        let Some(job_id) = store.find_job(namespace, name, self.uid.as_deref()).await? else {
            let of_uid = self.uid.as_ref().map(|uid| format!(" with uid {uid}")).unwrap_or_default();
            bail!("the ledger has no job {name}{of_uid} in namespace {namespace}; -n names another namespace");
        };
        let job = store.snapshot(job_id).await?;
        if let Some(layer) = &self.reference.layer
            && !job.job.layers.iter().any(|known| known.name == *layer)
        {
            let layers: Vec<&str> = job.job.layers.iter().map(|layer| layer.name.as_str()).collect();
            bail!("job {name} has no layer {layer}; it has {}", layers.join(", "));
        }
        Ok(Found { store, job })
    }
}

impl Found {
    /// All that the ledger alone knows: who serves the types, only the operator can say.
    async fn facts(&self) -> anyhow::Result<Facts> {
        let mut known = self.job.known.clone();
        for (layer, facts) in self.job.job.layers.iter().zip(&self.job.layers) {
            if layer.status == Status::Errored && layer.tasks.errored > 0 && !self.job.job.finished {
                known.layers.entry(layer.name.clone()).or_default().said = self.store.commonest_failure(facts.layer_id).await?;
            }
        }
        Ok(self.job.facts(&known))
    }
}

/// Prints a job with a line a layer.
pub(crate) async fn get(look: Look) -> anyhow::Result<()> {
    if look.reference.layer.is_some() {
        bail!("igor get shows a whole job: name it alone, as in igor get {}", look.reference.job);
    }
    let found = look.find().await?;
    let facts = found.facts().await?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    print(&match look.output {
        Output::Json => get::json(&found.job, &facts, now_ms)?,
        Output::Text => get::text(&found.job, &facts, now_ms, std::io::stdout().is_terminal()),
    })
}

/// Prints why a job, a layer or a task stands as it does, and what would change it.
pub(crate) async fn why(look: Look) -> anyhow::Result<()> {
    let found = look.find().await?;
    let facts = found.facts().await?;
    let task = match (&look.reference.layer, &look.reference.task) {
        (Some(layer), Some(task)) => Some(named_task(&found, layer, task).await?.0),
        _ => None,
    };
    let answer = why::answer(&found.job, &facts, look.reference.layer.as_deref(), task.as_ref());
    print(&match look.output {
        Output::Json => serde_json::to_string_pretty(&answer)? + "\n",
        Output::Text => why::text(&answer),
    })
}

async fn named_task(found: &Found, layer: &str, task: &str) -> anyhow::Result<(igor::store::TaskView, Vec<igor::store::Moved>)> {
    let known = found.store.task(&found.job, layer, task).await?;
    known.with_context(|| format!("layer {layer} of job {} has no task {task}", found.job.name))
}

/// Prints the history of a job, a layer or a task.
pub(crate) async fn history(audit: Audit) -> anyhow::Result<()> {
    audit::run(audit).await
}

/// Writes to standard output. A reader that has seen enough is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

#[cfg(test)]
mod tests;
