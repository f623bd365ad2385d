//! Workflows from `kubectl apply` to Complete on a real API server, Postgres and Redis, with the operator as the role it ships with.

#[expect(dead_code, reason = "this binary uses a part of it")]
#[path = "../http/served.rs"]
mod served;
#[path = "../support/mod.rs"]
mod support;

mod additions;
mod alone;
mod beside;
mod commands;
mod docs;
mod failing;
mod faults;
mod gone;
mod growth;
mod handles;
mod leading;
mod lifecycle;
mod logged;
mod measured;
mod plans;
mod redis_lost;
mod restore;
mod steer;
mod steering;
mod tls;
mod traced;
mod unreadable;
mod why;
mod world;
