//! `/scep` and `/scep/legacy`: from a request to a certificate.

pub mod challenge;
pub mod hold;
mod issue;
pub mod judge;
mod passing;
pub mod source;
pub mod upstream;

use axum::http::StatusCode;
use mdm_core::ca::{Authority, Service};
use mdm_core::id::TenantId;
use mdm_core::limits::Limits;
use mdm_core::scep::{CaCertificates, Capabilities, Capability, Operation, Peer, Refused, Reply, Signer, media_type};
use mdm_core::x509::Certificate;

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
        Operation::GetCaCaps { .. } => {
            let mut offered = Capabilities::server(&door.peer());
            if authority.next().is_some() {
                offered = offered.with(Capability::GetNextCaCert);
            }
            Ok(Answer::ok(media_type::CAPABILITIES, offered.to_string()))
        }
        Operation::GetCaCert { .. } => {
            let certificates = handed_out(|service| authority.service(service), authority.certificate()?)?;
            let (content_type, body) = certificates.to_body();
            Ok(Answer::ok(content_type, body))
        }
        Operation::GetNextCaCert { .. } => next(host, &authority),
        Operation::PkiOperation { message: Some(message) } => answer(host, &tenant, &authority, &message, door),
        Operation::PkiOperation { message: None } => {
            Err(Failure::bad_request("PKIOperation by GET carries its message in the query"))
        }
    }
}

/// The certificates of the registration authority and of the authority that it works for, in the order of RFC 8894 section 4.2.1.2.
fn handed_out<'a>(of: impl Fn(Service) -> Option<&'a Certificate>, ca: &Certificate) -> Result<CaCertificates, Failure> {
    let (signer, opener) = authority::registration(of)?;
    let certificates = CaCertificates::for_server(signer, opener, vec![ca.clone()]);
    // Nothing to warn of: the authority's own key does neither.
    certificates.map(|(certificates, _)| certificates).map_err(Failure::internal)
}

/// GetNextCACert (RFC 8894 section 4.7): what was made ahead, signed by the authority as it is.
fn next(host: &Host, authority: &Authority) -> Result<Answer, Failure> {
    let next = authority.next();
    let next = next.ok_or_else(|| Failure::not_found("there is no next CA certificate; the capability is not advertised"))?;
    let certificates = handed_out(|service| next.service(service), next.certificate())?;
    let current = authority.certificate()?;
    let key = host.store.read(|view| host.keys.of(view, current.public_key()))?;
    let unsigned = certificates.to_be_signed_by(current, &host.provider).map_err(Failure::internal)?;
    Ok(Answer::ok(media_type::NEXT_CA_CERTIFICATES, unsigned.sign_with(&*key)?))
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
    let (signer, opener) = authority::registration(|service| authority.service(service))?;
    let key = |certificate: &Certificate| host.store.read(|view| host.keys.of(view, certificate.public_key()));
    let (signing_key, opening_key) = (key(signer)?, key(opener)?);
    let operation = PkiOperation { host, tenant, authority, certificate: opener, key: &opening_key, body };
    let reply = match operation.decide(&door.peer()) {
        Ok(reply) => reply,
        Err(Stop::Failed(failure)) => return Err(failure),
        Err(Stop::Refused(refused)) => answer_refusal(refused)?,
    };
    if let Some(reason) = reply.fail_info() {
        eprintln!("scep: FAILURE {reason:?} at {}", tenant.id);
    }
    let reply = if tenant.scep.empty_content { reply.with_empty_content() } else { reply };
    let signed = reply.sign_with(&Signer { certificate: signer, key: &*signing_key }).map_err(Failure::internal)?;
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
