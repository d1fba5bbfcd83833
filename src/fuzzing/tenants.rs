//! Random lives of two tenants whose devices are woken, against a model of who holds what.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode};

use super::pki::provider;
use crate::checkin::{Authenticate, CheckIn, CheckOut, TokenUpdate};
use crate::crypto::{KeyKind, SigningKey};
use crate::enrollment::{Contact, Effect, Enrollment, Error, Fingerprint, Identity, Outcome, TokenHolder};
use crate::id::{EnrollmentId, TenantId};
use crate::push::{
    Answer, Binding, Complaint, Descent, Environment, PushCertificate, Refused, RetryPolicy, Topic, Verdict, Wake, Waking,
};
use crate::record::{Change, Record};
use crate::time::Timestamp;
use crate::x509::{CertificateTemplate, Extensions, Name, SerialNumber, Standing, Validity};

/// No tenant's device is woken over another's certificate, no token is held by two, and every push that is owed goes out once,
/// whatever devices, APNs and hosts do.
///
/// Three octets are a step: what happens, to which device, and with which token, certificate, door or answer. An answer of APNs may come
/// at once, or after all that happens in between, or never.
pub(super) fn tenants(data: &[u8]) {
    let mut world = World::new();
    for step in data.chunks_exact(3) {
        let [what, which, with] = [step[0], step[1], step[2]];
        let device = usize::from(which) % DEVICES;
        match what % 10 {
            0 => world.authenticate(device, usize::from(with)),
            1..=3 => world.token_update(device, with),
            4 => world.check_out(device),
            5 => world.wake_with(device, usize::from(with)),
            6 => world.owe(device, with),
            7 => world.push(device, with),
            8 => world.certificate(usize::from(which), with),
            _ => world.now = world.now.plus_seconds(i64::from(with) * 60),
        }
        world.check();
    }
}

const DEVICES: usize = 5;
const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
const TOPICS: [&str; 2] = ["com.apple.mgmt.External.a", "com.apple.mgmt.External.b"];
/// Owner and topic of each certificate. The last is a mistake: one tenant has uploaded the other's.
const CERTIFICATES: [(usize, usize); 3] = [(0, 0), (1, 1), (1, 0)];

struct World {
    now: Timestamp,
    tenants: [TenantId; 2],
    topics: [Topic; 2],
    certificates: Vec<PushCertificate>,
    devices: Vec<Device>,
    /// The model: which device holds a token.
    holders: BTreeMap<u8, usize>,
}

#[derive(Default)]
struct Device {
    record: Option<Enrollment>,
    waking: Option<Waking>,
    /// A push that APNs has not answered: the wake, how many were sent for it, the token that it went to.
    out: Option<(Wake, u32, u8)>,
    /// The tenant at whose door it last introduced itself.
    tenant: usize,
    /// The model: what its pushes wait for.
    expected: Expected,
    /// The model: when it last told its token.
    told: Option<Timestamp>,
}

/// When the next push to a device is due.
#[derive(Clone, Copy, Default, Debug)]
enum Expected {
    #[default]
    Nothing,
    /// From this moment on; whether APNs or a paused topic has put it off.
    From(Timestamp, bool),
    /// Sent at this moment, and not answered.
    Unanswered(Timestamp),
    /// Taken by APNs at this moment.
    Taken(Timestamp),
}

impl Expected {
    fn due(self) -> Option<Timestamp> {
        match self {
            Expected::From(at, _) => Some(at),
            Expected::Unanswered(since) => Some(since.plus_seconds(Waking::ANSWER_TIMEOUT)),
            Expected::Nothing | Expected::Taken(_) => None,
        }
    }

    fn owe(self, at: Timestamp, now: Timestamp) -> Self {
        match self {
            Expected::From(_, true) => self,
            Expected::From(earlier, false) => Expected::From(earlier.min(at), false),
            // The push that nobody answered counts: what is sent next is its repetition.
            Expected::Unanswered(since) if since.plus_seconds(Waking::ANSWER_TIMEOUT) <= now => Expected::From(at, true),
            Expected::Unanswered(_) => self,
            Expected::Taken(since) if at <= now && now < since.plus_seconds(Waking::DELIVERED_FOR) => self,
            Expected::Taken(_) | Expected::Nothing => Expected::From(at, false),
        }
    }

    fn contacted(self, now: Timestamp) -> Self {
        match self {
            Expected::From(at, _) if at > now => self,
            _ => Expected::Nothing,
        }
    }
}

impl World {
    fn new() -> Self {
        World {
            now: NOW,
            tenants: ["a".into(), "b".into()],
            topics: TOPICS.map(|topic| topic.parse().expect("a topic")),
            certificates: certificates(),
            devices: (0..DEVICES).map(|_| Device::default()).collect(),
            holders: BTreeMap::new(),
        }
    }

