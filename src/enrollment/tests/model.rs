//! Random lives of one queue, against a model that fits in the head.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::record::{Change, Record};

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// The host queues a command of this priority.
    Enqueue(i16),
    /// The host takes a command back.
    Cancel(usize),
    /// The device connects and answers each command in turn; when it has no answer left, it breaks the connection.
    Connect(Vec<Answer>),
    /// The device reports again what it has answered before.
    Repeat(usize),
    /// Time goes by.
    Wait(u16),
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Final(bool),
    NotNow,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let answer = prop_oneof![any::<bool>().prop_map(Answer::Final), Just(Answer::NotNow)];
    let step = prop_oneof![
        3 => (-2_i16..3).prop_map(Step::Enqueue),
        1 => (0_usize..20).prop_map(Step::Cancel),
        4 => prop::collection::vec(answer, 0..12).prop_map(Step::Connect),
        1 => (0_usize..20).prop_map(Step::Repeat),
        1 => (0_u16..5_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..40)
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
    now: Timestamp,
    record: Enrollment,
    events: Vec<Event>,
    rows: BTreeMap<String, (QueuedCommand, Vec<QueueEvent>)>,
    model: BTreeMap<String, Known>,
    last: Last,
}

impl World {
    fn new() -> Self {
        let door = Door::default();
        let begun = Enrollment::begin(&DEVICE.authenticate(), &door.by(1), NOW).unwrap();
        let enrolled = begun.enrollment.record.receive(&DEVICE.token_update(1), &door.by(1), NOW).unwrap();
        World {
            now: NOW,
            record: enrolled.enrollment.record,
            events: [begun.enrollment.events, enrolled.enrollment.events].concat(),
            rows: BTreeMap::new(),
            model: BTreeMap::new(),
            last: Last::Nothing,
        }
    }

    fn enqueue(&mut self, priority: i16) {
        let order = u64::try_from(self.rows.len()).unwrap();
        let uuid = order.to_string();
        let schedule = Schedule { priority, ..Schedule::default() };
        let queued = self.record.enqueue(&command(&uuid), schedule, order, self.now).unwrap();
        assert_eq!(queued.effects, [Effect::Wake { at: self.now }]);
        assert_eq!(queued.expected(), None);
        self.rows.insert(uuid.clone(), (queued.record, queued.events));
        self.model.insert(uuid, Known { open: true, ..Known::default() });
    }

    fn store(&mut self, change: &Change<QueuedCommand>) {
        let (row, events) = self.rows.get_mut(change.record.uuid().as_str()).unwrap();
        assert_eq!(change.expected(), Some(row.revision()));
        *row = change.record.clone();
        events.extend(change.events.iter().cloned());
    }

    fn cancel(&mut self, at: usize) {
        let Some(uuid) = self.rows.keys().nth(at).cloned() else { return };
        let known = self.model.get_mut(&uuid).unwrap();
        let step = self.rows[&uuid].0.cancel(self.now);
        assert_eq!(step.is_some(), known.open);
        known.open = false;
        if let Some(step) = step {
            self.store(&step);
        }
    }

    /// One message; gives the `CommandUUID` that came back.
    fn message(&mut self, status: Status, uuid: Option<&str>) -> Option<String> {
        let door = Door::default();
        let current = uuid.map(|uuid| self.rows[uuid].0.clone());
        let not_now = status == Status::NOT_NOW;
        let exchange = self.record.report(&DEVICE.report(status, uuid), current.as_ref(), &door.by(1), self.now).unwrap();
        let mut open: Vec<_> = self.rows.values().map(|(row, _)| row).filter(|row| row.state().is_open()).cloned().collect();
        open.sort_by_key(|row| row.rank().to_bytes());
        let outcome = exchange.next(&open, self.now);
        let revision = self.record.revision().get() + u64::try_from(outcome.enrollment.events.len()).unwrap();
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
        let given = Command::parse(&body, &crate::limits::Limits::MESSAGE).unwrap().uuid.to_string();
        let known = self.model.get_mut(&given).unwrap();
        assert!(known.open, "{given} was handed out after it was answered or taken back");
        assert!(!(not_now && known.refused), "{given} was refused and is handed out after NotNow");
        known.handed_out += 1;
        self.last = Last::Broken;
        Some(given)
    }

    fn answer(&mut self, uuid: &str, answer: Answer) -> Option<String> {
        let known = self.model.get_mut(uuid).unwrap();
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
        assert_eq!(Enrollment::replay(&self.events).unwrap(), self.record);
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_command_is_answered_once_and_none_is_lost(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Enqueue(priority) => world.enqueue(priority),
                Step::Cancel(at) => world.cancel(at),
                Step::Connect(answers) => world.connect(&answers),
                Step::Repeat(at) => {
                    let answered = world.model.iter().filter(|(_, known)| known.first_answer.is_some()).nth(at);
                    if let Some(uuid) = answered.map(|(uuid, _)| uuid.clone()) {
                        world.answer(&uuid, Answer::Final(at % 2 == 0));
                    }
                }
                Step::Wait(seconds) => world.now = world.now.plus_seconds(seconds.into()),
            }
            world.check();
        }
        world.refuse_everything();
        world.check();
        // At last the device does all that it is told.
        let mut given = world.message(Status::IDLE, None);
        while let Some(uuid) = given {
            given = world.answer(&uuid, Answer::Final(true));
            world.check();
        }
        prop_assert!(world.model.values().all(|known| !known.open));
    }
}
