//! The webhooks of Smallstep's step-ca about SCEP: `SCEPCHALLENGE`, which decides about a challenge, and `NOTIFYING`, which tells what
//! became of the request.
//!
//! Both sides are here: the SCEP server that asks ([`Webhook::validate`], [`Webhook::notify`]), and the service that is asked
//! ([`Webhook::receive`]). Source: <https://smallstep.com/docs/step-ca/webhooks> and step-ca's published source.
//!
//! ```text
//! SCEP server ── POST { scepChallenge, scepTransactionID, x509CertificateRequest } ─► service
//!             ◄─ { "allow": true } ────────────────────────────────────────────────
//! ```
//!
//! A call is signed: `X-Smallstep-Signature` is HMAC-SHA-256 over the body, in hexadecimal. Versions of step-ca before 0.23 sent the body
//! itself with an HMAC of nothing behind it, which anybody can make; such a signature is refused. The time in the body is signed with the
//! rest and holds replays to a few minutes. Of a request are sent the DER and the public key, not step-ca's further rendering of the
//! same; of a call that came in, the DER is what counts. Not tried against step-ca.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use serde::{Deserialize, Serialize};

use super::{ChallengeError, Decision, Issuance, Notification, Question, Verdict};
use crate::crypto::{DigestAlgorithm, Provider, PublicKey, PublicKeyKind};
use crate::hex;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::web::{self, Answer, Credentials, Endpoint};
use crate::x509::{Certificate, Csr};

const SIGNATURE: HeaderName = HeaderName::from_static("x-smallstep-signature");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("x-smallstep-webhook-id");
/// The longest challenge that is taken, in bytes.
const MAX_CHALLENGE: usize = 8192;

/// One webhook, which both sides know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct Webhook {
    /// `X-Smallstep-Webhook-ID`.
    pub id: String,
    /// The key that calls are signed with: step-ca shows it in Base64 when the webhook is made.
    pub secret: Secret,
    /// What a call shows beside its signature.
    pub credentials: Option<Credentials>,
    /// How many seconds the time of a call may be from now, either way.
    pub tolerance: u32,
}

/// A call that came in with a good signature.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a service must answer each")]
pub enum Call {
    /// Whether the challenge is good for this request.
    Validate {
        /// What the client presents.
        challenge: Secret,
        /// The request. That its sender holds the key has been checked by the SCEP server, and costs little to check again.
        csr: Csr,
        /// The transaction and where it runs.
        context: Context,
    },
    /// A certificate was issued.
    Issued {
        /// The certificate.
        certificate: Certificate,
        /// The request, when the caller sent it.
        csr: Option<Csr>,
        /// The transaction and where it runs.
        context: Context,
    },
    /// None was issued.
    Failed {
        /// `scepErrorCode`.
        code: i64,
        /// `scepErrorDescription`. Not for showing unescaped.
        description: String,
        /// The request, when the caller sent it.
        csr: Option<Csr>,
        /// The transaction and where it runs.
        context: Context,
    },
}

/// What every call says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// When it was made.
    pub at: Timestamp,
    /// `scepTransactionID`: the client's name for the operation.
    pub transaction_id: String,
    /// `provisionerName`: which of its services the caller speaks for.
    pub provisioner: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    provisioner_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x509_certificate_request: Option<Encoded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x509_certificate: Option<Encoded>,
    #[serde(skip_serializing_if = "String::is_empty")]
    scep_challenge: String,
    #[serde(rename = "scepTransactionID")]
    scep_transaction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scep_error_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scep_error_description: Option<String>,
}

/// DER in Base64, and what stands beside it.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Encoded {
    raw: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    public_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    public_key_algorithm: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    not_before: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    not_after: String,
}

#[derive(Serialize, Deserialize)]
struct Allowed {
    allow: bool,
}

impl Webhook {
    /// A webhook with the secret as step-ca shows it, whose calls may be five minutes old.
    ///
    /// # Errors
    /// [`web::Error::Misuse`] when the secret is not Base64, or empty.
    pub fn new(id: &str, secret: &str) -> Result<Self, web::Error> {
        let secret = STANDARD.decode(secret.trim()).map(Secret::new);
        let secret = secret.ok().filter(|secret| !secret.is_empty());
        let secret = secret.ok_or(web::Error::Misuse("the secret of a webhook is Base64, as step-ca shows it"))?;
        Ok(Webhook { id: id.to_owned(), secret, credentials: None, tolerance: 300 })
    }

