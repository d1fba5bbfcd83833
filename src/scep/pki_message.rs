//! A SCEP message as anybody can read it, without a private key (RFC 8894 section 3.2).

use super::attribute::ScepAttributes;
use super::{Error, FailInfo, MessageType, Nonce, Peer, PkiStatus, TransactionId};
use crate::asn1::Tag;
use crate::cms::{self, EnvelopedData, SignedData};
use crate::crypto::{DigestAlgorithm, Provider, PublicKey};
use crate::secret::Secret;
use crate::x509::Certificate;

/// The outer layer of a request or reply: what is signed, not yet believed, and the envelope, not yet opened.
///
/// This is all that a proxy sees which only passes messages on, and what a log may show. A server begins with
/// [`Received`](super::Received), a client with [`Sent`](super::client::Sent); both verify.
///
/// ```no_run
/// # fn show(body: &[u8]) -> Result<(), mdm_core::scep::Error> {
/// use mdm_core::scep::{Peer, PkiMessage};
///
/// let message = PkiMessage::parse(body, &Peer::apple())?;
/// println!("{} in transaction {}", message.message_type(), message.transaction_id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PkiMessage {
    signed: SignedData,
    attributes: ScepAttributes,
}

impl PkiMessage {
    /// Reads a message: exactly one signer, signed attributes, messageType and transactionID, each attribute of SCEP once.
    ///
    /// # Errors
    /// [`Error::Cms`], [`Error::Attribute`], [`Error::TransactionId`]; [`Error::Content`] when the content is not of type data.
    pub fn parse(bytes: &[u8], peer: &Peer) -> Result<Self, Error> {
        let signed = SignedData::parse(bytes, &peer.limits)?;
        peer.oddities.accept_message(&signed, bytes)?;
        if !signed.is_data() || signed.content_tag().is_some_and(|tag| tag != Tag::OCTET_STRING) {
            return Err(Error::Content);
        }
        let signer = signed.sole_signer()?;
        let attributes = signer.signed_attributes().ok_or(cms::Error::NoSignedAttributes)?;
        let attributes = ScepAttributes::read(&attributes, peer)?;
        Ok(PkiMessage { signed, attributes })
    }

    /// Whether the message is signed by this key.
    ///
    /// # Errors
    /// As [`SignerInfo::verify`](cms::SignerInfo::verify).
    pub fn verify(&self, key: &PublicKey, provider: &Provider, peer: &Peer) -> Result<(), Error> {
        let content = self.signed.content().unwrap_or_default();
        Ok(self.signed.sole_signer()?.verify(content, key, provider, &peer.signatures())?)
    }

    /// The certificate in the message that its signer names: in a request the one to answer to, in a reply a mere claim.
    pub fn signer_certificate(&self) -> Option<Certificate> {
        self.signed.signer_certificate(&self.signed.sole_signer().ok()?)
    }

    /// The CMS layer.
    pub fn signed_data(&self) -> &SignedData {
        &self.signed
    }

    /// The digest of the signature; `None` for one that the crate does not know.
    pub fn digest_algorithm(&self) -> Option<DigestAlgorithm> {
        self.signed.sole_signer().ok()?.digest_algorithm()
    }

    /// What the message asks or answers.
    pub fn message_type(&self) -> MessageType {
        self.attributes.message_type
    }

    /// The operation that it belongs to.
    pub fn transaction_id(&self) -> &TransactionId {
        &self.attributes.transaction_id
    }

    /// The sender's nonce.
    pub fn sender_nonce(&self) -> Option<&Nonce> {
        self.attributes.sender_nonce.as_ref()
    }

    /// In a reply: the nonce of the request.
    pub fn recipient_nonce(&self) -> Option<&Nonce> {
        self.attributes.recipient_nonce.as_ref()
    }

    /// In a reply: how the request fared.
    pub fn pki_status(&self) -> Option<PkiStatus> {
        self.attributes.pki_status
    }

    /// In a reply that denies: why, when it is one of the five reasons.
    pub fn fail_info(&self) -> Option<FailInfo> {
        self.attributes.fail_info.and_then(FailInfo::from_code)
    }

    /// In a reply that denies: why, in words. Up to 255 characters of the peer's; not for showing unescaped.
    pub fn fail_info_text(&self) -> Option<&str> {
        self.attributes.fail_info_text.as_deref()
    }

    /// A challenge among the signed attributes, as Apple's `mdmclient` sends it.
    pub fn signed_challenge(&self) -> Option<&Secret> {
        self.attributes.challenge.as_ref()
    }

    /// The encrypted content.
    ///
    /// # Errors
    /// [`Error::Content`] when there is none; [`Error::Cms`] when it is no EnvelopedData.
    pub fn envelope(&self, peer: &Peer) -> Result<EnvelopedData, Error> {
        let content = self.signed.content().ok_or(Error::Content)?;
        let envelope = EnvelopedData::parse(content, &peer.limits)?;
        peer.oddities.accept_envelope(&envelope, content)?;
        Ok(envelope)
    }
}
