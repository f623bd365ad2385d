//! Jobs: newest or oldest first, of some namespaces or all, and single ones by name or uid.

use uuid::Uuid;

use super::super::connect::{Act, Reading, Store, within_reading};
use super::super::error::Error;
use super::super::facts::{JobFilter, JobRow, Order, Page};
use super::super::looks::{FOR_EVER, looks};
use super::super::rows::{count, lane, read_status};
use super::super::time::{Days, Time};
use super::{Looked, SCAN, anywhere, cut};
use crate::core::job::{Counters, OnFailure};

const ACT: &str = "list jobs";

/// Up to so many namespaces are each read by their index; of more, the jobs of all are looked through.
const NAMESPACES: usize = 16;

/// The page's statement over all namespaces: the comparison with the place, and the direction.
macro_rules! everywhere {
    ($store:expr, $asked:expr, $behind:literal, $way:literal) => {
        sqlx::query_as!(
            Row,
            r#"SELECT p.id AS "id!", p.fits AS "fits!", p.place = $12 AS "last!" FROM (
                   SELECT j.id, j.created_at, row_number() OVER (ORDER BY j.created_at "# + $way + ", j.id " + $way + r#") AS place,
                          ($1::text[] IS NULL OR j.namespace = ANY($1)) AND ($2::text[] = '{}' OR j.status = ANY($2::text[]::igor.status[]))
                          AND ($3::text IS NULL OR j.name ILIKE $3 OR j.title ILIKE $3) AND ($4::text IS NULL OR j.reason = $4)
                          AND ($5::text IS NULL OR j.queue = $5) AND ($6::bool IS NULL OR (j.paused_at IS NOT NULL) = $6)
                          AND ($7::bool IS NULL OR (j.finished_at IS NOT NULL) = $7)
                          AND ($8::bool IS NULL OR (j.deleted_at IS NOT NULL) = $8) AS fits
                   FROM igor.jobs j
                   WHERE j.created_at BETWEEN $9 AND $10 AND ($11::uuid IS NULL OR (j.created_at, j.id) "# + $behind + r#" ($13::timestamptz, $11))
                   ORDER BY j.created_at "# + $way + ", j.id " + $way + r#" LIMIT $12
               ) p WHERE p.fits OR p.place = $12 ORDER BY p.created_at "# + $way + ", p.id " + $way + " LIMIT $14",
            $asked.namespaces as _, &$asked.statuses as _, $asked.contains as _, $asked.reason as _, $asked.queue as _, $asked.paused as _,
            $asked.finished as _, $asked.deleted as _, $asked.lo as _, $asked.hi as _, $asked.after as _, $asked.scan, $asked.at as _, $asked.limit
        )
        .fetch_all($store)
        .await
    };
}

