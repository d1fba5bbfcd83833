//! One queued command.

use serde::{Deserialize, Serialize};

use super::{Effect, Enrollment};
use crate::command::{Command, Status};
use crate::id::{CommandUuid, EnrollmentId, Revision, TenantId};
use crate::plist;
use crate::record::stored::Format;
use crate::record::{Change, Record, ReplayError};
use crate::secret::Secret;
use crate::time::Timestamp;

/// The record of one command for one channel. A host stores each by itself, under the channel and `CommandUUID`, and never loads
/// more of a queue than it hands to [`Exchange::next`](super::Exchange::next).
///
/// ```text
///            handed out              Acknowledged
///   Queued ─────────────► Sent ─────────────────────► Acknowledged
///     │                   ▲  │      Error, other
///     │        handed out │  ├──────────────────────► Error
///     │                   │  │  CommandFormatError
///     │                   │  ├──────────────────────► CommandFormatError
///     │                   │  │ NotNow
///     │                   └──┴───► NotNow
///     └─────────────────────┴────────┴──── cancel ──► Cancelled ─┐  a late answer
///                                     └─ past expiry ► Expired ───┴► is recorded still
/// ```
///
/// An answered command is never handed out again, and the first answer is the one that counts. A cancelled or expired command is
/// not handed out again either; when the device had it already, its answer still tells what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedCommand {
    format: Format,
    enrollment: EnrollmentId,
    tenant: TenantId,
    generation: u32,
    uuid: CommandUuid,
    request_type: String,
    payload: Secret,
    order: u64,
    schedule: Schedule,
    state: CommandState,
    changed: Timestamp,
    setbacks: u32,
    unanswered: u32,
    revision: Revision,
}

/// Where a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CommandState {
    /// Waits to be handed out.
    Queued,
    /// Handed out; the answer is awaited.
    Sent,
    /// The device could not take it and will be asked again.
    NotNow,
    /// Carried out.
    Acknowledged,
    /// Not carried out.
    Error,
    /// Not understood by the device.
    CommandFormatError,
    /// Not answered before its expiry.
    Expired,
    /// Taken back by the host, or by the end of the enrollment.
    Cancelled,
}

impl CommandState {
    /// Whether it may still be handed out.
    pub const fn is_open(self) -> bool {
        matches!(self, CommandState::Queued | CommandState::Sent | CommandState::NotNow)
    }

    /// Whether the device has given its final answer.
    pub const fn is_answered(self) -> bool {
        matches!(self, CommandState::Acknowledged | CommandState::Error | CommandState::CommandFormatError)
    }

    /// The state that a final status leads to. What is no status of Apple's is taken as an error: it is an answer, and a command
    /// that has been answered must not be handed out for ever.
    fn after(status: &Status) -> Self {
        if *status == Status::ACKNOWLEDGED {
            CommandState::Acknowledged
        } else if *status == Status::COMMAND_FORMAT_ERROR {
            CommandState::CommandFormatError
        } else {
            CommandState::Error
        }
    }
}

/// When a command may be handed out, and before which others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host writes it out with ..Schedule::default()")]
pub struct Schedule {
    /// Higher goes first; 0 is usual.
    pub priority: i16,
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// Not after this moment.
    pub expires: Option<Timestamp>,
}

/// What happened to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum QueueEvent {
    /// It was queued.
    Queued(Box<Queued>),
    /// It was handed out.
    Sent {
        /// When.
        at: Timestamp,
    },
    /// The device could not take it.
    NotNow {
        /// When.
        at: Timestamp,
    },
    /// The device has answered.
    Answered {
        /// When.
        at: Timestamp,
        /// The state that the answer leads to.
        state: CommandState,
    },
    /// Its time is over.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It was taken back.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// A command as it was queued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Queued {
    /// When.
    pub at: Timestamp,
    /// Whose queue it is in.
    pub enrollment: EnrollmentId,
    /// Whose device that is.
    pub tenant: TenantId,
    /// The generation of the enrollment that it is for.
    pub generation: u32,
    /// `CommandUUID`.
    pub uuid: CommandUuid,
    /// `RequestType`.
    pub request_type: String,
    /// The property list that the device gets. It may hold passwords.
    pub payload: Secret,
    /// The host's sequence number.
    pub order: u64,
    /// When it may be handed out.
    pub schedule: Schedule,
}

