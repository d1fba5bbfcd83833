//! Key stores that OpenSSL, Java and GnuTLS made, read; and those made here, read back. `data/keystore/make.sh` has the commands.
//!
//! What those programs say to what is written here is asked by `tests/real/keystore.sh`.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

use mdm_core::asn1::{ErrorKind, Tag, Writer};
use mdm_core::crypto::{Provider, SigningKey};
use mdm_core::keystore::{self, EncryptedPrivateKey, Entry, Error, KeyStore, Policy, Protection, Refusal, private_key};
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;
use proptest::prelude::*;

mod support;
use support::{data, providers};

const PASSWORD: &str = "changeit";
const UNICODE: &str = "Grüße €😀";
const WITHOUT_MAC: Policy = Policy { without_mac: true, ..Policy::EXTERNAL_CA };

fn file(name: &str) -> Vec<u8> {
    data(&format!("keystore/{name}"))
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(file(&format!("{name}.pem"))).unwrap()
}

/// PKCS#8 of one of the keys, by way of the plain PEM.
fn key(name: &str) -> Secret {
    private_key(&file(&format!("{name}.key")), &Secret::default(), &Policy::MODERN, &providers()[0].1).unwrap()
}

fn open(name: &str, password: &str, policy: &Policy) -> Result<KeyStore, Error> {
    keystore::open(&file(name), &Secret::from(password), policy, &providers()[0].1)
}

fn signing(alias: &str, chain: &[&str]) -> Entry {
    Entry { alias: alias.into(), key: key("signing"), chain: chain.iter().map(|name| certificate(name)).collect() }
}

#[test]
fn pkcs12_of_openssl_and_gnutls_is_read_by_every_provider() {
    for (which, provider) in providers() {
        for (name, policy) in [
            ("chain.p12", Policy::MODERN),
            ("small.p12", Policy::MODERN),
            ("sha1.p12", Policy::MODERN),
            ("sha384.p12", Policy::MODERN),
            ("sha512.p12", Policy::MODERN),
            ("plain.p12", Policy::MODERN),
            ("triple-des.p12", Policy::EXTERNAL_CA),
            ("small-old.p12", Policy::EXTERNAL_CA),
            ("rc2.p12", Policy::EXTERNAL_CA),
            ("no-mac.p12", WITHOUT_MAC),
            ("gnutls.p12", Policy::MODERN),
        ] {
            let store = keystore::open(&file(name), &Secret::from(PASSWORD), &policy, &provider);
            let store = store.unwrap_or_else(|error| panic!("{which} {name}: {error}"));
            assert_eq!(store.entries, [signing("signing", &["signing", "ca"])], "{which} {name}");
            assert_eq!((store.certificates, store.state), (vec![], None), "{which} {name}");
            let loaded = store.entries[0].load(&provider).unwrap();
            assert_eq!(loaded.public_key(), certificate("signing").public_key());
        }
    }
}

#[test]
fn passwords_of_every_kind_are_understood() {
    for (name, password) in [
        ("unnamed.p12", PASSWORD),
        ("unicode.p12", UNICODE),
        ("unicode-old.p12", UNICODE),
        ("empty.p12", ""),
        ("empty-old.p12", ""),
        ("empty-no-mac.p12", ""),
        ("gnutls-3des.p12", PASSWORD),
        ("gnutls-empty.p12", ""),
        ("gnutls-null.p12", ""),
    ] {
        let store = open(name, password, &WITHOUT_MAC).unwrap_or_else(|error| panic!("{name}: {error}"));
        let alias = if name.starts_with("gnutls") { "signing" } else { "" };
        assert_eq!(store.entries, [signing(alias, &["signing"])], "{name}");
    }
}

#[test]
fn certificates_alone_are_a_store_without_entries() {
    let store = open("certificates.p12", PASSWORD, &Policy::MODERN).unwrap();
    assert_eq!(store.certificates, [certificate("ca")]);
    assert_eq!(store.entry(None), Err(Error::NoEntry));
}

