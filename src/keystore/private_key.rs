//! Private keys on their own: PKCS#8 under a password, and the PEM files that programs keep keys in.

use crate::asn1::{self, Reader, Tag, Writer};
use crate::crypto::{ContentCipher, Provider, to_pkcs8};
use crate::hex;
use crate::secret::Secret;
use crate::x509::{self, pem};

use super::encryption::{Encryption, Opening, Sealing};
use super::{Error, Policy, Protection, check_password, derivation};

/// A private key under a password: EncryptedPrivateKeyInfo (RFC 5958 section 3), in DER.
///
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// # use mdm_core::crypto::{Error as CryptoError, KeyKind, Provider, Random};
/// # struct Os;
/// # impl Random for Os {
/// #     fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
/// #         getrandom::fill(dest).map_err(|_| CryptoError::Random)
/// #     }
/// # }
/// use mdm_core::keystore::{EncryptedPrivateKey, Policy, Protection, private_key};
/// use mdm_core::secret::Secret;
///
/// let provider = Provider::rustcrypto(&Os);
/// let (key, password) = (provider.generate(KeyKind::P256)?, Secret::from("correct horse"));
/// let strong = Protection::default();
/// # let strong = Protection::iterations(1000);
/// let sealed = EncryptedPrivateKey::seal(&key, &password, strong, &provider)?;
/// let read = private_key(sealed.to_pem().as_bytes(), &password, &Policy::MODERN, &provider)?;
/// assert_eq!(read, key);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedPrivateKey {
    der: Vec<u8>,
}

pub(super) const WHAT: &str = "EncryptedPrivateKeyInfo";
const LABEL: &str = "ENCRYPTED PRIVATE KEY";
const LABELS: [&str; 4] = [LABEL, "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

impl EncryptedPrivateKey {
    /// Encrypts a PKCS#8 key: PBES2 (RFC 8018 section 6.2) with PBKDF2 over HMAC-SHA-256, and AES-256 in CBC mode.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the key is not PKCS#8, the password is empty or not printable ASCII, or the iterations are too few;
    /// [`Error::Crypto`] when there is no randomness.
    pub fn seal(key: &Secret, password: &Secret, protection: Protection, provider: &Provider) -> Result<Self, Error> {
        check_password(password, protection)?;
        check_key(key)?;
        let content = Sealing::new(password, protection, provider)?.seal(key.expose(), Tag::OCTET_STRING, provider)?;
        Ok(EncryptedPrivateKey { der: Writer::build(|w| w.element(Tag::SEQUENCE, &content)) })
    }

    /// Takes over what was read from a file, BER or DER; what is encrypted is looked at when it is opened.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn from_der(bytes: &[u8], policy: &Policy) -> Result<Self, Error> {
        let malformed = Error::malformed(WHAT);
        let der = asn1::to_der(bytes, &policy.limits).map_err(&malformed)?.into_owned();
        let mut outer = Reader::new(&der);
        split(&mut outer).map_err(&malformed)?;
        outer.finish().map_err(&malformed)?;
        Ok(EncryptedPrivateKey { der })
    }

    /// Decrypts the key: PKCS#8 in DER. Read are PBES2 and, where the policy allows old ciphers, those of PKCS#12.
    ///
    /// # Errors
    /// [`Error::Password`] when it does not open, [`Error::Unsupported`], [`Error::Refused`], [`Error::Malformed`].
    pub fn open(&self, password: &Secret, policy: &Policy, provider: &Provider) -> Result<Secret, Error> {
        open(&mut Reader::new(&self.der), &mut Opening::new(password, policy, provider)?)
    }

    /// The DER.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// A PEM block `ENCRYPTED PRIVATE KEY` (RFC 7468 section 11).
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.der)
    }
}

/// The two fields: the algorithm, whose reader is given, and what is encrypted.
fn split<'a>(reader: &mut Reader<'a>) -> Result<(Reader<'a>, &'a [u8]), asn1::Error> {
    let mut fields = reader.sequence()?;
    let algorithm = fields.clone();
    fields.tagged(Tag::SEQUENCE)?;
    let sealed = fields.octet_string()?;
    fields.finish()?;
    Ok((algorithm, sealed))
}

/// Reads an EncryptedPrivateKeyInfo and opens it.
pub(super) fn open(reader: &mut Reader<'_>, with: &mut Opening<'_>) -> Result<Secret, Error> {
    let (mut algorithm, sealed) = split(reader).map_err(Error::malformed(WHAT))?;
    let encryption = Encryption::read(&mut algorithm, &with.budget)?;
    let mut plains = encryption.decrypt(sealed, with)?.into_iter();
    plains.find(is_private_key).ok_or(Error::Password)
}

/// Whether this begins and ends as PrivateKeyInfo does: a wrong password seldom survives the padding, and never this.
pub(super) fn is_private_key(plain: &Secret) -> bool {
    let read = || -> Result<(), asn1::Error> {
        let mut outer = Reader::new(plain.expose());
        let mut info = outer.sequence()?;
        outer.finish()?;
        info.small_integer()?;
        info.tagged(Tag::SEQUENCE)?;
        info.octet_string()?;
        Ok(())
    };
    read().is_ok()
}

