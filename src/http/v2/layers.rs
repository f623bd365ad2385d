//! Layers of a job.

use axum::extract::State;
use axum::response::Response;

use super::super::{Api, Fault};
use super::answered::{self, Fields, Page};
use super::asked::{OfOne, Query};
use super::found::{OfJob, OfLayer};
use super::shown::Layer;

/// The layers of a job in the order of its plan, all of them.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers", operation_id = "listLayers", tag = "layers",
    params(("namespace" = String, Path), ("job" = String, Path), OfOne), responses((status = 200, body = Page<Layer>)))]
pub(super) async fn list(State(api): State<Api>, OfJob { job }: OfJob, Query(asked): Query<OfOne>) -> Result<Response, Fault> {
    let fields = Fields::read::<Layer>(asked.fields.as_deref())?;
    let layers = api.ledger.layers(job.job_id).await?;
    answered::page(layers.into_iter().map(Layer::from).collect(), None::<u32>, &fields)
}

/// A layer.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}", operation_id = "getLayer", tag = "layers",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path), OfOne),
    responses((status = 200, body = Layer, headers(("ETag" = String)))))]
pub(super) async fn get(OfLayer { layer, .. }: OfLayer, Query(asked): Query<OfOne>) -> Result<Response, Fault> {
    let fields = Fields::read::<Layer>(asked.fields.as_deref())?;
    let etag = layer.version;
    answered::one(&Layer::from(layer), Some(etag), &fields)
}
