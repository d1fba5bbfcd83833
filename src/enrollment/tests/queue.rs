//! The command channel, rule by rule.

use super::*;
use crate::command::DeviceConfigured;
use crate::record::Record;

/// The queue of one channel, as a host's table has it.
struct Queue {
    enrollment: Enrollment,
    commands: Vec<QueuedCommand>,
    now: Timestamp,
}

impl Queue {
    fn new(uuids: &[&str]) -> Self {
        let mut queue = Queue { enrollment: enrolled(), commands: Vec::new(), now: NOW };
        for uuid in uuids {
            queue.add(uuid, Schedule::default());
        }
        queue
    }

    fn add(&mut self, uuid: &str, schedule: Schedule) -> Vec<Effect> {
        let order = u64::try_from(self.commands.len()).unwrap();
        let queued = self.enrollment.enqueue(&command(uuid), schedule, order, self.now).unwrap();
        self.commands.push(queued.record);
        queued.effects
    }

    /// One message of the device, and what it gets: the `CommandUUID` of the next command.
    fn says(&mut self, status: Status, uuid: Option<&str>) -> Option<String> {
        self.exchange(status, uuid).1
    }

    fn exchange(&mut self, status: Status, uuid: Option<&str>) -> (Outcome, Option<String>) {
        let door = Door::default();
        let current = self.commands.iter().find(|command| Some(command.uuid().as_str()) == uuid).cloned();
        let exchange = self.enrollment.report(&DEVICE.report(status, uuid), current.as_ref(), &door.by(1), self.now).unwrap();
        self.commands.sort_by_key(QueuedCommand::rank);
        let outcome = exchange.next(self.commands.iter().filter(|command| command.state().is_open()), self.now);
        for step in &outcome.commands {
            *self.commands.iter_mut().find(|command| command.uuid() == step.record.uuid()).unwrap() = step.record.clone();
        }
        self.enrollment = outcome.enrollment.record.clone();
        let given = match &outcome.reply {
            Reply::Body(body) => {
                let parsed = Command::parse(body, &crate::limits::Limits::MESSAGE).unwrap();
                Some(parsed.uuid.to_string())
            }
            Reply::Empty => None,
            other => panic!("{other:?}"),
        };
        (outcome, given)
    }

    fn idle(&mut self) -> Option<String> {
        self.says(Status::IDLE, None)
    }

    fn state(&self, uuid: &str) -> CommandState {
        self.commands.iter().find(|command| command.uuid().as_str() == uuid).unwrap().state()
    }

    fn owed(&self) -> Option<i64> {
        let owed = self.enrollment.wake_owed(&self.commands, &Patience::default(), self.now);
        owed.map(|at| at.seconds_since(self.now).max(0))
    }
}

fn some(uuid: &str) -> Option<String> {
    Some(uuid.to_owned())
}

#[test]
fn commands_are_handed_out_in_order_until_none_is_left() {
    let mut queue = Queue::new(&["1", "2"]);
    assert_eq!(queue.owed(), Some(0));
    assert_eq!(queue.idle(), some("1"));
    assert_eq!(queue.says(Status::ACKNOWLEDGED, Some("1")), some("2"));
    assert_eq!(queue.says(Status::ERROR, Some("2")), None);
    assert_eq!((queue.state("1"), queue.state("2")), (CommandState::Acknowledged, CommandState::Error));
    assert_eq!((queue.idle(), queue.owed()), (None, None));
}

#[test]
fn after_not_now_no_refused_command_is_handed_out() {
    let mut queue = Queue::new(&["1", "2"]);
    queue.idle();
    assert_eq!(queue.says(Status::NOT_NOW, Some("1")), some("2"));
    assert_eq!(queue.says(Status::NOT_NOW, Some("2")), None);
    assert_eq!(queue.owed(), Some(3_600), "the device comes by itself; only its long silence is a reason to push");
    assert_eq!(queue.idle(), some("1"), "after Idle they are handed out again");
}

#[test]
fn after_another_answer_the_refused_command_comes_again_so_that_not_now_is_the_last_word() {
    let mut queue = Queue::new(&["1", "2"]);
    queue.idle();
    assert_eq!(queue.says(Status::NOT_NOW, Some("1")), some("2"));
    assert_eq!(queue.says(Status::ACKNOWLEDGED, Some("2")), some("1"));
    assert_eq!(queue.says(Status::NOT_NOW, Some("1")), None);
    assert_eq!(queue.owed(), Some(3_600));
}

