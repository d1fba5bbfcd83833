//! Addresses.

use std::fmt;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Error;

/// The address of a service: scheme, host, and the path under which it lives.
///
/// ```
/// use mdm_core::web::Endpoint;
///
/// let service = Endpoint::new("https://ca.example.com/api")?;
/// assert_eq!(service.to_string(), "https://ca.example.com/api");
/// assert!(Endpoint::new("http://ca.example.com/").is_err());
/// assert!(Endpoint::new("https://user:password@ca.example.com/").is_err());
/// # Ok::<(), mdm_core::web::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(Uri);

/// The longest address that is taken, in bytes.
const MAX_LEN: usize = 2048;

impl Endpoint {
    /// An address over TLS.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn new(text: &str) -> Result<Self, Error> {
        let endpoint = Self::allowing_http(text)?;
        if endpoint.is_secure() {
            Ok(endpoint)
        } else {
            Err(Error::Address("it begins with http:, where everybody can read along"))
        }
    }

    /// An address with or without TLS. Without, whoever is on the way reads what is sent, passwords too. Needed for SCEP, which protects
    /// its own messages, for NDES admin pages that were never given a certificate, and for services on the same machine.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn allowing_http(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_LEN {
            return Err(Error::Address("it is longer than 2048 bytes"));
        }
        if text.contains('#') {
            return Err(Error::Address("it has a fragment, which no server gets to see"));
        }
        let uri: Uri = text.parse().map_err(|_| Error::Address("it is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("https" | "http")) {
            return Err(Error::Address("it does not begin with https:"));
        }
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or(Error::Address("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(Error::Address("it holds a user name; credentials are given apart from it"));
        }
        Ok(Endpoint(uri))
    }

    /// Whether it is over TLS.
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// The address itself.
    pub(crate) fn uri(&self) -> Uri {
        self.0.clone()
    }

    /// The address with this query, escaped already, in the place of its own.
    pub(crate) fn with_query(&self, query: &str) -> Result<Uri, Error> {
        self.at(format!("{}?{query}", self.0.path()))
    }

    /// The address of something below. `path` is escaped already and begins without a slash. A query of this address is left out.
    pub(crate) fn below(&self, path: &str) -> Result<Uri, Error> {
        self.at(format!("{}/{path}", self.0.path().trim_end_matches('/')))
    }

    fn at(&self, path_and_query: String) -> Result<Uri, Error> {
        let mut parts = self.0.clone().into_parts();
        let path_and_query = PathAndQuery::try_from(path_and_query);
        parts.path_and_query =
            Some(path_and_query.map_err(|_| Error::Misuse("a name for the service is not plain text, or too long"))?);
        Uri::from_parts(parts).map_err(|_| Error::Misuse("a name for the service cannot be sent"))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    /// What was stored was allowed once, so that an address without TLS is read back.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Endpoint::allowing_http(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        let reason = |text: &str| match Endpoint::allowing_http(text) {
            Err(Error::Address(reason)) => reason,
            other => panic!("{text}: {other:?}"),
        };
        assert!(reason("").contains("not a URL"));
        assert!(reason("ca.example.com").contains("https:"));
        assert!(reason("/path").contains("https:"));
        assert!(reason("ftp://ca.example.com/").contains("https:"));
        assert!(reason("https://a@b/").contains("user name"));
        assert!(reason("https://ca.example.com/#there").contains("fragment"));
        assert!(reason(&format!("https://ca.example.com/{}", "a".repeat(2048))).contains("2048"));
        assert!(reason("https://ca.example.com/ space").contains("not a URL"));
    }

    #[test]
    fn a_path_goes_below_whether_or_not_there_is_a_slash() {
        for base in ["https://h", "https://h/", "https://h/?q=1"] {
            assert_eq!(Endpoint::new(base).unwrap().below("a/b?c=d").unwrap().to_string(), "https://h/a/b?c=d", "{base}");
        }
        assert_eq!(Endpoint::new("https://h/x/").unwrap().below("a").unwrap().to_string(), "https://h/x/a");
        assert!(matches!(Endpoint::new("https://h").unwrap().below("a b"), Err(Error::Misuse(_))));
    }

    #[test]
    fn an_address_survives_storage() {
        let endpoint = Endpoint::allowing_http("http://h:8080/x?y").unwrap();
        let stored = serde_json::to_string(&endpoint).unwrap();
        assert_eq!(serde_json::from_str::<Endpoint>(&stored).unwrap(), endpoint);
        assert!(serde_json::from_str::<Endpoint>("\"mailto:x\"").is_err());
    }
}
