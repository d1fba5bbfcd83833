//! What people see of certificates and of the authority, and what they ask it for by hand.

use std::collections::BTreeSet;

use mdm_core::ca::{
    Attention, CertificateRecord, Error, Export, ExportFormat, Holder, Inventory, IssuanceRequest, Profile, Recorded, Row,
    State, Status,
};
use mdm_core::crypto::{DigestAlgorithm, Legacy, SignatureAlgorithm};
use mdm_core::time::Timestamp;
use mdm_core::x509::{Csr, GeneralName, KeyUsage, RevocationReason, Standing, oid};

use super::{CA_KEY, authority, issued, noon, provider};

/// One that is near its end, two on hold and three that are revoked.
fn fleet() -> (Vec<CertificateRecord>, Timestamp) {
    let authority = authority();
    let one = || issued(&authority);
    let now = one().validity().not_after.plus_days(-10);
    let mut records = vec![one()];
    records.extend((0..2).map(|_| one().hold(noon()).unwrap().record));
    records.extend((0..3).map(|_| one().revoke(RevocationReason::Superseded, None, noon()).unwrap().record));
    (records, now)
}

/// The list that opens from a count: the rows of the records that the count is of.
fn list(records: &[CertificateRecord], now: Timestamp, days: u32, counted: impl Fn(State) -> bool) -> Vec<String> {
    let mut export = Export::begin(ExportFormat::Text, String::new()).unwrap();
    for record in records.iter().filter(|record| counted(record.state(now, days))) {
        export.row(&Row::of(record, now, days)).unwrap();
    }
    export.finish().unwrap().lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn every_count_opens_the_list_of_those_it_counted() {
    let (records, now) = fleet();
    let days = 30;
    let inventory = Inventory::count(&records, now, days);
    let of_status = |status| list(&records, now, days, |state| state.status() == Some(status)).len() as u64;
    assert_eq!((of_status(Status::Active), of_status(Status::Inactive)), (inventory.active, inventory.inactive));
    assert_eq!((inventory.active, inventory.inactive), (1, 5));
    let expiring = list(&records, now, days, |state| state == State::Expiring);
    assert_eq!((expiring.len() as u64, inventory.expiring), (1, 1));
    assert!(expiring[0].contains("\tActive\tExpiring\t"), "{}", expiring[0]);
    assert_eq!(list(&records, now, days, |state| state == State::Held).len() as u64, inventory.held);
    let all = list(&records, now, days, |state| state.status().is_some());
    assert_eq!(all.len() as u64, inventory.all());
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "each certificate once");
    let later = records[0].validity().not_after.plus_seconds(1);
    assert_eq!(Inventory::count(&records, later, days).expired, 3, "held ones end too");
}

#[test]
fn the_authoritys_certificate_tells_all_that_is_shown_of_it() {
    let authority = authority();
    let certificate = authority.certificate().unwrap();
    assert_eq!(certificate.subject().to_string(), "CN=Example Built-in Certificate Authority,O=Example");
    assert_eq!(certificate.subject(), certificate.issuer());
    assert_eq!((certificate.serial().to_string().len(), certificate.version()), (32, 3));
    let validity = certificate.validity();
    assert_eq!(validity.not_after, noon().plus_days(3653).plus_seconds(-86_400));
    assert_eq!(validity.not_before, noon().plus_days(-1));
    assert_eq!(certificate.signature_algorithm(), Some(SignatureAlgorithm::EcdsaSha256));
    assert_eq!(SignatureAlgorithm::EcdsaSha256.oid().to_string(), "1.2.840.10045.4.3.2");
    certificate.verify_signature(certificate.public_key(), &provider(), Legacy::NONE).unwrap();
    assert!((68..=72).contains(&certificate.signature().len()));
    assert_eq!(certificate.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN));
    assert_eq!(certificate.extended_key_usage(), None);
    assert_eq!(certificate.fingerprint(&provider(), DigestAlgorithm::Sha1).as_ref().len(), 20);
    assert_eq!(certificate.fingerprint(&provider(), DigestAlgorithm::Sha256).as_ref().len(), 32);
    assert!(certificate.to_pem().starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert_eq!(authority.generations()[0].certificate.as_der(), certificate.as_der());
}

// J11: somebody pastes a request, and says what it is for.
#[test]
fn a_pasted_request_becomes_a_web_servers_certificate_in_either_encoding() {
    let pem = include_str!("../data/ca/rsa-2048.csr");
    let from_pem = Csr::from_pem(pem).unwrap();
    let from_der = Csr::from_der(from_pem.as_der()).unwrap();
    assert_eq!(from_der, from_pem);
    let profile = Profile::web_server(["mdm.example.com"]);
    let csr = from_der.verify(&provider(), Legacy::NONE).unwrap();
    let names = vec![GeneralName::Dns("mdm.example.com".into())];
    let request = IssuanceRequest { alternative_names: names.clone(), ..IssuanceRequest::new(&csr, "pasted 1", &profile) };
    let reserved = authority().reserve(&request, None, noon(), &provider()).unwrap();
    let record = reserved.sign_with(&*CA_KEY).unwrap().record;
    let certificate = record.certificate().unwrap();
    assert_eq!(certificate.public_key(), from_pem.public_key());
    assert_eq!(certificate.subject_alternative_names().unwrap().unwrap().names, names);
    assert!(certificate.extended_key_usage().unwrap().contains(oid::SERVER_AUTH));
    assert!(!certificate.extended_key_usage().unwrap().contains(oid::CLIENT_AUTH), "it enrolls no device");
    assert_eq!(record.standing(noon()), Standing::InForce);
    assert!(Csr::from_pem(pem.replace("REQUEST", "MESSAGE")).is_err());
    assert!(Csr::from_pem(&pem[..pem.len() / 2]).is_err());
}

#[test]
fn a_large_fleet_is_warned_of_before_it_renews_at_once() {
    assert_eq!(Attention::of_fleet(500), None);
    assert_eq!(Attention::of_fleet(501), Some(Attention::Fleet));
    assert!(!Attention::ALL.contains(&Attention::Fleet), "afterwards it is too late");
    assert!(Attention::Fleet.to_string().contains("500"));
}

#[test]
fn an_authority_does_not_revoke_itself() {
    let authority = authority();
    let active = authority.active().unwrap();
    let own = Recorded {
        authority: authority.id().clone(),
        own: Some((active.id, active.key.clone())),
        certificate: active.certificate.clone(),
        holder: Holder::default(),
    };
    let record = CertificateRecord::record(own.clone(), noon()).record;
    let refused = record.revoke(RevocationReason::CessationOfOperation, None, noon()).unwrap_err();
    assert!(matches!(refused, Error::Misuse(_)), "{refused}");
    assert!(matches!(record.hold(noon()).unwrap_err(), Error::Misuse(_)));
    // One that somebody else certified is his to revoke.
    let foreign = CertificateRecord::record(Recorded { own: None, ..own }, noon()).record;
    assert!(foreign.revoke(RevocationReason::CessationOfOperation, None, noon()).is_ok());
}
