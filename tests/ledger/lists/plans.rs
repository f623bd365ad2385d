//! How the database goes about the statements of lists: by the index of their order, in few days, without sorting.
//!
//! The statements are read from `.sqlx`, where the build keeps the text of each, so what is explained is what runs.

use serde_json::Value;
use sqlx::{Executor, PgConnection, Row};

use crate::world::{World, array, job_id, layer, object, plan};

/// Writes so many jobs into each of the last days, newest today, all but one in a hundred of namespace `film`.
pub(super) async fn many_jobs(world: &World, days: i32, each: i32) {
    let pool = &world.database.pool;
    sqlx::query("SELECT igor.make_day((statement_timestamp() AT TIME ZONE 'UTC')::date - n) FROM generate_series(0, $1) n")
        .bind(days)
        .execute(pool)
        .await
        .expect("days");
    sqlx::query(
        "INSERT INTO igor.jobs (created_at, id, uid, namespace, name, title, queue, lane, on_failure, backoff_initial, backoff_max, generation, origin)
         SELECT to_timestamp(ms / 1000.0), (lpad(to_hex(ms), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 5, 15))::uuid, 'u-' || h,
                CASE WHEN i % 100 = 0 THEN 'games' ELSE 'film' END, 'j-' || i, 'j', 'default', 1, 'Hold', 10, 60, 1, 'test'
         FROM generate_series(0, $1 - 1) d, generate_series(1, $2) i,
              LATERAL (SELECT md5(d || '/' || i) AS h, (extract(epoch FROM statement_timestamp()) * 1000)::int8 - d * 86400000::int8 - i AS ms) x",
    )
    .bind(days)
    .bind(each)
    .execute(pool)
    .await
    .expect("jobs");
    sqlx::query("ANALYZE igor.jobs").execute(pool).await.expect("statistics");
}

/// The statement of the build that holds all these words.
fn statement(words: &[&str]) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/.sqlx");
    let kept = std::fs::read_dir(folder).expect("the statements").map(|file| {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("a statement");
        let kept: Value = serde_json::from_str(&text).expect("json");
        kept["query"].as_str().expect("its text").to_owned()
    });
    let found: Vec<String> = kept.filter(|text| words.iter().all(|word| text.contains(word))).collect();
    assert_eq!(found.len(), 1, "{words:?}: {found:#?}");
    found[0].clone()
}

/// The nodes of the plan by which a statement is run, as a reader runs it: type, index or table, and the rows that each gave.
async fn plan_of(world: &World, statement: &str, arguments: &str) -> Vec<(String, String, f64)> {
    let mut connection = world.database.pool.acquire().await.expect("a connection");
    let connection: &mut PgConnection = &mut connection;
    for setting in ["SET plan_cache_mode = force_custom_plan", "SET jit = off", "SET enable_bitmapscan = off"] {
        connection.execute(setting).await.expect("a reader's setting");
    }
    connection.execute(sqlx::AssertSqlSafe(format!("PREPARE asked AS {statement}"))).await.expect("prepared");
    let explain = format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE asked({arguments})");
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(explain)).fetch_one(&mut *connection).await.expect("a plan");
    connection.execute("DEALLOCATE asked").await.expect("forgotten");
    let mut nodes = Vec::new();
    collect(&row.get::<Value, _>(0)[0]["Plan"], &mut nodes);
    nodes
}

fn collect(node: &Value, nodes: &mut Vec<(String, String, f64)>) {
    let text = |field: &str| node[field].as_str().unwrap_or_default().to_owned();
    let of = if node["Index Name"].is_null() { text("Relation Name") } else { text("Index Name") };
    let loops = node["Actual Loops"].as_f64().unwrap_or(0.0);
    if loops > 0.0 {
        nodes.push((text("Node Type"), of, node["Actual Rows"].as_f64().unwrap_or(0.0) * loops));
    }
    for below in node["Plans"].as_array().into_iter().flatten() {
        collect(below, nodes);
    }
}

/// The plan goes by these indexes alone, sorts nothing, and looks at no more rows than `most`.
fn goes_by(nodes: &[(String, String, f64)], indexes: &[&str], most: f64) {
    let bad: Vec<_> = nodes.iter().filter(|(kind, _, _)| kind == "Seq Scan" || kind == "Sort" || kind.starts_with("Bitmap")).collect();
    assert!(bad.is_empty(), "{bad:?} in {nodes:#?}");
    let scans: Vec<_> = nodes.iter().filter(|(kind, _, _)| kind.starts_with("Index")).collect();
    assert!(!scans.is_empty(), "{nodes:#?}");
    assert!(scans.iter().all(|(_, index, _)| indexes.iter().any(|known| index.ends_with(known))), "{scans:?}");
    let looked: f64 = scans.iter().map(|(_, _, rows)| rows).sum();
    assert!(looked <= most, "{looked} rows of {nodes:#?}");
}

/// Arguments of a page of jobs: namespaces, a name, place, limit.
fn jobs_asked(namespaces: &str, contains: &str, lo: &str, hi: &str, after: (&str, &str), limit: u32) -> String {
    let (id, at) = after;
    format!("{namespaces}, '{{}}', {contains}, NULL, NULL, NULL, NULL, NULL, {lo}, {hi}, {id}, 10000, {at}, {limit}")
}