/// What is written must be what is_private_key finds when it is read.
pub(super) fn check_key(key: &Secret) -> Result<(), Error> {
    if is_private_key(key) { Ok(()) } else { Err(Error::Misuse("a private key must be PKCS#8 in DER")) }
}

/// Reads a private key as programs keep it: PEM or DER; PKCS#8 plain or encrypted, PKCS#1 or SEC 1; and PEM that OpenSSL encrypted
/// in its old way (`Proc-Type: 4,ENCRYPTED`), with AES, or with 3DES or DES where the policy allows old ciphers. Of a PEM text the
/// first private key is taken. What comes out is PKCS#8 in DER.
///
/// The old way has no checksum: a wrong password is known by what comes out being no key.
///
/// # Errors
/// [`Error::Format`] when there is no private key, [`Error::Password`], [`Error::Unsupported`], [`Error::Refused`],
/// [`Error::Malformed`], [`Error::Pem`]; [`Error::Crypto`] when an old form leaves out what PKCS#8 must say.
pub fn private_key(bytes: &[u8], password: &Secret, policy: &Policy, provider: &Provider) -> Result<Secret, Error> {
    if bytes.len() > policy.limits.max_bytes {
        let error = asn1::Error::new(asn1::ErrorKind::TooLong(policy.limits.max_bytes), 0);
        return Err(Error::Malformed { what: "the private key", error });
    }
    Ok(to_pkcs8(&read_any(bytes, password, policy, provider)?)?)
}

fn read_any(bytes: &[u8], password: &Secret, policy: &Policy, provider: &Provider) -> Result<Secret, Error> {
    if bytes.first() == Some(&Tag::SEQUENCE.octet()) {
        return from_der(bytes, password, policy, provider);
    }
    let block = pem::Blocks::new(&LABELS, bytes).next_block().ok_or(Error::Format)?.map_err(of_pem)?;
    let body = Secret::new(block.body);
    match encrypted_headers(&block.headers)? {
        Some((cipher, iv)) => legacy(cipher, &iv, &body, password, policy, provider),
        None => from_der(body.expose(), password, policy, provider),
    }
}

fn of_pem(error: x509::Error) -> Error {
    match error {
        x509::Error::Pem { line, .. } => Error::Pem { line },
        error => Error::Certificate(error),
    }
}

/// Tells by the first field whether the key is encrypted.
fn from_der(der: &[u8], password: &Secret, policy: &Policy, provider: &Provider) -> Result<Secret, Error> {
    let first = Reader::new(der).sequence().map(|fields| fields.peek());
    match first.map_err(Error::malformed("the private key"))? {
        Some(Tag::SEQUENCE) => EncryptedPrivateKey::from_der(der, policy)?.open(password, policy, provider),
        Some(Tag::INTEGER) => {
            let mut outer = Reader::new(der);
            outer.element().and_then(|_| outer.finish()).map_err(Error::malformed("the private key"))?;
            Ok(Secret::from(der))
        }
        _ => Err(Error::Format),
    }
}

/// Cipher and vector of `DEK-Info` (RFC 1421 section 4.6.1.3), when `Proc-Type` says that the block is encrypted.
fn encrypted_headers(headers: &[&[u8]]) -> Result<Option<(ContentCipher, Vec<u8>)>, Error> {
    let value = |name: &[u8]| headers.iter().find_map(|line| line.strip_prefix(name)).map(<[u8]>::trim_ascii);
    if value(b"Proc-Type:").is_none_or(|kind| !kind.ends_with(b"ENCRYPTED")) {
        return Ok(None);
    }
    let unsupported = Error::Unsupported("the cipher in DEK-Info");
    let info = value(b"DEK-Info:").and_then(|info| std::str::from_utf8(info).ok()).ok_or(unsupported)?;
    let (name, iv) = info.split_once(',').ok_or(unsupported)?;
    let cipher = match name {
        "DES-CBC" => ContentCipher::DesCbc,
        "DES-EDE3-CBC" => ContentCipher::TripleDesCbc,
        "AES-128-CBC" => ContentCipher::Aes128Cbc,
        "AES-192-CBC" => ContentCipher::Aes192Cbc,
        "AES-256-CBC" => ContentCipher::Aes256Cbc,
        _ => return Err(unsupported),
    };
    let iv = hex::decode(iv).filter(|iv| iv.len() == cipher.block_len()).ok_or(unsupported)?;
    Ok(Some((cipher, iv)))
}

fn legacy(
    cipher: ContentCipher,
    iv: &[u8],
    sealed: &Secret,
    password: &Secret,
    policy: &Policy,
    provider: &Provider,
) -> Result<Secret, Error> {
    if matches!(cipher, ContentCipher::DesCbc | ContentCipher::TripleDesCbc) {
        policy.allow_old_cipher()?;
    }
    // The salt is the first half of the vector, or all of a short one.
    let salt = iv.get(..8).unwrap_or(iv);
    let key = derivation::legacy_pem(password.expose(), salt, cipher.key_len());
    let plain = provider.ciphers.decrypt(cipher, &key, iv, sealed.expose()).map_err(|_| Error::Password)?;
    let mut outer = Reader::new(plain.expose());
    let is_key = outer.sequence().and_then(|mut key| key.small_integer()).and_then(|_| outer.finish()).is_ok();
    if is_key { Ok(plain) } else { Err(Error::Password) }
}
