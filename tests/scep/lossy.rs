//! Messages that are lost, doubled and late, of two devices, one of which may take the other's name: in the end there is one certificate for
//! each key, or none; and whoever goes on asking while nothing is lost any more gets it.

use std::collections::HashMap;

use mdm_core::crypto::SoftwareKey;
use mdm_core::scep::{
    Challenge, FailInfo, Held, Peer, Received, Recipient, Reply, Request, Transaction, TransactionId, client,
};
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;
use proptest::prelude::*;

use crate::world::{CHALLENGE, World, csr, world};

/// A host's table of operations, and what it does with a request.
#[derive(Default)]
struct Table {
    rows: HashMap<TransactionId, Row>,
    /// What waits is granted, and what comes new is granted at once.
    approves: bool,
    issued: Vec<Certificate>,
}

struct Row {
    transaction: Transaction,
    held: Option<Held>,
    certificate: Option<Certificate>,
}

impl Table {
    fn answer(&mut self, world: &World, body: &[u8]) -> Vec<u8> {
        let received = Received::parse(body, &Peer::default(), &world.provider).unwrap();
        let reply = match received.open(&world.opener()) {
            Ok(request) => self.decide(world, request),
            Err(refused) => refused.into_reply().unwrap(),
        };
        reply.sign_with(&world.signer()).unwrap()
    }

    fn decide(&mut self, world: &World, request: Request) -> Reply {
        let transaction = request.transaction();
        let issue = |issued: &mut Vec<Certificate>, csr: &mdm_core::x509::ProvenCsr| {
            let certificate = world.issue(csr.subject(), csr.public_key());
            issued.push(certificate.clone());
            certificate
        };
        match (self.rows.get_mut(transaction.id()), request) {
            (Some(row), other) if row.transaction != transaction => other.deny(FailInfo::BadRequest),
            (None, Request::PkcsReq(request)) if self.approves => {
                let authorized = request.authorize(Challenge::Fixed(&Secret::from(CHALLENGE))).unwrap();
                let certificate = issue(&mut self.issued, authorized.csr());
                let row = Row { transaction: transaction.clone(), held: None, certificate: Some(certificate.clone()) };
                self.rows.insert(transaction.id().clone(), row);
                authorized.grant(&certificate).unwrap()
            }
            (None, Request::PkcsReq(request)) => {
                let (held, reply) = request.hold();
                let row = Row { transaction: transaction.clone(), held: Some(held), certificate: None };
                self.rows.insert(transaction.id().clone(), row);
                reply
            }
            (Some(Row { certificate: Some(certificate), .. }), Request::PkcsReq(request)) => {
                let authorized = request.authorize(Challenge::Fixed(&Secret::from(CHALLENGE))).unwrap();
                authorized.grant(certificate).unwrap()
            }
            (Some(_), Request::PkcsReq(request)) => request.hold().1,
            (Some(Row { held: Some(held), certificate, .. }), Request::CertPoll(poll)) if self.approves => {
                let authorized = poll.approved(held).unwrap();
                let certificate = certificate.get_or_insert_with(|| issue(&mut self.issued, authorized.csr()));
                authorized.grant(certificate).unwrap()
            }
            (Some(_), Request::CertPoll(poll)) => poll.still_pending(),
            (_, other) => other.deny(FailInfo::BadCertId),
        }
    }

    /// The host stops and starts: what it stored is what it has.
    fn restart(&mut self) {
        for row in self.rows.values_mut() {
            let text = serde_json::to_string(&row.held).unwrap();
            row.held = serde_json::from_str(&text).unwrap();
        }
    }
}

struct Device<'a> {
    world: &'a World,
    server: client::Server,
    key: &'a SoftwareKey,
    signer: &'a Certificate,
    enrollment: client::Enrollment,
    waiting: Option<client::Sent>,
    got: Option<Certificate>,
    denied: bool,
    /// Every message that was ever sent, and every reply that was ever made to one.
    sent: Vec<Vec<u8>>,
    replies: Vec<Vec<u8>>,
}

impl<'a> Device<'a> {
    fn new(world: &'a World, key: &'a SoftwareKey, signer: &'a Certificate) -> Self {
        let csr = csr(&world.provider, key, Some(CHALLENGE));
        let enrollment = client::Enrollment::first(csr, signer.clone(), &world.provider).unwrap();
        let server = world.server(Peer::default());
        let (sent, replies) = (Vec::new(), Vec::new());
        Device { world, server, key, signer, enrollment, waiting: None, got: None, denied: false, sent, replies }
    }