#[test]
fn java_stores_of_several_entries_are_read() {
    for name in ["java.p12", "java.jks", "java.jceks"] {
        let store = open(name, PASSWORD, &Policy::EXTERNAL_CA).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(store.entries.len(), 2, "{name}");
        assert_eq!(store.entry(Some("signing")), Ok(&signing("signing", &["signing", "ca"])), "{name}");
        let alone = store.entry(Some("Alone")).unwrap();
        assert_eq!((alone.alias.as_str(), &alone.chain[..]), ("alone", &[certificate("alone")][..]), "{name}");
        alone.load(&providers()[0].1).unwrap();
        // In PKCS#12 it is not told that the trusted certificate stood there on its own beside the chain that it ends.
        let trusted = if name == "java.p12" { vec![] } else { vec![certificate("ca")] };
        assert_eq!(store.certificates, trusted, "{name}");
        assert_eq!(store.entry(None), Err(Error::SeveralEntries(2)), "{name}");
        assert_eq!(store.entry(Some("before")), Err(Error::NoEntry), "{name}");
    }
}

#[test]
fn a_store_of_one_entry_needs_no_alias() {
    for name in ["small.jks", "small.jceks", "small.p12"] {
        let store = open(name, PASSWORD, &Policy::EXTERNAL_CA).unwrap();
        assert_eq!(store.entry(None), Ok(&signing("signing", &["signing", "ca"])), "{name}");
    }
    let mut twice = open("small.p12", PASSWORD, &Policy::MODERN).unwrap();
    twice.entries.push(Entry { alias: "SIGNING".into(), ..twice.entries[0].clone() });
    assert_eq!(twice.entry(Some("signing")), Ok(&twice.entries[0]), "the very spelling goes first");
    assert_eq!(twice.entry(Some("Signing")), Err(Error::SeveralEntries(2)));
}

#[test]
fn a_wrong_password_is_told_from_damage() {
    for (name, policy) in [
        ("small.p12", Policy::MODERN),
        ("small-old.p12", Policy::EXTERNAL_CA),
        ("plain.p12", Policy::MODERN),
        ("no-mac.p12", WITHOUT_MAC),
        ("empty.p12", Policy::MODERN),
        ("gnutls-null.p12", Policy::EXTERNAL_CA),
        ("unicode.p12", Policy::MODERN),
        ("small.jks", Policy::EXTERNAL_CA),
        ("small.jceks", Policy::EXTERNAL_CA),
    ] {
        for wrong in ["wrong", "Changeit", "changeit ", "Grusse"] {
            assert_eq!(open(name, wrong, &policy), Err(Error::Password), "{name} {wrong}");
        }
        if !name.contains("empty") && !name.contains("null") {
            assert_eq!(open(name, "", &policy), Err(Error::Password), "{name}");
        }
        let bytes = file(name);
        let cut = keystore::open(&bytes[..bytes.len() - 1], &Secret::from(PASSWORD), &policy, &providers()[0].1);
        assert!(matches!(cut, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::Truncated), "{name}: {cut:?}");
        let longer = keystore::open(&[&bytes[..], &[0]].concat(), &Secret::from(PASSWORD), &policy, &providers()[0].1);
        assert!(
            matches!(longer, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::TrailingData),
            "{name}: {longer:?}"
        );
    }
}

#[test]
fn an_entry_under_a_password_of_its_own_is_told() {
    for name in ["own-password.jks", "own-password.jceks"] {
        assert_eq!(open(name, PASSWORD, &Policy::EXTERNAL_CA), Err(Error::OtherPassword("a private key")), "{name}");
        assert_eq!(open(name, "another", &Policy::EXTERNAL_CA), Err(Error::Password), "{name}");
    }
}

