//! The fields of a schema as rows: path, type with its bounds, default, what an edit may do, words.

use serde_json::{Map, Value};

use super::{add, table, text};

/// What an edit of an accepted object may do to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Live,
    Grows,
    Fixed,
}

impl Change {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Grows => "grows",
            Self::Fixed => "fixed",
        }
    }

    /// What the words of a field, the rules of the object around it or that object's own answer say.
    fn of(name: &str, words: &str, rules: &[String], around: Option<Self>) -> Option<Self> {
        let said = words.to_lowercase();
        let fixed = |rule: &String| rule == "self == oldSelf" || rule.contains(&format!("self.{name} == oldSelf.{name}"));
        let says = |words: [&str; 2]| words.into_iter().any(|words| said.contains(words));
        if said.contains("may be changed") {
            Some(Self::Live)
        } else if says(["may be appended", "may be added"]) {
            Some(Self::Grows)
        } else if says(["cannot be changed", "is refused"]) || rules.iter().any(fixed) {
            Some(Self::Fixed)
        } else {
            // What stands in a list that grows stays as it is.
            around.map(|around| if around == Self::Grows { Self::Fixed } else { around })
        }
    }
}

/// A field.
struct Field<'a> {
    path: String,
    schema: &'a Value,
    required: bool,
    change: Option<Change>,
}

/// The table of a kind's spec.
pub(super) fn spec(schema: &Value) -> String {
    let head = table(&["Field", "Type and bounds", "Default", "Changes", "What it says"]);
    below(&schema["properties"]["spec"], "spec", None).iter().fold(head, |rows, field| {
        let path = format!("`{}`{}", field.path, if field.required { " (required)" } else { "" });
        let default = field.schema.get("default").map(|value| format!("`{value}`")).unwrap_or_default();
        let change = field.change.map(Change::as_str).unwrap_or_default();
        add(rows, &[&path, &shape(field.schema), &default, change, text(&field.schema["description"])])
    })
}

/// The table of a kind's status.
pub(super) fn status(schema: &Value) -> String {
    let head = table(&["Field", "Type", "What it says"]);
    let fields = below(&schema["properties"]["status"], "status", None);
    fields
        .iter()
        .fold(head, |rows, field| add(rows, &[&format!("`{}`", field.path), &kind(field.schema), text(&field.schema["description"])]))
}

/// What the rules of a schema and of all below it say when they are broken.
pub(super) fn rules(schema: &Value) -> Vec<String> {
    let mut messages: Vec<String> = given(schema, "message");
    let inner = schema["properties"].as_object().into_iter().flatten().map(|(_, inner)| inner).chain(schema.get("items"));
    messages.extend(inner.flat_map(rules));
    messages
}

/// One member of each rule that stands at a schema.
fn given(schema: &Value, member: &str) -> Vec<String> {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.map(|rule| text(&rule[member]).to_owned()).collect()
}

/// The fields below an object, each before its own.
fn below<'a>(object: &'a Value, path: &str, around: Option<Change>) -> Vec<Field<'a>> {
    let required: Vec<&str> = object["required"].as_array().into_iter().flatten().map(text).collect();
    let rules = given(object, "rule");
    let fields = object["properties"].as_object().into_iter().flatten();
    fields
        .flat_map(|(name, schema)| {
            let path = format!("{path}.{name}");
            let change = Change::of(name, text(&schema["description"]), &rules, around);
            let inner = inner(schema, &path, change);
            let field = Field { path, schema, required: required.contains(&name.as_str()), change };
            std::iter::once(field).chain(inner).collect::<Vec<_>>()
        })
        .collect()
}

/// The fields of an object, or of the objects in a list.
fn inner<'a>(schema: &'a Value, path: &str, change: Option<Change>) -> Vec<Field<'a>> {
    match schema.get("items") {
        Some(items) => below(items, &format!("{path}[]"), change),
        None => below(schema, path, change),
    }
}

