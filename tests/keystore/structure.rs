//! PKCS#12 in shapes that the programs at hand do not write: built here by hand, without encryption and mostly without a MAC.

use mdm_core::asn1::{ErrorKind, Tag, Writer};
use mdm_core::crypto::SigningKey;
use mdm_core::keystore::{Error, KeyStore};
use mdm_core::time::Timestamp;
use mdm_core::x509::{BasicConstraints, Certificate, CertificateTemplate, Extensions, KeyUsage, Name, SerialNumber, Validity};

use super::{PASSWORD, WITHOUT_MAC, certificate, file, key, open, provider, read, signing};

const DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];
const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
const ENVELOPED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x03];
const X509: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x16, 0x01];
const SDSI: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x16, 0x02];
const FRIENDLY_NAME: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x14];
const LOCAL_KEY_ID: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x15];

fn der(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    Writer::build(write)
}

fn content_info(kind: &[u8], content: &[u8]) -> Vec<u8> {
    der(|w| {
        w.sequence(|w| {
            w.element(Tag::OID, kind);
            w.nested(Tag::context_constructed(0), |w| w.raw(content));
        });
    })
}

fn octets(content: &[u8]) -> Vec<u8> {
    der(|w| w.octet_string(content))
}

fn pfx_of(version: u32, safe: &[u8]) -> Vec<u8> {
    der(|w| {
        w.sequence(|w| {
            w.small_integer(version);
            w.raw(safe);
        });
    })
}

/// A store of these bags in one part.
fn pfx(bags: &[Vec<u8>]) -> Vec<u8> {
    let contents = der(|w| w.element(Tag::SEQUENCE, &bags.concat()));
    let safe = der(|w| w.element(Tag::SEQUENCE, &content_info(DATA, &octets(&contents))));
    pfx_of(3, &content_info(DATA, &octets(&safe)))
}

fn attribute(kind: &[u8], tag: Tag, value: &[u8]) -> Vec<u8> {
    der(|w| {
        w.sequence(|w| {
            w.element(Tag::OID, kind);
            w.nested(Tag::SET, |w| w.element(tag, value));
        });
    })
}

fn bag(kind: u8, value: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let oid = [&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01][..], &[kind]].concat();
    der(|w| {
        w.sequence(|w| {
            w.element(Tag::OID, &oid);
            w.nested(Tag::context_constructed(0), |w| w.raw(value));
            if !attributes.is_empty() {
                w.element(Tag::SET, &attributes.concat());
            }
        });
    })
}

fn id(value: u8) -> Vec<u8> {
    attribute(LOCAL_KEY_ID, Tag::OCTET_STRING, &[value])
}

fn key_bag(name: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    bag(1, key(name).expose(), attributes)
}

fn certificate_bag(name: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    bag(3, &cert_bag(X509, certificate(name).as_der()), attributes)
}

fn cert_bag(kind: &[u8], der: &[u8]) -> Vec<u8> {
    content_info(kind, &octets(der))
}

fn nested(bags: &[Vec<u8>]) -> Vec<u8> {
    bag(6, &der(|w| w.element(Tag::SEQUENCE, &bags.concat())), &[])
}

fn read_bags(bags: &[Vec<u8>]) -> Result<KeyStore, Error> {
    read(&pfx(bags), PASSWORD, &WITHOUT_MAC)
}

#[test]
fn a_key_without_identifier_is_paired_by_its_public_key() {
    let certificates = [certificate_bag("ca", &[]), certificate_bag("signing", &[])];
    let store = read_bags(&[&[key_bag("signing", &[])][..], &certificates].concat()).unwrap();
    assert_eq!(store.entries, [signing("", &["signing", "ca"])]);
    // The same when the identifier is everybody's, or nobody's.
    for (of_key, of_certificates) in [(1, 1), (1, 2)] {
        let mine = vec![id(of_key)];
        let theirs = vec![id(of_certificates)];
        let bags = [certificate_bag("ca", &theirs), certificate_bag("signing", &theirs), key_bag("signing", &mine)];
        assert_eq!(read_bags(&bags).unwrap().entries, [signing("", &["signing", "ca"])]);
    }
    // And when there is none of its own, it has no chain, and the others are left over.
    let store = read_bags(&[key_bag("alone", &[]), certificate_bag("ca", &[])]).unwrap();
    assert_eq!((store.entries[0].chain.len(), store.certificates), (0, vec![certificate("ca")]));
}