#[test]
fn what_is_broken_needs_a_policy_that_says_so() {
    for (name, refusal) in [
        ("triple-des.p12", Refusal::OldCipher),
        ("rc2.p12", Refusal::OldCipher),
        ("small.jks", Refusal::Java),
        ("small.jceks", Refusal::Java),
        ("no-mac.p12", Refusal::NoMac),
    ] {
        assert_eq!(open(name, PASSWORD, &Policy::default()), Err(Error::Refused(refusal)), "{name}");
    }
    assert_eq!(open("rc4.p12", PASSWORD, &WITHOUT_MAC), Err(Error::Unsupported("encryption with RC4")));
    assert_eq!(open("ca.pem", PASSWORD, &Policy::EXTERNAL_CA), Err(Error::Format));
    assert_eq!(keystore::open(&[], &Secret::default(), &Policy::MODERN, &providers()[0].1), Err(Error::Format));
}

#[test]
fn iterations_are_counted_over_the_whole_store_before_they_are_run() {
    // One MAC, one part and one key of 2,048 each.
    let enough = Policy { max_iterations: 3 * 2048, ..Policy::MODERN };
    assert!(open("chain.p12", PASSWORD, &enough).is_ok());
    let short = Policy { max_iterations: 3 * 2048 - 1, ..Policy::MODERN };
    assert_eq!(open("chain.p12", PASSWORD, &short), Err(Error::Refused(Refusal::Iterations(3 * 2048 - 1))));
    // The key alone: 2,048 for each of two blocks of SHA-1.
    let short = Policy { max_iterations: 4095, ..Policy::MODERN };
    let outcome = private_key(&file("pbes2-SHA1.p8"), &Secret::from(PASSWORD), &short, &providers()[0].1);
    assert_eq!(outcome, Err(Error::Refused(Refusal::Iterations(4095))));
}

/// The bytes with the last INTEGER of this content given another.
fn with_integer(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let old = Writer::build(|w| w.element(Tag::INTEGER, old));
    let at = bytes.windows(old.len()).rposition(|window| window == old).unwrap();
    [&bytes[..at + 2], new, &bytes[at + old.len()..]].concat()
}

#[test]
fn a_billion_iterations_are_refused_at_once() {
    let started = std::time::Instant::now();
    // 2,048 has two octets; all counts that fit there, the two of the key and, in the last element of all, that of the MAC.
    let mac = with_integer(&file("chain.p12"), &[8, 0], &[0x7F, 0xFF]);
    let policy = Policy { max_iterations: 10_000, ..Policy::MODERN };
    let outcome = keystore::open(&mac, &Secret::from(PASSWORD), &policy, &providers()[0].1);
    assert_eq!(outcome, Err(Error::Refused(Refusal::Iterations(10_000))));
    // Of a key alone, whose lengths are easily written anew: a billion, and more than any number holds.
    for iterations in [&[0x3B, 0x9A, 0xCA, 0x00][..], &[0x7F; 40]] {
        let der = Writer::build(|w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.element(Tag::OID, &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x01, 0x03]);
                    w.sequence(|w| {
                        w.octet_string(&[0; 8]);
                        w.element(Tag::INTEGER, iterations);
                    });
                });
                w.octet_string(&[0; 64]);
            });
        });
        let outcome = private_key(&der, &Secret::from(PASSWORD), &Policy::EXTERNAL_CA, &providers()[0].1);
        assert_eq!(outcome, Err(Error::Refused(Refusal::Iterations(5_000_000))));
    }
    assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
}

