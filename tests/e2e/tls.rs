//! Both stores by TLS, with certificates on both sides, out of files as secrets are mounted: what works, what is refused and how that
//! is told, passwords that change, and that no secret is shown anywhere.

mod secrets;
mod stores;

use serde_json::Value;

use self::stores::{Form, Store, Stores};
use crate::world::{Setup, World, condition, world_of};

/// Two layers: a task that runs until it is let go, and many behind it.
const HELD: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: held}
spec:
  layers:
  - {name: first, tasks: [{type: held}]}
  - {name: second, priority: 10, tasks: [{type: echo, args: '{}', count: 300}]}
";

/// A worker of type `held`, and the file that lets its tasks go.
fn holding_worker(world: &World) -> (crate::support::process::Process, std::path::PathBuf) {
    let go = world.folder.join("go");
    let wait = format!("while [ ! -e {} ]; do sleep 0.05; done", go.display());
    (world.worker(&["--type", "held", "--exec", "sh", "-c", &wait]), go)
}

async fn until_held(world: &World) {
    world.apply(HELD);
    world.until_count("SELECT count(*) FROM igor.tasks WHERE type = 'held' AND status = 'RUNNING'", |running| running == 1).await;
}

/// The message of condition `Stalled`, when it is true for that reason.
fn stalled(job: &Value, reason: &str) -> Option<String> {
    let conditions = job["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|found| found["type"] == "Stalled" && found["status"] == "True" && found["reason"] == reason)?;
    found["message"].as_str().map(str::to_owned)
}

/// Waits until the job says that it is stalled, and why in these words; no address may be among them.
async fn until_stalled(world: &World, reason: &str, words: &str) {
    let says = |job: &Value| stalled(job, reason).is_some_and(|message| message.contains(words));
    let job = world.until("held", &format!("{reason}: {words}"), says).await;
    let message = stalled(&job, reason).expect("its message");
    assert!(!message.contains("localhost") && !message.contains("127.0.0.1"), "{message}");
}

async fn until_well(world: &World) {
    world.until("held", "it is not stalled any more", |job| condition(job, "Stalled").0 == "False").await;
}

#[tokio::test]
async fn a_job_runs_over_tls_with_certificates_on_both_sides() {
    let Some((stores, database)) = Stores::new(Form::Parts, "of the ledger", "p@ss/w:rd?#%41").await else { return };
    world_of("tls_both", Setup::default(), database, stores.told(), async |world, _| {
        world.apply(
            "{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: quick},
              spec: {layers: [{name: a, tasks: [{type: echo, args: '{}', count: 500}]}, {name: b, priority: 10, tasks: [{type: noop}]}]}}",
        );
        world.until_phase("quick", &["Completed"]).await;
        let plain = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
                     WHERE datname = current_database() AND application_name = 'igor' AND NOT ssl";
        assert_eq!(world.count(plain).await, 0);
    })
    .await;
}

#[tokio::test]
async fn passwords_change_while_a_job_runs() {
    let Some((stores, database)) = Stores::new(Form::Uri, "old", "old").await else { return };
    world_of("tls_passwords", Setup::default(), database, stores.told(), async |world, running| {
        let (_worker, go) = holding_worker(&world);
        until_held(&world).await;
        for (store, reason, words) in [
            (Store::Postgres, "LedgerUnavailable", "password authentication failed"),
            (Store::Redis, "QueueUnavailable", "Redis does not take the user and the password"),
        ] {
            stores.set_password(store, "n/e:w").await;
            stores.cut(store).await;
            until_stalled(&world, reason, words).await;
            stores.write_password(store, "n/e:w");
            until_well(&world).await;
        }
        std::fs::write(go, "").expect("a file");
        world.until_phase("held", &["Completed"]).await;
        let mut running = running.lock().await;
        let running = &mut *running;
        for process in running.operators.iter_mut().chain(&mut running.workers) {
            assert_eq!(process.ended(), None, "nothing is started again");
        }
    })
    .await;
}

/// Files that are replaced, or `host` and its name, and what is said of it.
type Wrong = (&'static [(&'static str, &'static str)], &'static str);

/// Breaks one thing after another, and mends it; the job goes on behind the last.
async fn refused(name: &str, store: Store, reason: &'static str, wrongs: &'static [Wrong]) {
    let Some((stores, database)) = Stores::new(Form::Parts, "right", "right").await else { return };
    world_of(name, Setup::default(), database, stores.told(), async |world, _| {
        let (_worker, go) = holding_worker(&world);
        until_held(&world).await;
        for (replaced, words) in wrongs {
            for (file, wrong) in *replaced {
                match *file {
                    "host" => stores.write_host(store, wrong),
                    file => stores.replace(store, file, wrong),
                }
            }
            // The operator looks into the file every five seconds: what is connected before goes by what it said.
            crate::support::until(words, crate::world::SOON, || async {
                stores.cut(store).await;
                let job = world.job("held").await;
                stalled(&job, reason).filter(|message| message.contains(words)).ok_or_else(|| job["status"]["conditions"].clone())
            })
            .await;
            until_stalled(&world, reason, words).await;
            stores.write_host(store, "localhost");
            for file in ["ca.crt", "client.crt", "client.key"] {
                stores.replace(store, file, file);
            }
            until_well(&world).await;
        }
        std::fs::write(go, "").expect("a file");
        world.until_phase("held", &["Completed"]).await;
    })
    .await;
}

const OTHER_AUTHORITY: &str = "the server's certificate is of an authority that is not trusted here";
const OTHER_NAME: &str = "the server's certificate is for another name than the address has";
const NOT_THEY: &[Wrong] = &[(&[("ca.crt", "other.crt")], OTHER_AUTHORITY), (&[("host", "127.0.0.1")], OTHER_NAME)];

#[tokio::test]
async fn a_ledger_that_cannot_prove_who_it_is_is_refused() {
    refused("tls_ledger", Store::Postgres, "LedgerUnavailable", NOT_THEY).await;
}

#[tokio::test]
async fn a_queue_that_cannot_prove_who_it_is_is_refused() {
    refused("tls_queue", Store::Redis, "QueueUnavailable", NOT_THEY).await;
}

const NOT_WE: &[Wrong] =
    &[(&[("client.crt", "other.crt"), ("client.key", "other.key")], "the server does not take the certificate that it is shown")];

#[tokio::test]
async fn a_ledger_that_does_not_take_our_certificate_is_told_of() {
    refused("tls_our_ledger", Store::Postgres, "LedgerUnavailable", NOT_WE).await;
}

#[tokio::test]
async fn a_queue_that_does_not_take_our_certificate_is_told_of() {
    refused("tls_our_queue", Store::Redis, "QueueUnavailable", NOT_WE).await;
}
