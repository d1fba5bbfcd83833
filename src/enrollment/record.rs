//! The record of one enrollment, and how events change it.

use serde::{Deserialize, Serialize};

use super::{Effect, Fingerprint, Origin};
use crate::id::{CommandUuid, EnrollmentId, Revision, TenantId};
use crate::push::{Address, Binding, Topic};
use crate::record::stored::Format;
use crate::record::{Record, ReplayError};
use crate::secret::Secret;
use crate::time::Timestamp;

/// The record of one channel: a device's own, or a user's on it.
///
/// ```text
///   device   Authenticate           TokenUpdate              410 of APNs
///   (none) ───────────────► Authenticated ───────► Enrolled ─────────────► Retired
///                             ▲   ▲                 │ ▲ │ ▲                   │
///              Authenticate   │   └─ Authenticate ──┘ │ │ └── TokenUpdate ────┤
///              from any state │      (reset)          │ │                     │
///                             │            user: TokenUpdate                  │
///   user     TokenUpdate      │           while the device is enrolled        │
///   (none) ───────────────────┼──────────────────────► (Enrolled)             │
///                             │                         │   CheckOut          │
///                             └──────────── CheckedOut ◄┴─────────────────────┤
///                             └──────────── Disabled   ◄── the host, or the   ┘
///                                                          device's end (user)
/// ```
///
/// A record is made by [`Enrollment::begin`], changed by [`Enrollment::receive`], [`Enrollment::report`] and the decisions of the
/// host, and never by hand. [`Record::replay`] makes it from its events again. `serde` writes a stable form; where a host
/// stores it, it stores secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    format: Format,
    pub(super) id: EnrollmentId,
    pub(super) tenant: TenantId,
    pub(super) state: State,
    pub(super) generation: u32,
    pub(super) device_generation: Option<u32>,
    pub(super) topic: Topic,
    pub(super) identity: Option<Fingerprint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<Origin>,
    /// The oldest first.
    pub(super) announced: Vec<Fingerprint>,
    pub(super) renewal_expected: Option<Timestamp>,
    pub(super) renewing: bool,
    pub(super) binding: Option<Binding>,
    pub(super) unlock_token: Option<Secret>,
    pub(super) bootstrap_token: Option<Secret>,
    pub(super) awaiting_configuration: bool,
    pub(super) token_updates: u64,
    pub(super) began: Timestamp,
    pub(super) last_seen: Timestamp,
    pub(super) last_exchange: Exchanged,
    pub(super) revision: Revision,
}

/// Where an enrollment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum State {
    /// The device has introduced itself; it cannot be woken before its first `TokenUpdate`.
    Authenticated,
    /// Managed.
    Enrolled,
    /// The device, or the user, has left.
    CheckedOut,
    /// Ended by the host, or by the device's own channel.
    Disabled,
    /// APNs has said that the address is dead. The device is still answered when it comes by itself, and a `TokenUpdate` makes it
    /// [`State::Enrolled`] again.
    Retired,
}

impl State {
    /// Whether the device is listened to.
    pub const fn is_live(self) -> bool {
        matches!(self, State::Authenticated | State::Enrolled | State::Retired)
    }
}

/// How the last exchange on the command channel ended, as far as the server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Exchanged {
    /// With an empty answer to something else than `NotNow`: the device is idle until it is woken.
    Idle,
    /// With an empty answer to `NotNow`: the device comes again by itself when it can.
    NotNow,
    /// With a command: the device has it, or the connection broke.
    HandedOut,
}

/// Certificates that are announced to one device at a time. A device that renews more often than that, and never speaks, has the
/// last ones.
pub(super) const MOST_ANNOUNCED: usize = 4;

