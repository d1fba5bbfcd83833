//! Renewing the authority, what an operator is told, and who owes a renewal.

use mdm_core::ca::{
    Attention, Authority, CertificateRecord, Creation, CrlScope, Effect, Error, GenerationId, Holder, IssuanceRequest, KeyId,
    Notice, NoticeKind, NoticeSubject, Profile, Recorded, Refusal, Renewal, RenewalDue, RenewalPolicy, RenewalState, Service,
    Settings,
};
use mdm_core::crypto::{Legacy, SigningKey, SoftwareKey};
use mdm_core::record::{Change, Record};
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, Csr, Extensions, RevocationReason};

use super::{CA_KEY, DEVICE_KEY, authority, csr, issued, key, name, noon, provider, sign_all};

/// An authority with a service.
fn with_service() -> Authority {
    let creation = Creation::new("builtin", "Example", CA_KEY.public_key().clone())
        .service(Service::ProfileSigning, key().public_key().clone());
    sign_all(Authority::create(&creation, noon(), &provider()).unwrap().record, &[&*CA_KEY])
}

fn verifies(certificate: &Certificate, issuer: &Certificate) -> bool {
    certificate.issuer().as_der() == issuer.subject().as_der()
        && certificate.authority_key_identifier() == issuer.subject_key_identifier()
        && certificate.verify_signature(issuer.public_key(), &provider(), Legacy::NONE).is_ok()
}

fn renew(authority: &Authority, renewal: &Renewal, now: Timestamp) -> Result<Change<Authority>, Error> {
    authority.renew(renewal, now, &provider())
}

fn second() -> GenerationId {
    GenerationId::from(2)
}

/// With the second last signature made.
fn nearly(renewed: &Change<Authority>, keys: &[&SoftwareKey]) -> Authority {
    let mut authority = renewed.record.clone();
    loop {
        let next = authority.to_be_signed(noon(), &provider()).unwrap().unwrap();
        let key = keys.iter().find(|key| SigningKey::public_key(**key) == next.public_key()).unwrap();
        let signed = next.sign_with(*key).unwrap();
        if signed.record.renewal().is_none() {
            return authority;
        }
        authority = signed.record;
    }
}

#[test]
fn ten_more_years_under_the_same_key_leave_everything_good() {
    let before = with_service();
    let leaf = issued(&before);
    let renewed = renew(&before, &Renewal::default(), noon().plus_days(3000)).unwrap();
    assert_eq!(renewed.effects, [Effect::SignAuthority]);
    assert_eq!(renewed.record.renewal(), Some(RenewalState::Running(second())));
    let running = nearly(&renewed, &[&CA_KEY]);
    assert_eq!(running.active().unwrap().id, GenerationId::FIRST, "until the last signature the old one is in use");
    assert_eq!(running.service(Service::ProfileSigning), before.service(Service::ProfileSigning));

    let last = running.to_be_signed(noon(), &provider()).unwrap().unwrap().sign_with(&*CA_KEY).unwrap();
    let after = last.record;
    let (old, new) = (before.certificate().unwrap(), after.certificate().unwrap());
    assert_eq!(new.validity().not_after, old.validity().not_after.plus_days(3653));
    assert_eq!((new.subject().as_der(), new.public_key()), (old.subject().as_der(), old.public_key()));
    assert_eq!(new.subject_key_identifier(), old.subject_key_identifier());
    assert_ne!(new.serial(), old.serial());
    assert!(verifies(leaf.certificate().unwrap(), new), "what was issued before");
    let service = after.service(Service::ProfileSigning).unwrap();
    assert_ne!(service, before.service(Service::ProfileSigning).unwrap());
    assert!(verifies(service, old) && verifies(service, new));
    assert_eq!(after.services()[0].generation, second());
    assert_eq!(after.crl_scopes().len(), 1, "one key, one line of lists");
    assert_eq!(after.generation(GenerationId::FIRST).unwrap().certificate, *old, "old ones stay addressable");
    assert!(after.cross_certificates().is_empty());

    let notice =
        Notice { about: NoticeSubject::Generation(second()), kind: NoticeKind::Renewed, not_after: new.validity().not_after };
    let scope = CrlScope::full(after.active().unwrap().key.clone());
    assert_eq!(last.effects, [Effect::RefreshCrl { scope }, Effect::Notify(notice)]);
    assert_eq!(last.events.len(), 2, "signed, and completed");
    assert_eq!(after.renewal(), None);
}

