//! The command channel: taking a report, handing out the next command, and knowing when a push is owed.

use super::check_in::Draft;
use super::contact::Contact;
use super::queue::{CommandState, QueueEvent, QueuedCommand, Schedule};
use super::record::{Enrollment, Event, Exchanged, State};
use super::{Effect, Error, Outcome, Reply};
use crate::command::{Command, Report, Status};
use crate::id::CommandUuid;
use crate::record::Change;
use crate::time::Timestamp;

/// A report that has been taken; what the device gets next is open.
///
/// The host reads the open commands of this one channel in the order of their [`Rank`](super::Rank), as lazily as it likes, and
/// hands them to [`Exchange::next`]. Dropping the exchange has no effect: the device repeats its report.
///
/// The rules, from "Sending MDM commands to a device" and "Handling NotNow status responses":
///
/// 1. After `NotNow` no command is handed out that has been refused before. The device answered for its condition, not for the
///    command, and would answer so for ever.
/// 2. After `Idle` or a final answer every open command may be handed out again, the fresh ones first.
/// 3. When nothing is left, or only what rule 1 forbids, the body is empty and the connection ends.
/// 4. A device comes again by itself only when `NotNow` was the last it said. By rules 1 and 2 it was, if a refused command is
///    left. In every other case a push is owed: [`Enrollment::wake_owed`] tells from when.
/// 5. A device may report twice, or late: answers are matched by `CommandUUID`, and the first final one counts.
/// 6. An answer to an unknown command, or without a `CommandUUID`, is accepted. Refused, it would come again and again.
#[derive(Debug)]
#[must_use = "the report is not stored and not answered until next() is called"]
pub struct Exchange {
    draft: Draft,
    answered: Option<QueuedCommand>,
    not_now: bool,
}

/// How long a device may be silent before it is woken again, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host writes it out with ..Patience::default()")]
pub struct Patience {
    /// After a command was handed out and not answered.
    pub answer: u32,
    /// After `NotNow`, when the device should come by itself. Some do not for hours.
    pub not_now: u32,
}

impl Default for Patience {
    /// Five minutes for an answer, an hour after `NotNow`.
    fn default() -> Self {
        Patience { answer: 300, not_now: 3_600 }
    }
}

/// Seconds within which a record is not changed only to say that the device was seen.
const SEEN_EVERY: i64 = 60;

/// Commands that one exchange marks as expired; more are passed over and marked the next time.
const MAX_EXPIRED: usize = 100;

/// Longest text of a device that goes into an event, in characters.
const MAX_TEXT: usize = 64;

