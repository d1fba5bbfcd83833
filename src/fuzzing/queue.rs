//! Random lives of one device's queue, against a model that fits in the head.

use std::collections::BTreeMap;

use crate::checkin::{Authenticate, CheckIn, CheckOut, TokenUpdate};
use crate::command::{Command, DeviceInformation, Report, ReportEnvelope, Status};
use crate::enrollment::{
    CommandState, Contact, Effect, Enrollment, Error, Event, Fingerprint, Identity, Patience, QueueEvent, QueuedCommand, Reply,
    Schedule,
};
use crate::id::{CommandUuid, TenantId};
use crate::limits::Limits;
use crate::push::Topic;
use crate::record::{Change, Record};
use crate::time::Timestamp;
use crate::x509::Standing;

/// Every command is answered once and none is lost, the right one is handed out, and none of an enrollment that has ended, whatever
/// device and host do.
///
/// Each step is an octet, and one more says with what:
///
/// ```text
///   0–2  the host queues a command: of a priority,      7  the device reports again what it has answered
///        from a moment on, up to a moment               8  time goes by
///   3    the host takes a command back                  9  the device enrols anew, and may have left before
///   4–6  the device connects and answers: the octet    10  the host clears some of what enrollments have left
///        counts the commands, two bits of each of
///        the next tell how it answers
/// ```
pub(super) fn queue(data: &[u8]) {
    let mut world = World::new();
    let mut octets = data.iter().copied();
    while let Some(step) = octets.next() {
        let argument = octets.next().unwrap_or_default();
        match step % 11 {
            0..=2 => world.enqueue(argument),
            3 => world.cancel(argument.into()),
            4..=6 => {
                let answers: Vec<Answer> = octets.by_ref().take(usize::from(argument % 12)).map(Answer::of).collect();
                world.connect(&answers);
            }
            7 => world.repeat(argument.into()),
            8 => world.now = world.now.plus_seconds(i64::from(argument) * 20),
            9 => world.enrol_anew(argument & 1 != 0),
            _ => world.clear(argument.into()),
        }
        world.check();
    }
    world.refuse_everything();
    world.check();
    // Everything that waits for its time has it now, or is past it.
    world.now = world.now.plus_days(1);
    world.obey();
    world.clear(usize::MAX);
    world.check();
    assert!(world.model.values().all(|known| !known.open), "what the device does in the end is done");
}

/// Commands in one life: every step looks at all of them.
const MOST: usize = 90;

#[derive(Clone, Copy, Debug)]
enum Answer {
    Final(bool),
    NotNow,
}

impl Answer {
    fn of(octet: u8) -> Self {
        if octet & 1 == 0 { Answer::NotNow } else { Answer::Final(octet & 2 == 0) }
    }
}

/// What the model remembers of a command.
#[derive(Default)]
struct Known {
    open: bool,
    /// The enrollment that it was queued for has ended.
    void: bool,
    schedule: Schedule,
    order: u64,
    handed_out: u32,
    /// How often it was handed out since it was last answered.
    in_a_row: u32,
    /// How often it was refused, or handed out four times in a row.
    setbacks: u32,
    first_answer: Option<CommandState>,
}

impl Known {
    fn is_past(&self, now: Timestamp) -> bool {
        self.schedule.expires.is_some_and(|end| end < now)
    }

    /// Open, and not given up; be it not yet its time.
    fn waits(&self, now: Timestamp) -> bool {
        self.open && !self.void && !self.is_past(now)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.waits(now) && self.schedule.not_before.is_none_or(|from| from <= now)
    }

    /// The smallest comes first.
    fn place(&self) -> (u32, i32, u64) {
        (self.setbacks, -i32::from(self.schedule.priority), self.order)
    }

    fn refused(&mut self) {
        (self.setbacks, self.in_a_row) = (self.setbacks + 1, 0);
    }

    fn handed_out(&mut self) {
        (self.handed_out, self.in_a_row) = (self.handed_out + 1, self.in_a_row + 1);
        if self.in_a_row > 3 {
            self.refused();
        }
    }
}

/// The last that passed between device and server.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Last {
    /// The server had nothing for an answer other than `NotNow`.
    Nothing,
    /// The server had nothing after `NotNow`.
    Polls,
    /// The device has a command, or it got lost.
    Broken,
}

