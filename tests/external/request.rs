//! The life of a request.

use mdm_core::ca::CertificateRecord;
use mdm_core::external::{Answer, CertificateRequest, Error, Job, Order, Polling, Reference, RequestEffect, RequestState};
use mdm_core::record::{Change, Record, ReplayError};
use mdm_core::web;
use mdm_core::x509::RevocationReason;

use crate::world::{NOW, validity, world};

const POLLING: Polling = Polling { first: 60, longest: 3600 };

fn reference() -> Reference {
    Reference::new("order 1").unwrap()
}

fn ordered() -> CertificateRequest {
    CertificateRequest::place(world().order(), NOW).record
}

fn sent() -> CertificateRequest {
    ordered().sending(NOW).unwrap().record
}

fn answered(record: &CertificateRequest, answer: Answer) -> Change<CertificateRequest> {
    record.answered(answer, &POLLING, NOW).unwrap()
}

fn pending() -> CertificateRequest {
    answered(&sent(), Answer::Pending { reference: Some(reference()) }).record
}

fn issued() -> CertificateRequest {
    answered(&pending(), Answer::Issued(world().issued())).record
}

fn work(change: &Change<CertificateRequest>) -> Option<i64> {
    change.effects.iter().find_map(|effect| match effect {
        RequestEffect::Work { at, .. } => Some(at.seconds_since(NOW)),
        _ => None,
    })
}

fn unavailable() -> Error {
    web::Error::Unavailable { status: 503, retry_after: None }.into()
}

#[test]
fn a_request_goes_its_way_to_the_device() {
    let order = CertificateRequest::place(world().order(), NOW);
    assert_eq!((order.record.job(), order.record.due(), work(&order)), (Some(Job::Submit), Some(NOW), Some(0)));
    assert_eq!(order.expected(), None, "a new record");
    let sent = order.record.sending(NOW).unwrap();
    assert_eq!(sent.record.job(), None, "until there is an answer");

    let pending = answered(&sent.record, Answer::Pending { reference: Some(reference()) });
    assert!((60..=75).contains(&work(&pending).unwrap()));
    assert_eq!((pending.record.job(), pending.record.reference()), (Some(Job::Poll), Some(&reference())));
    let again = answered(&pending.record, Answer::Pending { reference: None });
    assert!((120..=150).contains(&work(&again).unwrap()), "the wait doubles");

    let ready = reference().with_certificate("7").unwrap();
    let named = answered(&again.record, Answer::Accepted(ready.clone()));
    assert_eq!((work(&named), named.record.reference()), (Some(0), Some(&ready)), "asked at once under the new name");
    let circle = answered(&named.record, Answer::Accepted(ready));
    assert!(work(&circle).unwrap() >= 60, "the same name again is no reason to ask in a circle");

    let issued = answered(&named.record, Answer::Issued(world().issued()));
    assert_eq!(issued.effects, [RequestEffect::Deliver { id: "request-1".into() }]);
    assert_eq!((issued.record.job(), issued.record.due()), (None, None));
    let delivered = issued.record.delivered(NOW).unwrap();
    assert_eq!(delivered.record.delivered_at(), Some(NOW));
    assert!(delivered.record.delivered(NOW).unwrap().is_empty());
    let kept = CertificateRecord::record(delivered.record.recorded().unwrap(), NOW).record;
    assert_eq!(kept.certificate(), Some(&world().device));
    assert_eq!(kept.holder().device_name.as_deref(), Some("iPhone"));
}

#[test]
fn what_may_have_arrived_is_not_sent_twice() {
    let sent = sent();
    assert_eq!(sent.sending(NOW), Err(Error::Uncertain));
    let lost = sent.failed(&unavailable(), &POLLING, NOW).unwrap();
    assert_eq!((lost.record.job(), lost.record.sending(NOW).unwrap_err()), (None, Error::Uncertain));
    assert!(matches!(lost.effects.as_slice(), [RequestEffect::Tell { .. }]), "a person must look");
    // Either it is found,
    assert!(answered(&lost.record, Answer::Accepted(reference())).record.job() == Some(Job::Poll));
    // or it is not.
    let again = lost.record.resubmit(NOW).unwrap();
    assert_eq!((again.record.job(), work(&again)), (Some(Job::Submit), Some(0)));
    assert!(again.record.sending(NOW).is_ok());
    assert!(matches!(ordered().resubmit(NOW), Err(Error::Step { .. })), "never sent");

    let refused = sent.failed(&web::Error::Unauthorized(401).into(), &POLLING, NOW).unwrap();
    assert_eq!(refused.record.job(), Some(Job::Submit), "who refuses the caller has taken nothing");
    assert!(refused.effects.iter().any(|effect| matches!(effect, RequestEffect::Tell { .. })), "a token must be renewed");

    let order = Order { repeatable: true, ..world().order() };
    let repeatable = CertificateRequest::place(order, NOW).record.sending(NOW).unwrap().record;
    let lost = repeatable.failed(&unavailable(), &POLLING, NOW).unwrap();
    assert_eq!(lost.record.job(), Some(Job::Submit));
    assert!(work(&lost).unwrap() >= 60 && lost.record.sending(NOW).is_ok());
}

