//! What a server can do, and what a client makes of it (RFC 8894 section 3.5).

use std::fmt;

use super::{Error, Peer};
use crate::crypto::{ContentCipher, DigestAlgorithm};

/// One keyword of a GetCACaps answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// AES in CBC mode, 128 bits.
    Aes,
    /// Three-key 3DES in CBC mode.
    Des3,
    /// GetNextCACert is answered.
    GetNextCaCert,
    /// PKIOperation may come by POST.
    PostPkiOperation,
    /// RenewalReq is answered.
    Renewal,
    /// Everything that RFC 8894 demands: AES, POST and SHA-256.
    ScepStandard,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// Updates, a draft's name for renewals; nothing follows from it.
    Update,
}

impl Capability {
    const ALL: [(Capability, &'static str); 10] = [
        (Capability::Aes, "AES"),
        (Capability::Des3, "DES3"),
        (Capability::GetNextCaCert, "GetNextCACert"),
        (Capability::PostPkiOperation, "POSTPKIOperation"),
        (Capability::Renewal, "Renewal"),
        (Capability::ScepStandard, "SCEPStandard"),
        (Capability::Sha1, "SHA-1"),
        (Capability::Sha256, "SHA-256"),
        (Capability::Sha512, "SHA-512"),
        (Capability::Update, "Update"),
    ];

    /// The keyword on the wire.
    pub fn keyword(self) -> &'static str {
        Self::ALL.iter().find(|(capability, _)| *capability == self).map_or("", |(_, keyword)| keyword)
    }

    /// Its place among the bits of [`Capabilities`].
    const fn bit(self) -> u16 {
        match self {
            Capability::Aes => 1,
            Capability::Des3 => 1 << 1,
            Capability::GetNextCaCert => 1 << 2,
            Capability::PostPkiOperation => 1 << 3,
            Capability::Renewal => 1 << 4,
            Capability::ScepStandard => 1 << 5,
            Capability::Sha1 => 1 << 6,
            Capability::Sha256 => 1 << 7,
            Capability::Sha512 => 1 << 8,
            Capability::Update => 1 << 9,
        }
    }
}

/// The answer to GetCACaps: a set of keywords. Shown as the text to send.
///
/// Nothing signs it, so a man in the middle can shorten it; what a client does is decided by its own policy
/// ([`Capabilities::algorithms`]).
///
/// ```
/// use mdm_core::scep::{Capabilities, Capability, Peer};
///
/// assert_eq!(Capabilities::server(&Peer::default()).to_string(), "AES\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-256\nSHA-512\n");
///
/// let theirs = Capabilities::parse(b"SHA-256\r\nAES\r\nsomething new\r\n");
/// assert!(theirs.has(Capability::Aes) && !theirs.has(Capability::ScepStandard));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u16);

impl Capabilities {
    /// Reads the body of an answer. One keyword a line, ended by LF or CRLF, in any order; unknown ones are ignored, and so is
    /// everything after the first 64 KiB. An empty body is an empty set, as is that of a server which does not know the operation.
    pub fn parse(body: &[u8]) -> Self {
        let body = body.get(..1 << 16).unwrap_or(body);
        body.split(|octet| *octet == b'\n')
            .map(|line| line.trim_ascii())
            .filter_map(|line| Capability::ALL.iter().find(|(_, keyword)| keyword.as_bytes() == line))
            .fold(Capabilities::default(), |set, (capability, _)| set.with(*capability))
    }

    /// What a server on this crate offers to such peers. 3DES and SHA-1 are named only where the policy reads them.
    pub fn server(peer: &Peer) -> Self {
        let set = [
            Capability::Aes,
            Capability::PostPkiOperation,
            Capability::Renewal,
            Capability::ScepStandard,
            Capability::Sha256,
            Capability::Sha512,
        ]
        .into_iter()
        .fold(Capabilities::default(), Capabilities::with);
        let set = if peer.legacy.triple_des { set.with(Capability::Des3) } else { set };
        if peer.legacy.sha1 { set.with(Capability::Sha1) } else { set }
    }