/// The same, of each namespace by its index.
macro_rules! of_each {
    ($store:expr, $asked:expr, $behind:literal, $way:literal) => {
        sqlx::query_as!(
            Row,
            r#"SELECT p.id AS "id!", p.fits AS "fits!", p.place = $12 AS "last!"
               FROM unnest($1::text[]) AS n(namespace) CROSS JOIN LATERAL (SELECT * FROM (
                   SELECT j.id, j.created_at, row_number() OVER (ORDER BY j.created_at "#
                + $way
                + ", j.id "
                + $way
                + r#") AS place,
                          ($2::text[] = '{}' OR j.status = ANY($2::text[]::igor.status[]))
                          AND ($3::text IS NULL OR j.name ILIKE $3 OR j.title ILIKE $3) AND ($4::text IS NULL OR j.reason = $4)
                          AND ($5::text IS NULL OR j.queue = $5) AND ($6::bool IS NULL OR (j.paused_at IS NOT NULL) = $6)
                          AND ($7::bool IS NULL OR (j.finished_at IS NOT NULL) = $7)
                          AND ($8::bool IS NULL OR (j.deleted_at IS NOT NULL) = $8) AS fits
                   FROM igor.jobs j
                   WHERE j.namespace = n.namespace AND j.created_at BETWEEN $9 AND $10
                     AND ($11::uuid IS NULL OR (j.created_at, j.id) "#
                + $behind
                + r#" ($13::timestamptz, $11))
                   ORDER BY j.created_at "#
                + $way
                + ", j.id "
                + $way
                + r#" LIMIT $12
               ) s WHERE s.fits OR s.place = $12 ORDER BY s.created_at "#
                + $way
                + ", s.id "
                + $way
                + r#" LIMIT $14) p
               ORDER BY p.created_at "#
                + $way
                + ", p.id "
                + $way
                + " LIMIT $14",
            $asked.namespaces as _,
            &$asked.statuses as _,
            $asked.contains as _,
            $asked.reason as _,
            $asked.queue as _,
            $asked.paused as _,
            $asked.finished as _,
            $asked.deleted as _,
            $asked.lo as _,
            $asked.hi as _,
            $asked.after as _,
            $asked.scan,
            $asked.at as _,
            $asked.limit
        )
        .fetch_all($store)
        .await
    };
}

struct Row {
    id: Uuid,
    fits: bool,
    last: bool,
}

/// What a page's statement is asked.
struct Asked {
    namespaces: Option<Vec<String>>,
    statuses: Vec<String>,
    contains: Option<String>,
    reason: Option<String>,
    queue: Option<String>,
    paused: Option<bool>,
    finished: Option<bool>,
    deleted: Option<bool>,
    lo: Time,
    hi: Time,
    after: Option<Uuid>,
    at: Option<Time>,
    scan: i64,
    limit: i64,
}

impl Asked {
    /// `created_at` is bounded by the filter and by the place behind which the page begins.
    fn of(filter: &JobFilter, order: Order, after: Option<Uuid>) -> Self {
        let at = after.map(Time::of);
        let (mut lo, mut hi) = (Time(filter.from_ms.unwrap_or(0)), Time(filter.to_ms.unwrap_or(FOR_EVER)));
        match (order, at) {
            (Order::Usual, Some(at)) => hi = hi.min(at),
            (Order::Reversed, Some(at)) => lo = lo.max(at),
            (_, None) => {}
        }
        let apart = filter.namespaces.as_ref().filter(|namespaces| namespaces.len() <= NAMESPACES).map_or(1, Vec::len);
        Self {
            namespaces: filter.namespaces.clone(),
            statuses: filter.statuses.iter().map(ToString::to_string).collect(),
            contains: filter.contains.as_deref().map(anywhere),
            reason: filter.reason.clone(),
            queue: filter.queue.clone(),
            paused: filter.paused,
            finished: filter.finished,
            deleted: filter.deleted,
            lo,
            hi,
            after,
            at,
            scan: (SCAN / i64::try_from(apart.max(1)).unwrap_or(1)).max(1),
            limit: 0,
        }
    }
}

impl Store {
    /// Jobs by creation, at most `limit`, behind the job `after`.
    pub async fn jobs(&self, filter: &JobFilter, order: Order, after: Option<Uuid>, limit: u32) -> Result<Page<JobRow, Uuid>, Error> {
        let limit = limit as usize;
        let mut asked = Asked::of(filter, order, after);
        let mut looks = looks(asked.lo, asked.hi, order, Time::now()).into_iter().peekable();
        within_reading(ACT, async {
            let (mut ids, mut next) = (Vec::new(), None);
            let mut reading = self.reading(ACT).await?;
            while let Some((lo, hi)) = looks.next() {
                (asked.lo, asked.hi) = (lo, hi);
                let (found, more) = look(&mut reading, &mut asked, order, limit - ids.len()).await?;
                ids.extend(found);
                next = more.or_else(|| ids.last().copied().filter(|_| ids.len() == limit && looks.peek().is_some()));
                if next.is_some() {
                    break;
                }
            }
            let items = read_jobs(&mut reading, &ids).await?;
            reading.done();
            Ok(Page { items, next })
        })
        .await
    }

    /// The job of an object, by its uid; deleted ones too.
    pub async fn job_of_uid(&self, uid: &str) -> Result<Option<Uuid>, Error> {
        // The only question without a day: the index of each is asked.
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let found = sqlx::query_scalar!("SELECT id FROM igor.jobs WHERE uid = $1 ORDER BY created_at DESC LIMIT 1", uid)
                .fetch_optional(&mut *reading)
                .await
                .act(ACT)?;
            reading.done();
            Ok(found)
        })
        .await
    }

    /// One job by its id.
    pub async fn job(&self, job_id: Uuid) -> Result<Option<JobRow>, Error> {
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let found = read_jobs(&mut reading, &[job_id]).await?.pop();
            reading.done();
            Ok(found)
        })
        .await
    }
}