/// What happened to an enrollment. A host stores it with the record in one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// It began, or began anew. Everything from before is void.
    Began(Beginning),
    /// An enrolled device introduced itself again, because its enrollment profile was installed anew. Nothing is void.
    Renewed {
        /// When.
        at: Timestamp,
        /// The certificate that it is bound to now.
        identity: Fingerprint,
        /// Where that came from, when the host has said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    /// `TokenUpdate`: the address where it is woken, and what came with it.
    TokenUpdated {
        /// When.
        at: Timestamp,
        /// Topic, token and push magic.
        address: Address,
        /// `UnlockToken`, when it was sent. Not sent, the old one stays.
        unlock_token: Option<Secret>,
        /// `AwaitingConfiguration`, when it was sent.
        awaiting_configuration: Option<bool>,
    },
    /// `SetBootstrapToken`; without a token the old one is removed.
    BootstrapTokenSet {
        /// When.
        at: Timestamp,
        /// The token.
        token: Option<Secret>,
    },
    /// The device has acknowledged `DeviceConfigured` and waits in Setup Assistant no longer.
    SetupFinished {
        /// When.
        at: Timestamp,
    },
    /// The authority has issued a certificate that will take the place of the one it is bound to.
    IdentityAnnounced {
        /// When.
        at: Timestamp,
        /// The new certificate.
        identity: Fingerprint,
    },
    /// The host has sent the enrollment profile once more, so that an `Authenticate` in this time is a renewal.
    RenewalExpected {
        /// When.
        at: Timestamp,
        /// The end of the time.
        until: Timestamp,
    },
    /// It is bound to another certificate from now on; or where the one it is bound to came from became known.
    IdentityChanged {
        /// When.
        at: Timestamp,
        /// The certificate.
        identity: Fingerprint,
        /// Where it came from, when the host has said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    /// It said something on the command channel. Not written for every message: when the end of the exchange is another, or a
    /// minute has passed.
    Spoke {
        /// When.
        at: Timestamp,
        /// How the exchange stands.
        exchanged: Exchanged,
    },
    /// It answered a command that this server does not know. The answer was accepted, or it would come for ever.
    UnknownCommand {
        /// When.
        at: Timestamp,
        /// `CommandUUID`, at most 64 characters of it; `None` when the device sent none.
        uuid: Option<CommandUuid>,
        /// `Status`, at most 64 characters of it.
        status: String,
    },
    /// It left.
    CheckedOut {
        /// When.
        at: Timestamp,
    },
    /// It was ended by the host, or by the end of the device's own channel.
    Disabled {
        /// When.
        at: Timestamp,
    },
    /// Its address is dead.
    Retired {
        /// When.
        at: Timestamp,
        /// Since when APNs has known it, in milliseconds since 1970; `None` when another enrollment took the token over.
        dead_since_ms: Option<u64>,
    },
}

/// How an enrollment begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Beginning {
    /// A device introduced itself with `Authenticate`.
    Device {
        /// When.
        at: Timestamp,
        /// The device's channel.
        id: EnrollmentId,
        /// The tenant at whose door it came.
        tenant: TenantId,
        /// The topic that it listens on.
        topic: Topic,
        /// The certificate that it is bound to.
        identity: Fingerprint,
        /// Where that came from, when the host has said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// 1, or one more than before.
        generation: u32,
    },
    /// A user's channel came up on an enrolled device.
    User {
        /// When.
        at: Timestamp,
        /// The user's channel.
        id: EnrollmentId,
        /// The device's tenant.
        tenant: TenantId,
        /// The device's topic.
        topic: Topic,
        /// 1, or one more than before.
        generation: u32,
        /// The generation of the device's enrollment.
        device_generation: u32,
    },
    /// It was taken over from another server.
    Migrated {
        /// When.
        at: Timestamp,
        /// The channel.
        id: EnrollmentId,
        /// The tenant that takes it over.
        tenant: TenantId,
        /// Where it is woken.
        address: Address,
        /// The certificate that it was bound to; the first that proves itself, when the other server did not know.
        identity: Option<Fingerprint>,
        /// `UnlockToken`.
        unlock_token: Option<Secret>,
        /// The bootstrap token.
        bootstrap_token: Option<Secret>,
        /// On a user's channel, the generation of the device's enrollment.
        device_generation: Option<u32>,
    },
}

impl Beginning {
    const fn id(&self) -> &EnrollmentId {
        match self {
            Beginning::Device { id, .. } | Beginning::User { id, .. } | Beginning::Migrated { id, .. } => id,
        }
    }

    const fn at(&self) -> Timestamp {
        match self {
            Beginning::Device { at, .. } | Beginning::User { at, .. } | Beginning::Migrated { at, .. } => *at,
        }
    }
}

impl Event {
    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Event::Began(beginning) => beginning.at(),
            Event::Renewed { at, .. }
            | Event::TokenUpdated { at, .. }
            | Event::BootstrapTokenSet { at, .. }
            | Event::SetupFinished { at }
            | Event::IdentityAnnounced { at, .. }
            | Event::RenewalExpected { at, .. }
            | Event::IdentityChanged { at, .. }
            | Event::Spoke { at, .. }
            | Event::UnknownCommand { at, .. }
            | Event::CheckedOut { at }
            | Event::Disabled { at }
            | Event::Retired { at, .. } => *at,
        }
    }
}

