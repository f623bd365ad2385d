//! How answers are written: pages, single things with their etags, and only the fields that were asked for.

use axum::Json;
use axum::http::header::{ETAG, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::{PartialSchema, ToSchema};

use super::super::Fault;
use super::asked::place::Cursor;

/// A part of a list. It may be short, even empty, while more follows: only a `next` of null says that the list has ended.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// What was found, in the order of the list.
    items: Vec<T>,
    /// The `after` of the next page; null = there is none.
    #[schema(required)]
    next: Option<String>,
}

/// Which fields are shown; all of them unless some were named.
pub(super) struct Fields(Option<Vec<String>>);

impl Fields {
    /// Those of `T` that were asked for.
    pub(super) fn read<T: PartialSchema>(asked: Option<&str>) -> Result<Self, Fault> {
        let Some(asked) = asked else { return Ok(Self(None)) };
        let known = names::<T>();
        let (good, bad): (Vec<String>, Vec<String>) =
            asked.split(',').map(|field| field.trim().to_owned()).partition(|field| known.contains(field));
        if bad.is_empty() {
            return Ok(Self(Some(good)));
        }
        let fault = |field: &String| format!("fields: {field:?} is none of {}", known.join(", "));
        Err(Fault::Bad(bad.iter().map(fault).collect()))
    }

    fn cut(&self, value: Value) -> Value {
        match (&self.0, value) {
            (Some(fields), Value::Object(all)) => Value::Object(all.into_iter().filter(|(field, _)| fields.contains(field)).collect()),
            (_, value) => value,
        }
    }
}

/// The names of the fields of an object.
fn names<T: PartialSchema>() -> Vec<String> {
    let schema = serde_json::to_value(T::schema()).unwrap_or_default();
    schema["properties"].as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
}

/// Writes a page.
pub(super) fn page<T: Serialize>(items: Vec<T>, next: Option<impl Cursor>, fields: &Fields) -> Result<Response, Fault> {
    let next = next.map(|place| place.text());
    if fields.0.is_none() {
        return Ok(Json(Page { items, next }).into_response());
    }
    let items = items.into_iter().map(|item| written(&item).map(|item| fields.cut(item))).collect::<Result<_, _>>()?;
    Ok(Json(Page::<Value> { items, next }).into_response())
}

/// Writes a single thing, with its etag if it has one.
pub(super) fn one<T: Serialize>(item: &T, etag: Option<i64>, fields: &Fields) -> Result<Response, Fault> {
    let mut response = Json(fields.cut(written(item)?)).into_response();
    if let Some(etag) = etag.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
        response.headers_mut().insert(ETAG, etag);
    }
    Ok(response)
}

fn written<T: Serialize>(item: &T) -> Result<Value, Fault> {
    serde_json::to_value(item).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "an answer cannot be written");
        Fault::Broken
    })
}
