//! A namespace on the real API server for each test.

use std::io::Write;
use std::process::{Command, Stdio};

use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use super::{from_rig, unique};

/// A namespace of its own, and clients for it. It is deleted with the test, which does not wait for that; that of a failed test stays.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

/// A client of the API server of the test rig.
pub(crate) async fn client() -> Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    let file = Kubeconfig::read_from(from_rig("IGOR_TEST_KUBECONFIG")).expect("the test rig's kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.expect("a usable kubeconfig");
    Client::try_from(config).expect("a client")
}

impl Cluster {
    /// Makes a namespace whose name begins with `stem`.
    pub(crate) async fn new(stem: &str) -> Self {
        let (client, namespace) = (client().await, unique(stem));
        let metadata = ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() };
        let object = Namespace { metadata, ..Namespace::default() };
        Api::all(client.clone()).create(&PostParams::default(), &object).await.expect("a namespace");
        Self { client, namespace }
    }

    /// Runs kubectl in the namespace. Returns what it printed, or what it said in refusing.
    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new(from_rig("IGOR_TEST_KUBECTL"))
            .env("KUBECONFIG", from_rig("IGOR_TEST_KUBECONFIG"))
            // What kubectl remembers of another rig at this address says nothing of this one.
            .arg(format!("--cache-dir={}/kubectl-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id()))
            .args(["-n", &self.namespace])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).ok();
        let output = child.wait_with_output().expect("kubectl ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Runs kubectl, which has to succeed.
    pub(crate) fn must(&self, arguments: &[&str], input: &str) -> String {
        self.kubectl(arguments, input).unwrap_or_else(|said| panic!("kubectl {}: {said}", arguments.join(" ")))
    }

    /// `kubectl apply` of a manifest, which has to succeed.
    pub(crate) fn apply(&self, manifest: &str) {
        self.must(&["apply", "--server-side", "-f", "-"], manifest);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.kubectl(&["delete", "namespace", &self.namespace, "--wait=false"], "").ok();
        }
    }
}
