//! Envelopes to keys: by transport, by agreement, authenticated.

use mdm_core::asn1::{Oid, Writer};
use mdm_core::cms::{EnvelopedData, Error, OpeningPolicy, RecipientInfo, seal};
use mdm_core::crypto::{self, ContentCipher, DecryptionKey, KeyTransport, Legacy, Provider};
use mdm_core::limits::Limits;
use mdm_core::secret::Secret;
use mdm_core::x509::{Certificate, CertificateTemplate, SerialNumber};

use super::{CONTENT, assert_shut, certificate, data, enveloped, key, providers};

#[test]
fn what_openssl_sealed_is_opened() {
    let legacy = Legacy { triple_des: true, single_des: true, ..Legacy::NONE };
    let policy = OpeningPolicy { legacy, ..OpeningPolicy::default() };
    for (name, provider) in providers() {
        let (certificate, key) = (certificate("rsa"), key(&provider, "rsa"));
        for (file, cipher) in [
            ("aes128.der", ContentCipher::Aes128Cbc),
            ("aes192.der", ContentCipher::Aes192Cbc),
            ("aes256-stream.ber", ContentCipher::Aes256Cbc),
            ("triple-des.der", ContentCipher::TripleDesCbc),
            ("single-des.der", ContentCipher::DesCbc),
            ("keyid-recipient.der", ContentCipher::Aes128Cbc),
            ("two-recipients.der", ContentCipher::Aes128Cbc),
            ("oaep-sha1.der", ContentCipher::Aes128Cbc),
            ("oaep-sha256.der", ContentCipher::Aes128Cbc),
        ] {
            let envelope = enveloped(file);
            assert_eq!(envelope.cipher(), Some(cipher), "{file}");
            let opened = envelope.open(&certificate, &key, &provider, &policy);
            assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {file}");
        }
    }
}

#[test]
fn broken_and_unknown_ciphers_are_refused_before_any_key_is_used() {
    for (_, provider) in providers() {
        let (certificate, key) = (certificate("rsa"), key(&provider, "rsa"));
        for file in ["triple-des.der", "single-des.der", "rc2.der"] {
            let outcome = enveloped(file).open(&certificate, &key, &provider, &OpeningPolicy::default());
            assert_eq!(outcome, Err(Error::Algorithm("content cipher")), "{file}");
        }
    }
}

#[test]
fn an_envelope_for_somebody_else_stays_shut() {
    for (_, provider) in providers() {
        let (other, key) = (certificate("other"), key(&provider, "other"));
        let open = |file, policy| enveloped(file).open(&other, &key, &provider, &policy);
        assert_eq!(open("aes128.der", OpeningPolicy::default()), Err(Error::NoRecipient));
        assert_eq!(open("ecdh.der", OpeningPolicy::default()), Err(Error::NoRecipient));
        let guessed = open("ecdh.der", OpeningPolicy { misnamed_recipient: true, ..OpeningPolicy::default() });
        assert_eq!(guessed, Err(Error::Algorithm("key agreement algorithm")), "an RSA key agrees with nobody");
        let misnamed = OpeningPolicy { misnamed_recipient: true, ..OpeningPolicy::default() };
        let (ec, ec_key) = (certificate("ec"), self::key(&provider, "ec"));
        let guessed = enveloped("aes128.der").open(&ec, &ec_key, &provider, &misnamed);
        assert_eq!(guessed, Err(Error::Algorithm("key transport algorithm")), "and no other decrypts");
        let tolerant = OpeningPolicy { misnamed_recipient: true, ..OpeningPolicy::default() };
        // Taken for ours since it is alone, and then not ours: no other error than any that fails to open.
        assert_shut(open("aes128.der", tolerant), "another key");
        let second = certificate("ec");
        let envelope = enveloped("two-recipients.der");
        let request = envelope.content_key_request(&second, &tolerant);
        assert_eq!(request, Err(Error::NoRecipient), "two recipients are never guessed at");
    }
}

#[test]
fn recipients_of_other_kinds_are_told() {
    let envelope = enveloped("mixed.der");
    let mut kinds: Vec<_> = envelope
        .recipients()
        .map(|recipient| match recipient {
            RecipientInfo::KeyTransport { id, .. } if id.names(&certificate("rsa")) => "RSA",
            RecipientInfo::KeyAgreement { id, known: true, wrapped } if id.names(&certificate("ec")) && wrapped.len() == 24 => {
                "EC"
            }
            RecipientInfo::Password { iterations: 2048 } => "password",
            other => panic!("{other:?}"),
        })
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["EC", "RSA", "password"]);
}

#[test]
fn what_openssl_sealed_to_an_elliptic_curve_key_is_opened() {
    for (name, provider) in providers() {
        let (certificate, key) = (certificate("ec"), key(&provider, "ec"));
        for (file, cipher) in [
            ("ecdh.der", ContentCipher::Aes128Cbc),
            ("ecdh-sha256.der", ContentCipher::Aes128Cbc),
            ("ecdh-keyid.der", ContentCipher::Aes192Cbc),
            ("ecdh-aes256.der", ContentCipher::Aes256Cbc),
            ("gcm-ecdh.der", ContentCipher::Aes256Gcm),
            ("mixed.der", ContentCipher::Aes128Cbc),
        ] {
            // OpenSSL names a subject key identifier, which our certificate has too.
            let envelope = enveloped(file);
            assert_eq!(envelope.cipher(), Some(cipher), "{file}");
            let opened = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default());
            assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {file}");
        }
    }
}

