//! What makes a delivered certificate one of the authority's.

use serde::{Deserialize, Serialize};

use super::Error;
use crate::crypto::{Legacy, Provider};
use crate::time::Timestamp;
use crate::x509::{self, Certificate, Csr, PathRules, verify_path};

/// The authority whose certificates are believed: pinned, never learnt from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    anchors: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    legacy: Legacy,
}

/// The most certificates that one delivery may hold.
const MAX_DELIVERED: usize = 16;
/// How many seconds the authority's clock may be ahead of ours.
const SKEW: i64 = 300;

impl Trust {
    /// The certificates that a path must end in: the authority's root, or the issuing authority itself.
    ///
    /// # Errors
    /// [`Error::Misuse`] when there is none, or one that issues nothing.
    pub fn new(anchors: Vec<Certificate>) -> Result<Self, Error> {
        if anchors.is_empty() || !anchors.iter().all(Certificate::is_authority) {
            return Err(Error::Misuse("the pinned certificates are those of authorities, at least one"));
        }
        Ok(Trust { anchors, intermediates: Vec::new(), legacy: Legacy::NONE })
    }

    /// With authorities between the anchors and what is issued, for interfaces that deliver certificates alone.
    #[must_use]
    pub fn with_intermediates(mut self, intermediates: Vec<Certificate>) -> Self {
        self.intermediates = intermediates;
        self
    }

    /// With broken algorithms forgiven, for an authority that still signs with SHA-1.
    #[must_use]
    pub const fn forgiving(mut self, legacy: Legacy) -> Self {
        self.legacy = legacy;
        self
    }

    /// What is expected now: a certificate for this request.
    pub const fn expecting<'a>(&'a self, csr: &'a Csr, now: Timestamp, provider: &'a Provider) -> Expected<'a> {
        Expected { trust: self, csr, now, provider }
    }
}

/// What a delivery is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    trust: &'a Trust,
    csr: &'a Csr,
    now: Timestamp,
    provider: &'a Provider,
}

impl Expected<'_> {
    /// Takes a delivery: the certificate for the requested key, wherever it stands among the others, when it is valid now, is no
    /// authority's, and a path of signatures leads from it to an anchor. An authority's clock may be five minutes ahead.
    ///
    /// # Errors
    /// [`Error::OtherKey`], [`Error::WantsAuthority`], [`Error::Untrusted`]; [`Error::Unreadable`] for more than 16 certificates.
    pub fn accept(&self, delivered: &[Certificate]) -> Result<Issued, Error> {
        let Expected { trust, csr, now, provider } = *self;
        if delivered.len() > MAX_DELIVERED {
            return Err(Error::Unreadable(x509::Error::Refused(x509::Refusal::TooManyCandidates)));
        }
        let certificate = delivered.iter().find(|one| one.public_key() == csr.public_key()).ok_or(Error::OtherKey)?;
        if certificate.is_authority() {
            return Err(Error::WantsAuthority);
        }
        let begins = certificate.validity().not_before;
        let at = if begins > now && begins.seconds_since(now) <= SKEW { begins } else { now };
        let rules = PathRules { legacy: trust.legacy, ..PathRules::at(at) };
        let others = delivered.iter().filter(|one| *one != certificate);
        let intermediates: Vec<Certificate> = others.chain(&trust.intermediates).cloned().collect();
        let path = verify_path(certificate, &intermediates, &trust.anchors, &rules, provider).map_err(Error::Untrusted)?;
        Ok(Issued { certificate: certificate.clone(), chain: path.into_iter().skip(1).collect() })
    }

    /// As [`Expected::accept`], of certificates in PEM or one in DER.
    ///
    /// # Errors
    /// As [`Expected::accept`], and [`Error::Unreadable`].
    pub fn accept_encoded(&self, delivered: &[u8]) -> Result<Issued, Error> {
        let certificates = match delivered.first() {
            // The tag of a SEQUENCE; a text that begins with it, the digit 0, is no PEM.
            Some(0x30) => Certificate::from_der(delivered).map(|certificate| vec![certificate]),
            _ => Certificate::all_from_pem(delivered),
        };
        self.accept(&certificates.map_err(Error::Unreadable)?)
    }
}

/// A certificate that was delivered and checked. Made by [`Expected::accept`] alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    certificate: Certificate,
    chain: Vec<Certificate>,
}

impl Issued {
    /// The certificate for the requested key.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its issuer and the authorities above, as far as the pinned one.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }
}
