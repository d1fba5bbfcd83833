//! From a certificate to one that is trusted.

use super::{Certificate, Error, ExtendedKeyUsage, KeyUsage, Refusal};
use crate::asn1::Oid;
use crate::crypto::{Legacy, Provider};
use crate::time::Timestamp;

/// What a path must satisfy.
///
/// ```
/// use mdm_core::time::Timestamp;
/// use mdm_core::x509::{PathRules, oid};
///
/// let now: Timestamp = "2026-02-28T12:00:00Z".parse()?;
/// let rules = PathRules { purpose: Some(oid::CLIENT_AUTH), ..PathRules::at(now) };
/// # Ok::<(), mdm_core::time::ParseTimestampError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host spells the rules with `..PathRules::at(now)`")]
pub struct PathRules<'a> {
    /// The moment at which every certificate of the path, the anchor too, must be valid. `None` leaves times out: for renewals of
    /// what has expired.
    pub at: Option<Timestamp>,
    /// The purpose that extKeyUsage must allow, in the certificate and in every authority between it and the anchor, where they
    /// have one.
    pub purpose: Option<Oid<'a>>,
    /// Which broken algorithms are forgiven.
    pub legacy: Legacy,
}

impl PathRules<'_> {
    /// Valid at this moment, for any purpose, nothing forgiven.
    pub const fn at(now: Timestamp) -> Self {
        PathRules { at: Some(now), purpose: None, legacy: Legacy::NONE }
    }
}

/// Certificates on a path, both ends counted.
const MAX_LENGTH: usize = 8;
/// Signatures that one search checks. A name that a hundred certificates bear costs no more.
const MAX_CHECKS: usize = 64;

/// Finds a path from `leaf` over any of the `intermediates` to one of the `anchors`, and gives it, the leaf first.
///
/// A name alone leads nowhere: each certificate on the path carries a signature that the key of the next one verifies, over the
/// bytes as they were received. Names choose whom to try, byte for byte. Of every authority on the path are checked basicConstraints
/// (with the path length), keyUsage, validity and critical extensions; an extension that is critical and unknown ends the search
/// there, and so do name constraints when they are critical, since they are not applied here. Policies are not looked at. Revocation
/// is the caller's to check. An anchor's own signature is not checked; being an anchor is what makes it trusted, and a leaf that is
/// itself an anchor needs no other.
///
/// At most 8 certificates make a path, and at most 64 signatures are checked to find it.
///
/// # Errors
/// [`Error::Refused`] with the first thing that stood against a path, or [`Refusal::NoPath`] when nothing led to an anchor.
pub fn verify_path(
    leaf: &Certificate,
    intermediates: &[Certificate],
    anchors: &[Certificate],
    rules: &PathRules<'_>,
    provider: &Provider,
) -> Result<Vec<Certificate>, Error> {
    check_time_and_extensions(leaf, rules)?;
    check_purpose(leaf, rules)?;
    if anchors.contains(leaf) {
        return Ok(vec![leaf.clone()]);
    }
    let mut search = Search { intermediates, anchors, rules, provider, checks: 0, refusal: None };
    let mut path = vec![leaf];
    if search.extend(&mut path) {
        return Ok(path.into_iter().cloned().collect());
    }
    Err(search.refusal.unwrap_or(Refusal::NoPath).into())
}

struct Search<'a> {
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    rules: &'a PathRules<'a>,
    provider: &'a Provider,
    checks: usize,
    /// The first thing that stood against an issuer.
    refusal: Option<Refusal>,
}

impl<'a> Search<'a> {
    /// Whether the path could be led to an anchor. Each level of recursion adds a certificate, of which there are at most
    /// [`MAX_LENGTH`].
    fn extend(&mut self, path: &mut Vec<&'a Certificate>) -> bool {
        let (anchors, intermediates) = (self.anchors, self.intermediates);
        for anchor in anchors {
            if self.issued(anchor, path, true) {
                path.push(anchor);
                return true;
            }
        }
        if path.len().saturating_add(1) >= MAX_LENGTH {
            self.refusal.get_or_insert(Refusal::PathLength);
            return false;
        }
        for intermediate in intermediates {
            if path.contains(&intermediate) || !self.issued(intermediate, path, false) {
                continue;
            }
            path.push(intermediate);
            if self.extend(path) {
                return true;
            }
            path.pop();
        }
        false
    }

    /// Whether this authority issued the last certificate of the path, and was allowed to.
    fn issued(&mut self, issuer: &Certificate, path: &[&Certificate], is_anchor: bool) -> bool {
        let Some(subject) = path.last().filter(|subject| subject.issuer() == issuer.subject()) else { return false };
        let outcome = self.spend().and_then(|()| {
            subject.verify_signature(issuer.public_key(), self.provider, self.rules.legacy)?;
            check_authority(issuer, path)?;
            check_time_and_extensions(issuer, self.rules)?;
            if is_anchor { Ok(()) } else { check_purpose(issuer, self.rules).map_err(Error::from) }
        });
        match outcome {
            Ok(()) => true,
            Err(error) => {
                // A signature by another key of the same name is no refusal, just not the issuer.
                if let Error::Refused(refusal) = error {
                    self.refusal.get_or_insert(refusal);
                }
                false
            }
        }
    }

    fn spend(&mut self) -> Result<(), Error> {
        self.checks = self.checks.saturating_add(1);
        if self.checks > MAX_CHECKS { Err(Refusal::TooManyCandidates.into()) } else { Ok(()) }
    }
}

/// RFC 5280 section 6.1.4 (k) to (n). `below` is the path under the authority, the leaf first.
fn check_authority(authority: &Certificate, below: &[&Certificate]) -> Result<(), Refusal> {
    let constraints = authority.basic_constraints().filter(|constraints| constraints.ca).ok_or(Refusal::NotAnAuthority)?;
    if authority.key_usage().is_some_and(|usage| !usage.contains(KeyUsage::KEY_CERT_SIGN)) {
        return Err(Refusal::NotAnAuthority);
    }
    let between = below.iter().skip(1).filter(|certificate| !certificate.is_self_issued()).count();
    let allowed = constraints.path_length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if between > allowed { Err(Refusal::PathLength) } else { Ok(()) }
}

fn check_time_and_extensions(certificate: &Certificate, rules: &PathRules<'_>) -> Result<(), Refusal> {
    let validity = certificate.validity();
    match rules.at {
        Some(at) if at < validity.not_before => Err(Refusal::NotYetValid),
        Some(at) if at > validity.not_after => Err(Refusal::Expired),
        _ if !certificate.unknown_critical_extensions().is_empty() => Err(Refusal::CriticalExtension),
        _ => Ok(()),
    }
}

fn check_purpose(certificate: &Certificate, rules: &PathRules<'_>) -> Result<(), Refusal> {
    let allows = |usage: &ExtendedKeyUsage| rules.purpose.is_none_or(|purpose| usage.allows(purpose));
    if certificate.extended_key_usage().is_none_or(allows) { Ok(()) } else { Err(Refusal::Purpose) }
}