struct World {
    door: Door,
    now: Timestamp,
    record: Enrollment,
    events: Vec<Event>,
    rows: BTreeMap<String, (QueuedCommand, Vec<QueueEvent>)>,
    model: BTreeMap<String, Known>,
    /// The generations whose queue is to be cleared.
    ended: Vec<u32>,
    last: Last,
}

impl World {
    fn new() -> Self {
        let door = Door::new();
        let begun = Enrollment::begin(&authenticate(), &door.contact(), NOW).expect("a first message");
        let enrolled = begun.enrollment.record.receive(&token_update(), &door.contact(), NOW).expect("a second one");
        World {
            door,
            now: NOW,
            record: enrolled.enrollment.record,
            events: [begun.enrollment.events, enrolled.enrollment.events].concat(),
            rows: BTreeMap::new(),
            model: BTreeMap::new(),
            ended: Vec::new(),
            last: Last::Nothing,
        }
    }

    fn enqueue(&mut self, with: u8) {
        if self.rows.len() == MOST {
            return;
        }
        let order = u64::try_from(self.rows.len()).expect("the model says so");
        let uuid = order.to_string();
        let in_some =
            |bit: u8, seconds: i64| (with & bit != 0).then(|| self.now.plus_seconds(seconds * i64::from(1 + (with >> 6))));
        let (not_before, expires) = (in_some(0x20, 90), in_some(0x10, 300));
        let schedule = Schedule { priority: i16::from(with % 5) - 2, not_before, expires };
        let queued = self.record.enqueue(&command(&uuid), schedule, order, self.now).expect("the model says so");
        assert_eq!(queued.effects, [Effect::Wake { at: not_before.unwrap_or(self.now) }]);
        assert_eq!(queued.expected(), None);
        self.rows.insert(uuid.clone(), (queued.record, queued.events));
        self.model.insert(uuid, Known { open: true, schedule, order, ..Known::default() });
    }

    /// A check-in message, and what it does to the enrollment.
    fn check_in(&mut self, message: &CheckIn) {
        let outcome = self.record.receive(message, &self.door.contact(), self.now).expect("the model says so");
        assert!(outcome.commands.is_empty(), "a check-in message answers no command");
        assert_eq!(outcome.enrollment.expected(), Some(self.record.revision()));
        self.record = outcome.enrollment.record;
        self.events.extend(outcome.enrollment.events);
        for effect in outcome.enrollment.effects {
            if let Effect::ClearQueue { generation, .. } = effect {
                self.ended.push(generation);
            }
        }
    }

    /// What was queued before is void from the first message on, whether the host has cleared it or not.
    fn enrol_anew(&mut self, leaves: bool) {
        if leaves {
            self.check_in(&check_out());
            let idle = self.record.report(&report(Status::IDLE, None), None, &self.door.contact(), self.now);
            assert_eq!(idle.err(), Some(Error::NotEnrolled));
        }
        self.check_in(&authenticate());
        self.check_in(&token_update());
        self.model.values_mut().for_each(|known| known.void = true);
        self.last = Last::Nothing;
    }

    /// The host carries out a part of what it was told to clear.
    fn clear(&mut self, most: usize) {
        let Some(generation) = self.ended.iter().copied().max() else { return };
        let mut left = most;
        for uuid in self.rows.keys().cloned().collect::<Vec<_>>() {
            let Some(step) = self.rows[&uuid].0.cancel_ended(generation, self.now) else { continue };
            let known = self.model.get_mut(&uuid).expect("the model says so");
            assert!(known.open && known.void, "{uuid} was cleared from a queue that goes on");
            if left == 0 {
                return;
            }
            left -= 1;
            known.open = false;
            self.store(&step);
        }
        self.ended.clear();
    }

    fn store(&mut self, change: &Change<QueuedCommand>) {
        let (row, events) = self.rows.get_mut(change.record.uuid().as_str()).expect("the model says so");
        assert_eq!(change.expected(), Some(row.revision()));
        *row = change.record.clone();
        events.extend(change.events.iter().cloned());
    }

    fn repeat(&mut self, at: usize) {
        let mut answered = self.model.iter().filter(|(_, known)| known.first_answer.is_some());
        if let Some(uuid) = answered.nth(at).map(|(uuid, _)| uuid.clone()) {
            self.answer(&uuid, Answer::Final(at.is_multiple_of(2)));
        }
    }

    /// The device does all that it is told.
    fn obey(&mut self) {
        let mut given = self.message(Status::IDLE, None);
        while let Some(uuid) = given {
            given = self.answer(&uuid, Answer::Final(true));
            self.check();
        }
    }

