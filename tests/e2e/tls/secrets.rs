//! No password and no key is shown by anything that a store's settings pass through, whatever goes wrong.

use std::fs;
use std::process::Command;

use super::stores::{Form, Store, Stores};
use crate::support::process::Process;
use crate::support::until;
use crate::world::{SOON, Setup, World, world_of};

const JOB: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: telling}
spec:
  layers:
  - {name: a, tasks: [{type: telling, count: 3}]}
";

/// Says all that they have to say, as JSON.
fn talkative(command: &mut Command) -> &mut Command {
    command.env("IGOR_LOG", "debug").env("IGOR_LOG_FORMAT", "json")
}

/// A worker whose program writes down its environment.
fn telling_worker(world: &World) -> (Process, std::path::PathBuf) {
    let told = world.folder.join("environment");
    let (mut command, name) = world.igor("worker");
    command.args(["--namespace", world.namespace(), "--type", "telling", "--exec", "sh", "-c", &format!("env >> {}", told.display())]);
    (Process::start(&world.folder, &name, talkative(&mut command)), told)
}

/// Where the operator answers probes.
async fn probes(operator: &Process) -> String {
    let address = |log: &str| {
        let line = log.lines().find(|line| line.contains("serving probes and metrics"))?;
        line.split("\"address\":\"").nth(1)?.split('"').next().map(|address| format!("http://{address}"))
    };
    until("probes are answered", SOON, || async { address(&operator.printed()).ok_or_else(|| operator.printed()) }).await
}

async fn page(probes: &str, path: &str) -> String {
    reqwest::get(format!("{probes}{path}")).await.expect("an answer").text().await.expect("text")
}

async fn until_readiness_says(probes: &str, words: &str) {
    until(words, SOON, || async {
        let said = page(probes, "/readyz").await;
        if said.contains(words) { Ok(()) } else { Err(said) }
    })
    .await;
}

/// All that a person or a neighbour gets to see of a process.
fn shown(process: &Process) -> String {
    process.printed() + &fs::read_to_string(format!("/proc/{}/cmdline", process.id())).expect("its arguments")
}

#[tokio::test]
async fn a_wrong_password_is_told_and_mended_and_no_secret_is_shown_by_anything() {
    let passwords = ["ledger-canary", "queue-canary", "wrong-ledger-canary", "wrong-queue-canary"];
    let Some((stores, database)) = Stores::new(Form::Uri, passwords[0], passwords[1]).await else { return };
    let setup = Setup { operators: 0, workers: 0, ..Setup::default() };
    world_of("tls_secrets", setup, database, stores.told(), async |world, _| {
        stores.write_password(Store::Postgres, passwords[2]);
        stores.write_password(Store::Redis, passwords[3]);
        let operator = world.operator_adapted("canary", talkative);
        let (worker, environment) = telling_worker(&world);
        let probes = probes(&operator).await;
        until_readiness_says(&probes, "password authentication failed for user").await;
        assert!(operator.printed().contains("cannot connect to the ledger: error returned from database: password authentication failed"));
        let refused = world.by_hand(&["migrate"]).expect_err("a wrong password");
        assert!(refused.contains("password authentication failed for user"), "{refused}");
        stores.write_password(Store::Postgres, passwords[0]);
        until_readiness_says(&probes, "cannot connect to Redis: Redis does not take the user and the password").await;
        stores.write_password(Store::Redis, passwords[1]);
        until_readiness_says(&probes, "ready").await;
        world.apply(JOB);
        world.until_phase("telling", &["Completed"]).await;

        let key = fs::read_to_string(stores.at(Store::Redis, "client.key")).expect("the key");
        let key: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).collect();
        let told = fs::read_to_string(environment).expect("the environment");
        let is_of_stores = |line: &str| ["REDIS_", "DATABASE_", "PGSSLKEY"].iter().any(|name| line.starts_with(name));
        assert!(told.contains("IGOR_TASK_ID") && !told.lines().any(is_of_stores), "{told}");
        let objects = world.kubectl(&["get", "ij,il,it,events,lease", "-o", "yaml"], None).expect("objects");
        let everything = [refused, told, objects, page(&probes, "/metrics").await, shown(&operator), shown(&worker)];
        assert!(everything.iter().all(|text| !text.is_empty()));
        for secret in passwords.iter().chain(&key) {
            for text in &everything {
                let place = text.find(secret).map(|at| &text[at.saturating_sub(300)..(at + 100).min(text.len())]);
                assert_eq!(place, None, "{secret} is shown");
            }
        }
    })
    .await;
}
