//! Creating an authority, and its own certificates.

use mdm_core::ca::{Authority, Creation, Effect, Error, GenerationId, KeyId, Refusal, Renewal, Service, Settings};
use mdm_core::crypto::{self, Legacy, Provider, SigningKey};
use mdm_core::id::Revision;
use mdm_core::record::{Record, ReplayError};
use mdm_core::time::Timestamp;
use mdm_core::x509::{
    self, BasicConstraints, Certificate, CertificateTemplate, Csr, Extensions, KeyUsage, Name, Validity, oid,
};

use super::{CA_KEY, Dry, at, authority, key, noon, provider, sign_all};

fn creation() -> Creation {
    Creation::new("builtin", "Example", CA_KEY.public_key().clone())
}

#[test]
fn an_authority_is_made_from_a_name_and_a_key() {
    let authority = authority();
    let certificate = authority.certificate().unwrap();
    assert_eq!(certificate.version(), 3);
    assert_eq!(certificate.subject().to_string(), "CN=Example Built-in Certificate Authority,O=Example");
    assert_eq!(certificate.issuer(), certificate.subject());
    assert_eq!(certificate.validity().not_before, at("2026-11-20T12:00:00Z"));
    assert_eq!(certificate.validity().not_after, at("2036-11-20T12:00:00Z"), "3653 days");
    assert_eq!(certificate.basic_constraints(), Some(BasicConstraints::authority(None)));
    assert_eq!(
        certificate.key_usage(),
        Some(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN),
        "keyEncipherment is the SCEP service's"
    );
    assert!(certificate.subject_key_identifier().is_some());
    assert_eq!(certificate.extended_key_usage(), None);
    certificate.verify_signature(CA_KEY.public_key(), &provider(), Legacy::NONE).unwrap();
    assert_eq!(authority.active().unwrap().id, GenerationId::FIRST);
    assert_eq!(authority.active().unwrap().key, KeyId::of(CA_KEY.public_key(), &provider()));
}

#[test]
fn nothing_is_signed_before_it_is_stored() {
    let created = Authority::create(&creation(), noon(), &provider()).unwrap();
    assert_eq!(created.expected(), None, "the record must not exist yet");
    assert_eq!(created.effects, [Effect::SignAuthority]);
    assert_eq!(created.record.certificate(), Err(Error::NoCertificate));
    // Asking twice gives the same bytes: they were fixed with the creation.
    let bytes = || created.record.to_be_signed(noon(), &provider()).unwrap().unwrap().bytes().to_vec();
    assert_eq!(bytes(), bytes());
    let signed = created.record.to_be_signed(noon(), &provider()).unwrap().unwrap().sign_with(&*CA_KEY).unwrap();
    assert_eq!(signed.expected(), Some(Revision::FIRST));
    assert_eq!(signed.record.certificate().unwrap().tbs(), bytes());
    assert_eq!(signed.effects, []);
    assert!(signed.record.to_be_signed(noon(), &provider()).unwrap().is_none());
    let events: Vec<_> = created.events.iter().chain(&signed.events).collect();
    assert_eq!(Authority::replay(events).unwrap(), signed.record);
}

#[test]
fn another_key_does_not_sign_for_the_authority() {
    let created = Authority::create(&creation(), noon(), &provider()).unwrap().record;
    let next = || created.to_be_signed(noon(), &provider()).unwrap().unwrap();
    assert_eq!(next().sign_with(&key()).unwrap_err(), crypto::Error::Key);
    let foreign = key().sign(next().algorithm(), next().bytes()).unwrap();
    assert_eq!(next().complete(&foreign).unwrap_err(), crypto::Error::Failed);
    let own = CA_KEY.sign(next().algorithm(), next().bytes()).unwrap();
    assert!(next().complete(&own).is_ok());
}

