//! Jobs, layers and tasks as plain rows, newest first: what `/api/v1` lists.
//!
//! Newest first is by id, whose first bits are the creation of its job; so a list that is about some ids looks only at the stretches
//! of ids that share their time. Every statement is static, and planned anew for the filters at hand.

mod find;
mod jobs;
mod layers;
mod paused;
mod tasks;

use std::collections::BTreeSet;

use uuid::Uuid;

use super::facts::{Filter, Order};
use super::looks::looks;
use super::time::Time;
use crate::core::id;

/// Milliseconds of the creations that a filter lets through: the first and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    lo: i64,
    hi: i64,
}

/// Before and after every job.
const EVER: Bounds = Bounds { lo: 0, hi: 0xFFFF_FFFF_FFFF };

impl Bounds {
    /// Those of the creation filters.
    fn of(filter: &Filter) -> Self {
        let lo = filter.created_after.map_or(EVER.lo, |second| second.saturating_add(1).saturating_mul(1000));
        let hi = filter.created_before.map_or(EVER.hi, |second| second.saturating_mul(1000).saturating_sub(1));
        Self { lo: lo.clamp(EVER.lo, EVER.hi), hi: hi.clamp(EVER.lo - 1, EVER.hi) }
    }

    /// The part of it that these ids lie in, if any are given.
    fn around(self, ids: &[Uuid]) -> Self {
        let times = || ids.iter().map(|id| id::created_ms(*id));
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return self };
        Self { lo: self.lo.max(first), hi: self.hi.min(last) }
    }
}

/// A stretch of ids, with the creation times in it. A statement is asked for one at a time: only with bounds that it knows does the
/// planner see that it may go by the index and stop, instead of sorting all that lies between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    first: Uuid,
    last: Uuid,
    lo: Time,
    hi: Time,
}

impl Stretch {
    /// Where the tasks of a filter lie, the newest first, as seen at some time.
    fn of_tasks(filter: &Filter, now: Time) -> Vec<Self> {
        let bounds = Bounds::of(filter);
        if !filter.tasks.is_empty() {
            return Self::over(bounds.around(&filter.tasks)).into_iter().collect();
        }
        if filter.jobs.is_empty() && filter.layers.is_empty() {
            let looks = looks(Time(bounds.lo), Time(bounds.hi), Order::Usual, now).into_iter();
            return looks.filter_map(|(lo, hi)| Self::over(Bounds { lo: lo.0, hi: hi.0 })).collect();
        }
        let of = if filter.jobs.is_empty() { &filter.layers } else { &filter.jobs };
        let times: BTreeSet<i64> = of.iter().map(|id| id::created_ms(*id)).filter(|time| (bounds.lo..=bounds.hi).contains(time)).collect();
        times.into_iter().rev().filter_map(|time| Self::over(Bounds { lo: time, hi: time })).collect()
    }

    fn over(Bounds { lo, hi }: Bounds) -> Option<Self> {
        (lo <= hi).then(|| Self { first: id::first_of(lo), last: id::last_of(hi), lo: Time(lo), hi: Time(hi) })
    }
}

/// The ids, or nothing when none is asked for.
fn wanted(ids: &[Uuid]) -> Option<&[Uuid]> {
    (!ids.is_empty()).then_some(ids)
}

/// The statuses as the schema spells them.
fn words(filter: &Filter) -> Option<Vec<String>> {
    filter.statuses.as_ref().map(|statuses| statuses.iter().map(ToString::to_string).collect())
}

/// From this moment on, and before that one.
fn updated(filter: &Filter) -> (Option<Time>, Option<Time>) {
    // Beyond it the calendar of Postgres ends.
    const LAST: i64 = 200_000_000_000;
    let time = |second: i64| Time(second.clamp(-LAST / 10, LAST).saturating_mul(1000));
    (filter.updated_after.map(|second| time(second.saturating_add(1))), filter.updated_before.map(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_by_ids_looks_only_where_they_are() {
        let (job, other) = (id::job(5_000, "u"), id::job(9_000, "v"));
        let at = |time| Stretch { first: id::first_of(time), last: id::last_of(time), lo: Time(time), hi: Time(time) };
        let of_tasks = |filter: &Filter| Stretch::of_tasks(filter, Time(10_000));
        let of_jobs = |before| Filter { jobs: vec![job, other, job], created_before: before, ..Filter::default() };
        assert_eq!(of_tasks(&of_jobs(None)), [at(9_000), at(5_000)]);
        assert_eq!(of_tasks(&of_jobs(Some(9))), [at(5_000)]);
        let task = id::task(5_000, "u", "l", "t");
        assert_eq!(of_tasks(&Filter { tasks: vec![task], jobs: vec![other], ..Filter::default() }), [at(5_000)]);
        assert_eq!(of_tasks(&Filter { tasks: vec![task], created_before: Some(3), ..Filter::default() }), []);
    }

    #[test]
    fn a_filter_of_everything_looks_at_the_last_days_first() {
        let day = 86_400_000;
        let stretches = |created_after, created_before| {
            let filter = Filter { created_before, created_after, ..Filter::default() };
            Stretch::of_tasks(&filter, Time(10 * day)).iter().map(|stretch| (stretch.lo.0, stretch.hi.0)).collect::<Vec<_>>()
        };
        assert_eq!(stretches(None, None), [(8 * day, EVER.hi), (0, 8 * day - 1)]);
        assert_eq!(stretches(Some(9 * day / 1000 - 1), None), [(9 * day, EVER.hi)]);
        assert_eq!(stretches(None, Some(day / 1000)), [(0, day - 1)]);
    }

    #[test]
    fn seconds_are_whole() {
        let filter = Filter { created_after: Some(5), created_before: Some(9), ..Filter::default() };
        assert_eq!(Bounds::of(&filter), Bounds { lo: 6_000, hi: 8_999 });
        let silly = Filter { created_after: Some(i64::MAX), created_before: Some(i64::MIN), ..Filter::default() };
        assert_eq!(Bounds::of(&silly), Bounds { lo: EVER.hi, hi: -1 });
    }
}
