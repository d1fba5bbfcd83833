//! The authority's answers about single certificates.

use mdm_core::ca::{Authority, CertificateRecord, Creation, Error, Renewal, Responder, Service, Settings};
use mdm_core::crypto::DigestAlgorithm::{self, Sha1, Sha256};
use mdm_core::crypto::{Legacy, SigningKey};
use mdm_core::limits::Limits;
use mdm_core::x509::ocsp::{CertId, ErrorStatus, Issuer, Nonce, RequestTemplate, ResponderId, Response, Status};
use mdm_core::x509::{Certificate, KeyIdentifier, RevocationReason, SerialNumber, oid};

use super::{CA_KEY, DEVICE_KEY, authority, issued, key, noon, provider, sign_all};

fn id(issuer: &Certificate, algorithm: DigestAlgorithm, serial: SerialNumber) -> CertId {
    CertId::new(algorithm, &Issuer::of(issuer, &provider()), serial)
}

fn never_issued() -> SerialNumber {
    SerialNumber::random(provider().random).unwrap()
}

fn question(ids: Vec<CertId>, nonce: Option<Nonce>) -> Vec<u8> {
    RequestTemplate { ids, nonce }.to_der().unwrap()
}

/// What the responder sends back, read again.
fn sent(
    responder: &Responder,
    body: &[u8],
    records: &[&CertificateRecord],
    key: &dyn SigningKey,
) -> Result<Response, ErrorStatus> {
    let find = |serial: &SerialNumber| records.iter().copied().find(|record| record.serial() == *serial);
    let der = responder.respond(body, find, &[key], noon(), &provider());
    Response::from_der(&der, &Limits::PKI).unwrap()
}

#[test]
fn good_revoked_held_and_unknown_in_one_answer_with_its_nonce() {
    let authority = authority();
    let root = authority.certificate().unwrap();
    let (good, held) = (issued(&authority), issued(&authority).hold(noon()).unwrap().record);
    let lost = issued(&authority).revoke(RevocationReason::KeyCompromise, None, noon()).unwrap().record;
    let ids = vec![
        id(root, Sha1, good.serial()),
        id(root, Sha256, lost.serial()),
        id(root, Sha1, held.serial()),
        id(root, Sha256, never_issued()),
    ];
    let nonce = Nonce::new([7; 32]);
    let responder = authority.responder(&provider()).unwrap();
    let answer = sent(&responder, &question(ids.clone(), Some(nonce.clone())), &[&good, &lost, &held], &*CA_KEY).unwrap();
    let revoked = |reason| Status::Revoked { at: noon(), reason };
    let expected =
        [Status::Good, revoked(RevocationReason::KeyCompromise), revoked(RevocationReason::CertificateHold), Status::Unknown];
    assert_eq!(answer.answers().iter().map(|answer| answer.status).collect::<Vec<_>>(), expected);
    assert!(answer.answers().iter().zip(&ids).all(|(answer, id)| answer.id == *id));
    assert_eq!(answer.nonce(), Some(&nonce));
    assert_eq!(answer.answers()[0].next_update, Some(noon().plus_days(1)));
    answer.verify(root, noon(), &provider(), Legacy::NONE).unwrap();
}

