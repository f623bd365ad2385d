//! The diff between the table, the streams and the ledger: by numbers, and only where those differ for long, entry by entry.
//!
//! Everything moves while it is compared: only what is found twice is a difference. Then the table is made anew, which mends it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::operator::Error;
use crate::operator::term::Term;
use crate::queue::{EntryId, Lane, TypeKey};
use crate::store::Outstanding;

/// Looks in a row in which the numbers of a type differ, until its entries are read: under load they often do.
const LOOKS: u32 = 5;
/// How often the ledger's numbers are compared.
const LEDGER: Duration = Duration::from_secs(60);

/// An attempt of a task that is out by one account only.
type Stray = (Uuid, u32);

/// What differed in the last looks.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// Looks in a row in which the numbers of a type differed.
    looks: BTreeMap<TypeKey, u32>,
    /// Entries that lay in a stream or stood in the table, but not both.
    entries: BTreeMap<TypeKey, BTreeSet<(Lane, EntryId)>>,
    /// Attempts that the ledger or the table had alone.
    strays: BTreeSet<Stray>,
    /// When the ledger is compared next.
    ledger: Option<Instant>,
}

impl Differences {
    /// Compares how many entries of a type lie in its streams with the table.
    pub(super) async fn hold_against_streams(&mut self, term: &Term, key: &TypeKey) -> Result<(), Error> {
        let backlog = term.context.queue.backlog(key).await?;
        term.types.delivered(key, &backlog);
        let lie: u64 = backlog.iter().map(|lane| lane.length).sum();
        let known = term.in_flight.count_entries(key);
        let looks = self.looks.entry(key.clone()).or_default();
        *looks = if lie == known as u64 { 0 } else { *looks + 1 };
        // Nothing at all where there should be something: no load explains that.
        let enough = if lie == 0 { 2 } else { LOOKS };
        if *looks < enough {
            return Ok(());
        }
        *looks = 0;
        let now = differing(term, key).await?;
        let before = self.entries.insert(key.clone(), now.clone()).unwrap_or_default();
        if lie == 0 && !now.is_empty() || !before.is_disjoint(&now) {
            tracing::warn!(%key, entries = now.len(), "streams and table differ: everything is compared anew");
            self.entries.remove(key);
            term.wakes.doubt();
        }
        Ok(())
    }

    /// Compares how many tasks of each layer the ledger calls queued or running with the table, now and then.
    pub(super) async fn hold_against_ledger(&mut self, term: &Term) -> Result<(), Error> {
        if Instant::now() < *self.ledger.get_or_insert_with(|| Instant::now() + LEDGER) {
            return Ok(());
        }
        let now = strays(term).await?;
        if now.is_disjoint(&self.strays) {
            self.strays = now;
        } else {
            tracing::warn!(tasks = now.len(), "ledger and table differ: everything is compared anew");
            term.wakes.doubt();
            self.strays.clear();
        }
        // What differs is looked at again at once.
        self.ledger = Some(Instant::now() + if self.strays.is_empty() { LEDGER } else { Duration::ZERO });
        Ok(())
    }
}

/// Entries of a type that only its streams or only the table have.
async fn differing(term: &Term, key: &TypeKey) -> Result<BTreeSet<(Lane, EntryId)>, Error> {
    let before = term.in_flight.entries_of(key);
    let lying = term.context.queue.lying(key).await?;
    let lie: BTreeSet<_> = lying.into_iter().map(|(lane, stored)| (lane, stored.id)).collect();
    let after = term.in_flight.entries_of(key);
    let missing = before.intersection(&after).filter(|entry| !lie.contains(entry));
    let stale = lie.iter().filter(|entry| !before.contains(entry) && !after.contains(entry));
    Ok(missing.chain(stale).copied().collect())
}

/// Attempts of layers whose numbers differ that only the ledger or only the table has.
async fn strays(term: &Term) -> Result<BTreeSet<Stray>, Error> {
    let store = &term.context.store;
    let busy: BTreeMap<Uuid, u32> = store.busy_layers().await?.into_iter().collect();
    let flying = term.in_flight.layers();
    let mut found = BTreeSet::new();
    for layer in flying.iter().chain(busy.keys()).copied().collect::<BTreeSet<_>>() {
        if busy.get(&layer).copied().unwrap_or(0) as usize == term.in_flight.of_layer(layer) {
            continue;
        }
        let known: BTreeSet<Stray> = store.outstanding_of(layer).await?.iter().map(Outstanding::pair).collect();
        let table = term.in_flight.matching(|_, flight| flight.layer == layer);
        let table: BTreeSet<Stray> = table.into_iter().map(|(task, flight)| (task, flight.attempt)).collect();
        found.extend(known.symmetric_difference(&table));
    }
    Ok(found)
}
