//! Reading answers.

use http::{HeaderMap, Response, StatusCode, header};
use serde::de::DeserializeOwned;

use super::Error;
use crate::limits::Limits;

/// The longest body that is read. A certificate with its chain has a few kilobytes, an HTML page about it a few dozen.
const MAX_BODY: usize = Limits::PKI.max_bytes;
/// The most that is kept of a service's own words, in characters.
const MAX_SHOWN: usize = 200;

/// An answer of bounded length, from a service that is up and knows the caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// # Errors
    /// [`Error::TooLong`], [`Error::Unauthorized`], [`Error::Unavailable`].
    pub fn read<B: AsRef<[u8]>>(response: &'a Response<B>) -> Result<Self, Error> {
        let (status, headers, body) = (response.status(), response.headers(), response.body().as_ref());
        match status.as_u16() {
            401 | 403 | 407 => Err(Error::Unauthorized(status.as_u16())),
            408 | 425 | 429 | 500.. => Err(Error::Unavailable { status: status.as_u16(), retry_after: retry_after(headers) }),
            _ if body.len() > MAX_BODY => Err(Error::TooLong(MAX_BODY)),
            _ => Ok(Answer { status, headers, body }),
        }
    }

    /// The answer, when its status is one of 2xx.
    ///
    /// # Errors
    /// [`Error::Refused`] with what the service says in words.
    pub fn ok(self) -> Result<Self, Error> {
        if self.status.is_success() { Ok(self) } else { Err(self.refusal(&String::from_utf8_lossy(self.body))) }
    }

    /// That the service refused, with its reason.
    pub fn refusal(&self, reason: &str) -> Error {
        Error::Refused { status: self.status.as_u16(), message: shown(reason) }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::Json`], and [`Error::Format`] for what looks like HTML.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        read_json(self.body)
    }

    /// The body as text.
    ///
    /// # Errors
    /// [`Error::Format`] when it is not UTF-8.
    pub fn text(&self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.body).map_err(|_| Error::Format("text in UTF-8"))
    }

    /// Whether the media type, apart from its parameters, is this one.
    pub fn is(&self, media_type: &str) -> bool {
        let value = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }
}

/// A body that came in, as JSON.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    if body.len() > MAX_BODY {
        return Err(Error::TooLong(MAX_BODY));
    }
    if body.trim_ascii_start().first() == Some(&b'<') {
        return Err(Error::Format("JSON; it looks like HTML"));
    }
    // The reader's own message may quote the value, and the value may be a secret.
    serde_json::from_slice(body).map_err(|error| Error::Json { line: error.line(), column: error.column() })
}

fn retry_after(headers: &HeaderMap) -> Option<u32> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// The beginning of a service's own words, fit for one line of a log.
pub(crate) fn shown(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).take(MAX_SHOWN).collect();
    words.join(" ").chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn response(status: u16, body: &[u8]) -> Response<Vec<u8>> {
        Response::builder().status(status).header("retry-after", "7").body(body.to_vec()).unwrap()
    }

    #[test]
    fn statuses_are_told_apart_before_anything_is_read() {
        let huge = vec![b'x'; MAX_BODY + 1];
        let error = |status, body: &[u8]| Answer::read(&response(status, body)).unwrap_err();
        assert_eq!(error(401, &huge), Error::Unauthorized(401));
        assert_eq!(error(503, &huge), Error::Unavailable { status: 503, retry_after: Some(7) });
        assert_eq!((error(429, b"").is_temporary(), error(429, b"").retry_after()), (true, Some(7)));
        assert_eq!(error(200, &huge), Error::TooLong(MAX_BODY));
        assert!(!error(200, &huge).is_temporary());
        let refused = response(400, b"no\r\n\x1b[31m such   template");
        let message = "no [31m such template".to_owned();
        assert_eq!(Answer::read(&refused).unwrap().ok().unwrap_err(), Error::Refused { status: 400, message });
    }

    #[test]
    fn what_is_no_json_is_an_error_that_quotes_nothing() {
        let read = |body: &[u8]| Answer::read(&response(200, body)).unwrap().json::<std::collections::BTreeMap<String, u8>>();
        assert_eq!(read(b" <html>hunter2</html>"), Err(Error::Format("JSON; it looks like HTML")));
        let error = read(br#"{"a":"hunter2"}"#).unwrap_err();
        assert_eq!(error, Error::Json { line: 1, column: 14 });
        assert!(!error.to_string().contains("hunter2"));
        for body in [&b""[..], b"{", b"[1]", b"\xFF", b"{\"a\":1}x"] {
            assert!(matches!(read(body), Err(Error::Json { .. })), "{body:?}");
        }
        let deep = "[".repeat(MAX_BODY);
        assert!(matches!(read_json::<Value>(deep.as_bytes()), Err(Error::Json { .. })));
    }

    #[test]
    fn a_service_says_no_more_than_a_line() {
        assert_eq!(shown(&"a ".repeat(10_000)).len(), 200);
        assert_eq!(shown(&"é".repeat(10_000)).chars().count(), 200);
        assert_eq!(shown("\u{0}\u{7f} x "), "x");
    }
}
