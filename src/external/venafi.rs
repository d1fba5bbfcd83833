//! Venafi Trust Protection Platform, later CyberArk's and Palo Alto's, over its Web SDK.
//!
//! Sources: *Auth SDK* and *Web SDK* of the product's documentation, `Authorize/OAuth`, `Authorize/Token`, `Certificates/Request`,
//! `Certificates/Retrieve`, `Certificates/Revoke`.
//!
//! ```text
//! Login ── authorize ─► Token ── refresh ─► Token
//! submit ─► CertificateDN ── poll ─► 202, stage ─► ... ─► 200, certificate in Base64 of PEM ── revoke ─► requested ─► revoked
//! ```
//!
//! A request is known by the distinguished name of its object, which follows from the folder and the object's name. Left open by the
//! documentation, and taken so: a refused request is HTTP 400 with `Error`; a retrieval that fails with HTTP 500 (an approver's rejection among
//! the reasons, as well as a fault that an operator mends) is temporary, so that a person withdraws the request in the end; a revocation is done
//! once the platform answers a repeated one with `Requested: false`. Pending requests cannot be withdrawn over this interface.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Response};
use serde::{Deserialize, Serialize};

use super::{Answer, Error, Expected, Reference, RequestId};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::web::{self, Credentials, Endpoint};
use crate::x509::{Csr, RevocationReason};

/// A platform, and where in it the certificates of this server belong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct Venafi {
    /// Its address, above `vedsdk` and `vedauth`.
    pub url: Endpoint,
    /// `client_id`: the identifier of this server's API integration.
    pub client_id: String,
    /// `PolicyDN`: the folder, such as `\VED\Policy\Devices`.
    pub policy: String,
    /// `CADN`: the authority's object, where the folder does not name one.
    pub authority: Option<String>,
    /// `CASpecificAttributes`: what the authority behind the platform wants besides, name and value.
    pub attributes: Vec<(String, String)>,
}

/// The scope that this module needs.
const SCOPE: &str = "certificate:manage,revoke";

/// Leave to use the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    access: Secret,
    expires: Timestamp,
    refresh: Option<Secret>,
}

impl Token {
    /// A token that came in another way, such as from an administrator.
    pub fn new(access: Secret, expires: Timestamp, refresh: Option<Secret>) -> Self {
        Token { access, expires, refresh }
    }

    /// When it ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Whether it ends within so many seconds and should be [refreshed](Venafi::refresh).
    pub fn is_due(&self, seconds: u32, now: Timestamp) -> bool {
        now.plus_seconds(i64::from(seconds)) >= self.expires
    }

    fn credentials(&self) -> Credentials {
        Credentials::Bearer(self.access.clone())
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires: i64,
    refresh_token: Option<String>,
}

#[derive(Serialize)]
struct OAuth<'a> {
    client_id: &'a str,
    username: &'a str,
    password: &'a str,
    scope: &'static str,
}

#[derive(Serialize)]
struct Refresh<'a> {
    client_id: &'a str,
    refresh_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewCertificate<'a> {
    #[serde(rename = "PolicyDN")]
    policy_dn: &'a str,
    #[serde(rename = "CADN", skip_serializing_if = "Option::is_none")]
    ca_dn: Option<&'a str>,
    object_name: &'a str,
    #[serde(rename = "PKCS10")]
    pkcs10: String,
    #[serde(rename = "CASpecificAttributes", skip_serializing_if = "Vec::is_empty")]
    ca_specific_attributes: Vec<Pair<'a>>,
    /// The device holds the key: the platform could not renew.
    disable_automatic_renewal: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Pair<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Retrieve<'a> {
    #[serde(rename = "CertificateDN")]
    certificate_dn: &'a str,
    format: &'static str,
    include_chain: bool,
    root_first_order: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Revoke<'a> {
    #[serde(rename = "CertificateDN")]
    certificate_dn: &'a str,
    reason: u8,
    comments: &'a str,
    disable: bool,
}

/// The answers of the three calls about certificates.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Certificates {
    #[serde(rename = "CertificateDN")]
    certificate_dn: Option<String>,
    certificate_data: Option<String>,
    requested: Option<bool>,
    success: Option<bool>,
    error: Option<String>,
}

impl Venafi {
    /// Asks for a token with the name and password of an account.
    ///
    /// # Errors
    /// [`Error::Web`] when the password is no text.
    pub fn authorize(&self, user: &str, password: &Secret) -> Result<Request<Vec<u8>>, Error> {
        let password = text(password)?;
        let body = OAuth { client_id: &self.client_id, username: user, password, scope: SCOPE };
        Ok(web::json(Method::POST, self.url.below("vedauth/authorize/oauth")?, None, &body)?)
    }

    /// Asks for a new token with the refresh token of the old one, which is used up by it.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the token has none.
    pub fn refresh(&self, token: &Token) -> Result<Request<Vec<u8>>, Error> {
        let refresh = token.refresh.as_ref().ok_or(Error::Misuse("the token has no refresh token; authorize again"))?;
        let body = Refresh { client_id: &self.client_id, refresh_token: text(refresh)? };
        Ok(web::json(Method::POST, self.url.below("vedauth/authorize/token")?, None, &body)?)
    }

