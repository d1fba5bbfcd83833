//! Asking for what was issued before: GetCert and GetCRL.

use super::Server;
use super::exchange::{Answer, Exchange};
use crate::asn1::Writer;
use crate::cms::SignedData;
use crate::crypto::{Provider, ToBeSigned};
use crate::scep::{Error, FailInfo, MessageType, Recipient, TransactionId};
use crate::x509::{Certificate, Name, SerialNumber};

/// A question about one certificate.
#[derive(Clone, Debug)]
pub struct Lookup {
    message_type: MessageType,
    issuer: Name,
    serial: SerialNumber,
}

impl Lookup {
    /// Asks for the certificate with this issuer and serial number.
    pub fn certificate(issuer: Name, serial: SerialNumber) -> Self {
        Lookup { message_type: MessageType::GetCert, issuer, serial }
    }

    /// Asks for the revocation list that covers this certificate.
    pub fn crl(certificate: &Certificate) -> Self {
        let (issuer, serial) = (certificate.issuer().clone(), *certificate.serial());
        Lookup { message_type: MessageType::GetCrl, issuer, serial }
    }

    /// The message, lacking the signature of this certificate's key, to which the answer will be encrypted.
    ///
    /// # Errors
    /// As [`Enrollment::request`](super::Enrollment::request).
    pub fn request(
        &self,
        signer: &Certificate,
        server: &Server,
        provider: &Provider,
    ) -> Result<(LookupSent, ToBeSigned<Vec<u8>>), Error> {
        let plain = Writer::build(|w| {
            w.sequence(|w| {
                w.raw(self.issuer.as_der());
                self.serial.write(w);
            });
        });
        let id = TransactionId::random(provider)?;
        let (exchange, message) = Exchange::request(&id, self.message_type, &plain, signer, server, provider)?;
        Ok((LookupSent(exchange), message))
    }
}

/// A question that is on its way.
#[derive(Clone, Debug)]
#[must_use = "the reply must be checked against what was sent"]
pub struct LookupSent(Exchange);

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a lookup is answered or it is not")]
pub enum LookupOutcome {
    /// What was found.
    Found {
        /// Certificates, the one that was asked for among them.
        certificates: Vec<Certificate>,
        /// Revocation lists, each a CertificateList in DER.
        crls: Vec<Vec<u8>>,
    },
    /// Nothing was, or the server does not tell.
    Denied {
        /// Why, when the server gave one of the five reasons.
        fail_info: Option<FailInfo>,
        /// Why, in the server's words. Not for showing unescaped.
        text: Option<String>,
    },
}

impl LookupSent {
    /// Reads the reply and opens it with the key of the certificate that signed the question.
    ///
    /// # Errors
    /// As [`Sent::receive`](super::Sent::receive) and [`Granted::open`](super::Granted::open).
    pub fn receive(
        &self,
        body: &[u8],
        recipient: &Recipient<'_>,
        server: &Server,
        provider: &Provider,
    ) -> Result<LookupOutcome, Error> {
        let envelope = match self.0.answer(body, server, provider)? {
            Answer::Success(envelope) => envelope,
            Answer::Failure(fail_info, text) => return Ok(LookupOutcome::Denied { fail_info, text }),
            Answer::Pending => return Err(Error::Mismatch("pkiStatus")),
        };
        let policy = server.peer.envelopes();
        let plain = envelope.open(recipient.certificate, recipient.key, provider, &policy)?;
        let message = SignedData::parse(plain.expose(), &server.peer.limits)?;
        let certificates = message.certificates().filter_map(|der| Certificate::from_der(der).ok()).collect();
        Ok(LookupOutcome::Found { certificates, crls: message.crls().map(<[u8]>::to_vec).collect() })
    }
}