    fn send(&mut self) {
        let (sent, message) = self.enrollment.request(&self.server, &self.world.provider).unwrap();
        self.sent.push(message.sign_with(self.key).unwrap());
        self.waiting = Some(sent);
    }

    fn receive(&mut self, reply: &[u8]) {
        let Some(sent) = &self.waiting else { return };
        match sent.receive(reply, &self.server, &self.world.provider) {
            Ok(client::Outcome::Granted(granted)) => {
                let issued = granted.open(&Recipient { certificate: self.signer, key: self.key }).unwrap().certificate;
                assert!(self.got.as_ref().is_none_or(|earlier| *earlier == issued), "another certificate than before");
                self.got = Some(issued);
            }
            Ok(client::Outcome::Pending) => {
                self.enrollment.waiting();
            }
            Ok(client::Outcome::Denied { .. }) => self.denied = true,
            // Of another exchange, or another device's.
            Err(_) => {}
        }
    }

    fn restart(&mut self) {
        let text = serde_json::to_string(&self.enrollment).unwrap();
        self.enrollment = serde_json::from_str(&text).unwrap();
        // What it waited for is not stored: it asks again.
        self.waiting = None;
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A device sends what is next, once more or for the first time.
    Send(bool),
    /// One of the messages that a device ever sent reaches the server, perhaps not for the first time.
    ToServer(bool, prop::sample::Index),
    /// One of the replies that were ever made to one device reaches one of the two.
    ToDevice(bool, bool, prop::sample::Index),
    Approve,
    RestartServer,
    RestartDevice(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => any::<bool>().prop_map(Step::Send),
        6 => (any::<bool>(), index()).prop_map(|(who, which)| Step::ToServer(who, which)),
        6 => (any::<bool>(), prop::bool::weighted(0.9), index()).prop_map(|(who, own, which)| Step::ToDevice(who, own, which)),
        1 => Just(Step::Approve),
        1 => Just(Step::RestartServer),
        1 => any::<bool>().prop_map(Step::RestartDevice),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_messages_ends_in_one_certificate_for_each_key_or_none(
        steps in prop::collection::vec(step(), 1..40),
        one_name in prop::bool::weighted(0.2),
        early in prop::bool::weighted(0.2),
    ) {
        let world = world();
        let mut table = Table { approves: early, ..Table::default() };
        let mut devices = [
            Device::new(world, &world.device_key, &world.device),
            Device::new(world, &world.stranger_key, &world.stranger),
        ];
        if one_name {
            let name = devices[0].enrollment.transaction_id().clone();
            devices[1].enrollment = devices[1].enrollment.clone().named(name);
        }
        for step in steps {
            match step {
                Step::Send(who) => devices[usize::from(who)].send(),
                Step::ToServer(who, which) => {
                    let device = &mut devices[usize::from(who)];
                    if !device.sent.is_empty() {
                        let reply = table.answer(world, &device.sent[which.index(device.sent.len())]);
                        device.replies.push(reply);
                    }
                }
                Step::ToDevice(who, own, which) => {
                    let from = &devices[usize::from(who == own)].replies;
                    if !from.is_empty() {
                        let reply = from[which.index(from.len())].clone();
                        devices[usize::from(who)].receive(&reply);
                    }
                }
                Step::Approve => table.approves = true,
                Step::RestartServer => table.restart(),
                Step::RestartDevice(who) => devices[usize::from(who)].restart(),
            }
        }
        // Now nothing is lost any more, and the person has decided. A request, a poll, and one more for a device that was between.
        table.approves = true;
        for device in &mut devices {
            for _ in 0..3 {
                if device.got.is_none() && !device.denied {
                    device.send();
                    let reply = table.answer(world, device.sent.last().unwrap());
                    device.receive(&reply);
                }
            }
            prop_assert!(device.got.is_some() || (one_name && device.denied), "asked, and got no answer");
        }
        for device in &devices {
            let key = device.signer.public_key();
            let for_key: Vec<&Certificate> = table.issued.iter().filter(|issued| issued.public_key() == key).collect();
            prop_assert!(for_key.len() <= 1, "{} certificates for one key", for_key.len());
            prop_assert!(device.got.as_ref().is_none_or(|got| for_key == [got]));
            prop_assert!(one_name || !device.denied, "a device that keeps its name is not denied");
        }
    }
}
