//! Revocation lists: read, made, and made large.

use der::{Decode, Encode};
use mdm_core::crypto::{Legacy, SignatureAlgorithm, SigningKey};
use mdm_core::limits::Limits;
use mdm_core::x509::{
    Certificate, CertificateRevocationList, CertificateScope, CrlFrame, CrlNumber, CrlTemplate, Error,
    IssuingDistributionPoint, KeyIdentifier, Name, Refusal, RevocationReason, RevokedEntry, SerialNumber,
};
use proptest::prelude::*;

use crate::support::*;

const V2: &str = include_str!("../data/x509/v2.crl");
const V1: &str = include_str!("../data/x509/v1.crl");

fn template() -> CrlTemplate {
    CrlTemplate {
        issuer: name("Authority"),
        this_update: now(),
        next_update: now().plus_days(7),
        number: CrlNumber::new(300),
        base: None,
        authority_key_identifier: KeyIdentifier::of(public(&KEY), &provider()),
        distribution_point: None,
        freshest: vec![],
    }
}

fn sign(template: &CrlTemplate, entries: &[RevokedEntry]) -> CertificateRevocationList {
    let tbs = template.to_be_signed(entries.iter().copied(), public(&KEY), SignatureAlgorithm::EcdsaSha256, &provider());
    tbs.unwrap().sign_with(&*KEY).unwrap()
}

fn read(der: &[u8]) -> Result<CertificateRevocationList, Error> {
    CertificateRevocationList::from_der(der, &Limits::MESSAGE)
}

#[test]
fn a_list_that_openssl_made_is_read() {
    let ca = Certificate::from_pem(include_str!("../data/x509/ca.pem")).unwrap();
    let crl = CertificateRevocationList::from_pem(V2, &Limits::PKI).unwrap();
    assert_eq!(crl.issuer(), ca.subject());
    assert_eq!((crl.number(), crl.base()), (Some(CrlNumber::new(12)), None));
    assert_eq!(crl.authority_key_identifier(), ca.subject_key_identifier());
    assert_eq!(crl.next_update().unwrap().seconds_since(crl.this_update()), 7 * 86_400);
    let odd: SerialNumber = "9c0123456789abcdef".parse().unwrap();
    let expected = [
        RevokedEntry::new(serial(1), moment("2026-01-01T00:00:00Z")),
        RevokedEntry::new(serial(2), moment("2026-01-02T00:00:00Z")).because(RevocationReason::KeyCompromise),
        RevokedEntry::new(serial(4), moment("2026-01-04T00:00:00Z")).because(RevocationReason::CertificateHold),
        RevokedEntry::new(odd, moment("2026-01-03T00:00:00Z"))
            .because(RevocationReason::KeyCompromise)
            .invalid_since(moment("2025-12-24T18:00:00Z")),
    ];
    assert_eq!(crl.entries().collect::<Vec<_>>(), expected);
    assert_eq!(crl.find(&odd), Some(expected[3]));
    assert_eq!(crl.find(&serial(9)), None);
    assert_eq!(crl.verify_signature(ca.public_key(), &provider(), Legacy::NONE), Ok(()));
    assert!(matches!(crl.verify_signature(public(&KEY), &provider(), Legacy::NONE), Err(Error::Crypto(_))));
    assert_eq!(crl.to_pem(), V2);
}

#[test]
fn version_one_and_no_entries_are_read() {
    let crl = CertificateRevocationList::from_pem(V1, &Limits::PKI).unwrap();
    assert_eq!((crl.number(), crl.entries().count()), (None, 0));
    assert_eq!(crl.signature_algorithm(), Some(SignatureAlgorithm::RsaSha256));
}

#[test]
fn limits_hold_for_bytes_and_entries() {
    let der = sign(&template(), &[1, 2, 3].map(|number| RevokedEntry::new(serial(number), now())));
    let with = |limits| CertificateRevocationList::from_der(der.as_der(), &limits).map(|_| ());
    assert_eq!(with(Limits::PKI.items(3)), Ok(()));
    for limits in [Limits::PKI.items(2), Limits::PKI.bytes(der.as_der().len() - 1)] {
        assert!(matches!(with(limits), Err(Error::Malformed { what: "revocation list", .. })));
    }
}

