//! What people and programs read, over ten million tasks of thirty days: eight readers at once, each read by the ledger's own statements.

mod fill;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use igor::core::status::Status;
use igor::store::{Filter, JobFilter, Order, Settings, Store, TaskFilter, TaskPlace};
use sqlx::PgPool;
use uuid::Uuid;

/// How many ask at once.
const READERS: usize = 8;
/// Rows of a page.
const PAGE: u32 = 100;

/// How long one kind of read took, in milliseconds.
pub(crate) struct Read {
    pub(crate) what: &'static str,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) most: f64,
    /// Rows that came back on average: a read of nothing is quick.
    pub(crate) rows: f64,
}

/// Fills the empty ledger at `url` with so many tasks.
pub(crate) async fn fill(url: &str, tasks: u32) {
    let pool = PgPool::connect(url).await.expect("the ledger");
    fill::fill(&pool, tasks).await;
    pool.close().await;
}

/// Measures each read, `requests` of every reader.
pub(crate) async fn run(url: &str, requests: usize) -> Vec<Read> {
    let connections = u32::try_from(READERS).expect("a few");
    let store = Store::connect_to_read(&Settings { connections, ..Settings::new(url) }).await.expect("the ledger");
    let sample = Arc::new(Sample::take(url).await);
    let mut reads = Vec::new();
    for (what, ask) in ASKED {
        reads.push(measure(what, *ask, &store, &sample, requests).await);
    }
    store.close().await;
    reads
}

async fn measure(what: &'static str, ask: Ask, store: &Store, sample: &Arc<Sample>, requests: usize) -> Read {
    // Caches, statistics of the connections and their plans are warm in a service that people use.
    ask(store.clone(), sample.clone(), 0).await;
    let readers = (0..READERS).map(|reader| {
        let (store, sample) = (store.clone(), sample.clone());
        tokio::spawn(async move {
            let mut took = Vec::with_capacity(requests);
            for request in 0..requests {
                let began = Instant::now();
                let rows = ask(store.clone(), sample.clone(), reader * requests + request).await;
                took.push((began.elapsed(), rows));
            }
            took
        })
    });
    let took = join_all(readers).await.into_iter().flat_map(|took| took.expect("a reader"));
    let (mut times, rows): (Vec<Duration>, Vec<usize>) = took.unzip();
    times.sort_unstable();
    let part = |hundredths: usize| times[(times.len() - 1) * hundredths / 100].as_secs_f64() * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "an average")]
    let rows = rows.iter().sum::<usize>() as f64 / rows.len() as f64;
    Read { what, p50: part(50), p99: part(99), most: part(100), rows }
}

/// Asks for the so-many-th thing of the sample; how many rows came.
type Ask = fn(Store, Arc<Sample>, usize) -> BoxFuture<'static, usize>;

const ASKED: &[(&str, Ask)] = &[
    ("the newest jobs", |store, _, _| Box::pin(async move { jobs(&store, &JobFilter::default(), None).await })),
    ("the newest jobs of a namespace", |store, sample, nth| {
        let filter = JobFilter { namespaces: Some(vec![of(&sample.namespaces, nth)]), ..JobFilter::default() };
        Box::pin(async move { jobs(&store, &filter, None).await })
    }),
    ("jobs, a page anywhere in the list", |store, sample, nth| {
        Box::pin(async move { jobs(&store, &JobFilter::default(), Some(of(&sample.jobs, nth))).await })
    }),
    ("jobs that errored today", |store, sample, _| {
        let filter = JobFilter { statuses: vec![Status::Errored], from_ms: Some(sample.midnight_ms), ..JobFilter::default() };
        Box::pin(async move { jobs(&store, &filter, None).await })
    }),
    ("a job by its id, with its layers", |store, sample, nth| {
        Box::pin(async move {
            let id = of(&sample.jobs, nth);
            let job = store.job(id).await.expect("a job").expect("it is there");
            usize::from(job.job_id == id) + store.layers(id).await.expect("its layers").len()
        })
    }),
    ("tasks of a job, a page anywhere in a layer", |store, sample, nth| {
        Box::pin(async move {
            let (_, layer, place) = of(&sample.tasks, nth);
            tasks(&store, layer, &TaskFilter::default(), Some(&place)).await
        })
    }),
    ("errored tasks of a layer that has some", |store, sample, nth| {
        let filter = TaskFilter { statuses: vec![Status::Errored], ..TaskFilter::default() };
        Box::pin(async move { tasks(&store, of(&sample.failed, nth), &filter, None).await })
    }),
    ("/api/v1 jobs", |store, _, _| {
        let filter = Filter { limit: PAGE, ..Filter::default() };
        Box::pin(async move { store.plain_jobs(&filter).await.expect("jobs").len() })
    }),
    ("/api/v1 tasks, a thousand", |store, _, _| {
        Box::pin(async move { plain_tasks(&store, Filter { limit: 1_000, ..Filter::default() }).await })
    }),
    ("/api/v1 tasks of a job", |store, sample, nth| {
        let filter = Filter { jobs: vec![of(&sample.jobs_by_tasks, nth)], limit: PAGE, ..Filter::default() };
        Box::pin(async move { plain_tasks(&store, filter).await })
    }),
    ("/api/v1 tasks that errored today", |store, sample, _| {
        let created_after = Some(sample.midnight_ms / 1000 - 1);
        let filter = Filter { statuses: Some(vec![Status::Errored]), created_after, limit: PAGE, ..Filter::default() };
        Box::pin(async move { plain_tasks(&store, filter).await })
    }),
    ("/api/v1 a task by its id", |store, sample, nth| {
        let filter = Filter { tasks: vec![of(&sample.tasks, nth).0], limit: PAGE, ..Filter::default() };
        Box::pin(async move { plain_tasks(&store, filter).await })
    }),
    ("a task by its id", |store, sample, nth| {
        Box::pin(async move {
            let (id, layer, _) = of(&sample.tasks, nth);
            store.tasks_by_id(layer, &[id]).await.expect("a task").len()
        })
    }),
];