#[test]
fn a_call_that_fails_is_made_again_later() {
    let asked = web::Error::Unavailable { status: 429, retry_after: Some(600) };
    let wait = |record: &CertificateRequest, error: &Error| work(&record.failed(error, &POLLING, NOW).unwrap()).unwrap();
    assert!((600..=750).contains(&wait(&pending(), &asked.into())));
    let status = pending().failed(&Error::Status("odd".into()), &POLLING, NOW).unwrap();
    assert!(status.effects.iter().any(|effect| matches!(effect, RequestEffect::Tell { what, .. } if what.contains("odd"))));
    assert!(matches!(issued().failed(&unavailable(), &POLLING, NOW), Err(Error::Step { .. })));
}

#[test]
fn answers_that_come_twice_change_nothing() {
    let issued = issued();
    for answer in [Answer::Issued(world().issued()), Answer::Pending { reference: None }, Answer::Accepted(reference())] {
        assert!(answered(&issued, answer.clone()).is_empty(), "{answer:?}");
    }
    let denied = answered(&pending(), Answer::Denied { reason: "no".into() });
    assert!(matches!(denied.effects.as_slice(), [RequestEffect::Tell { .. }]));
    assert!(answered(&denied.record, Answer::Denied { reason: "no".into() }).is_empty());
    assert!(answered(&denied.record, Answer::Withdrawn).is_empty());
    let lost = answered(&pending(), Answer::Revoked).record;
    assert!(matches!(lost.state(), RequestState::Denied { .. }), "revoked before it came");
    let revoking = issued.revoke(RevocationReason::Superseded, NOW).unwrap().record;
    let revoked = answered(&revoking, Answer::Revoked).record;
    assert!(answered(&revoked, Answer::Revoked).is_empty() && answered(&revoked, Answer::RevocationPending).is_empty());
    assert!(revoked.revoke(RevocationReason::Superseded, NOW).unwrap().is_empty());
}

#[test]
fn answers_that_contradict_are_errors() {
    let step = |record: &CertificateRequest, answer: Answer| {
        assert!(matches!(record.answered(answer, &POLLING, NOW), Err(Error::Step { .. })));
    };
    step(&issued(), Answer::Denied { reason: String::new() });
    step(&issued(), Answer::Withdrawn);
    step(&pending(), Answer::RevocationPending);
    let denied = answered(&pending(), Answer::Denied { reason: "no".into() }).record;
    step(&denied, Answer::Issued(world().issued()));
    step(&denied, Answer::Pending { reference: None });
    assert!(matches!(sent().answered(Answer::Pending { reference: None }, &POLLING, NOW), Err(Error::Misuse(_))));
    let second = world().issue(validity(), false);
    let second =
        world().trust().expecting(&world().csr, NOW, &world().provider).accept(&[second, world().authority.clone()]).unwrap();
    assert_eq!(issued().answered(Answer::Issued(second), &POLLING, NOW), Err(Error::SecondCertificate));
    let foreign = CertificateRequest::place(Order { csr: world().other_csr.clone(), ..world().order() }, NOW).record;
    assert_eq!(foreign.answered(Answer::Issued(world().issued()), &POLLING, NOW), Err(Error::OtherKey));
}

#[test]
fn a_request_is_withdrawn() {
    let unsent = ordered().withdraw(NOW).unwrap();
    assert_eq!((unsent.record.state(), unsent.record.job()), (&RequestState::Withdrawn, None));
    let asked = pending().withdraw(NOW).unwrap();
    assert_eq!((asked.record.job(), work(&asked)), (Some(Job::Withdraw), Some(0)));
    assert!(asked.record.withdraw(NOW).unwrap().is_empty());
    for answer in [Answer::Withdrawn, Answer::Denied { reason: "late".into() }] {
        assert_eq!(answered(&asked.record, answer).record.state(), &RequestState::Withdrawn);
    }
    let stubborn = CertificateRequest::place(Order { can_withdraw: false, ..world().order() }, NOW).record;
    let stubborn = answered(&stubborn.sending(NOW).unwrap().record, Answer::Pending { reference: Some(reference()) }).record;
    let stubborn = stubborn.withdraw(NOW).unwrap().record;
    assert_eq!(stubborn.job(), Some(Job::Poll), "asked about until it is decided");
    assert_eq!(stubborn.give_up(NOW).unwrap().record.state(), &RequestState::Withdrawn);
    assert!(matches!(pending().give_up(NOW), Err(Error::Step { .. })));
    assert!(matches!(issued().withdraw(NOW), Err(Error::Step { .. })));
    let nameless = sent().withdraw(NOW).unwrap().record;
    assert_eq!(nameless.job(), None, "it has no name to ask by");
    assert!(answered(&nameless, Answer::Pending { reference: None }).effects.is_empty());
    assert_eq!(answered(&nameless, Answer::Accepted(reference())).record.job(), Some(Job::Withdraw));
}

