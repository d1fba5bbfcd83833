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

/// Makes the value of the bytes that were signed and the signature.
type Assemble<T> = Box<dyn FnOnce(&[u8], &[u8]) -> T + Send>;

impl<T> ToBeSigned<T> {
    /// `assemble` gets the bytes that were signed and the signature.
    pub(crate) fn new(
        algorithm: SignatureAlgorithm,
        key: PublicKey,
        bytes: Vec<u8>,
        provider: &Provider,
        assemble: impl FnOnce(&[u8], &[u8]) -> T + Send + 'static,
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
        Ok((self.assemble)(&self.bytes, signature))
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
            return Ok((self.assemble)(&self.bytes, &signature));
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

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::super::{KeyKind, Random, SoftwareKey};
    use super::*;

    struct Os;

    impl Random for Os {
        fn fill(&self, dest: &mut [u8]) -> Result<(), Error> {
            getrandom::fill(dest).map_err(|_| Error::Random)
        }
    }

    const PROVIDER: Provider = Provider::rustcrypto(&Os);

    fn new_key() -> SoftwareKey {
        PROVIDER.load(&PROVIDER.generate(KeyKind::P256).unwrap()).unwrap()
    }

    fn to_be_signed(key: &SoftwareKey) -> ToBeSigned<Vec<u8>> {
        let public = SigningKey::public_key(key).clone();
        ToBeSigned::new(key.algorithm(), public, b"tbs".to_vec(), &PROVIDER, |tbs, signature| [tbs, signature].concat())
    }

    /// A key that returns what it was given, and says whether that is to be trusted.
    #[derive(Debug)]
    struct Parrot(SoftwareKey, Vec<u8>, bool);

    impl SigningKey for Parrot {
        fn public_key(&self) -> &PublicKey {
            SigningKey::public_key(&self.0)
        }

        fn sign(&self, _: SignatureAlgorithm, _: &[u8]) -> Result<Vec<u8>, Error> {
            Ok(self.1.clone())
        }

        fn checks_itself(&self) -> bool {
            self.2
        }
    }

    #[test]
    fn both_ways_give_the_same() {
        let key = new_key();
        let at_once = to_be_signed(&key).sign_with(&key).unwrap();
        let pending = to_be_signed(&key);
        let signature = key.sign(pending.algorithm(), pending.bytes()).unwrap();
        assert_eq!(pending.complete(&signature), Ok(at_once));
        assert_eq!(to_be_signed(&key).map(|signed| signed.len()).complete(&signature), Ok(3 + signature.len()));
    }

    #[test]
    fn a_wrong_signature_completes_nothing() {
        let (key, other) = (new_key(), new_key());
        let signature = other.sign(SignatureAlgorithm::EcdsaSha256, b"tbs").unwrap();
        assert_eq!(to_be_signed(&key).complete(&signature), Err(Error::Failed));
        assert_eq!(to_be_signed(&key).complete(&[]), Err(Error::Failed));
    }

    #[test]
    fn another_key_does_not_sign() {
        assert_eq!(to_be_signed(&new_key()).sign_with(&new_key()), Err(Error::Key));
    }

    #[test]
    fn a_key_that_does_not_vouch_for_its_signature_is_verified() {
        let outcome = |trusted| {
            let key = new_key();
            to_be_signed(&key).sign_with(&Parrot(key, b"nonsense".to_vec(), trusted))
        };
        assert_eq!(outcome(false), Err(Error::Failed));
        assert_eq!(outcome(true), Ok(b"tbsnonsense".to_vec()));
    }
}
