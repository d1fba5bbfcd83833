//! A proxy between the device and another server. Both servers are the world's; the proxy's RA is the RA, the other server the CA.

use mdm_core::crypto::{KeyKind, SigningKey, SoftwareKey};
use mdm_core::scep::proxy::{Relay, Relayed, Relaying};
use mdm_core::scep::{
    CaCertificates, Capabilities, Challenge, Error, FailInfo, Held, Peer, PkiMessage, PkiStatus, Received, Recipient, Reply,
    Request, Signer, client,
};
use mdm_core::x509::Certificate;

use crate::server::{pkcs_req, read, receive};
use crate::world::{World, name, world};

struct Proxy {
    certificate: Certificate,
    key: SoftwareKey,
    upstream: client::Server,
}

impl Proxy {
    fn new(world: &World) -> Self {
        let key = world.provider.load(&world.provider.generate(KeyKind::Rsa(2048)).unwrap()).unwrap();
        let certificate = world.issue(&name("proxy"), SigningKey::public_key(&key));
        let certificates = CaCertificates::authority(world.ca.clone());
        let upstream = client::Server::new(certificates, Capabilities::server(&Peer::default()), Peer::default()).unwrap();
        Proxy { certificate, key, upstream }
    }

    fn recipient(&self) -> Recipient<'_> {
        Recipient { certificate: &self.certificate, key: &self.key }
    }

    /// Sends the request on, has it answered, and makes the device's reply of the answer.
    fn pass(
        &self,
        world: &World,
        relaying: Relaying,
        answer: impl Fn(Request) -> Reply,
    ) -> Result<Relayed, mdm_core::scep::Refused> {
        let (sent, message) = relaying.request(&self.upstream, &world.provider).unwrap();
        let body = message.sign_with(&self.key).unwrap();
        let opener = Recipient { certificate: &world.ca, key: &world.ca_key };
        let request = Received::parse(&body, &Peer::default(), &world.provider).unwrap().open(&opener).unwrap();
        let reply = answer(request).sign_with(&Signer { certificate: &world.ca, key: &world.ca_key }).unwrap();
        relaying.receive(&sent, &reply, &self.recipient(), &self.upstream, &world.provider)
    }

    fn relaying(&self, world: &World) -> Relaying {
        let authorized = pkcs_req(world, &world.pkcs_req()).authorize(Challenge::AcceptedByHost).unwrap();
        authorized.relay(self.certificate.clone(), &world.provider).unwrap()
    }
}

fn issue(world: &World, request: Request) -> Reply {
    let Request::PkcsReq(request) = request else { panic!("{request:?}") };
    assert_eq!(request.csr(), &world.csr, "the very bytes of the device");
    let authorized = request.authorize(Challenge::AcceptWithoutChallenge).unwrap();
    let certificate = world.issue(authorized.csr().subject(), authorized.csr().public_key());
    authorized.grant(&certificate).unwrap()
}

#[test]
fn a_certificate_from_behind_reaches_the_device() {
    let world = world();
    let proxy = Proxy::new(world);
    let relayed = proxy.pass(world, proxy.relaying(world), |request| issue(world, request)).unwrap();
    let Relayed::Issued { reply, certificate } = relayed else { panic!("{relayed:?}") };
    let message = read(world, reply);
    assert_eq!((message.pki_status(), message.transaction_id().as_str()), (Some(PkiStatus::Success), "transaction"));
    assert_eq!(message.recipient_nonce().unwrap().as_bytes(), [7; 16]);
    let envelope = message.envelope(&Peer::default()).unwrap();
    let opened = envelope.open(&world.device, &world.device_key, &world.provider, &Default::default()).unwrap();
    let bag = mdm_core::cms::SignedData::parse(opened.expose(), &mdm_core::limits::Limits::PKI).unwrap();
    assert_eq!(bag.certificates().collect::<Vec<_>>(), [certificate.as_der()]);
}

#[test]
fn a_refusal_from_behind_is_carried_over() {
    let world = world();
    let proxy = Proxy::new(world);
    let deny = |request: Request| request.deny(FailInfo::BadTime).because("clock");
    let Relayed::Answered(reply) = proxy.pass(world, proxy.relaying(world), deny).unwrap() else { panic!() };
    let message = read(world, reply);
    assert_eq!((message.fail_info(), message.fail_info_text()), (Some(FailInfo::BadTime), Some("clock")));
}

