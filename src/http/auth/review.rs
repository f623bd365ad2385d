//! What the API server says of tokens and rights, remembered for seconds and within bounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams, PostParams};
use kube::core::PartialObjectMeta;
use moka::future::Cache;
use sha2::{Digest, Sha256};

use super::super::Fault;
use super::Need;

/// How long an answer is believed: a right that was taken away ends within this.
const BELIEVED: Duration = Duration::from_secs(10);
/// Tokens that are remembered, and then answers about rights.
const TOKENS: u64 = 10_000;
const RIGHTS: u64 = 100_000;
/// Questions at a time for one list.
const AT_ONCE: usize = 16;
/// Longest token that is worth a question.
const TOKEN_BYTES: usize = 16 * 1024;

/// Whom a token stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) name: String,
    uid: Option<String>,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
    /// What it is remembered by.
    token: [u8; 32],
}

/// A question about rights.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Right {
    token: [u8; 32],
    need: Need,
    /// Empty = all of them.
    namespace: String,
    name: Option<String>,
}

pub(super) struct Reviews {
    client: kube::Client,
    /// Each asked about in turn; an empty one is the API server's own.
    audiences: Vec<Vec<String>>,
    subjects: Cache<[u8; 32], Option<Arc<Subject>>>,
    rights: Cache<Right, bool>,
    namespaces: Cache<(), Arc<[String]>>,
}

impl Reviews {
    pub(super) fn new(client: kube::Client, audiences: &[String]) -> Self {
        let audiences = if audiences.is_empty() { vec![Vec::new(), vec!["igor".to_owned()]] } else { vec![audiences.to_vec()] };
        Self {
            client,
            audiences,
            subjects: Cache::builder().max_capacity(TOKENS).time_to_live(BELIEVED).build(),
            rights: Cache::builder().max_capacity(RIGHTS).time_to_live(BELIEVED).build(),
            namespaces: Cache::builder().max_capacity(1).time_to_live(BELIEVED).build(),
        }
    }

    /// Whom the token stands for.
    pub(super) async fn subject(&self, token: &str) -> Result<Arc<Subject>, Fault> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let known = if token.len() > TOKEN_BYTES {
            None
        } else {
            self.subjects.try_get_with(hash, self.review(token, hash)).await.map_err(|fault: Arc<Fault>| Fault::clone(&fault))?
        };
        known.ok_or_else(|| {
            Fault::Unauthorized("the token is not valid here: it may have expired, or be meant for another audience".to_owned())
        })
    }

    async fn review(&self, token: &str, hash: [u8; 32]) -> Result<Option<Arc<Subject>>, Fault> {
        for audiences in &self.audiences {
            if let Some(subject) = self.review_for(token, hash, audiences).await? {
                return Ok(Some(Arc::new(subject)));
            }
        }
        Ok(None)
    }

    async fn review_for(&self, token: &str, hash: [u8; 32], audiences: &[String]) -> Result<Option<Subject>, Fault> {
        let asked = (!audiences.is_empty()).then(|| audiences.to_vec());
        let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences: asked };
        let review = TokenReview { spec, ..TokenReview::default() };
        let made = Api::all(self.client.clone()).create(&PostParams::default(), &review).await;
        let status = made.map_err(|error| away("review a token", &error))?.status.unwrap_or_default();
        // One that knows nothing of audiences says so by naming none.
        let meant = audiences.is_empty() || status.audiences.iter().flatten().any(|audience| audiences.contains(audience));
        let user = status.user.filter(|_| status.authenticated == Some(true) && meant);
        Ok(user.map(|user| Subject {
            name: user.username.unwrap_or_default(),
            uid: user.uid,
            groups: user.groups.unwrap_or_default(),
            extra: user.extra.unwrap_or_default(),
            token: hash,
        }))
    }

    /// Whether the subject may do that with objects of kind `IgorJob`.
    pub(super) async fn may(&self, subject: &Arc<Subject>, need: Need, namespace: &str, name: Option<&str>) -> Result<bool, Fault> {
        let right = Right { token: subject.token, need, namespace: namespace.to_owned(), name: name.map(str::to_owned) };
        let asked = self.access(subject, right.clone());
        self.rights.try_get_with(right, asked).await.map_err(|fault: Arc<Fault>| Fault::clone(&fault))
    }

    async fn access(&self, subject: &Subject, right: Right) -> Result<bool, Fault> {
        let attributes = ResourceAttributes {
            group: Some("igor.dev".to_owned()),
            resource: Some("igorjobs".to_owned()),
            verb: Some(right.need.verb().to_owned()),
            namespace: Some(right.namespace),
            name: right.name,
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(subject.name.clone()),
            uid: subject.uid.clone(),
            groups: Some(subject.groups.clone()),
            extra: Some(subject.extra.clone()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let made = Api::all(self.client.clone()).create(&PostParams::default(), &review).await;
        made.map(|made| made.status.is_some_and(|status| status.allowed)).map_err(|error| away("review a right", &error))
    }

    /// Every namespace that there is.
    pub(super) async fn namespaces(&self) -> Result<Arc<[String]>, Fault> {
        let asked = async {
            let api: Api<Namespace> = Api::all(self.client.clone());
            let list = api.list_metadata(&ListParams::default()).await.map_err(|error| away("list namespaces", &error))?;
            let name = |object: PartialObjectMeta<Namespace>| object.metadata.name;
            Ok(list.items.into_iter().filter_map(name).collect())
        };
        self.namespaces.try_get_with((), asked).await.map_err(|fault: Arc<Fault>| Fault::clone(&fault))
    }

    /// Those of `all` in which the subject may do that.
    pub(super) async fn among(&self, subject: &Arc<Subject>, need: Need, all: &[String]) -> Result<Vec<String>, Fault> {
        let asked = stream::iter(all.to_vec()).map(async |namespace| {
            let may = self.may(subject, need, &namespace, None).await?;
            Ok::<_, Fault>(may.then_some(namespace))
        });
        asked.buffered(AT_ONCE).try_filter_map(async |namespace| Ok(namespace)).try_collect().await
    }
}

fn away(act: &'static str, error: &kube::Error) -> Fault {
    tracing::warn!(act, error = error as &dyn std::error::Error, "the API server does not answer");
    Fault::StoreAway("the API server")
}
