//! The two forms of a line. They differ from the library's in one thing: a field that is an error tells its causes too, each once.

use std::error::Error;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::{MakeVisitor, VisitFmt, VisitOutput};
use tracing_subscriber::fmt::format::{DefaultVisitor, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// An error and what it came from, in one line. What an error repeats of its cause is not said again.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// Fields as the library writes them for people.
pub(super) struct Text;

impl<'writer> MakeVisitor<Writer<'writer>> for Text {
    type Visitor = TextFields<'writer>;

    fn make_visitor(&self, target: Writer<'writer>) -> TextFields<'writer> {
        TextFields(DefaultVisitor::new(target, true))
    }
}

pub(super) struct TextFields<'writer>(DefaultVisitor<'writer>);

impl Visit for TextFields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.record_str(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.0.record_debug(field, &format_args!("{}", chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.record_debug(field, value);
    }
}

impl VisitOutput<fmt::Result> for TextFields<'_> {
    fn finish(self) -> fmt::Result {
        self.0.finish()
    }
}

impl VisitFmt for TextFields<'_> {
    fn writer(&mut self) -> &mut dyn fmt::Write {
        self.0.writer()
    }
}

/// A JSON object a line.
pub(super) struct Json;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: &'a str,
    level: &'a str,
    fields: &'a Map<String, Value>,
    target: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<Value>,
}

impl<S, Fields> FormatEvent<S, Fields> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    Fields: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, Fields>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut at = String::new();
        SystemTime.format_time(&mut Writer::new(&mut at))?;
        let mut fields = JsonFields(Map::new());
        event.record(&mut fields);
        // What libraries write by the crate `log` comes with its own target.
        let target = fields.0.remove("log.target");
        for detail in ["log.module_path", "log.file", "log.line"] {
            fields.0.remove(detail);
        }
        let target = target.as_ref().and_then(Value::as_str).unwrap_or(event.metadata().target());
        let spans = context.event_scope().map(|scope| {
            scope
                .from_root()
                .map(|span| {
                    let written = span.extensions().get::<FormattedFields<Fields>>().map(|written| serde_json::from_str(&written.fields));
                    let mut said = written.and_then(Result::ok).unwrap_or_else(|| Value::Object(Map::new()));
                    said["name"] = span.name().into();
                    said
                })
                .collect()
        });
        let line =
            Line { timestamp: &at, level: event.metadata().level().as_str(), fields: &fields.0, target, spans: spans.unwrap_or_default() };
        writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

struct JsonFields(Map<String, Value>);

impl JsonFields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().trim_start_matches("r#").to_owned(), value.into());
    }
}

impl Visit for JsonFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.set(field, chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot collect results")]
    struct Act(#[source] Repeats);

    /// As many libraries do: its text ends with its cause's.
    #[derive(Debug, thiserror::Error)]
    #[error("the database says: {0}")]
    struct Repeats(#[source] std::io::Error);

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What a line says of an error, in a span, in a form.
    fn written(json: bool) -> String {
        let lines = Lines::default();
        let to = lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || to.clone());
        let layer = if json {
            layer.fmt_fields(tracing_subscriber::fmt::format::JsonFields::new()).event_format(Json).boxed()
        } else {
            layer.fmt_fields(Text).boxed()
        };
        let error = Act(Repeats(std::io::Error::other("a wire was cut")));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _inside = tracing::info_span!("reconciling", object = "nightly").entered();
            tracing::warn!(error = &error as &dyn Error, tries = 3, "failed");
        });
        let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).expect("text")
    }

    const CHAIN: &str = "cannot collect results: the database says: a wire was cut";

    #[test]
    fn an_error_tells_its_causes_once_to_people() {
        let line = written(false);
        let expected =
            format!("WARN reconciling{{object=\"nightly\"}}: igor::telemetry::logs::form::tests: failed error={CHAIN} tries=3\n");
        assert!(line.ends_with(&expected), "{line}");
    }

    #[test]
    fn an_error_tells_its_causes_once_in_json() {
        let mut line: Value = serde_json::from_str(&written(true)).expect("one JSON object");
        assert!(line["timestamp"].take().as_str().is_some_and(|at| at.ends_with('Z')));
        let expected = serde_json::json!({
            "timestamp": null, "level": "WARN", "target": "igor::telemetry::logs::form::tests",
            "fields": {"message": "failed", "error": CHAIN, "tries": 3}, "spans": [{"name": "reconciling", "object": "nightly"}],
        });
        assert_eq!(line, expected);
    }
}
