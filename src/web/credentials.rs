//! Who asks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::secret::Secret;

/// What a service knows a caller by, sent in the `Authorization` header.
///
/// ```
/// use mdm_core::web::Credentials;
///
/// let credentials = Credentials::basic("scep", "open sesame");
/// assert!(!format!("{credentials:?}").contains("sesame"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Credentials {
    /// A name and a password (RFC 7617).
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token (RFC 6750).
    Bearer(Secret),
}

impl Credentials {
    /// A name and a password.
    pub fn basic(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Credentials::Basic { user: user.into(), password: password.into() }
    }

    /// A token.
    pub fn bearer(token: impl Into<Secret>) -> Self {
        Credentials::Bearer(token.into())
    }

    /// The value of the header, marked so that it is not shown.
    pub(crate) fn header(&self) -> Result<HeaderValue, Error> {
        let text = self.text()?;
        sensitive(text.expose())
    }

    fn text(&self) -> Result<Secret, Error> {
        match self {
            Credentials::Basic { user, .. } if user.contains(':') => Err(Error::Misuse("a user name holds no colon")),
            Credentials::Basic { user, password } => {
                let mut pair = Vec::with_capacity(user.len().saturating_add(password.len()).saturating_add(1));
                pair.extend_from_slice(user.as_bytes());
                pair.push(b':');
                pair.extend_from_slice(password.expose());
                let pair = Secret::new(pair);
                let mut text = String::from("Basic ");
                STANDARD.encode_string(pair.expose(), &mut text);
                Ok(Secret::from(text))
            }
            Credentials::Bearer(token) => {
                let mut text = b"Bearer ".to_vec();
                text.extend_from_slice(token.expose());
                Ok(Secret::new(text))
            }
        }
    }

    /// Whether a request that came in shows these credentials. Exactly one header counts; it is compared in constant time.
    pub(crate) fn are_in(&self, headers: &HeaderMap) -> bool {
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        match (shown.next(), shown.next(), self.text()) {
            (Some(value), None, Ok(expected)) => Secret::from(value.as_bytes()) == expected,
            _ => false,
        }
    }
}

/// A header whose value is a secret.
pub(super) fn sensitive(octets: &[u8]) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_bytes(octets).map_err(|_| Error::Misuse("a token or key holds a control character"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7617_is_reproduced() {
        let header = Credentials::basic("Aladdin", "open sesame").header().unwrap();
        assert_eq!(header.as_bytes(), b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn what_no_header_can_carry_is_misuse() {
        assert!(matches!(Credentials::basic("a:b", "c").header(), Err(Error::Misuse(_))));
        assert!(matches!(Credentials::bearer("a\r\nb").header(), Err(Error::Misuse(_))));
    }

    #[test]
    fn only_the_same_credentials_once_are_recognised() {
        let credentials = Credentials::bearer("token");
        let mut headers = HeaderMap::new();
        assert!(!credentials.are_in(&headers));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer token"));
        assert!(credentials.are_in(&headers));
        assert!(!Credentials::bearer("tokem").are_in(&headers));
        assert!(!Credentials::basic("Bearer", "token").are_in(&headers));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer token"));
        assert!(!credentials.are_in(&headers), "two of them");
    }
}
