//! `igor proxy`: the HTTP API on loopback, for clients that cannot send a token. It adds that of the kubeconfig, or of a service account.
//!
//! Whoever reaches it acts as the person who started it: it listens on loopback alone, and refuses what pages of a browser send.

mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use igor::telemetry;
use kube::client::ConfigExt;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use self::token::Token;

/// The header that passes through the API server, which keeps `Authorization` for itself.
const OWN: HeaderName = HeaderName::from_static("x-igor-authorization");

/// What concerns one connection and not the request, and what would say who asks.
const NOT_PASSED_ON: [HeaderName; 10] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::COOKIE,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    OWN,
];

#[derive(clap::Args)]
pub(crate) struct Proxy {
    /// Where to listen, on loopback
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8001")]
    listen: SocketAddr,
    /// Address of the API, as https://host; without, it is reached through the cluster's API server, as --service says
    #[arg(long, env = "IGOR_API", value_name = "URL")]
    to: Option<Uri>,
    /// Service of the API, as NAMESPACE/NAME:PORT
    #[arg(long, value_name = "SERVICE", default_value = "igor-system/igor-api:http")]
    service: String,
    /// Act as this service account instead, as NAMESPACE/NAME: a token of an hour is asked for, and renewed
    #[arg(long, value_name = "ACCOUNT")]
    service_account: Option<String>,
}

/// Where requests go, and with what.
struct Target {
    api: BoxCloneSyncService<Request, Response<hyper::body::Incoming>, BoxError>,
    /// What stands before each path.
    base: String,
    header: HeaderName,
    token: Token,
}

pub(crate) async fn run(flags: Proxy) -> anyhow::Result<()> {
    anyhow::ensure!(flags.listen.ip().is_loopback(), "{} is not on loopback: whoever reaches the proxy acts as you", flags.listen);
    let cluster = kube::Config::infer().await.context("no kubeconfig can be read")?;
    let token = Token::of(&cluster, flags.service_account.as_deref())?;
    let target = match flags.to {
        Some(api) => Target { api: service(&kube::Config::new(api))?, base: String::new(), header: header::AUTHORIZATION, token },
        None => Target { api: service(&cluster)?, base: through_api_server(&flags.service)?, header: OWN, token },
    };
    let listener = tokio::net::TcpListener::bind(flags.listen).await.with_context(|| format!("cannot listen at {}", flags.listen))?;
    tracing::info!(address = %listener.local_addr()?, "serving");
    let router = Router::new().fallback(pass_on).with_state(Arc::new(target));
    Ok(axum::serve(listener, router).with_graceful_shutdown(told_to_stop()).await?)
}

async fn told_to_stop() {
    tokio::signal::ctrl_c().await.ok();
}

/// The path under which the API server passes on to a service.
fn through_api_server(service: &str) -> anyhow::Result<String> {
    let (namespace, service) = service.split_once('/').context("--service is NAMESPACE/NAME:PORT")?;
    Ok(format!("/api/v1/namespaces/{namespace}/services/{service}/proxy"))
}

/// A client with the certificates, and for a cluster the credentials, of a config.
fn service(config: &kube::Config) -> anyhow::Result<BoxCloneSyncService<Request, Response<hyper::body::Incoming>, BoxError>> {
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build(config.rustls_https_connector()?);
    let service =
        ServiceBuilder::new().layer(config.base_uri_layer()).option_layer(config.auth_layer()?).map_err(BoxError::from).service(client);
    Ok(BoxCloneSyncService::new(service))
}

async fn pass_on(State(target): State<Arc<Target>>, request: Request) -> Response {
    match forwarded(&target, request).await {
        Ok(response) => response,
        Err((status, why)) => (status, Json(serde_json::json!({"error": why}))).into_response(),
    }
}

async fn forwarded(target: &Target, mut request: Request) -> Result<Response, (StatusCode, String)> {
    if !igor::http::is_ours(request.headers()) {
        let why = "the proxy serves programs on this machine by its loopback address, no pages of a browser";
        return Err((StatusCode::FORBIDDEN, why.to_owned()));
    }
    let failed = |act: &str, error: &dyn std::fmt::Display| (StatusCode::BAD_GATEWAY, format!("{act}: {error}"));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = format!("{}{path}", target.base).parse().map_err(|error| failed("the path cannot be passed on", &error))?;
    for name in NOT_PASSED_ON {
        request.headers_mut().remove(name);
    }
    let token = target.token.header().await.map_err(|error| failed("no token", &format!("{error:#}")))?;
    request.headers_mut().insert(target.header.clone(), token);
    let answer =
        target.api.clone().oneshot(request).await.map_err(|error| failed("the API does not answer", &telemetry::chain(error.as_ref())))?;
    let (mut parts, body) = answer.into_parts();
    for name in NOT_PASSED_ON {
        parts.headers.remove(name);
    }
    Ok(Response::from_parts(parts, Body::new(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_reached_by_the_api_server_s_path() {
        let path = through_api_server("igor-system/igor-api:http").unwrap();
        assert_eq!(path, "/api/v1/namespaces/igor-system/services/igor-api:http/proxy");
        assert!(through_api_server("igor-api").is_err());
    }
}
