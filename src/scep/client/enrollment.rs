//! Getting a certificate.

use serde::{Deserialize, Serialize};

use super::Server;
use super::exchange::{Answer, Exchange};
use crate::asn1::Writer;
use crate::cms::{AgreementRequest, ContentKeyRequest, EnvelopedData, RecipientInfo, SignedData};
use crate::crypto::{Provider, PublicKeyKind, SignatureAlgorithm, ToBeSigned};
use crate::scep::{Error, FailInfo, MessageType, Peer, Recipient, TransactionId};
use crate::secret::Secret;
use crate::x509::{self, Certificate, CertificateTemplate, Csr, Extensions, KeyUsage, Name, SerialNumber, Validity};

/// An enrollment in its course: a record that a host stores until it has its certificate. It holds the request, and with it the challenge.
///
/// ```no_run
/// # use mdm_core::{crypto::{Provider, SoftwareKey}, scep::{client, Error, Recipient}, x509::{Certificate, Csr}};
/// # fn show(server: &client::Server, csr: Csr, signer: Certificate, key: &SoftwareKey, provider: &Provider, post: impl Fn(Vec<u8>) -> Vec<u8>) -> Result<(), Error> {
/// let mut enrollment = client::Enrollment::first(csr, signer.clone(), provider)?;
/// let (sent, message) = enrollment.request(server, provider)?;
/// let reply = post(message.sign_with(key)?);
/// match sent.receive(&reply, server, provider)? {
///     client::Outcome::Granted(granted) => {
///         let issued = granted.open(&Recipient { certificate: &signer, key })?;
///         println!("{}", issued.certificate.subject());
///     }
///     client::Outcome::Denied { fail_info, .. } => println!("denied: {fail_info:?}"),
///     client::Outcome::Pending => println!("ask again in {} seconds", enrollment.waiting()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    transaction_id: TransactionId,
    renewal: bool,
    csr: Csr,
    signer: Certificate,
    /// How often the server said that it has not decided; 0 before it has seen the request.
    polls: u32,
}

/// The first wait between polls, in seconds; it doubles each time.
const FIRST_WAIT: u32 = 30;
/// The longest wait between polls, in seconds.
const LONGEST_WAIT: u32 = 3_600;

impl Enrollment {
    /// A first enrollment. `signer` is a self-signed certificate, or one from elsewhere that the server knows. Its key should be RSA, since the
    /// reply is encrypted to it; servers that can seal to an elliptic-curve key, or under the challenge, are rare.
    ///
    /// # Errors
    /// [`Error::Crypto`] when there is no randomness.
    pub fn first(csr: Csr, signer: Certificate, provider: &Provider) -> Result<Self, Error> {
        Ok(Enrollment { transaction_id: TransactionId::random(provider)?, renewal: false, csr, signer, polls: 0 })
    }

    /// A renewal of the certificate that signs the request.
    ///
    /// # Errors
    /// [`Error::Crypto`] when there is no randomness.
    pub fn renewal(csr: Csr, current: Certificate, provider: &Provider) -> Result<Self, Error> {
        Ok(Enrollment { transaction_id: TransactionId::random(provider)?, renewal: true, csr, signer: current, polls: 0 })
    }

    /// A certificate to sign a first request with (RFC 8894 section 2.3): for the request's own name and key, signed by that key, good for
    /// signatures and for opening the reply.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the key is neither RSA nor P-256, which alone open replies, or the validity is upside down; [`Error::Crypto`]
    /// when there is no randomness.
    pub fn self_signed(csr: &Csr, validity: Validity, provider: &Provider) -> Result<ToBeSigned<Certificate>, Error> {
        let key = csr.public_key();
        let (usage, algorithm) = match key.kind() {
            PublicKeyKind::Rsa { .. } => (KeyUsage::KEY_ENCIPHERMENT, SignatureAlgorithm::RsaSha256),
            PublicKeyKind::P256 => (KeyUsage::KEY_AGREEMENT, SignatureAlgorithm::EcdsaSha256),
            _ => {
                return Err(Error::Misuse(
                    "replies are encrypted to the signer of the request, so its key must be RSA or P-256",
                ));
            }
        };
        let subject = match csr.subject().is_empty() {
            // A certificate that signs itself needs a name for its issuer.
            true => Name::builder().common_name("SCEP signer").build().map_err(misuse)?,
            false => csr.subject().clone(),
        };
        let template = CertificateTemplate {
            serial: SerialNumber::random(provider.random).map_err(misuse)?,
            issuer: subject.clone(),
            subject,
            validity,
            public_key: key.clone(),
            extensions: Extensions::new().with(&(KeyUsage::DIGITAL_SIGNATURE | usage)),
            authority_key_identifier: None,
        };
        template.to_be_signed(key, algorithm, provider).map_err(misuse)
    }

