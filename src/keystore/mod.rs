//! Key stores: private keys with their certificates in one file under a password.
//!
//! ```text
//!            PKCS#12 ─┐                                  ┌─► Entry { alias, key, chain }
//!  bytes ─►      JKS ─┼─► open(password, policy) ─► KeyStore ─► certificates
//!              JCEKS ─┘                                  └─► state
//!  PEM, PKCS#8, PKCS#1, SEC 1 ─► private_key(password, policy) ─► Secret
//!
//!  KeyStore ─► to_pkcs12(password, protection) ─► bytes       key ─► EncryptedPrivateKey::seal ─► bytes
//! ```
//!
//! Owns reading what other programs made, and writing what they all read: PKCS#12 (RFC 7292) with AES-256 and 600,000 iterations of
//! PBKDF2, under a MAC that is as costly to guess at. The certificate authority keeps its backups so, and an external authority's
//! signing certificate comes so.
//!
//! What is refused: more work than a [`Policy`] allows, before it is done; decrypting anything before the MAC over it has matched;
//! old ciphers, Java's formats and stores without a MAC, unless the policy names them; writing a password that some program would
//! take for another. Not read: RC4, DES outside of old PEM, PKCS#12 under public keys, PBMAC1 (RFC 9579), Bouncy Castle's formats.

mod derivation;
mod encryption;
mod error;
mod java;
mod pairing;
mod password;
mod pkcs12;
mod policy;
mod private_key;

pub use error::{Error, Refusal};
pub use policy::Policy;
pub use private_key::{EncryptedPrivateKey, private_key};

use crate::asn1::Tag;
use crate::crypto::{Provider, SigningKey, SoftwareKey};
use crate::secret::Secret;
use crate::x509::Certificate;

/// What a key store holds.
///
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// # use mdm_core::crypto::{Error as CryptoError, Provider, Random};
/// # struct Os;
/// # impl Random for Os {
/// #     fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
/// #         getrandom::fill(dest).map_err(|_| CryptoError::Random)
/// #     }
/// # }
/// # let upload = include_bytes!("../../tests/data/keystore/chain.p12");
/// use mdm_core::keystore::{self, Policy};
/// use mdm_core::secret::Secret;
///
/// let provider = Provider::rustcrypto(&Os);
/// let store = keystore::open(upload, &Secret::from("changeit"), &Policy::EXTERNAL_CA, &provider)?;
/// let signing = store.entry(None)?; // the only one; or an error that asks for an alias
/// let key = signing.load(&provider)?; // which is that of the certificate
/// assert_eq!(signing.chain.len(), 2);
/// # }
/// # Ok::<(), mdm_core::keystore::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host spells the whole store when it writes one")]
pub struct KeyStore {
    /// Private keys with their certificates, in the order of the file.
    pub entries: Vec<Entry>,
    /// Certificates that belong to no private key.
    pub certificates: Vec<Certificate>,
    /// What a host wants to find again with the keys, for instance how far an authority's event log had come. It is written into
    /// PKCS#12 as an attribute, encrypted with the certificates, that other programs pass over.
    pub state: Option<Secret>,
}

/// A private key with its certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host spells the whole entry when it writes one")]
pub struct Entry {
    /// Its name (friendlyName in PKCS#12); empty when the store gives none.
    pub alias: String,
    /// The private key: PKCS#8 in DER, what [`Provider::load`] takes.
    pub key: Secret,
    /// Its certificate, then that of its issuer, and so on upwards as far as the store goes. Empty when there is none.
    pub chain: Vec<Certificate>,
}

/// How costly a password is to guess from what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    iterations: u32,
}

impl Protection {
    /// So many iterations of PBKDF2 over HMAC-SHA-256, and of the MAC. Fewer than 1,000 are refused when writing (NIST SP 800-132
    /// section 5.2). Default are 600,000, as OWASP has recommended since 2023: each guess costs a processor half a second.
    pub const fn iterations(iterations: u32) -> Self {
        Protection { iterations }
    }
}

impl Default for Protection {
    fn default() -> Self {
        Protection::iterations(600_000)
    }
}

/// Opens a key store, whose format shows in its first bytes.
///
/// # Errors
/// [`Error::Format`] when it is none, [`Error::Password`], [`Error::OtherPassword`], [`Error::Refused`], [`Error::Unsupported`],
/// [`Error::Malformed`], [`Error::Certificate`].
pub fn open(bytes: &[u8], password: &Secret, policy: &Policy, provider: &Provider) -> Result<KeyStore, Error> {
    let mut with = encryption::Opening::new(password, policy, provider)?;
    if java::is_java(bytes) {
        java::open(bytes, &mut with)
    } else if bytes.first() == Some(&Tag::SEQUENCE.octet()) {
        pkcs12::open(bytes, &mut with)
    } else {
        Err(Error::Format)
    }
}

impl KeyStore {
    /// The entry of this alias, or the only one when none is named. Case counts only where two aliases differ in nothing else.
    ///
    /// # Errors
    /// [`Error::NoEntry`]; [`Error::SeveralEntries`] when there is a choice to be made.
    pub fn entry(&self, alias: Option<&str>) -> Result<&Entry, Error> {
        let Some(alias) = alias else { return only(self.entries.iter()) };
        match only(self.entries.iter().filter(|entry| entry.alias == alias)) {
            Err(Error::NoEntry) => {
                let alias = alias.to_lowercase();
                only(self.entries.iter().filter(|entry| entry.alias.to_lowercase() == alias))
            }
            found => found,
        }
    }

    /// Writes PKCS#12 that OpenSSL, GnuTLS, NSS, Java, Windows and macOS of this decade read: certificates and keys under PBES2
    /// (PBKDF2 with HMAC-SHA-256, AES-256 in CBC mode), everything under a MAC with SHA-256, friendlyName and localKeyID.
    ///
    /// Opening costs `protection`'s iterations twice and once more for each private key; [`Policy::max_iterations`] must allow them.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the password is empty or not printable ASCII (Java reads no other), when the iterations are too few,
    /// or when the store holds what would not read back the same; [`Error::Crypto`] when there is no randomness.
    pub fn to_pkcs12(&self, password: &Secret, protection: Protection, provider: &Provider) -> Result<Vec<u8>, Error> {
        pkcs12::write(self, password, protection, provider)
    }
}

/// The only one.
fn only<'a>(mut entries: impl Iterator<Item = &'a Entry>) -> Result<&'a Entry, Error> {
    let first = entries.next().ok_or(Error::NoEntry)?;
    match entries.count() {
        0 => Ok(first),
        more => Err(Error::SeveralEntries(more.saturating_add(1))),
    }
}

impl Entry {
    /// Loads the private key, and makes sure that it is that of the certificate.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the provider does not take such a key, [`Error::Mismatch`].
    pub fn load(&self, provider: &Provider) -> Result<SoftwareKey, Error> {
        let key = provider.load(&self.key)?;
        match self.chain.first() {
            Some(certificate) if certificate.public_key() != key.public_key() => Err(Error::Mismatch),
            _ => Ok(key),
        }
    }
}

/// What a password that is written under must be.
fn check_password(password: &Secret, protection: Protection) -> Result<(), Error> {
    if password.is_empty() {
        return Err(Error::Misuse("an empty password protects nothing"));
    }
    if !password::is_portable(password) {
        return Err(Error::Misuse("the password must be printable ASCII: programs disagree about the octets of others"));
    }
    if protection.iterations < 1000 {
        return Err(Error::Misuse("fewer than 1,000 iterations protect nothing"));
    }
    Ok(())
}
