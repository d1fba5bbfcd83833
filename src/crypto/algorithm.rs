//! Names of algorithms, and their identifiers on the wire.

use crate::asn1::{Element, Error as Asn1Error, Oid, Reader, Tag, Writer};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// SHA-1: key identifiers, OCSP certIDs, and signatures under [`Legacy::sha1`].
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A signature algorithm with its hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// RSA PKCS#1 v1.5 with SHA-1; verified under [`Legacy::sha1`], made never.
    RsaSha1,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaSha256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RsaSha384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RsaSha512,
    /// ECDSA with SHA-256.
    EcdsaSha256,
    /// ECDSA with SHA-384.
    EcdsaSha384,
}

/// How RSA carries a content key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum KeyTransport {
    /// PKCS#1 v1.5, which every SCEP peer speaks.
    RsaPkcs1,
    /// OAEP with SHA-1 for hash and mask, the defaults of RFC 8017.
    RsaOaepSha1,
    /// OAEP with SHA-256 for hash and mask.
    RsaOaepSha256,
}

/// A cipher for content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ContentCipher {
    /// Single DES in CBC mode, under [`Legacy::single_des`] only.
    DesCbc,
    /// Three-key 3DES in CBC mode, under [`Legacy::triple_des`] only.
    TripleDesCbc,
    /// AES-128 in CBC mode.
    Aes128Cbc,
    /// AES-192 in CBC mode.
    Aes192Cbc,
    /// AES-256 in CBC mode.
    Aes256Cbc,
    /// AES-128 in Galois/Counter mode, which authenticates what it encrypts.
    Aes128Gcm,
    /// AES-192 in Galois/Counter mode.
    Aes192Gcm,
    /// AES-256 in Galois/Counter mode.
    Aes256Gcm,
}

/// Which broken algorithms a peer is forgiven. All are off by default; each is switched on by name, for the peer that needs it.
///
/// ```
/// use mdm_core::crypto::Legacy;
///
/// let old_clients = Legacy { sha1: true, single_des: true, ..Legacy::NONE };
/// assert_ne!(old_clients, Legacy::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Legacy {
    /// Signatures over SHA-1. Needed by micromdm's `scepclient`, step-ca and NDES replies, macOS before 13 in Mdm-Signature.
    pub sha1: bool,
    /// Content under 3DES. Needed by Cisco IOS and by servers on jscep.
    pub triple_des: bool,
    /// Content under single DES. Needed by micromdm's `scepclient` and NDES.
    pub single_des: bool,
    /// RSA keys from 1024 to 2047 bits. Needed by Apple's built-in device certificates (MachineInfo) and SCEP payloads without a
    /// `Keysize`.
    pub rsa_1024: bool,
}

impl Legacy {
    /// Nothing is forgiven.
    pub const NONE: Legacy = Legacy { sha1: false, triple_des: false, single_des: false, rsa_1024: false };

    /// Whether content under this cipher may be read.
    pub const fn allows_cipher(self, cipher: ContentCipher) -> bool {
        match cipher {
            ContentCipher::DesCbc => self.single_des,
            ContentCipher::TripleDesCbc => self.triple_des,
            ContentCipher::Aes128Cbc | ContentCipher::Aes192Cbc | ContentCipher::Aes256Cbc => true,
            ContentCipher::Aes128Gcm | ContentCipher::Aes192Gcm | ContentCipher::Aes256Gcm => true,
        }
    }

    /// Whether signatures over this digest may be believed.
    pub const fn allows_digest(self, digest: DigestAlgorithm) -> bool {
        match digest {
            DigestAlgorithm::Sha1 => self.sha1,
            DigestAlgorithm::Sha256 | DigestAlgorithm::Sha384 | DigestAlgorithm::Sha512 => true,
        }
    }
}

/// rsaEncryption, RFC 8017 appendix A.1.
pub(crate) const RSA_ENCRYPTION: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]);
/// id-ecPublicKey, RFC 5480 section 2.1.1.
pub(crate) const EC_PUBLIC_KEY: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]);
/// secp256r1, RFC 5480 section 2.1.1.1.
pub(crate) const P256: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]);
/// secp384r1, RFC 5480 section 2.1.1.1.
pub(crate) const P384: Oid<'static> = Oid::from_content(&[0x2B, 0x81, 0x04, 0x00, 0x22]);
const RSAES_OAEP: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x07]);
const MGF1: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x08]);

impl DigestAlgorithm {
    const ALL: [DigestAlgorithm; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The object identifier (RFC 5754 section 2, RFC 3370 section 2.1).
    pub const fn oid(self) -> Oid<'static> {
        Oid::from_content(match self {
            Self::Sha1 => &[0x2B, 0x0E, 0x03, 0x02, 0x1A],
            Self::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
            Self::Sha384 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
            Self::Sha512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
        })
    }

