//! A job's trace, as a collector gets it from the API, the operator and a worker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Said;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message;
use serde_json::{Value, json};

use crate::served::Served;
use crate::support::process::Process;
use crate::support::{unique, until};
use crate::world::{SOON, Setup, World, world};

const CAUSE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const ARGUMENTS: &str = "arguments-are-nobodys-business";
const TOKEN: &str = "token-of-the-collector";

/// What a collector got: each span with the name of its service, and the headers that came along.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Got>>);

#[derive(Default)]
struct Got {
    spans: Vec<(String, Span)>,
    tokens: BTreeSet<String>,
}

impl Collector {
    async fn start() -> (Self, String) {
        let (collector, listener) = (Self::default(), tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port"));
        let address = listener.local_addr().expect("an address");
        let taking = collector.clone();
        let take = move |headers: HeaderMap, body: Bytes| async move { taking.take(&headers, body) };
        let routes = axum::Router::new().route("/v1/traces", axum::routing::post(take));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (collector, format!("http://{address}"))
    }

    fn take(&self, headers: &HeaderMap, body: Bytes) {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let request = ExportTraceServiceRequest::decode(body).expect("a request of OTLP");
        let mut got = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        got.tokens.extend(headers.get("authorization").and_then(|token| token.to_str().ok()).map(str::to_owned));
        for resource in request.resource_spans {
            let service = text(&resource.resource.unwrap_or_default().attributes, "service.name");
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            got.spans.extend(spans.map(|span| (service.clone(), span)));
        }
    }

    /// The spans of one name.
    fn named(&self, name: &str) -> Vec<(String, Span)> {
        let got = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        got.spans.iter().filter(|(_, span)| span.name == name).cloned().collect()
    }

    /// Waits until so many spans of each name are there.
    async fn until(&self, counts: &[(&str, usize)]) {
        until("the collector has got all spans", SOON, || async {
            let got: Vec<(&str, usize)> = counts.iter().map(|(name, _)| (*name, self.named(name).len())).collect();
            if got == counts { Ok(()) } else { Err(got) }
        })
        .await;
    }
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name).and_then(|attribute| attribute.value.clone());
    match found {
        Some(AnyValue { value: Some(Said::StringValue(text)) }) => text,
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn tell<'a>(command: &'a mut std::process::Command, endpoint: &str) -> &'a mut std::process::Command {
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "200");
    command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer {TOKEN}"))
}

/// A worker of type `show`, whose program writes down the task's name and `TRACEPARENT`, and fails in the first attempt of `bad`.
fn worker(world: &World, adapt: impl FnOnce(&mut std::process::Command) -> &mut std::process::Command) -> Process {
    let script = "echo \"$IGOR_NAME ${TRACEPARENT-none}\" >> \"$SHOWN\"; [ \"$IGOR_NAME$IGOR_ATTEMPT\" != bad1 ]";
    let (mut command, name) = world.igor("worker");
    command.env("SHOWN", shown(world)).args(["--namespace", world.namespace(), "--type", "show", "--slots", "4"]);
    Process::start(&world.folder, &name, adapt(&mut command).args(["--exec", "sh", "-c", script]))
}

fn shown(world: &World) -> std::path::PathBuf {
    world.folder.join("shown")
}

async fn submit(served: &Served, namespace: &str) -> Value {
    let spec = json!({"layers": [
        {"name": "first", "tasks": [{"name": "many", "type": "show", "count": 30, "args": ARGUMENTS}]},
        {"name": "second", "priority": 10, "tasks": [{"name": "bad", "type": "show", "retries": 1}]},
    ]});
    let request = served.http.post(format!("{}/api/v2/namespaces/{namespace}/jobs", served.url)).header("traceparent", CAUSE);
    let answer = request.json(&json!({"name": "traced", "spec": spec})).send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    answer.json().await.expect("a job")
}