#[test]
fn fresh_commands_go_before_refused_ones_and_refused_ones_take_turns() {
    let mut queue = Queue::new(&["1", "2"]);
    queue.idle();
    queue.says(Status::NOT_NOW, Some("1"));
    queue.says(Status::NOT_NOW, Some("2"));
    queue.add("3", Schedule::default());
    assert_eq!(queue.idle(), some("3"));
    assert_eq!(queue.says(Status::ACKNOWLEDGED, Some("3")), some("1"));
    assert_eq!(queue.says(Status::NOT_NOW, Some("1")), None);
    assert_eq!(queue.idle(), some("2"), "1 has had its second turn");
}

#[test]
fn a_higher_priority_goes_first() {
    let mut queue = Queue::new(&["1"]);
    queue.add("2", Schedule { priority: 1, ..Schedule::default() });
    queue.add("3", Schedule { priority: i16::MIN, ..Schedule::default() });
    queue.add("4", Schedule { priority: i16::MAX, ..Schedule::default() });
    let mut given = vec![queue.idle().unwrap()];
    while let Some(next) = queue.says(Status::ACKNOWLEDGED, Some(&given.last().unwrap().clone())) {
        given.push(next);
    }
    assert_eq!(given, ["4", "2", "1", "3"]);
}

#[test]
fn ranks_compare_as_their_bytes() {
    let queue = Queue::new(&["1", "2"]);
    let [one, two] = &queue.commands[..] else { panic!() };
    let refused = one.apply_not_now();
    assert!(one.rank() < two.rank() && two.rank() < refused.rank());
    assert!(one.rank().to_bytes() < two.rank().to_bytes() && two.rank().to_bytes() < refused.rank().to_bytes());
}

impl QueuedCommand {
    fn apply_not_now(&self) -> QueuedCommand {
        let mut refused = self.clone();
        refused.apply(&QueueEvent::NotNow { at: NOW }).unwrap();
        refused
    }
}

#[test]
fn an_answer_counts_once() {
    let mut queue = Queue::new(&["1", "2"]);
    queue.idle();
    queue.says(Status::ACKNOWLEDGED, Some("1"));
    for status in [Status::ACKNOWLEDGED, Status::COMMAND_FORMAT_ERROR] {
        let (outcome, given) = queue.exchange(status, Some("1"));
        assert!(outcome.commands.iter().all(|step| step.record.uuid().as_str() == "2"));
        assert_eq!((queue.state("1"), given), (CommandState::Acknowledged, some("2")));
    }
    assert_eq!(queue.says(Status::NOT_NOW, Some("1")), some("2"));
    assert_eq!(queue.state("1"), CommandState::Acknowledged);
}

#[test]
fn an_answer_to_an_unknown_command_is_accepted() {
    let mut queue = Queue::new(&["1"]);
    let (outcome, given) = queue.exchange(Status::ERROR, Some("gone"));
    assert_eq!((outcome.reply.status(), given), (200, some("1")));
    assert!(matches!(&outcome.enrollment.events[0], Event::UnknownCommand { uuid: Some(uuid), .. } if uuid.as_str() == "gone"));
    let long = "x".repeat(1 << 20);
    let (outcome, _) = queue.exchange(Status::from(long.as_str()), Some(&long));
    let Event::UnknownCommand { uuid: Some(uuid), status, .. } = &outcome.enrollment.events[0] else { panic!() };
    assert_eq!((uuid.as_str().len(), status.len()), (64, 64));
}

#[test]
fn an_answer_without_a_name_is_accepted() {
    let mut queue = Queue::new(&["1"]);
    queue.idle();
    let (outcome, given) = queue.exchange(Status::COMMAND_FORMAT_ERROR, None);
    assert!(matches!(outcome.enrollment.events[0], Event::UnknownCommand { uuid: None, .. }));
    assert_eq!(given, some("1"));
    assert_eq!(queue.says(Status::NOT_NOW, None), some("1"));
}

#[test]
fn a_status_that_is_none_of_the_five_ends_the_command() {
    let mut queue = Queue::new(&["1"]);
    queue.idle();
    assert_eq!(queue.says(Status::from("Perhaps"), Some("1")), None);
    assert_eq!(queue.state("1"), CommandState::Error);
}

