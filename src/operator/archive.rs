//! What the cluster still has of a day whose history is to go.

use kube::ResourceExt;
use kube::api::{Api, ListParams, PartialObjectMeta};

use super::Error;
use super::clients::Clients;
use crate::crd::IgorJob;

/// The jobs of all namespaces whose objects were made on that UTC day, as `namespace/name`.
pub async fn objects_made_on(day: &str) -> Result<Vec<String>, Error> {
    let jobs: Api<PartialObjectMeta<IgorJob>> = Api::all(Clients::infer().await?.calls);
    let listed = jobs.list(&ListParams::default()).await.map_err(|source| Error::Kube { act: "list the jobs", source })?;
    let is_of_day = |job: &PartialObjectMeta<IgorJob>| {
        job.metadata.creation_timestamp.as_ref().is_some_and(|made| made.0.strftime("%Y-%m-%d").to_string() == day)
    };
    let full_name = |job: PartialObjectMeta<IgorJob>| format!("{}/{}", job.namespace().unwrap_or_default(), job.name_any());
    Ok(listed.into_iter().filter(is_of_day).map(full_name).collect())
}
