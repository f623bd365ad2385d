//! Crash points: each external effect has a number, and the process may be told to die before or after one.
//!
//! `IGOR_CRASH_AT=<number>:before|after` names the effect, `IGOR_CRASH_LOG=<file>` takes a line for each: its number, its name. What
//! only reads is no effect and has no number.

#[cfg(feature = "proof")]
use self::counted as effects;
#[cfg(not(feature = "proof"))]
use self::nothing as effects;

pub(crate) use self::effects::{after, before_all};
#[cfg(feature = "operator")]
pub(crate) use self::effects::{before, kube_client};

#[cfg(not(feature = "proof"))]
mod nothing {
    /// An effect that nobody counts.
    pub(crate) struct Effect;

    /// An effect on a store is about to begin.
    #[cfg(feature = "operator")]
    #[inline]
    pub(crate) const fn before(_store: &'static str, _act: &'static str) -> Effect {
        Effect
    }

    /// Commands are about to go to Redis.
    #[inline]
    pub(crate) fn before_all<'a>(_act: &'static str, _commands: impl Iterator<Item = &'a redis::Cmd>) -> Effect {
        Effect
    }

    /// The effect was answered.
    #[inline]
    pub(crate) const fn after(_effect: Effect) {}

    /// The client as it is.
    #[cfg(feature = "operator")]
    #[inline]
    pub(crate) fn kube_client(client: kube::Client) -> kube::Client {
        client
    }
}

#[cfg(feature = "proof")]
mod counted {
    use std::fs::File;
    use std::io::Write;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use kube::client::Body;
    use redis::Cmd;

    /// Commands of Redis that change nothing.
    const READS: [&str; 13] =
        ["CLIENT", "CONFIG", "GET", "HGET", "HGETALL", "PING", "SMEMBERS", "XINFO", "XLEN", "XPENDING", "XRANGE", "XREAD", "XREVRANGE"];

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Side {
        Before,
        After,
    }

    struct Plan {
        at: Option<(u64, Side)>,
        log: Option<File>,
        last: AtomicU64,
    }

    static PLAN: LazyLock<Plan> = LazyLock::new(|| Plan {
        at: std::env::var("IGOR_CRASH_AT").ok().map(|text| parse(&text).expect("IGOR_CRASH_AT is <number>:before or <number>:after")),
        log: std::env::var_os("IGOR_CRASH_LOG").map(|path| File::options().create(true).append(true).open(path).expect("a log of effects")),
        last: AtomicU64::new(0),
    });

    fn parse(text: &str) -> Option<(u64, Side)> {
        let (number, side) = text.split_once(':')?;
        let side = match side {
            "before" => Side::Before,
            "after" => Side::After,
            _ => return None,
        };
        Some((number.parse().ok()?, side))
    }

    /// An effect under way: its number, unless it changes nothing.
    pub(crate) struct Effect(Option<u64>);

    impl Effect {
        fn begin(name: std::fmt::Arguments<'_>) -> Self {
            let number = PLAN.last.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(mut log) = PLAN.log.as_ref() {
                // One write a line: processes that follow each other append to one file.
                log.write_all(format!("{number} {name}\n").as_bytes()).expect("the log of effects can be written");
            }
            die_if((number, Side::Before));
            Self(Some(number))
        }
    }

    fn die_if(here: (u64, Side)) {
        if PLAN.at == Some(here) {
            std::process::abort();
        }
    }

    /// An effect on a store is about to begin.
    pub(crate) fn before(store: &'static str, act: &'static str) -> Effect {
        Effect::begin(format_args!("{store}: {act}"))
    }

    /// Commands are about to go to Redis.
    pub(crate) fn before_all<'a>(act: &'static str, mut commands: impl Iterator<Item = &'a Cmd>) -> Effect {
        if commands.all(is_read) { Effect(None) } else { Effect::begin(format_args!("queue: {act}")) }
    }

    /// The effect was answered.
    pub(crate) fn after(Effect(number): Effect) {
        if let Some(number) = number {
            die_if((number, Side::After));
        }
    }

    fn is_read(command: &Cmd) -> bool {
        match command.args_iter().next() {
            Some(redis::Arg::Simple(verb)) => READS.iter().any(|read| verb.eq_ignore_ascii_case(read.as_bytes())),
            _ => false,
        }
    }

    /// The same client; what it asks the API server to change is an effect.
    pub(crate) fn kube_client(client: kube::Client) -> kube::Client {
        let namespace = client.default_namespace().to_owned();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let client = client.clone();
            async move {
                let effect = of_request(&request);
                let answer = client.send(request).await;
                after(effect);
                answer
            }
        });
        kube::Client::new(service, namespace)
    }

    fn of_request(request: &http::Request<Body>) -> Effect {
        if request.method() == http::Method::GET {
            return Effect(None);
        }
        let parts: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).collect();
        // /apis/<group>/<version>/namespaces/<namespace>/<kind>/<name>/<part of it>
        let kind = parts.iter().position(|part| *part == "namespaces").map_or(parts.len(), |at| at + 2);
        let (kind, part) = (parts.get(kind).unwrap_or(&"?"), parts.get(kind + 2).unwrap_or(&""));
        Effect::begin(format_args!("kube: {} {kind} {part}", request.method()))
    }
}
