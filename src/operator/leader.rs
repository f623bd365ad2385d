//! Who leads: a Kubernetes Lease, so that work is not done twice. Safety does not rest on it but on the ledger's epoch.

use std::future::Future;

use kube_lease_manager::{LeaseManagerBuilder, LeaseManagerError};
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::config;

/// Seconds that a lease lasts, and how long before its end it is renewed.
const LEASE_SECONDS: u64 = 15;
const RENEW_AHEAD_SECONDS: u64 = 5;
/// Before a process that still holds the lease begins another term.
const AFTER_TERM: std::time::Duration = std::time::Duration::from_secs(1);

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
    while !stop.is_cancelled() {
        let leading = *leads.borrow_and_update();
        metrics::gauge!("igor_leader").set(if leading { 1.0 } else { 0.0 });
        if leading {
            run_while_leading(&mut leads, stop, &mut term).await;
        }
        // After a term that ended by itself (it was fenced off) the lease is tried again a little later.
        let pause = if leading { AFTER_TERM } else { std::time::Duration::MAX };
        tokio::select! {
            () = stop.cancelled() => {}
            changed = leads.changed() => if changed.is_err() { break },
            () = tokio::time::sleep(pause) => {}
        }
    }
    drop(leads);
    watch.await.map_err(|source| Error::Panicked { source })?.map_err(lease_error)?;
    Ok(())
}

/// One term, from taking the lease to losing it.
async fn run_while_leading<Term, Run>(leads: &mut tokio::sync::watch::Receiver<bool>, stop: &CancellationToken, term: &mut Term)
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