    /// The same enrollment under a name of the host's choice.
    #[must_use]
    pub fn named(mut self, transaction_id: TransactionId) -> Self {
        self.transaction_id = transaction_id;
        self
    }

    /// The operation's name.
    pub fn transaction_id(&self) -> &TransactionId {
        &self.transaction_id
    }

    /// The certificate that signs requests and to which replies are encrypted.
    pub fn signer(&self) -> &Certificate {
        &self.signer
    }

    /// The next message to send: the request, or a poll once the server has said that it has not decided. May be made again whenever an
    /// answer was lost.
    ///
    /// # Errors
    /// [`Error::Crypto`] when there is no randomness or the server's key cannot encrypt; [`Error::Cms`] when the signer's key does not sign.
    pub fn request(&self, server: &Server, provider: &Provider) -> Result<(Sent, ToBeSigned<Vec<u8>>), Error> {
        let poll = Writer::build(|w| {
            w.sequence(|w| {
                w.raw(self.issuer(server).subject().as_der());
                w.raw(self.csr.subject().as_der());
            });
        });
        let (message_type, plain) = match (self.polls, self.renewal && server.algorithms.renewal) {
            (1.., _) => (MessageType::CertPoll, poll.as_slice()),
            (0, true) => (MessageType::RenewalReq, self.csr.as_der()),
            (0, false) => (MessageType::PkcsReq, self.csr.as_der()),
        };
        let (exchange, message) = Exchange::request(&self.transaction_id, message_type, plain, &self.signer, server, provider)?;
        Ok((Sent { exchange, csr: self.csr.clone() }, message))
    }

    /// The CA that issues: the first that may sign certificates, else whoever is there.
    fn issuer<'a>(&self, server: &'a Server) -> &'a Certificate {
        let certificates = server.certificates.as_slice();
        certificates.iter().find(|certificate| certificate.is_authority()).unwrap_or(&server.recipient)
    }

    /// Notes that the server has not decided: the next request is a poll, after so many seconds.
    pub fn waiting(&mut self) -> u32 {
        let wait = FIRST_WAIT.checked_shl(self.polls.min(16)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.polls = self.polls.saturating_add(1);
        wait
    }
}

/// What cannot go wrong with what a peer sent, since nothing of it is used.
fn misuse(error: x509::Error) -> Error {
    match error {
        x509::Error::Misuse(what) => Error::Misuse(what),
        x509::Error::Crypto(error) => Error::Crypto(error),
        _ => Error::Misuse("the signer's certificate cannot be made"),
    }
}

/// A request that is on its way.
#[derive(Clone, Debug)]
#[must_use = "the reply must be checked against what was sent"]
pub struct Sent {
    exchange: Exchange,
    csr: Csr,
}

/// What a server answered.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "RFC 8894 knows three outcomes and a host must handle each")]
pub enum Outcome {
    /// The certificate is in an envelope for the signer of the request.
    Granted(Box<Granted>),
    /// There will be no certificate.
    Denied {
        /// Why, when the server gave one of the five reasons.
        fail_info: Option<FailInfo>,
        /// Why, in the server's words. Not for showing unescaped.
        text: Option<String>,
    },
    /// The server has not decided: store [`Enrollment::waiting`] and ask again.
    Pending,
}

