//! The wire contract, sentence by sentence, on a real Redis with real worker processes: the one that comes with Igor, and the one
//! of the Python package.
//!
//! Needs what the test rig sets: run it with `make test`, or `rig/with-test-env cargo test --test queue`.

#[path = "queue/contract.rs"]
mod contract;
#[path = "queue/faults.rs"]
mod faults;
#[path = "queue/operator.rs"]
mod operator;
#[path = "queue/python.rs"]
mod python;
#[path = "queue/rig.rs"]
mod rig;
#[path = "queue/rights.rs"]
mod rights;
#[path = "queue/sdk.rs"]
mod sdk;
#[path = "queue/stand_in.rs"]
mod stand_in;
mod support;
