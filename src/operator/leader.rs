//! Who leads: a Kubernetes Lease, so that work is not done twice. Safety does not rest on it but on the ledger's epoch.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use kube_lease_manager::{LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Error;
use crate::config;

/// Seconds that a lease lasts, and how long before its end it is renewed: every third second, so that a leader whose lease was taken
/// from it notices soon. (The library renews what it believes its own without a look: a thief's lease is prolonged once.)
const LEASE_SECONDS: u64 = 15;
const RENEW_AHEAD_SECONDS: u64 = 12;
/// For the last words to the API server.
const RELEASE: Duration = Duration::from_secs(2);
/// For one look at the lease.
const LOOK: Duration = Duration::from_secs(5);
/// Before a process that still holds the lease begins another term.
const AFTER_TERM: Duration = Duration::from_secs(1);
/// How often it is told who leads.
const SHOWN: Duration = Duration::from_secs(5);

/// Runs `term` whenever this process leads, until `stop`. A term's token is cancelled when leadership or the whole process ends;
/// the lease is released when its term is over, so that a standby need not wait for it to run out.
pub(super) async fn lead<Term, Run>(
    client: kube::Client,
    lease: &config::Lease,
    identity: &str,
    stop: &CancellationToken,
    mut term: Term,
) -> Result<(), Error>
where
    Term: FnMut(CancellationToken) -> Run,
    Run: Future<Output = ()>,
{
    let (mut leads, watch) = LeaseManagerBuilder::new(client, &lease.name)
        .with_namespace(&lease.namespace)
        .with_identity(identity)
        .with_duration(LEASE_SECONDS)
        .with_grace(RENEW_AHEAD_SECONDS)
        .build()
        .await
        .map_err(lease_error)?
        .watch()
        .await;
    let shown = AbortOnDropHandle::new(tokio::spawn(show(leads.clone())));
    while !stop.is_cancelled() {
        let leading = *leads.borrow_and_update();
        if leading {
            run_while_leading(&mut leads, stop, &mut term).await;
        }
        // After a term that ended by itself (it was fenced off) the lease is tried again a little later.
        let pause = if leading { AFTER_TERM } else { Duration::MAX };
        tokio::select! {
            () = stop.cancelled() => {}
            changed = leads.changed() => if changed.is_err() { break },
            () = tokio::time::sleep(pause) => {}
        }
    }
    // The lease is released when nobody asks for it any more.
    drop((leads, shown));
    match tokio::time::timeout(RELEASE, watch).await {
        Ok(Ok(Ok(_))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(error = &error as &dyn std::error::Error, "the lease is not released: it runs out by itself"),
        Ok(Err(source)) => return Err(Error::Panicked { source }),
        Err(_) => tracing::warn!("the lease is not released in time: it runs out by itself"),
    }
    Ok(())
}

/// Tells Prometheus who leads, at each change and again before it would be forgotten.
async fn show(mut leads: watch::Receiver<bool>) {
    loop {
        metrics::gauge!("igor_leader").set(if *leads.borrow_and_update() { 1.0 } else { 0.0 });
        if let Ok(Err(_)) = tokio::time::timeout(SHOWN, leads.changed()).await {
            return;
        }
    }
}

/// Whether the lease is this process's by the API server's own word. The library goes on believing it while the API server is away;
/// to begin a term, and fence off whoever leads by then, takes more than belief.
pub(super) async fn holds(client: &kube::Client, lease: &config::Lease, identity: &str) -> bool {
    let api: Api<Lease> = Api::namespaced(client.clone(), &lease.namespace);
    match tokio::time::timeout(LOOK, api.get(&lease.name)).await {
        Ok(Ok(found)) => found.spec.and_then(|spec| spec.holder_identity).as_deref() == Some(identity),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the lease cannot be read: no term begins");
            false
        }
        Err(_) => false,
    }
}

/// One term, from taking the lease to losing it.
async fn run_while_leading<Term, Run>(leads: &mut watch::Receiver<bool>, stop: &CancellationToken, term: &mut Term)
where
    Term: FnMut(CancellationToken) -> Run,
    Run: Future<Output = ()>,
{
    let over = stop.child_token();
    let lost = async {
        while leads.changed().await.is_ok() {
            if !*leads.borrow_and_update() {
                break;
            }
        }
        over.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = term(over.clone()) => {}
        () = lost => {}
    }
}

fn lease_error(source: LeaseManagerError) -> Error {
    Error::Lease { source: Box::new(source) }
}