    /// Asks whether the request may be granted. The body holds the challenge: a host does not log it.
    ///
    /// # Errors
    /// [`web::Error::Misuse`] when the challenge is no text, or the webhook's name or credentials cannot be sent.
    pub fn validate(
        &self,
        url: &Endpoint,
        question: &Question,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Request<Vec<u8>>, web::Error> {
        let challenge = question.challenge().expose_str().ok_or(web::Error::Misuse("the challenge is not text"))?;
        let body = Body { scep_challenge: challenge.to_owned(), ..Body::about(question, now) };
        self.call(url, &body, provider)
    }

    /// Reads the answer to [`Webhook::validate`]. Whatever is not `"allow": true` is a no.
    ///
    /// # Errors
    /// [`web::Error`] when there is no answer to be read: nothing is decided then.
    pub fn decision<B: AsRef<[u8]>>(&self, question: &Question, response: &Response<B>) -> Result<Decision, web::Error> {
        let Allowed { allow } = Answer::read(response)?.ok()?.json()?;
        Ok(question.answered(match allow {
            true => Verdict::Accepted,
            false => Verdict::Denied { reason: "the webhook does not allow it".to_owned() },
        }))
    }

    /// Tells the service what became of the request. It answers as to [`Webhook::validate`]; that it says no changes nothing.
    ///
    /// # Errors
    /// As [`Webhook::validate`].
    pub fn notify(
        &self,
        url: &Endpoint,
        notification: &Notification,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Request<Vec<u8>>, web::Error> {
        let body = Body::about(notification.question(), now);
        let body = match notification.outcome() {
            Issuance::Issued(certificate) => Body { x509_certificate: Some(Encoded::certificate(certificate)), ..body },
            Issuance::Failed { code, description } => {
                Body { scep_error_code: Some(i64::from(*code)), scep_error_description: Some(description.clone()), ..body }
            }
        };
        self.call(url, &body, provider)
    }

    fn call(&self, url: &Endpoint, body: &Body, provider: &Provider) -> Result<Request<Vec<u8>>, web::Error> {
        let mut request = web::json(Method::POST, url.uri(), self.credentials.as_ref(), body)?;
        let signature = hex::encode(self.signature(request.body(), provider).as_ref());
        let text = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| web::Error::Misuse("the name of the webhook is not plain text"))
        };
        let headers = request.headers_mut();
        headers.insert(SIGNATURE, text(&signature)?);
        headers.insert(WEBHOOK_ID, text(&self.id)?);
        Ok(request)
    }

    fn signature(&self, body: &[u8], provider: &Provider) -> crate::crypto::Digest {
        provider.mac(DigestAlgorithm::Sha256, &self.secret, &[body])
    }

    /// Reads a call that came in. Nothing of the body is looked at before its signature holds.
    ///
    /// # Errors
    /// [`ChallengeError::Unauthenticated`], [`ChallengeError::Stale`], [`ChallengeError::OtherEvent`] for calls about something else than
    /// SCEP, [`ChallengeError::Web`] and [`ChallengeError::X509`] for damage.
    pub fn receive<B: AsRef<[u8]>>(
        &self,
        request: &Request<B>,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Call, ChallengeError> {
        let body = request.body().as_ref();
        if !self.is_authentic(request.headers(), body, provider) {
            return Err(ChallengeError::Unauthenticated);
        }
        let body: Body = web::read_json(body)?;
        let at = rfc3339(&body.timestamp).ok_or(web::Error::Field("timestamp"))?;
        let seconds = now.seconds_since(at);
        if seconds.unsigned_abs() > u64::from(self.tolerance) {
            return Err(ChallengeError::Stale { seconds });
        }
        body.read(at)
    }

    fn is_authentic(&self, headers: &HeaderMap, body: &[u8], provider: &Provider) -> bool {
        let only = |name: HeaderName| {
            let mut values = headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none())?.to_str().ok()
        };
        let signed = only(SIGNATURE).filter(|text| text.len() == 64).and_then(hex::decode);
        let known = self.credentials.as_ref().is_none_or(|credentials| credentials.are_in(headers));
        only(WEBHOOK_ID) == Some(self.id.as_str())
            && known
            && signed.is_some_and(|signature| self.signature(body, provider).matches(&signature))
    }
}

