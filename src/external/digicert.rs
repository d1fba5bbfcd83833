//! DigiCert CertCentral over its Services API.
//!
//! Source: <https://dev.digicert.com/certcentral-apis/services-api.html>, *Order certificate*, *Order info*, *Download certificate*, *Revoke
//! certificate*, *Update order status*.
//!
//! ```text
//! submit ─► order ── poll ─► pending ... issued, with the certificate's id ── poll ─► PEM ── revoke ─► pending ─► revoked
//!                     └────► rejected, canceled
//! ```
//!
//! DigiCert takes nothing but the key from a request: what the certificate shall say is in the order, and differs from product to product.
//! The host gives these fields ([`DigiCert::order`], and for each request its own), as the page of its product says; the request itself and
//! the request's name, as a comment, are put in here. An order costs money, and sending it twice orders twice. Left open by the documentation, and
//! taken so: a revocation that needs no approval is done with HTTP 204; one that was approved is seen by the order's status.

use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Answer, Error, Expected, Reference, RequestId};
use crate::secret::Secret;
use crate::web::{self, Endpoint};
use crate::x509::{Csr, RevocationReason};

/// An account, and what is ordered through it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct DigiCert {
    /// The API's address, above `services/v2`: `https://www.digicert.com`, or that of another region.
    pub url: Endpoint,
    /// The account's API key, sent as `X-DC-DEVKEY`.
    pub key: Secret,
    /// The product's identifier, such as `client_authentication_plus` or `private_ssl_plus`.
    pub product: String,
    /// The fields that every order has, as JSON: `organization`, `order_validity`, `certificate.signature_hash` and what else the product
    /// asks for.
    pub order: Map<String, Value>,
    /// Whether orders and revocations go through without an approver, for keys that may.
    pub skip_approval: bool,
}

const DEVKEY: HeaderName = HeaderName::from_static("x-dc-devkey");

/// An order, as it is answered and looked up.
#[derive(Deserialize)]
struct OrderInfo {
    id: u64,
    status: Option<String>,
    certificate_id: Option<u64>,
    certificate: Option<CertificateInfo>,
}

#[derive(Deserialize)]
struct CertificateInfo {
    id: Option<u64>,
}

/// A request about something, such as a revocation.
#[derive(Deserialize)]
struct Submission {
    status: String,
}