#[tokio::test]
async fn pages_of_jobs_go_by_the_index_of_their_order_in_the_days_that_they_need() {
    let world = World::new().await;
    many_jobs(&world, 20, 1_500).await;
    let place: (String, String) =
        sqlx::query_as("SELECT id::text, created_at::text FROM igor.jobs ORDER BY created_at LIMIT 1 OFFSET 20000")
            .fetch_one(&world.database.pool)
            .await
            .expect("a job in the middle");
    let (id, at) = (format!("'{}'", place.0), format!("'{}'", place.1));
    let behind = (id.as_str(), at.as_str());
    for (way, bounds, sign) in [("DESC", ("'2000-01-01'", at.as_str()), "<"), ("ASC", (at.as_str(), "'9999-01-01'"), ">")] {
        let everywhere = statement(&["FROM igor.jobs j", "LIMIT $12\n               ) p", &format!("j.id) {sign} "), way]);
        let asked = jobs_asked("NULL", "NULL", bounds.0, bounds.1, behind, 101);
        goes_by(&plan_of(&world, &everywhere, &asked).await, &["_pkey"], 102.0);
        let asked = jobs_asked("NULL", "'%nothing%'", bounds.0, bounds.1, behind, 101);
        goes_by(&plan_of(&world, &everywhere, &asked).await, &["_pkey"], 10_001.0);
        let of_each = statement(&["FROM igor.jobs j", "n.namespace", &format!("j.id) {sign} "), way]);
        let asked = jobs_asked("'{games}'", "NULL", bounds.0, bounds.1, behind, 101);
        let nodes = plan_of(&world, &of_each, &asked).await;
        let below: Vec<_> = nodes.into_iter().filter(|(kind, _, _)| kind != "Sort").collect();
        goes_by(&below, &["_namespace_created_at_id_idx"], 102.0);
    }
}

#[tokio::test]
async fn pages_of_tasks_go_by_the_index_of_their_order_with_statistics_and_without() {
    let world = World::new().await;
    let mut layers = Vec::new();
    for (name, count) in [("small", 50), ("large", 30_000)] {
        let object = object(name);
        world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", count)])])).await;
        layers.push(world.store.layers(job_id(&object)).await.expect("layers")[0].clone());
    }
    for analyzed in [false, true] {
        if analyzed {
            sqlx::query("ANALYZE igor.tasks").execute(&world.database.pool).await.expect("statistics");
        }
        for (way, sign) in [("ASC", ">"), ("DESC", "<")] {
            let page = statement(&["FROM igor.tasks t", "row_number()", &format!("t.ordinal) {sign} "), way]);
            for (layer, ordinal) in layers.iter().zip([20, 15_000]) {
                let created = format!("to_timestamp({} / 1000.0)", igor::core::id::created_ms(layer.layer_id));
                let asked = |statuses: &str, limit: u32| {
                    format!("'{}', {created}, '{statuses}', NULL, NULL, NULL, NULL, 'render', {ordinal}, 10000, {limit}", layer.layer_id)
                };
                let by_layer = ["_layer_id_type_ordinal_idx"];
                goes_by(&plan_of(&world, &page, &asked("{}", 101)).await, &by_layer, 102.0);
                goes_by(&plan_of(&world, &page, &asked("{ERRORED}", 101)).await, &by_layer, 10_001.0);
            }
        }
    }
}

#[tokio::test]
async fn the_newest_tasks_and_bad_ends_go_by_an_index_and_stop_when_there_are_enough() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 30_000)])])).await;
    for sql in [
        "UPDATE igor.tasks SET status = CASE WHEN ordinal % 10 = 0 THEN 'ERRORED' ELSE 'COMPLETED' END::igor.status",
        r#"INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", attempt, version, actor)
           SELECT created_at, id, layer_id, 'QUEUED', status, 1, 2, 'test' FROM igor.tasks"#,
        "VACUUM (ANALYZE) igor.tasks, igor.transitions",
    ] {
        sqlx::query(sql).execute(&world.database.pool).await.expect("tasks that ended");
    }
    let ever = "'00000000-0000-7000-8000-000000000000', 'ffffffff-ffff-7fff-bfff-ffffffffffff', '2000-01-01', '9999-01-01'";
    let asked = |statuses: &str| format!("{ever}, NULL, NULL, NULL, {statuses}, false, NULL, NULL, NULL, 1000");
    // Ids alone, to where a page begins, and the rows from there on.
    for read in [r#"SELECT t.id AS "id!" FROM"#, "t.args_id"] {
        let newest = statement(&[read, "FROM igor.tasks t WHERE t.id BETWEEN $1", "ORDER BY t.id DESC"]);
        goes_by(&plan_of(&world, &newest, &asked("NULL")).await, &["_pkey"], 1_000.0);
        let ended_badly = statement(&[read, "SELECT DISTINCT task_id", "ORDER BY b.task_id DESC"]);
        goes_by(&plan_of(&world, &ended_badly, &asked("'{ERRORED}'")).await, &["_task_id_created_at_idx", "_pkey"], 2_001.0);
    }
}
