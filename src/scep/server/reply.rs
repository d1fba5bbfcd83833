//! Replies (RFC 8894 section 3.3.2), and the refusals that become replies.

use std::fmt;

use crate::cms::{SignedContent, SignedDataTemplate};
use crate::crypto::{DigestAlgorithm, Provider, SigningKey, ToBeSigned};
use crate::scep::{Error, FailInfo, MessageType, Nonce, PkiMessage, PkiStatus, TransactionId, attribute};
use crate::time::Timestamp;
use crate::x509::Certificate;

/// Who signs replies: the RA's certificate, or the CA's where there is no RA, and its private key.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a certificate and its key are all there is")]
pub struct Signer<'a> {
    /// The certificate that clients verify replies with.
    pub certificate: &'a Certificate,
    /// Its private key.
    pub key: &'a dyn SigningKey,
}

/// What a reply repeats of its request.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    transaction_id: TransactionId,
    sender_nonce: Option<Nonce>,
    digest: DigestAlgorithm,
    provider: Provider,
}

impl Exchange {
    pub(super) fn answering(request: &PkiMessage, provider: &Provider) -> Self {
        Exchange {
            transaction_id: request.transaction_id().clone(),
            sender_nonce: request.sender_nonce().cloned(),
            digest: request.digest_algorithm().unwrap_or(DigestAlgorithm::Sha256),
            provider: *provider,
        }
    }
}

/// A CertRep that lacks its signature.
///
/// It has a fresh senderNonce, the request's nonce as recipientNonce, and its transactionID; content only when it grants.
#[derive(Debug)]
#[must_use = "the client waits for the signed reply"]
pub struct Reply {
    exchange: Exchange,
    outcome: Outcome,
    signing_time: Option<Timestamp>,
    empty_content: bool,
}

enum Outcome {
    Granted(Vec<u8>),
    Denied(FailInfo, Option<String>),
    Pending,
}

impl fmt::Debug for Outcome {
    /// An envelope by its length: it fills pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Granted(envelope) => write!(f, "Granted({} octets)", envelope.len()),
            Outcome::Denied(reason, text) => f.debug_tuple("Denied").field(reason).field(text).finish(),
            Outcome::Pending => f.write_str("Pending"),
        }
    }
}

impl Reply {
    pub(super) fn success(exchange: Exchange, envelope: Vec<u8>) -> Self {
        Reply { exchange, outcome: Outcome::Granted(envelope), signing_time: None, empty_content: false }
    }

    pub(super) fn failure(exchange: Exchange, reason: FailInfo) -> Self {
        Reply { exchange, outcome: Outcome::Denied(reason, None), signing_time: None, empty_content: false }
    }

    pub(super) fn pending(exchange: Exchange) -> Self {
        Reply { exchange, outcome: Outcome::Pending, signing_time: None, empty_content: false }
    }

    /// The same reply with a reason in words (failInfoText): up to 255 characters, for people. A reply that denies nothing stays
    /// without.
    pub fn because(mut self, text: &str) -> Self {
        if let Outcome::Denied(_, words) = &mut self.outcome {
            *words = Some(text.to_owned());
        }
        self
    }

    /// The same reply with a content of no octets where RFC 8894 sections 3.3.2.2 and 3.3.2.3 leave it out. Needed by certmonger, whose
    /// OpenSSL verifies no message without content: it takes a denial and a wait for a server that is out of reach.
    pub fn with_empty_content(mut self) -> Self {
        self.empty_content = true;
        self
    }

    /// The same reply saying when it is signed.
    pub fn signed_at(mut self, now: Timestamp) -> Self {
        self.signing_time = Some(now);
        self
    }

    /// The status that the reply carries.
    pub const fn status(&self) -> PkiStatus {
        match self.outcome {
            Outcome::Granted(_) => PkiStatus::Success,
            Outcome::Denied(..) => PkiStatus::Failure,
            Outcome::Pending => PkiStatus::Pending,
        }
    }

