//! What an answer of APNs means for the device, the topic and the next attempt.

use serde::{Deserialize, Serialize};

use super::{Answer, ApnsId, Binding, DeviceToken, Reason, Topic, Wake};
use crate::id::{EnrollmentId, TenantId};
use crate::time::Timestamp;
use crate::x509::SerialNumber;

/// What to do after an answer.
///
/// | answer | verdict |
/// |---|---|
/// | 200 | [`Delivered`](Verdict::Delivered) |
/// | 410 whose timestamp is later than the `TokenUpdate` that gave the token | [`Retire`](Verdict::Retire) |
/// | 410 otherwise: the device has registered again since, or nothing proves that it has not | [`Rejected`](Verdict::Rejected) |
/// | 403, and 400 `TopicDisallowed`, `BadTopic`, `MissingTopic`: the certificate or its topic | [`PauseTopic`](Verdict::PauseTopic) |
/// | 400 `IdleTimeout`, 429, 5xx, GOAWAY about the connection | [`RetryAt`](Verdict::RetryAt) |
/// | everything else, `BadDeviceToken` and `DeviceTokenNotForTopic` among them | [`Rejected`](Verdict::Rejected) |
///
/// Only a proven 410 retires. The other complaints about a token usually mean that a whole fleet is pushed to with the wrong
/// certificate, and a server that drops tokens for it loses the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "a host must handle every verdict")]
pub enum Verdict {
    /// APNs has taken the push. Whether the device comes is seen when it does.
    Delivered {
        /// The name that APNs gave it.
        id: Option<ApnsId>,
    },
    /// Nothing is wrong with the push; send it again, not before this moment.
    RetryAt(Timestamp),
    /// The push will not be taken as it is. Keep the enrollment, tell an operator, do not repeat.
    Rejected {
        /// The reason, when APNs gave one.
        reason: Option<Reason>,
        /// The HTTP status.
        status: u16,
    },
    /// The certificate or its topic is refused: every push over it would be. Pause the topic's certificate
    /// ([`PushCertificate::pause`](super::PushCertificate::pause)), once for all devices, and send this push again when it is
    /// back.
    PauseTopic(Complaint),
    /// The device has stopped listening under this token: retire the enrollment's address.
    Retire(Retirement),
}

/// Why APNs refuses a certificate or its topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Complaint {
    /// The tenant that owns the certificate.
    pub tenant: TenantId,
    /// The topic that is refused.
    pub topic: Topic,
    /// The certificate that was shown.
    pub serial: SerialNumber,
    /// The reason in Apple's words, or the status when there was none.
    pub reason: String,
}

/// The proof that a token is dead: made only by a 410 that is later than the `TokenUpdate` which gave the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    enrollment: EnrollmentId,
    tenant: TenantId,
    token: DeviceToken,
    dead_since_ms: u64,
}

impl Retirement {
    /// Whose address is dead.
    pub const fn enrollment(&self) -> &EnrollmentId {
        &self.enrollment
    }

    /// Since when APNs has known it, in milliseconds since 1970.
    pub const fn dead_since_ms(&self) -> u64 {
        self.dead_since_ms
    }

    /// Whether this is about the address that a binding has now.
    pub fn concerns(&self, binding: &Binding) -> bool {
        self.enrollment == *binding.enrollment()
            && self.tenant == *binding.tenant()
            && self.token == *binding.token()
            && is_later(self.dead_since_ms, binding.since())
    }
}

/// How long to wait before a push is repeated.
///
/// The wait doubles with each attempt, and is spread by up to a quarter so that a fleet which was refused in one second does not
/// come back in one. The spread comes from the token, so that the same push gives the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// First wait after a fault at Apple, in seconds. Apple asks for 15 minutes.
    pub server_error: u32,
    /// First wait after `TooManyRequests` without `Retry-After`, in seconds.
    pub too_many: u32,
    /// First wait after a connection that went away, in seconds.
    pub connection: u32,
    /// No wait is longer than this many seconds, whatever `Retry-After` says.
    pub longest: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy { server_error: 900, too_many: 900, connection: 5, longest: 21_600 }
    }
}

