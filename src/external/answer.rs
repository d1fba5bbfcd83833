//! What an authority says.

use serde::{Deserialize, Serialize};

use super::{Error, Issued};

/// What an authority calls a request, and later its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    request: String,
    certificate: Option<String>,
}

/// The longest name that is kept, in bytes.
const MAX_REFERENCE: usize = 1024;

impl Reference {
    /// The authority's name for the request: Venafi's CertificateDN, DigiCert's order, the request id of AD CS.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is empty, longer than 1,024 bytes, or holds a control character.
    pub fn new(request: impl Into<String>) -> Result<Self, Error> {
        Ok(Reference { request: named(request.into())?, certificate: None })
    }

    /// With the authority's name for the certificate, where that is another.
    ///
    /// # Errors
    /// As [`Reference::new`].
    pub fn with_certificate(mut self, certificate: impl Into<String>) -> Result<Self, Error> {
        self.certificate = Some(named(certificate.into())?);
        Ok(self)
    }

    /// The authority's name for the request.
    pub fn request(&self) -> &str {
        &self.request
    }

    /// The authority's name for the certificate, once it has one of its own.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }
}

fn named(text: String) -> Result<String, Error> {
    let fits = (1..=MAX_REFERENCE).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits { Ok(text) } else { Err(Error::Misuse("an authority's name for a request is 1 to 1,024 bytes of plain text")) }
}

/// What an authority says, as the codecs of this module read it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every answer leads somewhere")]
pub enum Answer {
    /// It has taken the request, or prepared the certificate, under this name: ask now.
    Accepted(Reference),
    /// It has taken the request under this name, or has not decided yet: ask later.
    Pending {
        /// The name, when the answer gives one.
        reference: Option<Reference>,
    },
    /// It has issued.
    Issued(Issued),
    /// It will not issue.
    Denied {
        /// Its words: at most 200 characters on one line. Not for showing unescaped.
        reason: String,
    },
    /// The request is gone.
    Withdrawn,
    /// It has taken the request to revoke, and will tell when it is done.
    RevocationPending,
    /// It has revoked.
    Revoked,
}