    fn cancel(&mut self, at: usize) {
        let Some(uuid) = self.rows.keys().nth(at).cloned() else { return };
        let known = self.model.get_mut(&uuid).expect("the model says so");
        let step = self.rows[&uuid].0.cancel(self.now);
        assert_eq!(step.is_some(), known.open);
        known.open = false;
        if let Some(step) = step {
            self.store(&step);
        }
    }

    /// One message; gives the `CommandUUID` that came back.
    fn message(&mut self, status: Status, uuid: Option<&str>) -> Option<String> {
        let current = uuid.map(|uuid| self.rows[uuid].0.clone());
        let not_now = status == Status::NOT_NOW;
        let exchange = self
            .record
            .report(&report(status, uuid), current.as_ref(), &self.door.contact(), self.now)
            .expect("the model says so");
        let mut open: Vec<_> = self.rows.values().map(|(row, _)| row).filter(|row| row.state().is_open()).cloned().collect();
        open.sort_by_key(|row| row.rank().to_bytes());
        let outcome = exchange.next(&open, self.now);
        let revision =
            self.record.revision().get() + u64::try_from(outcome.enrollment.events.len()).expect("the model says so");
        assert_eq!(outcome.enrollment.record.revision().get(), revision);
        self.record = outcome.enrollment.record;
        self.events.extend(outcome.enrollment.events);
        for step in &outcome.commands {
            self.store(step);
            if step.record.state() == CommandState::Expired {
                let known = self.model.get_mut(step.record.uuid().as_str()).expect("the model says so");
                assert!(known.open && !known.void && known.is_past(self.now), "its time is not over");
                known.open = false;
            }
        }
        assert_eq!(outcome.reply.status(), 200);
        let next = self.next(not_now);
        let Reply::Body(body) = outcome.reply else {
            assert_eq!(next, None, "a command that could be handed out");
            assert!(self.model.values().all(|known| !known.open || known.void || !known.is_past(self.now)), "past and open");
            self.last = if not_now { Last::Polls } else { Last::Nothing };
            return None;
        };
        let given = Command::parse(&body, &Limits::MESSAGE).expect("the model says so");
        assert_eq!(given, command(given.uuid.as_str()), "another command than was queued");
        let given = given.uuid.to_string();
        assert_eq!(next, Some(given.clone()), "not the one whose turn it is");
        self.model.get_mut(&given).expect("the model says so").handed_out();
        self.last = Last::Broken;
        Some(given)
    }

    /// The command whose turn it is: after `NotNow`, none that was ever refused.
    fn next(&self, not_now: bool) -> Option<String> {
        let due = self.model.iter().filter(|(_, known)| known.is_due(self.now) && !(not_now && known.setbacks > 0));
        due.min_by_key(|(_, known)| known.place()).map(|(uuid, _)| uuid.clone())
    }

    fn answer(&mut self, uuid: &str, answer: Answer) -> Option<String> {
        let known = self.model.get_mut(uuid).expect("the model says so");
        let status = match answer {
            Answer::NotNow => Status::NOT_NOW,
            Answer::Final(true) => Status::ACKNOWLEDGED,
            Answer::Final(false) => Status::ERROR,
        };
        // What is said of a command of an earlier enrollment says nothing.
        match answer {
            _ if known.void => {}
            Answer::NotNow if known.open => known.refused(),
            Answer::NotNow => {}
            Answer::Final(well) => {
                let state = if well { CommandState::Acknowledged } else { CommandState::Error };
                known.open = false;
                known.first_answer.get_or_insert(state);
            }
        }
        self.message(status, Some(uuid))
    }

    fn connect(&mut self, answers: &[Answer]) {
        let mut given = self.message(Status::IDLE, None);
        for answer in answers {
            let Some(uuid) = given else { return };
            given = self.answer(&uuid, *answer);
        }
    }

    /// A device that refuses everything gets each open command at most once, and the connection ends.
    fn refuse_everything(&mut self) {
        let open = self.model.values().filter(|known| known.waits(self.now)).count();
        let mut given = self.message(Status::IDLE, None);
        let mut count = 0;
        while let Some(uuid) = given {
            count += 1;
            assert!(count <= open, "NotNow without end");
            given = self.answer(&uuid, Answer::NotNow);
        }
    }

