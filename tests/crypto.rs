//! Every provider that is compiled in, against OpenSSL and against each other.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

use mdm_core::crypto::{
    BlockCiphers, ContentCipher, ContentCiphers, DecryptionKey, DigestAlgorithm, Digests, Error, KeyKind, KeyTransport,
    Provider, PublicKey, PublicKeyKind, Random, ShaDigests, SignatureAlgorithm, SigningKey, SoftwareKey,
};
use mdm_core::secret::Secret;

mod support;
use support::{Os, providers};

/// A source of randomness that has none.
#[cfg(feature = "rustcrypto")]
struct Dry;

#[cfg(feature = "rustcrypto")]
impl Random for Dry {
    fn fill(&self, _: &mut [u8]) -> Result<(), Error> {
        Err(Error::Random)
    }
}

/// Each provider as the first, with each as the second.
fn pairs() -> Vec<(String, Provider, Provider)> {
    let one = |(a, first): (&str, Provider)| {
        providers().into_iter().map(move |(b, second)| (format!("{a} to {b}"), first, second)).collect::<Vec<_>>()
    };
    providers().into_iter().flat_map(one).collect()
}

/// What OpenSSL made: data/crypto/make.sh has the commands.
fn vector(name: &str) -> Vec<u8> {
    let line = include_str!("data/crypto/vectors.txt").lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let hex = line.unwrap_or_else(|| panic!("no vector {name}")).as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn key(provider: &Provider, name: &str) -> SoftwareKey {
    provider.load(&Secret::new(vector(name))).unwrap()
}

fn public(name: &str) -> PublicKey {
    PublicKey::from_der(&vector(name)).unwrap()
}

const DIGESTS: [(&str, DigestAlgorithm); 4] = [
    ("sha1", DigestAlgorithm::Sha1),
    ("sha256", DigestAlgorithm::Sha256),
    ("sha384", DigestAlgorithm::Sha384),
    ("sha512", DigestAlgorithm::Sha512),
];

const TRANSPORTS: [(&str, KeyTransport); 3] =
    [("pkcs1", KeyTransport::RsaPkcs1), ("oaep-sha1", KeyTransport::RsaOaepSha1), ("oaep-sha256", KeyTransport::RsaOaepSha256)];

const CIPHERS: [(&str, ContentCipher); 5] = [
    ("aes-128-cbc", ContentCipher::Aes128Cbc),
    ("aes-192-cbc", ContentCipher::Aes192Cbc),
    ("aes-256-cbc", ContentCipher::Aes256Cbc),
    ("des-ede3-cbc", ContentCipher::TripleDesCbc),
    ("des-cbc", ContentCipher::DesCbc),
];

#[test]
fn digests_are_those_of_openssl_at_once_and_in_pieces() {
    let message = vector("message");
    let (head, tail) = message.split_at(5);
    let own: [(&str, &dyn Digests); 1] = [("ShaDigests", &ShaDigests)];
    for (who, digests) in providers().into_iter().map(|(who, provider)| (who, provider.digests)).chain(own) {
        for (name, algorithm) in DIGESTS {
            let expected = vector(&format!("digest.{name}"));
            assert_eq!(digests.digest(algorithm, &[head, tail]).as_ref(), expected, "{who} {name}");
            let mut context = digests.start(algorithm);
            context.update(head);
            context.update(&[]);
            context.update(tail);
            assert_eq!(context.finish().as_ref(), expected, "{who} {name}");
        }
    }
}

#[test]
fn authentication_codes_are_those_of_openssl() {
    let message = vector("message");
    let (head, tail) = message.split_at(30);
    for (who, provider) in providers() {
        for (name, algorithm) in DIGESTS {
            for length in [4, 200] {
                let code = provider.mac(algorithm, &Secret::new(vec![b'k'; length]), &[head, tail]);
                let expected = vector(&format!("hmac{length}.{name}"));
                assert!(code.matches(&expected), "{who} {name} {length}");
                assert!(!code.matches(&expected[1..]) && !code.matches(&[]), "{who} {name} {length}");
            }
        }
    }
}

fn signatures() -> Vec<(String, PublicKey, SignatureAlgorithm)> {
    let mut all = Vec::new();
    for (name, digest) in DIGESTS {
        for key in ["rsa2048", "rsa1024"] {
            all.push((format!("{key}.{name}"), public(&format!("{key}.pub")), SignatureAlgorithm::rsa(digest)));
        }
    }
    for key in ["p256", "p384"] {
        all.push((format!("{key}.sha256"), public(&format!("{key}.pub")), SignatureAlgorithm::EcdsaSha256));
        all.push((format!("{key}.sha384"), public(&format!("{key}.pub")), SignatureAlgorithm::EcdsaSha384));
    }
    all
}

#[test]
fn signatures_by_openssl_verify() {
    for (who, provider) in providers() {
        for (name, key, algorithm) in signatures() {
            let outcome = provider.verifier.verify(algorithm, &key, &vector("message"), &vector(&name));
            // The one combination that AWS-LC does not offer.
            let expected = if who == "aws-lc-rs" && name == "rsa1024.sha384" { Err(Error::Algorithm) } else { Ok(()) };
            assert_eq!(outcome, expected, "{who} {name}");
        }
    }
}

#[test]
fn a_signature_fails_over_another_message_with_another_key_and_with_any_bit_flipped() {
    let message = vector("message");
    for (who, provider) in providers() {
        for (name, key, algorithm) in signatures() {
            if name == "rsa1024.sha384" {
                continue;
            }
            let mut signature = vector(&name);
            let verify = |message: &[u8], signature: &[u8]| provider.verifier.verify(algorithm, &key, message, signature);
            assert_eq!(verify(b"another message", &signature), Err(Error::Failed), "{who} {name}");
            for bad in [&[][..], &signature[1..], &signature[..signature.len() - 1], &[&[0], &signature[..]].concat()] {
                assert_eq!(verify(&message, bad), Err(Error::Failed), "{who} {name}");
            }
            for at in 0..signature.len() {
                signature[at] ^= 1 << (at % 8);
                assert_eq!(verify(&message, &signature), Err(Error::Failed), "{who} {name} {at}");
                signature[at] ^= 1 << (at % 8);
            }
        }
        let outcome =
            provider.verifier.verify(SignatureAlgorithm::RsaSha1, &public("rsa2048.pub"), &message, &vector("rsa2048.sha256"));
        assert_eq!(outcome, Err(Error::Failed), "{who}: another digest");
    }
}

#[test]
fn keys_that_do_not_verify_are_told_from_algorithms_that_do_not_fit() {
    let small = PublicKey::from_rsa(&[0xC1; 127], &[1, 0, 1]).unwrap();
    let large = PublicKey::from_rsa(&[0xC1; 1025], &[1, 0, 1]).unwrap();
    let off_curve = PublicKey::from_p256(&[&[4][..], &[1; 64]].concat()).unwrap();
    let even = PublicKey::from_rsa(&[0xC2; 256], &[1, 0, 1]).unwrap();
    for (who, provider) in providers() {
        let verify = |algorithm, key: &PublicKey| provider.verifier.verify(algorithm, key, b"", &[0; 256]).unwrap_err();
        assert_eq!(verify(SignatureAlgorithm::RsaSha256, &small), Error::Key, "{who}");
        assert_eq!(verify(SignatureAlgorithm::RsaSha256, &large), Error::Key, "{who}");
        assert_eq!(verify(SignatureAlgorithm::RsaSha256, &even), Error::Key, "{who}");
        assert_eq!(verify(SignatureAlgorithm::EcdsaSha256, &off_curve), Error::Key, "{who}");
        assert_eq!(verify(SignatureAlgorithm::EcdsaSha256, &public("ed25519.pub")), Error::Key, "{who}");
        assert_eq!(verify(SignatureAlgorithm::EcdsaSha256, &public("rsa2048.pub")), Error::Algorithm, "{who}");
        assert_eq!(verify(SignatureAlgorithm::RsaSha256, &public("p256.pub")), Error::Algorithm, "{who}");
    }
}

#[test]
fn providers_agree_with_each_other_upon_the_same_secret() {
    let point = |key: &PublicKey| key.key_bits().to_vec();
    for (who, sender, recipient) in pairs() {
        let key = key(&recipient, "p256");
        let (ephemeral, shared) = sender.wrapping.agree(SigningKey::public_key(&key), sender.random).unwrap();
        assert_eq!((ephemeral.len(), shared.len()), (65, 32), "{who}");
        assert_eq!(key.agree(&ephemeral), Ok(shared), "{who}");
        let (again, _) = sender.wrapping.agree(SigningKey::public_key(&key), sender.random).unwrap();
        assert_ne!(again, ephemeral, "{who}: a key pair for each time");
        for name in ["rsa2048.pub", "p384.pub", "ed25519.pub"] {
            assert_eq!(sender.wrapping.agree(&public(name), sender.random), Err(Error::Key), "{who} {name}");
        }
        let off_curve = [&[4][..], &[1; 64]].concat();
        let compressed = [&[2][..], &ephemeral[1..33]].concat();
        for bad in [&[][..], &[0], &[4], &off_curve, &compressed, &ephemeral[..64], &point(&public("p384.pub"))] {
            assert_eq!(key.agree(bad), Err(Error::Failed), "{who}");
        }
        assert_eq!(sender.wrapping.agree(&PublicKey::from_p256(&off_curve).unwrap(), sender.random), Err(Error::Key), "{who}");
    }
    for (who, provider) in providers() {
        let point = point(&public("p256.pub"));
        assert_eq!(DecryptionKey::agree(&key(&provider, "rsa2048"), &point), Err(Error::Key), "{who}");
    }
}

#[test]
fn what_one_provider_signs_every_provider_verifies() {
    let message = vector("message");
    for (who, signer, verifier) in pairs() {
        let rsa = [SignatureAlgorithm::RsaSha256, SignatureAlgorithm::RsaSha384, SignatureAlgorithm::RsaSha512];
        for (name, algorithm) in
            rsa.map(|algorithm| ("rsa2048", algorithm)).into_iter().chain([("p256", SignatureAlgorithm::EcdsaSha256)])
        {
            let key = key(&signer, name);
            let signature = key.sign(algorithm, &message).unwrap();
            assert_eq!(SigningKey::public_key(&key), &public(&format!("{name}.pub")));
            assert_eq!(
                verifier.verifier.verify(algorithm, SigningKey::public_key(&key), &message, &signature),
                Ok(()),
                "{who} {name}"
            );
            assert!(key.checks_itself());
        }
    }
}

#[test]
fn rsa_signatures_are_those_of_openssl() {
    for (who, provider) in providers() {
        let key = key(&provider, "rsa2048");
        assert_eq!(key.sign(SignatureAlgorithm::RsaSha512, &vector("message")), Ok(vector("rsa2048.sha512")), "{who}");
    }
}

#[test]
fn a_key_makes_no_signatures_of_another_kind_and_none_with_sha_1() {
    for (who, provider) in providers() {
        for (name, algorithms) in [
            ("rsa2048", [SignatureAlgorithm::RsaSha1, SignatureAlgorithm::EcdsaSha256]),
            ("p256", [SignatureAlgorithm::EcdsaSha384, SignatureAlgorithm::RsaSha256]),
        ] {
            for algorithm in algorithms {
                assert_eq!(key(&provider, name).sign(algorithm, b""), Err(Error::Algorithm), "{who} {name} {algorithm:?}");
            }
        }
        let p256 = key(&provider, "p256");
        let unwrapped = p256.unwrap_key(KeyTransport::RsaPkcs1, &[0; 256], Secret::new(vec![0; 16]));
        assert_eq!(unwrapped, Err(Error::Key), "{who}");
    }
}

fn content_key() -> Secret {
    Secret::new((0..16).collect())
}

fn substitute() -> Secret {
    Secret::new(vec![0x5A; 16])
}

#[test]
fn what_openssl_wraps_every_provider_unwraps() {
    for (who, provider) in providers() {
        for (name, transport) in TRANSPORTS {
            let opened = key(&provider, "rsa2048").unwrap_key(transport, &vector(&format!("wrapped.{name}")), substitute());
            assert_eq!(opened, Ok(content_key()), "{who} {name}");
        }
    }
}

#[test]
fn what_one_provider_wraps_every_provider_unwraps() {
    for (who, wrapper, opener) in pairs() {
        for (name, transport) in TRANSPORTS {
            let key = key(&opener, "rsa2048");
            let wrapped = wrapper.wrapping.wrap(transport, &public("rsa2048.pub"), &content_key(), &Os).unwrap();
            assert_eq!(key.unwrap_key(transport, &wrapped, substitute()), Ok(content_key()), "{who} {name}");
            let again = wrapper.wrapping.wrap(transport, &public("rsa2048.pub"), &content_key(), &Os).unwrap();
            assert_ne!(wrapped, again, "{who} {name}");
        }
    }
}

#[test]
fn keys_that_do_not_wrap_are_refused() {
    for (who, provider) in providers() {
        let wrap = |key: &PublicKey, content_key: &[u8]| {
            provider.wrapping.wrap(KeyTransport::RsaPkcs1, key, &Secret::from(content_key), &Os)
        };
        assert_eq!(wrap(&public("p256.pub"), &[0; 16]), Err(Error::Key), "{who}");
        assert_eq!(wrap(&public("rsa2048.pub"), &[0; 246]), Err(Error::Key), "{who}: longer than the modulus allows");
        assert_eq!(wrap(&PublicKey::from_rsa(&[0xC1; 64], &[3]).unwrap(), &[0; 16]), Err(Error::Key), "{who}");
        let to_1024 = wrap(&public("rsa1024.pub"), &[0; 16]).map(|wrapped| wrapped.len());
        assert_eq!(to_1024, if who == "aws-lc-rs" { Err(Error::Key) } else { Ok(128) }, "{who}");
    }
}

/// Everything that is wrong with a wrapped key ends in the same way: the key that comes out is the substitute.
#[test]
fn every_bad_wrapped_key_gives_the_substitute() {
    let mut bad: Vec<(String, Vec<u8>)> = [
        "first-octet",
        "block-type",
        "block-type-zero",
        "no-separator",
        "short-padding",
        "separator-in-padding",
        "empty-key",
        "short-key",
        "long-key",
        "all-zero-block",
    ]
    .map(|name| (name.to_string(), vector(&format!("bad.{name}"))))
    .to_vec();
    let modulus = modulus("rsa2048.pub");
    let mut below = modulus.clone();
    below[255] -= 1;
    let good = vector("wrapped.pkcs1");
    bad.push(("one less than the modulus".into(), below));
    bad.push(("the modulus".into(), modulus));
    bad.push(("all ones".into(), vec![0xFF; 256]));
    bad.push(("zero".into(), vec![0; 256]));
    bad.push(("one".into(), [vec![0; 255], vec![1]].concat()));
    bad.push(("nothing".into(), Vec::new()));
    bad.push(("too short".into(), good[1..].to_vec()));
    bad.push(("too long".into(), [good.as_slice(), &[0]].concat()));
    bad.push(("a zero before".into(), [&[0], good.as_slice()].concat()));
    bad.push(("OAEP with another mask".into(), vector("bad-oaep.mask")));
    for (who, provider) in providers() {
        let key = key(&provider, "rsa2048");
        for (_, transport) in TRANSPORTS {
            for (name, wrapped) in &bad {
                assert_eq!(key.unwrap_key(transport, wrapped, substitute()), Ok(substitute()), "{who} {transport:?} {name}");
            }
            for (name, other) in TRANSPORTS.into_iter().filter(|(_, other)| *other != transport) {
                let wrapped = vector(&format!("wrapped.{name}"));
                assert_eq!(
                    key.unwrap_key(transport, &wrapped, substitute()),
                    Ok(substitute()),
                    "{who} {transport:?} {other:?}"
                );
            }
        }
    }
}

#[test]
fn a_key_of_another_length_than_the_substitute_gives_the_substitute() {
    let longer = Secret::new(vec![0x5A; 24]);
    for (who, provider) in providers() {
        for (name, transport) in TRANSPORTS {
            let opened = key(&provider, "rsa2048").unwrap_key(transport, &vector(&format!("wrapped.{name}")), longer.clone());
            assert_eq!(opened.as_ref(), Ok(&longer), "{who} {name}");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_wrapped_key_never_fails_and_never_opens_it() {
    for (who, provider) in providers() {
        let key = key(&provider, "rsa2048");
        for (name, transport) in TRANSPORTS {
            let mut wrapped = vector(&format!("wrapped.{name}"));
            for at in (0..wrapped.len()).step_by(16) {
                wrapped[at] ^= 1;
                let opened = key.unwrap_key(transport, &wrapped, substitute()).unwrap();
                assert!(opened != content_key() && opened.len() == 16, "{who} {name} {at}");
                wrapped[at] ^= 1;
            }
        }
    }
}

fn modulus(name: &str) -> Vec<u8> {
    let key = public(name);
    let mut fields = mdm_core::asn1::Reader::new(key.key_bits()).sequence().unwrap();
    fields.integer().unwrap()[1..].to_vec()
}

#[test]
fn keys_load_in_all_three_encodings() {
    for (who, provider) in providers() {
        for (name, public_name) in [("rsa2048.pkcs1", "rsa2048.pub"), ("p256.sec1", "p256.pub")] {
            let key = key(&provider, name);
            assert_eq!(SigningKey::public_key(&key), &public(public_name), "{who} {name}");
        }
        let rsa = key(&provider, "rsa2048");
        assert_eq!(SigningKey::public_key(&rsa).kind(), PublicKeyKind::Rsa { bits: 2048, exponent: 65_537 });
        assert_eq!(format!("{rsa:?}"), "SoftwareKey(Rsa { bits: 2048, exponent: 65537 })");
    }
}

#[test]
fn weak_foreign_and_encrypted_keys_are_refused() {
    for (who, provider) in providers() {
        for name in ["rsa1024", "rsa-pss", "p384", "ed25519", "p256.encrypted", "rsa2048.pub", "message"] {
            assert_eq!(provider.load(&Secret::new(vector(name))).unwrap_err(), Error::Key, "{who} {name}");
        }
        assert_eq!(provider.load(&Secret::default()).unwrap_err(), Error::Key, "{who}");
    }
}

#[test]
fn a_damaged_key_is_refused_wherever_the_damage_is() {
    for (who, provider) in providers() {
        for name in ["rsa2048", "p256", "rsa2048.pkcs1", "p256.sec1"] {
            let mut der = vector(name);
            for at in 0..der.len() {
                der[at] ^= 1 << (at % 8);
                assert_eq!(provider.load(&Secret::from(der.as_slice())).err(), Some(Error::Key), "{who} {name} {at}");
                der[at] ^= 1 << (at % 8);
                assert_eq!(provider.load(&Secret::from(&der[..at])).err(), Some(Error::Key), "{who} {name} cut at {at}");
            }
            der.push(0);
            assert_eq!(provider.load(&Secret::new(der)).err(), Some(Error::Key), "{who} {name} with an octet behind");
        }
    }
}

#[test]
fn generated_keys_load_everywhere() {
    for (who, maker, loader) in pairs() {
        for (kind, public_kind) in
            [(KeyKind::P256, PublicKeyKind::P256), (KeyKind::Rsa(2048), PublicKeyKind::Rsa { bits: 2048, exponent: 65_537 })]
        {
            let pkcs8 = maker.generate(kind).unwrap();
            let key = loader.load(&pkcs8).unwrap();
            assert_eq!(SigningKey::public_key(&key).kind(), public_kind, "{who}");
            let signature = key.sign(key.algorithm(), b"hello").unwrap();
            assert_eq!(
                maker.verifier.verify(key.algorithm(), SigningKey::public_key(&key), b"hello", &signature),
                Ok(()),
                "{who}"
            );
            assert_ne!(maker.generate(KeyKind::P256), maker.generate(KeyKind::P256));
        }
    }
}

#[test]
fn sizes_that_are_not_offered_are_not_generated() {
    for (who, provider) in providers() {
        for bits in [0, 512, 1024, 2047, 2049, 8192, u16::MAX] {
            assert_eq!(provider.generate(KeyKind::Rsa(bits)), Err(Error::Key), "{who} {bits}");
        }
    }
}

#[cfg(feature = "rustcrypto")]
#[test]
fn without_randomness_nothing_is_made() {
    let dry = Provider::rustcrypto(&Dry);
    assert_eq!(dry.generate(KeyKind::P256), Err(Error::Random));
    assert_eq!(dry.generate(KeyKind::Rsa(2048)), Err(Error::Random));
    assert_eq!(dry.random_bytes::<16>(), Err(Error::Random));
    for (_, transport) in TRANSPORTS {
        assert_eq!(dry.wrapping.wrap(transport, &public("rsa2048.pub"), &content_key(), &Dry), Err(Error::Random));
        let unwrapped = key(&dry, "rsa2048").unwrap_key(transport, &vector("wrapped.pkcs1"), substitute());
        assert_eq!(unwrapped, Err(Error::Random));
    }
    assert_eq!(key(&dry, "rsa2048").sign(SignatureAlgorithm::RsaSha256, b""), Err(Error::Random));
    // ECDSA needs none.
    assert!(key(&dry, "p256").sign(SignatureAlgorithm::EcdsaSha256, b"").is_ok());
}

/// A source that is stuck is a broken promise; it may not hang the host.
#[cfg(feature = "rustcrypto")]
#[test]
fn a_stuck_source_of_randomness_ends() {
    struct Stuck(u8);
    impl Random for Stuck {
        fn fill(&self, dest: &mut [u8]) -> Result<(), Error> {
            dest.fill(self.0);
            Ok(())
        }
    }
    for stuck in [&Stuck(0), &Stuck(0xFF)] {
        let provider = Provider::rustcrypto(stuck);
        assert_eq!(provider.generate(KeyKind::P256), Err(Error::Random));
        assert_eq!(
            key(&provider, "rsa2048").sign(SignatureAlgorithm::RsaSha512, &vector("message")),
            Ok(vector("rsa2048.sha512"))
        );
    }
}

/// The key and the vector of make.sh.
fn cipher_input(cipher: ContentCipher) -> (Secret, Vec<u8>) {
    let octets: Vec<u8> = match cipher {
        ContentCipher::DesCbc => (0..8).collect(),
        _ => (0..16).chain(0x10..0x20).take(cipher.key_len()).collect(),
    };
    (Secret::new(octets), (0xF0..=0xFF).take(cipher.block_len()).collect())
}

fn ciphers() -> Vec<&'static dyn ContentCiphers> {
    let mut all: Vec<&'static dyn ContentCiphers> = providers().into_iter().map(|(_, provider)| provider.ciphers).collect();
    all.push(&BlockCiphers);
    all
}

#[test]
fn content_is_sealed_and_opened_as_by_openssl() {
    for ciphers in ciphers() {
        for (name, cipher) in CIPHERS {
            let (key, iv) = cipher_input(cipher);
            for (content, plain) in [("message", vector("message")), ("blocks", vec![b'a'; 48])] {
                let sealed = vector(&format!("{name}.{content}"));
                assert_eq!(ciphers.encrypt(cipher, &key, &iv, &plain).as_ref(), Ok(&sealed), "{name} {content}");
                assert_eq!(ciphers.decrypt(cipher, &key, &iv, &sealed), Ok(Secret::new(plain)), "{name} {content}");
            }
        }
    }
}

#[test]
fn a_key_or_vector_of_the_wrong_length_does_nothing() {
    for ciphers in ciphers() {
        for (name, cipher) in CIPHERS {
            let (key, iv) = cipher_input(cipher);
            let short = Secret::from(&key.expose()[1..]);
            let sealed = vector(&format!("{name}.message"));
            assert_eq!(ciphers.encrypt(cipher, &short, &iv, b"x"), Err(Error::Algorithm), "{name}");
            assert_eq!(ciphers.encrypt(cipher, &key, &iv[1..], b"x"), Err(Error::Algorithm), "{name}");
            assert_eq!(ciphers.decrypt(cipher, &short, &iv, &sealed), Err(Error::Failed), "{name}");
            assert_eq!(ciphers.decrypt(cipher, &key, &[], &sealed), Err(Error::Failed), "{name}");
        }
    }
}

#[test]
fn content_that_does_not_open_fails_in_one_way() {
    for ciphers in ciphers() {
        for (name, cipher) in CIPHERS {
            let (key, iv) = cipher_input(cipher);
            let sealed = vector(&format!("{name}.blocks"));
            for length in (0..sealed.len()).filter(|length| *length != 0 && length % cipher.block_len() != 0).chain([0]) {
                assert_eq!(ciphers.decrypt(cipher, &key, &iv, &sealed[..length]), Err(Error::Failed), "{name} {length}");
            }
            // The last block is all padding: flipping a bit of the block before flips the same bit of it.
            for place in 0..cipher.block_len() {
                let mut bad = sealed.clone();
                let before = sealed.len() - 2 * cipher.block_len();
                bad[before + place] ^= 0x20;
                assert_eq!(ciphers.decrypt(cipher, &key, &iv, &bad), Err(Error::Failed), "{name} {place}");
            }
        }
    }
}