#[test]
fn private_keys_alone_are_read() {
    let provider = providers()[0].1;
    let read = |name: &str, policy: &Policy| private_key(&file(name), &Secret::from(PASSWORD), policy, &provider);
    let wanted = key("signing");
    let modern = ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "aes128", "aes192"].map(|kind| format!("pbes2-{kind}.p8"));
    for name in modern.iter().map(String::as_str).chain(["small.p8", "pkcs8.pem", "plain.p8"]) {
        assert_eq!(read(name, &Policy::MODERN), Ok(wanted.clone()), "{name}");
    }
    for name in ["pbes2-des3.p8", "pbe-3des.p8", "pbe-rc2.p8"] {
        assert_eq!(read(name, &Policy::EXTERNAL_CA), Ok(wanted.clone()), "{name}");
        assert_eq!(read(name, &Policy::MODERN), Err(Error::Refused(Refusal::OldCipher)), "{name}");
    }
    assert_eq!(read("scrypt.p8", &WITHOUT_MAC), Err(Error::Unsupported("another key derivation than PBKDF2")));
    assert_eq!(read("pbe-md5-des.p8", &WITHOUT_MAC), Err(Error::Unsupported("the algorithm of the encryption")));
    assert_eq!(read("ca.pem", &WITHOUT_MAC), Err(Error::Format));
    for name in ["small.p8", "pbe-3des.p8", "pkcs8.pem", "old-aes128.pem"] {
        let outcome = private_key(&file(name), &Secret::from("wrong"), &Policy::EXTERNAL_CA, &provider);
        assert_eq!(outcome, Err(Error::Password), "{name}");
    }
}

#[test]
fn old_encrypted_pem_is_read() {
    let provider = providers()[0].1;
    for (name, policy, owner) in [
        ("old-aes128.pem", Policy::MODERN, "signing"),
        ("old-aes192.pem", Policy::MODERN, "signing"),
        ("old-aes256.pem", Policy::MODERN, "signing"),
        ("old-des3.pem", Policy::EXTERNAL_CA, "signing"),
        ("old-des.pem", Policy::EXTERNAL_CA, "signing"),
        ("old-rsa.pem", Policy::MODERN, "alone"),
    ] {
        let key = private_key(&file(name), &Secret::from(PASSWORD), &policy, &provider).unwrap();
        assert_eq!(provider.load(&key).unwrap().public_key(), certificate(owner).public_key(), "{name}");
    }
    for name in ["old-des.pem", "old-des3.pem"] {
        let outcome = private_key(&file(name), &Secret::from(PASSWORD), &Policy::MODERN, &provider);
        assert_eq!(outcome, Err(Error::Refused(Refusal::OldCipher)), "{name}");
    }
    let text = String::from_utf8(file("old-aes128.pem")).unwrap();
    for (from, to) in [("AES-128-CBC,", "CAMELLIA-128-CBC,"), ("AES-128-CBC,", "AES-128-CBC,0"), ("DEK-Info", "Other")] {
        let outcome = private_key(text.replace(from, to).as_bytes(), &Secret::from(PASSWORD), &WITHOUT_MAC, &provider);
        assert_eq!(outcome, Err(Error::Unsupported("the cipher in DEK-Info")), "{to}");
    }
    let outcome = private_key(&text.as_bytes()[..text.len() - 20], &Secret::from(PASSWORD), &WITHOUT_MAC, &provider);
    assert!(matches!(outcome, Err(Error::Certificate(_))), "{outcome:?}");
}

/// Every prefix, and every byte with one bit flipped: an error or what was put in, never anything else.
fn damage<T: PartialEq + std::fmt::Debug>(name: &str, right: &T, read: impl Fn(&[u8]) -> Result<T, Error>) {
    let bytes = file(name);
    for length in 0..bytes.len() {
        let error = read(&bytes[..length]).expect_err("a truncated file");
        assert!(matches!(error, Error::Malformed { .. } | Error::Format), "{name} {length}: {error:?}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        if let Ok(other) = read(&flipped) {
            assert_eq!(&other, right, "{name}: byte {at}");
        }
    }
}

#[test]
fn no_damage_makes_another_store_or_a_panic() {
    // So that no flip makes a count of iterations that is worth waiting for.
    let policy = Policy { max_iterations: 30_000, ..Policy::EXTERNAL_CA };
    let provider = providers()[0].1;
    for name in ["small.p12", "small-old.p12", "small.jks"] {
        let right = open(name, PASSWORD, &policy).unwrap();
        damage(name, &right, |bytes| keystore::open(bytes, &Secret::from(PASSWORD), &policy, &provider));
    }
}

