//! Requests to other people's web services: where they go, who asks, and how answers are read.
//!
//! Owns what every codec for somebody's HTTP interface needs and none should have twice: an [`Endpoint`] that is an address and nothing
//! else, [`Credentials`] that never show, and answers that are bounded and may be anything: a proxy's HTML where JSON was promised, half of
//! a document, megabytes. It sends nothing. A codec makes an [`http::Request`], the host carries it, and the codec reads the
//! [`http::Response`].
//!
//! Refused: addresses without TLS unless the host says so, addresses with a password in them, and bodies past 256 KiB.

mod answer;
mod credentials;
mod endpoint;
mod request;

pub(crate) use answer::{Answer, read_json, shown};
pub use credentials::Credentials;
pub use endpoint::Endpoint;
pub(crate) use request::{escape, form, get, json, unescape};

/// Why a request was not made, or its answer not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be used; the text says why.
    #[error("the address cannot be used: {0}")]
    Address(&'static str),
    /// The host gave what cannot be sent; the text says what to change.
    #[error("cannot be sent: {0}")]
    Misuse(&'static str),
    /// The body has more bytes than are read.
    #[error("the body has more than {0} bytes")]
    TooLong(usize),
    /// The service does not know the credentials, or does not let them do this (HTTP 401, 403 or 407). A token may have expired.
    #[error("the service refused the credentials (HTTP {0})")]
    Unauthorized(u16),
    /// The service cannot answer now (HTTP 408, 425, 429 or 5xx): ask again later.
    #[error("the service cannot answer now (HTTP {status})")]
    Unavailable {
        /// The status.
        status: u16,
        /// `Retry-After` in seconds, when the service gave one.
        retry_after: Option<u32>,
    },
    /// The service refused what was asked.
    #[error("the service answered HTTP {status}: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// The service's words: at most 200 characters, none of them control characters. Not for showing unescaped.
        message: String,
    },
    /// The body is something else than was promised, such as an HTML page.
    #[error("the body is not {0}")]
    Format(&'static str),
    /// The body is not JSON, or a field in it has another type.
    #[error("the body is not the JSON that was expected, at line {line}, column {column}")]
    Json {
        /// The line, counted from 1; 0 when the document ended too early.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// The JSON lacks this field, or its value cannot be.
    #[error("the field {0} is missing or cannot be right")]
    Field(&'static str),
}

impl Error {
    /// Whether the same request may succeed later without anybody changing anything.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Error::Unavailable { .. })
    }

    /// How many seconds the service asked to wait.
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Error::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
