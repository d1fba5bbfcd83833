//! Microsoft Intune, which makes the challenges of the devices that it manages and alone can tell whether one is good.
//!
//! A challenge of Intune is an encrypted text about what may be asked for. The SCEP server sends it with the request to Intune's
//! service for the tenant, which answers with a code, and tells the service afterwards what it issued.
//!
//! ```text
//! Question ── validate ─► ScepActions/validateRequest     ── decision ─► Decision
//! Notification ─ notify ─► ScepActions/successNotification ─ acknowledged
//!                      └─► ScepActions/failureNotification
//! ```
//!
//! Microsoft documents the methods of a library and publishes its source, <https://github.com/microsoft/Intune-Resource-Access>; the
//! messages are as there. The service's address differs from tenant to tenant and is found through Microsoft Graph (`servicePrincipals` of
//! application `0000000a-0000-0000-c000-000000000000`, endpoint `ScepRequestValidationFEService`), with a token for it from Entra: both are
//! the host's to get. Not tried against the service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName};
use http::{HeaderValue, Method, Request, Response};
use serde::{Deserialize, Serialize};

use super::{Decision, Issuance, Notification, Question, Verdict};
use crate::crypto::{DigestAlgorithm, Provider};
use crate::secret::Secret;
use crate::web::{self, Answer, Credentials, Endpoint};
use crate::x509::Certificate;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What Intune says of a request or a notification.
        ///
        /// The list is open: a code that this version does not know is kept, and is a refusal.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
            /// A code that this version does not know: 1 to 100 letters and digits.
            Other(String),
        }

        impl Code {
            /// Every code that is known by name.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// Microsoft's spelling.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Code::$name => stringify!($name),)*
                    Code::Other(text) => text,
                }
            }

            /// Reads Microsoft's spelling; `None` when the text cannot be a code at all.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $(stringify!($name) => Some(Code::$name),)*
                    _ => {
                        let fits = (1..=100).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_alphanumeric());
                        fits.then(|| Code::Other(text.to_owned()))
                    }
                }
            }
        }
    };
}

codes! {
    /// Something else went wrong.
    Unknown,
    /// The request may be granted, or the notification was taken.
    Success,
    /// The request is not PKCS #10.
    CertificateRequestDecodingFailed,
    /// The request holds no challenge.
    ChallengePasswordMissing,
    /// The challenge is damaged.
    ChallengeDeserializationError,
    /// The challenge does not decrypt.
    ChallengeDecryptionError,
    /// The challenge does not decode.
    ChallengeDecodingError,
    /// The challenge has no time that can be read.
    ChallengeInvalidTimestamp,
    /// The challenge was good once.
    ChallengeExpired,
    /// The request has no subject.
    SubjectNameMissing,
    /// The request has another subject than the profile.
    SubjectNameMismatch,
    /// The request has no alternative name.
    SubjectAltNameMissing,
    /// The request has other alternative names than the profile.
    SubjectAltNameMismatch,
    /// The request asks for other key usages than the profile.
    KeyUsageMismatch,
    /// The key has another length than the profile says.
    KeyLengthMismatch,
    /// The request asks for no extended key usage.
    EnhancedKeyUsageMissing,
    /// The request asks for other extended key usages than the profile.
    EnhancedKeyUsageMismatch,
    /// The device has no keys registered in Entra.
    AadKeyIdentifierListMissing,
    /// The key is not the one that the device registered.
    RegisteredKeyMismatch,
    /// The challenge was signed by another certificate.
    SigningCertThumbprintMismatch,
    /// The profile is no longer for this device.
    ScepProfileNoLongerTargetedToTheClient,
    /// The signature of the challenge does not hold.
    SignatureValidationFailed,
    /// The challenge names another certificate request.
    BadCertificateRequestIdInChallenge,
    /// The challenge names another device.
    BadDeviceIdInChallenge,
    /// The challenge names another user.
    BadUserIdInChallenge,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The version of the service that the messages are of.
const API_VERSION: HeaderValue = HeaderValue::from_static("2018-02-20");

/// Intune's service for one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct Intune {
    /// Where the tenant's `ScepRequestValidationFEService` is.
    pub service: Endpoint,
    /// `callerInfo`: the name and version of the SCEP server, which Intune keeps with each request.
    pub caller: String,
    /// `caConfiguration` and `certificateAuthority` of success notifications, by which Intune later asks to revoke; empty when that is
    /// not used.
    pub authority: IssuingAuthority,
}

