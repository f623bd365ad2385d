//! The client of the HTTP API: submit, look, watch and steer, from Rust.
//!
//! ```no_run
//! use igor::client::{Address, Ask, Client, Query, Verb};
//! use futures::TryStreamExt;
//!
//! # async fn example() -> Result<(), igor::client::Error> {
//! let client = Client::new("https://igor.example", Some("the token".into()))?;
//! let spec = serde_json::json!({"layers": [{"name": "render", "tasks": [{"type": "render", "args": "17"}]}]});
//! client.submit("film", &spec, Some("nightly")).await?;
//! let nightly = Address::job("film", "nightly");
//! let job = client.wait(&nightly).await?;
//! let failed: Vec<_> = client.tasks(&nightly.clone().layer("render"), &Query::new().status("ERRORED")).try_collect().await?;
//! println!("{:?}, {} failed", job.status, failed.len());
//! client.command(Verb::Retry, &nightly, &Ask { select: Some("failed".into()), ..Ask::default() }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What finds the API away is tried again for some seconds. Changes carry a key by which twice is once.
//! It speaks `/api/v2` and knows nothing of the rest of Igor.

mod address;
mod error;
mod shown;
mod transport;

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::address::{Address, Query};
pub use self::error::{Error, Refusal};
pub use self::shown::{Added, Attempt, Cause, Command, Counts, Done, Job, Layer, Task, Transition, Why};
use self::transport::Transport;

/// Between two looks at a job that is watched: a change brings the short one back.
const SOON: Duration = Duration::from_millis(200);
const LATER: Duration = Duration::from_secs(10);

/// What a list has, one by one; the first error ends it.
pub type Items<Item> = BoxStream<'static, Result<Item, Error>>;

/// One API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
}

/// What may be asked of a job, a layer or a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Start nothing new of it; what runs ends. Of selected tasks: pause each of them.
    Pause,
    /// Go on.
    Unpause,
    /// Leave tasks out: they count as done.
    Skip,
    /// Stop tasks: they are errored.
    Kill,
    /// Run tasks again.
    Retry,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Skip => "skip",
            Self::Kill => "kill",
            Self::Retry => "retry",
        }
    }
}

/// How a verb is asked.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Ask {
    /// Of which tasks: `failed`, or as in `render/3-9,17,join`; all that the verb can touch if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// Why, for the audit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only tell what it would be about.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Only while this is its etag.
    #[serde(skip)]
    pub etag: Option<String>,
}

/// The header by which doing a thing twice is doing it once.
const KEY: &str = "idempotency-key";

fn new_key() -> String {
    uuid::Uuid::from_u128(rand::random()).to_string()
}

#[derive(Deserialize)]
struct Page<Item> {
    items: Vec<Item>,
    next: Option<String>,
}

impl Client {
    /// A client of the API at `address`, asking with a token if there is one.
    pub fn new(address: &str, token: Option<String>) -> Result<Self, Error> {
        Ok(Self { transport: Transport::new(address, token)? })
    }

    /// Makes a job of an `IgorJob`'s spec, under a name or one that is made up. When this returns, the job will run, whatever dies. It
    /// carries a key, so that it is made once however often it had to be sent.
    pub async fn submit(&self, namespace: &str, spec: &Value, name: Option<&str>) -> Result<Job, Error> {
        let mut body = json!({"spec": spec});
        if let Some(name) = name {
            body["name"] = name.into();
        }
        self.transport.post(&address::jobs_of(Some(namespace)), &body, &[(KEY, new_key())]).await
    }

    /// Adds tasks, each as in a spec, to a layer that has not begun, or is paused. Under the same `key` a call that was cut off is
    /// completed by repeating it with the same tasks, which this method does a few times itself. Without one, each call is new.
    pub async fn add_tasks(&self, layer: &Address, tasks: &[Value], key: Option<&str>) -> Result<Added, Error> {
        let mut lines = Vec::new();
        for task in tasks {
            serde_json::to_writer(&mut lines, task).map_err(Error::Spoken)?;
            lines.push(b'\n');
        }
        let key = key.map_or_else(new_key, str::to_owned);
        self.transport.pour(&format!("{}/tasks:bulk", layer.path()), lines, key).await
    }

    /// A job: the newest of that name.
    pub async fn job(&self, job: &Address) -> Result<Job, Error> {
        self.transport.get(&job.path(), &Query::new()).await
    }

    /// A job by its object's uid, also when the object was deleted.
    pub async fn job_of_uid(&self, uid: &str) -> Result<Job, Error> {
        self.transport.get(&address::of_uid(uid), &Query::new()).await
    }

