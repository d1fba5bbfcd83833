//! One message there and one back.

use super::Server;
use crate::cms::{self, EnvelopedData, SignedContent, SignedDataTemplate};
use crate::crypto::{Provider, ToBeSigned};
use crate::scep::{Error, FailInfo, MessageType, Nonce, PkiMessage, PkiStatus, TransactionId, attribute};
use crate::x509::Certificate;

/// A request that was made: what its reply must repeat.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub transaction_id: TransactionId,
    pub sender_nonce: Nonce,
}

/// What a believed reply says.
pub(super) enum Answer {
    Success(EnvelopedData),
    Failure(Option<FailInfo>, Option<String>),
    Pending,
}

impl Exchange {
    /// Encrypts the content to the server and makes the message that `signer` is to sign.
    pub fn request(
        transaction_id: &TransactionId,
        message_type: MessageType,
        plain: &[u8],
        signer: &Certificate,
        server: &Server,
        provider: &Provider,
    ) -> Result<(Exchange, ToBeSigned<Vec<u8>>), Error> {
        let cipher = server.algorithms.cipher;
        let envelope = cms::seal(plain, &[&server.recipient], cipher, server.transport, provider)?;
        let sender_nonce = Nonce::random(provider)?;
        let mut template = SignedDataTemplate::new(SignedContent::Attached(&envelope));
        template.digest = server.algorithms.digest;
        template.certificates = vec![signer.as_der()];
        template.attributes = vec![
            attribute::message_type(message_type),
            attribute::transaction_id(transaction_id),
            attribute::sender_nonce(&sender_nonce),
        ];
        let message = template.to_be_signed(signer, provider)?;
        Ok((Exchange { transaction_id: transaction_id.clone(), sender_nonce }, message))
    }

    /// Reads a reply and believes it, or does not.
    pub fn answer(&self, body: &[u8], server: &Server, provider: &Provider) -> Result<Answer, Error> {
        let peer = &server.peer;
        let reply = PkiMessage::parse(body, peer)?;
        if !peer.oddities.bare_replies && reply.signed_data().certificates().len() == 0 {
            return Err(Error::Oddity("a reply without certificates"));
        }
        check_signer(&reply, server, provider)?;
        if reply.message_type() != MessageType::CertRep {
            return Err(Error::Mismatch("messageType"));
        }
        if reply.transaction_id() != &self.transaction_id {
            return Err(Error::Mismatch("transactionID"));
        }
        match reply.recipient_nonce() {
            Some(nonce) if nonce == &self.sender_nonce => {}
            None if peer.missing_nonces => {}
            _ => return Err(Error::Mismatch("recipientNonce")),
        }
        if reply.sender_nonce().is_none() && !peer.missing_nonces {
            return Err(Error::Attribute("senderNonce"));
        }
        let status = reply.pki_status().ok_or(Error::Attribute("pkiStatus"))?;
        let stray = reply.signed_data().content().is_some() && !peer.stray_content;
        match status {
            PkiStatus::Success => Ok(Answer::Success(reply.envelope(peer)?)),
            PkiStatus::Failure | PkiStatus::Pending if stray => Err(Error::Content),
            PkiStatus::Failure => Ok(Answer::Failure(reply.fail_info(), reply.fail_info_text().map(String::from))),
            PkiStatus::Pending => Ok(Answer::Pending),
        }
    }
}

/// The key of a pinned certificate must have signed. What the message names or carries as its signer's certificate is not asked: whoever
/// forges a reply can name the pinned one.
fn check_signer(reply: &PkiMessage, server: &Server, provider: &Provider) -> Result<(), Error> {
    let mut error = Error::Untrusted;
    for pinned in server.certificates.signers(&server.peer) {
        match reply.verify(pinned.public_key(), provider, &server.peer) {
            Ok(()) => return Ok(()),
            Err(Error::Cms(cms::Error::Signature)) => {}
            // A policy that refuses the algorithm, or a fault in the message, is worth telling.
            Err(other) => error = other,
        }
    }
    Err(error)
}