/// The host's names for the authority that issues, told to Intune.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct IssuingAuthority {
    /// `caConfiguration`.
    pub configuration: String,
    /// `certificateAuthority`.
    pub name: String,
}

/// What one call is made with.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct Call<'a> {
    /// A token for the service, from Entra.
    pub token: &'a Secret,
    /// A fresh UUID by which Microsoft finds the call in its logs.
    pub activity: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Body<'a> {
    Request(Fields<'a>),
    Notification(Fields<'a>),
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    transaction_id: &'a str,
    certificate_request: String,
    #[serde(flatten)]
    issued: Option<IssuedFields<'a>>,
    #[serde(flatten)]
    failed: Option<FailedFields<'a>>,
    caller_info: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IssuedFields<'a> {
    certificate_thumbprint: String,
    certificate_serial_number: String,
    certificate_expiration_date_utc: String,
    issuing_certificate_authority: String,
    ca_configuration: &'a str,
    certificate_authority: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedFields<'a> {
    h_result: u32,
    error_description: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    code: String,
    error_description: Option<String>,
}

impl Intune {
    /// A service, called under this name, for an authority without names at Intune.
    pub fn new(service: Endpoint, caller: &str) -> Self {
        Intune { service, caller: caller.to_owned(), authority: IssuingAuthority::default() }
    }

    /// Asks whether the request may be granted. The body holds the challenge: a host does not log it.
    ///
    /// # Errors
    /// [`web::Error::Misuse`] when token or activity cannot be sent.
    pub fn validate(&self, question: &Question, call: Call<'_>) -> Result<Request<Vec<u8>>, web::Error> {
        self.post("ScepActions/validateRequest", &Body::Request(self.fields(question)), call)
    }

    /// Reads the answer to [`Intune::validate`]. Every code but `Success` is a no.
    ///
    /// # Errors
    /// [`web::Error`] when there is no answer to be read: nothing is decided then.
    pub fn decision<B: AsRef<[u8]>>(&self, question: &Question, response: &Response<B>) -> Result<Decision, web::Error> {
        let (code, description) = Self::outcome(response)?;
        Ok(question.answered(match code {
            Code::Success => Verdict::Accepted,
            code => Verdict::Denied { reason: web::shown(&format!("{code} {description}")) },
        }))
    }

    /// Tells Intune what became of the request.
    ///
    /// # Errors
    /// As [`Intune::validate`].
    pub fn notify(
        &self,
        notification: &Notification,
        call: Call<'_>,
        provider: &Provider,
    ) -> Result<Request<Vec<u8>>, web::Error> {
        let fields = self.fields(notification.question());
        let (action, fields) = match notification.outcome() {
            Issuance::Issued(certificate) => {
                let issued = Some(self.issued(certificate, provider));
                ("ScepActions/successNotification", Fields { issued, ..fields })
            }
            Issuance::Failed { code, description } => {
                // The service refuses an empty description.
                let error_description = if description.is_empty() { "failed" } else { description };
                let failed = Some(FailedFields { h_result: *code, error_description });
                ("ScepActions/failureNotification", Fields { failed, ..fields })
            }
        };
        self.post(action, &Body::Notification(fields), call)
    }

    /// Reads the answer to [`Intune::notify`]: `Success` when the notification was taken. Microsoft's library hands no certificate out
    /// before it was.
    ///
    /// # Errors
    /// As [`Intune::decision`].
    pub fn acknowledged<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<Code, web::Error> {
        Self::outcome(response).map(|(code, _)| code)
    }

    fn fields<'a>(&'a self, question: &'a Question) -> Fields<'a> {
        Fields {
            transaction_id: question.transaction().id().as_str(),
            certificate_request: STANDARD.encode(question.csr().as_der()),
            caller_info: &self.caller,
            ..Fields::default()
        }
    }

    fn issued(&self, certificate: &Certificate, provider: &Provider) -> IssuedFields<'_> {
        let thumbprint = certificate.fingerprint(provider, DigestAlgorithm::Sha1);
        let expires = certificate.validity().not_after.to_string();
        IssuedFields {
            certificate_thumbprint: crate::hex::encode(thumbprint.as_ref()).to_uppercase(),
            certificate_serial_number: certificate.serial().to_string().to_uppercase(),
            // With the fraction that the documentation shows.
            certificate_expiration_date_utc: format!("{}.000Z", expires.trim_end_matches('Z')),
            issuing_certificate_authority: certificate.issuer().to_string(),
            ca_configuration: &self.authority.configuration,
            certificate_authority: &self.authority.name,
        }
    }

    fn post(&self, action: &str, body: &Body<'_>, call: Call<'_>) -> Result<Request<Vec<u8>>, web::Error> {
        let credentials = Credentials::Bearer(call.token.clone());
        let mut request = web::json(Method::POST, self.service.below(action)?, Some(&credentials), body)?;
        let text =
            |text: &str| HeaderValue::from_str(text).map_err(|_| web::Error::Misuse("an activity or caller is not plain text"));
        let headers = request.headers_mut();
        headers.insert(HeaderName::from_static("client-request-id"), text(call.activity)?);
        headers.insert(HeaderName::from_static("api-version"), API_VERSION);
        headers.insert(header::USER_AGENT, text(&self.caller)?);
        Ok(request)
    }

    fn outcome<B: AsRef<[u8]>>(response: &Response<B>) -> Result<(Code, String), web::Error> {
        let outcome: Outcome = Answer::read(response)?.ok()?.json()?;
        let code = Code::parse(&outcome.code).ok_or(web::Error::Field("code"))?;
        Ok((code, outcome.error_description.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_and_written_alike() {
        assert_eq!(Code::ALL.len(), 25);
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()).as_ref(), Some(code));
        }
        assert_eq!(Code::parse("SomethingNew"), Some(Code::Other("SomethingNew".into())));
        for text in ["", "no code", "<b>", &"A".repeat(101)] {
            assert_eq!(Code::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_answer_without_a_code_decides_nothing() {
        let read = |status: u16, body: &[u8]| {
            Intune::outcome(&Response::builder().status(status).body(body.to_vec()).unwrap()).map(|(code, _)| code)
        };
        assert_eq!(read(200, br#"{"code":"Success","errorDescription":""}"#), Ok(Code::Success));
        assert_eq!(read(200, br#"{"code":"ChallengeExpired"}"#), Ok(Code::ChallengeExpired));
        assert_eq!(read(200, br#"{"code":""}"#), Err(web::Error::Field("code")));
        for body in [&b"{}"[..], b"", br#"{"code":0}"#, br#"{"code":null}"#, b"[]", br#"{"code":"Success""#] {
            assert!(matches!(read(200, body), Err(web::Error::Json { .. })));
        }
        assert_eq!(read(200, b"<html>Success</html>"), Err(web::Error::Format("JSON; it looks like HTML")));
        assert_eq!(read(401, br#"{"code":"Success"}"#), Err(web::Error::Unauthorized(401)));
        assert!(read(503, br#"{"code":"Success"}"#).unwrap_err().is_temporary());
        assert!(matches!(read(302, br#"{"code":"Success"}"#), Err(web::Error::Refused { status: 302, .. })));
    }
}