#[test]
fn what_openssl_authenticated_is_opened_and_nothing_else() {
    for (name, provider) in providers() {
        let (certificate, key) = (certificate("rsa"), key(&provider, "rsa"));
        for (file, cipher) in [
            ("gcm-aes128.der", ContentCipher::Aes128Gcm),
            ("gcm-aes192.der", ContentCipher::Aes192Gcm),
            ("gcm-aes256-stream.ber", ContentCipher::Aes256Gcm),
        ] {
            let envelope = enveloped(file);
            assert!(envelope.is_authenticated() && envelope.cipher() == Some(cipher), "{file}");
            let opened = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default());
            assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {file}");
        }
        // Authenticated is the content, by an authenticator that stands at the end.
        let der = data("cms/gcm-aes128.der");
        for at in der.len() - 16 - 2 - CONTENT.len()..der.len() {
            let mut damaged = der.clone();
            damaged[at] ^= 1;
            let Ok(envelope) = EnvelopedData::parse(&damaged, &Limits::PKI) else { continue };
            let opened = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default());
            assert_eq!(opened, Err(Error::Unopened), "{name} byte {at}");
        }
    }
}

/// The kind of an envelope and its cipher belong together: what was authenticated must not be read as what was not.
#[test]
fn an_authenticated_content_is_not_taken_for_one_that_is_not() {
    let (_, provider) = providers().remove(0);
    let gcm = data("cms/gcm-aes128.der");
    let cbc = data("cms/aes128.der");
    let renamed = |der: &[u8], from: ContentCipher, to: ContentCipher| {
        let mut der = der.to_vec();
        let at = der.windows(9).position(|window| window == from.oid().content()).unwrap();
        der[at..at + 9].copy_from_slice(to.oid().content());
        EnvelopedData::parse(&der, &Limits::PKI)
    };
    let (certificate, key) = (certificate("rsa"), key(&provider, "rsa"));
    for envelope in [
        renamed(&gcm, ContentCipher::Aes128Gcm, ContentCipher::Aes128Cbc),
        renamed(&cbc, ContentCipher::Aes128Cbc, ContentCipher::Aes128Gcm),
    ] {
        let envelope = envelope.unwrap();
        assert_eq!(envelope.cipher(), None);
        let opened = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default());
        assert_eq!(opened, Err(Error::Algorithm("content cipher")));
    }
}

#[test]
fn an_elliptic_curve_key_elsewhere_opens_in_two_halves() {
    for (_, provider) in providers() {
        let envelope = enveloped("ecdh-sha256.der");
        let policy = OpeningPolicy::default();
        let request = envelope.agreement_request(&certificate("ec"), &policy).unwrap();
        assert_eq!((request.point.len(), request.point[0]), (65, 4));
        let shared = key(&provider, "ec").agree(request.point).unwrap();
        let content_key = request.content_key(&shared, &provider);
        assert_eq!(envelope.open_with_key(content_key, &provider).unwrap().expose(), CONTENT);
        assert_eq!(request.content_key(&Secret::new(vec![0; 32]), &provider), None);
        assert_shut(envelope.open_with_key(None, &provider), "no key");
        assert_eq!(envelope.content_key_request(&certificate("ec"), &policy), Err(Error::Algorithm("key transport algorithm")));
        let refused = enveloped("aes128.der").agreement_request(&certificate("rsa"), &policy).unwrap_err();
        assert_eq!(refused, Error::Algorithm("key agreement algorithm"));
    }
}

/// A point off the curve, and one that is none at all: the sender's doing, told to nobody.
#[test]
fn a_point_that_is_none_of_the_curve_does_not_open_and_gives_nothing_away() {
    for (name, provider) in providers() {
        let der = data("cms/ecdh-sha256.der");
        let at = der.windows(4).position(|window| window == [0x03, 0x42, 0x00, 0x04]).unwrap() + 3;
        let (certificate, key) = (certificate("ec"), key(&provider, "ec"));
        for (what, octet, value) in
            [("off the curve", at + 40, 0x55_u8), ("compressed", at, 0x02), ("hybrid", at, 0x06), ("infinity", at, 0x00)]
        {
            let mut damaged = der.clone();
            damaged[octet] = if octet == at { value } else { damaged[octet] ^ value };
            let envelope = EnvelopedData::parse(&damaged, &Limits::PKI).unwrap();
            let opened = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default());
            assert_shut(opened, &format!("{name}: {what}"));
        }
    }
}

