//! Objects that the API server takes and this version cannot read.

use crate::world::{Setup, condition, world};

fn job(name: &str) -> String {
    format!(
        "{{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {{name: {name}}}, spec: {{paused: true, layers: [{{name: a, tasks: [{{type: noop}}]}}]}}}}"
    )
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_told_so_once_and_stops_nobody_else() {
    world("unreadable", Setup { operators: 0, ..Setup::default() }, |world, _running| async move {
        world.apply(&job("odd"));
        // A time in a zone that is nowhere: the API server's rule for times lets it pass.
        let broken = r#"{"status":{"startedAt":"2026-01-01T00:00:00+99:99"}}"#;
        world.kubectl(&["patch", "ij", "odd", "--subresource=status", "--type=merge", "-p", broken], None).expect("taken");
        let operator = world.operator_named("same");
        let odd = world.until("odd", "it is refused", |job| condition(job, "Accepted").1 == "InvalidSpec").await;
        assert_eq!((condition(&odd, "Accepted").0.as_str(), &odd["status"]["phase"]), ("False", &"Rejected".into()));
        world.until_event("Warning", "cannot read the object").await;
        world.apply(&job("even").replace("paused: true", "paused: false"));
        world.until_phase("even", &["Completed"]).await;
        let events = world.kubectl(&["get", "events", "-o", "jsonpath={.items[*].message}"], None).expect("events");
        assert_eq!(events.matches("cannot read the object").count(), 1, "{events}");
        assert_eq!(world.job("odd").await["metadata"]["resourceVersion"], odd["metadata"]["resourceVersion"]);
        drop(operator);
        // Readable again, it is a job like any other.
        let mended = r#"{"status":{"startedAt":null}}"#;
        world.kubectl(&["patch", "ij", "odd", "--subresource=status", "--type=merge", "-p", mended], None).expect("taken");
        let _operator = world.operator_named("same");
        world.until_phase("odd", &["Paused"]).await;
    })
    .await;
}