#[test]
fn a_command_of_before_a_reset_is_not_handed_out() {
    let mut queue = Queue::new(&["1"]);
    let door = Door::default();
    let reset = queue.enrollment.receive(&DEVICE.authenticate(), &door.by(2), NOW).unwrap().enrollment.record;
    queue.enrollment = reset.receive(&DEVICE.token_update(1), &door.by(2), NOW).unwrap().enrollment.record;
    let exchange = |queue: &Queue, report: Report, current: Option<&QueuedCommand>| {
        queue.enrollment.report(&report, current, &door.by(2), NOW).unwrap().next(&queue.commands, NOW)
    };
    assert_eq!(exchange(&queue, DEVICE.report(Status::IDLE, None), None).reply, Reply::Empty);
    assert_eq!(queue.owed(), None);
    let late = exchange(&queue, DEVICE.report(Status::ACKNOWLEDGED, Some("1")), Some(&queue.commands[0]));
    assert!(matches!(late.enrollment.events[0], Event::UnknownCommand { .. }) && late.commands.is_empty());
}

#[test]
fn clearing_a_queue_twice_takes_back_nothing_new() {
    let mut queue = Queue::new(&["1"]);
    let door = Door::default();
    let reset = queue.enrollment.receive(&DEVICE.authenticate(), &door.by(2), NOW).unwrap();
    let Effect::ClearQueue { generation, .. } = reset.enrollment.effects[0] else { panic!() };
    queue.enrollment = reset.enrollment.record.receive(&DEVICE.token_update(1), &door.by(2), NOW).unwrap().enrollment.record;
    queue.add("2", Schedule::default());
    let [old, new] = &queue.commands[..] else { panic!() };
    assert_eq!(old.cancel_ended(generation, NOW).unwrap().record.state(), CommandState::Cancelled);
    assert_eq!(new.cancel_ended(generation, NOW), None);
}

#[test]
fn a_command_waits_for_its_time_and_not_beyond() {
    let mut queue = Queue::new(&[]);
    let later = Schedule { not_before: Some(NOW.plus_seconds(100)), ..Schedule::default() };
    assert_eq!(queue.add("later", later), [Effect::Wake { at: NOW.plus_seconds(100) }]);
    queue.add("short", Schedule { expires: Some(NOW.plus_seconds(50)), ..Schedule::default() });
    queue.now = NOW.plus_seconds(51);
    let (outcome, given) = queue.exchange(Status::IDLE, None);
    assert_eq!((given, queue.state("short")), (None, CommandState::Expired));
    assert_eq!(outcome.enrollment.effects, [Effect::Wake { at: NOW.plus_seconds(100) }]);
    assert_eq!(queue.owed(), Some(49));
    queue.now = NOW.plus_seconds(100);
    assert_eq!((queue.owed(), queue.idle()), (Some(0), some("later")));
}

#[test]
fn a_cancelled_command_is_not_handed_out_but_its_late_answer_is_recorded() {
    let mut queue = Queue::new(&["1", "2"]);
    queue.idle();
    for command in &mut queue.commands {
        *command = command.cancel(NOW).unwrap().record;
        assert_eq!((command.cancel(NOW), command.expire(NOW)), (None, None));
    }
    assert_eq!(queue.says(Status::NOT_NOW, Some("1")), None);
    assert_eq!(queue.state("1"), CommandState::Cancelled);
    assert_eq!(queue.says(Status::ACKNOWLEDGED, Some("1")), None);
    assert_eq!((queue.state("1"), queue.state("2")), (CommandState::Acknowledged, CommandState::Cancelled));
}

#[test]
fn a_command_that_is_never_answered_does_not_block_the_queue() {
    let mut queue = Queue::new(&["poison", "2"]);
    let given: Vec<_> = (0..8).map(|_| queue.idle().unwrap()).collect();
    assert_eq!(given, ["poison", "poison", "poison", "poison", "2", "2", "2", "2"]);
    assert_eq!(queue.owed(), Some(300), "the device did not answer; it is woken after a while");
    assert_eq!(queue.says(Status::ACKNOWLEDGED, Some("poison")), some("2"));
}

#[test]
fn a_device_that_was_not_heard_is_woken_again() {
    let mut queue = Queue::new(&["1", "2"]);
    queue.idle();
    queue.now = NOW.plus_seconds(299);
    assert_eq!(queue.owed(), Some(1));
    queue.now = NOW.plus_seconds(300);
    assert_eq!(queue.owed(), Some(0));
}

#[test]
fn a_command_queued_while_the_device_sleeps_on_not_now_owes_a_push() {
    let mut queue = Queue::new(&["1"]);
    queue.idle();
    queue.says(Status::NOT_NOW, Some("1"));
    assert_eq!(queue.owed(), Some(3_600));
    assert_eq!(queue.add("2", Schedule::default()), [Effect::Wake { at: NOW }]);
    assert_eq!(queue.owed(), Some(0));
}

