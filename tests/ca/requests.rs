//! Requests that wait for a verdict.

use mdm_core::ca::{
    Authority, Error, Holder, IssuanceRequest, Profile, Refusal, RequestEventKind, RequestRecord, RequestState, State,
    SubjectPolicy,
};
use mdm_core::id::TenantId;
use mdm_core::record::{Change, Record, ReplayError};
use mdm_core::x509::{BasicConstraints, Extensions, GeneralName, ProvenCsr};

use super::{CA_KEY, DEVICE_KEY, authority, csr, key, name, noon, provider};

fn plain() -> ProvenCsr {
    csr(&DEVICE_KEY, name("Device 7"), Extensions::new())
}

fn submit(
    authority: &Authority,
    request: &IssuanceRequest<'_>,
    earlier: Option<&RequestRecord>,
) -> Result<Change<RequestRecord>, Error> {
    RequestRecord::submit(authority, request, earlier, noon(), &provider())
}

fn pending(authority: &Authority) -> RequestRecord {
    let (csr, profile) = (plain(), Profile::device_identity());
    submit(authority, &IssuanceRequest::new(&csr, "t", &profile), None).unwrap().record
}

#[test]
fn a_request_waits_is_stored_and_is_granted_as_it_was_asked() {
    let authority = authority();
    let (csr, mut profile) = (plain(), Profile::device_identity());
    profile.subject = SubjectPolicy::Host;
    let holder = Holder { device_name: Some("iPhone".into()), ..Holder::default() };
    let request = IssuanceRequest {
        holder: holder.clone(),
        renews: Some("0102".parse().unwrap()),
        subject: Some(name("Chosen by the host")),
        alternative_names: vec![GeneralName::Uri("urn:device:7".into())],
        ..IssuanceRequest::new(&csr, "t", &profile)
    };
    let submitted = submit(&authority, &request, None).unwrap();
    assert_eq!((submitted.expected(), submitted.events.len()), (None, 1));
    // Kept in a database over a weekend.
    let stored = serde_json::to_string(&submitted.record).unwrap();
    let record: RequestRecord = serde_json::from_str(&stored).unwrap();
    assert_eq!(record, submitted.record);
    assert_eq!((record.state(), record.submitted_at()), (RequestState::Pending, noon()));

    let monday = noon().plus_days(2);
    let (granted, reserved) = record.grant(&authority, &profile, None, monday, &provider()).unwrap();
    let serial = reserved.record().serial();
    assert_eq!(granted.record.state(), RequestState::Granted(serial));
    assert_eq!(reserved.record().request(), Some(&record.submission().request));
    let certificate = reserved.record().clone();
    let issued = reserved.sign_with(&*CA_KEY).unwrap().record;
    assert_eq!((issued.holder(), issued.subject()), (&holder, &name("Chosen by the host")));
    let names = issued.certificate().unwrap().subject_alternative_names().unwrap().unwrap().names;
    assert_eq!(names, [GeneralName::Uri("urn:device:7".into())]);

    // The host stopped between storing and signing, and the operator says yes again.
    let (again, reserved) = granted.record.grant(&authority, &profile, Some(&certificate), monday, &provider()).unwrap();
    assert!(again.is_empty());
    assert_eq!(reserved.record().serial(), serial);
    assert_eq!(reserved.record().state(monday, 0), State::Reserved);
    let without = granted.record.grant(&authority, &profile, None, monday, &provider());
    assert!(matches!(without.unwrap_err(), Error::Misuse(_)));

    let events: Vec<_> = submitted.events.iter().chain(&granted.events).cloned().collect();
    assert_eq!(RequestRecord::replay(&events).unwrap(), granted.record);
}