#[test]
fn what_is_made_reads_back_here_and_elsewhere() {
    use RevocationReason::*;
    let reasons = [
        Unspecified,
        KeyCompromise,
        CaCompromise,
        AffiliationChanged,
        Superseded,
        CessationOfOperation,
        CertificateHold,
        PrivilegeWithdrawn,
        AaCompromise,
    ];
    let entries: Vec<RevokedEntry> =
        reasons.iter().zip(1..).map(|(reason, number)| RevokedEntry::new(serial(number), now()).because(*reason)).collect();
    let made = sign(&template(), &entries);
    let again = read(made.as_der()).unwrap();
    for crl in [&made, &again] {
        assert_eq!(crl.entries().collect::<Vec<_>>(), entries);
        assert_eq!((crl.number(), crl.base(), crl.issuing_distribution_point()), (Some(CrlNumber::new(300)), None, None));
        assert_eq!(crl.authority_key_identifier(), Some(&template().authority_key_identifier));
        assert_eq!((crl.this_update(), crl.next_update()), (now(), Some(now().plus_days(7))));
        assert_eq!(crl.verify_signature(public(&KEY), &provider(), Legacy::NONE), Ok(()));
    }
    for reason in reasons {
        assert_eq!(RevocationReason::from_code(reason.code()), Some(reason));
        assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
    }
    assert_eq!(RevocationReason::from_code(7), None);

    let judged = x509_cert::crl::CertificateList::<x509_cert::certificate::Rfc5280>::from_der(made.as_der()).unwrap();
    assert_eq!(judged.to_der().unwrap(), made.as_der());
    let revoked = judged.tbs_cert_list.revoked_certificates.unwrap();
    assert_eq!(revoked.len(), entries.len());
    assert!(revoked[0].crl_entry_extensions.is_none(), "a reason that is none is not written");
}

#[test]
fn an_empty_list_has_no_list() {
    let made = sign(&template(), &[]);
    let judged = x509_cert::crl::CertificateList::<x509_cert::certificate::Rfc5280>::from_der(made.as_der()).unwrap();
    assert!(judged.tbs_cert_list.revoked_certificates.is_none());
    assert_eq!((made.entries().count(), read(made.as_der()).unwrap().entries().count()), (0, 0));
}

#[test]
fn parts_and_deltas_say_so_critically() {
    let point =
        IssuingDistributionPoint { uris: vec!["http://example.com/part-3".into()], only: Some(CertificateScope::EndEntities) };
    let delta = CrlTemplate { base: Some(CrlNumber::new(299)), distribution_point: Some(point.clone()), ..template() };
    let back = RevokedEntry::new(serial(1), now()).because(RevocationReason::RemoveFromCrl);
    let made = sign(&delta, &[back]);
    let again = read(made.as_der()).unwrap();
    for crl in [&made, &again] {
        assert_eq!(crl.base(), Some(CrlNumber::new(299)));
        assert_eq!(crl.issuing_distribution_point(), Some(&point));
        assert_eq!(crl.entries().collect::<Vec<_>>(), [back]);
    }
    let judged = x509_cert::crl::CertificateList::<x509_cert::certificate::Rfc5280>::from_der(made.as_der()).unwrap();
    let critical: Vec<bool> = judged.tbs_cert_list.crl_extensions.unwrap().iter().map(|extension| extension.critical).collect();
    assert_eq!(critical, [false, false, true, true]);
    for only in [CertificateScope::Authorities, CertificateScope::Attributes] {
        let point = IssuingDistributionPoint { uris: Vec::new(), only: Some(only) };
        let made = sign(&CrlTemplate { distribution_point: Some(point.clone()), ..template() }, &[]);
        assert_eq!(read(made.as_der()).unwrap().issuing_distribution_point(), Some(&point));
    }
}

