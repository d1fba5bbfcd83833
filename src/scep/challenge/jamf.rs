//! The `SCEPChallenge` webhook of Jamf Pro: a management server asks somebody for a challenge to put into one profile.
//!
//! Smallstep and others answer it, and other management servers send it too. Both sides are here: the server that asks
//! ([`ChallengeServer`]) and the service that is asked ([`ScepChallengeEvent::receive`]). Source: <https://developer.jamf.com/jamf-pro/docs/webhooks-1>.
//!
//! ```text
//! management server ── POST ScepChallengeEvent, Authorization ─► challenge service
//!                   ◄─ 200 text/plain: the challenge ───────────
//! ```
//!
//! What Jamf documents is the event; the answer is known from services that work with it. What else an event carries about the device
//! differs between senders and versions: it is handed out as it came. Events in XML are refused; the webhook's content type can be set to
//! JSON. Not tried against Jamf Pro.

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ChallengeError;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::web::{self, Answer, Credentials, Endpoint};

/// The name of the event.
const EVENT: &str = "SCEPChallenge";
/// The type of Apple's SCEP payload.
const SCEP_PAYLOAD: &str = "com.apple.security.scep";
/// The longest challenge that is taken, in bytes: those of Intune, the longest known, have a few thousand.
const MAX_CHALLENGE: usize = 8192;
/// A time above this many is in milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_ABOVE: i64 = 99_999_999_999;

/// What is asked: a challenge for one profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScepChallengeEvent {
    /// `id` of the webhook at the sender.
    pub webhook_id: i64,
    /// The webhook's name at the sender.
    pub webhook_name: String,
    /// When, as the sender says it.
    pub at: Option<Timestamp>,
    /// `scepServerUrl`: where the device will go with the challenge.
    pub scep_server_url: String,
    /// `payloadIdentifier` of the SCEP payload.
    pub payload_identifier: String,
    /// `payloadTypes` in the profile.
    pub payload_types: Vec<String>,
    /// What else is in the event, such as facts about the device. Senders differ; nothing of it is proven.
    pub other: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Message {
    webhook: Webhook,
    event: Event,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    #[serde(default)]
    id: i64,
    #[serde(default)]
    name: String,
    webhook_event: String,
    event_timestamp: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    scep_server_url: String,
    #[serde(default)]
    payload_identifier: String,
    #[serde(default)]
    payload_types: Vec<String>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl ScepChallengeEvent {
    /// Asks for a challenge for the SCEP payload of this identifier.
    pub fn new(scep_server_url: &str, payload_identifier: &str, at: Timestamp) -> Self {
        ScepChallengeEvent {
            webhook_id: 1,
            webhook_name: EVENT.to_owned(),
            at: Some(at),
            scep_server_url: scep_server_url.to_owned(),
            payload_identifier: payload_identifier.to_owned(),
            payload_types: vec![SCEP_PAYLOAD.to_owned()],
            other: Map::new(),
        }
    }

    /// The same with one more fact, such as the `device` that the profile is for.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.other.insert(key.to_owned(), value);
        self
    }

    /// Reads an event that came in, from whoever has these credentials.
    ///
    /// # Errors
    /// [`ChallengeError::Unauthenticated`] before anything else is looked at, [`ChallengeError::OtherEvent`], [`ChallengeError::Web`].
    pub fn receive<B: AsRef<[u8]>>(request: &Request<B>, credentials: &Credentials) -> Result<Self, ChallengeError> {
        if !credentials.are_in(request.headers()) {
            return Err(ChallengeError::Unauthenticated);
        }
        let Message { webhook, event } = web::read_json(request.body().as_ref())?;
        if webhook.webhook_event != EVENT {
            return Err(ChallengeError::OtherEvent);
        }
        Ok(ScepChallengeEvent {
            webhook_id: webhook.id,
            webhook_name: webhook.name,
            at: webhook.event_timestamp.map(timestamp),
            scep_server_url: event.scep_server_url,
            payload_identifier: event.payload_identifier,
            payload_types: event.payload_types,
            other: event.other,
        })
    }

    fn message(&self) -> Message {
        Message {
            webhook: Webhook {
                id: self.webhook_id,
                name: self.webhook_name.clone(),
                webhook_event: EVENT.to_owned(),
                event_timestamp: self.at.map(|at| at.unix().saturating_mul(1000)),
            },
            event: Event {
                scep_server_url: self.scep_server_url.clone(),
                payload_identifier: self.payload_identifier.clone(),
                payload_types: self.payload_types.clone(),
                other: self.other.clone(),
            },
        }
    }
}

/// Jamf documents milliseconds; Fleet sends seconds.
const fn timestamp(number: i64) -> Timestamp {
    if number > MILLISECONDS_ABOVE { Timestamp::from_unix(number / 1000) } else { Timestamp::from_unix(number) }
}

/// The answer to an event: the challenge.
pub fn answer(challenge: &Secret) -> Response<Vec<u8>> {
    let mut response = Response::new(challenge.expose().to_vec());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer to an event that gets no challenge.
pub fn refusal(error: &ChallengeError) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    response
}

/// A service that hands out challenges for such events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct ChallengeServer {
    /// Its address.
    pub url: Endpoint,
    /// What it knows the management server by.
    pub credentials: Credentials,
}