#[test]
fn a_certificate_that_nobody_wants_any_more_is_revoked() {
    let withdrawing = pending().withdraw(NOW).unwrap().record;
    let withdrawn = withdrawing.give_up(NOW).unwrap().record;
    for record in [withdrawing, withdrawn] {
        let came = answered(&record, Answer::Issued(world().issued()));
        assert!(matches!(came.record.state(), RequestState::PendingRevoke { .. }));
        assert_eq!((came.events.len(), came.record.job()), (2, Some(Job::Revoke)));
        assert!(!came.effects.iter().any(|effect| matches!(effect, RequestEffect::Deliver { .. })));
    }
}

#[test]
fn a_revocation_is_pending_until_the_authority_has_done_it() {
    let asked = issued().revoke(RevocationReason::KeyCompromise, NOW).unwrap();
    assert!(matches!(asked.effects.as_slice(), [RequestEffect::Work { .. }, RequestEffect::EndAccess { .. }]));
    assert_eq!(asked.record.job(), Some(Job::Revoke));
    assert!(matches!(asked.record.delivered(NOW), Err(Error::Step { .. })));
    let later = asked.record.failed(&unavailable(), &POLLING, NOW).unwrap().record;
    assert_eq!(later.job(), Some(Job::Revoke));
    let taken = answered(&later, Answer::RevocationPending).record;
    assert_eq!(taken.job(), Some(Job::CheckRevocation));
    let still = answered(&taken, Answer::RevocationPending).record;
    assert_eq!(still.job(), Some(Job::CheckRevocation));
    let done = answered(&still, Answer::Revoked);
    assert_eq!(done.effects, [RequestEffect::ConfirmRevocation { id: "request-1".into() }]);
    assert_eq!((done.record.state(), done.record.job()), (&RequestState::Revoked, None));

    let elsewhere = answered(&issued(), Answer::Revoked);
    assert!(matches!(elsewhere.effects.as_slice(), [RequestEffect::EndAccess { .. }, RequestEffect::ConfirmRevocation { .. }]));
    assert!(matches!(pending().revoke(RevocationReason::KeyCompromise, NOW), Err(Error::Step { .. })));
    for reason in [RevocationReason::CertificateHold, RevocationReason::RemoveFromCrl, RevocationReason::CaCompromise] {
        assert!(matches!(issued().revoke(reason, NOW), Err(Error::Misuse(_))));
    }
}

#[test]
fn a_renewal_is_due_some_days_before_the_end() {
    let issued = issued();
    let end = validity().not_after;
    assert!(!issued.is_renewal_due(10, end.plus_days(-11)));
    assert!(issued.is_renewal_due(10, end.plus_days(-10)));
    assert!(!pending().is_renewal_due(10, end));
    assert!(!issued.revoke(RevocationReason::Superseded, NOW).unwrap().record.is_renewal_due(10, end));
}

#[test]
fn a_log_that_was_mixed_up_is_noticed() {
    let (order, sent) = (CertificateRequest::place(world().order(), NOW), ordered().sending(NOW).unwrap());
    let (first, second) = (&order.events[0], &sent.events[0]);
    assert_eq!(CertificateRequest::replay([first, second]), Ok(sent.record.clone()));
    assert!(matches!(CertificateRequest::replay([second]), Err(ReplayError::NotThisRecord(_))));
    assert!(matches!(CertificateRequest::replay([first, second, second]), Err(ReplayError::OutOfOrder { .. })));
    assert!(matches!(CertificateRequest::replay([first, first]), Err(ReplayError::OutOfOrder { .. })));
    let mut foreign = second.clone();
    foreign.id = "another".into();
    assert!(matches!(CertificateRequest::replay([first, &foreign]), Err(ReplayError::NotThisRecord(_))));
    let delivered = issued().delivered(NOW).unwrap();
    let mut early = delivered.events[0].clone();
    early.revision = second.revision;
    assert!(matches!(CertificateRequest::replay([first, &early]), Err(ReplayError::NotThisRecord(_))));
}

#[test]
fn names_that_an_authority_gives_are_plain_text() {
    for name in ["", "a\nb", &"a".repeat(1025)] {
        assert!(matches!(Reference::new(name), Err(Error::Misuse(_))));
        assert!(matches!(reference().with_certificate(name), Err(Error::Misuse(_))));
    }
}
