//! Signing in two phases.

use std::fmt;

use super::{Error, Provider, PublicKey, SignatureAlgorithm, SigningKey};

/// A `T` that lacks nothing but its signature.
///
/// A host with the key at hand writes [`sign_with`](ToBeSigned::sign_with). A host whose key is in an HSM or a KMS takes
/// [`algorithm`](ToBeSigned::algorithm) and [`bytes`](ToBeSigned::bytes) there, in its own time and colour, and comes back with
/// [`complete`](ToBeSigned::complete). Dropping the value has no effect.
///
/// ```text
/// ToBeSigned<T> ── sign_with(&key) ───────────────────────────► T
///       └──── algorithm(), bytes() ─► HSM ─► complete(signature) ─► T
/// ```
#[must_use = "nothing is signed until sign_with or complete is called"]
pub struct ToBeSigned<T> {
    algorithm: SignatureAlgorithm,
    key: PublicKey,
    bytes: Vec<u8>,
    provider: Provider,
    assemble: Assemble<T>,
}

/// Makes a `T` of the bytes that were signed and the signature.
type Assemble<T> = Box<dyn FnOnce(Vec<u8>, &[u8]) -> T + Send>;

impl<T> ToBeSigned<T> {
    /// `assemble` gets the bytes that were signed and the signature.
    pub(crate) fn new(
        algorithm: SignatureAlgorithm,
        key: PublicKey,
        bytes: Vec<u8>,
        provider: &Provider,
        assemble: impl FnOnce(&[u8], &[u8]) -> T + Send + 'static,
    ) -> Self {
        Self::consuming(algorithm, key, bytes, provider, move |bytes, signature| assemble(&bytes, signature))
    }

    /// As [`ToBeSigned::new`] for bytes of which there should be no second copy: `assemble` gets them to build upon.
    pub(crate) fn consuming(
        algorithm: SignatureAlgorithm,
        key: PublicKey,
        bytes: Vec<u8>,
        provider: &Provider,
        assemble: impl FnOnce(Vec<u8>, &[u8]) -> T + Send + 'static,
    ) -> Self {
        ToBeSigned { algorithm, key, bytes, provider: *provider, assemble: Box::new(assemble) }
    }

    /// The algorithm to sign with.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The public half of the key that must sign.
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The bytes to sign, not yet hashed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest of the bytes, for signers that take one.
    pub fn digest(&self) -> super::Digest {
        self.provider.digest(self.algorithm.digest(), &self.bytes)
    }

    /// Attaches a signature that was made elsewhere, after verifying it.
    ///
    /// # Errors
    /// [`Error::Failed`] when the signature is not by [`public_key`](ToBeSigned::public_key) over the bytes.
    pub fn complete(self, signature: &[u8]) -> Result<T, Error> {
        self.provider.verifier.verify(self.algorithm, &self.key, &self.bytes, signature)?;
        Ok((self.assemble)(self.bytes, signature))
    }

    /// Signs with a key at hand. A key that does not vouch for its own signatures is verified as in
    /// [`complete`](ToBeSigned::complete).
    ///
    /// # Errors
    /// [`Error::Key`] when it is another key than the one that must sign; the key's own error.
    pub fn sign_with(self, key: &dyn SigningKey) -> Result<T, Error> {
        if key.public_key() != &self.key {
            return Err(Error::Key);
        }
        let signature = key.sign(self.algorithm, &self.bytes)?;
        if key.checks_itself() {
            return Ok((self.assemble)(self.bytes, &signature));
        }
        self.complete(&signature)
    }

    /// The same signature, making something else of it.
    pub fn map<U>(self, then: impl FnOnce(T) -> U + Send + 'static) -> ToBeSigned<U>
    where
        T: 'static,
    {
        let ToBeSigned { algorithm, key, bytes, provider, assemble } = self;
        ToBeSigned { algorithm, key, bytes, provider, assemble: Box::new(move |tbs, signature| then(assemble(tbs, signature))) }
    }
}

impl<T> fmt::Debug for ToBeSigned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToBeSigned")
            .field("algorithm", &self.algorithm)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