#[test]
fn the_same_request_again_changes_nothing_whatever_was_decided() {
    let authority = authority();
    let record = pending(&authority);
    let (csr, profile) = (plain(), Profile::device_identity());
    let request = IssuanceRequest::new(&csr, "t", &profile);
    for record in [
        record.clone(),
        record.deny("unknown device", noon()).unwrap().record,
        record.abandon(noon()).unwrap().record,
        record.grant(&authority, &profile, None, noon(), &provider()).unwrap().0.record,
    ] {
        let again = submit(&authority, &request, Some(&record)).unwrap();
        assert!(again.is_empty());
        assert_eq!(again.record, record);
    }
    let renewal = IssuanceRequest { renews: Some("0102".parse().unwrap()), ..request.clone() };
    assert_eq!(submit(&authority, &renewal, Some(&record)).unwrap().events.len(), 1, "a renewal is a request of its own");
    let thief = super::csr(&key(), name("Device 7"), Extensions::new());
    let stolen = IssuanceRequest::new(&thief, "t", &profile);
    assert_eq!(submit(&authority, &stolen, Some(&record)).unwrap_err(), Error::Refused(Refusal::TransactionTaken));
    let elsewhere = Holder { tenant: Some(TenantId::from("another")), ..Holder::default() };
    let foreign = IssuanceRequest { holder: elsewhere, ..request.clone() };
    assert_eq!(submit(&authority, &foreign, Some(&record)).unwrap_err(), Error::Foreign("tenant"));
    let other = IssuanceRequest { transaction: "u", ..request };
    assert_eq!(submit(&authority, &other, Some(&record)).unwrap_err(), Error::Foreign("transaction"));
}

#[test]
fn a_verdict_is_final_and_saying_it_again_changes_nothing() {
    let authority = authority();
    let profile = Profile::device_identity();
    let record = pending(&authority);
    let denied = record.deny("unknown device", noon()).unwrap().record;
    assert_eq!((denied.state(), denied.denial()), (RequestState::Denied, Some("unknown device")));
    assert!(denied.deny("again", noon()).unwrap().is_empty());
    assert_eq!(denied.abandon(noon()).unwrap_err(), Error::Request(RequestState::Denied));
    let refused = denied.grant(&authority, &profile, None, noon(), &provider()).unwrap_err();
    assert_eq!(refused, Error::Request(RequestState::Denied));
    let abandoned = record.abandon(noon()).unwrap().record;
    assert!(abandoned.abandon(noon()).unwrap().is_empty());
    assert_eq!(abandoned.deny("late", noon()).unwrap_err(), Error::Request(RequestState::Abandoned));
    let (granted, _) = record.grant(&authority, &profile, None, noon(), &provider()).unwrap();
    let RequestState::Granted(_) = granted.record.state() else { panic!("{}", granted.record.state()) };
    assert!(matches!(granted.record.deny("late", noon()).unwrap_err(), Error::Request(RequestState::Granted(_))));
    assert!(matches!(granted.record.abandon(noon()).unwrap_err(), Error::Request(RequestState::Granted(_))));
    let other = Profile { name: "other".into(), ..profile };
    assert!(matches!(record.grant(&authority, &other, None, noon(), &provider()).unwrap_err(), Error::Misuse(_)));
}

#[test]
fn what_cannot_be_granted_is_not_kept() {
    let authority = authority();
    let profile = Profile::device_identity();
    let wants = csr(&DEVICE_KEY, name("CA"), Extensions::new().with(&BasicConstraints::authority(None)));
    let refused = submit(&authority, &IssuanceRequest::new(&wants, "t", &profile), None).unwrap_err();
    assert_eq!(refused, Error::Refused(Refusal::WantsAuthority));
    let csr = plain();
    let empty = submit(&authority, &IssuanceRequest::new(&csr, "", &profile), None).unwrap_err();
    assert_eq!(empty, Error::Refused(Refusal::Transaction));
    let end = authority.certificate().unwrap().validity().not_after;
    let late =
        RequestRecord::submit(&authority, &IssuanceRequest::new(&csr, "t", &profile), None, end.plus_seconds(1), &provider());
    assert_eq!(late.unwrap_err(), Error::AuthorityExpired(end));
}

#[test]
fn events_of_another_request_or_after_the_verdict_are_refused() {
    let authority = authority();
    let record = pending(&authority);
    let denied = record.deny("no", noon()).unwrap();
    let mut late = denied.events[0].clone();
    late.revision = denied.record.revision().next();
    late.kind = RequestEventKind::Abandoned;
    let refused = denied.record.clone().apply(&late).unwrap_err();
    assert!(matches!(refused, ReplayError::NotThisRecord(_)), "{refused}");
    let mut other = denied.events[0].clone();
    other.request.transaction = "another".into();
    assert!(matches!(record.clone().apply(&other).unwrap_err(), ReplayError::NotThisRecord(_)));
    assert!(matches!(record.clone().apply(&late).unwrap_err(), ReplayError::OutOfOrder { .. }));
    assert!(RequestRecord::replay(&denied.events).is_err());
}
