//! A proxy that passes messages on: every body goes through as it is, and only its outside is read, for the log.
//!
//! Such a proxy offers what the server behind it offers, and decides nothing: whoever reaches it reaches that server.

use mdm_core::limits::Limits;
use mdm_core::scep::{Operation, Peer, PkiMessage, media_type};

use crate::failure::{Answer, Failure};
use crate::host::Host;
use crate::tenant::{Tenant, Upstream};

/// The longest answer that is passed back.
const MAX_ANSWER: usize = 1 << 20;

/// A request by GET, whatever it asks.
pub fn get(host: &Host, tenant: &Tenant, upstream: &Upstream, query: &str) -> Result<Answer, Failure> {
    // What is no SCEP goes no further.
    let operation = Operation::from_query(query, &Limits::PKI).map_err(Failure::bad_request)?;
    if let Operation::PkiOperation { message: Some(message) } = &operation {
        note(tenant, message);
    }
    let url = format!("{}?{query}", upstream.url);
    pass(host, host.web.get(url))
}

/// A message by POST.
pub fn post(host: &Host, tenant: &Tenant, upstream: &Upstream, query: &str, body: &[u8]) -> Result<Answer, Failure> {
    note(tenant, body);
    let query = if query.is_empty() { "operation=PKIOperation" } else { query };
    let request = host.web.post(format!("{}?{query}", upstream.url)).header("content-type", media_type::PKI_MESSAGE);
    pass(host, request.body(body.to_vec()))
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

fn pass(host: &Host, request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
    host.block_on(fetch(request))
}

/// One exchange with another server.
pub async fn fetch(request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
    let mut response = request.send().await.map_err(Failure::upstream)?;
    let content_type =
        response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::upstream)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err(Failure::upstream("an answer of more than a mebibyte"));
        }
    }
    Ok(Answer { status, ..Answer::ok(content_type, body) })
}