#[test]
fn a_new_key_is_joined_to_the_old_one_both_ways() {
    let before = with_service();
    let old_leaf = issued(&before);
    let new_key = key();
    let renewal = Renewal { key: Some(new_key.public_key().clone()), ..Renewal::default() };
    let after = sign_all(renew(&before, &renewal, noon()).unwrap().record, &[&*CA_KEY, &new_key]);
    let (old, new) = (before.certificate().unwrap(), after.certificate().unwrap());
    assert_eq!(new.public_key(), new_key.public_key());
    assert_eq!(new.subject().as_der(), old.subject().as_der());
    assert_ne!(new.subject_key_identifier(), old.subject_key_identifier());
    let across = |subject, issuer| {
        let found = after.cross_certificates().iter().find(|cross| (cross.subject, cross.issuer) == (subject, issuer));
        found.unwrap().certificate.clone()
    };
    let (old_with_new, new_with_old) = (across(GenerationId::FIRST, second()), across(second(), GenerationId::FIRST));
    assert_eq!((old_with_new.public_key(), new_with_old.public_key()), (old.public_key(), new.public_key()));
    assert!(verifies(&old_with_new, new) && verifies(&new_with_old, old));
    assert!(old_with_new.is_authority() && new_with_old.is_authority());
    assert!(new_with_old.validity().not_after <= old.validity().not_after, "no longer than who signs it");

    let leaf = issued_by(&after, &new_key);
    assert!(verifies(leaf.certificate().unwrap(), &new_with_old) && verifies(leaf.certificate().unwrap(), new));
    assert!(verifies(old_leaf.certificate().unwrap(), &old_with_new));
    assert_eq!(leaf.generation(), Some(second()));

    // Lists go on under the key that signed.
    let [old_scope, new_scope] = &after.crl_scopes()[..] else { panic!("two keys, two lines of lists") };
    let revoked = old_leaf.revoke(RevocationReason::Superseded, None, noon()).unwrap().record;
    assert!(revoked.crl_entry(old_scope, None).is_some() && revoked.crl_entry(new_scope, None).is_none());
    let planned = after.plan_crl(old_scope, noon()).unwrap().record;
    let list = planned.crl(old_scope, revoked.crl_entry(old_scope, None), &provider()).unwrap().sign_with(&*CA_KEY).unwrap();
    assert_eq!(list.crl.authority_key_identifier(), old.subject_key_identifier());
}

fn issued_by(authority: &Authority, key: &SoftwareKey) -> CertificateRecord {
    let csr = csr(&DEVICE_KEY, name("Device 8"), Extensions::new());
    let profile = Profile::device_identity();
    let request = IssuanceRequest::new(&csr, "u", &profile);
    authority.reserve(&request, None, authority.latest(), &provider()).unwrap().sign_with(key).unwrap().record
}

#[test]
fn a_reservation_from_before_a_new_key_is_signed_by_the_old_one() {
    let before = authority();
    let csr = csr(&DEVICE_KEY, name("Device 7"), Extensions::new());
    let profile = Profile::device_identity();
    let request = IssuanceRequest::new(&csr, "t", &profile);
    let reserved = before.reserve(&request, None, noon(), &provider()).unwrap().record().clone();
    let new_key = key();
    let renewal = Renewal { key: Some(new_key.public_key().clone()), ..Renewal::default() };
    let after = sign_all(renew(&before, &renewal, noon()).unwrap().record, &[&*CA_KEY, &new_key]);
    let resumed = after.resume(&reserved, noon(), &provider()).unwrap().sign_with(&*CA_KEY).unwrap().record;
    assert!(verifies(resumed.certificate().unwrap(), before.certificate().unwrap()));
}

