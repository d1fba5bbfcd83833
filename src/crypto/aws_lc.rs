//! The provider over AWS-LC.
//!
//! Its randomness is AWS-LC's own, seeded by the operating system: no function of it takes another source, so the host's
//! [`Random`] serves what the crate itself draws (serial numbers, vectors, content keys) and not the keys made and the padding
//! added here. Content ciphers are those of [`BlockCiphers`], which reach the same instructions of the processor.
//!
//! AWS-LC encrypts to RSA keys from 2048 bits, and verifies SHA-384 with them only; it verifies the other digests from 1024 bits.

use std::fmt;

use aws_lc_rs::agreement::{self, ECDH_P256, UnparsedPublicKey};
use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, EcdsaKeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair, VerificationAlgorithm,
};
use zeroize::Zeroizing;

use super::software::{PrivateKey, ciphertext, modulus_and_stand_in, or_substitute, verifying};
use super::{
    BlockCiphers, DecryptionKey, Digest, DigestAlgorithm, DigestContext, Digests, Error, KeyKind, KeyTransport, KeyWrapping,
    Keys, Provider, PublicKey, PublicKeyKind, Random, SignatureAlgorithm, SigningKey, SoftwareKey, Verifier,
};
use crate::secret::Secret;

impl Provider {
    /// The provider over AWS-LC: RSA private operations are four to five times as fast as in pure Rust. Keys are generated, RSA
    /// blinded and content keys wrapped with AWS-LC's own randomness; `random` is for everything else.
    pub const fn aws_lc_rs(random: &'static dyn Random) -> Provider {
        Provider { random, digests: &AwsLc, verifier: &AwsLc, wrapping: &AwsLc, ciphers: &BlockCiphers, keys: &AwsLc }
    }
}

struct AwsLc;

impl Digests for AwsLc {
    fn digest(&self, algorithm: DigestAlgorithm, parts: &[&[u8]]) -> Digest {
        let mut context = digest::Context::new(function(algorithm));
        parts.iter().for_each(|part| context.update(part));
        Digest::new(context.finish().as_ref())
    }

    fn start(&self, algorithm: DigestAlgorithm) -> Box<dyn DigestContext> {
        Box::new(Context(digest::Context::new(function(algorithm))))
    }
}

fn function(algorithm: DigestAlgorithm) -> &'static digest::Algorithm {
    match algorithm {
        DigestAlgorithm::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
        DigestAlgorithm::Sha256 => &SHA256,
        DigestAlgorithm::Sha384 => &SHA384,
        DigestAlgorithm::Sha512 => &SHA512,
    }
}

struct Context(digest::Context);

impl DigestContext for Context {
    fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    fn finish(self: Box<Self>) -> Digest {
        Digest::new(self.0.finish().as_ref())
    }
}

impl Verifier for AwsLc {
    fn verify(&self, algorithm: SignatureAlgorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        parsed(algorithm, key)?.verify_sig(message, signature).map_err(|_| Error::Failed)
    }

    fn verify_digest(
        &self,
        algorithm: SignatureAlgorithm,
        key: &PublicKey,
        digest: &Digest,
        signature: &[u8],
    ) -> Result<(), Error> {
        parsed(algorithm, key)?.verify_digest_sig(&imported(algorithm, digest)?, signature).map_err(|_| Error::Failed)
    }
}

fn parsed(algorithm: SignatureAlgorithm, key: &PublicKey) -> Result<ParsedPublicKey, Error> {
    let verification: &'static dyn VerificationAlgorithm = match (verifying(algorithm, key)?, algorithm.digest()) {
        (PublicKeyKind::P256, DigestAlgorithm::Sha256) => &ECDSA_P256_SHA256_ASN1,
        (PublicKeyKind::P256, _) => &ECDSA_P256_SHA384_ASN1,
        (PublicKeyKind::P384, DigestAlgorithm::Sha256) => &ECDSA_P384_SHA256_ASN1,
        (PublicKeyKind::P384, _) => &ECDSA_P384_SHA384_ASN1,
        (PublicKeyKind::Rsa { bits: ..2048, .. }, DigestAlgorithm::Sha384) => return Err(Error::Algorithm),
        (_, DigestAlgorithm::Sha1) => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (_, DigestAlgorithm::Sha256) => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (_, DigestAlgorithm::Sha384) => &RSA_PKCS1_2048_8192_SHA384,
        (_, DigestAlgorithm::Sha512) => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    };
    ParsedPublicKey::new(verification, key.key_bits()).map_err(|_| Error::Key)
}

