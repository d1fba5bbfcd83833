//! What is made: as RFC 5280 wants it, as others read it, and never what must not be.

use der::{Decode, Encode};
use mdm_core::crypto::{Legacy, SignatureAlgorithm, SigningKey};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{
    AuthorityInfoAccess, BasicConstraints, Certificate, CertificateTemplate, CrlDistributionPoints, Csr, CsrTemplate, Error,
    ExtendedKeyUsage, Extensions, GeneralName, KeyIdentifier, KeyUsage, Name, OcspNoCheck, Refusal, SerialNumber,
    SubjectAlternativeNames, Validity, accept_key, oid,
};
use proptest::prelude::*;

use crate::support::*;

fn refused(template: &CertificateTemplate) -> Error {
    template.to_be_signed(public(&KEY), SignatureAlgorithm::EcdsaSha256, &provider()).unwrap_err()
}

fn device() -> CertificateTemplate {
    let authority = root("Authority", &KEY);
    let subject = Name::builder().country("DE").serial_number("C02X").common_name("Device 7").build().unwrap();
    let mut template = CertificateTemplate::under(&authority, serial(7), subject, year(), public(&RSA).clone());
    template.extensions = Extensions::new()
        .with(&BasicConstraints::end_entity())
        .with(&(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT))
        .with(&ExtendedKeyUsage::new(&[oid::CLIENT_AUTH]))
        .with(&SubjectAlternativeNames::from(vec![
            GeneralName::Dns("device.example".into()),
            GeneralName::Ip("2001:db8::1".parse().unwrap()),
            GeneralName::Directory(name("Directory")),
            GeneralName::UserPrincipalName("user@example.com".into()),
        ]))
        .with(&CrlDistributionPoints { uris: vec!["http://a.example/crl".into(), "http://b.example/crl".into()] })
        .with(&AuthorityInfoAccess { ocsp: vec!["http://a.example/ocsp".into()], issuers: vec!["http://a.example/ca".into()] })
        .with(&OcspNoCheck);
    template
}

#[test]
fn what_is_made_reads_back_with_every_field() {
    let template = device();
    let made = sign(&template, &KEY);
    let read = Certificate::from_der(made.as_der()).unwrap();
    assert_eq!(read, made);
    for certificate in [&made, &read] {
        assert_eq!(certificate.version(), 3);
        assert_eq!(certificate.serial(), &template.serial);
        assert_eq!(certificate.issuer(), &template.issuer);
        assert_eq!(certificate.subject(), &template.subject);
        assert_eq!(certificate.validity(), template.validity);
        assert_eq!(certificate.public_key(), &template.public_key);
        assert_eq!(certificate.basic_constraints(), Some(BasicConstraints::end_entity()));
        assert_eq!(certificate.key_usage(), template.extensions.find().unwrap());
        assert_eq!(certificate.extended_key_usage(), Some(&ExtendedKeyUsage::new(&[oid::CLIENT_AUTH])));
        assert_eq!(certificate.subject_key_identifier(), Some(&KeyIdentifier::of(public(&RSA), &provider())));
        assert_eq!(certificate.authority_key_identifier(), Some(&KeyIdentifier::of(public(&KEY), &provider())));
        assert_eq!(certificate.subject_alternative_names().unwrap(), template.extensions.find().unwrap());
        let extensions = certificate.extensions();
        assert_eq!(extensions.find::<CrlDistributionPoints>(), template.extensions.find());
        assert_eq!(extensions.find::<AuthorityInfoAccess>(), template.extensions.find());
        assert_eq!(extensions.find::<OcspNoCheck>(), Ok(Some(OcspNoCheck)));
        let critical: Vec<bool> = extensions.iter().map(|extension| extension.is_critical()).collect();
        assert_eq!(critical, [true, true, false, false, false, false, false, false, false]);
        assert_eq!(certificate.signature_algorithm(), Some(SignatureAlgorithm::EcdsaSha256));
    }
}

/// The judge was written elsewhere: it must read the same and, since it reads strictly, write the same again.
#[test]
fn others_read_the_same() {
    for made in [sign(&device(), &KEY), root("Authority", &RSA)] {
        let judged = x509_cert::Certificate::from_der(made.as_der()).unwrap();
        assert_eq!(judged.to_der().unwrap(), made.as_der());
        let tbs = judged.tbs_certificate();
        assert_eq!(tbs.serial_number().as_bytes(), made.serial().as_bytes());
        // It writes one of the short names in capitals.
        assert_eq!(tbs.subject().to_string().to_uppercase(), made.subject().to_string().to_uppercase());
        assert_eq!(tbs.issuer().to_der().unwrap(), made.issuer().as_der());
        assert_eq!(tbs.to_der().unwrap(), made.tbs());
        let seconds = i64::try_from(tbs.validity().not_after.to_unix_duration().as_secs()).unwrap();
        assert_eq!(Timestamp::from_unix(seconds), made.validity().not_after);
        assert_eq!(judged.signature().raw_bytes(), made.signature());
        let (critical, usage) = tbs.get_extension::<x509_cert::ext::pkix::KeyUsage>().unwrap().unwrap();
        assert!(critical);
        assert_eq!(usage.key_cert_sign(), made.key_usage().unwrap().contains(KeyUsage::KEY_CERT_SIGN));
        let (_, constraints) = tbs.get_extension::<x509_cert::ext::pkix::BasicConstraints>().unwrap().unwrap();
        assert_eq!(constraints.ca, made.is_authority());
    }
}

