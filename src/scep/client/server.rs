//! What a client knows of a server.

use crate::crypto::{ContentCipher, KeyTransport};
use crate::scep::{Algorithms, CaCertificates, Capabilities, Error, Peer};
use crate::x509::Certificate;

/// A server whose certificates the client trusts, and how to talk to it.
#[derive(Clone, Debug)]
pub struct Server {
    pub(super) certificates: CaCertificates,
    pub(super) recipient: Certificate,
    pub(super) transport: KeyTransport,
    pub(super) algorithms: Algorithms,
    pub(super) peer: Peer,
}

impl Server {
    /// From certificates that were pinned ([`CaCertificates::pin`]) or come from the host's own configuration, and what the server says it
    /// can do.
    ///
    /// # Errors
    /// [`Error::CaCertificates`] when none may encrypt; [`Error::Capability`] when the server offers less than the policy allows.
    pub fn new(pinned: CaCertificates, capabilities: Capabilities, peer: Peer) -> Result<Self, Error> {
        let algorithms = capabilities.algorithms(&peer)?;
        let recipient = pinned.recipient(&peer)?.clone();
        Ok(Server { certificates: pinned, recipient, transport: KeyTransport::RsaPkcs1, algorithms, peer })
    }

    /// The same server, to which content keys are encrypted in this way: OAEP, where the server is known to read it. Nothing in SCEP tells.
    #[must_use]
    pub fn with_key_transport(mut self, transport: KeyTransport) -> Self {
        self.transport = transport;
        self
    }

    /// The same server, to which content is encrypted with this cipher instead of the one that its capabilities lead to: AES-256, or AES-GCM
    /// in an AuthEnvelopedData, where the server is known to read it. A reply comes in the cipher of its request.
    #[must_use]
    pub fn with_cipher(mut self, cipher: ContentCipher) -> Self {
        self.algorithms.cipher = cipher;
        self
    }

    /// The certificate that requests are encrypted to.
    pub fn recipient(&self) -> &Certificate {
        &self.recipient
    }

    /// The algorithms of requests, and whether to POST them.
    pub fn algorithms(&self) -> Algorithms {
        self.algorithms
    }
}
