//! The provider of pure Rust, over the RustCrypto crates.
//!
//! Randomness is the host's: each operation that needs some takes a seed from [`Random`] and stretches it, because the generators
//! that the `rsa` crate takes may not fail. A host without randomness gets [`Error::Random`] before anything is computed.
//!
//! RSA private operations are always blinded. The crate's own shortcuts `sign` and `decrypt` would not blind here, since they look
//! for the operating system's generator, which is not asked; so the traits below them are called with a generator.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey, EncodeRsaPrivateKey};
use rsa::traits::{PaddingScheme, SignatureScheme};
use rsa::{Oaep, Pkcs1v15Encrypt, Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use sha1::Sha1;
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::pkcs8::to_pkcs8;
use super::software::{PrivateKey, ciphertext, modulus_and_stand_in, or_substitute, verifying};
use super::{
    BlockCiphers, DecryptionKey, Digest, DigestAlgorithm, Digests, Error, KeyKind, KeyTransport, KeyWrapping, Keys, Provider,
    PublicKey, PublicKeyKind, Random, ShaDigests, SignatureAlgorithm, SigningKey, SoftwareKey, Verifier,
};
use crate::asn1::{Tag, Writer};
use crate::secret::Secret;

impl Provider {
    /// The provider of pure Rust. RSA keys of 2048, 3072 and 4096 bits are generated; the time that takes varies.
    pub const fn rustcrypto(random: &'static dyn Random) -> Provider {
        Provider {
            random,
            digests: &ShaDigests,
            verifier: &RustCrypto,
            wrapping: &RustCrypto,
            ciphers: &BlockCiphers,
            keys: &RustCrypto,
        }
    }
}

struct RustCrypto;

impl Verifier for RustCrypto {
    fn verify(&self, algorithm: SignatureAlgorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.verify_digest(algorithm, key, &ShaDigests.digest(algorithm.digest(), &[message]), signature)
    }

    fn verify_digest(
        &self,
        algorithm: SignatureAlgorithm,
        key: &PublicKey,
        digest: &Digest,
        signature: &[u8],
    ) -> Result<(), Error> {
        let kind = verifying(algorithm, key)?;
        algorithm.check_digest(digest)?;
        match kind {
            PublicKeyKind::P256 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.key_bits()).map_err(|_| Error::Key)?;
                p256::ecdsa::Signature::from_der(signature)
                    .and_then(|signature| key.verify_prehash(digest.as_ref(), &signature))
            }
            PublicKeyKind::P384 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key.key_bits()).map_err(|_| Error::Key)?;
                p384::ecdsa::Signature::from_der(signature)
                    .and_then(|signature| key.verify_prehash(digest.as_ref(), &signature))
            }
            _ => {
                let key = RsaPublicKey::from_pkcs1_der(key.key_bits()).map_err(|_| Error::Key)?;
                let info = digest_info(algorithm.digest(), digest.as_ref());
                return Pkcs1v15Sign::new_unprefixed().verify(&key, &info, signature).map_err(|_| Error::Failed);
            }
        }
        .map_err(|_| Error::Failed)
    }
}

impl KeyWrapping for RustCrypto {
    fn wrap(
        &self,
        algorithm: KeyTransport,
        key: &PublicKey,
        content_key: &Secret,
        random: &dyn Random,
    ) -> Result<Vec<u8>, Error> {
        if !matches!(key.kind(), PublicKeyKind::Rsa { .. }) {
            return Err(Error::Key);
        }
        let key = RsaPublicKey::from_pkcs1_der(key.key_bits()).map_err(|_| Error::Key)?;
        let rng = &mut generator(random)?;
        match algorithm {
            KeyTransport::RsaPkcs1 => Pkcs1v15Encrypt.encrypt(rng, &key, content_key.expose()),
            KeyTransport::RsaOaepSha1 => Oaep::<Sha1>::new().encrypt(rng, &key, content_key.expose()),
            KeyTransport::RsaOaepSha256 => Oaep::<Sha256>::new().encrypt(rng, &key, content_key.expose()),
        }
        // The one thing left that can be wrong: the content key is too long for the modulus.
        .map_err(|_| Error::Key)
    }