#[test]
fn a_certificate_that_signs_itself_names_no_other_key() {
    let certificate = root("Authority", &KEY);
    assert!(certificate.authority_key_identifier().is_none() && certificate.subject_key_identifier().is_some());
}

#[test]
fn an_empty_subject_makes_its_other_names_critical() {
    let nameless = CertificateTemplate { subject: Name::empty(), ..device() };
    let made = sign(&nameless, &KEY);
    assert!(made.extensions().get(oid::SUBJECT_ALT_NAME).unwrap().is_critical());
    assert!(made.unknown_critical_extensions().is_empty());
    let without = CertificateTemplate { extensions: Extensions::new(), ..nameless };
    assert!(matches!(refused(&without), Error::Misuse(_)));
}

#[test]
fn what_others_refuse_is_not_made() {
    let with = |extensions: Extensions<'static>| CertificateTemplate { extensions, ..device() };
    let backwards = Validity { not_before: year().not_after, not_after: year().not_before };
    let cases = [
        CertificateTemplate { validity: backwards, ..device() },
        CertificateTemplate { issuer: Name::empty(), ..device() },
        with(Extensions::new().with(&KeyUsage::default())),
        with(Extensions::new().with(&ExtendedKeyUsage::new(&[]))),
        with(Extensions::new().with(&SubjectAlternativeNames::default())),
        with(Extensions::new().with(&CrlDistributionPoints::default())),
        with(Extensions::new().with(&AuthorityInfoAccess::default())),
        with(Extensions::new().with(&BasicConstraints::authority(None))),
        with(Extensions::new().with(&BasicConstraints::authority(None)).with(&KeyUsage::CRL_SIGN)),
        with(Extensions::new().with(&KeyUsage::KEY_CERT_SIGN)),
    ];
    for case in cases {
        assert!(matches!(refused(&case), Error::Misuse(_)), "{case:?}");
    }
    let garbage = with(Extensions::new().with_raw(oid::NAME_CONSTRAINTS, true, &[0x30, 0x05]));
    assert!(matches!(refused(&garbage), Error::Malformed { what: "extension", .. }));
    let mistyped = with(Extensions::new().with_raw(oid::BASIC_CONSTRAINTS, true, &[0x05, 0x00]));
    assert!(matches!(refused(&mistyped), Error::Malformed { what: "basicConstraints", .. }));
}

#[test]
fn a_key_signs_only_what_it_can() {
    for algorithm in [SignatureAlgorithm::RsaSha256, SignatureAlgorithm::RsaSha1] {
        assert!(matches!(device().to_be_signed(public(&KEY), algorithm, &provider()), Err(Error::Misuse(_))));
    }
    let ecdsa = device().to_be_signed(public(&RSA), SignatureAlgorithm::EcdsaSha256, &provider());
    assert!(matches!(ecdsa, Err(Error::Misuse(_))));
}

#[test]
fn kept_bytes_are_signed_as_they_are() {
    let tbs = device().to_be_signed(public(&KEY), SignatureAlgorithm::EcdsaSha256, &provider()).unwrap();
    let kept = tbs.bytes().to_vec();
    let again = |bytes: Vec<u8>, algorithm| Certificate::to_be_signed_from(bytes, public(&KEY), algorithm, &provider());
    let resumed = again(kept.clone(), SignatureAlgorithm::EcdsaSha256).unwrap();
    let signature = SigningKey::sign(&*KEY, SignatureAlgorithm::EcdsaSha256, &kept).unwrap();
    let certificate = resumed.complete(&signature).unwrap();
    assert_eq!(certificate.tbs(), kept);
    assert_eq!(certificate.extensions(), tbs.sign_with(&*KEY).unwrap().extensions());
    assert!(matches!(again(kept.clone(), SignatureAlgorithm::EcdsaSha384), Err(Error::Misuse(_))));
    assert!(matches!(again(kept[..kept.len() - 1].to_vec(), SignatureAlgorithm::EcdsaSha256), Err(Error::Malformed { .. })));
    let longer = [kept, vec![0]].concat();
    assert!(matches!(again(longer, SignatureAlgorithm::EcdsaSha256), Err(Error::Malformed { .. })));
}