#[test]
fn services_get_their_certificates_with_the_authority() {
    let (ocsp, signing) = (key(), key());
    let scep = Csr::from_pem(include_str!("../data/ca/rsa-2048.csr")).unwrap().public_key().clone();
    let creation = creation()
        .service(Service::Scep, scep.clone())
        .service(Service::Ocsp, ocsp.public_key().clone())
        .service(Service::ProfileSigning, signing.public_key().clone())
        .lifetime_days(20);
    let mut authority = Authority::create(&creation, noon(), &provider()).unwrap().record;
    let mut signed = 0;
    while let Some(next) = authority.to_be_signed(noon(), &provider()).unwrap() {
        let change = next.sign_with(&*CA_KEY).unwrap();
        signed += 1;
        assert_eq!(change.effects.is_empty(), signed == 4, "as long as one is outstanding, it is asked for");
        authority = change.record;
    }
    assert_eq!(signed, 4);
    let root = authority.certificate().unwrap();
    let responder = authority.service(Service::Ocsp).unwrap();
    assert_eq!(responder.issuer().as_der(), root.subject().as_der());
    assert_eq!(responder.authority_key_identifier(), root.subject_key_identifier());
    assert_eq!(responder.validity().not_after, root.validity().not_after, "no certificate outlives the authority's");
    assert!(responder.extended_key_usage().unwrap().contains(oid::OCSP_SIGNING));
    assert!(responder.extensions().get(oid::OCSP_NO_CHECK).is_some());
    let signing = authority.service(Service::ProfileSigning).unwrap();
    assert!(signing.extended_key_usage().unwrap().contains(oid::CODE_SIGNING));
    let registration = authority.service(Service::Scep).unwrap();
    assert_eq!(registration.subject().to_string(), "CN=Example SCEP Registration Authority,O=Example");
    assert_eq!(registration.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT));
    assert_eq!(registration.public_key(), &scep);
    assert_eq!(authority.services().len(), 3);
}

#[test]
fn what_no_authority_should_be_made_of_is_refused() {
    let weak = Csr::from_pem(include_str!("../data/ca/rsa-1024.csr")).unwrap();
    let refused = |creation: &Creation| Authority::create(creation, noon(), &provider()).unwrap_err();
    assert_eq!(
        refused(&Creation::new("a", "Example", weak.public_key().clone())),
        Error::Refused(Refusal::Key(x509::Refusal::KeySize(1024)))
    );
    let elliptic = key();
    assert_eq!(
        refused(&creation().service(Service::Scep, elliptic.public_key().clone())),
        Error::Refused(Refusal::Key(x509::Refusal::KeyKind)),
        "what devices encrypt to must be RSA"
    );
    let own_key = creation().service(Service::Ocsp, CA_KEY.public_key().clone());
    assert!(matches!(refused(&own_key), Error::Misuse(_)));
    let twice =
        creation().service(Service::Ocsp, key().public_key().clone()).service(Service::Ocsp, key().public_key().clone());
    assert!(matches!(refused(&twice), Error::Misuse(_)));
    assert!(matches!(refused(&Creation::new("a", "", CA_KEY.public_key().clone())), Error::X509(_)));
    let dry = Provider { random: &Dry, ..provider() };
    assert_eq!(
        Authority::create(&creation(), noon(), &dry).unwrap_err(),
        Error::X509(x509::Error::Crypto(crypto::Error::Random))
    );
}

#[test]
fn a_long_organization_is_cut_to_what_a_name_may_hold() {
    let creation = Creation::new("a", "Ö".repeat(100), CA_KEY.public_key().clone());
    let signed = sign_all(Authority::create(&creation, noon(), &provider()).unwrap().record, &[&*CA_KEY]);
    let common_name = signed.certificate().unwrap().subject().common_name().unwrap();
    assert_eq!(common_name.chars().count(), 64);
    assert!(common_name.ends_with("Ö Built-in Certificate Authority"));
}

#[test]
fn a_clock_that_ran_ahead_is_set_right_by_an_operator() {
    let authority = authority();
    let ahead = authority.configure(Settings::default(), noon().plus_days(1000)).unwrap().record;
    let latest = ahead.latest();
    assert_eq!(ahead.configure(Settings::default(), noon()).unwrap_err(), Error::ClockBackwards { now: noon(), latest });
    let trusted = ahead.trust_clock(noon());
    assert_eq!(trusted.record.latest(), noon());
    assert!(trusted.record.configure(Settings::default(), noon()).is_ok());
    let mut replayed = ahead;
    trusted.events.iter().for_each(|event| replayed.apply(event).unwrap());
    assert_eq!(replayed, trusted.record);
}

