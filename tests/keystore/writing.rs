//! What is written here.

use mdm_core::crypto::Provider;
use mdm_core::keystore::{self, EncryptedPrivateKey, Entry, Error, KeyStore, Policy, Protection, private_key};
use mdm_core::secret::Secret;
use proptest::prelude::*;

use super::{PASSWORD, certificate, key, open, provider, signing};

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
fn six_hundred_thousand_iterations_guard_all_that_is_written() {
    // 600,000 as an INTEGER: of the MAC, of the certificates and of the key. Reading is done once, from GnuTLS, which has as many.
    let count = |bytes: &[u8]| bytes.windows(5).filter(|window| *window == [0x02, 0x03, 0x09, 0x27, 0xC0]).count();
    let store = KeyStore { entries: vec![signing("signing", &["signing", "ca"])], ..KeyStore::default() };
    let written = store.to_pkcs12(&Secret::from(PASSWORD), Protection::default(), &provider()).unwrap();
    assert_eq!(count(&written), 3);
    assert_eq!(open("gnutls.p12", PASSWORD, &Policy::MODERN).unwrap(), store);
}

#[test]
fn what_would_not_read_back_is_not_written() {
    let (provider, password) = (provider(), Secret::from(PASSWORD));
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
    let provider = provider();
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
    let provider = Provider { random: &Dry, ..provider() };
    let outcome = backup().to_pkcs12(&Secret::from(PASSWORD), Protection::default(), &provider);
    assert_eq!(outcome, Err(Error::Crypto(mdm_core::crypto::Error::Random)));
}

#[test]
fn an_encrypted_key_goes_through_der_and_pem() {
    let (provider, password) = (provider(), Secret::from("a b~!"));
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
        let provider = provider();
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
