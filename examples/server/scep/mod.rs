//! `/scep` and `/scep/legacy`: from a request to a certificate.

pub mod challenge;
pub mod hold;
mod issue;
mod passing;
pub mod upstream;

use axum::http::StatusCode;
use mdm_core::ca::{Authority, Service};
use mdm_core::id::TenantId;
use mdm_core::limits::Limits;
use mdm_core::scep::{CaCertificates, Capabilities, Operation, Peer, Refused, Reply, Signer, media_type};

use crate::authority;
use crate::failure::{Answer, Failure};
use crate::host::Host;
use crate::tenant::{self, Tenant};
use issue::{PkiOperation, Stop};

/// Which path a client came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// AES and SHA-256.
    Strict,
    /// Single DES and SHA-1 besides, as micromdm's client speaks them.
    Legacy,
}

impl Door {
    fn peer(self) -> Peer {
        match self {
            Door::Strict => Peer::apple(),
            Door::Legacy => Peer::micromdm_client(),
        }
    }
}

/// `GET /scep?operation=...`
pub fn get(host: &Host, tenant: &TenantId, query: &str, door: Door) -> Result<Answer, Failure> {
    let (tenant, authority) = load(host, tenant)?;
    if let Some(upstream) = tenant.scep.upstream.as_ref().filter(|upstream| upstream.pass_through) {
        return passing::get(host, &tenant, upstream, query);
    }
    let operation = Operation::from_query(query, &Limits::PKI).map_err(Failure::bad_request)?;
    match operation {
        Operation::GetCaCaps { .. } => Ok(Answer::ok(media_type::CAPABILITIES, Capabilities::server(&door.peer()).to_string())),
        Operation::GetCaCert { .. } => {
            let ra = authority::service(&authority, Service::Scep)?.clone();
            let certificates = CaCertificates::registration(vec![ra], vec![authority.certificate()?.clone()]);
            let (content_type, body) = certificates.map_err(Failure::internal)?.to_body();
            Ok(Answer::ok(content_type, body))
        }
        Operation::GetNextCaCert { .. } => {
            Err(Failure::not_found("there is no next CA certificate; the capability is not advertised"))
        }
        Operation::PkiOperation { message: Some(message) } => answer(host, &tenant, &authority, &message, door),
        Operation::PkiOperation { message: None } => {
            Err(Failure::bad_request("PKIOperation by GET carries its message in the query"))
        }
    }
}

/// `POST /scep`: the body is a pkiMessage, and so is the answer.
pub fn post(host: &Host, tenant: &TenantId, query: &str, body: &[u8], door: Door) -> Result<Answer, Failure> {
    let (tenant, authority) = load(host, tenant)?;
    match tenant.scep.upstream.as_ref().filter(|upstream| upstream.pass_through) {
        Some(upstream) => passing::post(host, &tenant, upstream, query, body),
        None => answer(host, &tenant, &authority, body, door),
    }
}

fn load(host: &Host, tenant: &TenantId) -> Result<(Tenant, Authority), Failure> {
    host.store.read(|view| Ok((tenant::load(view, tenant.as_str())?, authority::load(view)?)))
}

fn answer(host: &Host, tenant: &Tenant, authority: &Authority, body: &[u8], door: Door) -> Result<Answer, Failure> {
    let certificate = authority::service(authority, Service::Scep)?;
    let key = host.store.read(|view| host.keys.of(view, certificate.public_key()))?;
    let operation = PkiOperation { host, tenant, authority, certificate, key: &key, body };
    let reply = match operation.decide(&door.peer()) {
        Ok(reply) => reply,
        Err(Stop::Failed(failure)) => return Err(failure),
        Err(Stop::Refused(refused)) => answer_refusal(refused)?,
    };
    if let Some(reason) = reply.fail_info() {
        eprintln!("scep: FAILURE {reason:?} at {}", tenant.id);
    }
    let reply = if tenant.scep.empty_content { reply.with_empty_content() } else { reply };
    let signed = reply.sign_with(&Signer { certificate, key: &*key }).map_err(Failure::internal)?;
    Ok(Answer::ok(media_type::PKI_MESSAGE, signed))
}

/// A request that named a transaction is answered in it; what is no SCEP request at all gets an HTTP status.
fn answer_refusal(refused: Refused) -> Result<Reply, Failure> {
    let log = format!("scep: {}", refused.error());
    let status = StatusCode::from_u16(refused.error().http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    match refused.into_reply() {
        Some(reply) => {
            eprintln!("{log}");
            Ok(reply)
        }
        None if status == StatusCode::BAD_GATEWAY => Err(Failure::upstream(log)),
        None => Err(Failure { log, ..Failure::refused(status, "not a SCEP request that can be read") }),
    }
}