    /// Why the reply denies, when it does.
    pub const fn fail_info(&self) -> Option<FailInfo> {
        match self.outcome {
            Outcome::Denied(reason, _) => Some(reason),
            Outcome::Granted(_) | Outcome::Pending => None,
        }
    }

    /// The reply, lacking the signature of this certificate's key; signed, it is the body to send as
    /// [`media_type::PKI_MESSAGE`](crate::scep::media_type::PKI_MESSAGE).
    ///
    /// # Errors
    /// [`Error::Cms`] when the key is of a kind that does not sign; [`Error::Crypto`] when there is no randomness.
    pub fn to_be_signed(self, signer: &Certificate) -> Result<ToBeSigned<Vec<u8>>, Error> {
        let Exchange { transaction_id, sender_nonce, digest, provider } = self.exchange;
        let nothing = if self.empty_content { SignedContent::Attached(&[]) } else { SignedContent::Absent };
        let mut attributes = vec![
            attribute::message_type(MessageType::CertRep),
            attribute::transaction_id(&transaction_id),
            attribute::sender_nonce(&Nonce::random(&provider)?),
        ];
        attributes.extend(sender_nonce.as_ref().map(attribute::recipient_nonce));
        let (status, content) = match &self.outcome {
            Outcome::Granted(envelope) => (PkiStatus::Success, SignedContent::Attached(envelope)),
            Outcome::Denied(reason, text) => {
                attributes.push(attribute::fail_info(*reason));
                attributes.extend(text.as_deref().map(attribute::fail_info_text));
                (PkiStatus::Failure, nothing)
            }
            Outcome::Pending => (PkiStatus::Pending, nothing),
        };
        attributes.push(attribute::pki_status(status));
        let mut template = SignedDataTemplate::new(content);
        template.digest = digest;
        template.signing_time = self.signing_time;
        template.attributes = attributes;
        template.certificates = vec![signer.as_der()];
        Ok(template.to_be_signed(signer, &provider)?)
    }

    /// The body to send, signed with a key at hand.
    ///
    /// # Errors
    /// As [`Reply::to_be_signed`]; [`Error::Crypto`] when the key is not the certificate's, or fails.
    pub fn sign_with(self, signer: &Signer<'_>) -> Result<Vec<u8>, Error> {
        Ok(self.to_be_signed(signer.certificate)?.sign_with(signer.key)?)
    }
}

/// A request that goes no further, and why.
///
/// ```no_run
/// # use mdm_core::scep::{Error, Refused, Signer};
/// /// The HTTP answer: status and body.
/// fn answer(refused: Refused, ra: &Signer<'_>) -> Result<(u16, Vec<u8>), Error> {
///     let status = refused.error().http_status();
///     match refused.into_reply() {
///         Some(reply) => Ok((200, reply.sign_with(ra)?)),
///         None => Ok((status, b"not a SCEP request".to_vec())),
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    error: Error,
    exchange: Option<Box<Exchange>>,
}

impl Refused {
    /// Too little of the request was read to answer it in SCEP.
    #[cold]
    pub(super) fn unanswerable(error: Error) -> Self {
        Refused { error, exchange: None }
    }

    #[cold]
    pub(super) fn answerable(error: Error, exchange: Exchange) -> Self {
        Refused { error, exchange: Some(Box::new(exchange)) }
    }

    /// Why. For the log: the client is told [`Error::fail_info`] and no more.
    pub const fn error(&self) -> &Error {
        &self.error
    }

    /// The signed FAILURE to answer with. `None` when the request names no transaction to answer to, or when the fault is the host's:
    /// then the answer is the HTTP status [`Error::http_status`].
    pub fn into_reply(self) -> Option<Reply> {
        let reason = self.error.fail_info()?;
        self.exchange.map(|exchange| Reply::failure(*exchange, reason))
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}