#[test]
fn what_must_not_be_made_is_not() {
    let refused = |template: CrlTemplate, reason| {
        let entry = RevokedEntry::new(serial(1), now()).because(reason);
        let outcome = template.to_be_signed([entry], public(&KEY), SignatureAlgorithm::EcdsaSha256, &provider());
        assert!(matches!(outcome, Err(Error::Misuse(_))), "{template:?}");
    };
    refused(template(), RevocationReason::RemoveFromCrl);
    refused(CrlTemplate { next_update: now(), ..template() }, RevocationReason::Superseded);
    refused(CrlTemplate { issuer: Name::empty(), ..template() }, RevocationReason::Superseded);
    refused(CrlTemplate { base: Some(CrlNumber::new(300)), ..template() }, RevocationReason::Superseded);
    let nothing = Some(IssuingDistributionPoint::default());
    refused(CrlTemplate { distribution_point: nothing, ..template() }, RevocationReason::Superseded);
    let wrong_key = template().encoder(public(&RSA), SignatureAlgorithm::EcdsaSha256);
    assert!(matches!(wrong_key, Err(Error::Misuse(_))));
}

#[test]
fn damage_anywhere_is_an_error_or_another_list() {
    let entry = RevokedEntry::new(serial(1), now()).because(RevocationReason::Superseded).invalid_since(now());
    let point = IssuingDistributionPoint { uris: vec!["http://a".into()], only: Some(CertificateScope::EndEntities) };
    let crl =
        sign(&CrlTemplate { distribution_point: Some(point), ..template() }, &[entry, RevokedEntry::new(serial(2), now())]);
    for end in 0..crl.as_der().len() {
        assert!(read(&crl.as_der()[..end]).is_err());
    }
    for bit in 0..crl.as_der().len() * 8 {
        let mut der = crl.as_der().to_vec();
        der[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = read(&der) {
            assert_ne!(other, crl);
            assert!(other.entries().count() <= 2);
            assert!(other.verify_signature(public(&KEY), &provider(), Legacy::NONE).is_err());
        }
    }
}

#[test]
fn lists_that_mean_something_else_are_refused() {
    let point = IssuingDistributionPoint { uris: vec!["http://a".into()], only: Some(CertificateScope::Attributes) };
    let entry = RevokedEntry::new(serial(1), now()).because(RevocationReason::Superseded);
    let crl = sign(&CrlTemplate { distribution_point: Some(point), ..template() }, &[entry]);
    let changed = |from: &[u8], to: &[u8]| {
        let at = crl.as_der().windows(from.len()).position(|window| window == from).unwrap();
        let mut der = crl.as_der().to_vec();
        der[at..at + to.len()].copy_from_slice(to);
        read(&der).unwrap_err()
    };
    // indirectCRL [4] in place of onlyContainsAttributeCerts [5].
    assert!(matches!(changed(&[0x85, 0x01, 0xFF], &[0x84]), Error::Malformed { what: "issuingDistributionPoint", .. }));
    // The distribution point's identifier made an unknown one.
    assert_eq!(changed(&[0x55, 0x1D, 0x1C], &[0x55, 0x1D, 0x63]), Error::Refused(Refusal::CriticalExtension));
    // Reason code 7.
    assert!(matches!(
        changed(&[0x55, 0x1D, 0x15, 4, 3, 10, 1, 4], &[0x55, 0x1D, 0x15, 4, 3, 10, 1, 7]),
        Error::Malformed { what: "entry of a revocation list", .. }
    ));
    // A negative number.
    assert!(matches!(
        changed(&[0x55, 0x1D, 0x14, 4, 4, 2, 2, 1], &[0x55, 0x1D, 0x14, 4, 4, 2, 2, 0x80]),
        Error::Malformed { what: "cRLNumber", .. }
    ));
}

#[test]
fn entries_that_come_one_by_one_make_the_same_list() {
    let entries: Vec<RevokedEntry> = (1..=200).map(|number| RevokedEntry::new(serial(number), now())).collect();
    let mut encoder = template().encoder(public(&KEY), SignatureAlgorithm::EcdsaSha256).unwrap();
    entries.iter().try_for_each(|entry| encoder.push(entry)).unwrap();
    let tbs = encoder.finish(&provider());
    assert_eq!(tbs.bytes(), {
        let all = template().to_be_signed(entries, public(&KEY), SigningKey::algorithm(&*KEY), &provider()).unwrap();
        all.bytes().to_vec()
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_entries_read_back(
        rows in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 1..20), -1_000_000_000_i64..4_000_000_000, 0_u8..11, any::<bool>()),
            0..40,
        ),
    ) {
        let entries: Vec<RevokedEntry> = rows
            .iter()
            .filter_map(|(magnitude, date, code, invalid)| {
                let date = mdm_core::time::Timestamp::from_unix(*date);
                let entry = RevokedEntry::new(SerialNumber::from_bytes(magnitude).ok()?, date);
                let entry = entry.because(RevocationReason::from_code(*code).unwrap_or_default());
                Some(if *invalid { entry.invalid_since(date.plus_days(-1)) } else { entry })
            })
            .collect();
        let made = sign(&CrlTemplate { base: Some(CrlNumber::FIRST), ..template() }, &entries);
        let again = read(made.as_der()).unwrap();
        prop_assert_eq!(again.entries().collect::<Vec<_>>(), entries.clone());
        prop_assert_eq!(made.entries().collect::<Vec<_>>(), entries);
    }
}