#[derive(Deserialize)]
struct Failure {
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl DigiCert {
    /// Orders a certificate. `certificate` is what it shall say: `common_name`, `emails`, `dns_names` and the like, added to the
    /// `certificate` of every order.
    ///
    /// # Errors
    /// [`Error::Misuse`] when `certificate` of every order is no object; [`Error::Web`] when the key or product cannot be sent.
    pub fn submit(&self, csr: &Csr, id: &RequestId, certificate: &Map<String, Value>) -> Result<Request<Vec<u8>>, Error> {
        let mut order = self.order.clone();
        let common = order.entry("certificate").or_insert_with(|| json!({}));
        let common = common.as_object_mut().ok_or(Error::Misuse("the certificate of an order is an object"))?;
        common.extend(certificate.clone());
        common.insert("csr".to_owned(), csr.to_pem().into());
        order.insert("comments".to_owned(), id.as_str().into());
        if self.skip_approval {
            order.insert("skip_approval".to_owned(), true.into());
        }
        self.send(Method::POST, &format!("order/certificate/{}", web::escape(&self.product)), Some(&order.into()))
    }

    /// Reads the answer to [`DigiCert::submit`]: the order, or that it is denied.
    ///
    /// # Errors
    /// [`Error::Web`].
    pub fn submitted<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<Answer, Error> {
        let answer = web::Answer::read(response)?;
        if answer.status == StatusCode::BAD_REQUEST {
            return Ok(Answer::Denied { reason: reason(&answer)? });
        }
        let order: OrderInfo = checked(answer)?.json()?;
        Ok(match order.certificate_id {
            Some(certificate) => Answer::Accepted(reference(order.id)?.with_certificate(certificate.to_string())?),
            None => Answer::Pending { reference: Some(reference(order.id)?) },
        })
    }

    /// Asks for the order's status, or for the certificate once it has a name.
    ///
    /// # Errors
    /// [`Error::Web`] when the key cannot be sent.
    pub fn poll(&self, reference: &Reference) -> Result<Request<Vec<u8>>, Error> {
        let path = match reference.certificate() {
            Some(certificate) => format!("certificate/{}/download/format/pem_all", web::escape(certificate)),
            None => format!("order/certificate/{}", web::escape(reference.request())),
        };
        self.send(Method::GET, &path, None)
    }

    /// Reads the answer to [`DigiCert::poll`] with the same reference.
    ///
    /// # Errors
    /// [`Error::Status`] for a status that is not known; [`Error::Web`], and those of [`Expected::accept`].
    pub fn polled<B: AsRef<[u8]>>(
        &self,
        reference: &Reference,
        response: &Response<B>,
        expected: &Expected<'_>,
    ) -> Result<Answer, Error> {
        let answer = checked(web::Answer::read(response)?)?;
        if reference.certificate().is_some() {
            return Ok(Answer::Issued(expected.accept_encoded(answer.body)?));
        }
        let order: OrderInfo = answer.json()?;
        let status = order.status.ok_or(web::Error::Field("status"))?;
        match status.as_str() {
            "issued" => {
                let certificate = order.certificate.and_then(|certificate| certificate.id);
                let certificate = certificate.ok_or(web::Error::Field("certificate.id"))?;
                Ok(Answer::Accepted(reference.clone().with_certificate(certificate.to_string())?))
            }
            "pending" | "needs_approval" | "needs_csr" | "waiting_pickup" | "processing" | "reissue_pending" => {
                Ok(Answer::Pending { reference: None })
            }
            "rejected" => Ok(Answer::Denied { reason: "the order was rejected".to_owned() }),
            "canceled" => Ok(Answer::Withdrawn),
            "revoked" => Ok(Answer::Revoked),
            "expired" => Ok(Answer::Denied { reason: "the order has expired".to_owned() }),
            other => Err(Error::Status(web::shown(other))),
        }
    }

    /// Cancels a pending order.
    ///
    /// # Errors
    /// [`Error::Web`] when the key cannot be sent.
    pub fn withdraw(&self, reference: &Reference) -> Result<Request<Vec<u8>>, Error> {
        let body = json!({ "status": "CANCELED", "note": "withdrawn by the management server" });
        self.send(Method::PUT, &format!("order/certificate/{}/status", web::escape(reference.request())), Some(&body))
    }

    /// Reads the answer to [`DigiCert::withdraw`]. An order that DigiCert does not know is gone, too.
    ///
    /// # Errors
    /// [`Error::Web`], such as when the certificate has been issued meanwhile: poll then.
    pub fn withdrawn<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<Answer, Error> {
        let answer = web::Answer::read(response)?;
        if answer.status != StatusCode::NOT_FOUND {
            checked(answer)?;
        }
        Ok(Answer::Withdrawn)
    }

    /// Asks for the certificate to be revoked.
    ///
    /// # Errors
    /// [`Error::Misuse`] while the certificate has no name; [`Error::Web`] when the key cannot be sent.
    pub fn revoke(&self, reference: &Reference, reason: RevocationReason) -> Result<Request<Vec<u8>>, Error> {
        let certificate = reference.certificate().ok_or(Error::Misuse("the certificate has no name at DigiCert yet"))?;
        let mut body = json!({ "comments": format!("revoked by the management server: {reason:?}") });
        if let Some(body) = body.as_object_mut().filter(|_| self.skip_approval) {
            body.insert("skip_approval".to_owned(), true.into());
        }
        self.send(Method::PUT, &format!("certificate/{}/revoke", web::escape(certificate)), Some(&body))
    }

    /// Reads the answer to [`DigiCert::revoke`]: done, or with an approver.
    ///
    /// # Errors
    /// [`Error::Web`]; [`Error::Status`] for a status that is not known.
    pub fn revoked<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<Answer, Error> {
        let answer = checked(web::Answer::read(response)?)?;
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(Answer::Revoked);
        }
        match answer.json::<Submission>()?.status.as_str() {
            "pending" | "submitted" | "approved" => Ok(Answer::RevocationPending),
            other => Err(Error::Status(web::shown(other))),
        }
    }

    /// Asks whether a revocation has been approved.
    ///
    /// # Errors
    /// [`Error::Web`] when the key cannot be sent.
    pub fn check_revocation(&self, reference: &Reference) -> Result<Request<Vec<u8>>, Error> {
        self.send(Method::GET, &format!("order/certificate/{}", web::escape(reference.request())), None)
    }

    /// Reads the answer to [`DigiCert::check_revocation`].
    ///
    /// # Errors
    /// [`Error::Web`].
    pub fn revocation_checked<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<Answer, Error> {
        let order: OrderInfo = checked(web::Answer::read(response)?)?.json()?;
        let status = order.status.ok_or(web::Error::Field("status"))?;
        Ok(if status == "revoked" { Answer::Revoked } else { Answer::RevocationPending })
    }

    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Request<Vec<u8>>, Error> {
        let uri = self.url.below(&format!("services/v2/{path}"))?;
        let mut request = match body {
            Some(body) => web::json(method, uri, None, body)?,
            None => web::get(uri, None)?,
        };
        let mut key =
            HeaderValue::from_bytes(self.key.expose()).map_err(|_| web::Error::Misuse("the API key is not plain text"))?;
        key.set_sensitive(true);
        request.headers_mut().insert(DEVKEY, key);
        Ok(request)
    }
}

fn reference(order: u64) -> Result<Reference, Error> {
    Reference::new(order.to_string())
}

/// The answer, when it is no error.
fn checked(answer: web::Answer<'_>) -> Result<web::Answer<'_>, Error> {
    if answer.status.is_success() { Ok(answer) } else { Err(answer.refusal(&reason(&answer)?).into()) }
}

/// DigiCert's own words for an error.
fn reason(answer: &web::Answer<'_>) -> Result<String, Error> {
    let Failure { errors } = answer.json()?;
    let words: Vec<String> = errors.into_iter().take(8).map(|fault| format!("{} {}", fault.code, fault.message)).collect();
    Ok(web::shown(&words.join("; ")))
}
