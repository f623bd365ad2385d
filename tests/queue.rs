//! The wire contract, sentence by sentence, on a real Redis.
//!
//! Needs `IGOR_TEST_REDIS_URL`, which `make test` sets.

#[path = "queue/operator.rs"]
mod operator;
#[path = "queue/rig.rs"]
mod rig;