#[test]
fn setup_assistant_is_left_when_the_device_has_been_configured() {
    let door = Door::default();
    let update = TokenUpdate { awaiting_configuration: Some(true), ..DEVICE.update(1) };
    let waiting = enrolled().receive(&update.into(), &door.by(1), NOW).unwrap().enrollment.record;
    let configured = Command::new("C", DeviceConfigured::default());
    let queued = waiting.enqueue(&configured, Schedule::default(), 1, NOW).unwrap().record;
    let done = |status| {
        let report = DEVICE.report(status, Some("C"));
        waiting
            .report(&report, Some(&queued), &door.by(1), NOW)
            .unwrap()
            .next([], NOW)
            .enrollment
            .record
            .awaiting_configuration()
    };
    assert!(done(Status::ERROR) && done(Status::NOT_NOW));
    assert!(!done(Status::ACKNOWLEDGED));
}

#[test]
fn nothing_is_queued_for_who_is_not_managed() {
    let door = Door::default();
    let begun = Enrollment::begin(&DEVICE.authenticate(), &door.by(1), NOW).unwrap().enrollment.record;
    let queue = |record: &Enrollment| record.enqueue(&command("1"), Schedule::default(), 1, NOW);
    assert_eq!(queue(&begun).unwrap_err(), Error::NotEnrolled);
    assert_eq!(queue(&enrolled().disable(NOW).unwrap().record).unwrap_err(), Error::NotEnrolled);
    let token = enrolled().binding().unwrap().token().clone();
    let retired = enrolled().displace(&token, NOW).unwrap().record;
    assert_eq!(queue(&retired).unwrap().effects, [], "it cannot be woken, but may come");
    let idle = begun.report(&DEVICE.report(Status::IDLE, None), None, &door.by(1), NOW).unwrap();
    assert_eq!(idle.next([], NOW).reply, Reply::Empty);
    let odd = Command::new("nul\0", DeviceInformation::default());
    assert!(matches!(enrolled().enqueue(&odd, Schedule::default(), 1, NOW), Err(Error::Unwritable(_))));
}

#[test]
fn a_report_is_let_in_like_any_message() {
    let door = Door::default();
    let record = enrolled();
    let idle = DEVICE.report(Status::IDLE, None);
    let revoked = door.with(Identity::new(fingerprint(1), Standing::Revoked(NOW)));
    assert!(matches!(record.report(&idle, None, &revoked, NOW), Err(Error::Identity(_))));
    assert!(matches!(record.report(&idle, None, &door.by(2), NOW), Err(Error::OtherIdentity)));
    assert!(matches!(record.report(&USER.report(Status::IDLE, None), None, &door.by(1), NOW), Err(Error::OtherEnrollment)));
    let device = record.clone();
    let user = user_on(&device);
    let contact = door.by(1).on_device(Some(&device));
    assert!(user.report(&USER.report(Status::IDLE, None), None, &contact, NOW).is_ok());
    assert!(matches!(user.report(&USER.report(Status::IDLE, None), None, &door.by(1), NOW), Err(Error::NotEnrolled)));
}

#[test]
fn being_seen_is_written_once_a_minute() {
    let mut queue = Queue::new(&[]);
    queue.now = NOW.plus_seconds(59);
    assert_eq!(queue.exchange(Status::IDLE, None).0.enrollment.events, []);
    queue.now = NOW.plus_seconds(60);
    assert_eq!(queue.exchange(Status::IDLE, None).0.enrollment.events.len(), 1);
    assert_eq!(queue.enrollment.last_seen(), NOW.plus_seconds(60));
}

#[test]
fn the_stored_form_of_a_command_does_not_move() {
    let queue = Queue::new(&["1"]);
    let text = serde_json::to_string(&queue.commands[0]).unwrap();
    assert_eq!(serde_json::from_str::<QueuedCommand>(&text).unwrap(), queue.commands[0]);
    let payload = text.split("\"payload\":\"").nth(1).unwrap().split('"').next().unwrap();
    let stable = concat!(
        r#"{"format":1,"enrollment":{"kind":"Device","device":"D","user":null},"tenant":"a","generation":1,"uuid":"1","#,
        r#""request_type":"DeviceInformation","payload":"","order":0,"#,
        r#""schedule":{"priority":0,"not_before":null,"expires":null},"state":"Queued","changed":1790000000,"#,
        r#""setbacks":0,"unanswered":0,"revision":1}"#
    );
    assert_eq!(text.replace(payload, ""), stable);
    assert!(!format!("{:?}", queue.commands[0]).contains("RequestType"));
}
