//! A request whose outer signature holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::reply::{Exchange, Refused, Reply};
use super::request::{Opened, Request, Unread};
use crate::cms::{self, AgreementRequest, ContentKeyRequest, EnvelopedData};
use crate::crypto::{DecryptionKey, DigestAlgorithm, Provider};
use crate::hex;
use crate::scep::{Error, FailInfo, MessageType, Peer, PkiMessage, TransactionId};
use crate::secret::Secret;
use crate::x509::Certificate;

/// Who opens requests: the RA's encryption certificate and its private key.
///
/// Let it be another certificate than the CA's: a key that decrypts for strangers should not be the one that signs certificates.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a certificate and its key are all there is")]
pub struct Recipient<'a> {
    /// What GetCACert hands out for encryption.
    pub certificate: &'a Certificate,
    /// Its private key.
    pub key: &'a dyn DecryptionKey,
}

/// A request whose signature was verified with the certificate that it carries: the sender holds that certificate's key. More is not
/// known yet, least of all whether the sender may have what it asks for.
///
/// The next step is [`Received::open`]. Without the private key at hand it is [`Received::content_key_request`] and
/// [`Received::open_with_key`].
#[derive(Debug)]
pub struct Received {
    pub(super) message: PkiMessage,
    pub(super) envelope: EnvelopedData,
    pub(super) signer: Certificate,
    pub(super) peer: Peer,
    pub(super) provider: Provider,
}

impl Received {
    /// Reads the body of a PKIOperation and verifies its outer signature. Public-key work only.
    ///
    /// # Errors
    /// [`Refused`], which can be answered in a signed reply when enough of the message was read.
    pub fn parse(body: &[u8], peer: &Peer, provider: &Provider) -> Result<Self, Refused> {
        let message = PkiMessage::parse(body, peer).map_err(Refused::unanswerable)?;
        let exchange = Exchange::answering(&message, provider);
        match Self::check(message, peer, provider) {
            Ok(received) => Ok(received),
            Err(error) => Err(Refused::answerable(error, exchange)),
        }
    }

    fn check(message: PkiMessage, peer: &Peer, provider: &Provider) -> Result<Self, Error> {
        let signer = message.signer_certificate().ok_or(cms::Error::NoSignerCertificate)?;
        message.verify(signer.public_key(), provider, peer)?;
        if message.sender_nonce().is_none() && !peer.missing_nonces {
            return Err(Error::Attribute("senderNonce"));
        }
        let message_type = message.message_type();
        if matches!(message_type, MessageType::CertRep | MessageType::Other(_)) {
            return Err(Error::MessageType(message_type));
        }
        let envelope = message.envelope(peer)?;
        Ok(Received { message, envelope, signer, peer: *peer, provider: *provider })
    }

    /// The outer message.
    pub fn message(&self) -> &PkiMessage {
        &self.message
    }

    /// The certificate whose key signed the request: self-signed for a first request.
    pub fn signer(&self) -> &Certificate {
        &self.signer
    }

    /// The client's name for the operation.
    pub fn transaction_id(&self) -> &TransactionId {
        self.message.transaction_id()
    }

    /// What is asked.
    pub fn message_type(&self) -> MessageType {
        self.message.message_type()
    }

    /// The operation and the key that runs it, for the host's table of operations.
    ///
    /// A host that finds the transaction identifier in its table with an equal value answers as it did before; with another value it
    /// denies, since somebody else took the name.
    pub fn transaction(&self) -> Transaction {
        let key = self.provider.digest(DigestAlgorithm::Sha256, self.signer.public_key().as_der());
        Transaction { id: self.transaction_id().clone(), key: hex::encode(key.as_ref()) }
    }

    /// A key for the host's cache of messages seen: the same only for the same transaction, signer's key and nonce.
    pub fn replay_key(&self) -> ReplayKey {
        let id = self.transaction_id().as_str().as_bytes();
        let key = self.signer.public_key().as_der();
        let nonce = self.message.sender_nonce().map_or(&[][..], |nonce| nonce.as_bytes());
        let lengths = [id.len(), key.len()].map(|len| u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
        let [id_len, key_len] = &lengths;
        let digest = self.provider.digests.digest(DigestAlgorithm::Sha256, &[id_len, id, key_len, key, nonce]);
        ReplayKey(hex::encode(digest.as_ref()))
    }

    /// Opens the envelope with a private key at hand.
    ///
    /// # Errors
    /// [`Refused`]. Whatever is wrong inside the envelope, and with the key that opens it, is [`Error::Unopened`].
    pub fn open(self, recipient: &Recipient<'_>) -> Result<Request, Refused> {
        if recipient.key.public_key() != recipient.certificate.public_key() {
            return Err(self.refused(Error::Misuse("the recipient's key is not its certificate's")));
        }
        let policy = self.peer.envelopes();
        let opened = self.envelope.open(recipient.certificate, recipient.key, &self.provider, &policy);
        self.opened(opened)
    }

    /// The first half of opening with a key that is elsewhere: what must be decrypted there.
    ///
    /// # Errors
    /// What can be seen without the key; [`Received::refused`] makes an answer of it.
    pub fn content_key_request(&self, recipient: &Certificate) -> Result<ContentKeyRequest<'_>, Error> {
        Ok(self.envelope.content_key_request(recipient, &self.peer.envelopes())?)
    }

