//! What other programs wrote.

use mdm_core::asn1::ErrorKind;
use mdm_core::crypto::SigningKey;
use mdm_core::keystore::{self, Entry, Error, Policy, Refusal, private_key};
use mdm_core::secret::Secret;

use super::support::providers;
use super::{PASSWORD, WITHOUT_MAC, certificate, file, key, open, provider, read, signing};

const UNICODE: &str = "Grüße €😀";

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
    ] {
        let store = open(name, password, &WITHOUT_MAC).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(store.entries, [signing("", &["signing"])], "{name}");
    }
    // GnuTLS tells no password from an empty one.
    let store = open("gnutls-null.p12", "", &Policy::EXTERNAL_CA).unwrap();
    assert_eq!(store.entries, [signing("signing", &["signing"])]);
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
        alone.load(&provider()).unwrap();
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
        ("unicode.p12", Policy::MODERN),
        ("small.jks", Policy::EXTERNAL_CA),
        ("small.jceks", Policy::EXTERNAL_CA),
    ] {
        for wrong in ["wrong", "Changeit", "changeit ", "Grusse"] {
            assert_eq!(open(name, wrong, &policy), Err(Error::Password), "{name} {wrong}");
        }
        if !name.contains("empty") {
            assert_eq!(open(name, "", &policy), Err(Error::Password), "{name}");
        }
        let bytes = file(name);
        let cut = read(&bytes[..bytes.len() - 1], PASSWORD, &policy);
        assert!(matches!(cut, Err(Error::Malformed { error, .. }) if error.kind == ErrorKind::Truncated), "{name}: {cut:?}");
        let longer = read(&[&bytes[..], &[0]].concat(), PASSWORD, &policy);
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
    assert_eq!(keystore::open(&[], &Secret::default(), &Policy::MODERN, &provider()), Err(Error::Format));
}

#[test]
fn private_keys_alone_are_read() {
    let provider = provider();
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
    let provider = provider();
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