impl Enrollment {
    /// The record that a beginning makes.
    pub(super) fn new(beginning: &Beginning) -> Self {
        let blank = |id: &EnrollmentId, tenant: &TenantId, topic: &Topic, generation| Enrollment {
            format: Format,
            id: id.clone(),
            tenant: tenant.clone(),
            state: State::Authenticated,
            generation,
            device_generation: None,
            topic: topic.clone(),
            identity: None,
            origin: None,
            announced: Vec::new(),
            renewal_expected: None,
            renewing: false,
            binding: None,
            unlock_token: None,
            bootstrap_token: None,
            awaiting_configuration: false,
            token_updates: 0,
            began: beginning.at(),
            last_seen: beginning.at(),
            last_exchange: Exchanged::Idle,
            revision: Revision::FIRST,
        };
        match beginning {
            Beginning::Device { id, tenant, topic, identity, origin, generation, .. } => {
                Enrollment { identity: Some(*identity), origin: origin.clone(), ..blank(id, tenant, topic, *generation) }
            }
            Beginning::User { id, tenant, topic, generation, device_generation, .. } => {
                Enrollment { device_generation: Some(*device_generation), ..blank(id, tenant, topic, *generation) }
            }
            Beginning::Migrated { at, id, tenant, address, identity, unlock_token, bootstrap_token, device_generation } => {
                Enrollment {
                    state: State::Enrolled,
                    device_generation: *device_generation,
                    identity: *identity,
                    binding: Some(Binding::new(id.clone(), tenant.clone(), address.clone(), *at)),
                    unlock_token: unlock_token.clone(),
                    bootstrap_token: bootstrap_token.clone(),
                    token_updates: 1,
                    ..blank(id, tenant, address.topic(), 1)
                }
            }
        }
    }

    /// Takes in what happened, which the caller knows to fit.
    pub(super) fn take(&mut self, event: &Event) {
        self.revision = self.revision.next();
        self.last_seen = match event {
            // What the host or the authority did is no sign of life.
            Event::IdentityAnnounced { .. }
            | Event::RenewalExpected { .. }
            | Event::Disabled { .. }
            | Event::Retired { .. } => self.last_seen,
            seen => seen.at().max(self.last_seen),
        };
        match event {
            // As new, but the revision counts on.
            Event::Began(beginning) => *self = Enrollment { revision: self.revision, ..Self::new(beginning) },
            Event::Renewed { identity, origin, .. } => {
                self.bind(*identity, origin.as_ref());
                self.renewal_expected = None;
                self.renewing = true;
            }
            Event::IdentityChanged { identity, origin, .. } => self.bind(*identity, origin.as_ref()),
            Event::TokenUpdated { at, address, unlock_token, awaiting_configuration } => {
                self.state = State::Enrolled;
                self.topic = address.topic().clone();
                self.binding = Some(Binding::new(self.id.clone(), self.tenant.clone(), address.clone(), *at));
                // What was not sent is not taken back.
                self.unlock_token = unlock_token.clone().or(self.unlock_token.take());
                self.awaiting_configuration = awaiting_configuration.unwrap_or(self.awaiting_configuration);
                self.token_updates = self.token_updates.saturating_add(1);
                self.renewing = false;
            }
            Event::BootstrapTokenSet { token, .. } => self.bootstrap_token = token.clone(),
            Event::SetupFinished { .. } => self.awaiting_configuration = false,
            Event::IdentityAnnounced { identity, .. } => {
                self.announced.push(*identity);
                if self.announced.len() > MOST_ANNOUNCED {
                    self.announced.remove(0);
                }
            }
            Event::RenewalExpected { until, .. } => self.renewal_expected = Some(*until),
            Event::Spoke { exchanged, .. } => self.last_exchange = *exchanged,
            Event::CheckedOut { .. } => self.end(State::CheckedOut),
            Event::Disabled { .. } => self.end(State::Disabled),
            Event::Retired { .. } => {
                self.state = State::Retired;
                self.binding = None;
            }
            Event::UnknownCommand { .. } => {}
        }
    }

    fn bind(&mut self, identity: Fingerprint, origin: Option<&Origin>) {
        self.identity = Some(identity);
        self.origin = origin.cloned();
        // What was announced before the one that speaks will not come any more; what was announced after it may.
        self.announced.drain(..self.passed_over(identity));
        self.announced.retain(|announced| *announced != identity);
    }

