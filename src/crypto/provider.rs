//! What a host plugs in.

use std::fmt;

use subtle::ConstantTimeEq;

use super::{ContentCipher, DigestAlgorithm, Error, KeyKind, KeyTransport, PublicKey, SignatureAlgorithm, SoftwareKey};
use crate::secret::Secret;

/// A source of random bytes fit for keys. The host's operating system has one; the crate does not ask it.
///
/// ```
/// use mdm_core::crypto::{Error, Random};
///
/// struct Os;
///
/// impl Random for Os {
///     fn fill(&self, dest: &mut [u8]) -> Result<(), Error> {
///         getrandom::fill(dest).map_err(|_| Error::Random)
///     }
/// }
/// ```
pub trait Random: Send + Sync {
    /// Fills `dest` with fresh random bytes.
    ///
    /// # Errors
    /// [`Error::Random`] when there are none; nothing is made then.
    fn fill(&self, dest: &mut [u8]) -> Result<(), Error>;
}

/// Hash functions.
pub trait Digests: Send + Sync {
    /// The digest of the parts, one behind the other.
    fn digest(&self, algorithm: DigestAlgorithm, parts: &[&[u8]]) -> Digest;

    /// Begins a digest over content that comes in pieces.
    fn start(&self, algorithm: DigestAlgorithm) -> Box<dyn DigestContext>;
}

/// A digest that is being made.
pub trait DigestContext: Send {
    /// Takes the next piece.
    fn update(&mut self, piece: &[u8]);
    /// Ends it.
    fn finish(self: Box<Self>) -> Digest;
}

/// The verification of signatures with public keys.
pub trait Verifier: Send + Sync {
    /// Whether `signature` is the key's over `message`. RSA moduli of 1024 to 8192 bits are taken; whether one under 2048 is
    /// *believed* is the caller's policy.
    ///
    /// # Errors
    /// [`Error::Failed`] when it is not, [`Error::Key`] or [`Error::Algorithm`] when it cannot be told.
    fn verify(&self, algorithm: SignatureAlgorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Error>;

    /// As [`Verifier::verify`], over the digest of a message that is in nobody's memory any more. A verifier that does not say how
    /// gives [`Error::Algorithm`].
    ///
    /// # Errors
    /// As [`Verifier::verify`]; [`Error::Algorithm`] for a digest of another length than the algorithm's.
    fn verify_digest(
        &self,
        algorithm: SignatureAlgorithm,
        key: &PublicKey,
        digest: &Digest,
        signature: &[u8],
    ) -> Result<(), Error> {
        let _ = (algorithm, key, digest, signature);
        Err(Error::Algorithm)
    }
}

/// The encryption of content keys to public keys.
pub trait KeyWrapping: Send + Sync {
    /// Encrypts a content key so that only the holder of the private key reads it.
    ///
    /// # Errors
    /// [`Error::Key`] when the public key cannot encrypt.
    fn wrap(
        &self,
        algorithm: KeyTransport,
        key: &PublicKey,
        content_key: &Secret,
        random: &dyn Random,
    ) -> Result<Vec<u8>, Error>;

