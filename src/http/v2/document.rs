//! The OpenAPI document: made from the types that are served, completed by rules that hold for all routes.

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::super::v1::described;
use super::{bulk, create, jobs, layers, past, steer, tasks, why, work};

/// Kinds of which `fields` shows a part.
const PARTED: &[&str] = &["Job", "Layer", "Task", "WholeTask", "Attempt", "Transition", "Command", "Kind", "Queue", "Worker"];

#[derive(OpenApi)]
#[openapi(
    info(title = "Igor", description = "Batch workflows that people watch over.", license(name = "MIT OR Apache-2.0")),
    paths(
        jobs::list,
        jobs::list_of_namespace,
        jobs::get,
        create::create,
        layers::list,
        layers::get,
        tasks::list,
        tasks::get,
        past::attempts,
        past::of_job,
        past::of_layer,
        past::of_task,
        past::commands,
        why::of_job,
        why::of_layer,
        why::of_task,
        steer::job,
        steer::layer,
        steer::task,
        bulk::add,
        work::types,
        work::types_of,
        work::queues,
        work::queues_of,
        work::workers,
        work::workers_of,
    )
)]
struct Document;

/// The document.
pub(in crate::http) fn openapi() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    by_uid(&mut document);
    for kind in PARTED {
        // With `fields` only those are shown.
        if let Some(schema) = document["components"]["schemas"][kind].as_object_mut() {
            schema.remove("required");
        }
    }
    document["components"]["schemas"]["Problem"] = problem();
    document["components"]["securitySchemes"] = json!({"token": {"type": "http", "scheme": "bearer"}});
    document["security"] = json!([{"token": []}]);
    first_version(&mut document);
    for (path, operations) in document["paths"].as_object_mut().into_iter().flatten() {
        let (kind, schema) =
            if path.starts_with("/api/v1/") { ("application/json", "V1Error") } else { ("application/problem+json", "Problem") };
        for (_, operation) in operations.as_object_mut().into_iter().flatten() {
            operation["responses"]["default"] = json!({
                "description": "It was not done, and why.",
                "content": {kind: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}}
            });
        }
    }
    document
}

/// The first version stands in the same document.
fn first_version(document: &mut Value) {
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.extend(described::paths());
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.extend(described::schemas());
    }
}

/// What there is to see of a job by its name is there by its uid too.
fn by_uid(document: &mut Value) {
    const NAMED: &str = "/api/v2/namespaces/{namespace}/jobs/{job}";
    let Some(paths) = document["paths"].as_object_mut() else { return };
    let named: Vec<(String, Value)> =
        paths.iter().filter_map(|(path, operations)| Some((path.strip_prefix(NAMED)?.to_owned(), operations["get"].clone()))).collect();
    for (rest, mut get) in named.into_iter().filter(|(_, get)| get.is_object()) {
        get["operationId"] = json!(format!("{}ByUid", get["operationId"].as_str().unwrap_or_default()));
        let parameters = get["parameters"].as_array_mut().into_iter().flatten();
        let mut kept: Vec<Value> = parameters.map(Value::take).filter(|one| one["name"] != "namespace").collect();
        for parameter in kept.iter_mut().filter(|one| one["name"] == "job") {
            parameter["name"] = json!("uid");
            parameter["description"] = json!("The uid of the job's object, also when that was deleted; or Igor's id of the job.");
            parameter["schema"]["format"] = json!("uuid");
        }
        get["parameters"] = json!(kept);
        paths.insert(format!("/api/v2/jobs/{{uid}}{rest}"), json!({"get": get}));
    }
}

/// A failure as RFC 9457 has it.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "Why a request was not done (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What happened, where, and what to do."},
            "instance": {"type": "string", "description": "The address that was asked."},
            "errors": {"type": "array", "items": {"type": "string"}, "description": "Everything that is wrong with the request."}
        }
    })
}
