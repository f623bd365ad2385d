//! The operator: the only place where Kubernetes, the ledger and the queue meet.
//!
//! One process leads at a time. A term of leadership is a handful of loops over shared state (`term`): the controller (`reconcile`)
//! turns wishes into plans and facts into status; the dispatcher hands tasks out; the collector brings results in; the sweeper looks
//! for what nobody reports. Each loop is supervised: it fails, backs off and begins again without the others.

mod archive;
mod children;
mod clients;
mod collector;
mod context;
mod controller;
mod dispatcher;
mod error;
mod events;
mod gauges;
mod in_flight;
mod leader;
mod lost;
mod pokes;
mod rebuild;
mod reconcile;
mod relay;
mod stores;
mod supervise;
mod sweeper;
mod term;
mod traces;
mod troubles;
mod types;
mod wakes;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use tokio_util::sync::CancellationToken;

pub use self::archive::objects_made_on;
use self::clients::Clients;
use self::context::Context;
pub use self::error::Error;
pub use self::stores::{database, redis};
use self::supervise::supervise;
use self::term::Term;
use crate::crd::{IgorJob, IgorLayer, IgorTask};
use crate::probes::{self, Readiness};
use crate::{config, queue, store, telemetry};

/// An `IgorJob` as the cache has it: one that does not parse is an object too.
type Job = DeserializeGuard<IgorJob>;

/// An `IgorLayer` as the cache has it: people steer by its annotations, the rest is our own.
type Handle = PartialObjectMeta<IgorLayer>;

/// An `IgorTask` as its watch tells of it.
type TaskObject = DeserializeGuard<IgorTask>;

/// How long the loops of a term get to end.
const TERM_GRACE: Duration = Duration::from_secs(8);

/// Runs an operator until SIGTERM or SIGINT.
pub async fn run(config: config::Operator) -> Result<(), Error> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let readiness = Readiness::default();
    let metrics = telemetry::metrics().map_err(|source| Error::Metrics { source })?;
    let address = config.metrics_addr;
    let probes = tokio::spawn(probes::serve(address, readiness.clone(), metrics, stop.clone()));
    let Some(context) = connect(config, &readiness, &stop).await? else { return Ok(()) };
    readiness.ready();
    tokio::spawn(stores::renew(context.store.clone(), stop.clone()));
    let lease = context.config.lease.clone();
    tracing::info!(identity = %context.identity, lease = %lease.name, "ready");
    let led = leader::lead(context.lease_client.clone(), &lease, &context.identity, &stop, |over| lead(context.clone(), over)).await;
    stop.cancel();
    probes.await.map_err(|source| Error::Panicked { source })?.map_err(|source| Error::Listen { address, source })?;
    led
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be handled");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("told to stop");
    stop.cancel();
}

/// The name that was given, or the host's with random bits, for two processes on one machine.
fn identity(lease: &config::Lease) -> String {
    let host = || std::env::var("HOSTNAME").unwrap_or_else(|_| "igor".to_owned());
    lease.identity.clone().unwrap_or_else(|| format!("{}-{:08x}", host(), rand::random::<u32>()))
}

/// Reaches the stores and checks whose they are; what is away is waited for. `None` when told to stop meanwhile.
async fn connect(config: config::Operator, readiness: &Readiness, stop: &CancellationToken) -> Result<Option<Arc<Context>>, Error> {
    let mut pause = Duration::from_millis(200);
    loop {
        match try_connect(&config).await {
            Ok(context) => return Ok(Some(Arc::new(context))),
            Err(error) if !error.is_transient() => return Err(error),
            Err(error) => readiness.not_yet(&error),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(5)),
        }
    }
}