#[test]
fn an_identifier_decides_although_the_key_is_anothers_which_loading_tells() {
    let store = read_bags(&[key_bag("alone", &[id(1)]), certificate_bag("signing", &[id(1)])]).unwrap();
    assert_eq!(store.entries[0].chain, [certificate("signing")]);
    assert_eq!(store.entries[0].load(&provider()).err(), Some(Error::Mismatch));
}

#[test]
fn the_name_may_stand_at_the_certificate_only() {
    let name = attribute(FRIENDLY_NAME, Tag::BMP_STRING, &[0, b'n']);
    let store = read_bags(&[key_bag("signing", &[id(1)]), certificate_bag("signing", &[id(1), name])]).unwrap();
    assert_eq!(store.entries[0].alias, "n");
    let odd = attribute(FRIENDLY_NAME, Tag::BMP_STRING, &[0xD8]);
    let outcome = read_bags(&[key_bag("signing", &[odd])]);
    assert!(
        matches!(outcome, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::Field("friendlyName")),
        "{outcome:?}"
    );
}

#[test]
fn bags_within_bags_are_read_in_order_and_to_a_depth() {
    let leaf = [key_bag("signing", &[]), certificate_bag("signing", &[])];
    let store = read_bags(&[nested(&leaf), nested(&[nested(&[certificate_bag("ca", &[])])]), nested(&[])]).unwrap();
    assert_eq!(store.entries, [signing("", &["signing", "ca"])]);
    let mut deep = certificate_bag("ca", &[]);
    for _ in 0..100 {
        deep = nested(&[deep]);
    }
    let outcome = read_bags(&[deep]);
    assert!(matches!(outcome, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::TooDeep(32)), "{outcome:?}");
}

#[test]
fn crls_secrets_and_strange_bags_are_passed_over() {
    let value = octets(b"whatever");
    let strange = [bag(4, &value, &[]), bag(5, &value, &[id(1)]), bag(77, &value, &[]), bag(3, &cert_bag(SDSI, b"x"), &[])];
    let store = read_bags(&[&strange[..], &[key_bag("signing", &[])]].concat()).unwrap();
    assert_eq!((store.entries.len(), store.certificates.len()), (1, 0));
}

#[test]
fn a_certificate_that_comes_twice_counts_once() {
    let store = read_bags(&[certificate_bag("ca", &[]), certificate_bag("ca", &[]), key_bag("ca", &[])]).unwrap();
    assert_eq!((store.entries[0].chain.len(), store.certificates.len()), (1, 0));
}

#[test]
fn authorities_that_certified_each_other_make_no_endless_chain() {
    let provider = provider();
    let key = provider.load(&key("ca")).unwrap();
    let of = |subject: &str, issuer: &str| {
        let name = |common: &str| Name::builder().common_name(common).build().unwrap();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let template = CertificateTemplate {
            serial: SerialNumber::random(provider.random).unwrap(),
            issuer: name(issuer),
            subject: name(subject),
            validity: Validity { not_before: now, not_after: now.plus_days(1) },
            public_key: key.public_key().clone(),
            extensions: Extensions::new().with(&BasicConstraints::authority(None)).with(&KeyUsage::KEY_CERT_SIGN),
            authority_key_identifier: None,
        };
        template.to_be_signed(key.public_key(), key.algorithm(), &provider).unwrap().sign_with(&key).unwrap()
    };
    let (a, b) = (of("A", "B"), of("B", "A"));
    let bag = |certificate: &Certificate| bag(3, &cert_bag(X509, certificate.as_der()), &[]);
    let store = read_bags(&[key_bag("ca", &[]), bag(&a), bag(&b)]).unwrap();
    assert_eq!(store.entries[0].chain, [a, b]);
}

