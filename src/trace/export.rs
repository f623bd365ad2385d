//! Spans on their way to a collector, by OTLP over HTTP: gathered by OpenTelemetry's own batch processor, sent by our own client.
//!
//! What is set comes from OpenTelemetry's standard variables. Headers may hold a token: nothing of them is ever printed.

use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanLinks, SpanProcessor};
use tokio::runtime::Handle;

use super::{Context, Kind, Span};

/// For one batch.
const SEND: Duration = Duration::from_secs(10);
/// For what is left when the program ends.
const LAST: Duration = Duration::from_secs(5);

static EXPORTER: OnceLock<Exporter> = OnceLock::new();

/// Why no spans can be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The share of jobs is no share.
    #[error("OTEL_TRACES_SAMPLER_ARG: {0:?} is not between 0 and 1")]
    Ratio(String),
    /// The client cannot be made.
    #[error("cannot make a client for the collector of traces")]
    Client(#[source] reqwest::Error),
    /// What is set for the exporter cannot be used.
    #[error("cannot send traces as the variables OTEL_EXPORTER_OTLP_* say")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
}

/// Starts to send spans as `service`, unless `OTEL_SERVICE_NAME` says otherwise; does nothing when no endpoint is set.
///
/// `OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`) names the collector, `OTEL_TRACES_SAMPLER_ARG` the share of jobs, 1 if
/// unset; the headers, the timeout and the sizes of batches are OpenTelemetry's too. Wants a runtime, which the spans are sent on.
pub fn start(service: &'static str) -> Result<(), Error> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_named = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"].into_iter().any(|name| set(name).is_some());
    let says = |name: &str, word: &str| set(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    let is_off = says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none") || says("OTEL_TRACES_SAMPLER", "always_off");
    if !is_named || is_off || EXPORTER.get().is_some() {
        return Ok(());
    }
    let ratio = set("OTEL_TRACES_SAMPLER_ARG").map_or(Ok(1.0), |text| share(&text))?;
    // Nobody but the collector is to get the headers: a redirect is not followed.
    let client = reqwest::Client::builder().timeout(SEND).redirect(reqwest::redirect::Policy::none()).build().map_err(Error::Client)?;
    let http = Http { client, runtime: Handle::current() };
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_http_client(http).build();
    let mut processor = BatchSpanProcessor::builder(exporter.map_err(Error::Exporter)?).build();
    let resource = Resource::builder();
    let resource = if set("OTEL_SERVICE_NAME").is_some() { resource } else { resource.with_service_name(service) };
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    processor.set_resource(&resource.with_attribute(version).build());
    let scope = InstrumentationScope::builder("igor").with_version(env!("CARGO_PKG_VERSION")).build();
    EXPORTER.set(Exporter { processor, scope, ratio }).ok();
    Ok(())
}

fn share(text: &str) -> Result<f64, Error> {
    let share = text.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| Error::Ratio(text.to_owned()))
}

/// Sends what is left; a collector that does not answer is not waited for long.
pub async fn finish() {
    let last = || EXPORTER.get().map(|exporter| exporter.processor.shutdown_with_timeout(LAST));
    if let Ok(Some(Err(error))) = tokio::task::spawn_blocking(last).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the last spans are not sent");
    }
}

/// What was started, if anything.
pub(super) fn exporter() -> Option<&'static Exporter> {
    EXPORTER.get()
}

#[derive(Debug)]
pub(super) struct Exporter {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    ratio: f64,
}

impl Exporter {
    /// The share of jobs whose spans are sent.
    pub(super) fn ratio(&self) -> f64 {
        self.ratio
    }

    pub(super) fn send(&self, span: Span) {
        let mut links = SpanLinks::default();
        links.links.extend(span.link.map(|link| Link::with_context(context(link, true))));
        self.processor.on_end(SpanData {
            span_context: context(span.context, false),
            parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| SpanId::from(parent.span)),
            parent_span_is_remote: span.kind == Kind::Consumer,
            span_kind: match span.kind {
                Kind::Server => SpanKind::Server,
                Kind::Producer => SpanKind::Producer,
                Kind::Consumer => SpanKind::Consumer,
                Kind::Internal => SpanKind::Internal,
            },
            name: span.name,
            start_time: span.began,
            end_time: span.ended.max(span.began),
            attributes: span.attributes.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect(),
            dropped_attributes_count: 0,
            events: Default::default(),
            links,
            status: span.failed.map_or(Status::Unset, |word| Status::Error { description: word }),
            instrumentation_scope: self.scope.clone(),
        });
    }
}

fn context(of: Context, is_remote: bool) -> SpanContext {
    SpanContext::new(TraceId::from(of.trace), SpanId::from(of.span), TraceFlags::SAMPLED, is_remote, TraceState::NONE)
}

/// The client of everything else here: rustls with ring. The processor works on a thread of its own, requests are done on the runtime.
#[derive(Debug)]
struct Http {
    client: reqwest::Client,
    runtime: Handle,
}

impl HttpClient for Http {
    fn send_bytes<'client, 'sent>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'client: 'sent,
        Self: 'sent,
    {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request.try_into()?).await?;
            let status = answer.status();
            let body = answer.bytes().await?;
            Ok(Response::builder().status(status).body(body)?)
        });
        Box::pin(async move { sent.await? })
    }
}
