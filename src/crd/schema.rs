//! Schemas that the derive cannot guess.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A moment, as the API server checks it.
pub(super) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// A JSON object of any content, kept as it is.
pub(super) fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Bytes in base64, as the API server checks them.
pub(super) fn base64_args(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "byte", "maxLength": 13336})
}

/// The command last handled, by verb.
pub(super) fn handled(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "additionalProperties": {"type": "string", "maxLength": 128}, "maxProperties": 16})
}
