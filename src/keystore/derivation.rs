//! Keys out of passwords.

use md5::{Digest as Hash, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::asn1::Oid;
use crate::crypto::{Digest, DigestAlgorithm};
use crate::secret::Secret;

/// What PBKDF2 hashes with: HMAC over a hash function (RFC 8018 appendix B.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prf {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Prf {
    const ALL: [Prf; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// hmacWithSHA1 and its kin.
    pub(super) const fn oid(self) -> Oid<'static> {
        Oid::from_content(match self {
            Self::Sha1 => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x07],
            Self::Sha224 => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x08],
            Self::Sha256 => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x09],
            Self::Sha384 => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x0A],
            Self::Sha512 => &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x0B],
        })
    }

    pub(super) fn from_oid(oid: Oid<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|prf| prf.oid() == oid)
    }

    /// Octets that one run of the iterations gives.
    pub(super) const fn block(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// PBKDF2, RFC 8018 section 5.2.
pub(super) fn pbkdf2(prf: Prf, password: &[u8], salt: &[u8], iterations: u32, octets: usize) -> Secret {
    let mut key = vec![0; octets];
    let derive = match prf {
        Prf::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>,
        Prf::Sha224 => pbkdf2::pbkdf2_hmac::<Sha224>,
        Prf::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>,
        Prf::Sha384 => pbkdf2::pbkdf2_hmac::<Sha384>,
        Prf::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>,
    };
    derive(password, salt, iterations, &mut key);
    Secret::new(key)
}

/// What a key of PKCS#12 is for: the ID octet of RFC 7292 appendix B.3.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Key,
    Iv,
    Mac,
}

/// The key derivation of RFC 7292 appendix B.2.
pub(super) fn pkcs12(
    algorithm: DigestAlgorithm,
    purpose: Purpose,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    octets: usize,
) -> Secret {
    let block = algorithm.block_len();
    let id = match purpose {
        Purpose::Key => 1,
        Purpose::Iv => 2,
        Purpose::Mac => 3,
    };
    let run = match algorithm {
        DigestAlgorithm::Sha1 => hash_chain::<Sha1>,
        DigestAlgorithm::Sha256 => hash_chain::<Sha256>,
        DigestAlgorithm::Sha384 => hash_chain::<Sha384>,
        DigestAlgorithm::Sha512 => hash_chain::<Sha512>,
    };
    // Steps 1 to 4: the diversifier, then salt and password, each repeated to whole blocks.
    let repeated = |part: &[u8]| part.len().next_multiple_of(block);
    let length = block.saturating_add(repeated(salt)).saturating_add(repeated(password));
    let mut input = Zeroizing::new(Vec::with_capacity(length));
    input.extend(std::iter::repeat_n(id, block));
    input.extend(salt.iter().cycle().take(repeated(salt)));
    input.extend(password.iter().cycle().take(repeated(password)));
    let mut key = Vec::with_capacity(octets.saturating_add(algorithm.len()));
    while key.len() < octets {
        let digest = run(&input, iterations);
        key.extend_from_slice(digest.as_ref());
        input.chunks_mut(block).skip(1).for_each(|chunk| add_with_one(chunk, digest.as_ref()));
    }
    key.truncate(octets);
    Secret::new(key)
}

/// Step 6.A: the hash of the hash, and so on. The loop knows its function, as that of PBKDF2 does: going through a provider for
/// each of 600,000 short hashes would double their time.
fn hash_chain<H: Hash>(input: &[u8], iterations: u32) -> Digest {
    let mut digest = H::digest(input);
    for _ in 1..iterations {
        digest = H::digest(&digest);
    }
    Digest::new(&digest)
}

/// Step 6.C: the block, plus the digest repeated to its length, plus one, without what overflows.
fn add_with_one(block: &mut [u8], digest: &[u8]) {
    let length = block.len();
    let summand: Zeroizing<Vec<u8>> = Zeroizing::new(digest.iter().copied().cycle().take(length).collect());
    let mut carry = 1_u16;
    for (octet, other) in block.iter_mut().zip(summand.iter()).rev() {
        let sum = u16::from(*octet).saturating_add(u16::from(*other)).saturating_add(carry);
        let [high, low] = sum.to_be_bytes();
        *octet = low;
        carry = u16::from(high);
    }
}

/// Iterations of PBKDF1's kind over MD5, as JCEKS runs them for each half of its salt: password behind what was hashed before.
pub(super) fn md5_chain(start: &[u8], password: &[u8], iterations: u32) -> [u8; 16] {
    let mut digest: [u8; 16] = Md5::new().chain_update(start).chain_update(password).finalize().into();
    for _ in 1..iterations {
        digest = Md5::new().chain_update(digest).chain_update(password).finalize().into();
    }
    digest
}

/// The derivation of OpenSSL's old encrypted PEM: MD5, one iteration.
pub(super) fn legacy_pem(password: &[u8], salt: &[u8], octets: usize) -> Secret {
    let mut key = Vec::with_capacity(octets.saturating_add(16));
    let mut digest: [u8; 16] = Md5::new().chain_update(password).chain_update(salt).finalize().into();
    while key.len() < octets {
        key.extend_from_slice(&digest);
        digest = Md5::new().chain_update(digest).chain_update(password).chain_update(salt).finalize().into();
    }
    key.truncate(octets);
    Secret::new(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_run_through_and_out_of_the_block() {
        let mut block = [0x00, 0xFF, 0xFF];
        add_with_one(&mut block, &[0, 0]);
        assert_eq!(block, [0x01, 0x00, 0x00]);
        let mut block = [0xFF; 3];
        add_with_one(&mut block, &[0xFF]);
        assert_eq!(block, [0xFF; 3]);
        let mut block = [0; 3];
        add_with_one(&mut block, &[1, 2]);
        assert_eq!(block, [1, 2, 2]);
    }

    #[test]
    fn every_function_is_found_by_its_identifier() {
        for prf in Prf::ALL {
            assert_eq!(Prf::from_oid(prf.oid()), Some(prf));
        }
    }
}
