//! Certificates and requests that OpenSSL made, read; `tests/data/x509/make.sh` holds the commands.

use mdm_core::asn1::ErrorKind;
use mdm_core::crypto::{PublicKeyKind, SignatureAlgorithm};
use mdm_core::secret::Secret;
use mdm_core::x509::{
    AuthorityInfoAccess, BasicConstraints, Certificate, CrlDistributionPoints, Csr, Error, GeneralName, KeyUsage, Name,
    OcspNoCheck, SubjectAlternativeNames, oid,
};

const CA: &str = include_str!("../data/x509/ca.pem");
const LEAF: &str = include_str!("../data/x509/leaf.pem");
const V1: &str = include_str!("../data/x509/v1.pem");
const SHA1: &str = include_str!("../data/x509/sha1-2081.pem");
const FULL_CSR: &str = include_str!("../data/x509/full.csr");
const EMPTY_CSR: &str = include_str!("../data/x509/empty.csr");
const WEAK_CSR: &str = include_str!("../data/x509/weak.csr");

#[test]
fn a_certificate_with_every_extension_is_read() {
    let ca = Certificate::from_pem(CA).unwrap();
    let leaf = Certificate::from_pem(LEAF).unwrap();
    assert_eq!(leaf.version(), 3);
    assert_eq!(leaf.serial().to_string(), "9c0123456789abcdef");
    assert_eq!(leaf.subject().to_string(), "C=US,CN=Device 7,UID=com.apple.mgmt.External.7");
    assert_eq!(leaf.subject().values(oid::USER_ID).next().as_deref(), Some("com.apple.mgmt.External.7"));
    assert_eq!(leaf.issuer(), ca.subject());
    assert_eq!(leaf.validity().not_after.seconds_since(leaf.validity().not_before), 365 * 86_400);
    assert_eq!(leaf.public_key().kind(), PublicKeyKind::P256);
    assert_eq!(leaf.signature_algorithm(), Some(SignatureAlgorithm::RsaSha256));
    assert_eq!(leaf.signature().len(), 256);
    assert_eq!(leaf.basic_constraints(), Some(BasicConstraints::end_entity()));
    assert_eq!(leaf.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_AGREEMENT | KeyUsage::DECIPHER_ONLY));
    let purposes = leaf.extended_key_usage().unwrap();
    assert_eq!(purposes.purposes().map(|p| p.to_string()).collect::<Vec<_>>(), ["1.3.6.1.5.5.7.3.2", "1.2.3.4.5"]);
    assert_eq!(leaf.authority_key_identifier(), ca.subject_key_identifier());
    assert!(leaf.authority_key_identifier().is_some() && leaf.subject_key_identifier().is_some());
    assert_eq!(
        leaf.subject_alternative_names().unwrap().unwrap().names,
        [
            GeneralName::Dns("device.example".into()),
            GeneralName::Email("a@example.com".into()),
            GeneralName::Uri("https://example.com/x".into()),
            GeneralName::Ip("192.0.2.7".parse().unwrap()),
            GeneralName::Ip("2001:db8::7".parse().unwrap()),
            GeneralName::UserPrincipalName("user@example.com".into()),
            GeneralName::Other(vec![0x88, 0x02, 0x2A, 0x03]),
            GeneralName::Directory(Name::builder().common_name("Directory").build().unwrap()),
        ]
    );
    let extensions = leaf.extensions();
    assert_eq!(extensions.find::<CrlDistributionPoints>().unwrap().unwrap().uris, ["http://example.com/crl"]);
    let access = extensions.find::<AuthorityInfoAccess>().unwrap().unwrap();
    assert_eq!((access.ocsp, access.issuers), (vec!["http://example.com/ocsp".into()], vec!["http://example.com/ca".into()]));
    assert_eq!(extensions.find::<OcspNoCheck>(), Ok(Some(OcspNoCheck)));
    let unknown: Vec<String> = leaf.unknown_critical_extensions().iter().map(ToString::to_string).collect();
    assert_eq!(unknown, ["1.2.840.113635.100.6.3.2"]);
    assert_eq!(leaf.to_pem(), LEAF);
}

#[test]
fn an_authority_is_told_from_a_device() {
    let ca = Certificate::from_pem(CA).unwrap();
    assert!(ca.is_authority() && ca.is_self_issued());
    assert_eq!(ca.basic_constraints(), Some(BasicConstraints::authority(Some(1))));
    assert_eq!(ca.key_usage(), Some(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN));
    assert!(!Certificate::from_pem(LEAF).unwrap().is_authority());
}

#[test]
fn version_one_and_odd_serial_numbers_are_read() {
    let v1 = Certificate::from_pem(V1).unwrap();
    assert_eq!((v1.version(), v1.serial().to_string().as_str()), (1, "-07"));
    assert!(v1.extensions().is_empty() && v1.key_usage().is_none());
    let old = Certificate::from_pem(SHA1).unwrap();
    assert_eq!(old.serial().to_string(), "00");
    assert!(old.validity().not_after.civil().year > 2050);
    assert_eq!(old.signature_algorithm(), Some(SignatureAlgorithm::RsaSha1));
}