#[tokio::test]
async fn a_job_is_one_trace_from_its_submit_to_its_last_result() {
    world("traced", Setup { operators: 0, workers: 0, ..Setup::default() }, |world, _running| async move {
        let (collector, endpoint) = Collector::start().await;
        let operator = world.operator_adapted(&unique("operator"), |command| tell(command, &endpoint));
        let worker = worker(&world, |command| tell(command, &endpoint));
        let served = Served::start(world.clone(), "", |command| tell(command, &endpoint).args(["--auth", "none"])).await;
        let made = submit(&served, world.namespace()).await;
        world.until_phase("traced", &["Completed"]).await;
        // Of the thirty tasks ten are traced; of the one in the second layer both attempts.
        let counts =
            [("job", 1), ("submit", 1), ("accept", 1), ("layer", 2), ("attempt", 12), ("dispatch", 12), ("run", 12), ("collect", 12)];
        collector.until(&counts).await;

        let trace = made["id"].as_str().expect("an id").replace('-', "");
        let spans: Vec<(String, Span)> = counts.iter().flat_map(|(name, _)| collector.named(name)).collect();
        assert!(spans.iter().all(|(_, span)| hex(&span.trace_id) == trace), "{trace}: {spans:?}");
        let by_id: BTreeMap<&[u8], &Span> = spans.iter().map(|(_, span)| (&span.span_id[..], span)).collect();
        assert_eq!(by_id.len(), spans.len(), "each has an id of its own");
        for (service, span) in &spans {
            let parent = by_id.get(&span.parent_span_id[..]).map(|parent| parent.name.as_str());
            let (of, by) = match span.name.as_str() {
                "job" => (None, "igor-operator"),
                "submit" => (Some("job"), "igor-api"),
                "accept" => (Some("submit"), "igor-api"),
                "layer" => (Some("job"), "igor-operator"),
                "attempt" => (Some("layer"), "igor-operator"),
                "run" => (Some("attempt"), "igor-worker"),
                _ => (Some("attempt"), "igor-operator"),
            };
            assert_eq!((parent, service.as_str()), (of, by), "{span:?}");
        }
        in_order(&spans);
        told(&world, &spans);
        let job = &collector.named("job")[0].1;
        assert_eq!(
            job.links.iter().map(|link| format!("00-{}-{}-01", hex(&link.trace_id), hex(&link.span_id))).collect::<Vec<_>>(),
            [CAUSE]
        );
        let failed = |name: &str| {
            let is_error = |span: &Span| span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
            collector
                .named(name)
                .iter()
                .filter(|(_, span)| is_error(span))
                .map(|(_, span)| text(&span.attributes, "igor.attempt"))
                .collect::<Vec<_>>()
        };
        assert_eq!((failed("run"), failed("job"), failed("layer")), (vec!["1".to_owned()], vec![], vec![]));

        let got = format!("{spans:?}");
        let logs = [operator.printed(), worker.printed(), served.process.printed()].concat();
        for secret in [ARGUMENTS, TOKEN, "postgres://", "redis://"] {
            assert!(!got.contains(secret) && !logs.contains(secret), "{secret}");
        }
        assert_eq!(collector.0.lock().unwrap_or_else(PoisonError::into_inner).tokens, [format!("Bearer {TOKEN}")].into());
    })
    .await;
}

/// What comes first begins first, and what is part of something lies within.
fn in_order(spans: &[(String, Span)]) {
    let of = |name: &'static str| spans.iter().map(|(_, span)| span).filter(move |span| span.name == name);
    for attempt in of("attempt") {
        let part = |name| of(name).find(|span| span.parent_span_id == attempt.span_id).expect("each attempt has it");
        let (dispatch, run, collect) = (part("dispatch"), part("run"), part("collect"));
        assert!(dispatch.start_time_unix_nano <= run.start_time_unix_nano, "{dispatch:?} {run:?}");
        assert!(run.end_time_unix_nano <= collect.end_time_unix_nano, "{run:?} {collect:?}");
        assert!(attempt.start_time_unix_nano <= run.start_time_unix_nano && run.end_time_unix_nano <= attempt.end_time_unix_nano);
    }
    let layer = |name: &str| of("layer").find(|span| text(&span.attributes, "igor.layer") == name).expect("a layer");
    let (first, second) = (layer("first"), layer("second"));
    assert!(first.end_time_unix_nano <= second.start_time_unix_nano, "{first:?} {second:?}");
    let second_begins = of("attempt").filter(|span| span.parent_span_id == second.span_id).map(|span| span.start_time_unix_nano).min();
    assert!(of("collect").filter(|span| second_begins < Some(span.start_time_unix_nano)).count() == 2, "those of the second layer");
}

/// A program was told of its own run; one that is not traced, of none.
fn told(world: &World, spans: &[(String, Span)]) {
    let runs = spans.iter().filter(|(_, span)| span.name == "run");
    let runs: BTreeSet<String> = runs.map(|(_, span)| format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id))).collect();
    let lines = std::fs::read_to_string(shown(world)).expect("it was written");
    let told: Vec<&str> = lines.lines().filter_map(|line| line.split_once(' ')).map(|(_, traceparent)| traceparent).collect();
    assert_eq!(told.len(), 32, "{lines}");
    let (none, traced): (Vec<&str>, Vec<&str>) = told.into_iter().partition(|traceparent| *traceparent == "none");
    assert_eq!((none.len(), traced.into_iter().map(str::to_owned).collect()), (20, runs));
}

#[tokio::test]
async fn what_is_not_sampled_is_not_traced() {
    world("traced_none", Setup { operators: 0, workers: 0, ..Setup::default() }, |world, _running| async move {
        let (collector, endpoint) = Collector::start().await;
        let none = |command: &mut std::process::Command| {
            tell(command, &endpoint).env("OTEL_TRACES_SAMPLER_ARG", "0");
        };
        let mut operator = world.operator_adapted(&unique("operator"), |command| {
            none(command);
            command
        });
        let worker = worker(&world, |command| {
            none(command);
            command.env("TRACEPARENT", CAUSE)
        });
        let served = Served::start(world.clone(), "", |command| command.args(["--auth", "none"])).await;
        submit(&served, world.namespace()).await;
        world.until_phase("traced", &["Completed"]).await;
        let lines = std::fs::read_to_string(shown(&world)).expect("it was written");
        assert!(lines.lines().count() == 32 && lines.lines().all(|line| line.ends_with(" none")), "{lines}");
        // Whatever there was would be sent at the end.
        operator.signal("TERM");
        until("the operator has ended", SOON, || {
            let ended = operator.ended();
            async move { ended.ok_or("it runs") }
        })
        .await;
        drop(worker);
        assert!(collector.0.lock().unwrap_or_else(PoisonError::into_inner).spans.is_empty());
    })
    .await;
}