impl RetryPolicy {
    /// The moment of the next attempt.
    fn next(&self, first: u32, asked: Option<u32>, attempt: u32, token: &DeviceToken, now: Timestamp) -> Timestamp {
        let doublings = attempt.saturating_sub(1).min(31);
        let wait = u64::from(first) << doublings;
        let wait = wait.max(u64::from(asked.unwrap_or(0))).min(u64::from(self.longest));
        let spread = wait.checked_div(4).unwrap_or(0).saturating_add(1);
        let extra = u64::from(scatter(token)).checked_rem(spread).unwrap_or(0);
        now.plus_seconds(i64::try_from(wait.saturating_add(extra)).unwrap_or(i64::MAX))
    }
}

/// FNV-1a over the token: any even spread will do, nobody gains by guessing it.
fn scatter(token: &DeviceToken) -> u32 {
    token.as_bytes().iter().fold(0x811C_9DC5, |hash, octet| (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193))
}

/// Whether APNs speaks of a time after the second in which the token came. Within that second nobody can tell; the token stays.
fn is_later(dead_since_ms: u64, token_since: Timestamp) -> bool {
    let next_second = u64::try_from(token_since.unix().saturating_add(1)).unwrap_or(0);
    dead_since_ms >= next_second.saturating_mul(1000)
}

/// What the answers have in common that are treated alike.
enum Class {
    Delivered,
    Dead,
    Certificate,
    ServerError,
    TooMany,
    Connection,
    Push,
}

/// The reason decides where it is known; otherwise the status.
fn classify(answer: &Answer) -> Class {
    match (answer.reason(), answer.status()) {
        (None, 200) => Class::Delivered,
        (Some(Reason::IdleTimeout | Reason::Shutdown), _) => Class::Connection,
        (Some(Reason::TopicDisallowed | Reason::BadTopic | Reason::MissingTopic), _) => Class::Certificate,
        (Some(Reason::Unregistered | Reason::ExpiredToken), 410) => Class::Dead,
        (Some(Reason::TooManyRequests | Reason::TooManyProviderTokenUpdates), _) => Class::TooMany,
        (_, 403) => Class::Certificate,
        (_, 429) => Class::TooMany,
        (_, 500..=599) => Class::ServerError,
        _ => Class::Push,
    }
}

pub(super) fn judge(
    binding: &Binding,
    wake: &Wake,
    answer: &Answer,
    policy: &RetryPolicy,
    attempt: u32,
    now: Timestamp,
) -> Verdict {
    let token = wake.token();
    let retry = |first, asked| Verdict::RetryAt(policy.next(first, asked, attempt, token, now));
    let rejected = || Verdict::Rejected { reason: answer.reason().cloned(), status: answer.status() };
    match classify(answer) {
        Class::Delivered => Verdict::Delivered { id: answer.id() },
        Class::Certificate => Verdict::PauseTopic(Complaint {
            tenant: wake.route().tenant.clone(),
            topic: wake.route().topic.clone(),
            serial: wake.route().serial,
            reason: answer.reason().map_or_else(|| format!("status {}", answer.status()), ToString::to_string),
        }),
        Class::ServerError if answer.is_goaway() => retry(policy.connection, None),
        Class::ServerError => retry(policy.server_error, answer.retry_after()),
        Class::TooMany => retry(policy.too_many, answer.retry_after()),
        Class::Connection => retry(policy.connection, None),
        // A GOAWAY closes a connection of many devices: what it says about a push is not about this one.
        Class::Dead | Class::Push if answer.is_goaway() => retry(policy.connection, None),
        Class::Push => rejected(),
        Class::Dead => {
            let dead_since_ms = answer.timestamp_ms().filter(|dead| is_later(*dead, binding.since()));
            match dead_since_ms {
                Some(dead_since_ms) if wake.is_for(binding) => Verdict::Retire(Retirement {
                    enrollment: binding.enrollment().clone(),
                    tenant: binding.tenant().clone(),
                    token: token.clone(),
                    dead_since_ms,
                }),
                _ => rejected(),
            }
        }
    }
}