/// A digest as AWS-LC takes it back; one of another length is none of this algorithm.
fn imported(algorithm: SignatureAlgorithm, digest: &Digest) -> Result<digest::Digest, Error> {
    digest::Digest::import_less_safe(digest.as_ref(), function(algorithm.digest())).map_err(|_| Error::Algorithm)
}

impl KeyWrapping for AwsLc {
    fn wrap(&self, algorithm: KeyTransport, key: &PublicKey, content_key: &Secret, _: &dyn Random) -> Result<Vec<u8>, Error> {
        if !matches!(key.kind(), PublicKeyKind::Rsa { .. }) {
            return Err(Error::Key);
        }
        let key = PublicEncryptingKey::from_der(key.as_der()).map_err(|_| Error::Key)?;
        let mut wrapped = vec![0; key.key_size_bytes()];
        match algorithm {
            KeyTransport::RsaPkcs1 => {
                Pkcs1PublicEncryptingKey::new(key).and_then(|key| key.encrypt(content_key.expose(), &mut wrapped).map(drop))
            }
            KeyTransport::RsaOaepSha1 | KeyTransport::RsaOaepSha256 => OaepPublicEncryptingKey::new(key)
                .and_then(|key| key.encrypt(oaep(algorithm), content_key.expose(), &mut wrapped, None).map(drop)),
        }
        // The one thing left that can be wrong: the content key is too long for the modulus.
        .map_err(|_| Error::Key)?;
        Ok(wrapped)
    }

    fn agree(&self, key: &PublicKey, _: &dyn Random) -> Result<(Vec<u8>, Secret), Error> {
        if key.kind() != PublicKeyKind::P256 {
            return Err(Error::Key);
        }
        let own = agreement::PrivateKey::generate(&ECDH_P256).map_err(|_| Error::Random)?;
        let point = own.compute_public_key().map_err(|_| Error::Random)?;
        Ok((point.as_ref().to_vec(), agree(&own, key.key_bits(), Error::Key)?))
    }
}

/// The shared x-coordinate. AWS-LC checks that the point is on the curve; it may take other forms of a point than the uncompressed
/// one, which alone is taken here.
fn agree(own: &agreement::PrivateKey, point: &[u8], error: Error) -> Result<Secret, Error> {
    if point.first() != Some(&4) {
        return Err(error);
    }
    agreement::agree(own, UnparsedPublicKey::new(&ECDH_P256, point), error, |shared| Ok(Secret::from(shared)))
}

fn oaep(algorithm: KeyTransport) -> &'static aws_lc_rs::rsa::OaepAlgorithm {
    if algorithm == KeyTransport::RsaOaepSha256 { &OAEP_SHA256_MGF1SHA256 } else { &OAEP_SHA1_MGF1SHA1 }
}

impl Keys for AwsLc {
    fn load(&self, pkcs8: &Secret, _: &'static dyn Random) -> Result<SoftwareKey, Error> {
        match PrivateKey::read(pkcs8)? {
            PrivateKey::Rsa { public, .. } => {
                let signing = RsaKeyPair::from_pkcs8(pkcs8.expose()).map_err(|_| Error::Key)?;
                let opening = PrivateDecryptingKey::from_pkcs8(pkcs8.expose()).map_err(|_| Error::Key)?;
                let pkcs1 = Pkcs1PrivateDecryptingKey::new(opening.clone()).map_err(|_| Error::Key)?;
                let oaep = OaepPrivateDecryptingKey::new(opening).map_err(|_| Error::Key)?;
                let (modulus, stand_in) = modulus_and_stand_in(&public)?;
                let opening = RsaOpeningKey { pkcs1, oaep, public: public.clone(), modulus, stand_in };
                Ok(SoftwareKey::new(Box::new(RsaSigningKey { key: signing, public }), Some(Box::new(opening))))
            }
            PrivateKey::P256 { point, .. } => {
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.expose()).map_err(|_| Error::Key)?;
                let own_point = key.public_key().as_ref();
                if point.is_some_and(|point| point != own_point) {
                    return Err(Error::Key);
                }
                let public = PublicKey::from_p256(own_point)?;
                let agreeing =
                    agreement::PrivateKey::from_private_key_der(&ECDH_P256, pkcs8.expose()).map_err(|_| Error::Key)?;
                let opening = P256OpeningKey { key: agreeing, public: public.clone() };
                Ok(SoftwareKey::new(Box::new(P256Key { key, public }), Some(Box::new(opening))))
            }
        }
    }

    fn generate(&self, kind: KeyKind, _: &dyn Random) -> Result<Secret, Error> {
        let size = match kind {
            KeyKind::Rsa(2048) => KeySize::Rsa2048,
            KeyKind::Rsa(3072) => KeySize::Rsa3072,
            KeyKind::Rsa(4096) => KeySize::Rsa4096,
            KeyKind::Rsa(_) => return Err(Error::Key),
            KeyKind::P256 => {
                let pkcs8 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).and_then(|key| key.to_pkcs8v1());
                return pkcs8.map(|pkcs8| Secret::from(pkcs8.as_ref())).map_err(|_| Error::Random);
            }
        };
        let pkcs8 = PrivateDecryptingKey::generate(size).and_then(|key| key.as_der());
        pkcs8.map(|pkcs8| Secret::from(pkcs8.as_ref())).map_err(|_| Error::Random)
    }
}

