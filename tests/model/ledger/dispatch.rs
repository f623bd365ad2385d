//! `store/dispatch.rs` and `sql/dispatch.sql`.

use igor::core::status::{DISPATCH, Status};

use super::{Change, Ledger, Trouble};
use crate::rules::{Rules, Safeguard};

impl Ledger {
    /// Whether a dispatch with room would find a task.
    pub(crate) fn has_work(&self, rules: &Rules, kind: usize) -> bool {
        (0..rules.layers.len()).any(|layer| self.grant(rules, layer, 1) > 0 && !self.pick(rules, layer, kind, 1).0.is_empty())
    }

    /// `Store::dispatch`: for each open layer first what is due out of order, then what stands at the cursor. Gives the attempts that
    /// are now queued.
    pub(crate) fn dispatch(&mut self, rules: &Rules, epoch: u32, rooms: &[usize]) -> Result<Vec<(usize, u32)>, Trouble> {
        self.begin(rules, epoch)?;
        let mut queued = Vec::new();
        for (kind, room) in rooms.iter().enumerate() {
            let mut room = *room;
            for layer in 0..rules.layers.len() {
                let room_here = self.grant(rules, layer, room);
                if room_here > 0 {
                    let (picked, cursor) = self.pick(rules, layer, kind, room_here);
                    self.layers[layer].cursors[kind] = cursor;
                    room -= picked.len();
                    queued.extend(picked.into_iter().filter_map(|task| self.queue(rules, task)));
                }
            }
        }
        if rules.has(Safeguard::Outbox) {
            self.outbox.extend(queued.iter().map(|(task, attempt)| Change::Enqueue(*task, *attempt)));
        }
        Ok(queued)
    }

    /// How much of `room` a layer may have under the limits.
    fn grant(&self, rules: &Rules, layer: usize, room: usize) -> usize {
        let (rule, row) = (&rules.layers[layer], &self.layers[layer]);
        let job = &self.jobs[rule.job];
        if row.status != Status::Running || row.paused || job.paused || job.finished || job.gate.is_some() && rules.has(Safeguard::Gate) {
            return 0;
        }
        let left =
            |limit: Option<u32>, used: u32| limit.map_or(usize::MAX, |limit| usize::try_from(limit.saturating_sub(used)).unwrap_or(0));
        let of_job = rules.jobs[rule.job].layers.clone().map(|layer| self.layers[layer].tally.in_flight()).sum();
        room.min(left(rule.max_in_flight, row.tally.in_flight())).min(left(rules.jobs[rule.job].max_in_flight, of_job))
    }

    /// The tasks that a dispatch of one layer and kind takes, and where its cursor stands then.
    fn pick(&self, rules: &Rules, layer: usize, kind: usize, room: usize) -> (Vec<usize>, Option<usize>) {
        let Some(next) = self.layers[layer].cursors[kind] else { return (Vec::new(), None) };
        let tasks = &rules.layers[layer].tasks;
        let of_kind = |task: &usize| rules.tasks[*task].kind == kind;
        let mut due: Vec<usize> =
            tasks.clone().filter(of_kind).filter(|task| self.tasks[*task].due_ms.is_some_and(|due| due <= self.now_ms)).collect();
        due.sort_by_key(|task| self.tasks[*task].due_ms);
        due.truncate(room);
        let more = room - due.len();
        let stands =
            |task: &usize| self.tasks[*task].status == Status::Pending && self.tasks[*task].due_ms.is_none() && !self.is_held(rules, *task);
        let fresh: Vec<usize> = tasks.clone().skip(next).filter(of_kind).filter(stands).take(more).collect();
        let end = || tasks.clone().rposition(|task| of_kind(&task)).map_or(0, |last| last + 1);
        let cursor = match fresh.last() {
            _ if more == 0 => next,
            Some(last) if fresh.len() == more => last - tasks.start + 1,
            _ => end(),
        };
        due.extend(fresh);
        (due, Some(cursor))
    }

    /// Whether a task is paused one by one.
    fn is_held(&self, rules: &Rules, task: usize) -> bool {
        self.tasks[task].paused && rules.has(Safeguard::TaskPause)
    }

    /// A picked task leaves `requeue`, and is queued if it is pending.
    fn queue(&mut self, rules: &Rules, task: usize) -> Option<(usize, u32)> {
        self.tasks[task].due_ms = None;
        if self.is_held(rules, task) {
            return None;
        }
        self.move_task(rules, task, Status::Queued, DISPATCH).then(|| {
            self.tasks[task].attempt += 1;
            (task, self.tasks[task].attempt)
        })
    }
}
