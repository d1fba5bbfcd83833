//! The request that wakes a device.

use std::fmt;

use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, header, uri};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Binding, DeviceToken, Environment, Topic};
use crate::id::{EnrollmentId, TenantId};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::x509::SerialNumber;

/// `apns-id`: a UUID that names one push, in Apple's answers and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApnsId([u8; 16]);

/// The text is not a UUID in the form `ec1bf194-b3b2-424a-89e9-5a918a6e6b5c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID of 32 hexadecimal digits in five groups")]
pub struct ParseApnsIdError;

impl ApnsId {
    /// A random UUID (RFC 9562 section 5.4) from the host's random octets.
    pub const fn from_random(octets: [u8; 16]) -> Self {
        // Version 4 and the variant of the RFC take the place of six random bits.
        let number = u128::from_be_bytes(octets) & !(0xF << 76) & !(0b11 << 62);
        ApnsId((number | 0x4 << 76 | 0b10 << 62).to_be_bytes())
    }

    /// The octets.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ApnsId {
    /// Lower case, as Apple asks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{octet:02x}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for ApnsId {
    type Err = ParseApnsIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut number: u128 = 0;
        let mut groups = text.split('-');
        for digits in [8, 4, 4, 4, 12] {
            let group = groups.next().filter(|group| group.len() == digits).ok_or(ParseApnsIdError)?;
            for digit in group.chars() {
                number = (number << 4) | u128::from(digit.to_digit(16).ok_or(ParseApnsIdError)?);
            }
        }
        if groups.next().is_some() { Err(ParseApnsIdError) } else { Ok(ApnsId(number.to_be_bytes())) }
    }
}

impl Serialize for ApnsId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApnsId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `apns-priority`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Priority {
    /// 10: deliver at once.
    #[default]
    Now,
    /// 5: deliver when the device's power allows.
    WhenConvenient,
}

impl Priority {
    const fn header(self) -> &'static str {
        match self {
            Priority::Now => "10",
            Priority::WhenConvenient => "5",
        }
    }
}

/// Which of a host's APNs connections a push must take.
///
/// A host keeps its connections under this key and opens one with the certificate that the serial number names. Two tenants never
/// have the same key, unless their certificate is shared by an explicit policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Route {
    /// The tenant that owns the certificate.
    pub tenant: TenantId,
    /// The certificate's topic.
    pub topic: Topic,
    /// The certificate to show in the TLS handshake.
    pub serial: SerialNumber,
    /// Which APNs to connect to.
    pub environment: Environment,
}

/// A push that may be sent: a [`Binding`](super::Binding) has found the certificate to be the right one.
///
/// There is no other way to come by one, and it cannot be pointed at another device, topic or certificate afterwards. Dropping it
/// sends nothing.
///
/// ```compile_fail
/// # use mdm_core::push::{Route, Wake};
/// # fn forged(route: Route, wake: Wake) -> Wake {
/// Wake { route, ..wake } // the fields are private
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until the host sends the request"]
pub struct Wake {
    pub(super) route: Route,
    pub(super) enrollment: EnrollmentId,
    pub(super) tenant: TenantId,
    pub(super) token: DeviceToken,
    pub(super) body: Secret,
    pub(super) expiration: Timestamp,
    pub(super) priority: Priority,
    pub(super) id: Option<ApnsId>,
}

impl Wake {
    /// How long APNs is asked to keep trying when nobody says otherwise: a week, so that a device that was off over a holiday
    /// still comes. APNs keeps only the last push of a device, so a long wait piles up nothing.
    pub const DEFAULT_LIFETIME: i64 = 7 * 86_400;

    /// With another moment after which APNs may forget the push; it keeps none for more than 30 days.
    pub const fn expiring(mut self, at: Timestamp) -> Self {
        self.expiration = at;
        self
    }

    /// With another priority.
    pub const fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// With a name of its own, which APNs then uses in its answer.
    pub const fn with_id(mut self, id: ApnsId) -> Self {
        self.id = Some(id);
        self
    }

    /// The connection to send it over.
    pub const fn route(&self) -> &Route {
        &self.route
    }

    /// Whom it wakes.
    pub const fn enrollment(&self) -> &EnrollmentId {
        &self.enrollment
    }

    /// Whose device it wakes: the certificate's owner, or a tenant with whom it is shared.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Whether it goes to the address that a binding has now.
    pub(super) fn is_for(&self, binding: &Binding) -> bool {
        self.enrollment == *binding.enrollment() && self.tenant == *binding.tenant() && self.token == *binding.token()
    }

    /// The token that it goes to.
    pub const fn token(&self) -> &DeviceToken {
        &self.token
    }

    /// The request to Apple's APNs on its usual port.
    ///
    /// The body has the push magic in it: a host does not log it.
    pub fn request(&self) -> Request<Vec<u8>> {
        self.request_to(&Authority::from_static(self.route.environment.host()))
    }

    /// The request to another authority: port 2197, a proxy, or a stand-in for APNs under test.
    #[allow(
        clippy::expect_used,
        reason = "path, topic and numbers are visible ASCII by their types, and scheme, authority and path are all there"
    )]
    pub fn request_to(&self, authority: &Authority) -> Request<Vec<u8>> {
        self.build(authority).expect("every part of the request has been checked")
    }

    fn build(&self, authority: &Authority) -> http::Result<Request<Vec<u8>>> {
        let mut path = String::with_capacity(PATH.len().saturating_add(2 * DeviceToken::MAX_LEN));
        path.push_str(PATH);
        self.token.write_hex(&mut path);
        let mut parts = uri::Parts::default();
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority = Some(authority.clone());
        parts.path_and_query = Some(path.try_into()?);
        let mut request = Request::new(self.body.expose().to_vec());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(parts)?;
        let headers = request.headers_mut();
        // Room for all at once: a map that grows hashes every name again.
        headers.reserve(6);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(TOPIC, HeaderValue::try_from(&self.route.topic)?);
        headers.insert(PUSH_TYPE, HeaderValue::from_static("mdm"));
        headers.insert(PRIORITY, HeaderValue::from_static(self.priority.header()));
        headers.insert(EXPIRATION, HeaderValue::from(self.expiration.unix().max(0)));
        if let Some(id) = self.id {
            headers.insert(ID, HeaderValue::try_from(id.to_string())?);
        }
        Ok(request)
    }
}

const TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
const ID: HeaderName = HeaderName::from_static("apns-id");
const PATH: &str = "/3/device/";

/// `{"mdm":"…"}` and nothing else.
#[allow(clippy::expect_used, reason = "a text always has a JSON form, and a vector takes every byte")]
pub(super) fn body(magic: &str) -> Secret {
    let mut body = Vec::with_capacity(magic.len().saturating_mul(2).saturating_add(16));
    body.extend_from_slice(b"{\"mdm\":");
    serde_json::to_writer(&mut body, magic).expect("a text has a JSON form");
    body.push(b'}');
    Secret::new(body)
}
