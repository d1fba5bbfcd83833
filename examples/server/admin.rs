//! `/admin`: what an operator does, as JSON behind a bearer token.
//!
//! | request | what |
//! |---|---|
//! | `GET /admin/certificates` | all certificates: serial, subject, state, validity |
//! | `POST /admin/certificates/{serial}/revoke` | `{"reason": "keyCompromise"}` |
//! | `GET /admin/enrollments` | all enrollments and their queues |
//! | `POST /admin/enrollments/{id}/commands` | queue a command: a property list, or `{"RequestType": "DeviceInformation", ...}` |

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use mdm_core::ca::CertificateRecord;
use mdm_core::secret::Secret;
use mdm_core::x509::RevocationReason;
use serde_json::{Value, json};

use crate::host::{self, AUTHORITY, Failure, Host};
use crate::{Answer, blocking, mdm};

/// Days before its end from which a certificate is shown as expiring.
const EXPIRING_DAYS: u32 = 30;

/// The routes, all of them behind the token.
pub fn router(host: &Arc<Host>) -> Router<Arc<Host>> {
    Router::new()
        .route("/admin/certificates", get(certificates))
        .route("/admin/certificates/{serial}/revoke", post(revoke))
        .route("/admin/enrollments", get(enrollments))
        .route("/admin/enrollments/{id}/commands", post(queue))
        .route_layer(middleware::from_fn_with_state(host.clone(), authorize))
}

/// Lets nobody pass who does not know the token; the comparison takes the same time for every guess.
async fn authorize(State(host): State<Arc<Host>>, request: Request, next: Next) -> Response {
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if given.is_some_and(|token| Secret::from(token) == host.admin_token) {
        next.run(request).await
    } else {
        Answer::plain(StatusCode::UNAUTHORIZED, "the bearer token that was printed at first start is needed").into_response()
    }
}

fn answer(value: &Value) -> Result<Answer, Failure> {
    Ok(Answer::ok("application/json", value.to_string()))
}

async fn certificates(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| {
        let records = host.store.decide(|batch| batch.list::<CertificateRecord>(AUTHORITY).map_err(Failure::from))?;
        answer(&Value::Array(records.iter().map(describe).collect()))
    })
    .await
}

fn describe(record: &CertificateRecord) -> Value {
    json!({
        "serial": record.serial().to_string(),
        "subject": record.subject().to_string(),
        "state": record.state(host::now(), EXPIRING_DAYS).to_string(),
        "notBefore": record.validity().not_before.to_string(),
        "notAfter": record.validity().not_after.to_string(),
        "enrollment": record.holder().enrollment.as_ref().map(ToString::to_string),
    })
}

async fn revoke(State(host): State<Arc<Host>>, Path(serial): Path<String>, body: Bytes) -> Answer {
    blocking(host, move |host| {
        let reason = reason_of(&body)?;
        let record = host.store.decide(|batch| {
            let unknown = || Failure::refused(StatusCode::NOT_FOUND, "no certificate has this serial number");
            let record = batch.load::<CertificateRecord>(&serial.to_ascii_lowercase())?.ok_or_else(unknown)?;
            let refused = |error: mdm_core::ca::Error| Failure::refused(StatusCode::CONFLICT, error.to_string());
            let revoked = record.revoke(reason, None, host::now()).map_err(refused)?;
            batch.keep(&revoked)?;
            // Every effect of a revocation comes down to this here: the next CRL is a new one, and the enrollment's standing is read
            // from this record whenever its device talks.
            let mark = host.provider.random_bytes::<16>()?;
            batch.put_secret(host::CRL_IS_STALE, &mark)?;
            Ok::<_, Failure>(revoked.record)
        })?;
        eprintln!("audit: certificate {} of {} revoked", record.serial(), record.subject());
        answer(&describe(&record))
    })
    .await
}

/// The reason by its name in RFC 5280 section 5.3.1; unspecified when there is no body.
fn reason_of(body: &[u8]) -> Result<RevocationReason, Failure> {
    let bad = |text: &str| Failure::refused(StatusCode::BAD_REQUEST, text);
    if body.is_empty() {
        return Ok(RevocationReason::Unspecified);
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| bad("the body is not JSON"))?;
    match value.get("reason").and_then(Value::as_str) {
        None | Some("unspecified") => Ok(RevocationReason::Unspecified),
        Some("keyCompromise") => Ok(RevocationReason::KeyCompromise),
        Some("affiliationChanged") => Ok(RevocationReason::AffiliationChanged),
        Some("superseded") => Ok(RevocationReason::Superseded),
        Some("cessationOfOperation") => Ok(RevocationReason::CessationOfOperation),
        Some("privilegeWithdrawn") => Ok(RevocationReason::PrivilegeWithdrawn),
        Some(_) => Err(bad("the reason is none of those that a device's certificate is revoked for")),
    }
}

async fn enrollments(State(host): State<Arc<Host>>) -> Answer {
    blocking(host, |host| answer(&mdm::describe_enrollments(host)?)).await
}

async fn queue(State(host): State<Arc<Host>>, Path(id): Path<String>, body: Bytes) -> Answer {
    blocking(host, move |host| answer(&mdm::queue(host, &id, &body)?)).await
}