    /// One message of a device at the door of its tenant, or at another.
    fn say(&self, device: usize, message: &CheckIn, door: usize, holder: Option<usize>) -> Result<Outcome, Error> {
        let seed = u8::try_from(device).expect("few devices");
        let identity = Identity::new(Fingerprint::from_bytes([seed; 32]), Standing::InForce);
        let holder =
            holder.and_then(|holder| self.devices[holder].record.as_ref()).map(|record| (record.tenant(), record.id()));
        let holder = holder.map(|(tenant, enrollment)| TokenHolder { tenant, enrollment });
        let topics = std::slice::from_ref(&self.topics[door]);
        let contact = Contact::new(&self.tenants[door], topics, identity).token_held_by(holder);
        match &self.devices[device].record {
            Some(record) => record.receive(message, &contact, self.now),
            None => Enrollment::begin(message, &contact, self.now),
        }
    }

    /// Stores an enrollment, and retires those that its effects name.
    fn keep(&mut self, device: usize, change: Change<Enrollment>) {
        let stored = self.devices[device].record.as_ref().map(Record::revision);
        assert!(change.events.is_empty() || change.expected() == stored, "made of the stored record");
        self.devices[device].record = Some(change.record);
        for effect in change.effects {
            let Effect::Displace { enrollment, token } = effect else { continue };
            let older = (0..DEVICES).find(|other| id(*other) == enrollment).expect("a device of this world");
            let displaced = self.devices[older].record.as_ref().and_then(|record| record.displace(&token, self.now));
            self.keep(older, displaced.expect("it held the token"));
        }
    }

    fn authenticate(&mut self, device: usize, door: usize) {
        let door = door % 2;
        let message =
            Authenticate { topic: Some(TOPICS[door].into()), udid: Some(udid(device)), ..Authenticate::default() }.into();
        let enrolled_elsewhere = self.devices[device].record.is_some() && self.devices[device].tenant != door;
        match self.say(device, &message, door, None) {
            Ok(outcome) => {
                assert!(!enrolled_elsewhere, "an enrollment changed its tenant");
                self.devices[device].tenant = door;
                let reset = !outcome.enrollment.events.is_empty();
                self.keep(device, outcome.enrollment);
                if reset {
                    self.holders.retain(|_, holder| *holder != device);
                }
            }
            Err(error) => assert!(enrolled_elsewhere && error == Error::OtherTenant, "{error}"),
        }
    }

    fn token_update(&mut self, device: usize, with: u8) {
        let (token, door) =
            (with % 4, if with & 0x80 == 0 { self.devices[device].tenant } else { 1 - self.devices[device].tenant });
        let holder = self.holders.get(&token).copied();
        let result = self.say(device, &update(device, door, token), door, holder);
        let live = self.devices[device].record.as_ref().is_some_and(|record| record.state().is_live());
        let anothers = holder.is_some_and(|holder| self.devices[holder].tenant != door);
        match result {
            Ok(outcome) => {
                assert!(live && door == self.devices[device].tenant && !anothers, "a token went where it must not");
                self.keep(device, outcome.enrollment);
                self.holders.retain(|_, holder| *holder != device);
                self.holders.insert(token, device);
                self.devices[device].told = Some(self.now);
                self.contacted(device);
            }
            Err(error) => assert!(!live || door != self.devices[device].tenant || anothers, "{error}"),
        }
    }

    fn check_out(&mut self, device: usize) {
        let door = self.devices[device].tenant;
        let message = CheckOut { topic: Some(TOPICS[door].into()), udid: Some(udid(device)), ..CheckOut::default() }.into();
        if let Ok(outcome) = self.say(device, &message, door, None) {
            self.keep(device, outcome.enrollment);
            self.holders.retain(|_, holder| *holder != device);
        }
    }

    fn binding(&self, device: usize) -> Option<&Binding> {
        self.devices[device].record.as_ref()?.binding()
    }

    /// Any certificate with any device: only the right one gives a push, and that goes where it should.
    fn wake_with(&self, device: usize, with: usize) {
        let at = with % CERTIFICATES.len();
        let (owner, topic) = CERTIFICATES[at];
        let Some(binding) = self.binding(device) else { return };
        let tenant = self.devices[device].tenant;
        match binding.wake(&self.certificates[at], self.now) {
            Ok(wake) => {
                assert!(owner == tenant && topic == tenant, "woken over a certificate of another tenant or topic");
                assert_eq!(wake.route().tenant, self.tenants[tenant]);
                assert_eq!(wake.request().headers()["apns-topic"], TOPICS[tenant]);
            }
            Err(Refused::OtherTenant) => assert!(owner != tenant),
            Err(Refused::OtherTopic) => assert!(owner == tenant && topic != tenant),
            Err(_) => assert!(owner == tenant && topic == tenant),
        }
    }