#[test]
fn a_request_proves_its_key() {
    let template = CsrTemplate {
        challenge: Some(Secret::from("open sesame")),
        extensions: Extensions::new().with(&KeyUsage::DIGITAL_SIGNATURE),
        ..CsrTemplate::new(name("Device 7"), public(&KEY).clone())
    };
    let csr = template.to_be_signed(SignatureAlgorithm::EcdsaSha256, &provider()).unwrap().sign_with(&*KEY).unwrap();
    let proven = Csr::from_pem(csr.to_pem()).unwrap().verify(&provider(), Legacy::NONE).unwrap();
    assert_eq!(*proven, csr);
    assert_eq!(proven.challenge_password(), Ok(Some(Secret::from("open sesame"))));
    assert_eq!(proven.extensions().find(), Ok(Some(KeyUsage::DIGITAL_SIGNATURE)));
    assert_eq!(csr.challenge_password(), proven.challenge_password());
    let order: Vec<String> = csr.attributes().map(|(oid, _)| oid.to_string()).collect();
    assert_eq!(order, [oid::CHALLENGE_PASSWORD.to_string(), oid::EXTENSION_REQUEST.to_string()]);

    let judged = x509_cert::request::CertReq::from_der(csr.as_der()).unwrap();
    assert_eq!(judged.info.subject.to_der().unwrap(), csr.subject().as_der());
    assert_eq!(judged.info.attributes.len(), 2);

    let plain = CsrTemplate { extensions: Extensions::new(), challenge: None, ..template.clone() };
    let plain = plain.to_be_signed(SignatureAlgorithm::EcdsaSha256, &provider()).unwrap().sign_with(&*KEY).unwrap();
    assert_eq!(plain.attributes().count(), 0);
    for challenge in [Secret::from(""), Secret::from(&[0xFF][..])] {
        let template = CsrTemplate { challenge: Some(challenge), ..template.clone() };
        assert!(matches!(template.to_be_signed(SignatureAlgorithm::EcdsaSha256, &provider()), Err(Error::Misuse(_))));
    }
}

#[test]
fn challenges_are_printable_strings_where_they_can() {
    for (challenge, tag) in [("open sesame", 0x13), ("öffne", 0x0C), ("a@b", 0x0C)] {
        let template =
            CsrTemplate { challenge: Some(Secret::from(challenge)), ..CsrTemplate::new(Name::empty(), public(&KEY).clone()) };
        let csr = template.to_be_signed(SignatureAlgorithm::EcdsaSha256, &provider()).unwrap().sign_with(&*KEY).unwrap();
        let (_, mut values) = csr.attributes().next().unwrap();
        assert_eq!(values.element().unwrap().tag().octet(), tag);
        assert_eq!(csr.challenge_password(), Ok(Some(Secret::from(challenge))));
    }
}

#[test]
fn requests_that_others_made_are_proven() {
    let full = Csr::from_pem(include_str!("../data/x509/full.csr")).unwrap();
    assert!(full.verify(&provider(), Legacy::NONE).is_ok());
    let rsa = Csr::from_pem(include_str!("../data/x509/empty.csr")).unwrap();
    assert!(rsa.verify(&provider(), Legacy::NONE).is_ok());
}

#[test]
fn weak_requests_need_a_policy_that_says_so() {
    let weak = Csr::from_pem(include_str!("../data/x509/weak.csr")).unwrap();
    let verify = |legacy| weak.verify(&provider(), legacy).map(|_| ());
    assert_eq!(verify(Legacy::NONE), Err(Error::Refused(Refusal::Algorithm)));
    assert_eq!(verify(Legacy { sha1: true, ..Legacy::NONE }), Err(Error::Refused(Refusal::KeySize(1024))));
    assert_eq!(verify(Legacy { sha1: true, rsa_1024: true, ..Legacy::NONE }), Ok(()));
}