#[test]
fn public_keys_instead_of_passwords_are_named_as_unsupported() {
    let outcome = |bytes: &[u8]| read(bytes, PASSWORD, &WITHOUT_MAC).unwrap_err();
    let signed = pfx_of(3, &content_info(SIGNED_DATA, &octets(b"")));
    assert_eq!(outcome(&signed), Error::Unsupported("PKCS#12 that is signed instead of having a MAC"));
    let enveloped = der(|w| w.element(Tag::SEQUENCE, &content_info(ENVELOPED_DATA, &octets(b""))));
    let enveloped = pfx_of(3, &content_info(DATA, &octets(&enveloped)));
    assert_eq!(outcome(&enveloped), Error::Unsupported("PKCS#12 that is encrypted to a public key"));
    let version = outcome(&pfx_of(4, &content_info(DATA, &octets(&[0x30, 0]))));
    assert!(matches!(version, Error::Malformed { error, .. } if error.kind == ErrorKind::Field("version")), "{version:?}");
}

#[test]
fn what_is_no_key_and_no_certificate_is_told() {
    let outcome = read_bags(&[bag(1, &octets(b"x"), &[])]);
    assert!(matches!(outcome, Err(Error::Malformed { what: "SafeContents", .. })), "{outcome:?}");
    let outcome = read_bags(&[bag(3, &cert_bag(X509, b"x"), &[])]);
    assert!(matches!(outcome, Err(Error::Certificate(_))), "{outcome:?}");
}

/// BER as NSS and old Windows stream it: indefinite lengths, and strings in pieces of ten octets.
fn to_ber(der: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = der;
    while let [tag, first, ..] = *rest {
        let (header, length) = match first {
            0..0x80 => (2, usize::from(first)),
            _ => {
                let count = usize::from(first & 0x7F);
                (2 + count, rest[2..2 + count].iter().fold(0, |length, octet| length << 8 | usize::from(*octet)))
            }
        };
        let content = &rest[header..header + length];
        if tag & 0x20 != 0 {
            out.extend([tag, 0x80]);
            out.extend(to_ber(content));
            out.extend([0, 0]);
        } else if matches!(tag, 0x04 | 0x80) && content.len() > 10 {
            out.extend([tag | 0x20, 0x80]);
            for piece in content.chunks(10) {
                out.extend([0x04, u8::try_from(piece.len()).unwrap()]);
                out.extend(piece);
            }
            out.extend([0, 0]);
        } else {
            out.extend(&rest[..header + length]);
        }
        rest = &rest[header + length..];
    }
    out
}

#[test]
fn ber_is_read_outside_and_inside_of_strings() {
    let bytes = file("chain.p12");
    let streamed = to_ber(&bytes);
    assert_ne!(streamed, bytes);
    // Outside: the MAC is over the octets of the string, whose pieces do not count.
    assert_eq!(read(&streamed, PASSWORD, &WITHOUT_MAC), open("chain.p12", PASSWORD, &WITHOUT_MAC));
    // Inside: AuthenticatedSafe and SafeContents are BER too.
    let contents = to_ber(&der(|w| w.element(Tag::SEQUENCE, &key_bag("signing", &[]))));
    let safe = to_ber(&der(|w| w.element(Tag::SEQUENCE, &content_info(DATA, &octets(&contents)))));
    let store = read(&to_ber(&pfx_of(3, &content_info(DATA, &octets(&safe)))), PASSWORD, &WITHOUT_MAC).unwrap();
    assert_eq!(store.entries, [signing("", &[])]);
}