/// The ids of what one statement finds, and behind what the next begins.
async fn look(reading: &mut Reading, asked: &mut Asked, order: Order, limit: usize) -> Result<(Vec<Uuid>, Option<Uuid>), Error> {
    asked.limit = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let few = asked.namespaces.as_ref().is_some_and(|namespaces| namespaces.len() <= NAMESPACES);
    let rows = match (few, order) {
        (true, Order::Usual) => of_each!(&mut **reading, asked, "<", "DESC"),
        (true, Order::Reversed) => of_each!(&mut **reading, asked, ">", "ASC"),
        (false, Order::Usual) => everywhere!(&mut **reading, asked, "<", "DESC"),
        (false, Order::Reversed) => everywhere!(&mut **reading, asked, ">", "ASC"),
    };
    let looked = rows.act(ACT)?.into_iter().map(|row| Looked { place: row.id, fits: row.fits, last: row.last });
    Ok(cut(looked, limit))
}

/// These jobs, in this order.
async fn read_jobs(reading: &mut Reading, ids: &[Uuid]) -> Result<Vec<JobRow>, Error> {
    let days = Days::of(ids);
    let rows = sqlx::query!(
            r#"SELECT j.id, j.uid, j.namespace, j.name, j.title, j.status::text AS "status!", j.reason, j.version, j.paused_by, j.gate,
                      j.paused_at IS NOT NULL AS "paused!", j.started_at AS "started: Time", j.finished_at AS "finished: Time",
                      j.deleted_at AS "deleted: Time", j.expired_at AS "expired: Time", j.updated_at AS "updated: Time",
                      j.loaded_at IS NOT NULL AS "loaded!", j.queue, j.lane, j.max_in_flight, j.on_failure, j.deadline_s, j.origin,
                      l.layers AS "layers!", l.expected AS "expected!", l.pending AS "pending!", l.queued AS "queued!", l.running AS "running!",
                      l.completed AS "completed!", l.errored AS "errored!", l.skipped AS "skipped!", l.retried AS "retried!"
               FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS r(id, created_at, place)
               JOIN igor.jobs j ON j.id = r.id AND j.created_at = r.created_at AND j.created_at BETWEEN $3 AND $4
               CROSS JOIN LATERAL (
                   SELECT count(*)::int4 AS layers, coalesce(sum(n_expected), 0)::int4 AS expected, coalesce(sum(n_pending), 0)::int4 AS pending,
                          coalesce(sum(n_queued), 0)::int4 AS queued, coalesce(sum(n_running), 0)::int4 AS running,
                          coalesce(sum(n_completed), 0)::int4 AS completed, coalesce(sum(n_errored), 0)::int4 AS errored,
                          coalesce(sum(n_skipped), 0)::int4 AS skipped, coalesce(sum(n_retried), 0)::int4 AS retried
                   FROM igor.layers y WHERE y.job_id = j.id AND y.created_at = j.created_at AND y.created_at BETWEEN $3 AND $4
               ) l ORDER BY r.place"#,
            ids,
            days.each as _,
            days.lo as _,
            days.hi as _
        )
        .fetch_all(&mut **reading)
        .await
        .act(ACT)?;
    rows.into_iter()
        .map(|row| {
            Ok(JobRow {
                status: read_status("jobs", row.id, &row.status)?,
                job_id: row.id,
                uid: row.uid,
                namespace: row.namespace,
                name: row.name,
                title: row.title,
                reason: row.reason,
                version: row.version,
                paused_by: row.paused.then(|| row.paused_by.unwrap_or_default()),
                command: row.gate,
                created_ms: Time::of(row.id).0,
                started_ms: row.started.map(|at| at.0),
                finished_ms: row.finished.map(|at| at.0),
                deleted_ms: row.deleted.map(|at| at.0),
                expired_ms: row.expired.map(|at| at.0),
                updated_ms: row.updated.0,
                accepted: row.loaded,
                queue: row.queue,
                lane: lane(row.lane),
                max_in_flight: row.max_in_flight.map(count),
                on_failure: if row.on_failure == "Continue" { OnFailure::Continue } else { OnFailure::Hold },
                deadline_seconds: row.deadline_s.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
                origin: row.origin,
                layers: count(row.layers),
                expected: count(row.expected),
                tasks: Counters {
                    pending: count(row.pending),
                    queued: count(row.queued),
                    running: count(row.running),
                    completed: count(row.completed),
                    errored: count(row.errored),
                    skipped: count(row.skipped),
                    retried: count(row.retried),
                },
            })
        })
        .collect()
}
