//! `/admin`: what an operator does, as JSON behind a bearer token.
//!
//! Names in the answers do not change; more may be added. A refusal is one line of text, or `{"error", ...}` where a program needs
//! more. `?tenant=NAME` chooses another tenant than the default one where a path names none.
//!
//! | request | answer |
//! |---|---|
//! | `GET /admin/certificates` | `[{serial, subject, state, notBefore, notAfter, tenant, enrollment, device, profile}]`; `?state=` `all`, `active`, `expiring`, `inactive`; `?days=30` before the end are expiring; `?format=` `csv`, `txt`, `xml` |
//! | `GET /admin/certificates/counts` | `{active, expiring, inactive, expired, held, revoked, all, activePercent}` |
//! | `POST /admin/certificates/{serial}/revoke` | with `{"reason": "keyCompromise"}`; the certificate |
//! | `POST /admin/certificates/{serial}/hold`, `/release` | the certificate |
//! | `GET /admin/enrollments` | `[{id, tenant, kind, state, topic, lastSeen, certificate, owesReenrollment, commands: [{uuid, requestType, state}]}]` |
//! | `POST /admin/enrollments/{id}/commands` | a property list, or `{"RequestType": "DeviceInformation", ...}`; `{CommandUUID}` |
//! | `GET /admin/tenants` | `[{tenant, path, challenge, askedBy, approval, emptyContent, upstream, owingReenrollment}]` |
//! | `POST /admin/tenants` | `{"tenant": NAME, "scep": {...}}` |
//! | `PUT /admin/tenants/{tenant}/scep` | `{"challenge": {"kind": "static", "secret"}, "askedBy": {"user", "secret"}, "approval": "manual", "emptyContent", "upstream": {"url", "passThrough", "fingerprint", "legacy"}}`; other kinds are `none`, `one-time`, `bound`, and with `url`, `user`, `secret` also `webhook`, `intune`, `ndes`, `jamf` |
//! | `POST /admin/tenants/{tenant}/challenges` | `{"kind": "one-time"}` or `{"kind": "bound", "commonName": NAME}`; `{challenge}` |
//! | `GET /admin/held` | requests that an operator must decide: `[{id, tenant, transaction, subject, keySha256, state, since}]` |
//! | `POST /admin/held/{id}/grant`, `/deny` | the request |
//! | `GET /admin/push` | `{certificates, exposure, sharing, pushes}` |
//! | `POST /admin/push/{tenant}/request` | `{"developerAccount", "vendorCertificate", "appleAccount"}`; the request as PEM |
//! | `POST /admin/push/{tenant}/certificate` | PEM: the certificate, and its key when it was not requested here; `?reenroll=true` takes another topic. 409 with `{conflict: {current, found, stranded}}` |
//! | `POST /admin/push/{tenant}/resume`, `/revoke` | `?serial=` chooses one of several |
//! | `POST /admin/push/{tenant}/share` | `{"with": [NAME, ...]}` |
//! | `GET /admin/push/{tenant}/separation` | `{tenant, level, enrollAgain, moved, next, told, waiting, steps: [{step, topic, touchesDevices, done}]}`: the plan under way, else what it would be |
//! | `POST /admin/push/{tenant}/separation` | `{"level": "developer-account", "batch": 100}`; the plan |
//! | `POST /admin/push/{tenant}/separation/advance` | the plan after one more step or batch; 409 with `{waiting}` until the last batch has enrolled again |
//! | `GET /admin/authority` | `{id, generations, services, crls, renewal, next, noticeDays}` |
//! | `PUT /admin/authority/settings` | `{"noticeDays": 360}`; the same |
//! | `POST /admin/authority/renew` | `{"newKey": false, "ahead": false}`; the same with `lookAt` |
//! | `POST /admin/authority/succeed`, `/abandon` | the renewal that was made ahead comes into use, or does not |
//! | `POST /admin/authority/acknowledge` | after a renewal that failed |
//! | `POST /admin/authority/backup` | `{"password"}`; PKCS#12 |
//! | `POST /admin/authority/certificates` | a request as PEM; `?profile=web-server&name=HOST` or `?profile=profile-signing`; PEM |

mod authority;
mod certificates;
mod enrollments;
mod push;
mod tenants;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use mdm_core::secret::Secret;
use serde::de::DeserializeOwned;

use crate::failure::{Answer, Failure};
use crate::host::Host;

/// The routes, all of them behind the token.
pub fn router(host: &Arc<Host>) -> Router<Arc<Host>> {
    Router::new()
        .merge(certificates::router())
        .merge(enrollments::router())
        .merge(tenants::router())
        .merge(push::router())
        .merge(authority::router())
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

/// A body of JSON; an empty one is an empty object.
fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| Failure::bad_request(format!("the body is not as it should be: {error}")))
}

/// Which tenant, where the path does not say.
#[derive(serde::Deserialize)]
struct OfTenant {
    tenant: Option<String>,
}

impl OfTenant {
    fn id(self) -> mdm_core::id::TenantId {
        mdm_core::id::TenantId::from(self.tenant.as_deref().unwrap_or(crate::tenant::DEFAULT))
    }
}
