//! Whose token is added: what the kubeconfig has, however it comes by it, or one of a service account.

use std::time::{Duration, Instant};

use anyhow::Context;
use axum::http::{HeaderValue, Request, Response, header};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::client::{Body, ConfigExt};
use tokio::sync::Mutex;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, ServiceExt, service_fn};

/// How long a token of a service account is asked for; it is renewed after half of it.
const LIFE: Duration = Duration::from_secs(3600);
/// Whom it is for: Igor alone, so that nobody it passes by can use it elsewhere.
const AUDIENCE: &str = "igor";

/// Where a token comes from.
pub(super) enum Token {
    /// The kubeconfig: as it stands there, in a file, or by a program. kube renews it.
    Kubeconfig(BoxCloneSyncService<Request<Body>, Response<Option<HeaderValue>>, BoxError>),
    /// A service account, asked for.
    Account { accounts: Box<kube::Api<ServiceAccount>>, name: String, last: Mutex<Option<(HeaderValue, Instant)>> },
}

impl Token {
    /// Of `account`, as NAMESPACE/NAME, or else of the kubeconfig, which has to have one.
    pub(super) fn of(config: &kube::Config, account: Option<&str>) -> anyhow::Result<Self> {
        if let Some(account) = account {
            let (namespace, name) = account.split_once('/').context("--service-account is NAMESPACE/NAME")?;
            let client = kube::Client::try_from(config.clone())?;
            let accounts = Box::new(kube::Api::namespaced(client, namespace));
            return Ok(Self::Account { accounts, name: name.to_owned(), last: Mutex::default() });
        }
        let layer = config.auth_layer()?.context(
            "the kubeconfig has no token, perhaps a certificate: name a service account to act as, with --service-account NAMESPACE/NAME",
        )?;
        // What the layer would send to the API server is read off a request that goes nowhere.
        let read_off = service_fn(async |request: Request<Body>| {
            Ok::<_, BoxError>(Response::new(request.headers().get(header::AUTHORIZATION).cloned()))
        });
        Ok(Self::Kubeconfig(BoxCloneSyncService::new(layer.layer(read_off))))
    }

    /// The value of the header.
    pub(super) async fn header(&self) -> anyhow::Result<HeaderValue> {
        match self {
            Self::Kubeconfig(layer) => {
                let seen = layer.clone().oneshot(Request::new(Body::empty())).await.map_err(|error| anyhow::anyhow!(error))?;
                seen.into_body().context("the kubeconfig gives none")
            }
            Self::Account { accounts, name, last } => {
                let mut last = last.lock().await;
                if let Some((header, at)) = last.as_ref()
                    && at.elapsed() < LIFE / 2
                {
                    return Ok(header.clone());
                }
                let header = asked_for(accounts, name).await?;
                *last = Some((header.clone(), Instant::now()));
                Ok(header)
            }
        }
    }
}

async fn asked_for(accounts: &kube::Api<ServiceAccount>, name: &str) -> anyhow::Result<HeaderValue> {
    let seconds = i64::try_from(LIFE.as_secs()).ok();
    let spec = TokenRequestSpec { audiences: vec![AUDIENCE.to_owned()], expiration_seconds: seconds, ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let made = accounts.create_token_request(name, &kube::api::PostParams::default(), &request).await;
    let token = made.with_context(|| format!("no token of the service account {name}"))?.status.context("a token without a status")?.token;
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).context("a token that is none")?;
    header.set_sensitive(true);
    Ok(header)
}
