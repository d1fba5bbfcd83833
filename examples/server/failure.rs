//! Answers before they are on the wire, and why a request was not served.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mdm_core::crypto::Error as CryptoError;
use serde_json::Value;

use crate::store;

/// An answer before it is on the wire.
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The Content-Type; empty for none.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status: StatusCode::OK, content_type: content_type.into(), body: body.into(), retry_after: None }
    }

    /// 200 with JSON.
    pub fn json(value: &Value) -> Answer {
        Answer::ok("application/json", value.to_string())
    }

    /// A status and one line of text.
    pub fn plain(status: StatusCode, reason: &str) -> Answer {
        let body = format!("{reason}\n").into_bytes();
        Answer { status, content_type: "text/plain; charset=utf-8".into(), body, retry_after: None }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        if let Ok(value) = HeaderValue::from_str(&self.content_type)
            && !self.content_type.is_empty()
        {
            headers.insert(header::CONTENT_TYPE, value);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Why a request was not served: for the stranger who asked, and for the log.
#[derive(Debug)]
pub struct Failure {
    /// The HTTP status.
    pub status: StatusCode,
    /// What the stranger is told.
    pub reason: String,
    /// What the log is told.
    pub log: String,
    /// What a program is told instead of the reason.
    pub detail: Option<Value>,
    /// What was decided about has been changed meanwhile: it is to be decided anew.
    pub decide_again: bool,
}

/// How often something is decided anew until who asked is sent away.
const ATTEMPTS: usize = 8;

/// Does work of several transactions, and does it anew on what is stored then when another request or node was faster.
pub fn again<T>(mut work: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut attempts = 1;
    loop {
        match work() {
            Err(failure) if failure.decide_again && attempts < ATTEMPTS => attempts += 1,
            outcome => return outcome,
        }
    }
}

/// Seconds after which a client may come again when this server could not serve it.
const RETRY_AFTER: u32 = 5;

impl Failure {
    /// A refusal whose reason may be told.
    pub fn refused(status: StatusCode, reason: impl Into<String>) -> Failure {
        let reason = reason.into();
        Failure { status, log: reason.clone(), reason, detail: None, decide_again: false }
    }

    /// What was asked for cannot be read or makes no sense.
    pub fn bad_request(reason: impl std::fmt::Display) -> Failure {
        Failure::refused(StatusCode::BAD_REQUEST, reason.to_string())
    }

    /// There is no such thing.
    pub fn not_found(reason: &str) -> Failure {
        Failure::refused(StatusCode::NOT_FOUND, reason)
    }

    /// It cannot be done as things stand.
    pub fn conflict(reason: impl std::fmt::Display) -> Failure {
        Failure::refused(StatusCode::CONFLICT, reason.to_string())
    }

    /// A fault of this server.
    pub fn internal(error: impl std::fmt::Display) -> Failure {
        let reason = "internal error; the server's log says more";
        Failure { log: error.to_string(), ..Failure::refused(StatusCode::INTERNAL_SERVER_ERROR, reason) }
    }

    /// The same request may come again: nothing was stored, or what was is answered then.
    pub fn unavailable(error: impl std::fmt::Display) -> Failure {
        let reason = "the server can store nothing now; try again later";
        Failure { log: error.to_string(), ..Failure::refused(StatusCode::SERVICE_UNAVAILABLE, reason) }
    }

    /// The server behind this one did not answer as it should.
    pub fn upstream(error: impl std::fmt::Display) -> Failure {
        let reason = "the server behind this one did not answer";
        Failure { log: error.to_string(), ..Failure::refused(StatusCode::BAD_GATEWAY, reason) }
    }

    /// With an answer for programs.
    pub fn with_detail(mut self, detail: Value) -> Failure {
        self.detail = Some(detail);
        self
    }

    /// What goes over the wire.
    pub fn into_answer(self) -> Answer {
        let mut answer = match &self.detail {
            Some(detail) => Answer { status: self.status, ..Answer::json(detail) },
            None => Answer::plain(self.status, &self.reason),
        };
        answer.retry_after = (self.status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER);
        answer
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Failure {
        match error {
            store::Error::Conflict(_) => Failure { decide_again: true, ..Failure::unavailable(error) },
            store::Error::Unfit(_) => Failure::bad_request(error),
            error if error.may_pass() => Failure::unavailable(error),
            error => Failure::internal(error),
        }
    }
}

impl From<mdm_core::ca::Error> for Failure {
    fn from(error: mdm_core::ca::Error) -> Failure {
        Failure::internal(error)
    }
}

impl From<CryptoError> for Failure {
    fn from(error: CryptoError) -> Failure {
        Failure::internal(error)
    }
}