struct RsaSigningKey {
    key: RsaKeyPair,
    public: PublicKey,
}

fn padding(algorithm: SignatureAlgorithm) -> Result<&'static dyn RsaEncoding, Error> {
    match algorithm {
        SignatureAlgorithm::RsaSha256 => Ok(&RSA_PKCS1_SHA256),
        SignatureAlgorithm::RsaSha384 => Ok(&RSA_PKCS1_SHA384),
        SignatureAlgorithm::RsaSha512 => Ok(&RSA_PKCS1_SHA512),
        _ => Err(Error::Algorithm),
    }
}

impl SigningKey for RsaSigningKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        // The generator is there for the sake of the signature's type: AWS-LC does not look at it.
        let signed = self.key.sign(padding(algorithm)?, &SystemRandom::new(), message, &mut signature);
        signed.map(|()| signature).map_err(|_| Error::Failed)
    }

    fn sign_digest(&self, algorithm: SignatureAlgorithm, digest: &Digest) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        let signed = self.key.sign_digest(padding(algorithm)?, &imported(algorithm, digest)?, &mut signature);
        signed.map(|()| signature).map_err(|_| Error::Failed)
    }

    /// AWS-LC raises what it computed to the public exponent and compares (`rsa_default_private_transform`), so that a fault in
    /// the CRT gives an error and no signature.
    fn checks_itself(&self) -> bool {
        true
    }
}

impl fmt::Debug for RsaSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaSigningKey({:?})", self.public.kind())
    }
}

struct RsaOpeningKey {
    pkcs1: Pkcs1PrivateDecryptingKey,
    oaep: OaepPrivateDecryptingKey,
    public: PublicKey,
    modulus: Vec<u8>,
    stand_in: Vec<u8>,
}

impl DecryptionKey for RsaOpeningKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn unwrap_key(&self, algorithm: KeyTransport, wrapped: &[u8], substitute: Secret) -> Result<Secret, Error> {
        let mut room = Zeroizing::new(vec![0; self.pkcs1.min_output_size()]);
        let wrapped = ciphertext(wrapped, &self.modulus, &self.stand_in);
        let opened = match algorithm {
            KeyTransport::RsaPkcs1 => self.pkcs1.decrypt(wrapped, &mut room),
            KeyTransport::RsaOaepSha1 | KeyTransport::RsaOaepSha256 => {
                self.oaep.decrypt(oaep(algorithm), wrapped, &mut room, None)
            }
        };
        Ok(or_substitute(opened.ok().map(|key| Secret::from(&*key)), &substitute))
    }
}

impl fmt::Debug for RsaOpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaOpeningKey({:?})", self.public.kind())
    }
}

struct P256OpeningKey {
    key: agreement::PrivateKey,
    public: PublicKey,
}

impl DecryptionKey for P256OpeningKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn unwrap_key(&self, _: KeyTransport, _: &[u8], _: Secret) -> Result<Secret, Error> {
        Err(Error::Key)
    }

    fn agree(&self, point: &[u8]) -> Result<Secret, Error> {
        agree(&self.key, point, Error::Failed)
    }
}

impl fmt::Debug for P256OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P256OpeningKey")
    }
}

struct P256Key {
    key: EcdsaKeyPair,
    public: PublicKey,
}

impl SigningKey for P256Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        if algorithm != SignatureAlgorithm::EcdsaSha256 {
            return Err(Error::Algorithm);
        }
        let signature = self.key.sign(&SystemRandom::new(), message).map_err(|_| Error::Failed)?;
        Ok(signature.as_ref().to_vec())
    }

    fn sign_digest(&self, algorithm: SignatureAlgorithm, digest: &Digest) -> Result<Vec<u8>, Error> {
        if algorithm != SignatureAlgorithm::EcdsaSha256 {
            return Err(Error::Algorithm);
        }
        let signature = self.key.sign_digest(&imported(algorithm, digest)?).map_err(|_| Error::Failed)?;
        Ok(signature.as_ref().to_vec())
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
