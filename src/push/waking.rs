//! When to push, when to hold back, and when to push again.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::id::{EnrollmentId, Revision, TenantId};
use crate::record::stored::Format;
use crate::record::{Change, NoEffect, Record, ReplayError};
use crate::time::Timestamp;

/// The record of one enrollment's pushes: small, apart from the enrollment's own record, so that a push does not get in the way of a
/// check-in.
///
/// ```text
///             owe                take              Delivered
///   Quiet ───────────► Owed ───────────► Out ───────────────────► Delivered
///     ▲                 ▲ ▲               │                         │   │
///     │                 │ └── RetryAt ────┤                         │   │ owe, when the
///     │                 │     PauseTopic  │                         │   │ wait is over
///     │                 └─────────────────┼─────────────────────────┼───┘
///     │       contacted (from any state)  │ Rejected, Retire        │
///     └───────────────────────────────────┴─────────────────────────┘
/// ```
///
/// A second wake while one is owed, out or delivered costs nothing and changes nothing: the device will come and take all that is
/// queued. APNs, too, keeps only the last.
///
/// ```
/// use mdm_core::id::EnrollmentId;
/// use mdm_core::push::Waking;
/// use mdm_core::time::Timestamp;
///
/// let now = Timestamp::from_unix(1_790_000_000);
/// let quiet = Waking::quiet(EnrollmentId::device_channel("D")?, "acme".into()).record;
/// let owed = quiet.owe(now, now).ok_or("already owed")?.record;
/// assert!(owed.owe(now, now).is_none(), "a second command needs no second push");
/// let (taken, attempt) = owed.take(now).ok_or("not due")?;
/// assert_eq!(attempt, 1); // store, then send
/// let done = taken.record.contacted(now).ok_or("nothing was out")?.record;
/// assert_eq!(done.due(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waking {
    format: Format,
    enrollment: EnrollmentId,
    tenant: TenantId,
    state: WakingState,
    revision: Revision,
}

/// Where the pushes of one enrollment stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WakingState {
    /// Nothing is owed.
    Quiet,
    /// A push is owed.
    Owed {
        /// From this moment on.
        at: Timestamp,
        /// Pushes that were sent for it before.
        attempts: u32,
    },
    /// A push was sent; APNs has not answered.
    Out {
        /// Since when.
        since: Timestamp,
        /// Pushes that were sent, this one counted.
        attempts: u32,
    },
    /// APNs has taken a push; the device has not come yet.
    Delivered {
        /// Since when.
        since: Timestamp,
    },
}

/// What happened to the pushes of an enrollment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WakingEvent {
    /// The record was made; nothing is owed.
    Began {
        /// Whom it is about.
        enrollment: EnrollmentId,
        /// Whose device that is.
        tenant: TenantId,
    },
    /// A push is owed from this moment on.
    Owed {
        /// From when.
        at: Timestamp,
    },
    /// A push was taken to be sent.
    Taken {
        /// When.
        at: Timestamp,
    },
    /// APNs has taken it.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// It must be sent again.
    Deferred {
        /// From when.
        until: Timestamp,
    },
    /// It will not be taken; nothing is owed any more.
    GivenUp {
        /// When.
        at: Timestamp,
    },
    /// The device came.
    Contacted {
        /// When.
        at: Timestamp,
    },
}

impl Waking {
    /// A push that APNs has not answered for so many seconds is sent again: the host stopped in between.
    pub const ANSWER_TIMEOUT: i64 = 120;
    /// A delivered push that brought nobody for so many seconds does not stand in the way of another.
    pub const DELIVERED_FOR: i64 = 900;
    /// A push over a paused topic is tried again after so many seconds, when nobody has released it.
    pub const PAUSED_FOR: i64 = 3_600;

    /// The record of an enrollment that has none yet: nothing is owed to it.
    pub fn quiet(enrollment: EnrollmentId, tenant: TenantId) -> Change<Self> {
        let record = Self::new(enrollment.clone(), tenant.clone());
        Change::one(record, WakingEvent::Began { enrollment, tenant }, Vec::new())
    }

    const fn new(enrollment: EnrollmentId, tenant: TenantId) -> Self {
        Waking { format: Format, enrollment, tenant, state: WakingState::Quiet, revision: Revision::FIRST }
    }

