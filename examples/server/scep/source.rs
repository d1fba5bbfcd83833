//! Programs that make the challenges of enrollment profiles: NDES, and services that are asked as Jamf Pro asks. And the other side of
//! the latter: this server as such a service.

use axum::http::{HeaderMap, StatusCode};
use http::Request;
use mdm_core::id::TenantId;
use mdm_core::scep::jamf::{self, ChallengeServer, ScepChallengeEvent};
use mdm_core::scep::ndes::AdminPage;
use mdm_core::secret::Secret;

use super::challenge;
use crate::failure::{Answer, Failure};
use crate::host::{Host, now};
use crate::tenant::{self, ChallengePolicy, Tenant};

/// The challenge for a profile of this tenant, when another program makes them. `None` when this server does.
pub fn fetch(host: &Host, tenant: &Tenant, scep_url: &str, payload: &str) -> Result<Option<Secret>, Failure> {
    Ok(match tenant.challenge(&host.config.challenge) {
        ChallengePolicy::Ndes(service) => {
            let credentials = Some(service.account.credentials()).filter(|_| !service.account.user.is_empty());
            let page = AdminPage { credentials, ..AdminPage::new(service.url.clone()) };
            let answer = host.send(page.request().map_err(Failure::conflict)?)?;
            Some(page.read(&answer).map_err(Failure::upstream)?.challenge)
        }
        ChallengePolicy::Jamf(service) => {
            let server = ChallengeServer { url: service.url.clone(), credentials: service.account.credentials() };
            let event = ScepChallengeEvent::new(scep_url, payload, now());
            let answer = host.send(server.request(&event).map_err(Failure::conflict)?)?;
            Some(server.read(&answer).map_err(Failure::upstream)?)
        }
        _ => None,
    })
}

/// `POST /scep/challenge`: a management server asks for a challenge, which is good for one certificate of this tenant.
pub fn answer(host: &Host, tenant: &TenantId, headers: HeaderMap, body: &[u8]) -> Result<Answer, Failure> {
    let tenant = host.store.read(|view| tenant::load(view, tenant.as_str()))?;
    let asked_by = tenant.scep.asked_by.as_ref().filter(|account| !account.secret.is_empty());
    let asked_by = asked_by.ok_or_else(|| Failure::not_found("nobody may ask for challenges here"))?;
    let mut request = Request::new(body);
    *request.headers_mut() = headers;
    let response = match ScepChallengeEvent::receive(&request, &asked_by.credentials()) {
        Ok(event) => {
            let challenge = host.store.decide(|batch| {
                batch.log(format!("scep: a challenge for {} of {}", event.payload_identifier, tenant.id));
                challenge::issue_one_time(host, batch, &tenant.id)
            })?;
            jamf::answer(&challenge)
        }
        Err(error) => {
            eprintln!("scep: no challenge of {}: {error}", tenant.id);
            jamf::refusal(&error)
        }
    };
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_REQUEST);
    Ok(Answer { status, ..Answer::ok("text/plain", response.into_body()) })
}
