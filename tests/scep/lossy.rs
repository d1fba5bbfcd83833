//! Messages that are lost, doubled and late: in the end there is one certificate for the key, or none.

use std::collections::HashMap;

use mdm_core::scep::{Challenge, FailInfo, Held, Peer, Received, Reply, Request, Signer, TransactionId, client};
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;
use proptest::prelude::*;

use crate::world::{CHALLENGE, World, world};

/// A host's table of operations, and what it does with a request.
#[derive(Default)]
struct Table {
    rows: HashMap<TransactionId, Row>,
    approves: bool,
    issued: Vec<Certificate>,
}

struct Row {
    held: Held,
    certificate: Option<Certificate>,
}

impl Table {
    fn answer(&mut self, world: &World, body: &[u8]) -> Vec<u8> {
        let received = Received::parse(body, &Peer::default(), &world.provider).unwrap();
        let reply = match received.open(&world.opener()) {
            Ok(request) => self.decide(world, request),
            Err(refused) => refused.into_reply().unwrap(),
        };
        reply.sign_with(&Signer { certificate: &world.ra, key: &world.ra_key }).unwrap()
    }

    fn decide(&mut self, world: &World, request: Request) -> Reply {
        let transaction = request.transaction();
        match (self.rows.get_mut(transaction.id()), request) {
            (Some(row), other) if row.held.transaction() != &transaction => other.deny(FailInfo::BadRequest),
            (None, Request::PkcsReq(request)) => {
                let (held, reply) = request.hold();
                self.rows.insert(transaction.id().clone(), Row { held, certificate: None });
                reply
            }
            (Some(Row { certificate: Some(certificate), .. }), Request::PkcsReq(request)) => {
                let authorized = request.authorize(Challenge::Fixed(&Secret::from(CHALLENGE))).unwrap();
                authorized.grant(certificate).unwrap()
            }
            (Some(_), Request::PkcsReq(request)) => request.hold().1,
            (Some(row), Request::CertPoll(poll)) if self.approves => {
                let authorized = poll.approved(&row.held).unwrap();
                let certificate = row.certificate.get_or_insert_with(|| {
                    let certificate = world.issue(authorized.csr().subject(), authorized.csr().public_key());
                    self.issued.push(certificate.clone());
                    certificate
                });
                authorized.grant(certificate).unwrap()
            }
            (Some(_), Request::CertPoll(poll)) => poll.still_pending(),
            (_, other) => other.deny(FailInfo::BadCertId),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// The device sends what is next, once more or for the first time.
    Send,
    /// One of the messages that were ever sent reaches the server, perhaps not for the first time.
    ToServer(prop::sample::Index),
    /// One of the replies that were ever made reaches the device.
    ToDevice(prop::sample::Index),
    Approve,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Send),
        4 => any::<prop::sample::Index>().prop_map(Step::ToServer),
        4 => any::<prop::sample::Index>().prop_map(Step::ToDevice),
        1 => Just(Step::Approve),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_messages_ends_in_one_certificate_or_none(steps in prop::collection::vec(step(), 1..24)) {
        let world = world();
        let server = world.server(Peer::default());
        let mut table = Table::default();
        let mut enrollment = client::Enrollment::first(world.csr.clone(), world.device.clone(), &world.provider).unwrap();
        let (mut on_the_way, mut replies) = (Vec::<Vec<u8>>::new(), Vec::<Vec<u8>>::new());
        let mut waiting: Option<client::Sent> = None;
        let mut got: Option<Certificate> = None;
        for step in steps {
            match step {
                Step::Send => {
                    let (sent, message) = enrollment.request(&server, &world.provider).unwrap();
                    on_the_way.push(message.sign_with(&world.device_key).unwrap());
                    waiting = Some(sent);
                }
                Step::ToServer(index) if !on_the_way.is_empty() => replies.push(table.answer(world, &on_the_way[index.index(on_the_way.len())])),
                Step::ToDevice(index) if !replies.is_empty() => {
                    let Some(sent) = &waiting else { continue };
                    match sent.receive(&replies[index.index(replies.len())], &server, &world.provider) {
                        Ok(client::Outcome::Granted(granted)) => {
                            let issued = granted.open(&world.device_opener()).unwrap().certificate;
                            prop_assert!(got.as_ref().is_none_or(|earlier| *earlier == issued));
                            got = Some(issued);
                        }
                        Ok(client::Outcome::Pending) => {
                            enrollment.waiting();
                        }
                        Ok(other) => prop_assert!(false, "a device that polls what was pending is not denied: {other:?}"),
                        Err(_) => {}
                    }
                }
                Step::Approve => table.approves = true,
                Step::ToServer(_) | Step::ToDevice(_) => {}
            }
        }
        prop_assert!(table.issued.len() <= 1, "{} certificates for one key", table.issued.len());
        prop_assert!(got.is_none_or(|certificate| table.issued.contains(&certificate)));
    }
}