#[test]
fn a_bundle_is_read_in_its_order() {
    let bundle = Certificate::all_from_pem(format!("text\n{LEAF}more\n{CA}")).unwrap();
    assert_eq!(bundle, [Certificate::from_pem(LEAF).unwrap(), Certificate::from_pem(CA).unwrap()]);
    assert_eq!(Certificate::all_from_pem("nothing\n"), Err(Error::Pem { label: "CERTIFICATE", line: 1 }));
    let damaged = format!("{CA}{}", LEAF.replace("-----END", "-----"));
    assert!(matches!(Certificate::all_from_pem(damaged), Err(Error::Pem { .. })));
}

#[test]
fn a_request_with_challenge_and_extensions_is_read() {
    let csr = Csr::from_pem(FULL_CSR).unwrap();
    assert_eq!(csr.subject().common_name().as_deref(), Some("Device 7"));
    assert_eq!(csr.public_key(), Certificate::from_pem(LEAF).unwrap().public_key());
    assert_eq!(csr.challenge_password(), Ok(Some(Secret::from("open sesame"))));
    assert_eq!(csr.extensions().find(), Ok(Some(KeyUsage::DIGITAL_SIGNATURE)));
    let names = csr.extensions().find::<SubjectAlternativeNames>().unwrap().unwrap();
    assert_eq!(names.dns().collect::<Vec<_>>(), ["device.example"]);
    assert_eq!(csr.attributes().count(), 3);
    assert!(!format!("{csr:?}").contains("sesame"));
    assert_eq!(csr.to_pem(), FULL_CSR);
}

#[test]
fn a_request_without_subject_and_attributes_is_read() {
    let csr = Csr::from_pem(EMPTY_CSR).unwrap();
    assert!(EMPTY_CSR.contains("BEGIN NEW CERTIFICATE REQUEST"));
    assert!(csr.subject().is_empty() && csr.extensions().is_empty());
    assert_eq!(csr.challenge_password(), Ok(None));
    assert_eq!(csr.public_key().kind(), PublicKeyKind::Rsa { bits: 2048, exponent: 65_537 });
    assert_eq!(Csr::from_pem(WEAK_CSR).unwrap().signature_algorithm(), Some(SignatureAlgorithm::RsaSha1));
}

/// Every reader under every truncation and every single flipped bit: a value or an error, and never the value of the original.
#[test]
fn damage_anywhere_is_an_error_or_another_value() {
    let leaf = Certificate::from_pem(LEAF).unwrap();
    let csr = Csr::from_pem(FULL_CSR).unwrap();
    for end in 0..leaf.as_der().len() {
        assert!(Certificate::from_der(&leaf.as_der()[..end]).is_err());
    }
    for end in 0..csr.as_der().len() {
        assert!(Csr::from_der(&csr.as_der()[..end]).is_err());
    }
    let walk = |certificate: &Certificate| {
        let _ =
            (certificate.subject_alternative_names(), certificate.unknown_critical_extensions(), format!("{certificate:?}"));
        let _ = certificate.extensions().find::<CrlDistributionPoints>();
        let _ = certificate.extensions().find::<AuthorityInfoAccess>();
    };
    for at in 0..leaf.as_der().len() * 8 {
        let mut der = leaf.as_der().to_vec();
        der[at / 8] ^= 1 << (at % 8);
        if let Ok(other) = Certificate::from_der(&der) {
            assert_ne!(other, leaf);
            walk(&other);
        }
    }
    for at in 0..csr.as_der().len() * 8 {
        let mut der = csr.as_der().to_vec();
        der[at / 8] ^= 1 << (at % 8);
        if let Ok(other) = Csr::from_der(&der) {
            assert_ne!(other, csr);
            let _ = (other.challenge_password(), other.attributes().count(), format!("{other:?}"));
        }
    }
}

#[test]
fn what_follows_the_end_is_refused() {
    let trailing = |der: &[u8]| [der, &[0]].concat();
    let der = trailing(Certificate::from_pem(CA).unwrap().as_der());
    let Err(Error::Malformed { what: "certificate", error }) = Certificate::from_der(&der) else { panic!("read") };
    assert_eq!((error.kind, error.at), (ErrorKind::TrailingData, der.len() - 1));
    let der = trailing(Csr::from_pem(FULL_CSR).unwrap().as_der());
    assert!(matches!(Csr::from_der(&der), Err(Error::Malformed { what: "certificate request", .. })));
}

#[test]
fn records_carry_certificates_as_base64_of_their_bytes() {
    let leaf = Certificate::from_pem(LEAF).unwrap();
    let text = serde_json::to_string(&leaf).unwrap();
    assert_eq!(text.trim_matches('"'), LEAF.lines().filter(|line| !line.starts_with('-')).collect::<String>());
    assert_eq!(serde_json::from_str::<Certificate>(&text).unwrap(), leaf);
    assert!(serde_json::from_str::<Certificate>("\"MAA=\"").is_err());
}