/// The answer to a call: whether the request may be granted, or the notification was taken.
pub fn answer(allow: bool) -> Response<Vec<u8>> {
    let body: &[u8] = if allow { br#"{"allow":true}"# } else { br#"{"allow":false}"# };
    let mut response = Response::new(body.to_vec());
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl Body {
    fn about(question: &Question, now: Timestamp) -> Self {
        Body {
            timestamp: now.to_string(),
            scep_transaction_id: question.transaction().id().as_str().to_owned(),
            x509_certificate_request: Some(Encoded::new(question.csr().as_der(), question.csr().public_key())),
            ..Body::default()
        }
    }

    fn read(self, at: Timestamp) -> Result<Call, ChallengeError> {
        let context = Context { at, transaction_id: self.scep_transaction_id, provisioner: self.provisioner_name };
        let csr = self.x509_certificate_request.as_ref().map(Encoded::csr).transpose()?;
        match (csr, self.x509_certificate, self.scep_error_code) {
            _ if context.transaction_id.is_empty() => Err(ChallengeError::OtherEvent),
            (csr, Some(certificate), _) => Ok(Call::Issued { certificate: certificate.read_certificate()?, csr, context }),
            (csr, None, Some(code)) => {
                Ok(Call::Failed { code, description: self.scep_error_description.unwrap_or_default(), csr, context })
            }
            (Some(csr), None, None) if (1..=MAX_CHALLENGE).contains(&self.scep_challenge.len()) => {
                Ok(Call::Validate { challenge: Secret::from(self.scep_challenge), csr, context })
            }
            (_, None, None) => Err(web::Error::Field("scepChallenge or x509CertificateRequest").into()),
        }
    }
}

impl Encoded {
    fn new(der: &[u8], key: &PublicKey) -> Self {
        let public_key_algorithm = match key.kind() {
            PublicKeyKind::Rsa { .. } => "RSA",
            _ => "ECDSA",
        };
        Encoded {
            raw: STANDARD.encode(der),
            public_key: STANDARD.encode(key.as_der()),
            public_key_algorithm: public_key_algorithm.to_owned(),
            ..Encoded::default()
        }
    }

    fn certificate(certificate: &Certificate) -> Self {
        let validity = certificate.validity();
        Encoded {
            not_before: validity.not_before.to_string(),
            not_after: validity.not_after.to_string(),
            ..Encoded::new(certificate.as_der(), certificate.public_key())
        }
    }

    fn der(&self, field: &'static str) -> Result<Vec<u8>, ChallengeError> {
        Ok(STANDARD.decode(&self.raw).map_err(|_| web::Error::Field(field))?)
    }

    fn csr(&self) -> Result<Csr, ChallengeError> {
        Ok(Csr::from_der(&self.der("x509CertificateRequest.raw")?)?)
    }

    fn read_certificate(&self) -> Result<Certificate, ChallengeError> {
        Ok(Certificate::from_der(&self.der("x509Certificate.raw")?)?)
    }
}

/// RFC 3339 as Go writes it: with a fraction of a second or none, in UTC or with an offset.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let (whole, rest) = text.split_at_checked(19)?;
    let at: Timestamp = format!("{whole}Z").parse().ok()?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            (zone.len() < fraction.len()).then_some(zone)?
        }
        None => rest,
    };
    let offset = match *zone.as_bytes() {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let part = |high, low| crate::time::two_digits(high, low).map(i64::from);
            let seconds = part(h0, h1)?.checked_mul(3600)?.checked_add(part(m0, m1)?.checked_mul(60)?)?;
            if sign == b'+' { seconds } else { seconds.checked_neg()? }
        }
        _ => return None,
    };
    Some(at.plus_seconds(offset.checked_neg()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_that_go_writes_are_read() {
        let at = |text: &str| rfc3339(text).map(|at| at.to_string());
        let same = Some("2026-11-21T12:00:00Z".to_owned());
        for text in [
            "2026-11-21T12:00:00Z",
            "2026-11-21T12:00:00.123456789Z",
            "2026-11-21T14:30:00.5+02:30",
            "2026-11-21T07:00:00-05:00",
        ] {
            assert_eq!(at(text), same, "{text}");
        }
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T12:00:00",
            "2026-11-21T12:00:00.Z",
            "2026-11-21T12:00:00+0200",
            "2026-11-21T12:00:0é",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn a_secret_is_base64() {
        assert_eq!(Webhook::new("id", "c2VjcmV0").unwrap().secret, Secret::from("secret"));
        for secret in ["", "se cret", "c2VjcmV"] {
            assert!(matches!(Webhook::new("id", secret), Err(web::Error::Misuse(_))), "{secret}");
        }
    }

    #[test]
    fn an_answer_is_yes_only_when_it_says_so() {
        let allowed = |body: &str| Answer::read(&Response::new(body)).unwrap().json::<Allowed>().map(|answer| answer.allow);
        assert_eq!(allowed(std::str::from_utf8(answer(true).body()).unwrap()), Ok(true));
        assert_eq!(allowed(std::str::from_utf8(answer(false).body()).unwrap()), Ok(false));
        assert_eq!(allowed(r#"{"data":{"a":1},"allow":true}"#), Ok(true));
        for body in ["{}", r#"{"allow":"true"}"#, r#"{"allow":1}"#, "true", "", "<html>"] {
            assert!(allowed(body).is_err(), "{body}");
        }
    }
}
