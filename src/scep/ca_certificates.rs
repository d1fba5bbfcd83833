//! The certificates of CA and RA: what GetCACert and GetNextCACert hand out (RFC 8894 sections 4.2 and 4.7).

use super::{Error, Peer, media_type};
use crate::cms::{self, SignedContent, SignedData, SignedDataTemplate};
use crate::crypto::{DigestAlgorithm, Provider, PublicKeyKind, ToBeSigned};
use crate::limits::Limits;
use crate::x509::{Certificate, KeyUsage};

/// The certificates of a SCEP server, in the order in which they are handed out.
///
/// Nothing signs a GetCACert answer. A client compares a fingerprint that it got in another way ([`CaCertificates::pin`]); only then do the
/// certificates mean anything.
///
/// ```no_run
/// # fn show(body: &[u8], fingerprint: &[u8], provider: &mdm_core::crypto::Provider) -> Result<(), mdm_core::scep::Error> {
/// use mdm_core::limits::Limits;
/// use mdm_core::scep::{CaCertificates, Peer};
///
/// let peer = Peer::default();
/// let certificates = CaCertificates::parse(body, &Limits::PKI)?.pin(fingerprint, provider, &peer)?;
/// let seal_to = certificates.recipient(&peer)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaCertificates(Vec<Certificate>);

/// What the administrator of a server should know about its certificates ([`CaCertificates::for_server`]). It works, and is less safe than
/// it could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The key that signs certificates also decrypts what strangers send. A flaw in its decryption would be one of the CA: let an RA have a
    /// key of its own.
    #[error("the CA's own key decrypts requests; give an RA certificate with a key of its own to SCEP")]
    AuthorityDecrypts,
    /// The key that signs certificates also signs every reply, so it must be online for each.
    #[error("the CA's own key signs replies; give an RA certificate with a key of its own to SCEP")]
    AuthorityAnswers,
}

/// The most certificates that are searched for a path; chains in the field have three.
const MAX_PINNED: usize = 16;

impl CaCertificates {
    /// A CA that answers for itself: one certificate, and no chain above it, since Apple's client takes several certificates for the sign
    /// of an RA and fails when there is none.
    pub fn authority(certificate: Certificate) -> Self {
        CaCertificates(vec![certificate])
    }

    /// RAs and the CA they work for. RAs come first: one for everything, or one that signs and then one that encrypts; behind them the
    /// issuing CA and the CAs above it.
    ///
    /// # Errors
    /// [`Error::Misuse`] when an RA is missing or may sign certificates, or when no CA follows.
    pub fn registration(ras: Vec<Certificate>, chain: Vec<Certificate>) -> Result<Self, Error> {
        if ras.is_empty() || ras.iter().any(Certificate::is_authority) {
            return Err(Error::Misuse("an RA has a certificate of its own that is not a CA's"));
        }
        if !chain.first().is_some_and(Certificate::is_authority) {
            return Err(Error::Misuse("behind the RAs comes the certificate of the issuing CA"));
        }
        Ok(CaCertificates(ras.into_iter().chain(chain).collect()))
    }

    /// What a server hands out that signs replies with one certificate and opens requests with another or the same, under a chain that begins
    /// with the issuing CA; and what its administrator should be told. The order is the one of [`CaCertificates::registration`]; a CA that
    /// does everything itself is [`CaCertificates::authority`].
    ///
    /// ```no_run
    /// # fn show(ra: &mdm_core::x509::Certificate, ca: mdm_core::x509::Certificate) -> Result<(), mdm_core::scep::Error> {
    /// use mdm_core::scep::CaCertificates;
    ///
    /// let (certificates, warnings) = CaCertificates::for_server(ra, ra, vec![ca])?;
    /// warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Misuse`] when no CA leads the chain, or a certificate that does not lead it may sign certificates.
    pub fn for_server(
        signer: &Certificate,
        opener: &Certificate,
        chain: Vec<Certificate>,
    ) -> Result<(Self, Vec<Warning>), Error> {
        let is_authority = |certificate: &Certificate| chain.iter().any(|ca| ca.public_key() == certificate.public_key());
        let warnings = [(is_authority(opener), Warning::AuthorityDecrypts), (is_authority(signer), Warning::AuthorityAnswers)];
        let warnings = warnings.into_iter().filter(|(holds, _)| *holds).map(|(_, warning)| warning).collect();
        let mut ras: Vec<Certificate> = [signer, opener].into_iter().filter(|ra| !chain.contains(ra)).cloned().collect();
        ras.dedup();
        let certificates = match (ras.is_empty(), chain.first()) {
            (true, Some(ca)) if ca == signer && ca == opener && ca.is_authority() => Self::authority(ca.clone()),
            (true, _) => return Err(Error::Misuse("a certificate of the chain that does not lead it answers for nobody")),
            (false, _) => Self::registration(ras, chain)?,
        };
        Ok((certificates, warnings))
    }