    /// A push is owed from `at` on. `None` when that changes nothing: one is owed no later, or on its way.
    pub fn owe(&self, at: Timestamp, now: Timestamp) -> Option<Change<Self>> {
        let free = match self.state {
            WakingState::Quiet => false,
            // A wait that APNs has imposed is not shortened by another command.
            WakingState::Owed { at: owed, attempts } => attempts > 0 || owed <= at,
            WakingState::Out { since, .. } => now.seconds_since(since) < Self::ANSWER_TIMEOUT,
            // It says nothing of a wake that is to come later than the device will.
            WakingState::Delivered { since } => at <= now && now.seconds_since(since) < Self::DELIVERED_FOR,
        };
        (!free).then(|| self.step(WakingEvent::Owed { at }))
    }

    /// Takes the push that is due, and tells how many have been sent for it, this one counted: the `attempt` of
    /// [`Binding::answered`](super::Binding::answered). `None` when none is due.
    pub fn take(&self, now: Timestamp) -> Option<(Change<Self>, u32)> {
        self.due().filter(|due| *due <= now)?;
        let step = self.step(WakingEvent::Taken { at: now });
        let attempts = match step.record.state {
            WakingState::Out { attempts, .. } => attempts,
            _ => 1,
        };
        Some((step, attempts))
    }

    /// From when a push is to be sent; `None` when none is. A host keeps an index over this moment.
    pub const fn due(&self) -> Option<Timestamp> {
        match self.state {
            WakingState::Owed { at, .. } => Some(at),
            WakingState::Out { since, .. } => Some(since.plus_seconds(Self::ANSWER_TIMEOUT)),
            WakingState::Quiet | WakingState::Delivered { .. } => None,
        }
    }

    /// What APNs answered to the push that is out. `None` when none is: the device was faster.
    pub fn answered(&self, verdict: &Verdict, now: Timestamp) -> Option<Change<Self>> {
        let WakingState::Out { .. } = self.state else { return None };
        Some(self.step(match verdict {
            Verdict::Delivered { .. } => WakingEvent::Delivered { at: now },
            Verdict::RetryAt(until) => WakingEvent::Deferred { until: *until },
            Verdict::PauseTopic(_) => WakingEvent::Deferred { until: now.plus_seconds(Self::PAUSED_FOR) },
            Verdict::Rejected { .. } | Verdict::Retire(_) => WakingEvent::GivenUp { at: now },
        }))
    }

    /// The device came, for whatever reason. `None` when nothing was owed or out. A wake that is owed for later stays owed.
    pub fn contacted(&self, now: Timestamp) -> Option<Change<Self>> {
        let over = match self.state {
            WakingState::Quiet => false,
            WakingState::Owed { at, .. } => at <= now,
            WakingState::Out { .. } | WakingState::Delivered { .. } => true,
        };
        over.then(|| self.step(WakingEvent::Contacted { at: now }))
    }

    /// What is owed for later is owed now: its topic is pushed to again
    /// ([`CertificateEffect::ReleasePushes`](super::CertificateEffect::ReleasePushes)). `None` when nothing is.
    pub fn release(&self, now: Timestamp) -> Option<Change<Self>> {
        matches!(self.state, WakingState::Owed { at, .. } if at > now).then(|| self.step(WakingEvent::Owed { at: now }))
    }

    fn step(&self, event: WakingEvent) -> Change<Self> {
        let mut record = self.clone();
        record.follow(&event);
        Change::one(record, event, Vec::new())
    }

    fn follow(&mut self, event: &WakingEvent) {
        let attempts = match self.state {
            WakingState::Owed { attempts, .. } | WakingState::Out { attempts, .. } => attempts,
            WakingState::Quiet | WakingState::Delivered { .. } => 0,
        };
        self.state = match event {
            WakingEvent::Began { .. } => return,
            WakingEvent::Owed { at } => WakingState::Owed { at: *at, attempts },
            WakingEvent::Taken { at } => WakingState::Out { since: *at, attempts: attempts.saturating_add(1) },
            WakingEvent::Delivered { at } => WakingState::Delivered { since: *at },
            WakingEvent::Deferred { until } => WakingState::Owed { at: *until, attempts },
            WakingEvent::GivenUp { .. } | WakingEvent::Contacted { .. } => WakingState::Quiet,
        };
        self.revision = self.revision.next();
    }

    /// Whom it is about.
    pub const fn enrollment(&self) -> &EnrollmentId {
        &self.enrollment
    }

    /// Whose device that is.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Where it stands.
    pub const fn state(&self) -> WakingState {
        self.state
    }
}

