//! Requests by somebody who means harm: each is refused with an error of its own, before anything is reserved.

use mdm_core::asn1::{Tag, Writer};
use mdm_core::ca::{Error, IssuanceRequest, Profile, Refusal};
use mdm_core::crypto::{self, Legacy, PublicKey, SignatureAlgorithm, SigningKey};
use mdm_core::x509::{
    self, BasicConstraints, Csr, CsrTemplate, Extensions, GeneralName, KeyUsage, ProvenCsr, SubjectAlternativeNames, oid,
};

use super::{CA_KEY, DEVICE_KEY, authority, csr, key, name, noon, provider};

/// CertificationRequest with this key and these extensions, under any signature.
fn forged(key: &PublicKey, extensions: &[(&[u8], &[u8])], signature: &[u8], algorithm: SignatureAlgorithm) -> Vec<u8> {
    Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.small_integer(0);
                w.raw(name("Mallory").as_der());
                w.raw(key.as_der());
                w.nested(Tag::context_constructed(0), |w| {
                    w.sequence(|w| {
                        w.oid(oid::EXTENSION_REQUEST);
                        w.nested(Tag::SET, |w| {
                            w.sequence(|w| {
                                for (identifier, value) in extensions {
                                    w.sequence(|w| {
                                        w.element(Tag::OID, identifier);
                                        w.octet_string(value);
                                    });
                                }
                            });
                        });
                    });
                });
            });
            w.sequence(|w| {
                w.oid(algorithm.oid());
                if algorithm.is_rsa() {
                    w.null();
                }
            });
            w.bit_string(signature);
        });
    })
}

fn rsa(bits: usize, exponent: &[u8]) -> PublicKey {
    PublicKey::from_rsa(&vec![0xC5; bits / 8], exponent).unwrap()
}

#[test]
fn a_signature_by_another_key_proves_nothing() {
    let victim = key();
    let template = CsrTemplate::new(name("Device 7"), victim.public_key().clone());
    let info = template.to_be_signed(victim.algorithm(), &provider()).unwrap();
    let signature = DEVICE_KEY.sign(SignatureAlgorithm::EcdsaSha256, info.bytes()).unwrap();
    let forged = forged(victim.public_key(), &[], &signature, SignatureAlgorithm::EcdsaSha256);
    let refused = Csr::from_der(&forged).unwrap().verify(&provider(), Legacy::NONE).unwrap_err();
    assert_eq!(refused, x509::Error::Crypto(crypto::Error::Failed));
    // Changed after it was signed.
    let mut changed = csr(&victim, name("Device 7"), Extensions::new()).as_der().to_vec();
    let at = changed.windows(8).position(|window| window == b"Device 7").unwrap();
    changed[at + 7] = b'8';
    let refused = Csr::from_der(&changed).unwrap().verify(&provider(), Legacy::NONE).unwrap_err();
    assert_eq!(refused, x509::Error::Crypto(crypto::Error::Failed));
}

#[test]
fn weak_keys_prove_nothing_either() {
    let refusal = |key: &PublicKey| {
        let csr = Csr::from_der(&forged(key, &[], &[1; 256], SignatureAlgorithm::RsaSha256)).unwrap();
        match csr.verify(&provider(), Legacy::NONE).unwrap_err() {
            x509::Error::Refused(refusal) => refusal,
            other => panic!("{other}"),
        }
    };
    assert_eq!(refusal(&rsa(1024, &[1, 0, 1])), x509::Refusal::KeySize(1024));
    assert_eq!(refusal(&rsa(2040, &[1, 0, 1])), x509::Refusal::KeySize(2040));
    assert_eq!(refusal(&rsa(16_384, &[1, 0, 1])), x509::Refusal::KeySize(16_384));
    // With the exponent 1, every message is its own signature; even ones are no exponents; and one beyond 64 bits costs the reader.
    for exponent in [&[1][..], &[2], &[1, 0, 0], &[1, 0, 0, 0, 0, 0, 0, 0, 1]] {
        assert_eq!(refusal(&rsa(2048, exponent)), x509::Refusal::Exponent, "{exponent:?}");
    }
}