    /// As [`Received::content_key_request`] where the recipient's key is an elliptic-curve one: what it must agree with.
    ///
    /// # Errors
    /// As [`Received::content_key_request`].
    pub fn agreement_request(&self, recipient: &Certificate) -> Result<AgreementRequest<'_>, Error> {
        Ok(self.envelope.agreement_request(recipient, &self.peer.envelopes())?)
    }

    /// The second half: the content key that came back, or `None` when none did, which ends as any other damage.
    ///
    /// # Errors
    /// As [`Received::open`].
    pub fn open_with_key(self, content_key: Option<Secret>) -> Result<Request, Refused> {
        let policy = self.peer.legacy;
        if !self.envelope.cipher().is_some_and(|cipher| policy.allows_cipher(cipher)) {
            return Err(self.refused(cms::Error::Algorithm("content cipher").into()));
        }
        let opened = self.envelope.open_with_key(content_key, &self.provider);
        self.opened(opened)
    }

    /// Opens a request that is sealed under a password: from a client to a server whose key cannot decrypt (RFC 8894 section 3.1). The
    /// password is the challenge, which the host must know beforehand.
    ///
    /// # Errors
    /// As [`Received::open`].
    pub fn open_with_password(self, password: &Secret) -> Result<Request, Refused> {
        let opened = self.envelope.open_with_password(password, &self.provider, &self.peer.envelopes());
        self.opened(opened)
    }

    fn opened(self, opened: Result<Secret, cms::Error>) -> Result<Request, Refused> {
        let content = match opened {
            Ok(plain) => Opened::read(&self, &plain),
            Err(cms::Error::Unopened) => Err(Unread::Garbled),
            Err(error) => return Err(self.refused(error.into())),
        };
        match content {
            Ok(content) => Ok(Request::new(self, content)),
            Err(unread) => {
                if unread == Unread::Garbled && self.holds_request() {
                    self.spend_a_verification();
                }
                Err(self.refused(Error::Unopened))
            }
        }
    }

    /// Whether a request for a certificate is what belongs into the envelope.
    fn holds_request(&self) -> bool {
        matches!(self.message_type(), MessageType::PkcsReq | MessageType::RenewalReq)
    }

    /// Reads and verifies once more what has been, which takes as long as it would have taken to read the request and to verify its proof of
    /// possession. So when the refusal comes tells as little as what it says.
    fn spend_a_verification(&self) {
        let again = Certificate::from_der(self.signer.as_der()).ok();
        let key = again.as_ref().unwrap_or(&self.signer).public_key();
        // It holds, as it did before; only the time is wanted.
        let _holds = std::hint::black_box(self.message.verify(key, &self.provider, &self.peer));
    }

    /// Gives the request up for this reason.
    pub fn refused(self, error: Error) -> Refused {
        let exchange = self.exchange();
        Refused::answerable(error, exchange)
    }

    /// Denies the request unopened.
    pub fn deny(self, reason: FailInfo) -> Reply {
        self.deny_because_of(reason)
    }

    pub(super) fn deny_because_of(&self, reason: FailInfo) -> Reply {
        Reply::failure(self.exchange(), reason)
    }

    pub(super) fn exchange(&self) -> Exchange {
        Exchange::answering(&self.message, &self.provider)
    }
}

/// An operation and the key that runs it. Two are equal when transaction identifier and signer's key are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Transaction {
    id: TransactionId,
    /// SHA-256 of the signer's SubjectPublicKeyInfo, in hexadecimal.
    key: String,
}

impl Transaction {
    /// The client's name for the operation.
    pub fn id(&self) -> &TransactionId {
        &self.id
    }
}

/// What tells one message from every other: a SHA-256 digest, shown and stored in hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ReplayKey(String);

impl ReplayKey {
    /// 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ReplayKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match hex::decode(&text) {
            Some(octets) if octets.len() == DigestAlgorithm::Sha256.len() => Ok(ReplayKey(text)),
            _ => Err("a replay key must be 64 hexadecimal digits"),
        }
    }
}

impl fmt::Display for ReplayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ReplayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayKey({})", self.0)
    }
}
