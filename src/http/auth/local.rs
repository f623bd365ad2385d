//! Whether a request without auth comes from this machine on purpose: a page of elsewhere that a browser here shows must not steer jobs.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Whether the request names this machine as its host, and no page of another one as its origin.
pub fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let of_page = text(ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    text(HOST).is_some_and(is_loopback) && of_page.is_none_or(is_loopback)
}

/// Whether a host, with or without its port, is loopback.
fn is_loopback(host: &str) -> bool {
    let is = |name: &str| name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let without_port = host.rsplit_once(':').filter(|(name, _)| name.ends_with(']') || !name.contains(':')).map_or(host, |(name, _)| name);
    is(&bare(without_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(headers: &[(&'static str, &'static str)]) -> bool {
        is_ours(&headers.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect())
    }

    #[test]
    fn only_this_machine_and_its_pages_are_ours() {
        for host in ["localhost", "localhost:8000", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "[::1]", "LOCALHOST"] {
            assert!(ours(&[("host", host)]), "{host}");
        }
        for host in ["evil.example", "evil.example:8000", "10.0.0.1", "localhost.evil.example", "[::2]:80", ""] {
            assert!(!ours(&[("host", host)]), "{host}");
        }
        assert!(ours(&[("host", "localhost:8000"), ("origin", "http://localhost:3000")]));
        assert!(!ours(&[("host", "localhost:8000"), ("origin", "https://evil.example")]));
        assert!(!ours(&[("host", "localhost:8000"), ("origin", "null")]) && !ours(&[]));
    }
}
