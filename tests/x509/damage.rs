//! Requests and certificates that are odd, ambiguous, or too much.

use mdm_core::asn1::{ErrorKind, Oid, Tag, Writer};
use mdm_core::crypto::{Legacy, SignatureAlgorithm, SigningKey};
use mdm_core::secret::Secret;
use mdm_core::x509::{
    BasicConstraints, Certificate, CertificateTemplate, Csr, Error, ExtendedKeyUsage, Extensions, GeneralName, KeyUsage,
    Refusal, SubjectAlternativeNames, oid, verify_path,
};

use crate::support::*;

/// A request with these attributes, signed.
fn csr(attributes: Option<&[Vec<u8>]>) -> Result<Csr, Error> {
    let info = Writer::build(|w| {
        w.sequence(|w| {
            w.small_integer(0);
            w.raw(name("Device").as_der());
            w.raw(public(&KEY).as_der());
            if let Some(attributes) = attributes {
                w.nested(Tag::context_constructed(0), |w| attributes.iter().for_each(|attribute| w.raw(attribute)));
            }
        });
    });
    Csr::from_der(&signed(&info))
}

fn signed(part: &[u8]) -> Vec<u8> {
    let signature = SigningKey::sign(&*KEY, SignatureAlgorithm::EcdsaSha256, part).unwrap();
    Writer::build(|w| {
        w.sequence(|w| {
            w.raw(part);
            SignatureAlgorithm::EcdsaSha256.write(w);
            w.bit_string(&signature);
        });
    })
}

fn attribute(oid: Oid<'_>, values: &[(Tag, &[u8])]) -> Vec<u8> {
    Writer::build(|w| {
        w.sequence(|w| {
            w.oid(oid);
            w.nested(Tag::SET, |w| values.iter().for_each(|(tag, content)| w.element(*tag, content)));
        });
    })
}