#[test]
fn a_serial_that_is_reserved_abandoned_or_never_issued_is_never_good() {
    let authority = authority();
    let root = authority.certificate().unwrap();
    let csr = super::csr(&DEVICE_KEY, super::name("Device"), mdm_core::x509::Extensions::new());
    let profile = mdm_core::ca::Profile::device_identity();
    let request = mdm_core::ca::IssuanceRequest::new(&csr, "t", &profile);
    let reserved = authority.reserve(&request, None, noon(), &provider()).unwrap().record().clone();
    let abandoned = reserved.abandon(noon()).unwrap().record;
    let responder = authority.responder(&provider()).unwrap();
    for (record, serial) in
        [(Some(&reserved), reserved.serial()), (Some(&abandoned), abandoned.serial()), (None, never_issued())]
    {
        let records: Vec<&CertificateRecord> = record.into_iter().collect();
        let body = question(vec![id(root, Sha1, serial)], None);
        assert_eq!(sent(&responder, &body, &records, &*CA_KEY).unwrap().answers()[0].status, Status::Unknown);
        let refusing = responder.clone().refusing_unissued();
        assert_eq!(sent(&refusing, &body, &records, &*CA_KEY).unwrap().answers()[0].status, Status::NeverIssued);
    }
    let revoked = abandoned.revoke(RevocationReason::Superseded, None, noon()).unwrap().record;
    let body = question(vec![id(root, Sha1, revoked.serial())], None);
    let status = sent(&responder, &body, &[&revoked], &*CA_KEY).unwrap().answers()[0].status;
    assert!(matches!(status, Status::Revoked { .. }), "a signature may exist somewhere");
}

#[test]
fn another_authoritys_certificate_is_unknown_whatever_its_serial() {
    let authority = authority();
    let good = issued(&authority);
    let other_key = key();
    let other = Creation::new("other", "Other", other_key.public_key().clone());
    let other = sign_all(Authority::create(&other, noon(), &provider()).unwrap().record, &[&other_key]);
    let body = question(vec![id(other.certificate().unwrap(), Sha1, good.serial())], None);
    let responder = authority.responder(&provider()).unwrap();
    assert_eq!(sent(&responder, &body, &[&good], &*CA_KEY).unwrap().answers()[0].status, Status::Unknown);
    // The same serial number, the right authority, and a record of another one.
    let body = question(vec![id(other.certificate().unwrap(), Sha1, good.serial())], None);
    let responder = other.responder(&provider()).unwrap();
    assert_eq!(sent(&responder, &body, &[&good], &other_key).unwrap().answers()[0].status, Status::Unknown);
}

#[test]
fn a_delegate_answers_for_its_own_key_and_the_old_key_for_what_it_issued() {
    let (delegate, new_key) = (key(), key());
    let creation =
        Creation::new("builtin", "Example", CA_KEY.public_key().clone()).service(Service::Ocsp, delegate.public_key().clone());
    let authority = sign_all(Authority::create(&creation, noon(), &provider()).unwrap().record, &[&CA_KEY]);
    let root = authority.certificate().unwrap().clone();
    let certificate = authority.service(Service::Ocsp).unwrap();
    assert!(certificate.extended_key_usage().unwrap().contains(oid::OCSP_SIGNING));
    assert!(certificate.extensions().get(oid::OCSP_NO_CHECK).is_some());
    let good = issued(&authority);
    let body = question(vec![id(&root, Sha1, good.serial()), id(&root, Sha1, *certificate.serial())], None);
    let responder = authority.responder(&provider()).unwrap();
    let answer = sent(&responder, &body, &[&good], &delegate).unwrap();
    assert_eq!(answer.certificates(), std::slice::from_ref(certificate));
    assert_eq!(*answer.responder(), ResponderId::Key(KeyIdentifier::of(delegate.public_key(), &provider())));
    answer.verify(&root, noon(), &provider(), Legacy::NONE).unwrap();
    assert_eq!(answer.answers()[1].status, Status::Good, "the authority knows its own certificates");
    assert_eq!(sent(&responder, &body, &[&good], &*CA_KEY).unwrap_err(), ErrorStatus::InternalError, "not the key that must");

    // Its certificate ends before an answer of a day would; and then it answers no more.
    let end = certificate.validity().not_after;
    let late = end.plus_seconds(-60);
    let answer = responder.prepare(&good, Sha1, late, &provider()).unwrap().sign_with(&delegate).unwrap();
    assert_eq!(answer.answers()[0].next_update, Some(end));
    assert_eq!(responder.prepare(&good, Sha1, end, &provider()).unwrap_err(), Error::ResponderExpired(end));

    let rekey = Renewal { key: Some(new_key.public_key().clone()), ..Renewal::default() };
    let renewed = authority.renew(&rekey, noon(), &provider()).unwrap().record;
    let renewed = sign_all(renewed, &[&CA_KEY, &new_key]);
    let answer = sent(&renewed.responder(&provider()).unwrap(), &body, &[&good], &*CA_KEY).unwrap();
    answer.verify(&root, noon(), &provider(), Legacy::NONE).unwrap();
    assert_eq!((answer.answers()[0].status, answer.certificates().len()), (Status::Good, 0));
}