    /// Agrees upon a secret with the holder of an elliptic-curve key (ECDH, SEC 1 section 3.3.1): the point of a key pair that was made
    /// for this and is forgotten, uncompressed, and the shared x-coordinate.
    ///
    /// # Errors
    /// [`Error::Key`] when the public key is not a point on P-256, or this agrees with nobody; [`Error::Random`].
    fn agree(&self, key: &PublicKey, random: &dyn Random) -> Result<(Vec<u8>, Secret), Error> {
        let _ = (key, random);
        Err(Error::Key)
    }
}

/// Ciphers for content: in CBC mode with the padding of RFC 5652 section 6.3, and authenticated (RFC 5084).
pub trait ContentCiphers: Send + Sync {
    /// Pads and encrypts, in CBC mode.
    ///
    /// # Errors
    /// [`Error::Algorithm`] when key or vector have the wrong length, or the cipher is an authenticated one.
    fn encrypt(&self, cipher: ContentCipher, key: &Secret, iv: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error>;

    /// Decrypts and takes the padding off, in a time that does not depend on the padding.
    ///
    /// # Errors
    /// [`Error::Failed`], whatever was wrong.
    fn decrypt(&self, cipher: ContentCipher, key: &Secret, iv: &[u8], sealed: &[u8]) -> Result<Secret, Error>;

    /// Encrypts and authenticates, and authenticates `associated` with it: the encrypted content, and its authenticator of 16 octets.
    ///
    /// # Errors
    /// [`Error::Algorithm`] when key or vector have the wrong length, or the cipher does not authenticate.
    fn seal(
        &self,
        cipher: ContentCipher,
        key: &Secret,
        iv: &[u8],
        associated: &[u8],
        plain: &[u8],
    ) -> Result<(Vec<u8>, [u8; 16]), Error>;

    /// Decrypts what its authenticator, of 16 or 12 octets, shows to be whole.
    ///
    /// # Errors
    /// [`Error::Failed`], whatever was wrong.
    fn open(
        &self,
        cipher: ContentCipher,
        key: &Secret,
        iv: &[u8],
        associated: &[u8],
        sealed: &[u8],
        authenticator: &[u8],
    ) -> Result<Secret, Error>;
}

/// Private keys in the host's memory.
pub trait Keys: Send + Sync {
    /// Loads a PKCS#8 `PrivateKeyInfo` in DER (RFC 5208). RSA of 2048 to 8192 bits, ECDSA on P-256.
    ///
    /// # Errors
    /// [`Error::Key`].
    fn load(&self, pkcs8: &Secret, random: &'static dyn Random) -> Result<SoftwareKey, Error>;

    /// Makes a new private key, as PKCS#8 in DER.
    ///
    /// # Errors
    /// [`Error::Key`] for a size that is not offered, [`Error::Random`].
    fn generate(&self, kind: KeyKind, random: &dyn Random) -> Result<Secret, Error>;
}

/// A digest of up to 64 octets.
#[derive(Clone, Copy)]
pub struct Digest {
    octets: [u8; 64],
    len: u8,
}

impl Digest {
    /// From its octets; what is past 64 is cut, which no hash function here reaches.
    pub fn new(digest: &[u8]) -> Self {
        let mut octets = [0; 64];
        for (slot, octet) in octets.iter_mut().zip(digest) {
            *slot = *octet;
        }
        Digest { octets, len: u8::try_from(digest.len().min(64)).unwrap_or(64) }
    }

    /// Whether these are its octets, in a time that does not tell how many of them are right: for authentication codes.
    pub fn matches(&self, octets: &[u8]) -> bool {
        self.as_ref().ct_eq(octets).into()
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The primitives that the crate runs on: a plain struct, so that a host replaces one with `..provider`.
///
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// use mdm_core::crypto::{Error, KeyKind, Provider, Random};
///
/// struct Os;
/// impl Random for Os {
///     fn fill(&self, dest: &mut [u8]) -> Result<(), Error> {
///         getrandom::fill(dest).map_err(|_| Error::Random)
///     }
/// }
///
/// let provider = Provider::rustcrypto(&Os);
/// let pkcs8 = provider.generate(KeyKind::P256)?;
/// let key = provider.load(&pkcs8)?;
/// # }
/// # Ok::<(), mdm_core::crypto::Error>(())
/// ```
#[derive(Clone, Copy)]
#[allow(clippy::exhaustive_structs, reason = "a host that writes a provider must supply every part, and replaces one by `..`")]
pub struct Provider {
    /// Where randomness comes from.
    pub random: &'static dyn Random,
    /// Hash functions.
    pub digests: &'static dyn Digests,
    /// Verification of signatures.
    pub verifier: &'static dyn Verifier,
    /// Encryption of content keys.
    pub wrapping: &'static dyn KeyWrapping,
    /// Encryption of content.
    pub ciphers: &'static dyn ContentCiphers,
    /// Private keys in memory.
    pub keys: &'static dyn Keys,
}

impl Provider {
    /// The digest of some bytes.
    pub fn digest(&self, algorithm: DigestAlgorithm, bytes: &[u8]) -> Digest {
        self.digests.digest(algorithm, &[bytes])
    }

    /// Fresh random bytes.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn random_bytes<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Loads a private key: PKCS#8, PKCS#1 (RFC 8017 appendix A.1.2) or SEC 1 (RFC 5915), in DER.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn load(&self, der: &Secret) -> Result<SoftwareKey, Error> {
        self.keys.load(&super::pkcs8::to_pkcs8(der)?, self.random)
    }

    /// Makes a new private key, as PKCS#8 in DER.
    ///
    /// # Errors
    /// [`Error::Key`] for a size that is not offered, [`Error::Random`].
    pub fn generate(&self, kind: KeyKind) -> Result<Secret, Error> {
        self.keys.generate(kind, self.random)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").finish_non_exhaustive()
    }
}