impl ChallengeServer {
    /// The request for a challenge.
    ///
    /// # Errors
    /// [`web::Error::Misuse`] when the credentials cannot be sent.
    pub fn request(&self, event: &ScepChallengeEvent) -> Result<Request<Vec<u8>>, web::Error> {
        web::json(Method::POST, self.url.uri(), Some(&self.credentials), &event.message())
    }

    /// Reads the answer: text, or a JSON string.
    ///
    /// # Errors
    /// [`ChallengeError::NoChallenge`] when it is something else, such as a page; [`ChallengeError::Web`].
    pub fn read<B: AsRef<[u8]>>(&self, response: &Response<B>) -> Result<Secret, ChallengeError> {
        let text = Answer::read(response)?.ok()?.text()?.trim();
        let challenge = match text.bytes().next() {
            Some(b'"') => serde_json::from_str::<String>(text).map_err(|_| ChallengeError::NoChallenge)?,
            Some(b'<' | b'{' | b'[') | None => return Err(ChallengeError::NoChallenge),
            Some(_) => text.to_owned(),
        };
        let fits = (1..=MAX_CHALLENGE).contains(&challenge.len()) && !challenge.chars().any(char::is_control);
        if fits { Ok(Secret::from(challenge)) } else { Err(ChallengeError::NoChallenge) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const AT: Timestamp = Timestamp::from_unix(1_780_000_000);

    fn server() -> ChallengeServer {
        let url = Endpoint::new("https://challenge.example.com/jamf").unwrap();
        ChallengeServer { url, credentials: Credentials::basic("jamf", "secret") }
    }

    fn event() -> ScepChallengeEvent {
        ScepChallengeEvent::new("https://scep.example.com/wifi", "com.example.wifi.scep", AT)
    }

    #[test]
    fn the_event_is_the_documented_one_and_reads_back() {
        let event = event().with("device", json!({ "serialNumber": "C02XYZ" }));
        let request = server().request(&event).unwrap();
        assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/jamf"));
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(
            body,
            json!({
                "webhook": { "id": 1, "name": "SCEPChallenge", "webhookEvent": "SCEPChallenge", "eventTimestamp": 1_780_000_000_000_i64 },
                "event": {
                    "scepServerUrl": "https://scep.example.com/wifi",
                    "payloadIdentifier": "com.example.wifi.scep",
                    "payloadTypes": ["com.apple.security.scep"],
                    "device": { "serialNumber": "C02XYZ" }
                }
            })
        );
        assert_eq!(ScepChallengeEvent::receive(&request, &server().credentials), Ok(event));
    }

    #[test]
    fn an_event_of_another_sender_is_read_and_a_stranger_is_not() {
        let body = r#"{"webhook":{"webhookEvent":"SCEPChallenge","id":7,"eventTimestamp":1757435578,"name":""},"event":{"targetDevice":{"udid":"U"}}}"#;
        let request = Request::post("/").header("authorization", "Basic amFtZjpzZWNyZXQ=").body(body).unwrap();
        let read = ScepChallengeEvent::receive(&request, &server().credentials).unwrap();
        assert_eq!((read.at, read.webhook_id), (Some(Timestamp::from_unix(1_757_435_578)), 7));
        assert_eq!(read.other["targetDevice"]["udid"], "U");
        let stranger = Credentials::basic("jamf", "secreT");
        assert_eq!(ScepChallengeEvent::receive(&request, &stranger), Err(ChallengeError::Unauthenticated));
        assert_eq!(refusal(&ChallengeError::Unauthenticated).status(), 401);
    }

    #[test]
    fn other_events_and_damage_are_refused_with_a_status() {
        let receive = |body: &[u8]| {
            let request = Request::post("/").header("authorization", "Basic amFtZjpzZWNyZXQ=").body(body).unwrap();
            ScepChallengeEvent::receive(&request, &server().credentials).unwrap_err()
        };
        let other = br#"{"webhook":{"webhookEvent":"ComputerAdded"},"event":{}}"#;
        assert_eq!(receive(other), ChallengeError::OtherEvent);
        let whole = server().request(&event()).unwrap().into_body();
        for end in 0..whole.len() {
            assert!(matches!(receive(&whole[..end]), ChallengeError::Web(web::Error::Json { .. })), "{end}");
        }
        for body in [&b"<JSSEvent></JSSEvent>"[..], b"[]", b"null", br#"{"webhook":{"webhookEvent":1},"event":{}}"#] {
            assert_eq!(receive(body).http_status(), 400);
        }
        assert_eq!(receive(&vec![b' '; 300 << 10]).http_status(), 413);
    }

    #[test]
    fn an_answer_is_a_challenge_or_an_error() {
        let read = |body: &str| server().read(&Response::new(body.as_bytes().to_vec()));
        let challenge = Secret::from("once");
        assert_eq!(server().read(&answer(&challenge)), Ok(challenge.clone()));
        assert_eq!(read("once\n"), Ok(challenge.clone()));
        assert_eq!(read("\"once\""), Ok(challenge));
        for other in ["", " \r\n", "<html>x</html>", "{\"error\":\"no\"}", "[]", "\"", "\"\\u0000\"", "a\nb", &"a".repeat(8193)]
        {
            assert_eq!(read(other), Err(ChallengeError::NoChallenge), "{other}");
        }
        assert!(read("a\u{1}").is_err());
        let gone = Response::builder().status(404).body("gone").unwrap();
        assert!(matches!(server().read(&gone), Err(ChallengeError::Web(web::Error::Refused { status: 404, .. }))));
    }
}