#[test]
fn any_flipped_bit_of_an_agreement_is_an_error_or_changes_nothing() {
    let (_, provider) = providers().remove(0);
    let (certificate, key) = (certificate("ec"), key(&provider, "ec"));
    for file in ["gcm-ecdh.der", "ecdh-keyid.der"] {
        let der = data(&format!("cms/{file}"));
        for at in 0..der.len() {
            let mut damaged = der.clone();
            damaged[at] ^= 1 << (at % 8);
            if let Ok(envelope) = EnvelopedData::parse(&damaged, &Limits::PKI)
                && let Ok(opened) = envelope.open(&certificate, &key, &provider, &OpeningPolicy::default())
                && file == "gcm-ecdh.der"
            {
                assert_eq!(opened.expose(), CONTENT, "byte {at}");
            }
        }
    }
}

#[test]
fn what_is_sealed_here_is_opened_here_by_each_recipient() {
    let legacy = Legacy { triple_des: true, single_des: true, ..Legacy::NONE };
    let policy = OpeningPolicy { legacy, ..OpeningPolicy::default() };
    for (name, provider) in providers() {
        let (rsa, other) = (certificate("rsa"), certificate("other"));
        for cipher in [
            ContentCipher::Aes128Cbc,
            ContentCipher::Aes256Cbc,
            ContentCipher::TripleDesCbc,
            ContentCipher::DesCbc,
            ContentCipher::Aes128Gcm,
            ContentCipher::Aes192Gcm,
            ContentCipher::Aes256Gcm,
        ] {
            let ec = certificate("ec");
            let both = seal(CONTENT, &[&ec, &rsa], cipher, KeyTransport::RsaPkcs1, &provider);
            let mut holders = vec![(&rsa, key(&provider, "rsa"))];
            let sealed = if cipher == ContentCipher::DesCbc {
                // A key of eight octets cannot be wrapped (RFC 3394 section 2).
                assert_eq!(both, Err(Error::Crypto(crypto::Error::Key)));
                seal(CONTENT, &[&rsa], cipher, KeyTransport::RsaPkcs1, &provider).unwrap()
            } else {
                holders.push((&ec, key(&provider, "ec")));
                both.unwrap()
            };
            let envelope = EnvelopedData::parse(&sealed, &Limits::PKI).unwrap();
            assert_eq!(envelope.is_authenticated(), cipher.is_authenticated());
            for (certificate, key) in holders {
                let opened = envelope.open(certificate, &key, &provider, &policy);
                assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {cipher:?}");
            }
            for transport in [KeyTransport::RsaPkcs1, KeyTransport::RsaOaepSha1, KeyTransport::RsaOaepSha256] {
                let sealed = seal(CONTENT, &[&rsa, &other], cipher, transport, &provider).unwrap();
                let envelope = EnvelopedData::parse(&sealed, &Limits::PKI).unwrap();
                for (certificate, key) in [(&rsa, key(&provider, "rsa")), (&other, key(&provider, "other"))] {
                    let opened = envelope.open(certificate, &key, &provider, &policy);
                    assert_eq!(opened.as_ref().map(Secret::expose), Ok(CONTENT), "{name} {cipher:?} {transport:?}");
                }
            }
        }
        let refused =
            seal(CONTENT, &[&p384_certificate(&provider)], ContentCipher::Aes128Cbc, KeyTransport::RsaPkcs1, &provider);
        assert_eq!(refused, Err(Error::Crypto(crypto::Error::Key)));
    }
}

/// A certificate with a key that neither decrypts nor agrees here.
fn p384_certificate(provider: &Provider) -> Certificate {
    let point: Vec<u8> = [4].into_iter().chain([1; 96]).collect();
    let spki = Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.oid(Oid::from_content(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]));
                w.oid(Oid::from_content(&[0x2B, 0x81, 0x04, 0x00, 0x22]));
            });
            w.bit_string(&point);
        });
    });
    let issuer = certificate("ec");
    let template = CertificateTemplate::under(
        &issuer,
        SerialNumber::random(provider.random).unwrap(),
        issuer.subject().clone(),
        issuer.validity(),
        crypto::PublicKey::from_der(&spki).unwrap(),
    );
    let signed = template.to_be_signed(issuer.public_key(), crypto::SignatureAlgorithm::EcdsaSha256, provider).unwrap();
    signed.sign_with(&key(provider, "ec")).unwrap()
}

#[test]
fn a_key_elsewhere_opens_in_two_halves() {
    for (_, provider) in providers() {
        let envelope = enveloped("aes128.der");
        let request = envelope.content_key_request(&certificate("rsa"), &OpeningPolicy::default()).unwrap();
        assert_eq!(request.key_len, 16);
        let substitute = Secret::new(vec![7; request.key_len]);
        let content_key = key(&provider, "rsa").unwrap_key(request.algorithm, request.wrapped, substitute).unwrap();
        let opened = envelope.open_with_key(Some(content_key), &provider).unwrap();
        assert_eq!(opened.expose(), CONTENT);
        for wrong in [None, Some(Secret::default()), Some(Secret::new(vec![0; 15])), Some(Secret::new(vec![0; 16]))] {
            assert_shut(envelope.open_with_key(wrong, &provider), "a wrong key");
        }
    }
}
