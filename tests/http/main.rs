//! The HTTP API over real HTTP, on a real API server, Postgres and Redis.

#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "this binary uses a part of it")]
#[path = "../e2e/world.rs"]
mod world;

mod auth;
mod client;
mod consistency;
mod health;
mod limits;
mod proxy;
mod served;
mod standalone;
mod v1;
mod v2;