    /// An end: nothing of it can be used any more.
    fn end(&mut self, state: State) {
        self.state = state;
        self.binding = None;
        self.unlock_token = None;
        self.bootstrap_token = None;
        self.identity = None;
        self.origin = None;
        self.announced.clear();
        self.renewal_expected = None;
        self.renewing = false;
        self.awaiting_configuration = false;
    }

    /// Which channel it is.
    pub const fn id(&self) -> &EnrollmentId {
        &self.id
    }

    /// Whose device it is.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// How often it has begun: 1, and one more with every reset.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// On a user's channel, the generation of the device's enrollment that it belongs to.
    pub const fn device_generation(&self) -> Option<u32> {
        self.device_generation
    }

    /// The push topic that it listens on.
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The certificate that it is bound to. `None` on a user's channel, which has its device's, and at the end.
    pub const fn identity(&self) -> Option<Fingerprint> {
        self.identity
    }

    /// Where the certificate that it is bound to came from; `None` when no host has said so.
    pub const fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Whether the device must enroll again because identities come from elsewhere now (J27): its certificate came from another authority,
    /// or from another era of this one. What a host asks of each enrollment once an external authority was changed
    /// ([`ScepAuthorityEffect::ReenrollBefore`](crate::external::ScepAuthorityEffect::ReenrollBefore)), and of the one that a message names.
    ///
    /// One whose certificate is of unknown origin owes it too: had it come from what is there now, the host would have
    /// [said so](super::Identity::coming_from). The device owes nothing any more once it speaks under a certificate of `present`. A user's channel
    /// has its device's identity and owes nothing of its own, and nothing is owed by what has ended.
    ///
    /// ```
    /// use mdm_core::enrollment::{Enrollment, Origin};
    /// use mdm_core::external::ScepAuthority;
    ///
    /// /// How many devices an operator has to ask to enroll again.
    /// fn owing<'a>(authority: &ScepAuthority, enrollments: impl IntoIterator<Item = &'a Enrollment>) -> usize {
    ///     let present = Origin { authority: authority.id().clone(), era: authority.era() };
    ///     enrollments.into_iter().filter(|enrollment| enrollment.owes_reenrollment(&present)).count()
    /// }
    /// ```
    pub fn owes_reenrollment(&self, present: &Origin) -> bool {
        self.state.is_live() && !self.id.kind().is_user_channel() && self.origin.as_ref() != Some(present)
    }

    /// The certificates that may take the place of the one it is bound to, each when it is first used; the oldest first, at most
    /// four. There are several when a device has renewed again before it spoke under the first: one of the answers got lost, and
    /// nobody knows which.
    pub fn announced_identities(&self) -> &[Fingerprint] {
        &self.announced
    }

    /// How many certificates were announced before this one.
    pub(super) fn passed_over(&self, identity: Fingerprint) -> usize {
        self.announced.iter().position(|announced| *announced == identity).unwrap_or(0)
    }

    /// Where it is woken. `None` before the first `TokenUpdate` and when its address is dead.
    pub const fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// `UnlockToken`, for `ClearPasscode`.
    pub const fn unlock_token(&self) -> Option<&Secret> {
        self.unlock_token.as_ref()
    }

    /// The bootstrap token.
    pub const fn bootstrap_token(&self) -> Option<&Secret> {
        self.bootstrap_token.as_ref()
    }

    /// Whether it waits in Setup Assistant for `DeviceConfigured`.
    pub const fn awaiting_configuration(&self) -> bool {
        self.awaiting_configuration
    }

    /// How many `TokenUpdate`s came since it began.
    pub const fn token_updates(&self) -> u64 {
        self.token_updates
    }

    /// When it began.
    pub const fn began(&self) -> Timestamp {
        self.began
    }

    /// When it was last heard of, to a minute.
    pub const fn last_seen(&self) -> Timestamp {
        self.last_seen
    }
}

impl Record for Enrollment {
    type Event = Event;
    type Effect = Effect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &Event) -> Result<Self, ReplayError> {
        match first {
            Event::Began(beginning) => Ok(Self::new(beginning)),
            _ => Err(ReplayError::NotThisRecord("no enrollment begins with this event")),
        }
    }

    fn apply(&mut self, event: &Event) -> Result<(), ReplayError> {
        // An ended enrollment begins anew, or nothing happens to it.
        let fits = match event {
            Event::Began(beginning) => *beginning.id() == self.id,
            _ => self.state.is_live(),
        };
        if !fits {
            return Err(ReplayError::NotThisRecord("it cannot happen to an enrollment in this state"));
        }
        self.take(event);
        Ok(())
    }
}