#[test]
fn a_failed_renewal_locks_until_an_operator_has_seen_to_it() {
    let before = with_service();
    let renewed = renew(&before, &Renewal::default(), noon()).unwrap();
    let running = nearly(&renewed, &[&CA_KEY]);
    assert_eq!(renew(&running, &Renewal::default(), noon()).unwrap_err(), Error::RenewalRunning(second()));
    assert!(matches!(running.acknowledge_renewal(noon()), Err(Error::Misuse(_))));
    assert_eq!(
        running.renew_service(Service::ProfileSigning, None, noon(), &provider()).unwrap_err(),
        Error::SignatureOutstanding
    );
    assert_eq!(
        running.install(before.certificate().unwrap().clone(), noon(), &provider()).unwrap_err(),
        Error::RenewalRunning(second())
    );

    let failed = running.renewal_failed(noon()).unwrap();
    let not_after = before.certificate().unwrap().validity().not_after;
    let notice = Notice { about: NoticeSubject::Generation(second()), kind: NoticeKind::RenewalFailed, not_after };
    assert_eq!(failed.effects, [Effect::Notify(notice)]);
    let failed = failed.record;
    assert_eq!(failed.certificate(), before.certificate(), "the authority goes on as before");
    assert_eq!(failed.services(), before.services());
    assert!(failed.to_be_signed(noon(), &provider()).unwrap().is_none());
    assert!(issued(&failed).certificate().is_some());
    assert_eq!(renew(&failed, &Renewal::default(), noon()).unwrap_err(), Error::RenewalLocked(second()));
    assert!(matches!(failed.renewal_failed(noon()), Err(Error::Misuse(_))));

    let acknowledged = failed.acknowledge_renewal(noon()).unwrap().record;
    let again = sign_all(renew(&acknowledged, &Renewal::default(), noon()).unwrap().record, &[&*CA_KEY]);
    assert_eq!(again.active().unwrap().id, GenerationId::from(3), "the number that failed is not used again");
}

#[test]
fn an_expired_authority_is_renewed_from_now_on() {
    let before = authority();
    let end = before.certificate().unwrap().validity().not_after;
    let late = end.plus_days(10);
    let after = sign_all(renew(&before, &Renewal::default(), late).unwrap().record, &[&*CA_KEY]);
    assert_eq!(after.certificate().unwrap().validity().not_after, late.plus_days(3653));
    let new_key = key();
    let rekey = Renewal { key: Some(new_key.public_key().clone()), ..Renewal::default() };
    let after = sign_all(renew(&before, &rekey, late).unwrap().record, &[&*CA_KEY, &new_key]);
    assert!(after.cross_certificates().is_empty(), "nothing joins a key to one that has ended");
}

#[test]
fn keys_that_serve_something_else_are_refused() {
    let before = with_service();
    let service_key = before.services()[0].certificate.public_key().clone();
    let refused = |renewal: Renewal| renew(&before, &renewal, noon()).unwrap_err();
    assert_eq!(refused(Renewal { key: Some(service_key), ..Renewal::default() }), Error::Refused(Refusal::AuthorityKey));
    let own = (Service::ProfileSigning, CA_KEY.public_key().clone());
    assert_eq!(refused(Renewal { service_keys: vec![own], ..Renewal::default() }), Error::Refused(Refusal::AuthorityKey));
    let weak = Csr::from_pem(include_str!("../data/ca/rsa-1024.csr")).unwrap().public_key().clone();
    assert!(matches!(refused(Renewal { key: Some(weak), ..Renewal::default() }), Error::Refused(Refusal::Key(_))));
    let created = Authority::create(&Creation::new("a", "Example", CA_KEY.public_key().clone()), noon(), &provider()).unwrap();
    assert_eq!(renew(&created.record, &Renewal::default(), noon()).unwrap_err(), Error::NoCertificate);
    let early = noon().plus_days(-1);
    assert_eq!(renew(&before, &Renewal::default(), early).unwrap_err(), Error::ClockBackwards { now: early, latest: noon() });
}

