//! A request that may be granted.

use super::poll::Held;
use super::received::Received;
use super::reply::{Refused, Reply};
use crate::cms::{self, RecipientInfo};
use crate::crypto::{self, ContentCipher, KeyTransport, PublicKeyKind};
use crate::scep::Error;
use crate::secret::Secret;
use crate::x509::{Certificate, ProvenCsr};

/// A request about which the host has decided that its sender may have a certificate. What is in it is still the CA's to decide.
#[derive(Debug)]
pub struct Authorized {
    pub(super) received: Box<Received>,
    pub(super) csr: ProvenCsr,
    pub(super) challenge: Option<Secret>,
}

sender!(Authorized);

impl Authorized {
    fn received(&self) -> &Received {
        &self.received
    }

    /// The request for a certificate, proven to come from the holder of its key: what an authority issues for.
    pub fn csr(&self) -> &ProvenCsr {
        &self.csr
    }

    /// Hands the certificate out: alone in its bag, since Apple's client pairs the first certificate with its key, and encrypted to
    /// the signer of the request and nobody else, with the request's own algorithms.
    ///
    /// A signer whose key is an elliptic-curve one, which cannot decrypt, gets it under the challenge that it presented (RFC 8894 section
    /// 3.1), or, when it presented none or has itself agreed upon a key with the server, by key agreement (RFC 5753).
    ///
    /// # Errors
    /// [`Refused`]: [`Error::Misuse`] when the certificate is for another key than the request's; [`Error::Cms`] when the signer's key
    /// can neither decrypt nor agree, and there is no challenge.
    pub fn grant(self, certificate: &Certificate) -> Result<Reply, Refused> {
        if certificate.public_key() != self.csr.public_key() {
            return Err(self.received.refused(Error::Misuse("the certificate is for another key than the request's")));
        }
        grant(&self.received, &cms::certificates_only(&[certificate.as_der()], &[]), self.challenge.as_ref())
    }

    /// Gives the request up for this reason.
    pub fn refused(self, error: Error) -> Refused {
        self.received.refused(error)
    }

    /// Leaves the request undecided: the record to store, and the reply that tells the client to poll.
    pub fn hold(self) -> (Held, Reply) {
        let held = Held::new(&self.received, &self.csr);
        (held, Reply::pending(self.received.exchange()))
    }
}

/// A SUCCESS with this content, sealed to the request's signer in the way of the request; under the challenge or by key agreement where the
/// signer's key cannot decrypt (RFC 8894 section 3.1).
pub(super) fn grant(received: &Received, content: &[u8], challenge: Option<&Secret>) -> Result<Reply, Refused> {
    let exchange = received.exchange();
    let cipher = received.envelope.cipher().unwrap_or(ContentCipher::Aes128Cbc);
    let transport = received.envelope.key_transport().unwrap_or(KeyTransport::RsaPkcs1);
    let decrypts = matches!(received.signer.public_key().kind(), PublicKeyKind::Rsa { .. });
    // Who seals a request by key agreement opens a reply that is.
    let agrees = received.envelope.recipients().any(|recipient| matches!(recipient, RecipientInfo::KeyAgreement { .. }));
    let sealed = match challenge.filter(|challenge| !challenge.is_empty()) {
        Some(challenge) if !decrypts && !agrees => cms::seal_with_password(content, challenge, cipher, &received.provider),
        _ => cms::seal(content, &[&received.signer], cipher, transport, &received.provider),
    };
    match sealed {
        Ok(envelope) => Ok(Reply::success(exchange, envelope)),
        // A key that cannot decrypt is the client's choice, not the host's fault.
        Err(cms::Error::Crypto(crypto::Error::Key)) => {
            Err(Refused::answerable(cms::Error::Algorithm("signer's key").into(), exchange))
        }
        Err(error) => Err(Refused::answerable(error.into(), exchange)),
    }
}