#[test]
fn an_answer_made_in_advance_has_no_nonce_and_lives_as_long_as_the_settings_say() {
    let settings = Settings { ocsp_lifetime_seconds: 3600, ..Settings::default() };
    let authority = authority().configure(settings, noon()).unwrap().record;
    let record = issued(&authority);
    let prepared = authority.responder(&provider()).unwrap().prepare(&record, Sha256, noon(), &provider()).unwrap();
    let answer = prepared.sign_with(&*CA_KEY).unwrap();
    assert_eq!((answer.nonce(), answer.answers().len()), (None, 1));
    assert_eq!(answer.answers()[0].id, id(authority.certificate().unwrap(), Sha256, record.serial()));
    assert_eq!(answer.answers()[0].next_update, Some(noon().plus_seconds(3600)));
}

#[test]
fn what_cannot_be_answered_is_an_error_without_a_signature() {
    let authority = authority();
    let responder = authority.responder(&provider()).unwrap();
    let refused = |body: &[u8]| sent(&responder, body, &[], &*CA_KEY).unwrap_err();
    assert_eq!(refused(b"what?"), ErrorStatus::MalformedRequest);
    let one = id(authority.certificate().unwrap(), Sha1, never_issued());
    assert_eq!(refused(&question(vec![one.clone(); 10_000], None)), ErrorStatus::MalformedRequest, "10,000 certificates");
    assert_eq!(refused(&question(vec![one.clone(); 65], None)), ErrorStatus::MalformedRequest, "65 certificates");
    assert!(sent(&responder, &question(vec![one.clone(); 64], None), &[], &*CA_KEY).is_ok());
    // A nonce of 1 KiB: the one of 32 octets, and all lengths around it, made longer.
    let long = with_nonce(&one, &[7; 1024]);
    assert_eq!(refused(&long), ErrorStatus::MalformedRequest);
    assert_eq!(refused(&with_nonce(&one, &[])), ErrorStatus::MalformedRequest);
    assert!(sent(&responder, &with_nonce(&one, &[7; 128]), &[], &*CA_KEY).is_ok());
}

/// A request with a nonce of any length (RFC 9654 section 2.1), as the crate itself makes none.
fn with_nonce(id: &CertId, octets: &[u8]) -> Vec<u8> {
    use mdm_core::asn1::{Tag, Writer};
    let nonce = mdm_core::asn1::Oid::from_content(&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02]);
    Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.sequence(|w| w.sequence(|w| w.raw(id.as_der())));
                w.nested(Tag::context_constructed(2), |w| {
                    w.sequence(|w| {
                        w.sequence(|w| {
                            w.oid(nonce);
                            w.nested(Tag::OCTET_STRING, |w| w.octet_string(octets));
                        });
                    });
                });
            });
        });
    })
}

#[test]
fn a_clock_that_runs_backwards_answers_nothing() {
    let authority = authority();
    let record = issued(&authority).revoke(RevocationReason::Superseded, None, noon().plus_days(1)).unwrap().record;
    let responder = authority.responder(&provider()).unwrap();
    let early = noon().plus_days(-1);
    assert_eq!(
        responder.prepare(&record, Sha1, early, &provider()).unwrap_err(),
        Error::ClockBackwards { now: early, latest: noon().plus_days(1) }
    );
    // Two nodes whose clocks differ a little agree all the same.
    let behind = noon().plus_days(1).plus_seconds(-30);
    let answer = responder.prepare(&record, Sha1, behind, &provider()).unwrap().sign_with(&*CA_KEY).unwrap();
    assert_eq!(answer.produced_at(), noon().plus_days(1));
}