    /// The algorithm that an object identifier names.
    pub fn from_oid(oid: Oid<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.oid() == oid)
    }

    /// Octets of the digest.
    #[allow(clippy::len_without_is_empty, reason = "no digest is empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Reads an AlgorithmIdentifier; `None` for another algorithm, and for parameters that are neither absent nor NULL.
    ///
    /// # Errors
    /// The structure is malformed.
    pub fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Asn1Error> {
        Ok(read_plain_identifier(reader)?.and_then(Self::from_oid))
    }

    /// Writes the AlgorithmIdentifier; parameters are absent (RFC 5754 section 2).
    pub fn write(self, w: &mut Writer) {
        w.sequence(|w| w.oid(self.oid()));
    }
}

impl SignatureAlgorithm {
    const ALL: [SignatureAlgorithm; 6] =
        [Self::RsaSha1, Self::RsaSha256, Self::RsaSha384, Self::RsaSha512, Self::EcdsaSha256, Self::EcdsaSha384];

    /// The object identifier (RFC 4055 section 5, RFC 5758 section 3.2).
    pub const fn oid(self) -> Oid<'static> {
        Oid::from_content(match self {
            Self::RsaSha1 => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x05],
            Self::RsaSha256 => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B],
            Self::RsaSha384 => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0C],
            Self::RsaSha512 => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0D],
            Self::EcdsaSha256 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02],
            Self::EcdsaSha384 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03],
        })
    }

    /// The algorithm that an object identifier names.
    pub fn from_oid(oid: Oid<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.oid() == oid)
    }

    /// Refuses what is no digest of its hash function.
    #[cfg(feature = "rustcrypto")]
    pub(super) fn check_digest(self, digest: &super::Digest) -> Result<(), super::Error> {
        if digest.as_ref().len() == self.digest().len() { Ok(()) } else { Err(super::Error::Algorithm) }
    }

    /// Its hash function.
    pub const fn digest(self) -> DigestAlgorithm {
        match self {
            Self::RsaSha1 => DigestAlgorithm::Sha1,
            Self::RsaSha256 | Self::EcdsaSha256 => DigestAlgorithm::Sha256,
            Self::RsaSha384 | Self::EcdsaSha384 => DigestAlgorithm::Sha384,
            Self::RsaSha512 => DigestAlgorithm::Sha512,
        }
    }

    /// Whether it signs with RSA.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::RsaSha1 | Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512)
    }

    /// RSA PKCS#1 v1.5 over this hash function.
    pub const fn rsa(digest: DigestAlgorithm) -> Self {
        match digest {
            DigestAlgorithm::Sha1 => Self::RsaSha1,
            DigestAlgorithm::Sha256 => Self::RsaSha256,
            DigestAlgorithm::Sha384 => Self::RsaSha384,
            DigestAlgorithm::Sha512 => Self::RsaSha512,
        }
    }

    /// Reads an AlgorithmIdentifier; `None` for another algorithm.
    ///
    /// Parameters are absent or NULL: which of the two belongs to the algorithm is not looked at, since peers mistake it.
    ///
    /// # Errors
    /// The structure is malformed.
    pub fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Asn1Error> {
        Ok(read_plain_identifier(reader)?.and_then(Self::from_oid))
    }

    /// Writes the AlgorithmIdentifier: parameters NULL for RSA (RFC 4055 section 5), absent for ECDSA (RFC 5758 section 3.2).
    pub fn write(self, w: &mut Writer) {
        w.sequence(|w| {
            w.oid(self.oid());
            if self.is_rsa() {
                w.null();
            }
        });
    }
}

impl KeyTransport {
    /// Reads a KeyEncryptionAlgorithmIdentifier; `None` for another algorithm or other OAEP parameters.
    ///
    /// # Errors
    /// The structure is malformed.
    pub fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Asn1Error> {
        let (oid, parameters) = read_identifier(reader)?;
        if oid == RSA_ENCRYPTION {
            return Ok(Some(Self::RsaPkcs1).filter(|_| is_plain(parameters)));
        }
        if oid != RSAES_OAEP {
            return Ok(None);
        }
        let Some(parameters) = parameters else { return Ok(Some(Self::RsaOaepSha1)) };
        read_oaep_parameters(parameters)
    }