#[test]
fn secret_keys_of_jceks_are_walked_over_however_damaged() {
    let policy = Policy { max_iterations: 0, ..Policy::EXTERNAL_CA };
    let provider = providers()[0].1;
    let bytes = file("java.jceks");
    // Not one iteration is allowed, so that every key is refused and only the structure and its checksum are at stake.
    let whole = keystore::open(&bytes, &Secret::from(PASSWORD), &policy, &provider);
    assert_eq!(whole, Err(Error::Refused(Refusal::Iterations(0))));
    for at in 0..bytes.len() {
        let cut = keystore::open(&bytes[..at], &Secret::from(PASSWORD), &policy, &provider);
        assert!(matches!(cut, Err(Error::Malformed { .. } | Error::Format)), "{at}: {cut:?}");
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let outcome = keystore::open(&flipped, &Secret::from(PASSWORD), &policy, &provider);
            assert!(matches!(outcome, Err(Error::Malformed { .. } | Error::Format | Error::Password)), "{at}: {outcome:?}");
        }
    }
}

#[test]
fn a_damaged_private_key_is_an_error() {
    let (policy, provider) = (Policy { max_iterations: 10_000, ..Policy::EXTERNAL_CA }, providers()[0].1);
    let bytes = file("small.p8");
    for length in 0..bytes.len() {
        assert!(private_key(&bytes[..length], &Secret::from(PASSWORD), &policy, &provider).is_err(), "{length}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        // There is no checksum: a flip may change the key, and loading it is then what fails or not.
        let _ = private_key(&flipped, &Secret::from(PASSWORD), &policy, &provider);
    }
}

#[test]
fn limits_hold() {
    let limits = |policy: Policy, limits| Policy { limits, ..policy };
    for (name, size) in [("small.p12", file("small.p12").len()), ("small.jks", file("small.jks").len())] {
        let policy = Policy::EXTERNAL_CA;
        assert!(open(name, PASSWORD, &limits(policy, policy.limits.bytes(size))).is_ok());
        let outcome = open(name, PASSWORD, &limits(policy, policy.limits.bytes(size - 1)));
        assert!(
            matches!(outcome, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::TooLong(size - 1)),
            "{name}: {outcome:?}"
        );
        let outcome = open(name, PASSWORD, &limits(policy, policy.limits.items(2)));
        assert!(
            matches!(outcome, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::TooMany(2)),
            "{name}: {outcome:?}"
        );
    }
    let policy = limits(Policy::MODERN, Policy::MODERN.limits.bytes(100));
    let outcome = private_key(&file("plain.p8"), &Secret::default(), &policy, &providers()[0].1);
    assert!(matches!(outcome, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::TooLong(100)), "{outcome:?}");
}

fn backup() -> KeyStore {
    KeyStore {
        entries: vec![
            Entry { alias: "authority".into(), key: key("ca"), chain: vec![certificate("ca")] },
            signing("Zertifikat für Prüfung", &["signing", "ca"]),
        ],
        certificates: vec![certificate("alone")],
        state: Some(Secret::from("{\"crl\": 7}")),
    }
}

#[test]
fn a_backup_reads_back_under_the_default_protection() {
    let (provider, password) = (providers()[0].1, Secret::from("correct horse battery staple"));
    let written = backup().to_pkcs12(&password, Protection::default(), &provider).unwrap();
    assert_eq!(keystore::open(&written, &password, &Policy::default(), &provider), Ok(backup()));
    let again = backup().to_pkcs12(&password, Protection::iterations(1000), &provider).unwrap();
    let same = written.windows(16).filter(|window| window.iter().any(|octet| *octet != 0)).take(0).count();
    assert_eq!(same, 0);
    assert_ne!(written, again);
}

#[test]
fn what_would_not_read_back_is_not_written() {
    let (provider, password) = (providers()[0].1, Secret::from(PASSWORD));
    let write = |store: &KeyStore, password: &Secret, protection| store.to_pkcs12(password, protection, &provider);
    let cheap = Protection::iterations(1000);
    for password in ["", "Grüße", "tab\t", "nul\0"] {
        assert!(matches!(write(&backup(), &Secret::from(password), cheap), Err(Error::Misuse(_))), "{password}");
    }
    assert!(matches!(write(&backup(), &password, Protection::iterations(999)), Err(Error::Misuse(_))));
    let mut unlinked = backup();
    unlinked.entries[1].chain.reverse();
    let mut double = backup();
    double.certificates.push(certificate("ca"));
    let mut shorter = backup();
    shorter.entries[1].chain.pop();
    let stateless = KeyStore { state: Some(Secret::from("x")), ..KeyStore::default() };
    for store in [unlinked, double, shorter, stateless] {
        assert!(matches!(write(&store, &password, cheap), Err(Error::Misuse(_))), "{store:?}");
    }
    assert!(matches!(EncryptedPrivateKey::seal(&key("ca"), &Secret::default(), cheap, &provider), Err(Error::Misuse(_))));
}

#[test]
fn an_entry_with_a_foreign_certificate_does_not_load() {
    let provider = providers()[0].1;
    let foreign = Entry { key: key("ca"), ..signing("", &["signing"]) };
    assert_eq!(foreign.load(&provider).err(), Some(Error::Mismatch));
    let bare = Entry { chain: vec![], ..foreign };
    assert!(bare.load(&provider).is_ok());
    let damaged = Entry { key: Secret::from("no key"), ..bare };
    assert!(matches!(damaged.load(&provider), Err(Error::Crypto(_))));
}

#[test]
fn a_host_without_randomness_writes_nothing() {
    struct Dry;
    impl mdm_core::crypto::Random for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), mdm_core::crypto::Error> {
            Err(mdm_core::crypto::Error::Random)
        }
    }
    let provider = Provider { random: &Dry, ..providers()[0].1 };
    let outcome = backup().to_pkcs12(&Secret::from(PASSWORD), Protection::default(), &provider);
    assert_eq!(outcome, Err(Error::Crypto(mdm_core::crypto::Error::Random)));
}

