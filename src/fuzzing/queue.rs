//! Random lives of one device's queue, against a model that fits in the head.

use std::collections::BTreeMap;

use crate::checkin::{Authenticate, CheckIn, TokenUpdate};
use crate::command::{Command, DeviceInformation, Report, ReportEnvelope, Status};
use crate::enrollment::{
    CommandState, Contact, Effect, Enrollment, Event, Fingerprint, Identity, Patience, QueueEvent, QueuedCommand, Reply,
    Schedule,
};
use crate::id::{CommandUuid, TenantId};
use crate::limits::Limits;
use crate::push::Topic;
use crate::record::{Change, Record};
use crate::time::Timestamp;
use crate::x509::Standing;

/// Every command is answered once and none is lost, whatever device and host do.
///
/// Each step is an octet, and some take one more:
///
/// ```text
///   0–2  the host queues a command of a priority       7  the device reports again what it has answered
///   3    the host takes a command back                 8  time goes by
///   4–6  the device connects and answers: an octet counts the commands, two bits of the next tell how each
/// ```
pub(super) fn queue(data: &[u8]) {
    let mut world = World::new();
    let mut octets = data.iter().copied();
    while let Some(step) = octets.next() {
        let argument = octets.next().unwrap_or_default();
        match step % 9 {
            0..=2 => world.enqueue(i16::from(argument % 5) - 2),
            3 => world.cancel(argument.into()),
            4..=6 => {
                let answers: Vec<Answer> = octets.by_ref().take(usize::from(argument % 12)).map(Answer::of).collect();
                world.connect(&answers);
            }
            7 => world.repeat(argument.into()),
            _ => world.now = world.now.plus_seconds(i64::from(argument) * 20),
        }
        world.check();
    }
    world.refuse_everything();
    world.check();
    world.obey();
    assert!(world.model.values().all(|known| !known.open), "what the device does in the end is done");
}

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
    refused: bool,
    handed_out: u32,
    first_answer: Option<CommandState>,
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
            last: Last::Nothing,
        }
    }

    fn enqueue(&mut self, priority: i16) {
        let order = u64::try_from(self.rows.len()).expect("the model says so");
        let uuid = order.to_string();
        let schedule = Schedule { priority, ..Schedule::default() };
        let queued = self.record.enqueue(&command(&uuid), schedule, order, self.now).expect("the model says so");
        assert_eq!(queued.effects, [Effect::Wake { at: self.now }]);
        assert_eq!(queued.expected(), None);
        self.rows.insert(uuid.clone(), (queued.record, queued.events));
        self.model.insert(uuid, Known { open: true, ..Known::default() });
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
        }
        assert_eq!(outcome.reply.status(), 200);
        let Reply::Body(body) = outcome.reply else {
            self.last = if not_now { Last::Polls } else { Last::Nothing };
            return None;
        };
        let given = Command::parse(&body, &Limits::MESSAGE).expect("the model says so").uuid.to_string();
        let known = self.model.get_mut(&given).expect("the model says so");
        assert!(known.open, "{given} was handed out after it was answered or taken back");
        assert!(!(not_now && known.refused), "{given} was refused and is handed out after NotNow");
        known.handed_out += 1;
        self.last = Last::Broken;
        Some(given)
    }

    fn answer(&mut self, uuid: &str, answer: Answer) -> Option<String> {
        let known = self.model.get_mut(uuid).expect("the model says so");
        let status = match answer {
            Answer::NotNow => {
                known.refused |= known.open;
                Status::NOT_NOW
            }
            Answer::Final(well) => {
                let state = if well { CommandState::Acknowledged } else { CommandState::Error };
                known.open = false;
                known.first_answer.get_or_insert(state);
                if well { Status::ACKNOWLEDGED } else { Status::ERROR }
            }
        };
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
        let open = self.model.values().filter(|known| known.open).count();
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
        let mut open = self.model.iter().filter(|(_, known)| known.open);
        let Some(_) = open.clone().next() else { return assert_eq!(owed, None) };
        let unseen = open.any(|(uuid, known)| known.handed_out == 0 && self.rows[uuid].0.state() == CommandState::Queued);
        let owed = owed.expect("a command is open, so the device must be woken some time");
        match self.last {
            Last::Nothing => assert!(owed <= self.now, "idle with an open command"),
            Last::Polls if unseen => assert!(owed <= self.now, "a command that it does not know of"),
            Last::Polls => assert_eq!(owed, self.record.last_seen().plus_seconds(patience.not_now.into())),
            Last::Broken => {
                let latest = self.record.last_seen().max(self.now).plus_seconds(patience.answer.into());
                assert!(owed <= latest, "never heard of again");
                assert!(owed >= self.record.last_seen().plus_seconds(patience.answer.into()), "woken while it works");
            }
        }
    }
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