#[test]
fn a_pending_request_is_polled_through_the_proxy() {
    let world = world();
    let proxy = Proxy::new(world);
    let held = std::cell::RefCell::new(None::<Held>);
    let hold = |request: Request| {
        let Request::PkcsReq(request) = request else { panic!() };
        let (record, reply) = request.hold();
        *held.borrow_mut() = Some(record);
        reply
    };
    let relayed = proxy.pass(world, proxy.relaying(world), hold).unwrap();
    let Relayed::Pending { reply, relay, wait } = relayed else { panic!("{relayed:?}") };
    assert_eq!((read(world, reply).pki_status(), wait), (Some(PkiStatus::Pending), 30));
    let relay: Relay = serde_json::from_str(&serde_json::to_string(&relay).unwrap()).unwrap();
    assert_eq!(relay.held().transaction().id().as_str(), "transaction");
    assert_ne!(relay.enrollment().transaction_id().as_str(), "transaction", "the two sides are kept apart");

    let question = mdm_core::asn1::Writer::build(|w| {
        w.sequence(|w| {
            w.raw(world.ca.subject().as_der());
            w.raw(world.csr.subject().as_der());
        });
    });
    let body = world.message(20).content(Some(world.seal(&question))).sign();
    let poll = || match receive(world, &body, &Peer::default()).unwrap() {
        Request::CertPoll(poll) => poll,
        other => panic!("{other:?}"),
    };
    let approve = |request: Request| {
        let Request::CertPoll(poll) = request else { panic!("{request:?}") };
        let authorized = poll.approved(held.borrow().as_ref().unwrap()).unwrap();
        let certificate = world.issue(authorized.csr().subject(), authorized.csr().public_key());
        authorized.grant(&certificate).unwrap()
    };
    let still = proxy.pass(world, poll().relay(&relay).unwrap(), |request| match request {
        Request::CertPoll(poll) => poll.still_pending(),
        other => panic!("{other:?}"),
    });
    let Relayed::Pending { relay, wait, .. } = still.unwrap() else { panic!() };
    assert_eq!(wait, 60);
    let relayed = proxy.pass(world, poll().relay(&relay).unwrap(), approve).unwrap();
    assert!(matches!(relayed, Relayed::Issued { .. }));

    let stranger = world.message(20).content(Some(world.seal(&question))).with(7, crate::world::printable(7, "other")).sign();
    let Request::CertPoll(stranger) = receive(world, &stranger, &Peer::default()).unwrap() else { panic!() };
    assert_eq!(stranger.relay(&relay).unwrap_err().error(), &Error::Poll);
}

#[test]
fn an_answer_from_behind_that_is_not_believed_is_a_bad_gateway() {
    let world = world();
    let proxy = Proxy::new(world);
    let relaying = proxy.relaying(world);
    let (sent, message) = relaying.request(&proxy.upstream, &world.provider).unwrap();
    let body = message.sign_with(&proxy.key).unwrap();
    let opener = Recipient { certificate: &world.ca, key: &world.ca_key };
    let request = Received::parse(&body, &Peer::default(), &world.provider).unwrap().open(&opener).unwrap();
    let forged = issue(world, request).sign_with(&Signer { certificate: &world.stranger, key: &world.stranger_key }).unwrap();
    let refused = relaying.receive(&sent, &forged, &proxy.recipient(), &proxy.upstream, &world.provider).unwrap_err();
    assert_eq!(refused.error(), &Error::Upstream(Box::new(Error::Untrusted)));
    assert_eq!(refused.error().http_status(), 502);
    assert!(refused.into_reply().is_none());

    let relaying = proxy.relaying(world);
    let refused = relaying.receive(&sent, b"<html>", &proxy.recipient(), &proxy.upstream, &world.provider).unwrap_err();
    assert_eq!(refused.error().http_status(), 502);
}

#[test]
fn the_url_tells_for_whom_it_was_made() {
    use mdm_core::scep::proxy::PathIdentifier;
    let read = PathIdentifier::from_segment("host,profile,CA%20%2C%20one");
    assert_eq!(read.unwrap().parts(), ["host", "profile", "CA , one"]);
    let all: String = (' '..='~').collect();
    let identifier = PathIdentifier::new([all.as_str(), "é"]).unwrap();
    let segment = identifier.to_segment();
    assert!(segment.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._~%,".contains(&octet)), "{segment}");
    assert_eq!(PathIdentifier::from_segment(&segment), Ok(identifier));
    for bad in ["", ",", "a,", "a%0Ab", "%", "%FF", &"a".repeat(257), &["a"; 9].join(","), &"a".repeat(100_000)] {
        assert!(matches!(PathIdentifier::from_segment(bad), Err(Error::Query(_))), "{bad:.20}");
    }
}

#[test]
fn everything_is_passed_on_but_what_would_change_whom_a_device_trusts() {
    use mdm_core::scep::Operation;
    use mdm_core::scep::proxy::passed_on;
    let message = world().pkcs_req();
    let query = passed_on(&Operation::PkiOperation { message: Some(message.clone()) }).unwrap();
    let limits = mdm_core::limits::Limits::PKI;
    assert_eq!(Operation::from_query(&query, &limits), Ok(Operation::PkiOperation { message: Some(message) }));
    let identifier = Some("default".to_owned());
    assert_eq!(
        passed_on(&Operation::GetCaCaps { identifier: identifier.clone() }).unwrap(),
        "operation=GetCACaps&message=default"
    );
    assert_eq!(passed_on(&Operation::GetCaCert { identifier }).unwrap(), "operation=GetCACert&message=default");
    assert!(passed_on(&Operation::GetNextCaCert { identifier: None }).is_err());
}

#[test]
fn a_proxy_that_only_passes_on_reads_the_outside() {
    let world = world();
    let message = PkiMessage::parse(&world.pkcs_req(), &Peer::default()).unwrap();
    assert_eq!(message.transaction_id().as_str(), "transaction");
    assert_eq!(message.message_type(), mdm_core::scep::MessageType::PkcsReq);
    assert_eq!(message.signer_certificate().as_ref(), Some(&world.device));
    let ours = Capabilities::server(&Peer::default());
    let theirs = Capabilities::parse(b"AES\nSHA-1\n");
    assert_eq!(ours.intersection(theirs).to_string(), "AES\n");
}
