//! Ids of jobs, layers and tasks: uuids in the shape of version 7 that anybody holding the names can compute.
//!
//! 48 bits of the *job's* creation time in milliseconds, then 74 bits of a SHA-256 over the names. Deterministic, so a repeated
//! accept writes the same rows; ordered by time, so a whole job lives in one day's partition and every id yields its `created_at`.
//! SQL computes the same id for array tasks (`store::accept`), which is why the hash is one that Postgres has built in.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The id of the job that Kubernetes knows as `uid`, created at `created_ms` (unix milliseconds).
pub fn job(created_ms: i64, uid: &str) -> Uuid {
    shape(created_ms, &[uid])
}

/// The id of a layer of that job.
pub fn layer(created_ms: i64, uid: &str, layer: &str) -> Uuid {
    shape(created_ms, &[uid, layer])
}

/// The id of a task of that layer; `task` is its name, which a plan makes unique in the layer.
pub fn task(created_ms: i64, uid: &str, layer: &str, task: &str) -> Uuid {
    shape(created_ms, &[uid, layer, task])
}

/// The id of a command: the same for every repetition of `verb` with `token` on one object of the job.
pub fn command(created_ms: i64, uid: &str, object: &str, verb: &str, token: &str) -> Uuid {
    shape(created_ms, &[uid, object, verb, token])
}

/// What tells one state of an object from another: the same for the same version of it, in the shape of an id.
pub fn etag(id: Uuid, version: u64) -> Uuid {
    let hash = Sha256::digest(format!("{id}/{version}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(bytes)
}

/// The creation time that an id carries, in unix milliseconds.
pub fn created_ms(id: Uuid) -> i64 {
    i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX)
}

/// Below every id of that creation time, and above those of earlier ones.
pub fn first_of(created_ms: i64) -> Uuid {
    Uuid::from_u128(u128::from(created_ms.unsigned_abs()) << 80)
}

/// Above every id of that creation time, and below those of later ones.
pub fn last_of(created_ms: i64) -> Uuid {
    Uuid::from_u128(u128::from(created_ms.unsigned_abs()) << 80 | ((1 << 80) - 1))
}

/// Names are joined by `/`, which no name of a job, layer or task may hold.
fn shape(created_ms: i64, names: &[&str]) -> Uuid {
    const TIME_BITS: u128 = (1 << 48) - 1;
    let hash = Sha256::digest(names.join("/").as_bytes());
    let mut low = [0; 16];
    low[6..].copy_from_slice(&hash[..10]);
    let mut bits = u128::from_be_bytes(low) & ((1 << 80) - 1);
    bits |= (u128::from(created_ms.unsigned_abs()) & TIME_BITS) << 80;
    bits = bits & !(0xF << 76) | 0x7 << 76;
    bits = bits & !(0x3 << 62) | 0x2 << 62;
    Uuid::from_u128(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_version_seven_uuid_that_carries_its_time() {
        let id = task(1_764_000_000_123, "0b5c", "render", "frame-17");
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(created_ms(id), 1_764_000_000_123);
    }

    #[test]
    fn an_etag_is_of_one_version_of_one_object() {
        let (one, other) = (job(5, "u"), job(6, "u"));
        assert_eq!(etag(one, 1), etag(one, 1));
        assert!(etag(one, 1) != etag(one, 2) && etag(one, 1) != etag(other, 1));
    }

    #[test]
    fn the_same_names_give_the_same_id_and_other_names_another() {
        let ids = [job(5, "u"), layer(5, "u", "a"), task(5, "u", "a", "b"), task(5, "u", "a", "c"), job(5, "v"), job(6, "u")];
        assert_eq!(ids[0], job(5, "u"));
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
