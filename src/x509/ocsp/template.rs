//! Making an answer.

use super::response::Fields;
use super::{Answer, BASIC, CertId, Issuer, Nonce, Request, ResponderId, Response, Status};
use crate::asn1::{Tag, Writer};
use crate::crypto::{Provider, PublicKey, SignatureAlgorithm, ToBeSigned};
use crate::time::Timestamp;
use crate::x509::signature::{Signed, check_signer};
use crate::x509::{Certificate, Error, RevocationReason, SerialNumber};

/// An answer to be made.
///
/// The authority signs it with its own key, or has delegated that to a responder with a certificate of its own: issued by the same
/// key, with the purpose [`OCSP_SIGNING`](crate::x509::oid::OCSP_SIGNING) and [`OcspNoCheck`](crate::x509::OcspNoCheck), which then
/// goes along. An answer without a nonce may be made in advance and given to many.
///
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// # use mdm_core::crypto::{Error as CryptoError, KeyKind, Provider, Random, SigningKey, DigestAlgorithm};
/// # struct Os;
/// # impl Random for Os {
/// #     fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
/// #         getrandom::fill(dest).map_err(|_| CryptoError::Random)
/// #     }
/// # }
/// # let provider = Provider::rustcrypto(&Os);
/// # let key = provider.load(&provider.generate(KeyKind::P256)?)?;
/// # let now = "2026-02-28T12:00:00Z".parse::<mdm_core::time::Timestamp>()?;
/// # let name = mdm_core::x509::Name::builder().common_name("Authority").build()?;
/// # let known = mdm_core::x509::SerialNumber::from_bytes(&[0x42])?;
/// use mdm_core::x509::KeyIdentifier;
/// use mdm_core::x509::ocsp::{CertId, ErrorStatus, Issuer, LIMITS, Request, RequestTemplate, ResponderId, ResponseTemplate, Status};
///
/// let authority = Issuer::new(&name, key.public_key(), &provider);
/// # let body = RequestTemplate { ids: vec![CertId::new(DigestAlgorithm::Sha1, &authority, known)], nonce: None }.to_der()?;
/// let answer = match Request::from_der(&body, &LIMITS) {
///     Err(error) => ErrorStatus::of(&error).to_der(),
///     Ok(request) => {
///         let responder = ResponderId::Key(KeyIdentifier::of(key.public_key(), &provider));
///         let status = |serial: &_| if *serial == known { Status::Good } else { Status::Unknown };
///         let template = ResponseTemplate::answering(&request, &authority, responder, now, now.plus_days(1), status);
///         template.to_be_signed(key.public_key(), key.algorithm(), &provider)?.sign_with(&key)?.as_der().to_vec()
///     }
/// };
/// # assert!(answer.len() > 100);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host spells the whole template, as it would the answer")]
pub struct ResponseTemplate {
    /// Who answers.
    pub responder: ResponderId,
    /// When the answer is signed.
    pub produced_at: Timestamp,
    /// What is said about which certificate, at least one.
    pub answers: Vec<Answer>,
    /// The nonce of the request.
    pub nonce: Option<Nonce>,
    /// The certificate of a delegated responder.
    pub certificate: Option<Certificate>,
}

impl ResponseTemplate {
    /// The answer to a request: for each certificate of this authority what `status` says of its serial number, for those of others
    /// that they are unknown. It holds from `now` until `next_update` and repeats the request's nonce.
    pub fn answering(
        request: &Request,
        authority: &Issuer,
        responder: ResponderId,
        now: Timestamp,
        next_update: Timestamp,
        mut status: impl FnMut(&SerialNumber) -> Status,
    ) -> Self {
        let mut answer = |id: &CertId| Answer {
            id: id.clone(),
            status: if id.is_under(authority) { status(id.serial()) } else { Status::Unknown },
            this_update: now,
            next_update: Some(next_update),
        };
        ResponseTemplate {
            responder,
            produced_at: now,
            answers: request.ids().iter().map(&mut answer).collect(),
            nonce: request.nonce().cloned(),
            certificate: None,
        }
    }

    /// The answer, lacking the signature of the responder's key.
    ///
    /// # Errors
    /// [`Error::Misuse`] for an answer about nothing, one that ends before it begins, a reason that no certificate has, a key that does
    /// not make such signatures or is not that of the certificate that goes along.
    pub fn to_be_signed(
        &self,
        responder_key: &PublicKey,
        algorithm: SignatureAlgorithm,
        provider: &Provider,
    ) -> Result<ToBeSigned<Response>, Error> {
        check_signer(responder_key, algorithm)?;
        if self.answers.is_empty() {
            return Err(Error::Misuse("an OCSP response answers about one certificate at least"));
        }
        if self.answers.iter().any(|answer| answer.next_update.is_some_and(|next| next <= answer.this_update)) {
            return Err(Error::Misuse("the next update must come after this one"));
        }
        let removed =
            |answer: &Answer| matches!(answer.status, Status::Revoked { reason: RevocationReason::RemoveFromCrl, .. });
        if self.answers.iter().any(removed) {
            return Err(Error::Misuse("removeFromCRL stands in delta lists only"));
        }
        if self.certificate.as_ref().is_some_and(|certificate| certificate.public_key() != responder_key) {
            return Err(Error::Misuse("the responder's certificate is for another key"));
        }
        let fields = Fields {
            responder: self.responder.clone(),
            produced_at: self.produced_at,
            answers: self.answers.clone(),
            nonce: self.nonce.clone(),
        };
        let data = Writer::build_with_capacity(512, |w| fields.write(w));
        let certificates: Vec<Certificate> = self.certificate.iter().cloned().collect();
        Ok(ToBeSigned::new(algorithm, responder_key.clone(), data, provider, move |data, signature| {
            assemble(fields, certificates, data, algorithm, signature)
        }))
    }
}

/// OCSPResponse { successful, BasicOCSPResponse }.
fn assemble(
    fields: Fields,
    certificates: Vec<Certificate>,
    data: &[u8],
    algorithm: SignatureAlgorithm,
    signature: &[u8],
) -> Response {
    let frame = Writer::build(|w| {
        algorithm.write(w);
        w.bit_string(signature);
    });
    let content = data.len().saturating_add(frame.len());
    let content = Writer::build_with_capacity(content.saturating_add(2048), |w| {
        w.raw(data);
        w.raw(&frame);
        if !certificates.is_empty() {
            w.nested(Tag::context_constructed(0), |w| {
                w.sequence(|w| certificates.iter().for_each(|certificate| w.raw(certificate.as_der())));
            });
        }
    });
    let basic = Writer::build_with_capacity(content.len().saturating_add(8), |w| w.element(Tag::SEQUENCE, &content));
    let start = basic.len().saturating_sub(content.len());
    let part = start..start.saturating_add(data.len());
    let end = part.end.saturating_add(frame.len());
    let signed = Signed { part, algorithm: Some(algorithm), signature: end.saturating_sub(signature.len())..end };
    let der = Writer::build_with_capacity(basic.len().saturating_add(64), |w| {
        w.sequence(|w| {
            w.element(Tag::ENUMERATED, &[0]);
            w.nested(Tag::context_constructed(0), |w| {
                w.sequence(|w| {
                    w.oid(BASIC);
                    w.octet_string(&basic);
                });
            });
        });
    });
    let range = der.len().saturating_sub(basic.len())..der.len();
    Response { der, basic: range, signed, fields, certificates }
}