impl Sent {
    /// Reads the reply: signed by a pinned certificate, in this transaction, to this very message.
    ///
    /// # Errors
    /// [`Error::Untrusted`], [`Error::Mismatch`], [`Error::Content`], [`Error::Attribute`], [`Error::Cms`].
    pub fn receive(&self, body: &[u8], server: &Server, provider: &Provider) -> Result<Outcome, Error> {
        Ok(match self.exchange.answer(body, server, provider)? {
            Answer::Success(envelope) => {
                Outcome::Granted(Box::new(Granted { envelope, csr: self.csr.clone(), peer: server.peer, provider: *provider }))
            }
            Answer::Failure(fail_info, text) => Outcome::Denied { fail_info, text },
            Answer::Pending => Outcome::Pending,
        })
    }
}

/// A certificate in its envelope.
#[derive(Debug)]
pub struct Granted {
    envelope: EnvelopedData,
    csr: Csr,
    peer: Peer,
    provider: Provider,
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issued {
    /// The certificate for the requested key, wherever it stood among the others.
    pub certificate: Certificate,
    /// What else the server sent along.
    pub others: Vec<Certificate>,
}

impl Granted {
    /// Opens the envelope with the key of the certificate that signed the request; when it is addressed to whoever knows the challenge
    /// instead, as [`Granted::open_with_challenge`].
    ///
    /// # Errors
    /// [`Error::NoCertificate`] when none of the certificates is for the requested key; [`Error::Cms`], which is
    /// [`Unopened`](crate::cms::Error::Unopened) for whatever is wrong with the envelope.
    pub fn open(&self, recipient: &Recipient<'_>) -> Result<Issued, Error> {
        let policy = self.peer.envelopes();
        let mut recipients = self.envelope.recipients();
        if matches!((recipients.next(), recipients.len()), (Some(RecipientInfo::Password { .. }), 0)) {
            return self.open_with_challenge();
        }
        self.read(&self.envelope.open(recipient.certificate, recipient.key, &self.provider, &policy)?)
    }

    /// The first half of opening with a key that is elsewhere.
    ///
    /// # Errors
    /// [`Error::Cms`].
    pub fn content_key_request(&self, recipient: &Certificate) -> Result<ContentKeyRequest<'_>, Error> {
        Ok(self.envelope.content_key_request(recipient, &self.peer.envelopes())?)
    }

    /// As [`Granted::content_key_request`] where the signer's key is an elliptic-curve one.
    ///
    /// # Errors
    /// [`Error::Cms`].
    pub fn agreement_request(&self, recipient: &Certificate) -> Result<AgreementRequest<'_>, Error> {
        Ok(self.envelope.agreement_request(recipient, &self.peer.envelopes())?)
    }

    /// The second half.
    ///
    /// # Errors
    /// As [`Granted::open`].
    pub fn open_with_key(&self, content_key: Option<Secret>) -> Result<Issued, Error> {
        self.read(&self.envelope.open_with_key(content_key, &self.provider)?)
    }

    /// Opens an envelope that was sealed under the challenge, because the signer's key cannot decrypt (RFC 8894 section 3.1).
    ///
    /// # Errors
    /// As [`Granted::open`]; [`Error::Misuse`] when the request has no challenge.
    pub fn open_with_challenge(&self) -> Result<Issued, Error> {
        let challenge = self.csr.challenge_password().ok().flatten();
        let challenge = challenge.ok_or(Error::Misuse("the request has no challenge to open the reply with"))?;
        self.read(&self.envelope.open_with_password(&challenge, &self.provider, &self.peer.envelopes())?)
    }

    fn read(&self, plain: &Secret) -> Result<Issued, Error> {
        let message = SignedData::parse(plain.expose(), &self.peer.limits)?;
        let mut others: Vec<Certificate> = message.certificates().filter_map(|der| Certificate::from_der(der).ok()).collect();
        let ours = others.iter().position(|certificate| certificate.public_key() == self.csr.public_key());
        let certificate = others.remove(ours.ok_or(Error::NoCertificate)?);
        Ok(Issued { certificate, others })
    }
}
