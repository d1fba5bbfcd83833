//! A proxy that passes messages on: every body goes through as it is, and only its outside is read, for the log.
//!
//! Such a proxy offers what the server behind it offers, and decides nothing: whoever reaches it reaches that server.

use http::Request;
use mdm_core::limits::Limits;
use mdm_core::scep::{Operation, Peer, PkiMessage, media_type, proxy};

use crate::failure::{Answer, Failure};
use crate::host::Host;
use crate::tenant::{Tenant, Upstream};

/// A request by GET, whatever it asks.
pub fn get(host: &Host, tenant: &Tenant, upstream: &Upstream, query: &str) -> Result<Answer, Failure> {
    // What is no SCEP goes no further.
    let operation = Operation::from_query(query, &Limits::PKI).map_err(Failure::bad_request)?;
    if let Operation::PkiOperation { message: Some(message) } = &operation {
        note(tenant, message);
    }
    // What is asked is told in words of the core's, so that nothing else goes along in the query.
    let query = proxy::passed_on(&operation).map_err(Failure::bad_request)?;
    pass(host, Request::get(format!("{}?{query}", upstream.url)), Vec::new())
}

/// A message by POST.
pub fn post(host: &Host, tenant: &Tenant, upstream: &Upstream, query: &str, body: &[u8]) -> Result<Answer, Failure> {
    note(tenant, body);
    let operation = if query.is_empty() {
        Operation::PkiOperation { message: None }
    } else {
        Operation::from_query(query, &Limits::PKI).map_err(Failure::bad_request)?
    };
    let query = proxy::passed_on(&operation).map_err(Failure::bad_request)?;
    let request = Request::post(format!("{}?{query}", upstream.url)).header("content-type", media_type::PKI_MESSAGE);
    pass(host, request, body.to_vec())
}

/// Says in the log who asks for what.
fn note(tenant: &Tenant, body: &[u8]) {
    match PkiMessage::parse(body, &Peer::micromdm_client()) {
        Ok(message) => {
            let (kind, transaction) = (message.message_type(), message.transaction_id().as_str());
            eprintln!("scep: passing {kind:?} of transaction {transaction} on for {}", tenant.id);
        }
        Err(error) => eprintln!("scep: passing on for {} what cannot be read: {error}", tenant.id),
    }
}

fn pass(host: &Host, request: http::request::Builder, body: Vec<u8>) -> Result<Answer, Failure> {
    let (parts, body) = host.send(request.body(body).map_err(Failure::conflict)?)?.into_parts();
    let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(Answer { status: parts.status, ..Answer::ok(content_type, body) })
}