fn of<Item: Clone>(items: &[Item], nth: usize) -> Item {
    items[nth % items.len()].clone()
}

async fn jobs(store: &Store, filter: &JobFilter, after: Option<Uuid>) -> usize {
    store.jobs(filter, Order::Usual, after, PAGE).await.expect("jobs").items.len()
}

async fn tasks(store: &Store, layer: Uuid, filter: &TaskFilter, after: Option<&TaskPlace>) -> usize {
    store.tasks(layer, filter, Order::Usual, after, PAGE).await.expect("tasks").items.len()
}

async fn plain_tasks(store: &Store, filter: Filter) -> usize {
    store.plain_tasks(&filter).await.expect("tasks").len()
}

/// What is asked for: taken from the whole ledger by chance, so jobs of many tasks are met as often as they have tasks.
struct Sample {
    midnight_ms: i64,
    namespaces: Vec<String>,
    jobs: Vec<Uuid>,
    jobs_by_tasks: Vec<Uuid>,
    tasks: Vec<(Uuid, Uuid, TaskPlace)>,
    failed: Vec<Uuid>,
}

impl Sample {
    async fn take(url: &str) -> Self {
        let pool = PgPool::connect(url).await.expect("the ledger");
        let midnight_ms = sqlx::query_scalar("SELECT (extract(epoch FROM date_trunc('day', statement_timestamp(), 'UTC')) * 1000)::int8");
        let tasks: Vec<(Uuid, Uuid, String, i32)> = sqlx::query_as(
            "SELECT id, layer_id, type, ordinal FROM (SELECT * FROM igor.tasks TABLESAMPLE SYSTEM (1) REPEATABLE (7)) t ORDER BY md5(id::text) LIMIT 5000",
        )
        .fetch_all(&pool)
        .await
        .expect("some tasks");
        let sample = Self {
            midnight_ms: midnight_ms.fetch_one(&pool).await.expect("midnight"),
            namespaces: some(&pool, "SELECT DISTINCT namespace FROM igor.jobs").await,
            jobs: some(&pool, "SELECT id FROM igor.jobs ORDER BY md5(id::text) LIMIT 5000").await,
            jobs_by_tasks: some(
                &pool,
                "SELECT job_id FROM (SELECT * FROM igor.tasks TABLESAMPLE SYSTEM (1)) t ORDER BY md5(id::text) LIMIT 5000",
            )
            .await,
            tasks: tasks.into_iter().map(|(id, layer, kind, ordinal)| (id, layer, TaskPlace { kind, ordinal })).collect(),
            failed: some(&pool, "SELECT id FROM igor.layers WHERE n_errored > 0 ORDER BY md5(id::text) LIMIT 5000").await,
        };
        pool.close().await;
        sample
    }
}

async fn some<Item>(pool: &PgPool, sql: &'static str) -> Vec<Item>
where
    Item: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let found: Vec<Item> = sqlx::query_scalar(sql).fetch_all(pool).await.expect("a sample");
    assert!(!found.is_empty(), "nothing: {sql}");
    found
}
