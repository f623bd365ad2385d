//! Igor runs batch workflows that people watch over.
//!
//! Without features this crate is the pure core alone. `worker` adds the queue and the SDK for workers,
//! `client` the client of the HTTP API, `operator` (the default) everything else. ARCHITECTURE.md draws the map.

#[cfg(feature = "client")]
pub mod client;
pub mod core;
#[cfg(feature = "worker")]
mod proof;
#[cfg(feature = "worker")]
pub mod queue;
#[cfg(feature = "worker")]
mod tls;
#[cfg(feature = "worker")]
pub mod trace;
#[cfg(feature = "worker")]
pub mod worker;

#[cfg(feature = "operator")]
pub mod config;
#[cfg(feature = "operator")]
pub mod crd;
#[cfg(feature = "operator")]
pub mod http;
#[cfg(feature = "operator")]
pub mod operator;
#[cfg(feature = "operator")]
mod probes;
#[cfg(feature = "operator")]
pub mod store;
#[cfg(feature = "operator")]
pub mod telemetry;
#[cfg(feature = "operator")]
pub mod why;