    fn agree(&self, key: &PublicKey, random: &dyn Random) -> Result<(Vec<u8>, Secret), Error> {
        if key.kind() != PublicKeyKind::P256 || key.key_bits().first() != Some(&4) {
            return Err(Error::Key);
        }
        let theirs = p256::PublicKey::from_sec1_bytes(key.key_bits()).map_err(|_| Error::Key)?;
        let (_, own) = p256_scalar(random)?;
        let point = own.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        let shared = p256::ecdh::diffie_hellman(*own.as_nonzero_scalar(), theirs.as_affine());
        Ok((point, Secret::from(shared.raw_secret_bytes().as_slice())))
    }
}

impl Keys for RustCrypto {
    fn load(&self, pkcs8: &Secret, random: &'static dyn Random) -> Result<SoftwareKey, Error> {
        match PrivateKey::read(pkcs8)? {
            PrivateKey::Rsa { der, public } => {
                let (modulus, stand_in) = modulus_and_stand_in(&public)?;
                let key = RsaKey { key: Arc::new(load_rsa(der)?), public, modulus, stand_in, random };
                Ok(SoftwareKey::new(Box::new(key.clone()), Some(Box::new(key))))
            }
            PrivateKey::P256 { scalar, point } => {
                let key = p256::ecdsa::SigningKey::from_slice(scalar).map_err(|_| Error::Key)?;
                let own_point = key.verifying_key().to_sec1_point(false);
                if point.is_some_and(|point| point != own_point.as_bytes()) {
                    return Err(Error::Key);
                }
                let public = PublicKey::from_p256(own_point.as_bytes())?;
                let key = P256Key { key, public };
                Ok(SoftwareKey::new(Box::new(key.clone()), Some(Box::new(key))))
            }
        }
    }

    fn generate(&self, kind: KeyKind, random: &dyn Random) -> Result<Secret, Error> {
        match kind {
            KeyKind::Rsa(bits @ (2048 | 3072 | 4096)) => {
                let key = RsaPrivateKey::new(&mut generator(random)?, usize::from(bits)).map_err(|_| Error::Key)?;
                let der = key.to_pkcs1_der().map_err(|_| Error::Key)?;
                to_pkcs8(&Secret::from(der.as_bytes()))
            }
            KeyKind::Rsa(_) => Err(Error::Key),
            KeyKind::P256 => generate_p256(random),
        }
    }
}

/// A generator that cannot fail, from a seed that could.
fn generator(random: &dyn Random) -> Result<ChaCha20Rng, Error> {
    let mut seed = Zeroizing::new([0; 32]);
    random.fill(&mut *seed)?;
    Ok(ChaCha20Rng::from_seed(*seed))
}

/// DigestInfo, RFC 8017 section 9.2.
fn digest_info(algorithm: DigestAlgorithm, digest: &[u8]) -> Vec<u8> {
    Writer::build(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.oid(algorithm.oid());
                w.null();
            });
            w.octet_string(digest);
        });
    })
}

/// The crate checks that the primes make the modulus and that the exponents belong together. The rest of the encoding, which it
/// computes anew, must be what it computes.
fn load_rsa(der: &[u8]) -> Result<RsaPrivateKey, Error> {
    let key = RsaPrivateKey::from_pkcs1_der(der).map_err(|_| Error::Key)?;
    let again = key.to_pkcs1_der().map_err(|_| Error::Key)?;
    if bool::from(again.as_bytes().ct_eq(der)) { Ok(key) } else { Err(Error::Key) }
}

/// A P-256 key as RFC 5915 in PKCS#8.
fn generate_p256(random: &dyn Random) -> Result<Secret, Error> {
    let (scalar, key) = p256_scalar(random)?;
    let point = key.verifying_key().to_sec1_point(false);
    let der = Writer::build(|w| {
        w.sequence(|w| {
            w.small_integer(1);
            w.octet_string(&*scalar);
            w.nested(Tag::context_constructed(0), |w| w.oid(super::algorithm::P256));
            w.nested(Tag::context_constructed(1), |w| w.bit_string(point.as_bytes()));
        });
    });
    to_pkcs8(&Secret::new(der))
}

/// A fresh private key on P-256, and its octets.
fn p256_scalar(random: &dyn Random) -> Result<(Zeroizing<[u8; 32]>, p256::ecdsa::SigningKey), Error> {
    let mut scalar = Zeroizing::new([0; 32]);
    // All but one in 2^32 fillings are a scalar; a source that gives none in eight is broken.
    for _ in 0..8 {
        random.fill(&mut *scalar)?;
        if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&*scalar) {
            return Ok((scalar, key));
        }
    }
    Err(Error::Random)
}

