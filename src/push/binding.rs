//! Where one enrollment is woken, and by whom.

use serde::{Deserialize, Serialize};

use super::wake::{self, Priority, Route, Wake};
use super::{Answer, DeviceToken, Error, PushCertificate, Refused, RetryPolicy, Topic, Verdict, verdict};
use crate::id::{EnrollmentId, TenantId};
use crate::record::stored::Format;
use crate::secret::Secret;
use crate::time::Timestamp;

/// The address of one enrollment: the tenant and topic it enrolled under, and the token and push magic it gave for them.
///
/// A binding is made and changed by `TokenUpdate`, and ended by `Authenticate` and `CheckOut`; the enrollment's record holds it. It
/// wakes its device with a certificate of the same tenant and topic, and with no other:
///
/// ```compile_fail
/// # use mdm_core::push::{Address, Binding};
/// # fn forge(id: mdm_core::id::EnrollmentId, address: Address) -> Binding {
/// Binding::new(id, "tenant".into(), address, mdm_core::time::Timestamp::default()) // made by an enrollment only
/// # }
/// ```
///
/// ```compile_fail
/// # use mdm_core::push::{Binding, DeviceToken};
/// # fn redirect(mut binding: Binding, token: DeviceToken) {
/// binding.token = token; // the fields are private
/// # }
/// ```
///
/// ```
/// use mdm_core::push::{Answer, Binding, PushCertificate, Refused, RetryPolicy, Verdict};
/// use mdm_core::time::Timestamp;
///
/// fn wake(binding: &Binding, certificate: &PushCertificate, now: Timestamp) -> Result<Verdict, Refused> {
///     let wake = binding.wake(certificate, now)?;
///     let response = send(wake.request()); // over the connection that wake.route() names
///     Ok(binding.answered(&wake, &Answer::read(&response), &RetryPolicy::default(), 1, now))
/// }
/// # fn send(_: http::Request<Vec<u8>>) -> http::Response<Vec<u8>> { http::Response::default() }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    format: Format,
    enrollment: EnrollmentId,
    tenant: TenantId,
    topic: Topic,
    token: DeviceToken,
    magic: Secret,
    since: Timestamp,
}

/// What `TokenUpdate` says about the address, checked and not yet believed. It wakes nobody: only an enrollment makes a [`Binding`]
/// of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    topic: Topic,
    token: DeviceToken,
    magic: Secret,
}

/// The longest push magic taken, in bytes. Even if each had to be escaped the body would stay below the 4,096 bytes of APNs; a
/// device sends a UUID of 36.
const MAX_MAGIC: usize = 512;

impl Address {
    /// Checks `Topic`, `Token` and `PushMagic` of a `TokenUpdate`.
    ///
    /// # Errors
    /// [`Error::NotMdm`] for another topic than one of MDM, [`Error::Token`] for an empty or overlong token, [`Error::Magic`] for
    /// a push magic that is empty, overlong or no text.
    pub fn new(topic: &str, token: &[u8], magic: &Secret) -> Result<Self, Error> {
        let topic = topic.parse()?;
        let token = DeviceToken::from_bytes(token)?;
        if !(1..=MAX_MAGIC).contains(&magic.len()) || magic.expose_str().is_none() {
            return Err(Error::Magic { len: magic.len() });
        }
        Ok(Address { topic, token, magic: magic.clone() })
    }

    /// The topic that the device says it listens on.
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The device's token.
    pub const fn token(&self) -> &DeviceToken {
        &self.token
    }
}

impl Binding {
    /// Made by the enrollment when it accepts a `TokenUpdate`.
    pub(crate) fn new(enrollment: EnrollmentId, tenant: TenantId, address: Address, since: Timestamp) -> Self {
        let Address { topic, token, magic } = address;
        Binding { format: Format, enrollment, tenant, topic, token, magic, since }
    }

    /// Whom it wakes.
    pub const fn enrollment(&self) -> &EnrollmentId {
        &self.enrollment
    }

    /// Whose device it is.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The topic it listens on.
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Its token. A host keeps an index over the token to find who holds one.
    pub const fn token(&self) -> &DeviceToken {
        &self.token
    }

    /// When the `TokenUpdate` came that gave the token.
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// Prepares a push to this enrollment with this certificate.
    ///
    /// # Errors
    /// [`Refused`] when the certificate is not this tenant's or not for this topic, or cannot be used now. Nothing is prepared
    /// then: no argument makes one tenant's device answer to another's certificate.
    pub fn wake(&self, certificate: &PushCertificate, now: Timestamp) -> Result<Wake, Refused> {
        let route = self.route(certificate, now)?;
        // A stored record may have been damaged into bytes that are no text; such a magic wakes nobody.
        let magic = self.magic.expose_str().ok_or(Refused::Damaged)?;
        Ok(Wake {
            route,
            enrollment: self.enrollment.clone(),
            tenant: self.tenant.clone(),
            token: self.token.clone(),
            body: wake::body(magic),
            expiration: now.plus_seconds(Wake::DEFAULT_LIFETIME),
            priority: Priority::Now,
            id: None,
        })
    }

    fn route(&self, certificate: &PushCertificate, now: Timestamp) -> Result<Route, Refused> {
        if !certificate.serves(&self.tenant) {
            return Err(Refused::OtherTenant);
        }
        let installed = certificate.installed().ok_or(Refused::NotInstalled)?;
        if installed.topic != self.topic {
            return Err(Refused::OtherTopic);
        }
        certificate.usable(now)?;
        Ok(Route {
            tenant: certificate.tenant().clone(),
            topic: installed.topic.clone(),
            serial: installed.serial,
            environment: installed.environment,
        })
    }

    /// Judges the answer to a push that this binding prepared. `attempt` counts the pushes that were sent for the same purpose, 1
    /// for the first; it sets the length of the wait before the next.
    pub fn answered(&self, wake: &Wake, answer: &Answer, policy: &RetryPolicy, attempt: u32, now: Timestamp) -> Verdict {
        verdict::judge(self, wake, answer, policy, attempt, now)
    }
}
