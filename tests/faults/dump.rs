//! The end of a run: waits until nothing moves, and writes down what the stores hold.

use std::path::Path;
use std::time::Duration;

use kube::ResourceExt;
use serde_json::{Value, json};

use crate::world::World;

const TABLES: [&str; 9] = ["jobs", "layers", "tasks", "transitions", "live_jobs", "layer_types", "requeue", "outbox", "commands"];

/// How long apart the two dumps are that must be the same.
const QUIET: Duration = Duration::from_secs(3);

/// Unfinished jobs that are neither held nor paused, work on its way, and audit rows: when it is still, nothing moves any more.
const BUSY: &str = "SELECT (SELECT count(*) FROM igor.jobs WHERE finished_at IS NULL AND status <> 'ERRORED' AND paused_at IS NULL)
    + (SELECT count(*) FROM igor.jobs WHERE gate IS NOT NULL) + (SELECT count(*) FROM igor.outbox)";

impl World {
    /// Waits until every job has ended or waits for a person, at most `limit`, then dumps everything twice. Whether it came to rest.
    pub(crate) async fn come_to_rest(&self, limit: Duration) -> bool {
        let rest = async {
            // A command may be on its way that no store shows yet: two looks must see the same audit.
            let mut audit = None;
            loop {
                let calm = self.ledger.count(BUSY).await == Ok(0) && self.shown().await;
                let now = self.ledger.count("SELECT count(*) FROM igor.transitions").await.ok().filter(|_| calm);
                if now.is_some() && now == audit {
                    return;
                }
                audit = now;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        let rested = tokio::time::timeout(limit, rest).await.is_ok();
        self.history.note("rest", json!({"rested": rested}));
        self.dump(&self.folder.join("dump-1")).await;
        tokio::time::sleep(QUIET).await;
        self.dump(&self.folder.join("dump-2")).await;
        rested
    }

    /// Whether every object says what the ledger says of its job's end.
    async fn shown(&self) -> bool {
        let Ok(objects) = self.jobs().list(&Default::default()).await else { return false };
        let Ok(rows) = self.ledger.rows("igor.v_jobs").await else { return false };
        objects.iter().all(|object| {
            let row = rows.iter().find(|row| row["uid"] == json!(object.uid()));
            let asked = object.annotations().keys().any(|key| key == "igor/kill" || key == "igor/retry");
            let phase = object.data["status"]["phase"].as_str().unwrap_or_default();
            !asked
                && row.is_some_and(|row| match row["status"].as_str().unwrap_or_default() {
                    "COMPLETED" => phase == "Completed",
                    "ERRORED" => phase == "Errored",
                    _ => phase != "Completed" && phase != "Errored",
                })
        })
    }

    async fn dump(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder for the dump");
        for table in TABLES {
            self.write_rows(folder, table, self.ledger.rows(&format!("igor.{table}")).await);
        }
        self.write_rows(folder, "writes", self.ledger.rows("watch.writes").await);
        for (kind, plural) in [("IgorJob", "igorjobs"), ("IgorLayer", "igorlayers")] {
            let objects = self.objects(kind, plural).list(&Default::default()).await.map(|list| list.items);
            let objects = objects.map(|items| items.into_iter().map(|item| serde_json::to_value(item).expect("json")).collect());
            self.write_rows(folder, plural, objects.map_err(|error| error.to_string()));
        }
        let redis = self.redis_leftovers().await;
        self.write_rows(folder, "redis", redis);
    }

    fn write_rows(&self, folder: &Path, name: &str, rows: Result<Vec<Value>, String>) {
        let rows = rows.unwrap_or_else(|error| {
            self.history.note("undumped", json!({"table": name, "error": error}));
            Vec::new()
        });
        let lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
        std::fs::write(folder.join(format!("{name}.jsonl")), lines.join("\n")).expect("a dump");
    }

    /// The streams: how much lies in each, how much of it is held, and the last id it ever gave.
    async fn redis_leftovers(&self) -> Result<Vec<Value>, String> {
        let redis = self.redis.lock().await;
        let keys: Vec<String> = redis.ask(redis::cmd("KEYS").arg(format!("{}:{{*", self.cluster.namespace))).await?;
        let mut leftovers = Vec::new();
        for key in keys {
            let kind: String = redis.ask(redis::cmd("TYPE").arg(&key)).await?;
            if kind != "stream" {
                continue;
            }
            let info: redis::streams::StreamInfoStreamReply = redis.ask(redis::cmd("XINFO").arg("STREAM").arg(&key)).await?;
            leftovers.push(json!({"key": key, "length": info.length, "last": info.last_generated_id}));
        }
        leftovers.sort_by_key(|row| row["key"].to_string());
        Ok(leftovers)
    }
}