impl Record for Waking {
    type Event = WakingEvent;
    type Effect = NoEffect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &WakingEvent) -> Result<Self, ReplayError> {
        match first {
            WakingEvent::Began { enrollment, tenant } => Ok(Self::new(enrollment.clone(), tenant.clone())),
            _ => Err(ReplayError::NotThisRecord("no record of pushes begins with this event")),
        }
    }

    fn apply(&mut self, event: &WakingEvent) -> Result<(), ReplayError> {
        if matches!(event, WakingEvent::Began { .. }) {
            return Err(ReplayError::NotThisRecord("a record begins once"));
        }
        self.follow(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::Complaint;

    const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

    fn quiet() -> Waking {
        Waking::quiet(EnrollmentId::device_channel("D").unwrap(), "a".into()).record
    }

    fn out() -> Waking {
        quiet().owe(NOW, NOW).unwrap().record.take(NOW).unwrap().0.record
    }

    fn at(seconds: i64) -> Timestamp {
        NOW.plus_seconds(seconds)
    }

    #[test]
    fn a_second_wake_is_free_while_one_is_owed_out_or_delivered() {
        let owed = quiet().owe(at(10), NOW).unwrap().record;
        assert_eq!((owed.owe(at(10), NOW), owed.owe(at(11), NOW)), (None, None));
        assert_eq!(owed.owe(at(5), NOW).unwrap().record.due(), Some(at(5)), "an earlier one counts");
        assert_eq!(out().owe(NOW, NOW), None);
        let delivered = out().answered(&Verdict::Delivered { id: None }, NOW).unwrap().record;
        assert_eq!(delivered.owe(NOW, NOW), None);
        assert!(delivered.owe(at(5_000), NOW).is_some(), "the device will have come and gone by then");
        assert!(delivered.owe(at(900), at(900)).is_some(), "it brought nobody");
    }

    #[test]
    fn nothing_is_taken_before_it_is_due() {
        let owed = quiet().owe(at(10), NOW).unwrap().record;
        assert_eq!((quiet().take(NOW), owed.take(at(9))), (None, None));
        assert_eq!(owed.take(at(10)).unwrap().1, 1);
    }

    #[test]
    fn attempts_are_counted_until_the_push_is_through() {
        let again = out().answered(&Verdict::RetryAt(at(60)), NOW).unwrap().record;
        assert_eq!(again.due(), Some(at(60)));
        assert_eq!(again.owe(NOW, NOW), None, "a new command does not shorten the wait");
        let (second, attempt) = again.take(at(60)).unwrap();
        assert_eq!(attempt, 2);
        let delivered = second.record.answered(&Verdict::Delivered { id: None }, at(60)).unwrap().record;
        let fresh = delivered.contacted(at(61)).unwrap().record.owe(at(62), at(62)).unwrap().record;
        assert_eq!(fresh.take(at(62)).unwrap().1, 1);
    }

    #[test]
    fn a_push_that_was_never_answered_is_sent_again() {
        assert_eq!(out().take(at(119)), None);
        assert_eq!(out().take(at(120)).unwrap().1, 2);
    }

    #[test]
    fn a_paused_topic_holds_a_push_until_it_is_released() {
        let complaint = Complaint {
            tenant: "a".into(),
            topic: "com.apple.mgmt.x".parse().unwrap(),
            serial: "07".parse().unwrap(),
            reason: "BadCertificate".into(),
        };
        let held = out().answered(&Verdict::PauseTopic(complaint), NOW).unwrap().record;
        assert_eq!(held.due(), Some(at(3_600)));
        let released = held.release(at(10)).unwrap().record;
        assert_eq!((released.due(), released.release(at(10))), (Some(at(10)), None));
    }

    #[test]
    fn what_is_refused_for_good_is_owed_no_more() {
        let rejected = Verdict::Rejected { reason: None, status: 400 };
        assert_eq!(out().answered(&rejected, NOW).unwrap().record.state(), WakingState::Quiet);
        assert_eq!(quiet().answered(&rejected, NOW), None);
    }

    #[test]
    fn a_device_that_comes_settles_what_is_due_and_nothing_later() {
        assert_eq!(out().contacted(NOW).unwrap().record.state(), WakingState::Quiet);
        assert_eq!(quiet().contacted(NOW), None);
        let later = quiet().owe(at(100), NOW).unwrap().record;
        assert_eq!(later.contacted(NOW), None);
        assert!(later.contacted(at(100)).is_some());
    }

    #[test]
    fn the_stored_form_does_not_move() {
        let text = r#"{"format":1,"enrollment":{"kind":"Device","device":"D","user":null},"tenant":"a","state":{"Out":{"since":1790000000,"attempts":1}},"revision":3}"#;
        assert_eq!(serde_json::to_string(&out()).unwrap(), text);
        assert_eq!(serde_json::from_str::<Waking>(text).unwrap(), out());
    }
}