#[test]
fn an_encrypted_key_goes_through_der_and_pem() {
    let (provider, password) = (providers()[0].1, Secret::from("a b~!"));
    let sealed = EncryptedPrivateKey::seal(&key("alone"), &password, Protection::iterations(1000), &provider).unwrap();
    assert_eq!(EncryptedPrivateKey::from_der(sealed.as_der(), &Policy::MODERN), Ok(sealed.clone()));
    assert_eq!(sealed.open(&password, &Policy::MODERN, &provider), Ok(key("alone")));
    assert_eq!(sealed.open(&Secret::from("a b~"), &Policy::MODERN, &provider), Err(Error::Password));
    assert!(sealed.to_pem().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert_eq!(private_key(sealed.to_pem().as_bytes(), &password, &Policy::MODERN, &provider), Ok(key("alone")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_is_read(
        password in "[ -~]{1,40}",
        aliases in proptest::collection::vec("\\PC{0,20}", 3),
        kept in proptest::sample::subsequence(vec![0_usize, 1, 2], 0..=3).prop_shuffle(),
        state in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..2000)),
    ) {
        let provider = providers()[0].1;
        let all = [("ca", vec!["ca"]), ("signing", vec!["signing", "ca"]), ("alone", vec!["alone"])];
        let entries = kept.iter().map(|index| Entry {
            alias: aliases[*index].clone(),
            key: key(all[*index].0),
            chain: all[*index].1.iter().map(|name| certificate(name)).collect(),
        });
        let mut store = KeyStore { entries: entries.collect(), ..KeyStore::default() };
        if !kept.contains(&2) {
            store.certificates.push(certificate("alone"));
        }
        store.state = state.map(Secret::new);
        let password = Secret::from(password);
        let written = store.to_pkcs12(&password, Protection::iterations(1000), &provider).unwrap();
        prop_assert_eq!(keystore::open(&written, &password, &Policy::MODERN, &provider), Ok(store));
    }
}
