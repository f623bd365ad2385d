//! Why a TLS connection to a store was not made, in words for people that name no address. Knows neither store.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError};

/// What to do about it, when an error is one of TLS. Its own words name the host that was asked for, or say nothing to people.
pub(crate) fn explained(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match find(error)? {
        rustls::Error::InvalidCertificate(certificate) => Some(refused(certificate)),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            Some("the server asks for a certificate: set one, and its key")
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError,
        ) => Some("the server does not take the certificate that it is shown: is it of the authority that the server trusts?"),
        rustls::Error::InvalidMessage(_) => Some("the server does not answer in TLS: does it speak TLS on this port?"),
        _ => None,
    }
}

fn refused(certificate: &CertificateError) -> &'static str {
    match certificate {
        CertificateError::UnknownIssuer => {
            "the server's certificate is of an authority that is not trusted here: set the file with the right authority's certificate"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name than the address has: use a name that the certificate holds"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the server's certificate has expired: renew it",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet: compare the clocks"
        }
        CertificateError::BadSignature => {
            "the server's certificate is not signed by the trusted authority, though it has that authority's name"
        }
        _ => "the server's certificate cannot be used",
    }
}

/// The error of TLS in a chain of errors. An I/O error that wraps another does not show it as its source, nor does one that is shared.
fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let shared = error.downcast_ref::<Arc<dyn Error + Send + Sync>>().map(|shared| &**shared as &'a (dyn Error + 'static));
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|wrapped| wrapped as &'a (dyn Error + 'static));
    find(shared.or(wrapped).or_else(|| error.source())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(error: CertificateError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(error))
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_found_however_it_is_wrapped() {
        let plain = explained(&certificate(CertificateError::UnknownIssuer)).expect("explained");
        assert!(plain.contains("authority that is not trusted"), "{plain}");
        let redis = redis::RedisError::from(certificate(CertificateError::NotValidForName));
        assert!(explained(&redis).is_some_and(|words| words.contains("another name")), "{redis:?}");
        assert_eq!(explained(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
        assert_eq!(explained(&redis::RedisError::from(io::Error::from(io::ErrorKind::TimedOut))), None);
    }
}