async fn try_connect(config: &config::Operator) -> Result<Context, Error> {
    let clients = Clients::infer().await?;
    let database = stores::database(&config.database);
    if config.migrate {
        store::migrate(&database).await?;
    }
    let ledger = store::Store::connect(&database).await?;
    let queue = queue::Client::connect(stores::redis(&config.redis)).await?;
    ledger.ensure_partitions().await?;
    let cluster = match &config.cluster_id {
        Some(id) => id.clone(),
        None => cluster_id(&clients.calls).await?,
    };
    let install = ledger.install(&cluster, config.adopt).await?.to_string();
    if let Some(policy) = queue.eviction_policy().await?.filter(|policy| policy != "noeviction") {
        tracing::warn!(%policy, "Redis may evict keys: set maxmemory-policy to noeviction");
    }
    let context = Context::new(clients, ledger, queue, config.clone(), identity(&config.lease), install);
    context.stamp_redis(config.adopt).await?;
    Ok(context)
}

/// The uid of namespace kube-system is what makes a cluster itself.
async fn cluster_id(client: &Client) -> Result<String, Error> {
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    let found = namespaces.get_metadata("kube-system").await.map_err(|source| Error::Kube { act: "read namespace kube-system", source })?;
    Ok(found.metadata.uid.unwrap_or_default())
}

/// One term: a new epoch, then the loops, until leadership is over.
async fn lead(context: Arc<Context>, over: CancellationToken) {
    if !leader::holds(&context.lease_client, &context.config.lease, &context.identity).await {
        // A lease that cannot be read or is another's: whoever holds it must not be fenced off.
        return;
    }
    // Another operator may have written since: what is remembered of its statuses is not believed.
    context.forget_writes();
    let epoch = match context.store.bump_epoch().await {
        Ok(epoch) => epoch,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot begin a term");
            return;
        }
    };
    tracing::info!(epoch = epoch.number(), "leading");
    let scopes = controller::scopes(&context.config.watch.namespaces);
    let mut poker = pokes::Poker::default();
    let pokes: Vec<_> = scopes.into_iter().map(|scope| (poker.stream(scope.as_deref()), scope)).collect();
    let term = Arc::new(Term::new(context, epoch, over.clone(), poker));
    let loops = run_loops(&term, pokes);
    tokio::select! {
        () = loops => {}
        () = async { over.cancelled().await; tokio::time::sleep(TERM_GRACE).await } => tracing::warn!("a loop did not end in time"),
    }
    tracing::info!(epoch = epoch.number(), "no longer leading");
}

async fn run_loops(term: &Arc<Term>, pokes: Vec<(pokes::Pokes, Option<String>)>) {
    let (tell, deleted) = tokio::sync::mpsc::unbounded_channel();
    let deleted: controller::Deleted = Arc::new(tokio::sync::Mutex::new(deleted));
    let (watched, controllers): (Vec<_>, Vec<_>) =
        pokes.into_iter().map(|(pokes, scope)| controller::build(term, scope, pokes, tell.clone())).unzip();
    tokio::join!(
        futures::future::join_all(controllers),
        supervise("dispatcher", term, || dispatcher::run(term.clone())),
        supervise("collector", term, || collector::run(term.clone())),
        supervise("leases", term, || sweeper::leases(term.clone())),
        supervise("survey", term, || sweeper::survey(term.clone())),
        supervise("gone", term, || sweeper::gone(term.clone(), watched.clone(), deleted.clone())),
        supervise("orphans", term, || sweeper::orphans(term.clone(), watched.clone())),
        supervise("events", term, || events::run(term.clone())),
        supervise("gauges", term, || gauges::run(term.clone(), watched.clone())),
        supervise("partitions", term, || partitions(term.clone())),
    );
}

/// Days ahead of time, daily.
async fn partitions(term: Arc<Term>) -> Result<(), Error> {
    let mut ticks = tokio::time::interval(Duration::from_secs(6 * 3600));
    loop {
        tokio::select! {
            () = term.stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {
                term.context.store.ensure_partitions().await?;
                term.fine("partitions");
            }
        }
    }
}
