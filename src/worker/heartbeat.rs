//! Renewal: every sixth of a lease the worker's card and all entries in hand, then a look at meta, on a connection of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{Pipeline, RedisResult, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::held::{Held, Lease, Stop};
use super::report::{Reporter, leave};
use super::shared::{Shared, Standing};
use crate::queue::{CONTRACT, EntryId, Error, GROUP, Link, reply, timed_out};

const RENEWING: &str = "renewing leases";

/// Most ids of one `XCLAIM`.
const IDS_MAX: usize = 1000;

/// Beats until `closing` fires.
pub(super) async fn beat(shared: Arc<Shared>, link: Link, reporter: Reporter, closing: CancellationToken) {
    let mut silent = false;
    loop {
        let pause = shared.shortest_lease() / 6;
        tokio::select! {
            () = closing.cancelled() => return retire(&shared, &link).await,
            () = shared.renew.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        match renew_once(&shared, &link, &reporter).await {
            Ok(()) if silent => {
                info!("Redis answers again");
                silent = false;
            }
            Ok(()) => {}
            Err(error) => {
                if !silent {
                    warn!(error = &error as &dyn std::error::Error, "Redis does not answer; running tasks go on");
                    silent = true;
                }
                give_up_what_must_not_go_on(&shared);
            }
        }
    }
}

/// One heartbeat. It must not take so long that the next one is missed.
pub(super) async fn renew_once(shared: &Shared, link: &Link, reporter: &Reporter) -> Result<(), Error> {
    let limit = (shared.shortest_lease() / 3).clamp(Duration::from_millis(250), Duration::from_secs(10));
    if let Ok(renewed) = tokio::time::timeout(limit, renew(shared, link, reporter)).await {
        renewed
    } else {
        link.reset().await;
        Err(timed_out(RENEWING))
    }
}

/// The entries of one lane whose renewal is asked for in one command.
struct Asked {
    kind: usize,
    held: Vec<Arc<Held>>,
}

async fn renew(shared: &Shared, link: &Link, reporter: &Reporter) -> Result<(), Error> {
    let mut pipeline = redis::pipe();
    add_card(&mut pipeline, shared);
    let asked = add_claims(&mut pipeline, shared);
    for kind in &shared.kinds {
        pipeline.cmd("HGETALL").arg(shared.keys.meta(&kind.key));
    }
    let mut answers = link.pipeline(RENEWING, &pipeline).await?.into_iter();
    for card in answers.by_ref().take(2) {
        card.map_err(|source| Error::Refused { act: RENEWING, source })?;
    }
    let claims: Vec<RedisResult<Value>> = answers.by_ref().take(asked.len()).collect();
    for (kind, answer) in shared.kinds.iter().zip(answers) {
        let meta = answer.map_err(|source| Error::Refused { act: RENEWING, source })?;
        let fields = reply::words(RENEWING, meta)?;
        let lost = Standing { known: false, generation: None, ..kind.standing() };
        // What was known of a type goes on while Redis has lost it.
        kind.set_standing(if fields.is_empty() { lost } else { Standing::from_fields(&fields) });
    }
    shared.contact.send_replace(Instant::now());
    for (asked, claim) in asked.into_iter().zip(claims) {
        judge_claim(shared, reporter, &asked, claim)?;
    }
    Ok(())
}

/// What operators and people see of this worker.
fn add_card(pipeline: &mut Pipeline, shared: &Shared) {
    let card = shared.keys.worker(&shared.id);
    let types: Vec<String> = shared.kinds.iter().map(|kind| kind.key.to_string()).collect();
    let batch = shared.kinds.iter().map(super::shared::Kind::batch_now).max().unwrap_or(1);
    let set = pipeline.cmd("HSET").arg(&card).arg("types").arg(types.join(",")).arg("host").arg(&shared.host);
    set.arg("pod").arg(std::env::var("POD_NAME").unwrap_or_default()).arg("version").arg(&shared.version).arg("lang").arg("rust");
    set.arg("slots").arg(shared.slot_count).arg("batch").arg(batch).arg("inflight").arg(shared.table.len());
    set.arg("done").arg(shared.done.load(Ordering::Relaxed)).arg("errs").arg(shared.errs.load(Ordering::Relaxed));
    set.arg("started").arg(shared.started_ms).arg("v").arg(CONTRACT);
    let ttl = u64::try_from(shared.longest_lease().as_millis()).unwrap_or(u64::MAX);
    pipeline.cmd("PEXPIRE").arg(&card).arg(ttl);
}

fn add_claims(pipeline: &mut Pipeline, shared: &Shared) -> Vec<Asked> {
    let all: Vec<Arc<Held>> = shared.table.all().into_iter().filter(|held| !held.lease().revoked).collect();
    let mut asked = Vec::new();
    for lane in all.chunk_by(|one, next| (one.kind, one.entry.lane) == (next.kind, next.entry.lane)) {
        for chunk in lane.chunks(IDS_MAX) {
            let first = &chunk[0];
            let stream = shared.keys.lane(&shared.kinds[first.kind].key, first.entry.lane);
            let claim = pipeline.cmd("XCLAIM").arg(stream).arg(GROUP).arg(&shared.id).arg(0);
            for held in chunk {
                claim.arg(held.entry.id.to_string());
            }
            claim.arg("JUSTID");
            asked.push(Asked { kind: first.kind, held: chunk.to_vec() });
        }
    }
    asked
}

/// Whose lease goes on, who was revoked, and what has to be announced because Redis lost it.
fn judge_claim(shared: &Shared, reporter: &Reporter, asked: &Asked, claim: RedisResult<Value>) -> Result<(), Error> {
    let (leased, group_there): (BTreeSet<EntryId>, bool) = match claim {
        Ok(ids) => (reply::ids(RENEWING, ids)?.into_iter().collect(), true),
        Err(error) if error.code() == Some("NOGROUP") => (BTreeSet::new(), false),
        Err(source) => return Err(Error::Refused { act: RENEWING, source }),
    };
    let standing = shared.kinds[asked.kind].standing();
    for held in &asked.held {
        let lease = held.lease();
        if leased.contains(&held.entry.id) {
            held.set_lease(Lease { generation: standing.generation.clone(), announced: None, revoked: false });
        } else if group_there && standing.generation.is_some() && standing.generation == lease.generation {
            held.set_lease(Lease { revoked: true, ..lease });
            if !held.is_reported() {
                debug!(task = %held.task, attempt = held.attempt, "the entry is gone: stopping");
                held.stop(Stop::Killed);
            }
        } else if lease.announced.is_none_or(|at| at.elapsed() >= standing.lease / 3) {
            held.set_lease(Lease { announced: Some(Instant::now()), ..lease });
            if !held.is_reported() {
                reporter.running(held);
            }
        }
    }
    Ok(())
}

/// Without contact for the grace, or a lease for exclusive tasks, the work may run elsewhere: it is stopped and never told of.
fn give_up_what_must_not_go_on(shared: &Shared) {
    let silence = shared.contact.borrow().elapsed();
    for held in shared.table.all() {
        let standing = shared.kinds[held.kind].standing();
        let patience = if held.exclusive { standing.lease } else { standing.grace };
        if silence >= patience && held.stopped() != Some(Stop::NoContact) {
            warn!(task = %held.task, attempt = held.attempt, ?silence, "giving up a task: no contact with Redis");
            held.stop(Stop::NoContact);
            if held.is_reported() {
                leave(shared, &held);
            }
        }
    }
}

/// The card goes at once, so that nobody waits for this worker. An ACL may forbid `DEL`.
async fn retire(shared: &Shared, link: &Link) {
    let mut expire = redis::cmd("PEXPIRE");
    expire.arg(shared.keys.worker(&shared.id)).arg(1);
    let gone = tokio::time::timeout(Duration::from_secs(1), link.command("taking leave", &expire)).await;
    if !matches!(gone, Ok(Ok(_))) {
        debug!("the card stays until it expires");
    }
}
