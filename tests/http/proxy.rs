//! `igor proxy`: whose token it adds, and whom it serves.

use std::process::Command;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::served::{Served, address, served};
use crate::support::from_rig;
use crate::support::process::Process;
use crate::support::until;
use crate::world::{SOON, Setup};

const ALONE: Setup = Setup { operators: 0, workers: 0, task_lease: 30.0 };

/// A proxy to an API that was just started.
async fn proxy(api: &Served, kubeconfig: &str, more: &[&str]) -> (Process, String) {
    let (mut command, name) = api.world.igor("proxy");
    command.env("KUBECONFIG", kubeconfig).args(["--listen", "127.0.0.1:0", "--to", &api.url]).args(more);
    let process = Process::start(&api.world.folder, &name, &mut command);
    let url = until("the proxy serves", SOON, || async { address(&process.printed()).ok_or_else(|| process.printed()) }).await;
    (process, url)
}

async fn jobs(url: &str, origin: Option<&str>) -> (StatusCode, Value) {
    let mut request = reqwest::Client::new().get(format!("{url}/api/v1/jobs?limit=5"));
    if let Some(origin) = origin {
        request = request.header("Origin", origin);
    }
    let response = request.send().await.expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

/// The administrator's kubeconfig, with a token in place of the certificate.
fn kubeconfig_with(api: &Served, token: &str) -> String {
    let text = std::fs::read_to_string(from_rig("IGOR_TEST_KUBECONFIG")).expect("a kubeconfig");
    let mut config: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
    config["users"][0]["user"] = serde_yaml::from_str(&format!("token: {token}")).expect("YAML");
    let path = api.world.folder.join("person.kubeconfig");
    std::fs::write(&path, serde_yaml::to_string(&config).expect("YAML")).expect("written");
    path.to_str().expect("a path").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_adds_the_token_of_the_kubeconfig() {
    served("a_proxy_adds_the_token_of_the_kubeconfig", ALONE, async |api, _| {
        let (_process, url) = proxy(&api, &kubeconfig_with(&api, &api.token), &[]).await;
        assert_eq!(jobs(&url, None).await, (StatusCode::OK, json!([])));
        let (_process, url) = proxy(&api, &kubeconfig_with(&api, "made-up"), &[]).await;
        assert_eq!(jobs(&url, None).await.0, StatusCode::UNAUTHORIZED, "it asks as who it is told to, and what comes back is passed on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_may_act_as_a_service_account() {
    served("a_proxy_may_act_as_a_service_account", ALONE, async |api, _| {
        let account = format!("{}/everything", api.world.namespace());
        let (_process, url) = proxy(&api, &from_rig("IGOR_TEST_KUBECONFIG"), &["--service-account", &account]).await;
        assert_eq!(jobs(&url, None).await, (StatusCode::OK, json!([])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_refuses_what_a_browser_s_page_sends() {
    served("a_proxy_refuses_what_a_browser_s_page_sends", ALONE, async |api, _| {
        let (_process, url) = proxy(&api, &kubeconfig_with(&api, &api.token), &[]).await;
        let (status, body) = jobs(&url, Some("https://elsewhere.example")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    })
    .await;
}

#[test]
fn a_proxy_that_cannot_work_says_what_to_do() {
    let said = |kubeconfig: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
        let output = command.args(["proxy", "--to", "http://127.0.0.1:1"]).args(more).env("KUBECONFIG", kubeconfig).output().expect("igor");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let admin = from_rig("IGOR_TEST_KUBECONFIG");
    assert!(said(&admin, &[]).contains("name a service account to act as, with --service-account NAMESPACE/NAME"));
    assert!(said(&admin, &["--listen", "0.0.0.0:0"]).contains("0.0.0.0:0 is not on loopback: whoever reaches the proxy acts as you"));
}