    /// Jobs of a namespace, or of all that one may list; the newest first. Pages are asked for as they are needed.
    pub fn jobs(&self, namespace: Option<&str>, query: &Query) -> Items<Job> {
        self.pages(address::jobs_of(namespace), query)
    }

    /// The layers of a job, in the order in which they run.
    pub fn layers(&self, job: &Address) -> Items<Layer> {
        self.pages(format!("{}/layers", job.path()), &Query::new())
    }

    /// A layer.
    pub async fn layer(&self, layer: &Address) -> Result<Layer, Error> {
        self.transport.get(&layer.path(), &Query::new()).await
    }

    /// The tasks of a layer. Pages are asked for as they are needed.
    pub fn tasks(&self, layer: &Address, query: &Query) -> Items<Task> {
        self.pages(format!("{}/tasks", layer.path()), query)
    }

    /// A task, with its arguments.
    pub async fn task(&self, task: &Address) -> Result<Task, Error> {
        self.transport.get(&task.path(), &Query::new()).await
    }

    /// The attempts of a task.
    pub fn attempts(&self, task: &Address) -> Items<Attempt> {
        self.pages(format!("{}/attempts", task.path()), &Query::new())
    }

    /// What moved, oldest first: of a task, of a layer, or of a job with its layers.
    pub fn transitions(&self, of: &Address) -> Items<Transition> {
        self.pages(format!("{}/transitions", of.path()), &Query::new())
    }

    /// What was asked of a job, by whom and why, oldest first.
    pub fn commands(&self, job: &Address) -> Items<Command> {
        self.pages(format!("{}/commands", job.path()), &Query::new())
    }

    /// Why it stands as it does, and what would change it.
    pub async fn why(&self, of: &Address) -> Result<Why, Error> {
        self.transport.get(&format!("{}/why", of.path()), &Query::new()).await
    }

    /// The job now, and again each time it has moved, until it has ended. It follows the job that has the name now: one that takes
    /// its name later is another. It asks seldom while nothing moves.
    pub fn watch(&self, job: &Address) -> Items<Job> {
        let (client, address) = (self.clone(), job.clone());
        stream::try_unfold(None, move |last: Option<Job>| {
            let (client, address) = (client.clone(), address.clone());
            async move {
                let job = match last {
                    None => client.job(&address).await?,
                    Some(last) if last.finished_at.is_some() => return Ok(None),
                    Some(last) => client.moved(last).await?,
                };
                Ok(Some((job.clone(), Some(job))))
            }
        })
        .boxed()
    }

    /// Waits until a job has ended, however, and returns it.
    pub async fn wait(&self, job: &Address) -> Result<Job, Error> {
        let mut ended = self.watch(job).try_filter(|job| std::future::ready(job.finished_at.is_some()));
        let ended = ended.try_next().await?;
        Ok(ended.expect("a watch goes on until its job has ended"))
    }

    /// Asks a verb of a job, a layer or a task. It carries a key, so that it is done once however often it had to be sent.
    pub async fn command(&self, verb: Verb, of: &Address, ask: &Ask) -> Result<Done, Error> {
        let etag = ask.etag.as_ref().map(|etag| ("if-match", format!("\"{etag}\"")));
        let headers: Vec<_> = etag.into_iter().chain([(KEY, new_key())]).collect();
        self.transport.post(&format!("{}:{}", of.path(), verb.as_str()), ask, &headers).await
    }

    /// The job once it is another than it was.
    async fn moved(&self, last: Job) -> Result<Job, Error> {
        let mut pause = SOON;
        loop {
            tokio::time::sleep(pause).await;
            let now = self.job_of_uid(&last.uid).await?;
            if now != last {
                return Ok(now);
            }
            pause = (pause * 3 / 2).min(LATER);
        }
    }

    fn pages<Item: DeserializeOwned + Send + 'static>(&self, path: String, query: &Query) -> Items<Item> {
        let (transport, query) = (self.transport.clone(), query.clone());
        let pages = stream::try_unfold(Some(query), move |query: Option<Query>| {
            let (transport, path) = (transport.clone(), path.clone());
            async move {
                let Some(query) = query else { return Ok(None) };
                let page: Page<Item> = transport.get(&path, &query).await?;
                let next = page.next.map(|after| query.after(&after));
                Ok(Some((stream::iter(page.items.into_iter().map(Ok)), next)))
            }
        });
        pages.try_flatten().boxed()
    }
}