    /// Reads the answer to [`Venafi::authorize`] and [`Venafi::refresh`].
    ///
    /// # Errors
    /// [`Error::Web`].
    pub fn token<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<Token, Error> {
        let answer: TokenAnswer = web::Answer::read(response)?.ok()?.json()?;
        if answer.access_token.is_empty() {
            return Err(web::Error::Field("access_token").into());
        }
        let refresh = answer.refresh_token.filter(|token| !token.is_empty()).map(Secret::from);
        Ok(Token { access: Secret::from(answer.access_token), expires: Timestamp::from_unix(answer.expires), refresh })
    }

    /// Sends a request for a certificate. Its name becomes that of the platform's object.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the name holds a backslash or a control character, which would put the object elsewhere.
    pub fn submit(&self, csr: &Csr, id: &RequestId, token: &Token) -> Result<Request<Vec<u8>>, Error> {
        let name = id.as_str();
        if name.is_empty() || name.contains('\\') || name.chars().any(char::is_control) {
            return Err(Error::Misuse("the name of an object of Venafi holds no backslash and no control character"));
        }
        let body = NewCertificate {
            policy_dn: &self.policy,
            ca_dn: self.authority.as_deref(),
            object_name: name,
            pkcs10: csr.to_pem(),
            ca_specific_attributes: self.attributes.iter().map(|(name, value)| Pair { name, value }).collect(),
            disable_automatic_renewal: true,
        };
        self.post("vedsdk/certificates/request", &body, token)
    }

    /// Reads the answer to [`Venafi::submit`]: accepted under a name, or denied.
    ///
    /// # Errors
    /// [`Error::Web`].
    pub fn submitted<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<Answer, Error> {
        let answer = web::Answer::read(response)?;
        if answer.status == http::StatusCode::BAD_REQUEST {
            return Ok(Answer::Denied { reason: web::shown(&answer.json::<Certificates>()?.error.unwrap_or_default()) });
        }
        let found: Certificates = answer.ok()?.json()?;
        let name = found.certificate_dn.ok_or(web::Error::Field("CertificateDN"))?;
        Ok(Answer::Accepted(Reference::new(name).map_err(|_| web::Error::Field("CertificateDN"))?))
    }

    /// Asks for the certificate.
    ///
    /// # Errors
    /// [`Error::Web`] when the token cannot be sent.
    pub fn poll(&self, reference: &Reference, token: &Token) -> Result<Request<Vec<u8>>, Error> {
        let body =
            Retrieve { certificate_dn: reference.request(), format: "Base64", include_chain: true, root_first_order: false };
        self.post("vedsdk/certificates/retrieve", &body, token)
    }

    /// Reads the answer to [`Venafi::poll`]: issued or pending.
    ///
    /// # Errors
    /// [`Error::Web`], and those of [`Expected::accept`].
    pub fn polled<B: AsRef<[u8]>>(&self, response: &Response<B>, expected: &Expected<'_>) -> Result<Answer, Error> {
        let answer = web::Answer::read(response)?.ok()?;
        let found: Certificates = answer.json()?;
        match found.certificate_data.filter(|data| !data.is_empty()) {
            Some(data) => {
                let pem = STANDARD.decode(data).map_err(|_| web::Error::Field("CertificateData"))?;
                Ok(Answer::Issued(expected.accept_encoded(&pem)?))
            }
            None if answer.status == http::StatusCode::ACCEPTED => Ok(Answer::Pending { reference: None }),
            None => Err(web::Error::Field("CertificateData").into()),
        }
    }

    /// Asks for the certificate to be revoked. Asked again, it tells whether it is.
    ///
    /// # Errors
    /// [`Error::Web`] when the token cannot be sent.
    pub fn revoke(&self, reference: &Reference, reason: RevocationReason, token: &Token) -> Result<Request<Vec<u8>>, Error> {
        // The platform's numbers, which end at 5; what it has none for is given no reason.
        let reason = match reason {
            RevocationReason::KeyCompromise => 1,
            RevocationReason::CaCompromise => 2,
            RevocationReason::AffiliationChanged => 3,
            RevocationReason::Superseded => 4,
            RevocationReason::CessationOfOperation => 5,
            _ => 0,
        };
        let body = Revoke {
            certificate_dn: reference.request(),
            reason,
            comments: "revoked by the management server",
            disable: false,
        };
        self.post("vedsdk/certificates/revoke", &body, token)
    }

    /// Reads the answer to [`Venafi::revoke`].
    ///
    /// # Errors
    /// [`Error::Web`]; [`web::Error::Refused`] with the platform's words when it does not succeed.
    pub fn revoked<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<Answer, Error> {
        let answer = web::Answer::read(response)?.ok()?;
        let found: Certificates = answer.json()?;
        match (found.success, found.requested) {
            (Some(true), Some(true)) => Ok(Answer::RevocationPending),
            (Some(true), Some(false)) => Ok(Answer::Revoked),
            (Some(false), _) => Err(answer.refusal(&found.error.unwrap_or_default()).into()),
            _ => Err(web::Error::Field("Success").into()),
        }
    }

    fn post(&self, path: &str, body: &impl Serialize, token: &Token) -> Result<Request<Vec<u8>>, Error> {
        Ok(web::json(Method::POST, self.url.below(path)?, Some(&token.credentials()), body)?)
    }
}

fn text(secret: &Secret) -> Result<&str, Error> {
    secret.expose_str().ok_or(Error::Misuse("a password or token is text"))
}