#[derive(Clone)]
struct RsaKey {
    key: Arc<RsaPrivateKey>,
    public: PublicKey,
    modulus: Vec<u8>,
    stand_in: Vec<u8>,
    random: &'static dyn Random,
}

impl SigningKey for RsaKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.sign_digest(algorithm, &ShaDigests.digest(algorithm.digest(), &[message]))
    }

    fn sign_digest(&self, algorithm: SignatureAlgorithm, digest: &Digest) -> Result<Vec<u8>, Error> {
        if !algorithm.is_rsa() || algorithm == SignatureAlgorithm::RsaSha1 {
            return Err(Error::Algorithm);
        }
        algorithm.check_digest(digest)?;
        let info = digest_info(algorithm.digest(), digest.as_ref());
        let mut rng = generator(self.random)?;
        Pkcs1v15Sign::new_unprefixed().sign(Some(&mut rng), &self.key, &info).map_err(|_| Error::Failed)
    }

    /// `rsa` raises what it computed to the public exponent and compares (`rsa_decrypt_and_check`), so that a fault in the CRT
    /// gives an error and no signature.
    fn checks_itself(&self) -> bool {
        true
    }
}

impl DecryptionKey for RsaKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn unwrap_key(&self, algorithm: KeyTransport, wrapped: &[u8], substitute: Secret) -> Result<Secret, Error> {
        let rng = Some(&mut generator(self.random)?);
        let wrapped = ciphertext(wrapped, &self.modulus, &self.stand_in);
        // PKCS#1 v1.5: `rsa` rejects implicitly itself, so that wrong padding gives random octets of random length. OAEP: wrong
        // padding is an error, which ends in the substitute as well.
        let opened = match algorithm {
            KeyTransport::RsaPkcs1 => Pkcs1v15Encrypt.decrypt(rng, &self.key, wrapped),
            KeyTransport::RsaOaepSha1 => Oaep::<Sha1>::new().decrypt(rng, &self.key, wrapped),
            KeyTransport::RsaOaepSha256 => Oaep::<Sha256>::new().decrypt(rng, &self.key, wrapped),
        };
        Ok(or_substitute(opened.ok().map(Secret::new), &substitute))
    }
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaKey({:?})", self.public.kind())
    }
}

#[derive(Clone)]
struct P256Key {
    key: p256::ecdsa::SigningKey,
    public: PublicKey,
}

impl DecryptionKey for P256Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn unwrap_key(&self, _: KeyTransport, _: &[u8], _: Secret) -> Result<Secret, Error> {
        Err(Error::Key)
    }

    fn agree(&self, point: &[u8]) -> Result<Secret, Error> {
        // Uncompressed only, as everywhere (`software::verifying`).
        if point.first() != Some(&4) {
            return Err(Error::Failed);
        }
        let theirs = p256::PublicKey::from_sec1_bytes(point).map_err(|_| Error::Failed)?;
        let shared = p256::ecdh::diffie_hellman(*self.key.as_nonzero_scalar(), theirs.as_affine());
        Ok(Secret::from(shared.raw_secret_bytes().as_slice()))
    }
}

impl SigningKey for P256Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Deterministic (RFC 6979), so that no randomness can be bad.
    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.sign_digest(algorithm, &ShaDigests.digest(DigestAlgorithm::Sha256, &[message]))
    }

    fn sign_digest(&self, algorithm: SignatureAlgorithm, digest: &Digest) -> Result<Vec<u8>, Error> {
        if algorithm != SignatureAlgorithm::EcdsaSha256 {
            return Err(Error::Algorithm);
        }
        algorithm.check_digest(digest)?;
        let signature: p256::ecdsa::Signature = self.key.sign_prehash(digest.as_ref()).map_err(|_| Error::Failed)?;
        Ok(signature.to_der().as_bytes().to_vec())
    }

    /// There is no CRT whose fault would give the key away, and a wrong signature harms nobody but its receiver, who refuses it.
    fn checks_itself(&self) -> bool {
        true
    }
}

impl fmt::Debug for P256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P256Key")
    }
}