    /// Writes the AlgorithmIdentifier (RFC 3370 section 4.2.1, RFC 4055 section 4.1).
    pub fn write(self, w: &mut Writer) {
        w.sequence(|w| match self {
            Self::RsaPkcs1 => {
                w.oid(RSA_ENCRYPTION);
                w.null();
            }
            Self::RsaOaepSha1 => {
                w.oid(RSAES_OAEP);
                w.sequence(|_| {});
            }
            Self::RsaOaepSha256 => {
                let sha256 = |w: &mut Writer| {
                    w.sequence(|w| {
                        w.oid(DigestAlgorithm::Sha256.oid());
                        w.null();
                    });
                };
                w.oid(RSAES_OAEP);
                w.sequence(|w| {
                    w.nested(Tag::context_constructed(0), sha256);
                    w.nested(Tag::context_constructed(1), |w| {
                        w.sequence(|w| {
                            w.oid(MGF1);
                            sha256(w);
                        });
                    });
                });
            }
        });
    }
}

/// RSAES-OAEP-params (RFC 4055 section 4.1): hash and mask must be the same function and the label empty.
fn read_oaep_parameters(parameters: Element<'_>) -> Result<Option<KeyTransport>, Asn1Error> {
    if parameters.tag() != Tag::SEQUENCE {
        return Ok(None);
    }
    let mut params = parameters.reader();
    let hash = match params.optional_nested(Tag::context_constructed(0))? {
        None => Some(DigestAlgorithm::Sha1),
        Some(mut hash) => {
            let digest = DigestAlgorithm::read(&mut hash)?;
            hash.finish()?;
            digest
        }
    };
    let mask = match params.optional_nested(Tag::context_constructed(1))? {
        None => Some(DigestAlgorithm::Sha1),
        Some(mut mask) => {
            let (oid, digest) = read_identifier(&mut mask)?;
            mask.finish()?;
            match digest {
                Some(digest) if oid == MGF1 => DigestAlgorithm::read(&mut Reader::starting_at(digest.raw(), digest.at()))?,
                _ => None,
            }
        }
    };
    Ok(match (hash, mask) {
        _ if !params.is_empty() => None,
        (Some(DigestAlgorithm::Sha1), Some(DigestAlgorithm::Sha1)) => Some(KeyTransport::RsaOaepSha1),
        (Some(DigestAlgorithm::Sha256), Some(DigestAlgorithm::Sha256)) => Some(KeyTransport::RsaOaepSha256),
        _ => None,
    })
}

impl ContentCipher {
    const ALL: [ContentCipher; 8] = [
        Self::DesCbc,
        Self::TripleDesCbc,
        Self::Aes128Cbc,
        Self::Aes192Cbc,
        Self::Aes256Cbc,
        Self::Aes128Gcm,
        Self::Aes192Gcm,
        Self::Aes256Gcm,
    ];

    /// The object identifier (RFC 3565 section 4.1, RFC 5084 section 3.2, RFC 3370 section 5.1; DES-CBC from OIW).
    pub const fn oid(self) -> Oid<'static> {
        Oid::from_content(match self {
            Self::DesCbc => &[0x2B, 0x0E, 0x03, 0x02, 0x07],
            Self::TripleDesCbc => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x03, 0x07],
            Self::Aes128Cbc => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x02],
            Self::Aes192Cbc => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x16],
            Self::Aes256Cbc => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2A],
            Self::Aes128Gcm => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x06],
            Self::Aes192Gcm => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x1A],
            Self::Aes256Gcm => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2E],
        })
    }

    /// The cipher that an object identifier names.
    pub fn from_oid(oid: Oid<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.oid() == oid)
    }

    /// Octets of the key, parity bits of DES included.
    pub const fn key_len(self) -> usize {
        match self {
            Self::DesCbc => 8,
            Self::TripleDesCbc | Self::Aes192Cbc | Self::Aes192Gcm => 24,
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes256Cbc | Self::Aes256Gcm => 32,
        }
    }

    /// Octets of a block.
    pub const fn block_len(self) -> usize {
        match self {
            Self::DesCbc | Self::TripleDesCbc => 8,
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc | Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm => 16,
        }
    }

    /// Octets of the initialisation vector: a block in CBC mode, 12 in GCM.
    pub const fn vector_len(self) -> usize {
        if self.is_authenticated() { 12 } else { self.block_len() }
    }

    /// Whether it authenticates the content that it encrypts. Such a cipher stands in AuthEnvelopedData (RFC 5083), the others in
    /// EnvelopedData.
    pub const fn is_authenticated(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm)
    }

    /// The cipher in CBC mode with a key of the same length, for what is encrypted beside the content.
    pub(crate) const fn in_cbc_mode(self) -> Self {
        match self {
            Self::Aes128Gcm => Self::Aes128Cbc,
            Self::Aes192Gcm => Self::Aes192Cbc,
            Self::Aes256Gcm => Self::Aes256Cbc,
            cbc => cbc,
        }
    }
}

