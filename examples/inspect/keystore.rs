//! Key stores and encrypted private keys: what is in them, where a given password opens them.

use mdm_core::crypto::SigningKey;
use mdm_core::keystore::{self, EncryptedPrivateKey, Entry, Error, KeyStore, Policy};
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;
use serde::Serialize;

use crate::certificate::CertificateView;
use crate::detect::Found;
use crate::given::{self, Given};
use crate::name::Key;

/// Everything that can be read is: this program shows files, it trusts none of them. What a file may cost stays bounded.
pub const POLICY: Policy = Policy { without_mac: true, ..Policy::EXTERNAL_CA };

/// A key store.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyStoreView {
    format: &'static str,
    opened: bool,
    /// Why it was not opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entries: Vec<EntryView>,
    /// Certificates that belong to no private key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<CertificateView>,
    /// What a host keeps beside the keys, by its length.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_bytes: Option<usize>,
}

/// A private key with its certificates.
#[derive(Serialize)]
struct EntryView {
    alias: String,
    #[serde(flatten)]
    key: EntryKey,
    chain: Vec<CertificateView>,
}

/// What the private key is, or why it is of no use.
#[derive(Serialize)]
#[serde(untagged)]
enum EntryKey {
    Loaded(Key),
    Unloaded {
        #[serde(rename = "keyError")]
        error: String,
    },
}

/// The format that the first bytes of a Java key store name.
pub fn java(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFE, 0xED, 0xFE, 0xED, ..] => Some("JKS"),
        [0xCE, 0xCE, 0xCE, 0xCE, ..] => Some("JCEKS"),
        _ => None,
    }
}

/// Tries the passwords in turn. A sound store that none of them opens is still a store.
pub fn describe(bytes: &[u8], format: &'static str, given: &Given) -> Result<Found, String> {
    match with_passwords(given, |password| keystore::open(bytes, password, &POLICY, &given.provider)) {
        Ok(store) => KeyStoreView::of(&store, format, given).map(Found::KeyStore),
        Err(error) if is_closed(&error) => Ok(Found::KeyStore(KeyStoreView {
            format,
            opened: false,
            reason: Some(reason(&error)),
            entries: Vec::new(),
            certificates: Vec::new(),
            state_bytes: None,
        })),
        Err(error) => Err(format!("a key store ({format}): {error}")),
    }
}

/// The first outcome that is no wrong password, or that of the last password.
pub fn with_passwords<T>(given: &Given, open: impl Fn(&Secret) -> Result<T, Error>) -> Result<T, Error> {
    let mut outcome = Err(Error::Password);
    for password in &given.passwords {
        outcome = open(password);
        if !matches!(outcome, Err(Error::Password)) {
            break;
        }
    }
    outcome
}

/// Whether an error says that a sound store stays closed.
pub fn is_closed(error: &Error) -> bool {
    matches!(error, Error::Password | Error::OtherPassword(_) | Error::Unsupported(_) | Error::Refused(_))
}

pub fn reason(error: &Error) -> String {
    match error {
        Error::Password => format!("{error} (give it with --password)"),
        error => error.to_string(),
    }
}

impl KeyStoreView {
    fn of(store: &KeyStore, format: &'static str, given: &Given) -> Result<Self, String> {
        let views = |list: &[Certificate]| -> Result<Vec<_>, String> {
            list.iter().map(|certificate| CertificateView::of(certificate, given)).collect()
        };
        let entry = |entry: &Entry| -> Result<EntryView, String> {
            let key = match entry.load(&given.provider) {
                Ok(key) => EntryKey::Loaded(SigningKey::public_key(&key).into()),
                Err(error) => EntryKey::Unloaded { error: error.to_string() },
            };
            Ok(EntryView { alias: entry.alias.clone(), key, chain: views(&entry.chain)? })
        };
        Ok(KeyStoreView {
            format,
            opened: true,
            reason: None,
            entries: store.entries.iter().map(entry).collect::<Result<_, _>>()?,
            certificates: views(&store.certificates)?,
            state_bytes: store.state.as_ref().map(Secret::len),
        })
    }
}

/// An encrypted PKCS#8 in DER: the key's kind where a password opens it.
pub fn open_pkcs8(der: &[u8], given: &Given) -> Result<Result<Key, String>, String> {
    let sealed = EncryptedPrivateKey::from_der(der, &POLICY);
    let opened = sealed.and_then(|sealed| with_passwords(given, |password| sealed.open(password, &POLICY, &given.provider)));
    match opened {
        Ok(key) => given::load(&key, &given.provider).map(|key| Ok(SigningKey::public_key(&key).into())),
        Err(error) if is_closed(&error) => Ok(Err(reason(&error))),
        Err(error) => Err(format!("an encrypted private key: {error}")),
    }
}