    fn check(&self) {
        for (uuid, known) in &self.model {
            let (row, events) = &self.rows[uuid];
            assert_eq!(row.state().is_open(), known.open, "{uuid}");
            if let Some(state) = known.first_answer {
                assert_eq!(row.state(), state, "{uuid}: the first answer counts");
            }
            assert!(known.handed_out > 0 || known.first_answer.is_none(), "{uuid} was answered and never handed out");
            assert_eq!(QueuedCommand::replay(events).as_ref(), Ok(row));
            let answers = events.iter().filter(|event| matches!(event, QueueEvent::Answered { .. })).count();
            assert!(answers <= 1, "{uuid} was answered twice");
        }
        assert_eq!(Enrollment::replay(&self.events).expect("the model says so"), self.record);
        self.check_owed();
    }

    fn check_owed(&self) {
        let patience = Patience::default();
        let owed = self.record.wake_owed(self.rows.values().map(|(row, _)| row), &patience, self.now);
        let waiting = || self.model.iter().filter(|(_, known)| known.waits(self.now));
        let Some(first) = waiting().map(|(_, known)| known.schedule.not_before.unwrap_or(self.now)).min() else {
            return assert_eq!(owed, None);
        };
        let owed = owed.expect("a command is open, so the device must be woken some time");
        if first > self.now {
            let latest = first.max(self.record.last_seen().plus_seconds(patience.not_now.into()));
            return assert!((first..=latest).contains(&owed), "woken before anything is to be had, or never");
        }
        let is_unseen = |(uuid, known): &(&String, &Known)| {
            known.is_due(self.now) && known.handed_out == 0 && self.rows[*uuid].0.state() == CommandState::Queued
        };
        let comes_again = self.record.last_seen().plus_seconds(patience.not_now.into());
        match self.last {
            Last::Nothing => assert!(owed <= self.now, "idle with an open command"),
            Last::Polls if waiting().any(|known| is_unseen(&known)) => {
                assert!(owed <= self.now, "a command that it does not know of")
            }
            Last::Polls if nothing_is_for_later(waiting()) => assert_eq!(owed, comes_again),
            Last::Polls => assert!(owed <= comes_again, "never heard of again"),
            Last::Broken => {
                let latest = self.record.last_seen().max(self.now).plus_seconds(patience.answer.into());
                assert!(owed <= latest, "never heard of again");
                assert!(owed >= self.record.last_seen().plus_seconds(patience.answer.into()), "woken while it works");
            }
        }
    }
}

/// Whether nothing waits for a moment of its own.
fn nothing_is_for_later<'a>(mut waiting: impl Iterator<Item = (&'a String, &'a Known)>) -> bool {
    waiting.all(|(_, known)| known.schedule.not_before.is_none())
}

const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
const TOPIC: &str = "com.apple.mgmt.External.a";

/// The one tenant, at whose door the one device speaks.
struct Door {
    tenant: TenantId,
    topics: [Topic; 1],
}

impl Door {
    fn new() -> Self {
        Door { tenant: "a".into(), topics: [TOPIC.parse().expect("a topic")] }
    }

    fn contact(&self) -> Contact<'_> {
        let identity = Identity::new(Fingerprint::from_bytes([1; 32]), Standing::InForce);
        Contact::new(&self.tenant, &self.topics, identity)
    }
}

fn authenticate() -> CheckIn {
    Authenticate { topic: Some(TOPIC.into()), udid: Some("D".into()), ..Authenticate::default() }.into()
}

fn token_update() -> CheckIn {
    TokenUpdate {
        topic: Some(TOPIC.into()),
        udid: Some("D".into()),
        token: Some(vec![1; 32].into()),
        push_magic: Some("MAGIC".into()),
        ..TokenUpdate::default()
    }
    .into()
}

fn check_out() -> CheckIn {
    CheckOut { topic: Some(TOPIC.into()), udid: Some("D".into()), ..CheckOut::default() }.into()
}

fn report(status: Status, uuid: Option<&str>) -> Report {
    ReportEnvelope {
        status: Some(status),
        command_uuid: uuid.map(Into::into),
        udid: Some("D".into()),
        ..ReportEnvelope::default()
    }
    .into()
}

fn command(uuid: &str) -> Command {
    Command::new(CommandUuid::from(uuid), DeviceInformation::default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_command_is_answered_once_and_none_is_lost(steps in prop::collection::vec(any::<u8>(), 0..160)) {
            super::queue(&steps);
        }
    }
}
