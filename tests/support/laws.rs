//! The invariants of the ledger, as queries that must find nothing.

use sqlx::{PgPool, Row};

/// Each with the rows that break it.
const LAWS: &[(&str, &str)] = &[
    (
        "the counters of a layer are a recount of its tasks",
        "SELECT l.name FROM igor.layers l LEFT JOIN igor.tasks t ON t.layer_id = l.id AND t.created_at = l.created_at GROUP BY l.created_at, l.id
         HAVING (l.n_pending, l.n_queued, l.n_running, l.n_completed, l.n_errored, l.n_skipped, l.n_loaded)
             IS DISTINCT FROM (count(t.id) FILTER (WHERE t.status = 'PENDING'), count(t.id) FILTER (WHERE t.status = 'QUEUED'),
                               count(t.id) FILTER (WHERE t.status = 'RUNNING'), count(t.id) FILTER (WHERE t.status = 'COMPLETED'),
                               count(t.id) FILTER (WHERE t.status = 'ERRORED'), count(t.id) FILTER (WHERE t.status = 'SKIPPED'), count(t.id))",
    ),
    (
        "the paused tasks of a layer are counted",
        "SELECT l.name FROM igor.layers l LEFT JOIN igor.tasks t ON t.layer_id = l.id AND t.created_at = l.created_at GROUP BY l.created_at, l.id
         HAVING l.n_paused <> count(t.paused_at)",
    ),
    (
        "a task's version is 1 and its rows in the audit, whose last word is its status",
        "SELECT t.name FROM igor.tasks t LEFT JOIN igor.transitions a ON a.task_id = t.id AND a.created_at = t.created_at GROUP BY t.created_at, t.id
         HAVING t.version <> 1 + count(a.task_id)
             OR t.status <> coalesce((array_agg(a.\"to\" ORDER BY a.version DESC) FILTER (WHERE a.task_id IS NOT NULL))[1], 'PENDING')
             OR count(DISTINCT a.version) <> count(a.version)",
    ),
    (
        "a layer's version is 1 and its rows in the audit, whose last word is its status",
        "SELECT t.name FROM igor.layers t LEFT JOIN igor.transitions a ON a.task_id = t.id AND a.created_at = t.created_at GROUP BY t.created_at, t.id
         HAVING t.version <> 1 + count(a.task_id)
             OR t.status <> coalesce((array_agg(a.\"to\" ORDER BY a.version DESC) FILTER (WHERE a.task_id IS NOT NULL))[1], 'PENDING')",
    ),
    (
        "a job's version is 1 and its rows in the audit, whose last word is its status",
        "SELECT t.name FROM igor.jobs t LEFT JOIN igor.transitions a ON a.task_id = t.id AND a.created_at = t.created_at GROUP BY t.created_at, t.id
         HAVING t.version <> 1 + count(a.task_id)
             OR t.status <> coalesce((array_agg(a.\"to\" ORDER BY a.version DESC) FILTER (WHERE a.task_id IS NOT NULL))[1], 'PENDING')",
    ),
    (
        "each change in the audit begins where the one before ended",
        "SELECT task_id::text FROM (SELECT task_id, \"from\", lag(\"to\") OVER (PARTITION BY task_id ORDER BY version) AS before FROM igor.transitions) a
         WHERE \"from\" <> coalesce(before, 'PENDING')",
    ),
    (
        "the audit's times follow its order",
        "SELECT task_id::text FROM (SELECT task_id, at, lag(at) OVER (PARTITION BY task_id ORDER BY version) AS before FROM igor.transitions) a
         WHERE at < before",
    ),
    (
        "a layer is opened once a run",
        "SELECT l.name FROM igor.layers l LEFT JOIN igor.transitions a
            ON a.task_id = l.id AND a.created_at = l.created_at AND a.\"to\" = 'RUNNING' AND a.\"from\" <> 'RUNNING'
         GROUP BY l.created_at, l.id HAVING l.run <> count(a.task_id) OR count(DISTINCT a.run) <> count(a.run)",
    ),
    (
        "no layer begins while one of an earlier priority is unfinished",
        "SELECT l.name FROM igor.layers l
         JOIN igor.transitions o ON o.task_id = l.id AND o.\"to\" = 'RUNNING' AND o.run = 1 AND o.\"from\" <> 'RUNNING'
         JOIN igor.layers e ON e.job_id = l.job_id AND e.priority < l.priority
         JOIN igor.jobs j ON j.id = l.job_id
         CROSS JOIN LATERAL (SELECT a.\"to\" FROM igor.transitions a WHERE a.task_id = e.id AND a.at <= o.at ORDER BY a.version DESC LIMIT 1) s
         WHERE NOT (s.\"to\" IN ('COMPLETED', 'SKIPPED') OR s.\"to\" = 'ERRORED' AND j.on_failure = 'Continue')",
    ),
    (
        "no task is dispatched while its layer does not run",
        "SELECT t.name FROM igor.tasks t JOIN igor.transitions q ON q.task_id = t.id AND q.\"to\" = 'QUEUED'
         LEFT JOIN LATERAL (SELECT a.\"to\" FROM igor.transitions a WHERE a.task_id = t.layer_id AND a.at <= q.at ORDER BY a.version DESC LIMIT 1) s ON true
         WHERE s.\"to\" IS DISTINCT FROM 'RUNNING'",
    ),
    (
        "an attempt is handed out once, by a number that only rises",
        "SELECT t.name FROM igor.tasks t JOIN igor.transitions a ON a.task_id = t.id AND a.\"to\" = 'QUEUED' AND a.\"from\" <> 'QUEUED' GROUP BY t.created_at, t.id
         HAVING count(DISTINCT a.attempt) <> count(*) OR max(a.attempt) <> t.attempt
             OR array_agg(a.attempt ORDER BY a.version) <> array_agg(a.attempt ORDER BY a.attempt)",
    ),
    (
        "at most one end of an attempt counts",
        "SELECT task_id::text FROM igor.transitions WHERE attempt > 0 AND \"from\" IN ('QUEUED', 'RUNNING') AND \"to\" NOT IN ('QUEUED', 'RUNNING')
         GROUP BY task_id, attempt HAVING count(*) > 1",
    ),
    (
        "every pending task of an open layer is before the cursor or has its row in requeue",
        "SELECT t.name FROM igor.tasks t JOIN igor.layers l ON l.id = t.layer_id AND l.status = 'RUNNING'
         LEFT JOIN igor.layer_types o ON o.layer_id = t.layer_id AND o.type = t.type
         WHERE t.status = 'PENDING' AND t.paused_at IS NULL AND t.ordinal < coalesce(o.next_ordinal, 2147483647)
           AND NOT EXISTS (SELECT FROM igor.requeue r WHERE r.task_id = t.id)",
    ),
    (
        "the list of live jobs has those that have not ended, and those that somebody else has ended",
        "SELECT coalesce(j.name, v.name) FROM igor.jobs j FULL JOIN igor.live_jobs v ON v.job_id = j.id
         WHERE (j.finished_at IS NULL) IS DISTINCT FROM (v.job_id IS NOT NULL) AND v.dirty IS DISTINCT FROM true",
    ),
    (
        "only open layers have cursors",
        "SELECT o.type FROM igor.layer_types o JOIN igor.layers l ON l.id = o.layer_id WHERE l.status <> 'RUNNING'",
    ),
];

/// The laws that are broken, each with the first rows that break it.
pub(crate) async fn broken(pool: &PgPool) -> Vec<String> {
    let mut broken = Vec::new();
    // Without statistics of a ledger that was just filled, which nobody takes of partitioned tables by himself, Postgres may compare each
    // layer with each: that took three quarters of an hour where this takes a second.
    sqlx::query("ANALYZE igor.jobs, igor.layers, igor.tasks, igor.transitions").execute(pool).await.expect("analysed");
    for (law, breakers) in LAWS {
        let rows = sqlx::query(*breakers).fetch_all(pool).await.unwrap_or_else(|error| panic!("{law}: {error}"));
        let first: Vec<String> = rows.iter().take(5).map(|row| row.get(0)).collect();
        if !rows.is_empty() {
            broken.push(format!("broken by {} rows: {law}; {first:?}", rows.len()));
        }
    }
    broken
}
