//! The custom resource definitions as files: what the derives give, made fit for an API server, and checked.
//!
//! The derives say more than Kubernetes wants (nullable fields, null as a member of enums, formats it does not know) and do not say
//! what it needs (rules). Both is settled here, and a schema that is not bounded everywhere is refused.

use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use super::rules::RULES;
use super::{IgorJob, IgorLayer, IgorTask};

/// Formats that the API server knows and that are wanted.
const FORMATS: [&str; 4] = ["int32", "int64", "byte", "date-time"];

/// The definitions cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A definition cannot be written as JSON.
    #[error("cannot write the definition of a kind as JSON")]
    Json(#[source] serde_json::Error),
    /// A definition cannot be written as YAML.
    #[error("cannot write the definition of a kind as YAML")]
    Yaml(#[source] serde_yaml::Error),
    /// A rule stands where there is no schema.
    #[error("a rule stands at {place} of {kind}, where there is no schema")]
    Misplaced {
        /// The kind.
        kind: &'static str,
        /// The JSON pointer.
        place: &'static str,
    },
    /// A schema is not bounded or not documented.
    #[error("the schema is loose: {}", .0.join("; "))]
    Loose(Vec<String>),
}

/// The definitions, as names and contents of files.
pub fn yaml() -> Result<Vec<(String, String)>, Error> {
    definitions()?
        .into_iter()
        .map(|(kind, definition)| {
            let text = serde_yaml::to_string(&definition).map_err(Error::Yaml)?;
            Ok((format!("{}s.yaml", kind.to_lowercase()), text))
        })
        .collect()
}

/// The definitions, by kind.
pub fn definitions() -> Result<Vec<(&'static str, Value)>, Error> {
    let derived = [("IgorJob", IgorJob::crd()), ("IgorLayer", IgorLayer::crd()), ("IgorTask", IgorTask::crd())];
    derived
        .into_iter()
        .map(|(kind, crd)| {
            let mut definition = serde_json::to_value(crd).map_err(Error::Json)?;
            if let Some(schema) = definition.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
                tidy(schema);
                add_rules(kind, schema)?;
                let mut loose = Vec::new();
                check(schema, kind, &mut loose);
                if !loose.is_empty() {
                    return Err(Error::Loose(loose));
                }
            }
            Ok((kind, definition))
        })
        .collect()
}

/// The schemas directly below `schema`, by name.
fn below(schema: &Map<String, Value>) -> impl Iterator<Item = (String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let named = properties.map(|(name, schema)| (format!(".{name}"), schema));
    let items = schema.get("items").map(|schema| ("[]".to_owned(), schema));
    let values = schema.get("additionalProperties").map(|schema| ("{}".to_owned(), schema));
    named.chain(items).chain(values)
}

/// Takes out what Kubernetes does not want.
fn tidy(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    schema.remove("nullable");
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| !FORMATS.contains(&format)) {
        schema.remove("format");
    }
    if let Some(members) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        members.retain(|member| !member.is_null());
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    for bound in ["minimum", "maximum"] {
        if let Some(number) = schema.get_mut(bound) {
            whole(number);
        }
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(tidy);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(inner) {
            tidy(inner);
        }
    }
}

/// 100.0 is 100.
fn whole(number: &mut Value) {
    #[expect(clippy::cast_possible_truncation, reason = "bounds are small whole numbers")]
    if let Some(value) = number.as_f64() {
        *number = json!(value as i64);
    }
}

fn add_rules(kind: &'static str, schema: &mut Value) -> Result<(), Error> {
    for rule in RULES.iter().filter(|rule| rule.kind == kind) {
        let misplaced = Error::Misplaced { kind, place: rule.place };
        let Some(place) = schema.pointer_mut(rule.place).and_then(Value::as_object_mut) else { return Err(misplaced) };
        let rules = place.entry("x-kubernetes-validations").or_insert_with(|| json!([]));
        if let Some(rules) = rules.as_array_mut() {
            rules.push(json!({"rule": rule.cel, "message": rule.message}));
        }
    }
    Ok(())
}

/// Says what of `schema` is not bounded or not documented.
fn check(schema: &Value, path: &str, loose: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else {
        loose.push(format!("{path} is no schema"));
        return;
    };
    let mut need = |given: bool, what: &str| {
        if !given {
            loose.push(format!("{path} has no {what}"));
        }
    };
    let is = |kind: &str| schema.get("type").and_then(Value::as_str) == Some(kind);
    let has = |key: &str| schema.contains_key(key);
    let bounded = has("maxLength") || has("enum") || schema.get("format").and_then(Value::as_str) == Some("date-time");
    let is_content = path.ends_with("[]") || path.ends_with("{}");
    need(has("type"), "type");
    need(has("description") || is_content, "description");
    need(!is("string") || bounded, "maxLength");
    need(!is("array") || (has("x-kubernetes-list-type") && has("maxItems")), "list type or maxItems");
    need(!has("additionalProperties") || has("maxProperties"), "maxProperties");
    need(!has("anyOf") && !has("oneOf") && !has("allOf"), "plain shape");
    for (name, inner) in below(schema) {
        check(inner, &format!("{path}{name}"), loose);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_does_not_want_is_taken_out() {
        let mut schema = json!({
            "type": "object", "description": "two\n lines",
            "properties": {
                "phase": {"type": "string", "enum": ["A", null], "nullable": true},
                "count": {"type": "integer", "format": "uint32", "minimum": 0.0},
                "times": {"type": "array", "items": {"type": "string", "format": "date-time", "nullable": true}},
            },
        });
        tidy(&mut schema);
        let expected = json!({
            "type": "object", "description": "two lines",
            "properties": {
                "phase": {"type": "string", "enum": ["A"]},
                "count": {"type": "integer", "minimum": 0},
                "times": {"type": "array", "items": {"type": "string", "format": "date-time"}},
            },
        });
        assert_eq!(schema, expected);
    }

    #[test]
    fn every_loose_end_is_named_with_its_place() {
        let schema = json!({
            "type": "object", "description": "d",
            "properties": {
                "text": {"type": "string", "description": "d"},
                "silent": {"type": "string", "maxLength": 9},
                "list": {"type": "array", "description": "d", "maxItems": 9, "items": {"type": "string"}},
                "map": {"type": "object", "description": "d", "additionalProperties": {"type": "string", "maxLength": 9}},
                "either": {"description": "d", "anyOf": []},
                "fine": {"type": "string", "description": "d", "enum": ["A"]},
            },
        });
        let mut loose = Vec::new();
        check(&schema, "Kind", &mut loose);
        let expected = [
            "Kind.either has no type",
            "Kind.either has no plain shape",
            "Kind.list has no list type or maxItems",
            "Kind.list[] has no maxLength",
            "Kind.map has no maxProperties",
            "Kind.silent has no description",
            "Kind.text has no maxLength",
        ];
        assert_eq!(loose, expected);
    }

    #[test]
    fn the_definitions_are_not_loose() {
        assert_eq!(definitions().map(|all| all.len()).map_err(|error| error.to_string()), Ok(3));
    }
}
