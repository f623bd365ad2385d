//! The clients, against a server, an operator and a worker as they are: the one in Rust here, the one in Python by pytest.

use std::path::Path;
use std::process::Command;

use futures::{StreamExt, TryStreamExt};
use igor::client::{Address, Ask, Client, Error, Query, Verb};
use igor::core::status::Status;
use serde_json::{Value, json};

use crate::served::{Served, served};
use crate::support::from_rig;
use crate::world::Setup;

/// A layer of three tasks, of which one fails, then a paused layer.
fn spec() -> Value {
    json!({"onFailure": "Continue", "layers": [
        {"name": "render", "tasks": [
            {"name": "a", "type": "echo", "args": "first"}, {"name": "b", "type": "fail", "args": "no disk"}, {"name": "c", "type": "noop"}]},
        {"name": "join", "paused": true, "tasks": [{"name": "all", "type": "noop"}]},
    ]})
}

fn client(api: &Served) -> Client {
    Client::new(&api.url, Some(api.token.clone())).expect("a client")
}

async fn submitted(api: &Served, client: &Client) -> Address {
    let job = client.submit(api.world.namespace(), &spec(), Some("nightly")).await.expect("taken");
    assert_eq!((job.name.as_str(), job.namespace.as_str(), job.layers), ("nightly", api.world.namespace(), 2));
    Address::job(api.world.namespace(), "nightly")
}

/// Waits until a layer has ended.
async fn until_ended(client: &Client, layer: &Address) {
    crate::support::until("the layer's end", crate::world::SOON, || async {
        let layer = client.layer(layer).await.map_err(|error| error.to_string())?;
        if layer.finished_at.is_some() { Ok(()) } else { Err(format!("{layer:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_submits_looks_steers_and_waits() {
    served("a_client_submits_looks_steers_and_waits", Setup::default(), async |api, _| {
        let client = client(&api);
        let nightly = submitted(&api, &client).await;
        let (render, join) = (nightly.clone().layer("render"), nightly.clone().layer("join"));
        until_ended(&client, &render).await;
        let tasks: Vec<_> = client.tasks(&render, &Query::new().page(1).status("ERRORED")).try_collect().await.expect("tasks");
        let seen: Vec<_> = tasks.iter().map(|task| (task.name.as_str(), task.status, task.message.as_deref())).collect();
        assert_eq!(seen, [("b", Status::Errored, Some("no disk"))]);
        let attempts: Vec<_> = client.attempts(&render.clone().task("b")).try_collect().await.expect("attempts");
        assert_eq!(attempts.len(), 1);
        assert!(!client.why(&nightly).await.expect("a reason").why.is_empty());

        let ask = Ask { select: Some("failed".into()), dry_run: true, ..Ask::default() };
        let would = client.command(Verb::Skip, &render, &ask).await.expect("a dry run");
        assert_eq!((would.matched, would.changed, would.sample), (1, 0, vec!["render/b".to_owned()]));
        let ask = Ask { dry_run: false, reason: Some("not needed".into()), ..ask };
        assert_eq!(client.command(Verb::Skip, &render, &ask).await.expect("done").changed, 1);

        let more: Vec<Value> = (0..250).map(|n| json!({"type": "noop", "args": n.to_string()})).collect();
        let added = client.add_tasks(&join, &more, Some("the same")).await.expect("added");
        assert_eq!((added.received, added.added), (250, 250));
        let again = client.add_tasks(&join, &more, Some("the same")).await.expect("seen");
        assert_eq!((again.added, again.already), (0, 250));
        let names: Vec<_> = client.tasks(&join, &Query::new().page(100)).map_ok(|task| task.name).try_collect().await.expect("tasks");
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!((names.len(), distinct.len()), (251, 251), "three pages have each task once");

        client.command(Verb::Unpause, &join, &Ask::default()).await.expect("unpaused");
        let done = client.wait(&nightly).await.expect("its end");
        assert_eq!((done.status, done.tasks.completed, done.tasks.skipped), (Status::Completed, 253, 1));
        let asked: Vec<_> =
            client.commands(&nightly).map_ok(|command| (command.verb, command.reason)).try_collect().await.expect("commands");
        assert_eq!(asked, [("skip".to_owned(), Some("not needed".to_owned())), ("unpause".to_owned(), None)]);
        let moved: Vec<_> = client.transitions(&join).map_ok(|moved| moved.to).try_collect().await.expect("transitions");
        assert_eq!(moved.last(), Some(&Status::Completed));
        let listed: Vec<_> = client.jobs(None, &Query::new().name("night")).map_ok(|job| job.uid).try_collect().await.expect("jobs");
        assert_eq!(listed, std::slice::from_ref(&done.uid));
        assert_eq!(client.job_of_uid(&done.uid).await.expect("the job"), done);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_watches_sees_a_job_move_to_its_end() {
    served("a_client_that_watches_sees_a_job_move_to_its_end", Setup::default(), async |api, _| {
        let client = client(&api);
        let nightly = submitted(&api, &client).await;
        let mut watch = client.watch(&nightly);
        let mut seen = vec![watch.next().await.expect("a job").expect("a job")];
        client.command(Verb::Unpause, &nightly.clone().layer("join"), &Ask::default()).await.expect("unpaused");
        seen.extend(watch.try_collect::<Vec<_>>().await.expect("jobs"));
        assert!(seen.windows(2).all(|two| two[0] != two[1]), "each is news: {seen:?}");
        assert!(seen.iter().rev().skip(1).all(|job| job.finished_at.is_none()) && seen.last().expect("a job").finished_at.is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_refuses_is_an_error_with_all_faults() {
    served("what_the_api_refuses_is_an_error_with_all_faults", Setup { operators: 0, workers: 0, task_lease: 30.0 }, async |api, _| {
        let refused = |error: Error| match error {
            Error::Refused(refusal) => (refusal.status, refusal.faults.len()),
            other => panic!("{other:?}"),
        };
        let asked = client(&api).jobs(None, &Query::new().status("done").page(0)).try_next().await;
        assert_eq!(refused(asked.expect_err("two faults")), (400, 2));
        let absent = client(&api).job(&Address::job(api.world.namespace(), "absent")).await;
        assert_eq!(refused(absent.expect_err("no such job")).0, 404);
        let stranger = Client::new(&api.url, Some("made-up".into())).expect("a client");
        assert_eq!(refused(stranger.jobs(None, &Query::new()).try_next().await.expect_err("a stranger")).0, 401);
        assert!(matches!(Client::new("nowhere", None), Err(Error::Settings(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_does_the_same() {
    served("the_python_client_does_the_same", Setup::default(), async |api, _| {
        let mut command = Command::new("python3");
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python"));
        command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_client.py"]).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("PYTHONPATH", from_rig("IGOR_TEST_PYTHONPATH")).env("IGOR_API", &api.url).env("IGOR_TOKEN", &api.token);
        command.env("IGOR_NAMESPACE", api.world.namespace());
        let done = tokio::task::spawn_blocking(move || command.output().expect("python3")).await.expect("no panic");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(done.status.success(), "{}{}", said(&done.stdout), said(&done.stderr));
    })
    .await;
}