/// An AlgorithmIdentifier: the identifier and the parameters, when there are any.
pub(crate) fn read_identifier<'a>(reader: &mut Reader<'a>) -> Result<(Oid<'a>, Option<Element<'a>>), Asn1Error> {
    let mut inner = reader.sequence()?;
    let oid = inner.oid()?;
    let parameters = if inner.is_empty() { None } else { Some(inner.element()?) };
    inner.finish()?;
    Ok((oid, parameters))
}

/// An AlgorithmIdentifier whose parameters are absent or NULL; `None` when they are anything else.
fn read_plain_identifier<'a>(reader: &mut Reader<'a>) -> Result<Option<Oid<'a>>, Asn1Error> {
    let (oid, parameters) = read_identifier(reader)?;
    Ok(Some(oid).filter(|_| is_plain(parameters)))
}

/// Whether parameters say nothing: absent, or NULL.
pub(super) fn is_plain(parameters: Option<Element<'_>>) -> bool {
    parameters.is_none_or(|parameters| parameters.tag() == Tag::NULL && parameters.value().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An AlgorithmIdentifier with these parameters.
    fn identifier(oid: Oid<'_>, parameters: &[u8]) -> Vec<u8> {
        Writer::build(|w| {
            w.sequence(|w| {
                w.oid(oid);
                w.raw(parameters);
            });
        })
    }

    #[test]
    fn parameters_are_absent_or_null() {
        for (parameters, known) in
            [(&[][..], true), (&[5, 0], true), (&[5, 1, 0], false), (&[4, 0], false), (&[0x25, 0], false)]
        {
            let digest = identifier(DigestAlgorithm::Sha256.oid(), parameters);
            assert_eq!(DigestAlgorithm::read(&mut Reader::new(&digest)).unwrap().is_some(), known, "{parameters:?}");
            let signature = identifier(SignatureAlgorithm::RsaSha256.oid(), parameters);
            assert_eq!(SignatureAlgorithm::read(&mut Reader::new(&signature)).unwrap().is_some(), known, "{parameters:?}");
            let transport = identifier(RSA_ENCRYPTION, parameters);
            assert_eq!(KeyTransport::read(&mut Reader::new(&transport)).unwrap().is_some(), known, "{parameters:?}");
        }
    }

    #[test]
    fn parameters_of_oaep_are_a_sequence_with_nothing_behind() {
        let good = Writer::build(|w| KeyTransport::RsaOaepSha256.write(w));
        assert_eq!(KeyTransport::read(&mut Reader::new(&good)), Ok(Some(KeyTransport::RsaOaepSha256)));
        let mut as_set = good.clone();
        // SEQUENCE, OBJECT IDENTIFIER of nine octets, and then the parameters.
        assert_eq!(as_set[13], Tag::SEQUENCE.octet());
        as_set[13] = Tag::SET.octet();
        assert_eq!(KeyTransport::read(&mut Reader::new(&as_set)), Ok(None));
        let hash_twice = identifier(
            RSAES_OAEP,
            &Writer::build(|w| {
                w.sequence(|w| {
                    w.nested(Tag::context_constructed(0), |w| {
                        DigestAlgorithm::Sha1.write(w);
                        DigestAlgorithm::Sha256.write(w);
                    });
                });
            }),
        );
        assert!(KeyTransport::read(&mut Reader::new(&hash_twice)).is_err());
    }

    #[test]
    fn every_algorithm_reads_back_as_itself() {
        for algorithm in DigestAlgorithm::ALL {
            assert_eq!(DigestAlgorithm::read(&mut Reader::new(&Writer::build(|w| algorithm.write(w)))), Ok(Some(algorithm)));
        }
        for algorithm in SignatureAlgorithm::ALL {
            assert_eq!(SignatureAlgorithm::read(&mut Reader::new(&Writer::build(|w| algorithm.write(w)))), Ok(Some(algorithm)));
        }
        for algorithm in [KeyTransport::RsaPkcs1, KeyTransport::RsaOaepSha1, KeyTransport::RsaOaepSha256] {
            assert_eq!(KeyTransport::read(&mut Reader::new(&Writer::build(|w| algorithm.write(w)))), Ok(Some(algorithm)));
        }
        for cipher in ContentCipher::ALL {
            assert_eq!(ContentCipher::from_oid(cipher.oid()), Some(cipher));
        }
    }

    #[test]
    fn nothing_broken_is_allowed_by_default() {
        let allowed = |cipher| Legacy::default().allows_cipher(cipher);
        assert!(!allowed(ContentCipher::DesCbc) && !allowed(ContentCipher::TripleDesCbc) && allowed(ContentCipher::Aes128Cbc));
        assert!(!Legacy::default().allows_digest(DigestAlgorithm::Sha1));
    }
}