    /// The set with one more.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Capabilities(self.0 | capability.bit())
    }

    /// What is in both sets: what a proxy offers on behalf of the server behind it.
    #[must_use]
    pub const fn intersection(self, other: Capabilities) -> Self {
        Capabilities(self.0 & other.0)
    }

    /// Whether the keyword is there.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// The keywords, in alphabetical order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().map(|(capability, _)| capability).filter(move |capability| self.has(*capability))
    }

    /// What a client uses with such a server: AES-128 and SHA-256, and less only where the policy names it. RFC 8894 section 3.5.2
    /// wants a client to stay with these even where more is offered.
    ///
    /// # Errors
    /// [`Error::Capability`] when the server offers nothing that the policy allows.
    pub fn algorithms(self, peer: &Peer) -> Result<Algorithms, Error> {
        let standard = self.has(Capability::ScepStandard);
        let cipher = if standard || self.has(Capability::Aes) {
            ContentCipher::Aes128Cbc
        } else if self.has(Capability::Des3) && peer.legacy.triple_des {
            ContentCipher::TripleDesCbc
        } else if peer.legacy.single_des {
            ContentCipher::DesCbc
        } else {
            return Err(Error::Capability("content cipher"));
        };
        let digest = if standard || self.has(Capability::Sha256) {
            DigestAlgorithm::Sha256
        } else if self.has(Capability::Sha512) {
            DigestAlgorithm::Sha512
        } else if peer.legacy.sha1 {
            // No provider signs over SHA-1; servers that advertise no better read SHA-256 all the same.
            DigestAlgorithm::Sha256
        } else {
            return Err(Error::Capability("digest"));
        };
        let post = standard || self.has(Capability::PostPkiOperation);
        Ok(Algorithms { cipher, digest, post, renewal: self.has(Capability::Renewal) })
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|capability| writeln!(f, "{}", capability.keyword()))
    }
}

/// What a client uses with one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Algorithms {
    /// The cipher of its requests.
    pub cipher: ContentCipher,
    /// The digest of its signatures.
    pub digest: DigestAlgorithm,
    /// Whether to POST; else the request goes into the query of a GET.
    pub post: bool,
    /// Whether RenewalReq is understood; else a renewal is a PKCSReq that the old certificate signs.
    pub renewal: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Legacy;

    #[test]
    fn keywords_are_exact_and_in_any_order() {
        let set = Capabilities::parse(b"SHA-256\r\nRenewal\n\nAES\nPOSTPKIOperation");
        assert_eq!(set.iter().count(), 4);
        for near in [&b"aes"[..], b"AESX", b"XAES", b"AES SHA-256", b"SHA-2", b"SCEPStandardX", b""] {
            assert_eq!(Capabilities::parse(near), Capabilities::default(), "{near:?}");
        }
    }

    #[test]
    fn a_parsed_set_is_what_was_written() {
        for (capability, keyword) in Capability::ALL {
            let set = Capabilities::default().with(capability);
            assert_eq!(capability.keyword(), keyword);
            assert_eq!(Capabilities::parse(set.to_string().as_bytes()), set);
        }
    }

    #[test]
    fn a_client_stays_with_the_standard_even_where_more_is_offered() {
        let all = Capability::ALL.into_iter().fold(Capabilities::default(), |set, (capability, _)| set.with(capability));
        let chosen = all.algorithms(&Peer::default()).unwrap();
        assert_eq!((chosen.cipher, chosen.digest), (ContentCipher::Aes128Cbc, DigestAlgorithm::Sha256));
        assert!(chosen.post && chosen.renewal);
        let standard = Capabilities::default().with(Capability::ScepStandard).algorithms(&Peer::default()).unwrap();
        assert!(standard.post && !standard.renewal);
    }

    #[test]
    fn a_downgraded_answer_is_refused_without_a_policy_that_names_it() {
        let none = Capabilities::default();
        let old = none.with(Capability::Des3).with(Capability::Sha1);
        assert_eq!(none.algorithms(&Peer::default()), Err(Error::Capability("content cipher")));
        assert_eq!(old.algorithms(&Peer::default()), Err(Error::Capability("content cipher")));
        assert_eq!(none.with(Capability::Aes).algorithms(&Peer::default()), Err(Error::Capability("digest")));
        let triple = Peer { legacy: Legacy { triple_des: true, sha1: true, ..Legacy::NONE }, ..Peer::default() };
        assert_eq!(old.algorithms(&triple).unwrap().cipher, ContentCipher::TripleDesCbc);
        assert_eq!(none.algorithms(&triple), Err(Error::Capability("content cipher")), "3DES that nobody offers");
        assert_eq!(none.algorithms(&Peer::micromdm_server()).unwrap().cipher, ContentCipher::DesCbc);
    }

    #[test]
    fn a_server_names_broken_algorithms_only_where_it_reads_them() {
        assert!(!Capabilities::server(&Peer::apple()).has(Capability::Des3));
        assert!(Capabilities::server(&Peer::cisco()).has(Capability::Des3));
    }
}