#[test]
fn nobody_becomes_an_authority_or_another_host_by_asking() {
    let authority = authority();
    let refused = |extensions: Extensions<'static>, profile: &Profile| {
        let csr = csr(&DEVICE_KEY, name("Mallory"), extensions);
        match authority.reserve(&IssuanceRequest::new(&csr, "t", profile), None, noon(), &provider()).unwrap_err() {
            Error::Refused(refusal) => refusal,
            other => panic!("{other}"),
        }
    };
    let identity = Profile::device_identity();
    let ca = Extensions::new().with(&BasicConstraints::authority(None));
    assert_eq!(refused(ca, &identity), Refusal::WantsAuthority);
    assert_eq!(refused(Extensions::new().with(&KeyUsage::KEY_CERT_SIGN), &identity), Refusal::WantsAuthority);
    let web = Profile::web_server(["mdm.example.com"]);
    for name in ["*.example.com", "mdm.example.com.evil.example", "evil.example", "*", "mdm.example.com\u{0}.evil.example"] {
        let names = SubjectAlternativeNames { names: vec![GeneralName::Dns(name.into())] };
        assert_eq!(refused(Extensions::new().with(&names), &web), Refusal::NameNotAllowed, "{name}");
    }
    let address = SubjectAlternativeNames { names: vec![GeneralName::Ip([192, 0, 2, 1].into())] };
    assert_eq!(refused(Extensions::new().with(&address), &web), Refusal::NameNotAllowed);
}

#[test]
fn extensions_beyond_measure_or_twice_are_not_even_read() {
    let malformed = |extensions: &[(&[u8], &[u8])]| {
        let der = forged(DEVICE_KEY.public_key(), extensions, &[0; 70], SignatureAlgorithm::EcdsaSha256);
        match Csr::from_der(&der).unwrap_err() {
            x509::Error::Malformed { error, .. } => error.kind,
            other => panic!("{other}"),
        }
    };
    let megabyte = vec![0; 1 << 20];
    let own: &[u8] = &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x8F, 0x65, 0x01];
    assert_eq!(malformed(&[(own, megabyte.as_slice())]), mdm_core::asn1::ErrorKind::TooLong(256 << 10));
    let usage = oid::KEY_USAGE;
    let (sign, certify) = ([0x03, 0x02, 0x05, 0xA0], [0x03, 0x02, 0x02, 0x04]);
    let twice = malformed(&[(usage.content(), &sign[..]), (usage.content(), &certify[..])]);
    assert!(matches!(twice, mdm_core::asn1::ErrorKind::Field(_)), "{twice:?}");
}

// Each refusal of this file once more, at one authority: its record is what it was, and the next honest request gets what it would have.
#[test]
fn what_is_refused_leaves_everything_as_it_was() {
    let (authority, profile) = (authority(), Profile::device_identity());
    let before = serde_json::to_string(&authority).unwrap();
    let ask = |csr: &ProvenCsr, transaction: &str, profile: &Profile, now| {
        authority.reserve(&IssuanceRequest::new(csr, transaction, profile), None, now, &provider())
    };
    let honest = csr(&DEVICE_KEY, name("Device 7"), Extensions::new());
    let wants = |extensions| csr(&DEVICE_KEY, name("Device 7"), extensions);
    let names = SubjectAlternativeNames { names: vec![GeneralName::Dns("*".into())] };
    let end = authority.certificate().unwrap().validity().not_after;
    let refusals = [
        ask(&wants(Extensions::new().with(&BasicConstraints::authority(None))), "t", &profile, noon()),
        ask(&wants(Extensions::new().with(&names)), "t", &Profile::web_server(["mdm.example.com"]), noon()),
        ask(&csr(&CA_KEY, name("Device 7"), Extensions::new()), "t", &profile, noon()),
        ask(&honest, "", &profile, noon()),
        ask(&honest, "t", &profile, noon().plus_days(-1)),
        ask(&honest, "t", &profile, end.plus_seconds(1)),
    ];
    let errors: Vec<Error> = refusals.into_iter().map(|outcome| outcome.unwrap_err()).collect();
    for (at, error) in errors.iter().enumerate() {
        assert!(!errors[..at].contains(error), "each has an error of its own: {error}");
    }
    assert!(authority.plan_crl(&authority.crl_scopes()[0], noon().plus_days(-1)).is_err());
    assert_eq!(serde_json::to_string(&authority).unwrap(), before, "no number is spent");
    assert_eq!(ask(&honest, "t", &profile, noon()).unwrap().change().events.len(), 1);
}
