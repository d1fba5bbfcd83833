//! Making requests.

use http::{HeaderValue, Method, Request, Uri, header};
use serde::Serialize;

use super::{Credentials, Error};
use crate::hex;

/// A request without a body.
pub(crate) fn get(uri: Uri, credentials: Option<&Credentials>) -> Result<Request<Vec<u8>>, Error> {
    make(Method::GET, uri, credentials, None, Vec::new())
}

/// A request whose body is this value as JSON.
pub(crate) fn json(
    method: Method,
    uri: Uri,
    credentials: Option<&Credentials>,
    body: &impl Serialize,
) -> Result<Request<Vec<u8>>, Error> {
    let body = serde_json::to_vec(body).map_err(|_| Error::Misuse("the message has no form in JSON"))?;
    make(method, uri, credentials, Some("application/json"), body)
}

/// A POST of these names and values as a browser sends a form.
pub(crate) fn form(uri: Uri, credentials: Option<&Credentials>, fields: &[(&str, &str)]) -> Result<Request<Vec<u8>>, Error> {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    make(Method::POST, uri, credentials, Some("application/x-www-form-urlencoded"), pairs.join("&").into_bytes())
}

fn make(
    method: Method,
    uri: Uri,
    credentials: Option<&Credentials>,
    content_type: Option<&'static str>,
    body: Vec<u8>,
) -> Result<Request<Vec<u8>>, Error> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(credentials) = credentials {
        headers.insert(header::AUTHORIZATION, credentials.header()?);
    }
    Ok(request)
}

/// Escapes everything that is not plain (RFC 3986 section 2.3).
pub(crate) fn escape(value: &str) -> String {
    use std::fmt::Write as _;
    value.bytes().fold(String::with_capacity(value.len()), |mut text, octet| {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(octet));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{octet:02X}");
        }
        text
    })
}

/// Takes percent-escapes off; `None` when one is cut off or has no digits. A `+` stays: in Base64 it means itself.
pub(crate) fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut octets = value.bytes();
    let mut plain = Vec::with_capacity(value.len());
    while let Some(octet) = octets.next() {
        plain.push(if octet == b'%' { hex::octet(octets.next()?, octets.next()?)? } else { octet });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::{escape, unescape};

    #[test]
    fn what_is_escaped_reads_back() {
        let text: String = (0..=u8::MAX).map(char::from).collect();
        assert_eq!(unescape(&escape(&text)), Some(text.into_bytes()));
        assert_eq!(escape("a-b c+%"), "a-b%20c%2B%25");
        assert_eq!(unescape("a+b%2b%2B"), Some(b"a+b++".to_vec()));
    }

    #[test]
    fn escapes_that_are_none_are_refused() {
        for text in ["%", "%2", "%g0", "%0g", "%+1", "a%"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }
}
