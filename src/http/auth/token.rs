//! The token of a request.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::super::Fault;

/// For callers through the API server's proxy, which keeps `Authorization` to itself.
const THROUGH_PROXY: &str = "x-igor-authorization";

/// Reads the token; the header for the proxy wins.
pub(super) fn of(headers: &HeaderMap) -> Result<String, Fault> {
    let header = headers.get(THROUGH_PROXY).or_else(|| headers.get(AUTHORIZATION));
    let Some(header) = header else {
        return Err(Fault::Unauthorized("send the token of a service account or a person: Authorization: Bearer TOKEN".to_owned()));
    };
    let text = header.to_str().unwrap_or_default();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    };
    if token.is_empty() {
        return Err(Fault::Unauthorized("the header is to read: Bearer TOKEN".to_owned()));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(headers: &[(&'static str, &'static str)]) -> Option<String> {
        of(&headers.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()).ok()
    }

    #[test]
    fn a_token_is_read_from_either_header() {
        assert_eq!(token(&[("authorization", "Bearer abc")]).as_deref(), Some("abc"));
        assert_eq!(token(&[("authorization", "bearer  abc ")]).as_deref(), Some("abc"));
        assert_eq!(token(&[("x-igor-authorization", "Bearer mine"), ("authorization", "Bearer proxy")]).as_deref(), Some("mine"));
    }

    #[test]
    fn what_is_no_bearer_token_is_none() {
        for header in ["abc", "Basic abc", "Bearer", "Bearer ", ""] {
            assert_eq!(token(&[("authorization", header)]), None, "{header:?}");
        }
        assert_eq!(token(&[]), None);
    }
}