#[test]
fn events_that_do_not_follow_are_refused() {
    let created = Authority::create(&creation(), noon(), &provider()).unwrap();
    let signed = created.record.to_be_signed(noon(), &provider()).unwrap().unwrap().sign_with(&*CA_KEY).unwrap();
    let (first, second) = (&created.events[0], &signed.events[0]);
    let mut record = signed.record.clone();
    assert!(matches!(record.apply(second), Err(ReplayError::OutOfOrder { .. })), "twice");
    assert!(matches!(Authority::begin(second), Err(ReplayError::NotThisRecord(_))));
    assert!(matches!(Authority::replay([]), Err(ReplayError::NotThisRecord(_))));
    let mut again = first.clone();
    again.revision = record.revision().next();
    assert!(matches!(record.apply(&again), Err(ReplayError::NotThisRecord(_))), "an authority begins once");
    let mut foreign = second.clone();
    foreign.authority = "another".into();
    assert!(matches!(created.record.clone().apply(&foreign), Err(ReplayError::NotThisRecord(_))));
    let mut unplanned = second.clone();
    unplanned.revision = record.revision().next();
    assert!(matches!(record.apply(&unplanned), Err(ReplayError::NotThisRecord(_))), "its certificate is signed already");
    assert_eq!(record, signed.record, "what was refused changed nothing");
}

#[test]
fn a_generation_is_found_by_its_number() {
    let authority = authority();
    assert_eq!(authority.generation(GenerationId::from(1)).unwrap().id, GenerationId::FIRST);
    assert_eq!(authority.generation(GenerationId::from(2)), Err(Error::NoGeneration(GenerationId::from(2))));
    assert_eq!(authority.generations().len(), 1);
}

/// A certificate as another authority would have made it for ours.
fn foreign(usage: KeyUsage, constraints: BasicConstraints, subject: Name, not_after: Timestamp) -> Certificate {
    let key = key();
    let template = CertificateTemplate {
        serial: "4242".parse().unwrap(),
        issuer: Name::builder().common_name("Root of the company").build().unwrap(),
        subject,
        validity: Validity { not_before: noon(), not_after },
        public_key: CA_KEY.public_key().clone(),
        extensions: Extensions::new().with(&constraints).with(&usage),
        authority_key_identifier: None,
    };
    template.to_be_signed(key.public_key(), key.algorithm(), &provider()).unwrap().sign_with(&key).unwrap()
}

#[test]
fn an_authority_that_exists_is_taken_over() {
    let subject = Name::builder().common_name("Old product").build().unwrap();
    let (usage, authority) = (KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN, BasicConstraints::authority(Some(0)));
    let adopt = |certificate, now| Authority::adopt("old", certificate, Settings::default(), now, &provider());
    let end = noon().plus_days(30);
    let certificate = foreign(usage, authority, subject.clone(), end);
    let adopted = adopt(certificate.clone(), noon()).unwrap();
    assert_eq!(Authority::replay(&adopted.events).unwrap(), adopted.record);
    assert_eq!(adopted.record.certificate().unwrap(), &certificate);
    let issued = super::issued(&adopted.record);
    assert_eq!(issued.certificate().unwrap().issuer(), &subject);
    assert_eq!(issued.validity().not_after, end);

    assert_eq!(adopt(certificate, end.plus_seconds(1)).unwrap_err(), Error::AuthorityExpired(end));
    let leaf = foreign(KeyUsage::DIGITAL_SIGNATURE, BasicConstraints::end_entity(), subject.clone(), end);
    assert!(matches!(adopt(leaf, noon()), Err(Error::Misuse(_))));

    // It renews where it was made.
    let record = adopted.record;
    assert!(matches!(record.renew(&Renewal::default(), noon(), &provider()), Err(Error::Misuse(_))));
    let longer = foreign(usage, authority, subject, end.plus_days(365));
    let installed = record.install(longer.clone(), noon(), &provider()).unwrap();
    assert_eq!(installed.record.certificate().unwrap(), &longer);
    assert_eq!(installed.record.active().unwrap().id, GenerationId::from(2));
    let other = foreign(usage, authority, Name::builder().common_name("Another").build().unwrap(), end);
    assert!(matches!(record.install(other, noon(), &provider()), Err(Error::Misuse(_))));
    let mut replayed = record;
    installed.events.iter().for_each(|event| replayed.apply(event).unwrap());
    assert_eq!(replayed, installed.record);
}

#[test]
fn a_certificate_without_crl_sign_signs_no_list() {
    let subject = Name::builder().common_name("Old product").build().unwrap();
    let certificate = foreign(KeyUsage::KEY_CERT_SIGN, BasicConstraints::authority(None), subject, noon().plus_days(30));
    let adopted = Authority::adopt("old", certificate, Settings::default(), noon(), &provider()).unwrap().record;
    assert_eq!(adopted.plan_crl(&adopted.crl_scopes()[0], noon()).unwrap_err(), Error::MayNotSignCrls);
}