#[test]
fn unusable_keys_are_refused_before_their_signature_is_looked_at() {
    use mdm_core::crypto::PublicKey;
    let key = |bits: usize, exponent: &[u8]| PublicKey::from_rsa(&vec![0xFF; bits / 8], exponent).unwrap();
    assert_eq!(accept_key(&key(2048, &[1, 0, 1]), Legacy::NONE), Ok(()));
    assert_eq!(accept_key(&key(2048, &[3]), Legacy::NONE), Ok(()));
    for exponent in [&[1][..], &[2], &[1, 0, 0], &[0], &[1; 9]] {
        assert_eq!(accept_key(&key(2048, exponent), Legacy::NONE), Err(Refusal::Exponent), "{exponent:?}");
    }
    assert_eq!(accept_key(&key(2040, &[3]), Legacy::NONE), Err(Refusal::KeySize(2040)));
    assert_eq!(accept_key(&key(512, &[3]), Legacy { rsa_1024: true, ..Legacy::NONE }), Err(Refusal::KeySize(512)));
    assert_eq!(accept_key(&key(16_384, &[3]), Legacy::NONE), Err(Refusal::KeySize(16_384)));
    // Ed25519, RFC 8410 section 10.1.
    let other = [&[0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00][..], &[7; 32]].concat();
    assert_eq!(accept_key(&PublicKey::from_der(&other).unwrap(), Legacy::NONE), Err(Refusal::KeyKind));
}

#[test]
fn a_forged_request_is_not_proven() {
    let csr = Csr::from_pem(include_str!("../data/x509/full.csr")).unwrap();
    let at = csr.as_der().windows(8).position(|window| window == b"Device 7").unwrap();
    let mut forged = csr.as_der().to_vec();
    forged[at + 7] = b'8';
    let forged = Csr::from_der(&forged).unwrap();
    assert_eq!(forged.subject().common_name().as_deref(), Some("Device 8"));
    assert!(matches!(forged.verify(&provider(), Legacy::NONE), Err(Error::Crypto(_))));
}

fn any_moment() -> impl Strategy<Value = Timestamp> {
    let edges = ["1949-12-31T23:59:59Z", "1950-01-01T00:00:00Z", "2049-12-31T23:59:59Z", "2050-01-01T00:00:00Z"];
    prop_oneof![
        proptest::sample::select(edges.map(moment).to_vec()),
        (-2_000_000_000_i64..5_000_000_000).prop_map(Timestamp::from_unix),
        Just(Timestamp::MAX),
    ]
}

fn any_name() -> impl Strategy<Value = Name> {
    let types = vec![oid::COMMON_NAME, oid::ORGANIZATION, oid::LOCALITY, oid::USER_ID, oid::GIVEN_NAME];
    let attribute = (proptest::sample::select(types), "[^\\p{C}]{1,20}");
    proptest::collection::vec(attribute, 1..5).prop_map(|attributes| {
        let builder = attributes.into_iter().fold(Name::builder(), |builder, (oid, text)| builder.attribute(oid, text));
        builder.build().unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_made_reads_back_here_and_elsewhere(
        magnitude in proptest::collection::vec(any::<u8>(), 1..20),
        (issuer, subject) in (any_name(), any_name()),
        (from, until) in (any_moment(), any_moment()),
        usage in 1_u16..32,
        domains in proptest::collection::vec("[a-z]{1,300}", 1..4),
    ) {
        let bits = [
            KeyUsage::DIGITAL_SIGNATURE, KeyUsage::NON_REPUDIATION, KeyUsage::KEY_ENCIPHERMENT, KeyUsage::DATA_ENCIPHERMENT,
            KeyUsage::KEY_AGREEMENT | KeyUsage::DECIPHER_ONLY,
        ];
        let usage = (0..5).filter(|bit| usage >> bit & 1 == 1).fold(KeyUsage::default(), |usage, bit| usage | bits[bit]);
        let template = CertificateTemplate {
            serial: SerialNumber::from_bytes(&magnitude).unwrap_or(serial(1)),
            issuer,
            subject,
            validity: Validity { not_before: from.min(until), not_after: from.max(until) },
            public_key: public(&KEY).clone(),
            extensions: Extensions::new()
                .with(&usage)
                .with(&SubjectAlternativeNames::from(domains.into_iter().map(GeneralName::Dns).collect::<Vec<_>>())),
            authority_key_identifier: Some(KeyIdentifier::from_bytes(&magnitude)),
        };
        let made = sign(&template, &KEY);
        let read = Certificate::from_der(made.as_der()).unwrap();
        prop_assert_eq!(read.serial(), &template.serial);
        prop_assert_eq!((read.issuer(), read.subject()), (&template.issuer, &template.subject));
        prop_assert_eq!(read.validity(), template.validity);
        prop_assert_eq!(read.key_usage(), Some(usage));
        prop_assert_eq!(read.subject_alternative_names().unwrap(), template.extensions.find().unwrap());
        prop_assert_eq!(read.authority_key_identifier(), template.authority_key_identifier.as_ref());
        prop_assert_eq!(made.extensions(), read.extensions());
        // The judge knows no year before 1970.
        if template.validity.not_before.unix() >= 0 {
            let judged = x509_cert::Certificate::from_der(made.as_der()).unwrap();
            prop_assert_eq!(judged.to_der().unwrap(), made.as_der());
        }
    }
}
