//! How the room in the windows is shared out, in memory: the ledger checks the limits again.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::Open;
use crate::operator::term::Term;
use crate::queue::{self, TypeKey};
use crate::store::Want;

/// Most tasks in one transaction.
const CHUNK: usize = 1000;
/// What a layer gets when it is its turn, however many share the room: a transaction pays for each layer that it touches.
const QUANTUM: usize = 50;

/// The room that is left while it is shared out.
pub(super) struct Shares<'a> {
    term: &'a Term,
    /// By type: the room, and how many layers still want some.
    types: HashMap<Arc<TypeKey>, (usize, usize)>,
    jobs: HashMap<Uuid, usize>,
    layers: HashMap<Uuid, usize>,
    /// Of one transaction, and of what may be out of all types.
    chunk: usize,
}

impl<'a> Shares<'a> {
    pub(super) fn new(term: &'a Term, hungry: impl Iterator<Item = &'a Open>) -> Self {
        let mut types: HashMap<Arc<TypeKey>, (usize, usize)> = HashMap::new();
        for open in hungry {
            let room = || (room(term, &open.key), 0);
            types.entry(open.key.clone()).or_insert_with(room).1 += 1;
        }
        let chunk = queue::WINDOWS_MAX.saturating_sub(term.in_flight.len()).min(CHUNK);
        Self { term, types, jobs: HashMap::new(), layers: HashMap::new(), chunk }
    }

    pub(super) fn take(&mut self, open: &Open, now_ms: i64) -> Option<Want> {
        let view = &open.view;
        let (room, sharers) = self.types.get_mut(&open.key)?;
        let fair = room.div_ceil(*sharers).max(QUANTUM).min(*room).min(open.left(now_ms));
        *sharers -= 1;
        let job = self.jobs.entry(view.job_id).or_insert_with(|| left(view.job_limit, self.term.in_flight.of_job(view.job_id)));
        let layer = self.layers.entry(view.layer_id).or_insert_with(|| left(view.layer_limit, self.term.in_flight.of_layer(view.layer_id)));
        let share = fair.min(*job).min(*layer).min(self.chunk);
        if share == 0 {
            return None;
        }
        *room -= share;
        (*job, *layer) = (*job - share, *layer - share);
        self.chunk -= share;
        let room = u32::try_from(share).unwrap_or(u32::MAX);
        Some(Want { layer_id: view.layer_id, job_id: view.job_id, kind: view.kind.clone(), room })
    }
}

/// How many more tasks of a type may be out.
fn room(term: &Term, key: &TypeKey) -> usize {
    let out = term.in_flight.of_type(key);
    if out.bytes >= queue::WINDOW_BYTES { 0 } else { term.types.window(key).saturating_sub(out.tasks) }
}

fn left(limit: Option<u32>, in_flight: usize) -> usize {
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(in_flight))
}
