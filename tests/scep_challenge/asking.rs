//! The awaiting step.

use mdm_core::asn1::Writer;
use mdm_core::scep::{
    Awaiting, Challenge, Decision, Error, Issuance, Notification, Peer, PkcsReq, Question, Received, Request, Verdict,
};
use mdm_core::secret::Secret;
use mdm_core::x509::Csr;

use crate::world::{CHALLENGE, World, csr, printable, world};

fn request(world: &World, csr: &Csr, transaction: &str) -> PkcsReq {
    let body = world.message(19).content(Some(world.seal(csr.as_der()))).with(7, printable(7, transaction)).sign();
    match Received::parse(&body, &Peer::default(), &world.provider).unwrap().open(&world.opener()).unwrap() {
        Request::PkcsReq(request) => request,
        other => panic!("{other:?}"),
    }
}

fn awaiting(world: &World, transaction: &str) -> Awaiting {
    request(world, &world.csr, transaction).ask().unwrap()
}

#[test]
fn a_question_carries_the_request_the_challenge_and_the_transaction() {
    let world = world();
    let awaiting = awaiting(world, "first");
    let question = awaiting.question();
    assert_eq!(question.csr(), &world.csr);
    assert_eq!(question.challenge(), &Secret::from(CHALLENGE));
    assert_eq!(question.transaction().id().as_str(), "first");
    let stored = serde_json::to_string(question).unwrap();
    assert_eq!(&serde_json::from_str::<Question>(&stored).unwrap(), question);
    assert!(!format!("{awaiting:?}").contains(CHALLENGE));
}

#[test]
fn yes_leads_to_a_certificate_and_then_to_a_notification() {
    let world = world();
    let awaiting = awaiting(world, "first");
    let question = awaiting.question().clone();
    let authorized = awaiting.decided(&question.answered(Verdict::Accepted)).unwrap();
    let certificate = world.issue(world.csr.subject(), world.csr.public_key());
    assert!(authorized.grant(&certificate).is_ok());
    let told = question.issued(&certificate).unwrap();
    assert_eq!(told.outcome(), &Issuance::Issued(certificate));
    let stored = serde_json::to_string(&told).unwrap();
    assert_eq!(serde_json::from_str::<Notification>(&stored).unwrap(), told);
    assert!(matches!(question.issued(&world.stranger), Err(Error::Misuse(_))), "a certificate for another key");
}

#[test]
fn no_leads_to_a_failure() {
    let world = world();
    let awaiting = awaiting(world, "first");
    let no = awaiting.question().answered(Verdict::Denied { reason: "ChallengeExpired".into() });
    let refused = awaiting.decided(&no).unwrap_err();
    assert_eq!(refused.error(), &Error::Challenge);
    assert!(refused.into_reply().is_some(), "the device is told");
}

#[test]
fn an_answer_to_another_question_is_not_taken() {
    let world = world();
    let other_transaction = awaiting(world, "other").question().answered(Verdict::Accepted);
    let other_challenge = csr(&world.provider, &world.device_key, Some("guess"));
    let other_challenge = request(world, &other_challenge, "first").ask().unwrap().question().answered(Verdict::Accepted);
    for decision in [other_transaction, other_challenge] {
        let refused = awaiting(world, "first").decided(&decision).unwrap_err();
        assert!(matches!(refused.error(), Error::Misuse(_)));
    }
}

#[test]
fn without_a_challenge_there_is_nothing_to_ask() {
    let world = world();
    let silent = csr(&world.provider, &world.device_key, None);
    assert_eq!(request(world, &silent, "first").ask().unwrap_err().error(), &Error::Challenge);
    let asked = request(world, &world.csr, "first").authorize(Challenge::Fixed(&Secret::default()));
    assert_eq!(asked.unwrap_err().error(), &Error::Challenge);
}

#[test]
fn an_answer_that_comes_late_is_given_to_the_poll() {
    let world = world();
    let (question, held, _pending) = awaiting(world, "first").hold();
    let poll = |transaction: &str| {
        let plain = Writer::build(|w| {
            w.sequence(|w| {
                w.raw(world.ca.subject().as_der());
                w.raw(world.csr.subject().as_der());
            });
        });
        let body = world.message(20).content(Some(world.seal(&plain))).with(7, printable(7, transaction)).sign();
        match Received::parse(&body, &Peer::default(), &world.provider).unwrap().open(&world.opener()).unwrap() {
            Request::CertPoll(poll) => poll,
            other => panic!("{other:?}"),
        }
    };
    let stored = serde_json::to_string(&question.answered(Verdict::Accepted)).unwrap();
    let yes: Decision = serde_json::from_str(&stored).unwrap();
    assert_eq!(poll("first").decided(&held, &yes).unwrap().csr().as_der(), world.csr.as_der());
    assert_eq!(poll("other").decided(&held, &yes).unwrap_err().error(), &Error::Poll);
    let no = question.answered(Verdict::Denied { reason: String::new() });
    assert_eq!(poll("first").decided(&held, &no).unwrap_err().error(), &Error::Challenge);
    let foreign = awaiting(world, "other").question().answered(Verdict::Accepted);
    assert!(matches!(poll("first").decided(&held, &foreign).unwrap_err().error(), Error::Misuse(_)));
}