/// The place of a command in its channel's queue: the smallest is handed out first. A host stores its bytes as a column and reads
/// a queue in the order of that column; the bytes compare as the ranks do.
///
/// First come the commands with the fewest setbacks (`NotNow`, or three hand-outs without an answer), then those of higher
/// priority, then the older ones. So a refused command is tried after the fresh ones, and the device's last word in a connection
/// is `NotNow` when anything is left, after which it comes again by itself; and no command that fails for ever keeps another from
/// its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rank {
    setbacks: u32,
    // Turned round, so that a higher priority is a smaller rank.
    urgency: u16,
    order: u64,
}

impl Rank {
    /// Fourteen bytes that compare as the rank does.
    pub fn to_bytes(self) -> [u8; 14] {
        let mut bytes = [0; 14];
        let parts = self.setbacks.to_be_bytes().into_iter().chain(self.urgency.to_be_bytes()).chain(self.order.to_be_bytes());
        for (slot, octet) in bytes.iter_mut().zip(parts) {
            *slot = octet;
        }
        bytes
    }
}

/// Hand-outs without an answer that count as one setback. A connection breaks now and then; a command that breaks every one must
/// not block the queue.
const PATIENCE: u32 = 3;

impl QueuedCommand {
    /// Queues a command for an enrollment; see [`Enrollment::enqueue`].
    pub(super) fn enqueue(
        enrollment: &Enrollment,
        command: &Command,
        schedule: Schedule,
        order: u64,
        now: Timestamp,
    ) -> Result<Change<Self>, plist::Error> {
        let queued = Queued {
            at: now,
            enrollment: enrollment.id.clone(),
            tenant: enrollment.tenant.clone(),
            generation: enrollment.generation,
            uuid: command.uuid.clone(),
            request_type: command.request.request_type().to_owned(),
            payload: Secret::new(command.to_xml()?),
            order,
            schedule,
        };
        Ok(Change::one(Self::new(queued.clone()), QueueEvent::Queued(Box::new(queued)), Vec::new()))
    }

    fn new(queued: Queued) -> Self {
        let Queued { at, enrollment, tenant, generation, uuid, request_type, payload, order, schedule } = queued;
        QueuedCommand {
            format: Format,
            enrollment,
            tenant,
            generation,
            uuid,
            request_type,
            payload,
            order,
            schedule,
            state: CommandState::Queued,
            changed: at,
            setbacks: 0,
            unanswered: 0,
            revision: Revision::FIRST,
        }
    }

    fn take(&mut self, event: &QueueEvent) {
        let (at, state) = match event {
            QueueEvent::Queued(_) => return,
            QueueEvent::Sent { at } => (*at, CommandState::Sent),
            QueueEvent::NotNow { at } => (*at, CommandState::NotNow),
            QueueEvent::Answered { at, state } => (*at, *state),
            QueueEvent::Expired { at } => (*at, CommandState::Expired),
            QueueEvent::Cancelled { at } => (*at, CommandState::Cancelled),
        };
        match (self.state, state) {
            (CommandState::Sent, CommandState::Sent) => self.unanswered = self.unanswered.saturating_add(1),
            (_, CommandState::Sent) => self.unanswered = 1,
            _ => self.unanswered = 0,
        }
        if state == CommandState::NotNow || self.unanswered > PATIENCE {
            self.setbacks = self.setbacks.saturating_add(1);
            self.unanswered = 0;
        }
        self.changed = at;
        self.state = state;
        self.revision = self.revision.next();
    }

    pub(super) fn happened(&self, event: QueueEvent) -> Change<Self> {
        let mut record = self.clone();
        record.take(&event);
        Change::one(record, event, Vec::new())
    }