    /// Reads the answer to GetCACert: one certificate, or a certs-only message. Servers mislabel the one as the other, so the bytes decide
    /// and not the media type. Certificates in a message that cannot be read are passed over.
    ///
    /// # Errors
    /// [`Error::Cms`] when it is neither; [`Error::CaCertificates`] when no certificate can be read.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, Error> {
        if body.len() <= limits.max_bytes
            && let Ok(certificate) = Certificate::from_der(body)
        {
            return Ok(CaCertificates(vec![certificate]));
        }
        Self::from_message(&SignedData::parse(body, limits)?)
    }

    fn from_message(message: &SignedData) -> Result<Self, Error> {
        let certificates: Vec<_> = message.certificates().filter_map(|der| Certificate::from_der(der).ok()).collect();
        if certificates.is_empty() {
            Err(Error::CaCertificates("none that can be read"))
        } else {
            Ok(CaCertificates(certificates))
        }
    }

    /// The certificates, in order.
    pub fn as_slice(&self) -> &[Certificate] {
        &self.0
    }

    /// The answer to GetCACert: its media type and its body.
    pub fn to_body(&self) -> (&'static str, Vec<u8>) {
        match self.0.as_slice() {
            [certificate] => (media_type::CA_CERTIFICATE, certificate.as_der().to_vec()),
            _ => (media_type::CA_RA_CERTIFICATES, self.to_message()),
        }
    }

    fn to_message(&self) -> Vec<u8> {
        let certificates: Vec<&[u8]> = self.0.iter().map(Certificate::as_der).collect();
        cms::certificates_only(&certificates, &[])
    }

    /// Keeps what the fingerprint vouches for: the certificate that has it, and those that a path of signatures leads to from there. The
    /// length says which digest it is: SHA-256, SHA-384, SHA-512, or SHA-1 where the policy allows it.
    ///
    /// # Errors
    /// [`Error::CaCertificates`] when no certificate has the fingerprint, or there are more than 16 certificates.
    pub fn pin(&self, fingerprint: &[u8], provider: &Provider, peer: &Peer) -> Result<Self, Error> {
        let algorithm = match fingerprint.len() {
            20 if peer.legacy.sha1 => DigestAlgorithm::Sha1,
            32 => DigestAlgorithm::Sha256,
            48 => DigestAlgorithm::Sha384,
            64 => DigestAlgorithm::Sha512,
            _ => return Err(Error::CaCertificates("the fingerprint is of no digest that is allowed here")),
        };
        if self.0.len() > MAX_PINNED {
            return Err(Error::CaCertificates("more than 16"));
        }
        let mut trusted: Vec<bool> =
            self.0.iter().map(|certificate| certificate.fingerprint(provider, algorithm).as_ref() == fingerprint).collect();
        if !trusted.contains(&true) {
            return Err(Error::CaCertificates("none has the fingerprint"));
        }
        // Each round follows the paths by one certificate; there are never more rounds than certificates.
        for _ in &self.0 {
            let issuers: Vec<&Certificate> = self
                .0
                .iter()
                .zip(&trusted)
                .filter(|(issuer, trusted)| **trusted && issuer.is_authority())
                .map(|(issuer, _)| issuer)
                .collect();
            let next = self
                .0
                .iter()
                .zip(&trusted)
                .map(|(certificate, trusted)| *trusted || issued(certificate, &issuers, provider, peer));
            let next: Vec<bool> = next.collect();
            if next == trusted {
                break;
            }
            trusted = next;
        }
        Ok(CaCertificates(self.0.iter().zip(&trusted).filter(|(_, trusted)| **trusted).map(|(kept, _)| kept.clone()).collect()))
    }

    /// The certificate that requests are encrypted to: an RA's that may encrypt, else a CA's that may, else one that does not say; and the
    /// first of all where [`Peer::any_key_usage`] tolerates it. RSA keys come before elliptic-curve ones, which agree instead.
    ///
    /// # Errors
    /// [`Error::CaCertificates`] when none may encrypt.
    pub fn recipient(&self, peer: &Peer) -> Result<&Certificate, Error> {
        let is_rsa = |certificate: &Certificate| matches!(certificate.public_key().kind(), PublicKeyKind::Rsa { .. });
        let is_p256 = |certificate: &Certificate| certificate.public_key().kind() == PublicKeyKind::P256;
        let rsa = self.0.iter().filter(|certificate| is_rsa(certificate));
        let candidates: Vec<&Certificate> = rsa.chain(self.0.iter().filter(|certificate| is_p256(certificate))).collect();
        let may = |certificate: &&Certificate| {
            let wanted = if is_rsa(certificate) { KeyUsage::KEY_ENCIPHERMENT } else { KeyUsage::KEY_AGREEMENT };
            certificate.key_usage().is_some_and(|usage| usage.contains(wanted))
        };
        let find = |wanted: &dyn Fn(&&Certificate) -> bool| candidates.iter().copied().find(|candidate| wanted(candidate));
        find(&|candidate| may(candidate) && !candidate.is_authority())
            .or_else(|| find(&may))
            .or_else(|| find(&|candidate| candidate.key_usage().is_none()))
            .or_else(|| candidates.first().copied().filter(|_| peer.any_key_usage))
            .ok_or(Error::CaCertificates("none may encrypt (Peer::any_key_usage would take the first)"))
    }

    /// Those whose signatures under replies count.
    pub(super) fn signers<'a>(&'a self, peer: &Peer) -> impl Iterator<Item = &'a Certificate> {
        let any = peer.any_key_usage;
        self.0.iter().filter(move |certificate| {
            any || certificate.key_usage().is_none_or(|usage| usage.contains(KeyUsage::DIGITAL_SIGNATURE))
        })
    }

    /// The answer to GetNextCACert: these certificates, lacking the signature of the CA that is in force now. Signed, it is a body of
    /// [`media_type::NEXT_CA_CERTIFICATES`].
    ///
    /// # Errors
    /// [`Error::Cms`] when the CA's key is of a kind that does not sign.
    pub fn to_be_signed_by(&self, current: &Certificate, provider: &Provider) -> Result<ToBeSigned<Vec<u8>>, Error> {
        let message = self.to_message();
        let mut template = SignedDataTemplate::new(SignedContent::Attached(&message));
        template.certificates = vec![current.as_der()];
        Ok(template.to_be_signed(current, provider)?)
    }

    /// Reads the answer to GetNextCACert, which must be signed by a CA among these certificates.
    ///
    /// # Errors
    /// [`Error::Untrusted`] when none of them signed it; [`Error::Cms`], [`Error::Content`], [`Error::CaCertificates`] for what it is.
    pub fn parse_next(&self, body: &[u8], provider: &Provider, peer: &Peer) -> Result<Self, Error> {
        let message = SignedData::parse(body, &peer.limits)?;
        let content = message.content().ok_or(Error::Content)?;
        let signer = message.sole_signer()?;
        let signed = |ca: &&Certificate| signer.verify(content, ca.public_key(), provider, &peer.signatures()).is_ok();
        self.0.iter().filter(|certificate| certificate.is_authority()).take(MAX_PINNED).find(signed).ok_or(Error::Untrusted)?;
        Self::from_message(&SignedData::parse(content, &peer.limits)?)
    }
}

fn issued(certificate: &Certificate, issuers: &[&Certificate], provider: &Provider, peer: &Peer) -> bool {
    issuers
        .iter()
        .filter(|issuer| issuer.subject() == certificate.issuer())
        .any(|issuer| certificate.verify_signature(issuer.public_key(), provider, peer.legacy).is_ok())
}