/// What is put together from pieces: all of them, what stands around them, and the longest.
fn streamed(template: &CrlTemplate, entries: &[RevokedEntry]) -> (Vec<u8>, CrlFrame, usize) {
    let mut measure = template.measure(public(&KEY), SignatureAlgorithm::EcdsaSha256).unwrap();
    entries.iter().for_each(|entry| measure.push(entry).unwrap());
    let mut writer = measure.writer(&provider());
    let (mut body, mut longest) = (Vec::new(), 0);
    for entry in entries {
        writer.push(entry).unwrap();
        if let Some(piece) = writer.piece() {
            longest = longest.max(piece.len());
            body.extend_from_slice(piece);
            writer.written();
        }
    }
    let unsigned = writer.finish().unwrap();
    body.extend_from_slice(unsigned.last_piece());
    // As an HSM does it.
    let signature = KEY.sign_digest(unsigned.algorithm(), unsigned.digest()).unwrap();
    (body, unsigned.complete(&signature).unwrap(), longest)
}

#[test]
fn pieces_make_the_list_that_is_made_whole() {
    let entry = |number: u32| {
        let plain = RevokedEntry::new(SerialNumber::from_bytes(&(number + 1).to_be_bytes()).unwrap(), now());
        match number % 3 {
            0 => plain,
            1 => plain.because(RevocationReason::KeyCompromise),
            _ => plain.because(RevocationReason::Superseded).invalid_since(now().plus_days(-9000)),
        }
    };
    for count in [0, 1, 2, 3, 10_000] {
        let entries: Vec<RevokedEntry> = (0..count).map(entry).collect();
        let (body, frame, longest) = streamed(&template(), &entries);
        let whole = sign(&template(), &entries);
        assert_eq!(whole.as_der()[frame.head.len()..][..body.len()], body, "{count}");
        let list = read(&[frame.head, body, frame.tail].concat()).unwrap();
        list.verify_signature(public(&KEY), &provider(), Legacy::NONE).unwrap();
        assert_eq!(list.entries().collect::<Vec<_>>(), entries);
        assert!(longest < 70_000);
    }
}

#[test]
fn other_entries_than_were_measured_are_refused() {
    let entry = RevokedEntry::new(serial(1), now());
    let mut measure = template().measure(public(&KEY), SignatureAlgorithm::EcdsaSha256).unwrap();
    measure.push(&entry).unwrap();
    let removed = entry.because(RevocationReason::RemoveFromCrl);
    assert!(matches!(measure.push(&removed), Err(Error::Misuse(_))));
    let fewer = measure.clone().writer(&provider()).finish();
    assert!(matches!(fewer, Err(Error::Misuse(_))));
    let mut more = measure.clone().writer(&provider());
    more.push(&entry).unwrap();
    assert!(matches!(more.push(&entry), Err(Error::Misuse(_))));
    let mut writer = measure.writer(&provider());
    writer.push(&entry).unwrap();
    let forged = writer.finish().unwrap().complete(&[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01]);
    assert_eq!(forged.unwrap_err(), Error::Crypto(mdm_core::crypto::Error::Failed));
}