impl Enrollment {
    /// Takes a report. `current` is the command that [`Report::command_uuid`] names, when this channel's queue has it.
    ///
    /// ```
    /// use mdm_core::command::Report;
    /// use mdm_core::enrollment::{Contact, Enrollment, Error, Outcome, QueuedCommand};
    /// use mdm_core::time::Timestamp;
    ///
    /// fn answer<'q>(
    ///     enrollment: &Enrollment,
    ///     report: &Report,
    ///     current: Option<&QueuedCommand>,
    ///     open: impl Iterator<Item = &'q QueuedCommand>,
    ///     contact: &Contact<'_>,
    ///     now: Timestamp,
    /// ) -> Result<Outcome, Error> {
    ///     Ok(enrollment.report(report, current, contact, now)?.next(open, now))
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error`]; [`Error::reply`] is what the device is told. Nothing has changed then.
    pub fn report(
        &self,
        report: &Report,
        current: Option<&QueuedCommand>,
        contact: &Contact<'_>,
        now: Timestamp,
    ) -> Result<Exchange, Error> {
        if report.enrollment()? != self.id {
            return Err(Error::OtherEnrollment);
        }
        let mut draft = self.admit(contact, now)?;
        let status = report.status();
        if *status == Status::IDLE {
            return Ok(Exchange { draft, answered: None, not_now: false });
        }
        let not_now = *status == Status::NOT_NOW;
        let uuid = report.command_uuid();
        let current = current.filter(|command| Some(command.uuid()) == uuid.as_ref() && command.belongs_to(self));
        let Some(current) = current else {
            let uuid = uuid.map(|uuid| CommandUuid::from(cut(uuid.as_str())));
            draft = draft.happened(Event::UnknownCommand { at: now, uuid, status: cut(status.as_str()) });
            return Ok(Exchange { draft, answered: None, not_now });
        };
        let Some(step) = current.answered(status, now) else {
            return Ok(Exchange { draft, answered: Some(current.clone()), not_now });
        };
        let configured = current.request_type() == "DeviceConfigured" && *status == Status::ACKNOWLEDGED;
        if configured && draft.change.record.awaiting_configuration {
            draft = draft.happened(Event::SetupFinished { at: now });
        }
        let answered = Some(step.record.clone());
        draft.commands.push(step);
        Ok(Exchange { draft, answered, not_now })
    }

    /// Queues a command. `order` is the host's own sequence number, such as an automatic key of its database, and must grow: many
    /// commands may be queued in one second.
    ///
    /// # Errors
    /// [`Error::NotEnrolled`] when the channel is not managed, [`Error::Unwritable`] when a text in the command has no form in XML.
    pub fn enqueue(
        &self,
        command: &Command,
        schedule: Schedule,
        order: u64,
        now: Timestamp,
    ) -> Result<Change<QueuedCommand>, Error> {
        if !matches!(self.state, State::Enrolled | State::Retired) {
            return Err(Error::NotEnrolled);
        }
        let mut queued = QueuedCommand::enqueue(self, command, schedule, order, now).map_err(Error::Unwritable)?;
        // A retired device has no address; it gets the command when it comes by itself.
        let at = schedule.not_before.unwrap_or(now).max(now);
        queued.effects.extend(self.binding.iter().map(|_| Effect::Wake { at }));
        Ok(queued)
    }

    /// From when a push is owed to this channel, when one is; `open` are the open commands of its queue in any order. What is past
    /// is owed now. A host asks this for channels that have open commands and have been silent.
    pub fn wake_owed<'q>(
        &self,
        open: impl IntoIterator<Item = &'q QueuedCommand>,
        patience: &Patience,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.binding.as_ref()?;
        let owed_from = |command: &QueuedCommand| {
            let since = match (self.last_exchange, command.state()) {
                // After an empty answer nothing that could be handed out was left: the command is newer.
                (Exchanged::Idle, _) | (Exchanged::NotNow, CommandState::Queued) => command.changed(),
                (Exchanged::NotNow, _) => self.last_seen.plus_seconds(patience.not_now.into()),
                (Exchanged::HandedOut, CommandState::Sent) => {
                    command.changed().max(self.last_seen).plus_seconds(patience.answer.into())
                }
                (Exchanged::HandedOut, _) => self.last_seen.plus_seconds(patience.answer.into()),
            };
            since.max(command.schedule().not_before.unwrap_or(since))
        };
        open.into_iter().filter(|command| self.can_be_handed_out(command, now)).map(owed_from).min()
    }

    /// Whether a command is this channel's and open, be it not yet.
    fn can_be_handed_out(&self, command: &QueuedCommand, now: Timestamp) -> bool {
        command.belongs_to(self) && command.state().is_open() && !command.is_past(now)
    }
}

impl Exchange {
    /// Ends the exchange with the next command, or with an empty body. `open` are the open commands of this channel, as stored
    /// before the report, in the order of their rank; no more of them are looked at than needed.
    pub fn next<'q>(self, open: impl IntoIterator<Item = &'q QueuedCommand>, now: Timestamp) -> Outcome {
        let Exchange { mut draft, answered, not_now } = self;
        let answers = answered.as_ref().map(QueuedCommand::uuid);
        let mut chosen: Option<QueuedCommand> = None;
        let mut later: Option<Timestamp> = None;
        for command in open {
            // The stored form of the command that was just answered is out of date.
            let command = answered.as_ref().filter(|_| answers == Some(command.uuid())).unwrap_or(command);
            if !command.belongs_to(&draft.change.record) || !command.state().is_open() {
                continue;
            }
            if let Some(step) = command.expire(now) {
                if draft.commands.len() < MAX_EXPIRED {
                    add(&mut draft.commands, step);
                }
                continue;
            }
            match command.schedule().not_before {
                Some(moment) if moment > now => later = Some(later.map_or(moment, |later| later.min(moment))),
                _ if not_now && !command.is_fresh() => {}
                _ => {
                    chosen = Some(command.clone());
                    break;
                }
            }
        }
        let managed = matches!(draft.change.record.state, State::Enrolled | State::Retired);
        match chosen.filter(|_| managed) {
            Some(command) => {
                let body = command.payload().expose().to_vec();
                add(&mut draft.commands, command.happened(QueueEvent::Sent { at: now }));
                spoke(draft, Exchanged::HandedOut, now).reply(Reply::Body(body))
            }
            None => {
                if let Some(at) = later {
                    draft = draft.effect(Effect::Wake { at });
                }
                let exchanged = if not_now { Exchanged::NotNow } else { Exchanged::Idle };
                spoke(draft, exchanged, now).reply(Reply::Empty)
            }
        }
    }
}

/// One step for each command: what happens to it later in the exchange is added to what has happened.
fn add(steps: &mut Vec<Change<QueuedCommand>>, step: Change<QueuedCommand>) {
    match steps.iter_mut().find(|earlier| earlier.record.uuid() == step.record.uuid()) {
        Some(earlier) => {
            earlier.record = step.record;
            earlier.events.extend(step.events);
        }
        None => steps.push(step),
    }
}

/// Notes that the device spoke, unless that was noted within the minute and nothing else has changed.
fn spoke(draft: Draft, exchanged: Exchanged, now: Timestamp) -> Draft {
    let record = &draft.change.record;
    if record.last_exchange == exchanged && now.seconds_since(record.last_seen) < SEEN_EVERY {
        return draft;
    }
    draft.happened(Event::Spoke { at: now, exchanged })
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
