//! One host with its tables, and devices that talk to it.

mod check_in;
mod life;
mod origin;
mod queue;

use super::*;
use crate::checkin::{Authenticate, CheckIn, CheckOut, TokenUpdate};
use crate::command::{Command, DeviceInformation, Report, ReportEnvelope, Status};
use crate::id::{CommandUuid, EnrollmentId, TenantId};
use crate::push::Topic;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
const TOPIC: &str = "com.apple.mgmt.External.a";

fn topic(text: &str) -> Topic {
    text.parse().unwrap()
}

fn fingerprint(seed: u8) -> Fingerprint {
    Fingerprint::from_bytes([seed; 32])
}

/// The circumstances that most tests vary a little.
struct Door {
    tenant: TenantId,
    topics: Vec<Topic>,
    policy: Policy,
}

impl Default for Door {
    fn default() -> Self {
        Door { tenant: "a".into(), topics: vec![topic(TOPIC)], policy: Policy::default() }
    }
}

impl Door {
    fn by(&self, seed: u8) -> Contact<'_> {
        self.with(Identity::new(fingerprint(seed), Standing::InForce))
    }

    fn with<'a>(&'a self, identity: Identity<'a>) -> Contact<'a> {
        Contact::new(&self.tenant, &self.topics, identity).under(self.policy)
    }
}

/// Who speaks: a device, or a user on it.
#[derive(Clone, Copy)]
struct Speaker {
    udid: &'static str,
    user: Option<&'static str>,
}

const DEVICE: Speaker = Speaker { udid: "D", user: None };
const USER: Speaker = Speaker { udid: "D", user: Some("U") };

impl Speaker {
    fn id(self) -> EnrollmentId {
        self.authenticate().enrollment().unwrap()
    }

    fn authenticate(self) -> CheckIn {
        Authenticate {
            topic: Some(TOPIC.into()),
            udid: Some(self.udid.into()),
            user_id: self.user.map(Into::into),
            ..Authenticate::default()
        }
        .into()
    }

    fn update(self, token: u8) -> TokenUpdate {
        TokenUpdate {
            topic: Some(TOPIC.into()),
            udid: Some(self.udid.into()),
            user_id: self.user.map(Into::into),
            token: Some(vec![token; 32].into()),
            push_magic: Some("MAGIC".into()),
            ..TokenUpdate::default()
        }
    }

    fn token_update(self, token: u8) -> CheckIn {
        self.update(token).into()
    }

    fn check_out(self) -> CheckIn {
        CheckOut {
            topic: Some(TOPIC.into()),
            udid: Some(self.udid.into()),
            user_id: self.user.map(Into::into),
            ..CheckOut::default()
        }
        .into()
    }

    fn report(self, status: Status, uuid: Option<&str>) -> Report {
        ReportEnvelope {
            status: Some(status),
            command_uuid: uuid.map(Into::into),
            udid: Some(self.udid.into()),
            user_id: self.user.map(Into::into),
            ..ReportEnvelope::default()
        }
        .into()
    }
}

/// A device enrolled with certificate 1 and token 1.
fn enrolled() -> Enrollment {
    let door = Door::default();
    let record = Enrollment::begin(&DEVICE.authenticate(), &door.by(1), NOW).unwrap().enrollment.record;
    record.receive(&DEVICE.token_update(1), &door.by(1), NOW).unwrap().enrollment.record
}

fn user_on(device: &Enrollment) -> Enrollment {
    let door = Door::default();
    Enrollment::begin(&USER.token_update(2), &door.by(1).on_device(Some(device)), NOW).unwrap().enrollment.record
}

fn command(uuid: &str) -> Command {
    Command::new(CommandUuid::from(uuid), DeviceInformation::default())
}
