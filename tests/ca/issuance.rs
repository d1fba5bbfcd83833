//! From a request to a certificate, and what is refused on the way.

use mdm_core::ca::{
    AlternativeNamesPolicy, Authority, CertificateRecord, Creation, Effect, Error, Holder, IssuanceRequest, Move, PastIssuer,
    Profile, Refusal, RequestKey, Reserved, Settings, State, SubjectPolicy,
};
use mdm_core::crypto::{self, Legacy, Provider, SigningKey};
use mdm_core::id::TenantId;
use mdm_core::record::{Record, ReplayError};
use mdm_core::x509::{
    self, BasicConstraints, Csr, Extensions, GeneralName, KeyUsage, Name, ProvenCsr, RevocationReason, SubjectAlternativeNames,
    oid,
};

use super::{CA_KEY, DEVICE_KEY, Dry, authority, csr, key, name, noon, provider};

fn plain() -> ProvenCsr {
    csr(&DEVICE_KEY, name("Device 7"), Extensions::new())
}

fn reserve(csr: &ProvenCsr, profile: &Profile) -> Result<Reserved, Error> {
    authority().reserve(&IssuanceRequest::new(csr, "t", profile), None, noon(), &provider())
}

fn refusal(outcome: Result<Reserved, Error>) -> Refusal {
    match outcome.unwrap_err() {
        Error::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

/// A request of the plain kind, repeated with what is known of it.
fn again(authority: &Authority, known: &CertificateRecord) -> Result<Reserved, Error> {
    let (csr, profile) = (plain(), Profile::device_identity());
    authority.reserve(&IssuanceRequest::new(&csr, "t", &profile), Some(known), noon(), &provider())
}

#[test]
fn a_device_gets_the_certificate_of_its_profile() {
    let authority = authority();
    let (csr, profile) = (plain(), Profile::device_identity());
    let holder = Holder { device_name: Some("iPhone of Ann".into()), user_name: Some("ann".into()), ..Holder::default() };
    let request = IssuanceRequest { holder: holder.clone(), ..IssuanceRequest::new(&csr, "t", &profile) };
    let reserved = authority.reserve(&request, None, noon(), &provider()).unwrap();
    let serial = reserved.record().serial();
    assert_eq!(reserved.change().effects, [Effect::Sign { serial }]);
    assert_eq!(reserved.record().state(noon(), 0), State::Reserved);
    let issued = reserved.sign_with(&*CA_KEY).unwrap();
    assert_eq!(issued.effects, [Effect::Deliver { serial }]);
    let record = issued.record;
    assert_eq!((record.holder(), record.profile()), (&holder, Some("device-identity")));
    assert_eq!((record.issued_at(), record.authority().as_str()), (Some(noon()), "builtin"));

    let (certificate, root) = (record.certificate().unwrap(), authority.certificate().unwrap());
    assert_eq!(*certificate.serial(), serial);
    assert_eq!(serial.as_bytes().len(), 16);
    assert_eq!(certificate.issuer().as_der(), root.subject().as_der());
    assert_eq!(certificate.subject().as_der(), csr.subject().as_der());
    assert_eq!(certificate.authority_key_identifier(), root.subject_key_identifier());
    assert_eq!(certificate.validity().not_before, noon().plus_seconds(-600));
    assert_eq!(certificate.validity().not_after, noon().plus_days(365).plus_seconds(-1));
    assert_eq!(certificate.basic_constraints(), Some(BasicConstraints::end_entity()));
    assert_eq!(certificate.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE), "a key on P-256 enciphers nothing");
    assert!(certificate.extended_key_usage().unwrap().contains(oid::CLIENT_AUTH));
    certificate.verify_signature(root.public_key(), &provider(), Legacy::NONE).unwrap();
    assert_eq!(record.subject(), certificate.subject());
    assert_eq!(*record.validity(), certificate.validity());
    assert_eq!(record.generation(), Some(authority.active().unwrap().id));
}

#[test]
fn rsa_keys_may_also_encipher() {
    let csr = Csr::from_pem(include_str!("../data/ca/rsa-2048.csr")).unwrap().verify(&provider(), Legacy::NONE).unwrap();
    let issued = reserve(&csr, &Profile::device_identity()).unwrap().sign_with(&*CA_KEY).unwrap().record;
    let usage = issued.certificate().unwrap().key_usage();
    assert_eq!(usage, Some(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT));
}

#[test]
fn a_signature_made_elsewhere_is_checked_and_completes_the_certificate() {
    let reserved = || reserve(&plain(), &Profile::device_identity()).unwrap().to_be_signed().unwrap();
    let next = reserved();
    let signature = CA_KEY.sign(next.algorithm(), next.bytes()).unwrap();
    assert_eq!(next.complete(&signature).unwrap().record.state(noon(), 0), State::Issued);
    let next = reserved();
    let foreign = key().sign(next.algorithm(), next.bytes()).unwrap();
    assert_eq!(next.complete(&foreign).unwrap_err(), crypto::Error::Failed);
    assert_eq!(
        reserve(&plain(), &Profile::device_identity()).unwrap().sign_with(&key()).unwrap_err(),
        Error::Crypto(crypto::Error::Key)
    );
}

#[test]
fn the_same_request_gets_the_same_answer() {
    let authority = authority();
    let reserved = reserve(&plain(), &Profile::device_identity()).unwrap().record().clone();
    let repeated = again(&authority, &reserved).unwrap();
    assert_eq!((repeated.record(), repeated.change().events.len()), (&reserved, 0), "nothing new to store");
    let bytes = repeated.to_be_signed().unwrap().bytes().to_vec();
    let issued = again(&authority, &reserved).unwrap().sign_with(&*CA_KEY).unwrap().record;
    assert_eq!(issued.certificate().unwrap().tbs(), bytes, "the reserved bytes and no others");

    let repeated = again(&authority, &issued).unwrap();
    assert!(repeated.change().events.is_empty() && repeated.change().effects.is_empty());
    let unchanged = repeated.sign_with(&*CA_KEY).unwrap();
    assert_eq!((unchanged.events.len(), &unchanged.record), (0, &issued));
    assert!(again(&authority, &issued).unwrap().to_be_signed().is_none());
}

#[test]
fn a_transaction_is_its_keys() {
    let authority = authority();
    let known = reserve(&plain(), &Profile::device_identity()).unwrap().sign_with(&*CA_KEY).unwrap().record;
    let stranger = csr(&key(), name("Device 7"), Extensions::new());
    let profile = Profile::device_identity();
    let outcome = authority.reserve(&IssuanceRequest::new(&stranger, "t", &profile), Some(&known), noon(), &provider());
    assert_eq!(refusal(outcome), Refusal::TransactionTaken);
}

#[test]
fn what_is_revoked_or_held_is_not_handed_out_again() {
    let authority = authority();
    let issued = reserve(&plain(), &Profile::device_identity()).unwrap().sign_with(&*CA_KEY).unwrap().record;
    let held = issued.hold(noon()).unwrap().record;
    let revoked = issued.revoke(RevocationReason::Superseded, None, noon()).unwrap().record;
    for record in [held, revoked] {
        assert_eq!(refusal(again(&authority, &record)), Refusal::Revoked(record.serial()));
    }
}

#[test]
fn abandoned_expired_and_renewed_ones_make_room_for_a_new_one() {
    let authority = authority();
    let profile = Profile::device_identity();
    let reserved = reserve(&plain(), &profile).unwrap().record().clone();
    let abandoned = reserved.abandon(noon()).unwrap().record;
    let fresh = again(&authority, &abandoned).unwrap();
    assert_ne!(fresh.record().serial(), abandoned.serial());
    assert!(matches!(authority.resume(&abandoned, noon(), &provider()), Err(Error::Move { attempted: Move::Sign, .. })));

    let issued = fresh.sign_with(&*CA_KEY).unwrap().record;
    let csr = plain();
    let renewal = IssuanceRequest { renews: Some(issued.serial()), ..IssuanceRequest::new(&csr, "t", &profile) };
    let renewed = authority.reserve(&renewal, Some(&issued), noon(), &provider()).unwrap().sign_with(&*CA_KEY).unwrap().record;
    assert_ne!(renewed.serial(), issued.serial());
    let repeated = authority.reserve(&renewal, Some(&renewed), noon(), &provider()).unwrap();
    assert_eq!(repeated.record(), &renewed);

    let later = issued.validity().not_after.plus_seconds(1);
    let request = IssuanceRequest::new(&csr, "t", &profile);
    let after = authority.reserve(&request, Some(&issued), later, &provider()).unwrap();
    assert_ne!(after.record().serial(), issued.serial());
}

#[test]
fn a_reservation_whose_time_is_over_is_not_signed() {
    let reserved = reserve(&plain(), &Profile::device_identity()).unwrap().record().clone();
    let late = reserved.validity().not_after.plus_seconds(1);
    assert!(matches!(authority().resume(&reserved, late, &provider()), Err(Error::Move { attempted: Move::Sign, .. })));
    let (csr, profile) = (plain(), Profile::device_identity());
    let fresh = authority().reserve(&IssuanceRequest::new(&csr, "t", &profile), Some(&reserved), late, &provider());
    assert_ne!(fresh.unwrap().record().serial(), reserved.serial());
}

#[test]
fn a_record_of_somebody_else_is_a_mistake_of_the_host() {
    let known = reserve(&plain(), &Profile::device_identity()).unwrap().record().clone();
    let creation = Creation::new("another", "Example", CA_KEY.public_key().clone());
    let created = Authority::create(&creation, noon(), &provider()).unwrap().record;
    let other = created.to_be_signed(noon(), &provider()).unwrap().unwrap().sign_with(&*CA_KEY).unwrap().record;
    assert_eq!(again(&other, &known).unwrap_err(), Error::Foreign("authority"));
    assert_eq!(other.resume(&known, noon(), &provider()).unwrap_err(), Error::Foreign("authority"));

    let (csr, profile) = (plain(), Profile::device_identity());
    let holder = Holder { tenant: Some(TenantId::from("b")), ..Holder::default() };
    let request = IssuanceRequest { holder, ..IssuanceRequest::new(&csr, "t", &profile) };
    let outcome = authority().reserve(&request, Some(&known), noon(), &provider());
    assert_eq!(outcome.unwrap_err(), Error::Foreign("tenant"));
    let request = IssuanceRequest::new(&csr, "u", &profile);
    let outcome = authority().reserve(&request, Some(&known), noon(), &provider());
    assert_eq!(outcome.unwrap_err(), Error::Foreign("transaction"));
}

#[test]
fn no_certificate_outlives_the_authoritys() {
    let authority = authority();
    let end = authority.certificate().unwrap().validity().not_after;
    let (csr, mut profile) = (plain(), Profile::device_identity());
    let near = end.plus_days(-100);
    let issue = |profile: &Profile, now| authority.reserve(&IssuanceRequest::new(&csr, "t", profile), None, now, &provider());
    assert_eq!(issue(&profile, near).unwrap().record().validity().not_after, end);
    profile.past_issuer = PastIssuer::Refuse;
    assert_eq!(refusal(issue(&profile, near)), Refusal::OutlivesAuthority(end));
    assert_eq!(issue(&profile, end.plus_seconds(1)).unwrap_err(), Error::AuthorityExpired(end));
    // Nor does one begin before it.
    profile.backdate_seconds = 10 * 86_400;
    let begin = authority.certificate().unwrap().validity().not_before;
    assert_eq!(issue(&profile, noon()).unwrap().record().validity().not_before, begin);
}

#[test]
fn a_clock_that_runs_backwards_issues_nothing() {
    let authority = authority();
    let (csr, profile) = (plain(), Profile::device_identity());
    let issue = |now| authority.reserve(&IssuanceRequest::new(&csr, "t", &profile), None, now, &provider());
    let within = noon().plus_seconds(-60);
    assert_eq!(issue(within).unwrap().change().events[0].at, noon(), "two nodes never agree to the second");
    let before = noon().plus_seconds(-61);
    assert_eq!(issue(before).unwrap_err(), Error::ClockBackwards { now: before, latest: noon() });
}

#[test]
fn an_authority_without_certificate_or_randomness_issues_nothing() {
    let creation = Creation::new("builtin", "Example", CA_KEY.public_key().clone()).settings(Settings::default());
    let created = Authority::create(&creation, noon(), &provider()).unwrap().record;
    let (csr, profile) = (plain(), Profile::device_identity());
    let request = IssuanceRequest::new(&csr, "t", &profile);
    assert_eq!(created.reserve(&request, None, noon(), &provider()).unwrap_err(), Error::NoCertificate);
    let dry = Provider { random: &Dry, ..provider() };
    let outcome = authority().reserve(&request, None, noon(), &dry);
    assert_eq!(outcome.unwrap_err(), Error::X509(x509::Error::Crypto(crypto::Error::Random)));
}

#[test]
fn weak_keys_are_refused() {
    let profile = Profile::device_identity();
    let old = Legacy { rsa_1024: true, ..Legacy::NONE };
    let proven = |pem: &str| Csr::from_pem(pem).unwrap().verify(&provider(), old).unwrap();
    let short = proven(include_str!("../data/ca/rsa-1024.csr"));
    assert_eq!(refusal(reserve(&short, &profile)), Refusal::Key(x509::Refusal::KeySize(1024)));
    let exponent = proven(include_str!("../data/ca/rsa-exponent-3.csr"));
    assert_eq!(refusal(reserve(&exponent, &profile)), Refusal::Key(x509::Refusal::Exponent));
    assert_eq!(refusal(reserve(&plain(), &Profile::scep())), Refusal::Key(x509::Refusal::KeyKind));
    let own = csr(&CA_KEY, name("Device 7"), Extensions::new());
    assert_eq!(refusal(reserve(&own, &profile)), Refusal::AuthorityKey);
}

#[test]
fn nobody_gets_an_authoritys_certificate_by_asking() {
    let profile = Profile::device_identity();
    for wanted in [
        Extensions::new().with(&BasicConstraints::authority(None)),
        Extensions::new().with(&KeyUsage::KEY_CERT_SIGN),
        Extensions::new().with(&(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::CRL_SIGN)),
    ] {
        assert_eq!(refusal(reserve(&csr(&DEVICE_KEY, name("Device 7"), wanted), &profile)), Refusal::WantsAuthority);
    }
    // What does no harm is not copied either: the profile alone says what the key may do.
    let harmless = Extensions::new().with(&KeyUsage::DATA_ENCIPHERMENT).with(&BasicConstraints::end_entity());
    let issued = reserve(&csr(&DEVICE_KEY, name("Device 7"), harmless), &profile).unwrap().sign_with(&*CA_KEY).unwrap().record;
    assert_eq!(issued.certificate().unwrap().key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
}

#[test]
fn an_extension_that_cannot_be_read_refuses_the_request() {
    let broken = Extensions::new().with_raw(oid::KEY_USAGE, true, &[0x05, 0x00]);
    let outcome = reserve(&csr(&DEVICE_KEY, name("Device 7"), broken), &Profile::device_identity());
    assert!(matches!(refusal(outcome), Refusal::Extension(x509::Error::Malformed { what: "keyUsage", .. })));
}

#[test]
fn subjects_are_the_requests_or_the_hosts() {
    let profile = Profile::device_identity();
    let issue = |csr: &ProvenCsr, profile: &Profile, subject: Option<Name>| {
        let request = IssuanceRequest { subject, ..IssuanceRequest::new(csr, "t", profile) };
        authority().reserve(&request, None, noon(), &provider())
    };
    let given = name("From the host");
    let reserved = issue(&plain(), &profile, Some(given.clone())).unwrap();
    assert_eq!(reserved.record().subject(), &given);
    let host = Profile { subject: SubjectPolicy::Host, ..profile.clone() };
    assert!(matches!(issue(&plain(), &host, None), Err(Error::Misuse(_))));
    assert!(issue(&plain(), &host, Some(given)).is_ok());

    let nobody = csr(&DEVICE_KEY, Name::empty(), Extensions::new());
    assert_eq!(refusal(issue(&nobody, &profile, None)), Refusal::NoName);
    let authority_name = authority().certificate().unwrap().subject().clone();
    assert_eq!(refusal(issue(&csr(&DEVICE_KEY, authority_name, Extensions::new()), &profile, None)), Refusal::AuthorityName);
    let long = (0..20).fold(Name::builder(), |name, _| name.organizational_unit("x".repeat(64))).build().unwrap();
    assert_eq!(refusal(issue(&csr(&DEVICE_KEY, long, Extensions::new()), &profile, None)), Refusal::NamesTooLong);
}

#[test]
fn alternative_names_come_through_as_the_profile_says() {
    let names = |names: &[GeneralName]| Extensions::new().with(&SubjectAlternativeNames { names: names.to_vec() });
    let dns = |name: &str| GeneralName::Dns(name.to_owned());
    let issue = |policy: AlternativeNamesPolicy, wanted: &[GeneralName], given: &[GeneralName]| {
        let csr = csr(&DEVICE_KEY, name("Device 7"), names(wanted));
        let profile = Profile { alternative_names: policy, ..Profile::device_identity() };
        let request = IssuanceRequest { alternative_names: given.to_vec(), ..IssuanceRequest::new(&csr, "t", &profile) };
        let issued = authority().reserve(&request, None, noon(), &provider())?.sign_with(&*CA_KEY)?.record;
        let names = issued.certificate().unwrap().subject_alternative_names().unwrap();
        Ok(names.map(|names| names.names).unwrap_or_default())
    };
    let refused = |policy, wanted: &[GeneralName]| match issue(policy, wanted, &[]) {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let email = GeneralName::Email("ann@example.com".into());
    let ignore = AlternativeNamesPolicy::Ignore;
    assert_eq!(issue(ignore.clone(), &[dns("a.example")], &[]).unwrap(), []);
    assert_eq!(issue(ignore, &[dns("a.example")], &[dns("b.example")]).unwrap(), [dns("b.example")]);

    let copy = AlternativeNamesPolicy::Copy;
    assert_eq!(
        issue(copy.clone(), &[dns("a.example"), email.clone()], &[dns("a.example")]).unwrap(),
        [dns("a.example"), email.clone()]
    );
    assert_eq!(refused(copy.clone(), &[dns("*.example")]), Refusal::NameNotAllowed);
    assert_eq!(refused(copy.clone(), &[GeneralName::Other(vec![0x88, 0x01, 0x2A])]), Refusal::NameNotAllowed);
    let many: Vec<GeneralName> = (0..1000).map(|number| dns(&format!("{number}.example"))).collect();
    assert_eq!(refused(copy, &many), Refusal::NamesTooLong);

    let list =
        AlternativeNamesPolicy::Dns(vec!["mdm.example.com".into(), ".wifi.example.com".into(), "*.lab.example.com".into()]);
    let allowed = [dns("MDM.example.com"), dns("ap.wifi.example.com"), dns("a.b.wifi.example.com"), dns("*.lab.example.com")];
    assert_eq!(issue(list.clone(), &allowed, &[]).unwrap(), allowed);
    for foreign in ["example.com", "wifi.example.com", ".wifi.example.com", "xwifi.example.com", "*.wifi.example.com", "*"] {
        assert_eq!(refused(list.clone(), &[dns(foreign)]), Refusal::NameNotAllowed, "{foreign}");
    }
    assert_eq!(refused(list, &[email]), Refusal::NameNotAllowed);
}

#[test]
fn a_certificate_without_subject_has_critical_names() {
    let names = Extensions::new().with(&SubjectAlternativeNames { names: vec![GeneralName::Dns("a.example".into())] });
    let csr = csr(&DEVICE_KEY, Name::empty(), names);
    let profile = Profile { alternative_names: AlternativeNamesPolicy::Copy, ..Profile::device_identity() };
    let issued = reserve(&csr, &profile).unwrap().sign_with(&*CA_KEY).unwrap().record;
    assert!(issued.certificate().unwrap().extensions().get(oid::SUBJECT_ALT_NAME).unwrap().is_critical());
}

#[test]
fn a_profile_says_where_revocation_is_found() {
    let mut profile = Profile::web_server(["mdm.example.com"]);
    profile.crl_uris = vec!["http://ca.example.com/crl".into()];
    profile.ocsp_uris = vec!["http://ca.example.com/ocsp".into()];
    profile.issuer_uris = vec!["http://ca.example.com/ca.cer".into()];
    let issued = reserve(&plain(), &profile).unwrap().sign_with(&*CA_KEY).unwrap().record;
    let certificate = issued.certificate().unwrap();
    let access = certificate.extensions().find::<x509::AuthorityInfoAccess>().unwrap().unwrap();
    assert_eq!((access.ocsp, access.issuers), (profile.ocsp_uris, profile.issuer_uris));
    let points = certificate.extensions().find::<x509::CrlDistributionPoints>().unwrap().unwrap();
    assert_eq!(points.uris, profile.crl_uris);
    assert!(certificate.extended_key_usage().unwrap().contains(oid::SERVER_AUTH));
}

#[test]
fn transactions_have_a_length() {
    let (csr, profile) = (plain(), Profile::device_identity());
    for (transaction, refused) in [("", true), (&*"7".repeat(255), false), (&*"7".repeat(256), true)] {
        let outcome = authority().reserve(&IssuanceRequest::new(&csr, transaction, &profile), None, noon(), &provider());
        assert_eq!(outcome.err(), refused.then_some(Error::Refused(Refusal::Transaction)));
    }
}

#[test]
fn a_certificates_events_must_follow_one_another() {
    let reserved = reserve(&plain(), &Profile::device_identity()).unwrap();
    let first = reserved.change().events[0].clone();
    let record = reserved.record().clone();
    let RequestKey { transaction, renews, .. } = record.request().unwrap();
    assert_eq!((transaction.as_str(), renews), ("t", &None));
    let issued = reserved.sign_with(&*CA_KEY).unwrap();
    let second = issued.events[0].clone();
    assert_eq!(CertificateRecord::replay([&first, &second]).unwrap(), issued.record);
    assert!(matches!(CertificateRecord::begin(&second), Err(ReplayError::NotThisRecord(_))));
    assert!(matches!(issued.record.clone().apply(&second), Err(ReplayError::OutOfOrder { .. })));
    let mut other = second.clone();
    other.serial = "0102".parse().unwrap();
    assert!(matches!(record.clone().apply(&other), Err(ReplayError::NotThisRecord(_))));
    let mut twice = second;
    twice.revision = issued.record.revision().next();
    assert!(matches!(issued.record.clone().apply(&twice), Err(ReplayError::NotThisRecord(_))), "signed only once");
}
