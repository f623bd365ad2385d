//! How the first version stands in the OpenAPI document. Its handlers read more than is written here (names in any case, `null` for
//! absent), so it is described by hand.

use serde_json::{Map, Value, json};

/// Its paths.
pub(in crate::http) fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for (path, kind) in [("jobs", "V1Job"), ("layers", "V1Layer"), ("tasks", "V1Task")] {
        let list = json!({"type": "array", "items": reference(kind)});
        let get = operation(&format!("v1-list-{path}"), "What there is, newest first.", &list);
        paths.insert(format!("/api/v1/{path}"), json!({"get": with(get, "parameters", &filters())}));
    }
    let born = operation("v1-create-job", "Makes a job, and answers with its layers and tasks.", &reference("V1Job"));
    let namespace = json!([{"name": "namespace", "in": "query", "description": "Where; that of the settings if unset.",
        "schema": {"type": "string", "maxLength": 63}}]);
    paths["/api/v1/jobs"]["post"] = with(with(born, "requestBody", &body(&reference("V1NewJob"))), "parameters", &namespace);
    for path in ["layers", "tasks"] {
        let made = json!({"type": "array", "items": reference("V1Task")});
        let add = operation(&format!("v1-add-{path}"), "Adds tasks to layers that have not begun or are paused: all or none.", &made);
        let tasks = json!({"type": "array", "items": reference("V1NewTask")});
        paths[&format!("/api/v1/{path}")]["post"] = with(add, "requestBody", &body(&tasks));
    }
    for verb in ["pause", "unpause", "skip", "kill", "retry"] {
        let updated = json!({"type": "object", "required": ["updated"], "properties": {"updated": {"type": "integer", "minimum": 0}}});
        let patch = operation(&format!("v1-{verb}"), "Does so with those that are as the caller saw them; says how many.", &updated);
        let refs = json!({"type": "array", "items": reference("V1Ref")});
        paths.insert(format!("/api/v1/{verb}"), json!({"patch": with(patch, "requestBody", &body(&refs))}));
    }
    paths
}

/// Its schemas.
pub(in crate::http) fn schemas() -> Map<String, Value> {
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer"}));
    let (id, args) = (json!({"type": "string", "format": "uuid"}), json!({"type": ["string", "null"], "description": "Base64."}));
    let status = json!({"type": "string", "enum": ["PENDING", "QUEUED", "RUNNING", "COMPLETED", "ERRORED", "SKIPPED"]});
    let common = [("name", &text), ("id", &id), ("status", &status), ("etag", &id), ("created_at", &whole), ("updated_at", &whole)];
    let of_layer = [("paused_at", &whole), ("priority", &whole), ("job_id", &id)];
    let of_task = [
        ("type", &text),
        ("args", &args),
        ("paused_at", &whole),
        ("retries", &whole),
        ("job_id", &id),
        ("layer_id", &id),
        ("queue_task_id", &text),
        ("message", &text),
    ];
    let new_task = json!({"type": "object", "required": ["type"], "additionalProperties": false, "properties": {
        "type": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"}, "name": {"type": "string", "maxLength": 500},
        "args": args, "paused_at": {"type": "integer", "minimum": 0}, "retries": {"type": "integer", "minimum": 0, "maximum": 100},
        "layer_id": {"type": "string"}}});
    let new_layer = json!({"type": "object", "additionalProperties": false, "properties": {
        "name": {"type": "string", "maxLength": 500}, "priority": {"type": "integer"}, "paused_at": {"type": "integer", "minimum": 0},
        "tasks": {"type": "array", "items": reference("V1NewTask")}}});
    let new_job = json!({"type": "object", "required": ["layers"], "additionalProperties": false, "properties": {
        "name": {"type": "string", "maxLength": 500}, "layers": {"type": "array", "minItems": 1, "items": reference("V1NewLayer")}}});
    let one = json!({"type": "object", "required": ["kind", "id", "etag"], "additionalProperties": false, "properties": {
        "kind": {"type": "string", "enum": ["Job", "Layer", "Task"]}, "id": id, "etag": id}});
    let error = json!({"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}});
    let shown = [("V1Job", object(&common, &[])), ("V1Layer", object(&common, &of_layer)), ("V1Task", object(&common, &of_task))];
    let asked = [("V1NewTask", new_task), ("V1NewLayer", new_layer), ("V1NewJob", new_job), ("V1Ref", one), ("V1Error", error)];
    shown.into_iter().chain(asked).map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// An object that has all of these fields.
fn object(common: &[(&str, &Value)], own: &[(&str, &Value)]) -> Value {
    let fields: Map<String, Value> = common.iter().chain(own).map(|(name, schema)| ((*name).to_owned(), (*schema).clone())).collect();
    let required: Vec<String> = fields.keys().cloned().collect();
    json!({"type": "object", "required": required, "properties": fields})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn body(schema: &Value) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}

fn operation(id: &str, says: &str, answer: &Value) -> Value {
    json!({
        "operationId": id, "tags": ["v1"], "summary": says,
        "responses": {"200": {"description": "Done.", "content": {"application/json": {"schema": answer}}}}
    })
}

fn with(mut operation: Value, part: &str, value: &Value) -> Value {
    operation[part] = value.clone();
    operation
}

/// Repeated ids and statuses, times in unix seconds, and the part of the list.
fn filters() -> Value {
    let many = |name: &str, items: Value| json!({"name": name, "in": "query", "schema": {"type": "array", "items": items}});
    let number = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "integer"}});
    let id = || json!({"type": "string", "format": "uuid"});
    let status = json!({"type": "string", "enum": ["PENDING", "QUEUED", "RUNNING", "COMPLETED", "ERRORED", "SKIPPED", "KILLED"]});
    json!([
        many("job_ids", id()),
        many("layer_ids", id()),
        many("task_ids", id()),
        many("statuses", status),
        number("created_before"),
        number("created_after"),
        number("updated_before"),
        number("updated_after"),
        number("limit"),
        number("offset"),
    ])
}