#[test]
fn services_get_new_keys_with_the_authority_or_alone() {
    let before = with_service();
    let (with, alone, responder) = (key(), key(), key());
    let renewal = Renewal { service_keys: vec![(Service::ProfileSigning, with.public_key().clone())], ..Renewal::default() };
    let after = sign_all(renew(&before, &renewal, noon()).unwrap().record, &[&*CA_KEY]);
    assert_eq!(after.services()[0].key, KeyId::of(with.public_key(), &provider()));

    let renew_service = |authority: &Authority, service, key| {
        let planned = authority.renew_service(service, key, noon(), &provider())?;
        assert_eq!(planned.effects, [Effect::SignAuthority]);
        Ok::<_, Error>(sign_all(planned.record, &[&*CA_KEY]))
    };
    let again = renew_service(&after, Service::ProfileSigning, Some(alone.public_key())).unwrap();
    assert_eq!(again.service(Service::ProfileSigning).unwrap().public_key(), alone.public_key());
    assert_eq!(again.services().len(), 1);
    let kept = renew_service(&again, Service::ProfileSigning, None).unwrap();
    assert_eq!(kept.service(Service::ProfileSigning).unwrap().public_key(), alone.public_key());
    assert_ne!(kept.services(), again.services());
    assert!(matches!(renew_service(&kept, Service::Ocsp, None), Err(Error::Misuse(_))));
    let first = renew_service(&kept, Service::Ocsp, Some(responder.public_key())).unwrap();
    assert_eq!(first.service(Service::Ocsp).unwrap().subject().to_string(), "CN=Example OCSP Responder,O=Example");
    let own = renew_service(&kept, Service::Ocsp, Some(CA_KEY.public_key()));
    assert_eq!(own.unwrap_err(), Error::Refused(Refusal::AuthorityKey));
}