/// The type of a field, in a word or two.
fn kind(schema: &Value) -> String {
    let format = schema.get("format").and_then(Value::as_str);
    match (text(&schema["type"]), format) {
        ("string", Some("date-time")) => "time".to_owned(),
        ("string", Some("byte")) => "base64".to_owned(),
        ("array", _) => format!("list of {}s", text(&schema["items"]["type"])),
        ("object", _) if schema.get("additionalProperties").is_some() => "map of strings".to_owned(),
        (other, _) => other.to_owned(),
    }
}

/// The type of a field with its bounds.
fn shape(schema: &Value) -> String {
    let Some(schema_of) = schema.as_object() else { return String::new() };
    let mut parts = vec![kind(schema)];
    parts.extend(range(schema_of, "minimum", "maximum", ""));
    parts.extend(range(schema_of, "minLength", "maxLength", " characters"));
    parts.extend(range(schema_of, "minItems", "maxItems", " entries"));
    if let Some(members) = schema_of.get("enum").and_then(Value::as_array) {
        parts.push(members.iter().map(|member| format!("`{}`", text(member))).collect::<Vec<_>>().join(" or "));
    }
    if let Some(keys) = schema_of.get("x-kubernetes-list-map-keys").and_then(Value::as_array) {
        parts.push(format!("one of each {}", keys.iter().map(text).collect::<Vec<_>>().join(", ")));
    }
    parts.extend(schema_of.get("pattern").map(|pattern| format!("`{}`", text(pattern))));
    parts.join(", ")
}

fn range(schema: &Map<String, Value>, least: &str, most: &str, unit: &str) -> Option<String> {
    match (schema.get(least), schema.get(most)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::crdgen::definitions;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_is_shown_with_its_bounds_its_default_and_what_may_change() {
        let schema = json!({"properties": {"spec": {
            "required": ["layers"],
            "x-kubernetes-validations": [{"rule": "self.queue == oldSelf.queue", "message": "queue cannot be changed"}],
            "properties": {
                "layers": {
                    "type": "array", "description": "The layers. More may be added.", "minItems": 1, "maxItems": 256,
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {
                        "name": {"type": "string", "description": "Its name.", "minLength": 1, "maxLength": 63, "pattern": "^(a|b)$"},
                        "paused": {"type": "boolean", "description": "Pauses it. May be changed at any time."},
                    }},
                },
                "priority": {"type": "integer", "description": "Its lane.", "default": 0, "minimum": -100, "maximum": 100},
                "queue": {"type": "string", "description": "Its queue.", "maxLength": 63},
                "when": {"type": "string", "description": "Hold or go on.", "enum": ["Hold", "Continue"]},
            },
        }}});
        let expected = "\
| Field | Type and bounds | Default | Changes | What it says |
|---|---|---|---|---|
| `spec.layers` (required) | list of objects, 1 to 256 entries, one of each name |  | grows | The layers. More may be added. |
| `spec.layers[].name` | string, 1 to 63 characters, `^(a\\|b)$` |  | fixed | Its name. |
| `spec.layers[].paused` | boolean |  | live | Pauses it. May be changed at any time. |
| `spec.priority` | integer, -100 to 100 | `0` |  | Its lane. |
| `spec.queue` | string, at most 63 characters |  | fixed | Its queue. |
| `spec.when` | string, `Hold` or `Continue` |  |  | Hold or go on. |
";
        assert_eq!(spec(&schema), expected);
        assert_eq!(rules(&schema), ["queue cannot be changed"]);
    }

    #[test]
    fn a_status_is_shown_without_bounds() {
        let schema = json!({"properties": {"status": {"properties": {
            "handled": {"type": "object", "description": "By verb.", "additionalProperties": {"type": "string"}},
            "startedAt": {"type": "string", "format": "date-time", "description": "When it began."},
        }}}});
        let expected = "\
| Field | Type | What it says |
|---|---|---|
| `status.handled` | map of strings | By verb. |
| `status.startedAt` | time | When it began. |
";
        assert_eq!(status(&schema), expected);
    }

    #[test]
    fn every_field_of_every_spec_says_whether_it_may_change() {
        for (kind, definition) in definitions().expect("the definitions") {
            let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
            let silent: Vec<String> =
                below(spec, kind, None).into_iter().filter(|field| field.change.is_none()).map(|field| field.path).collect();
            assert_eq!(silent, [""; 0]);
        }
    }
}