    /// What an answer to this command changes; `None` for what was answered before, or says nothing new.
    pub(super) fn answered(&self, status: &Status, now: Timestamp) -> Option<Change<Self>> {
        if self.state.is_answered() {
            return None;
        }
        if *status == Status::NOT_NOW {
            // A command that was taken back stays so.
            return self.state.is_open().then(|| self.happened(QueueEvent::NotNow { at: now }));
        }
        Some(self.happened(QueueEvent::Answered { at: now, state: CommandState::after(status) }))
    }

    /// Takes it back. `None` when it is not open any more. A device that has it may carry it out all the same.
    pub fn cancel(&self, now: Timestamp) -> Option<Change<Self>> {
        self.state.is_open().then(|| self.happened(QueueEvent::Cancelled { at: now }))
    }

    /// Takes it back because its generation of the enrollment has ended ([`Effect::ClearQueue`](super::Effect::ClearQueue)). `None`
    /// when it is not open any more, or was queued for a later one.
    pub fn cancel_ended(&self, generation: u32, now: Timestamp) -> Option<Change<Self>> {
        (self.generation <= generation).then(|| self.cancel(now)).flatten()
    }

    /// Ends it when its time is over; `None` when it is not, or when it is not open any more.
    pub fn expire(&self, now: Timestamp) -> Option<Change<Self>> {
        (self.state.is_open() && self.is_past(now)).then(|| self.happened(QueueEvent::Expired { at: now }))
    }

    pub(super) fn is_past(&self, now: Timestamp) -> bool {
        self.schedule.expires.is_some_and(|expires| expires < now)
    }

    /// Whether it belongs to this enrollment, as it is now and not as it was before a reset.
    pub(super) fn belongs_to(&self, enrollment: &Enrollment) -> bool {
        self.enrollment == enrollment.id && self.tenant == enrollment.tenant && self.generation == enrollment.generation
    }

    /// Its place in the queue.
    pub fn rank(&self) -> Rank {
        // From i16::MAX at 0 down to i16::MIN at 65,535.
        let urgency = i32::from(i16::MAX).saturating_sub(i32::from(self.schedule.priority));
        Rank { setbacks: self.setbacks, urgency: u16::try_from(urgency).unwrap_or(u16::MAX), order: self.order }
    }

    /// Whether it has never been refused, nor handed out too often.
    pub(super) const fn is_fresh(&self) -> bool {
        self.setbacks == 0
    }

    /// Whose queue it is in.
    pub const fn enrollment(&self) -> &EnrollmentId {
        &self.enrollment
    }

    /// Whose device that is.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// `CommandUUID`.
    pub const fn uuid(&self) -> &CommandUuid {
        &self.uuid
    }

    /// `RequestType`.
    pub fn request_type(&self) -> &str {
        &self.request_type
    }

    /// The property list that the device gets. It may hold passwords.
    pub const fn payload(&self) -> &Secret {
        &self.payload
    }

    /// When it may be handed out.
    pub const fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// Where it stands.
    pub const fn state(&self) -> CommandState {
        self.state
    }

    /// When it last changed.
    pub const fn changed(&self) -> Timestamp {
        self.changed
    }

    /// How often the device could not take it, or did not answer it.
    pub const fn setbacks(&self) -> u32 {
        self.setbacks
    }
}

impl Record for QueuedCommand {
    type Event = QueueEvent;
    type Effect = Effect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &QueueEvent) -> Result<Self, ReplayError> {
        match first {
            QueueEvent::Queued(queued) => Ok(Self::new(Queued::clone(queued))),
            _ => Err(ReplayError::NotThisRecord("no command begins with this event")),
        }
    }

    fn apply(&mut self, event: &QueueEvent) -> Result<(), ReplayError> {
        let fits = match event {
            QueueEvent::Queued(_) => false,
            // A late answer to what was taken back, or has expired, is still recorded.
            QueueEvent::Answered { .. } => !self.state.is_answered(),
            QueueEvent::Sent { .. } | QueueEvent::NotNow { .. } | QueueEvent::Expired { .. } | QueueEvent::Cancelled { .. } => {
                self.state.is_open()
            }
        };
        if !fits {
            return Err(ReplayError::NotThisRecord("it cannot happen to a command in this state"));
        }
        self.take(event);
        Ok(())
    }
}