#[test]
fn an_operator_is_told_each_thing_once() {
    let mut authority = authority();
    let end = authority.certificate().unwrap().validity().not_after;
    let told = |authority: &mut Authority, now| {
        let change = authority.notices(now).unwrap();
        assert_eq!(change.events.len(), change.effects.len());
        *authority = change.record;
        change.effects.first().map(|effect| match effect {
            Effect::Notify(notice) => notice.kind,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(told(&mut authority, end.plus_days(-360).plus_seconds(-1)), None);
    assert_eq!(told(&mut authority, end.plus_days(-360)), Some(NoticeKind::Expiring));
    assert_eq!(told(&mut authority, end.plus_days(-359)), None);
    assert_eq!(told(&mut authority, end.plus_days(-1)), None);
    assert_eq!(told(&mut authority, end.plus_seconds(-1)), Some(NoticeKind::ExpiringToday));
    assert_eq!(told(&mut authority, end), None);
    assert_eq!(told(&mut authority, end.plus_seconds(1)), Some(NoticeKind::Expired));
    assert_eq!(told(&mut authority, end.plus_days(100)), None);
    let renewed = renew(&authority, &Renewal::default(), end.plus_days(100)).unwrap().record;
    let mut renewed = sign_all(renewed, &[&*CA_KEY]);
    let end = renewed.certificate().unwrap().validity().not_after;
    assert_eq!(told(&mut renewed, end.plus_days(-100)), Some(NoticeKind::Expiring), "the new one has its own notices");
    let backwards = renewed.notices(noon()).unwrap_err();
    assert!(matches!(backwards, Error::ClockBackwards { .. }));
}

#[test]
fn the_end_of_an_external_signing_certificate_is_told_once_each() {
    let certificate = issued(&authority()).certificate().unwrap().clone();
    let (serial, end) = (*certificate.serial(), certificate.validity().not_after);
    let recorded = Recorded { authority: "adcs".into(), own: None, certificate, holder: Holder::default() };
    let mut record = CertificateRecord::record(recorded, noon()).record;
    let mut told = |now| {
        let change = record.signing_notices(90, now);
        record = change.record.clone();
        assert_eq!(change.events.len(), change.effects.len());
        match change.effects.first() {
            Some(Effect::Notify(notice)) => {
                assert_eq!((notice.about, notice.not_after), (NoticeSubject::SigningCertificate(serial), end));
                assert!(notice.to_string().contains(&format!("external signing certificate {serial}")));
                Some(notice.kind)
            }
            None => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(end.plus_days(-91)), None);
    for (now, kind) in [
        (end.plus_days(-90), NoticeKind::Expiring),
        (end.plus_seconds(-1), NoticeKind::ExpiringToday),
        (end.plus_seconds(1), NoticeKind::Expired),
    ] {
        assert_eq!(told(now), Some(kind));
        assert_eq!(told(now), None, "once");
    }
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<CertificateRecord>(&json).unwrap(), record);
    let revoked = issued(&authority()).revoke(RevocationReason::Superseded, None, noon()).unwrap().record;
    assert!(revoked.signing_notices(90, end).is_empty(), "it is replaced already");
}

#[test]
fn notices_come_as_early_as_the_settings_say_and_read_as_lines() {
    let settings = Settings { notice_days: 30, ..Settings::default() };
    let authority = authority().configure(settings, noon()).unwrap().record;
    let end = authority.certificate().unwrap().validity().not_after;
    assert!(authority.notices(end.plus_days(-31)).unwrap().effects.is_empty());
    let [Effect::Notify(notice)] = &authority.notices(end.plus_days(-30)).unwrap().effects[..] else { panic!() };
    assert_eq!(notice.to_string(), "the authority's certificate 1 expires at 2036-11-20T12:00:00Z; renew it");
    for kind in [NoticeKind::ExpiringToday, NoticeKind::Expired, NoticeKind::Renewed, NoticeKind::RenewalFailed] {
        assert!(Notice { kind, ..*notice }.to_string().contains("certificate 1"));
    }
    let lines: std::collections::BTreeSet<String> = Attention::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), Attention::ALL.len());
}

#[test]
fn certificates_owe_a_renewal_near_their_end_and_once_the_authority_was_renewed() {
    let before = authority();
    let leaf = issued(&before);
    let policy = RenewalPolicy::default();
    let end = leaf.validity().not_after;
    let due = |authority: &Authority, record: &CertificateRecord, policy: RenewalPolicy, now| {
        authority.renewal_due(record, &policy, now)
    };
    assert_eq!(due(&before, &leaf, policy, end.plus_days(-180)), None);
    assert_eq!(due(&before, &leaf, policy, end.plus_days(-180).plus_seconds(1)), Some(RenewalDue::Expiring));
    assert_eq!(due(&before, &leaf, RenewalPolicy { expiring_days: 90, ..policy }, end.plus_days(-100)), None);
    assert_eq!(due(&before, &leaf, RenewalPolicy { when_expiring: false, ..policy }, end), None);
    assert_eq!(due(&before, &leaf, policy, end.plus_seconds(1)), None, "an expired one is renewed by enrolling again");

    let after = sign_all(renew(&before, &Renewal::default(), noon()).unwrap().record, &[&*CA_KEY]);
    assert_eq!(due(&after, &leaf, policy, noon()), Some(RenewalDue::AuthorityRenewed));
    assert_eq!(due(&after, &leaf, RenewalPolicy { when_authority_renewed: false, ..policy }, noon()), None);
    assert_eq!(due(&after, &issued(&after), policy, noon()), None);
    for out_of_use in [leaf.hold(noon()), leaf.revoke(RevocationReason::Superseded, None, noon())] {
        assert_eq!(due(&after, &out_of_use.unwrap().record, policy, noon()), None);
    }
    let recorded = Recorded {
        authority: "adcs".into(),
        own: None,
        certificate: leaf.certificate().unwrap().clone(),
        holder: Holder::default(),
    };
    assert_eq!(due(&after, &CertificateRecord::record(recorded, noon()).record, policy, noon()), None);
}

#[test]
fn a_renewal_that_wins_nothing_is_not_owed() {
    let authority = authority();
    let end = authority.certificate().unwrap().validity().not_after;
    let csr = csr(&DEVICE_KEY, name("Device 7"), Extensions::new());
    let profile = Profile::device_identity();
    let late = end.plus_days(-50);
    let leaf = authority.reserve(&IssuanceRequest::new(&csr, "t", &profile), None, late, &provider()).unwrap();
    let leaf = leaf.sign_with(&*CA_KEY).unwrap().record;
    assert_eq!(leaf.validity().not_after, end);
    assert_eq!(authority.renewal_due(&leaf, &RenewalPolicy::default(), late), None, "it would end on the same day");
}

#[test]
fn a_renewal_replays_and_goes_on_after_a_stop_at_every_signature() {
    let before = with_service();
    let new_key = key();
    let renewal = Renewal { key: Some(new_key.public_key().clone()), ..Renewal::default() };
    let mut change = renew(&before, &renewal, noon()).unwrap();
    let mut events = change.events.clone();
    let mut planned = Vec::new();
    loop {
        // The host stops, and reads its record again.
        let stored = serde_json::to_string(&change.record).unwrap();
        let record: Authority = serde_json::from_str(&stored).unwrap();
        assert_eq!(record, change.record);
        let mut replayed = before.clone();
        events.iter().for_each(|event| replayed.apply(event).unwrap());
        assert_eq!(replayed, record);
        let Some(next) = record.to_be_signed(noon(), &provider()).unwrap() else { break };
        planned.push(next.bytes().to_vec());
        let key: &SoftwareKey = if next.public_key() == CA_KEY.public_key() { &CA_KEY } else { &new_key };
        change = next.sign_with(key).unwrap();
        events.extend(change.events.clone());
    }
    assert_eq!(planned.len(), 4, "itself, both ways across, one service");
    let after = change.record;
    let signed = [after.certificate().unwrap(), after.service(Service::ProfileSigning).unwrap()];
    let across = after.cross_certificates().iter().map(|cross| &cross.certificate);
    assert!(signed.into_iter().chain(across).all(|certificate| planned.contains(&certificate.tbs().to_vec())));
}

#[test]
fn a_renewal_ahead_waits_until_the_host_takes_it_into_use() {
    let before = with_service();
    let new_key = key();
    let ahead = Renewal { key: Some(new_key.public_key().clone()), ahead: true, ..Renewal::default() };
    let started = renew(&before, &ahead, noon()).unwrap();
    assert_eq!(started.record.renewal(), Some(RenewalState::Ahead(second())));
    assert!(started.record.next().is_none(), "nothing is announced that is not signed");
    assert_eq!(started.record.succeed(noon()).unwrap_err(), Error::SignatureOutstanding);

    let waiting = sign_all(started.record, &[&CA_KEY, &new_key]);
    let next = waiting.next().unwrap();
    assert_eq!((next.id(), next.certificate().public_key()), (second(), new_key.public_key()));
    assert!(verifies(next.service(Service::ProfileSigning).unwrap(), next.certificate()));
    assert_eq!(next.service(Service::Ocsp), None);
    assert_eq!(waiting.certificate().unwrap(), before.certificate().unwrap(), "the old one is in use");
    assert_eq!(waiting.service(Service::ProfileSigning), before.service(Service::ProfileSigning));
    assert!(verifies(issued(&waiting).certificate().unwrap(), before.certificate().unwrap()));
    assert_eq!(renew(&waiting, &Renewal::default(), noon()).unwrap_err(), Error::RenewalRunning(second()));

    // A service is renewed under the old one meanwhile, and is in use at once.
    let service = waiting.renew_service(Service::ProfileSigning, None, noon(), &provider()).unwrap();
    let renewed = sign_all(service.record, &[&CA_KEY]);
    assert_ne!(renewed.service(Service::ProfileSigning), before.service(Service::ProfileSigning));
    assert!(verifies(renewed.service(Service::ProfileSigning).unwrap(), before.certificate().unwrap()));
    assert_eq!(renewed.next().unwrap().certificate(), next.certificate());

    let stored: Authority = serde_json::from_str(&serde_json::to_string(&renewed).unwrap()).unwrap();
    let succeeded = stored.succeed(noon().plus_days(30)).unwrap();
    assert_eq!(succeeded.events.len(), 1);
    let after = &succeeded.record;
    assert_eq!(after.certificate().unwrap(), next.certificate());
    assert_eq!(after.service(Service::ProfileSigning), next.service(Service::ProfileSigning));
    assert_eq!((after.renewal(), after.next().is_none(), after.cross_certificates().len()), (None, true, 2));
    assert!(matches!(
        &succeeded.effects[..],
        [Effect::RefreshCrl { .. }, Effect::Notify(Notice { kind: NoticeKind::Renewed, .. })]
    ));
    let mut replayed = renewed;
    replayed.apply(&succeeded.events[0]).unwrap();
    assert_eq!(replayed, *after);
    assert!(matches!(after.succeed(noon().plus_days(30)).unwrap_err(), Error::Misuse(_)));
}

#[test]
fn a_renewal_ahead_can_be_given_up() {
    let before = with_service();
    let started = renew(&before, &Renewal { ahead: true, ..Renewal::default() }, noon()).unwrap();
    let waiting = sign_all(started.record, &[&CA_KEY]);
    let given_up = waiting.renewal_failed(noon()).unwrap().record;
    assert_eq!(given_up.renewal(), Some(RenewalState::Failed(second())));
    assert!(given_up.next().is_none());
    assert_eq!(given_up.certificate().unwrap(), before.certificate().unwrap());
    assert!(given_up.succeed(noon()).is_err());
    let acknowledged = given_up.acknowledge_renewal(noon()).unwrap().record;
    let again = renew(&acknowledged, &Renewal::default(), noon()).unwrap();
    assert_eq!(again.record.renewal(), Some(RenewalState::Running(GenerationId::from(3))));
}