fn field<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    match outcome {
        Err(Error::Malformed { error, .. }) => match error.kind {
            ErrorKind::Field(name) => name,
            kind => panic!("{kind:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_challenge_in_any_string_type_is_read() {
    let challenge = |tag, content: &[u8]| {
        let csr = csr(Some(&[attribute(oid::CHALLENGE_PASSWORD, &[(tag, content)])])).unwrap();
        csr.verify(&provider(), Legacy::NONE).unwrap();
        csr.challenge_password().map(Option::unwrap)
    };
    let utf8 = Secret::from("aé");
    assert_eq!(challenge(Tag::UTF8_STRING, "aé".as_bytes()).as_ref(), Ok(&utf8));
    assert_eq!(challenge(Tag::TELETEX_STRING, b"a\xE9").as_ref(), Ok(&utf8));
    assert_eq!(challenge(Tag::BMP_STRING, &[0, b'a', 0, 0xE9]).as_ref(), Ok(&utf8));
    assert_eq!(challenge(Tag::UNIVERSAL_STRING, &[0, 0, 0, b'a', 0, 0, 0, 0xE9]).as_ref(), Ok(&utf8));
    for tag in [Tag::PRINTABLE_STRING, Tag::IA5_STRING, Tag::OCTET_STRING, Tag::NUMERIC_STRING, Tag::VISIBLE_STRING] {
        assert_eq!(challenge(tag, b"a*@_"), Ok(Secret::from("a*@_")));
        assert_eq!(challenge(tag, b"\xFF"), Ok(Secret::from(&[0xFF][..])), "octets that the type does not have");
    }
    assert_eq!(challenge(Tag::UTF8_STRING, b""), Ok(Secret::from("")));
    assert!(matches!(challenge(Tag::INTEGER, &[5]), Err(Error::Malformed { what: "challengePassword", .. })));
}

#[test]
fn absent_empty_and_foreign_attributes_are_passed_over() {
    assert_eq!(csr(None).unwrap().challenge_password(), Ok(None));
    assert_eq!(csr(Some(&[])).unwrap().attributes().count(), 0);
    let foreign = csr(Some(&[attribute(oid::TITLE, &[]), attribute(oid::TITLE, &[(Tag::NULL, &[]), (Tag::NULL, &[])])]));
    assert_eq!(foreign.unwrap().attributes().count(), 2);
}

#[test]
fn attributes_that_two_programs_could_read_in_two_ways_are_refused() {
    let challenge = attribute(oid::CHALLENGE_PASSWORD, &[(Tag::UTF8_STRING, b"a")]);
    assert_eq!(field(csr(Some(&[challenge.clone(), challenge]))), "challengePassword (a second one)");
    let two = attribute(oid::CHALLENGE_PASSWORD, &[(Tag::UTF8_STRING, b"a"), (Tag::UTF8_STRING, b"b")]);
    let none = attribute(oid::CHALLENGE_PASSWORD, &[]);
    let extensions = Writer::build(|w| {
        w.sequence(|w| {
            w.oid(oid::KEY_USAGE);
            w.octet_string(&[3, 2, 7, 0x80]);
        });
    });
    let request = |oid| attribute(oid, &[(Tag::SEQUENCE, &extensions)]);
    for oid in [oid::EXTENSION_REQUEST, oid::MICROSOFT_EXTENSION_REQUEST] {
        let one = csr(Some(&[request(oid)])).unwrap();
        assert_eq!(one.extensions().find(), Ok(Some(KeyUsage::DIGITAL_SIGNATURE)));
        assert_eq!(field(csr(Some(&[request(oid), request(oid::EXTENSION_REQUEST)]))), "extensionRequest (a second one)");
    }
    let lists = attribute(oid::EXTENSION_REQUEST, &[(Tag::SEQUENCE, &extensions), (Tag::SEQUENCE, &extensions)]);
    for bad in [two, none, lists, attribute(oid::EXTENSION_REQUEST, &[])] {
        assert!(matches!(csr(Some(&[bad])), Err(Error::Malformed { .. })));
    }
    let twice = [extensions.clone(), extensions].concat();
    let twice = csr(Some(&[attribute(oid::EXTENSION_REQUEST, &[(Tag::SEQUENCE, &twice)])]));
    assert_eq!(field(twice), "extensions (the same one twice)");
}

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    let megabyte = Extensions::new().with_raw(oid::TITLE, false, &Writer::build(|w| w.octet_string(&vec![0; 1 << 20])));
    let template = CertificateTemplate { extensions: megabyte, ..template("Leaf", "Authority", &KEY) };
    let tbs = template.to_be_signed(public(&KEY), SignatureAlgorithm::EcdsaSha256, &provider()).unwrap();
    let too_long = |outcome: Result<(), Error>| match outcome {
        Err(Error::Malformed { error, .. }) => assert_eq!(error.kind, ErrorKind::TooLong(256 << 10)),
        other => panic!("{other:?}"),
    };
    too_long(Certificate::from_der(&signed(tbs.bytes())).map(|_| ()));
    let value = vec![0; 1 << 20];
    too_long(csr(Some(&[attribute(oid::TITLE, &[(Tag::OCTET_STRING, &value)])])).map(|_| ()));
}

/// A TBSCertificate with one part changed, signed.
fn changed(from: &[u8], to: &[u8]) -> Result<Certificate, Error> {
    let extensions = Extensions::new().with(&BasicConstraints::end_entity()).with(&KeyUsage::DIGITAL_SIGNATURE);
    let template = CertificateTemplate { extensions, ..template("Leaf", "Authority", &KEY) };
    let tbs = template.to_be_signed(public(&KEY), SignatureAlgorithm::EcdsaSha256, &provider()).unwrap();
    let at = (0..tbs.bytes().len()).find(|at| tbs.bytes()[*at..].starts_with(from)).unwrap();
    let mut bytes = tbs.bytes().to_vec();
    bytes.splice(at..at + from.len(), to.iter().copied());
    Certificate::from_der(&signed(&bytes))
}

#[test]
fn certificates_that_two_programs_could_read_in_two_ways_are_refused() {
    assert!(changed(&[], &[]).is_ok());
    let (constraints, usage) = ([0x55, 0x1D, 0x13, 0x01, 0x01], [0x55, 0x1D, 0x0F, 0x01, 0x01]);
    assert_eq!(field(changed(&constraints, &usage)), "extensions (the same one twice)");
    assert_eq!(field(changed(&[0xA0, 3, 2, 1, 2], &[0xA0, 3, 2, 1, 1])), "version (too low for what follows)");
    assert_eq!(field(changed(&[0xA0, 3, 2, 1, 2], &[0xA0, 3, 2, 1, 3])), "version (neither 1, 2 nor 3)");
    // ecdsa-with-SHA384 inside, ecdsa-with-SHA256 outside.
    assert_eq!(
        field(changed(&[0xCE, 0x3D, 0x04, 0x03, 0x02], &[0xCE, 0x3D, 0x04, 0x03, 0x03])),
        "signatureAlgorithm (not the one inside)"
    );
    // 2026-02-30 and a moment without seconds.
    assert!(changed(b"260101000000Z", b"260230000000Z").is_err());
    assert!(changed(&[&[0x17, 0x0D][..], b"260101000000Z"].concat(), &[&[0x17, 0x0B][..], b"2601010000Z00"].concat()).is_err());
}

#[test]
fn an_authority_whose_key_may_not_certify_is_none() {
    let (top, middle) = (new_key(), new_key());
    let extensions = authority(None);
    let middle_template = CertificateTemplate { extensions, ..template("Middle", "Root", &middle) };
    let tbs = middle_template.to_be_signed(public(&top), SignatureAlgorithm::EcdsaSha256, &provider()).unwrap();
    // keyCertSign and cRLSign become cRLSign alone.
    let at = tbs.bytes().windows(4).position(|window| window == [3, 2, 1, 6]).unwrap();
    let mut bytes = tbs.bytes().to_vec();
    bytes[at + 3] = 2;
    let tbs = Certificate::to_be_signed_from(bytes, public(&top), SignatureAlgorithm::EcdsaSha256, &provider()).unwrap();
    let issuer = tbs.sign_with(&top).unwrap();
    let leaf = sign(&template("Leaf", "Middle", &KEY), &middle);
    let rules = mdm_core::x509::PathRules::at(now());
    let outcome = verify_path(&leaf, &[issuer], &[root("Root", &top)], &rules, &provider());
    assert_eq!(outcome, Err(Error::Refused(Refusal::NotAnAuthority)));
}

#[test]
fn what_der_forbids_and_devices_send_is_read_as_what_it_means() {
    let read = |extensions: &[(Oid<'static>, &[u8])]| {
        let list = extensions.iter().fold(Extensions::new(), |list, (oid, value)| list.with_raw(*oid, false, value));
        sign(&CertificateTemplate { extensions: list, ..template("Leaf", "Authority", &KEY) }, &KEY)
    };
    // cA FALSE spelled out, a path length beside it, trailing zero bits.
    let odd = read(&[
        (oid::BASIC_CONSTRAINTS, &[0x30, 0x06, 0x01, 0x01, 0x00, 0x02, 0x01, 0x05]),
        (oid::KEY_USAGE, &[0x03, 0x03, 0x00, 0x80, 0x00]),
    ]);
    assert_eq!(odd.basic_constraints(), Some(BasicConstraints::end_entity()));
    assert_eq!(odd.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
    // A Latin-1 domain, an address of five octets, an x400Address: kept as they are.
    let names = [0x30, 0x0E, 0x82, 0x01, 0xE9, 0x87, 0x05, 1, 2, 3, 4, 5, 0xA3, 0x02, 0x05, 0x00];
    let names = read(&[(oid::SUBJECT_ALT_NAME, &names)]).subject_alternative_names().unwrap().unwrap().names;
    let raw: Vec<&[u8]> =
        names.iter().map(|name| if let GeneralName::Other(der) = name { der.as_slice() } else { &[] }).collect();
    assert_eq!(raw, [&[0x82, 0x01, 0xE9][..], &[0x87, 5, 1, 2, 3, 4, 5], &[0xA3, 2, 5, 0]]);
    let again = read(&[(
        oid::SUBJECT_ALT_NAME,
        &Writer::build(|w| {
            use mdm_core::x509::ExtensionType as _;
            SubjectAlternativeNames::from(names.clone()).write(w);
        }),
    )]);
    assert_eq!(again.subject_alternative_names().unwrap().unwrap().names, names);
}

#[test]
fn lists_keep_their_order_and_hold_each_extension_once() {
    let list = Extensions::new()
        .with(&KeyUsage::DIGITAL_SIGNATURE)
        .with(&ExtendedKeyUsage::new(&[oid::CLIENT_AUTH]))
        .with(&KeyUsage::CRL_SIGN);
    let oids: Vec<String> = list.iter().map(|extension| extension.oid().to_string()).collect();
    assert_eq!(oids, [oid::EXTENDED_KEY_USAGE.to_string(), oid::KEY_USAGE.to_string()]);
    assert_eq!(list.find(), Ok(Some(KeyUsage::CRL_SIGN)));
    assert!(list.clone().without(oid::KEY_USAGE).without(oid::EXTENDED_KEY_USAGE).is_empty());
    assert_eq!(list.clone().without(oid::TITLE), list);
    let damaged = Extensions::new().with_raw(oid::KEY_USAGE, true, &[3, 1]);
    assert!(matches!(damaged.find::<KeyUsage>(), Err(Error::Malformed { what: "keyUsage", .. })));
}