    fn owe(&mut self, device: usize, with: u8) {
        let now = self.now;
        let Some(record) = &self.devices[device].record else { return };
        let quiet = || Waking::quiet(record.id().clone(), record.tenant().clone()).record;
        let waking = self.devices[device].waking.clone().unwrap_or_else(quiet);
        let at = now.plus_seconds(i64::from(with) * 10);
        let device = &mut self.devices[device];
        device.waking = Some(waking.owe(at, now).map_or(waking, |change| change.record));
        device.expected = device.expected.owe(at, now);
    }

    /// The host has heard of the device.
    fn contacted(&mut self, device: usize) {
        let now = self.now;
        let device = &mut self.devices[device];
        let Some(waking) = &device.waking else { return };
        if let Some(change) = waking.contacted(now) {
            device.waking = Some(change.record);
        }
        device.expected = device.expected.contacted(now);
    }

    /// What the host's push loop does, and what APNs answers: with one bit, not yet; with another, to the push from before.
    fn push(&mut self, device: usize, with: u8) {
        let pending = self.devices[device].out.take();
        let sent = if with & 0x20 == 0 { self.send(device).or(pending) } else { pending };
        match sent {
            Some(sent) if with & 0x40 != 0 => self.devices[device].out = Some(sent),
            Some(sent) => self.answered(device, &sent, usize::from(with) % ANSWERS.len()),
            None => {}
        }
    }

    /// Sends the push that is due, when one is and there is a way.
    fn send(&mut self, device: usize) -> Option<(Wake, u32, u8)> {
        let tenant = self.devices[device].tenant;
        let due = self.devices[device].expected.due().is_some_and(|due| due <= self.now);
        let taken = self.devices[device].waking.as_ref().and_then(|waking| waking.take(self.now));
        assert_eq!(taken.is_some(), due, "a push that is due, and no other");
        let (taken, attempt) = taken?;
        assert!(taken.record.take(self.now).is_none(), "one push at a time");
        let wake = self.binding(device)?.wake(&self.certificates[tenant], self.now).ok()?;
        let (token, _) = self.holders.iter().find(|(_, holder)| **holder == device).expect("it has an address");
        let sent = (wake, attempt, *token);
        self.devices[device].waking = Some(taken.record);
        self.devices[device].expected = Expected::Unanswered(self.now);
        Some(sent)
    }

    fn answered(&mut self, device: usize, (wake, attempt, token): &(Wake, u32, u8), which: usize) {
        let (status, body) = ANSWERS[which];
        let body = body.replace("MS", &(self.now.unix() * 1_000 - 1).to_string());
        let answer = Answer::from_parts(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new(), body.as_bytes());
        // Without an address there is nobody to judge the answer for.
        let Some(binding) = self.binding(device) else { return };
        let verdict = binding.answered(wake, &answer, &RetryPolicy::default(), *attempt, self.now);
        self.check_verdict(device, which, *token, &verdict);
        self.follow(device, &verdict);
        match verdict {
            Verdict::Retire(proof) => {
                let record = self.devices[device].record.as_ref().expect("it has an address");
                let change = record.retire(&proof, self.now).expect("the address that was proven dead");
                self.keep(device, change);
                self.holders.retain(|_, holder| *holder != device);
            }
            Verdict::PauseTopic(complaint) => self.pause(self.devices[device].tenant, &complaint),
            _ => {}
        }
    }

    /// What the host stores of an answer; only a push that is out is answered.
    fn follow(&mut self, device: usize, verdict: &Verdict) {
        let now = self.now;
        let device = &mut self.devices[device];
        let waking = device.waking.as_ref().expect("it was pushed to");
        let change = waking.answered(verdict, now);
        let is_out = matches!(device.expected, Expected::Unanswered(_));
        assert_eq!(change.is_some(), is_out, "an answer to a push that is not out");
        let Some(change) = change else { return };
        device.waking = Some(change.record);
        device.expected = match verdict {
            Verdict::Delivered { .. } => Expected::Taken(now),
            Verdict::RetryAt(until) => Expected::From(*until, true),
            Verdict::PauseTopic(_) => Expected::From(now.plus_seconds(Waking::PAUSED_FOR), true),
            Verdict::Rejected { .. } | Verdict::Retire(_) => Expected::Nothing,
        };
    }

