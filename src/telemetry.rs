//! The only place that sets up logs and metrics.

mod logs;
mod metrics;

pub use self::logs::{LogError, LogFormat, LogLevel, chain, logs};
pub use self::metrics::{Kind, METRICS, Metric, metrics};
