//! What APNs answers.

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::ApnsId;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $status:literal,)*) => {
        /// Why APNs refused a push, in Apple's words.
        ///
        /// The list is open: Apple adds reasons, and an unknown one is kept in [`Reason::Other`] and judged by its status.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $name,)*
            /// A reason that this version does not know: 1 to 64 letters and digits.
            Other(String),
        }

        impl Reason {
            /// Every reason that is known by name.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// Apple's spelling.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Reason::$name => stringify!($name),)*
                    Reason::Other(text) => text,
                }
            }

            /// The status that comes with the reason, which tells what a GOAWAY means: it has a reason and no status.
            pub const fn status(&self) -> Option<u16> {
                match self {
                    $(Reason::$name => Some($status),)*
                    Reason::Other(_) => None,
                }
            }

            /// Reads Apple's spelling; `None` when the text cannot be a reason at all.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $(stringify!($name) => Some(Reason::$name),)*
                    _ => {
                        let plausible = (1..=64).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_alphanumeric());
                        plausible.then(|| Reason::Other(text.to_owned()))
                    }
                }
            }
        }
    };
}

// "Handling notification responses from APNs": the reasons with their status.
reasons! {
    /// The collapse identifier is longer than 64 bytes.
    BadCollapseId = 400,
    /// The token is not one of this environment, or no token at all.
    BadDeviceToken = 400,
    /// `apns-expiration` is no UNIX time.
    BadExpirationDate = 400,
    /// `apns-id` is no UUID.
    BadMessageId = 400,
    /// `apns-priority` is not 1, 5 or 10.
    BadPriority = 400,
    /// `apns-topic` is no topic.
    BadTopic = 400,
    /// The token belongs to another topic than that of the certificate.
    DeviceTokenNotForTopic = 400,
    /// A header came twice.
    DuplicateHeaders = 400,
    /// The connection was idle for too long.
    IdleTimeout = 400,
    /// `apns-push-type` is not one that Apple knows.
    InvalidPushType = 400,
    /// The path has no token.
    MissingDeviceToken = 400,
    /// `apns-topic` is missing and the certificate is for several topics.
    MissingTopic = 400,
    /// The body is empty.
    PayloadEmpty = 400,
    /// The topic may not be pushed to with this certificate.
    TopicDisallowed = 400,
    /// The certificate is not valid.
    BadCertificate = 403,
    /// The certificate is for the other environment.
    BadCertificateEnvironment = 403,
    /// The provider token is too old; MDM pushes use a certificate instead.
    ExpiredProviderToken = 403,
    /// The action is not allowed.
    Forbidden = 403,
    /// The provider token does not verify.
    InvalidProviderToken = 403,
    /// Neither certificate nor provider token was shown.
    MissingProviderToken = 403,
    /// The key in the provider token is not of this team.
    UnrelatedKeyIdInToken = 403,
    /// The key in the provider token is for the other environment.
    BadEnvironmentKeyIdInToken = 403,
    /// The path is not `/3/device/…`.
    BadPath = 404,
    /// The method is not POST.
    MethodNotAllowed = 405,
    /// The token has expired.
    ExpiredToken = 410,
    /// The device no longer listens on this topic.
    Unregistered = 410,
    /// The body is longer than 4,096 bytes.
    PayloadTooLarge = 413,
    /// The provider token is renewed too often.
    TooManyProviderTokenUpdates = 429,
    /// Too many pushes to this one device.
    TooManyRequests = 429,
    /// A fault at Apple.
    InternalServerError = 500,
    /// APNs is overloaded.
    ServiceUnavailable = 503,
    /// This APNs server is going down; another one is up.
    Shutdown = 503,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One answer of APNs, read.
///
/// Reading is total: whatever came is an answer. A body that is not the JSON that Apple documents (a proxy's HTML page, half of a
/// document, megabytes) gives no reason, and the status alone decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) id: Option<ApnsId>,
    pub(super) reason: Option<Reason>,
    pub(super) timestamp_ms: Option<u64>,
    pub(super) retry_after: Option<u32>,
    /// Whether it was said about a connection, not about a push.
    pub(super) goaway: bool,
}

/// The JSON object of an answer and of the debug data of a GOAWAY frame.
#[derive(Default, serde::Deserialize)]
struct Body {
    #[serde(default)]
    reason: Value,
    #[serde(default)]
    timestamp: Value,
}

impl Body {
    /// Apple's bodies are below 100 bytes; a longer one than this is not looked at.
    const MAX_BYTES: usize = 4096;

    fn read(bytes: &[u8]) -> (Option<Reason>, Option<u64>) {
        if bytes.len() > Self::MAX_BYTES {
            return (None, None);
        }
        let body: Body = serde_json::from_slice(bytes).unwrap_or_default();
        (body.reason.as_str().and_then(Reason::parse), body.timestamp.as_u64())
    }
}