    /// Each of [`ANSWERS`] means one thing; the second retires the address that it is about, unless the device has told it since.
    fn check_verdict(&self, device: usize, which: usize, token: u8, verdict: &Verdict) {
        let is_its_own = self.holders.get(&token) == Some(&device);
        let is_older = self.devices[device].told.is_some_and(|told| told < self.now);
        let is_right = match (which, verdict) {
            (0, Verdict::Delivered { .. }) | (4, Verdict::PauseTopic(_)) | (2 | 3 | 5, Verdict::Rejected { .. }) => true,
            (1, Verdict::Retire(_)) => is_its_own && is_older,
            (1, Verdict::Rejected { .. }) => !(is_its_own && is_older),
            (6 | 7, Verdict::RetryAt(until)) => *until > self.now && *until <= self.now.plus_days(2),
            _ => false,
        };
        assert!(is_right, "answer {which} was taken for {verdict:?}");
    }

    fn pause(&mut self, certificate: usize, complaint: &Complaint) {
        if let Some(change) = self.certificates[certificate].pause(complaint, self.now) {
            self.certificates[certificate] = change.record;
            assert!(self.certificates[certificate].pause(complaint, self.now).is_none(), "one event, not one for each device");
        }
    }

    fn certificate(&mut self, which: usize, with: u8) {
        let certificate = &mut self.certificates[which % CERTIFICATES.len()];
        let change = if with == 0 { certificate.revoke(self.now) } else { certificate.resume(self.now) };
        if let Some(change) = change {
            *certificate = change.record;
        }
    }

    fn check(&self) {
        for (token, holder) in &self.holders {
            let held = self.binding(*holder).map(|binding| binding.token().as_bytes().to_vec());
            assert_eq!(held, Some(vec![*token + 1; 32]), "the model's holder has the token");
        }
        for (device, state) in self.devices.iter().enumerate() {
            let due = state.waking.as_ref().and_then(Waking::due);
            assert_eq!(due, state.expected.due(), "what is owed to device {device}: {:?}", state.expected);
            let Some(record) = &state.record else { continue };
            assert_eq!(record.tenant(), &self.tenants[state.tenant]);
            let holds = self.holders.values().filter(|holder| **holder == device).count();
            assert_eq!(record.binding().is_some(), holds == 1, "bound when, and only when, it holds a token");
        }
    }
}

/// What APNs says; `MS` becomes a moment just before now. [`World::check_verdict`] knows each by its place.
const ANSWERS: [(u16, &str); 8] = [
    (200, ""),
    (410, r#"{"reason":"Unregistered","timestamp":MS}"#),
    (410, r#"{"reason":"Unregistered","timestamp":1}"#),
    (410, "gone"),
    (403, r#"{"reason":"BadCertificate"}"#),
    (400, r#"{"reason":"BadDeviceToken"}"#),
    (429, r#"{"reason":"TooManyRequests"}"#),
    (503, "<html>"),
];

fn udid(device: usize) -> String {
    format!("D{device}")
}

fn id(device: usize) -> EnrollmentId {
    EnrollmentId::device_channel(&udid(device)).expect("a name")
}

fn update(device: usize, door: usize, token: u8) -> CheckIn {
    TokenUpdate {
        topic: Some(TOPICS[door].into()),
        udid: Some(udid(device)),
        token: Some(vec![token + 1; 32].into()),
        push_magic: Some("MAGIC".into()),
        ..TokenUpdate::default()
    }
    .into()
}

fn certificates() -> Vec<PushCertificate> {
    let provider = provider();
    let key = provider.generate(KeyKind::P256).and_then(|key| provider.load(&key)).expect("a key");
    let adopt = |(owner, topic): (usize, usize)| {
        let subject = Name::builder().user_id(TOPICS[topic]).build().expect("a name");
        let template = CertificateTemplate {
            serial: SerialNumber::from_bytes(&[u8::try_from(owner * 2 + topic + 1).expect("small")]).expect("a number"),
            issuer: subject.clone(),
            subject,
            validity: Validity { not_before: NOW.plus_days(-1), not_after: NOW.plus_days(365) },
            public_key: key.public_key().clone(),
            extensions: Extensions::new(),
            authority_key_identifier: None,
        };
        let unsigned = template.to_be_signed(key.public_key(), key.algorithm(), &provider).expect("a template");
        let certificate = unsigned.sign_with(&key).expect("a signature");
        let descent =
            Descent { developer_account: "d".into(), vendor_certificate: "v".into(), apple_account: "p@example.com".into() };
        let tenant = ["a", "b"][owner].into();
        PushCertificate::adopt(tenant, descent, &certificate, key.public_key(), Environment::Production, NOW)
            .expect("a push certificate")
            .record
    };
    CERTIFICATES.into_iter().map(adopt).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_tenant_reaches_anothers_devices(steps in prop::collection::vec(any::<u8>(), 0..240)) {
            super::tenants(&steps);
        }
    }
}
