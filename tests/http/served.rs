//! A world with an API: processes as they run in production, asked over real HTTP.

use std::future::Future;
use std::process::Command;
use std::sync::Arc;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::from_rig;
use crate::support::process::Process;
use crate::support::until;
use crate::world::{SOON, Setup, Shared, World, world};

/// Every verb that a route may need.
pub(crate) const ALL: &[&str] = &["get", "list", "create", "patch", "delete"];

/// An API that runs, and one who may do everything in its namespace.
pub(crate) struct Served {
    pub(crate) world: Arc<World>,
    pub(crate) process: Process,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    /// The token of one who may do everything in the world's namespace.
    pub(crate) token: String,
}

/// An answer: its status and its body, which is always JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a success.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body
    }

    /// The message of a failure that passes: it says when to ask again.
    pub(crate) fn passing(self, status: u16) -> String {
        let seconds = self.headers.get("retry-after").and_then(|seconds| seconds.to_str().ok()).and_then(|seconds| seconds.parse().ok());
        assert!(seconds.is_some_and(|seconds: u32| (1..=60).contains(&seconds)), "{self:?}");
        self.error(status)
    }

    /// The message of a failure of that status, in the form of version 1.
    pub(crate) fn error(self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        let Value::Object(mut body) = self.body else { panic!("{} is no object", self.body) };
        let message = body.remove("error").and_then(|error| error.as_str().map(str::to_owned));
        assert!(body.is_empty(), "more than an error: {body:?}");
        message.expect("an error")
    }
}

/// Runs a test in a world of its own that has an API.
pub(crate) async fn served<Test, Run>(name: &str, setup: Setup, test: Test)
where
    Test: FnOnce(Served, Shared) -> Run,
    Run: Future<Output = ()>,
{
    served_as(name, setup, "", test).await;
}

/// The same with settings in a file.
pub(crate) async fn served_as<Test, Run>(name: &str, setup: Setup, settings: &str, test: Test)
where
    Test: FnOnce(Served, Shared) -> Run,
    Run: Future<Output = ()>,
{
    world(name, setup, async |world, running| {
        let token = person(&world, "everything", ALL);
        let file = world.folder.join("api.yaml");
        std::fs::write(&file, if settings.is_empty() { "{}" } else { settings }).expect("a file of settings");
        let served = Served::start(world, &token, |command| command.arg("--config").arg(&file)).await;
        test(served, running).await;
    })
    .await;
}

impl Served {
    /// Starts an API, with the rights that it ships with, as the adapted command has it.
    pub(crate) async fn start(world: Arc<World>, token: &str, adapt: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let (mut command, name) = world.igor("api");
        command.env("KUBECONFIG", from_rig("IGOR_TEST_API_KUBECONFIG")).args([
            "--listen",
            "127.0.0.1:0",
            "--metrics-addr",
            "127.0.0.1:0",
            "--namespace",
            world.namespace(),
        ]);
        let process = Process::start(&world.folder, &name, adapt(&mut command));
        let url = until("the API serves", SOON, || async { address(&process.printed()).ok_or_else(|| process.printed()) }).await;
        Self { world, process, url, http: reqwest::Client::new(), token: token.to_owned() }
    }

    /// Asks as the one who may do everything.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, Some(&self.token)).await
    }

    /// Sends a body as the one who may do everything.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, Some(body.to_string()), Some(&self.token)).await
    }

    /// Sends a body as the one who may do everything.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, Some(body.to_string()), Some(&self.token)).await
    }

    /// Asks anything, with any token or none.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<String>, token: Option<&str>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}, and no JSON: {text:?}"));
        Answer { status, headers, body }
    }
}

/// Where an API says that it serves.
pub(crate) fn address(printed: &str) -> Option<String> {
    let line = printed.lines().find(|line| line.contains("serving address="))?;
    let address = line.split("serving address=").nth(1)?.split_whitespace().next()?;
    Some(format!("http://{address}"))
}

/// Makes a service account that may do so much with jobs in the world's namespace, and gives a token of it.
pub(crate) fn person(world: &World, name: &str, verbs: &[&str]) -> String {
    let namespace = world.namespace();
    let yaml = format!(
        "apiVersion: v1
kind: ServiceAccount
metadata: {{name: {name}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {name}}}
rules:
- {{apiGroups: [igor.dev], resources: [igorjobs], verbs: {verbs:?}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}
subjects:
- {{kind: ServiceAccount, name: {name}, namespace: {namespace}}}
"
    );
    world.apply(&yaml);
    world.kubectl(&["create", "token", name], None).expect("a token").trim().to_owned()
}