impl Answer {
    /// Reads a response. The host gives the body whole, or the part that it was ready to receive.
    ///
    /// ```
    /// use mdm_core::push::{Answer, Reason};
    ///
    /// let response = http::Response::builder()
    ///     .status(410)
    ///     .body(br#"{"reason":"Unregistered","timestamp":1796083200000}"#.to_vec())?;
    /// let answer = Answer::read(&response);
    /// assert_eq!(answer.reason(), Some(&Reason::Unregistered));
    /// assert_eq!(answer.timestamp_ms(), Some(1_796_083_200_000));
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn read<B: AsRef<[u8]>>(response: &http::Response<B>) -> Self {
        Self::from_parts(response.status(), response.headers(), response.body().as_ref())
    }

    /// As [`Answer::read`], from the parts of a response.
    pub fn from_parts(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (reason, timestamp_ms) = if status == StatusCode::OK { (None, None) } else { Body::read(body) };
        Answer {
            status: status.as_u16(),
            id: text("apns-id").and_then(|text| text.parse().ok()),
            reason,
            timestamp_ms,
            retry_after: text("retry-after").and_then(|text| text.trim().parse().ok()),
            goaway: false,
        }
    }

    /// Reads the debug data of an HTTP/2 GOAWAY frame, into which APNs puts the same JSON when it closes a connection. It is the
    /// answer for every push that was out on that connection and got none of its own.
    pub fn from_goaway(debug_data: &[u8]) -> Self {
        let (reason, timestamp_ms) = Body::read(debug_data);
        let status = reason.as_ref().and_then(Reason::status).unwrap_or(503);
        Answer { status, id: None, reason, timestamp_ms, retry_after: None, goaway: true }
    }

    /// The HTTP status; for a GOAWAY the one that belongs to its reason, or 503.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// `apns-id`, the name under which Apple can find the push.
    pub const fn id(&self) -> Option<ApnsId> {
        self.id
    }

    /// Why it was refused, when APNs said so.
    pub const fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }

    /// With 410: since when APNs has known the token to be dead, in milliseconds since 1970.
    pub const fn timestamp_ms(&self) -> Option<u64> {
        self.timestamp_ms
    }

    /// `Retry-After` in seconds. APNs seldom sends it; a date instead of a number is not read.
    pub const fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// Whether it came as a GOAWAY: about a connection and the certificate that opened it, never about a device.
    pub const fn is_goaway(&self) -> bool {
        self.goaway
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &[u8]) -> Answer {
        Answer::from_parts(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body)
    }

    #[test]
    fn all_32_reasons_are_read_from_their_spelling() {
        assert_eq!(Reason::ALL.len(), 32);
        for reason in Reason::ALL {
            let body = format!("{{\"reason\":\"{reason}\"}}");
            let read = answer(reason.status().unwrap(), body.as_bytes());
            assert_eq!(read.reason(), Some(reason));
            assert_eq!(Answer::from_goaway(body.as_bytes()).status(), reason.status().unwrap());
        }
    }

    #[test]
    fn an_unknown_reason_is_kept_and_a_text_that_is_none_is_not() {
        assert_eq!(answer(400, br#"{"reason":"BadMood"}"#).reason(), Some(&Reason::Other("BadMood".into())));
        let long = format!("{{\"reason\":\"{}\"}}", "A".repeat(65));
        for body in [long.as_str(), r#"{"reason":""}"#, r#"{"reason":"<b>"}"#, r#"{"reason":7}"#, r#"{"reason":null}"#] {
            assert_eq!(answer(400, body.as_bytes()).reason(), None, "{body}");
        }
    }

    #[test]
    fn a_body_that_is_no_answer_leaves_the_status() {
        let whole = br#"{"reason":"Unregistered","timestamp":1796083200000}"#;
        for end in 0..whole.len() {
            let read = answer(410, &whole[..end]);
            assert_eq!((read.status(), read.reason(), read.timestamp_ms()), (410, None, None), "{end}");
        }
        let mut huge = br#"{"reason":"Unregistered","x":""#.to_vec();
        huge.resize(5_000, b'x');
        huge.extend_from_slice(b"\"}");
        for body in [&b"<html>410 Gone</html>"[..], b"[]", b"\xFF\xFE", &huge, b"[[[[[[[["] {
            assert_eq!(answer(410, body).reason(), None);
        }
    }

    #[test]
    fn a_timestamp_that_is_no_moment_is_not_read() {
        for number in ["-1", "1.5", "1e300", "99999999999999999999999"] {
            let body = format!("{{\"reason\":\"Unregistered\",\"timestamp\":{number}}}");
            assert_eq!(answer(410, body.as_bytes()).timestamp_ms(), None, "{number}");
        }
    }

    #[test]
    fn headers_name_the_push_and_the_wait() {
        let response = http::Response::builder()
            .status(200)
            .header("apns-id", "EC1BF194-B3B2-424A-89E9-5A918A6E6B5C")
            .header("retry-after", "7")
            .body(Vec::new())
            .unwrap();
        let read = Answer::read(&response);
        assert_eq!(read.id().unwrap().to_string(), "ec1bf194-b3b2-424a-89e9-5a918a6e6b5c");
        assert_eq!(read.retry_after(), Some(7));
    }

    #[test]
    fn a_goaway_without_debug_data_is_a_passing_fault() {
        let read = Answer::from_goaway(b"");
        assert_eq!((read.status(), read.is_goaway()), (503, true));
    }
}
