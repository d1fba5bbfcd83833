//! SHA-1 and SHA-2 in pure Rust, and message authentication over any digests.

use sha1::Sha1;
use sha2::digest::Digest as Sha;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::{Digest, DigestAlgorithm, DigestContext, Digests, Provider};
use crate::secret::Secret;

/// Hash functions in pure Rust, for the provider of the feature `rustcrypto` and for a host that writes one of its own.
#[derive(Clone, Copy, Debug)]
pub struct ShaDigests;

impl Digests for ShaDigests {
    fn digest(&self, algorithm: DigestAlgorithm, parts: &[&[u8]]) -> Digest {
        match algorithm {
            DigestAlgorithm::Sha1 => digest::<Sha1>(parts),
            DigestAlgorithm::Sha256 => digest::<Sha256>(parts),
            DigestAlgorithm::Sha384 => digest::<Sha384>(parts),
            DigestAlgorithm::Sha512 => digest::<Sha512>(parts),
        }
    }

    fn start(&self, algorithm: DigestAlgorithm) -> Box<dyn DigestContext> {
        match algorithm {
            DigestAlgorithm::Sha1 => Box::new(Context(Sha1::new())),
            DigestAlgorithm::Sha256 => Box::new(Context(Sha256::new())),
            DigestAlgorithm::Sha384 => Box::new(Context(Sha384::new())),
            DigestAlgorithm::Sha512 => Box::new(Context(Sha512::new())),
        }
    }
}

fn digest<H: Sha>(parts: &[&[u8]]) -> Digest {
    let mut hash = H::new();
    parts.iter().for_each(|part| hash.update(part));
    Digest::new(&hash.finalize())
}

struct Context<H>(H);

impl<H: Sha + Send> DigestContext for Context<H> {
    fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    fn finish(self: Box<Self>) -> Digest {
        Digest::new(&self.0.finalize())
    }
}

impl Provider {
    /// HMAC (RFC 2104) of the parts, one behind the other. Compare the result with [`Digest::matches`].
    pub fn mac(&self, algorithm: DigestAlgorithm, key: &Secret, parts: &[&[u8]]) -> Digest {
        let mut block = Zeroizing::new([0_u8; LONGEST_BLOCK]);
        let hashed;
        let key = if key.len() > algorithm.block_len() {
            hashed = self.digest(algorithm, key.expose());
            hashed.as_ref()
        } else {
            key.expose()
        };
        block.iter_mut().zip(key).for_each(|(slot, octet)| *slot = *octet);
        let keyed = |pad: u8, parts: &[&[u8]]| {
            let mut context = self.digests.start(algorithm);
            let pad: Zeroizing<Vec<u8>> =
                Zeroizing::new(block.iter().take(algorithm.block_len()).map(|octet| octet ^ pad).collect());
            context.update(&pad);
            parts.iter().for_each(|part| context.update(part));
            context.finish()
        };
        let inner = keyed(0x36, parts);
        keyed(0x5C, &[inner.as_ref()])
    }
}

const LONGEST_BLOCK: usize = 128;

impl DigestAlgorithm {
    /// Octets of the block that the function works on, which HMAC pads its key to.
    pub(crate) const fn block_len(self) -> usize {
        match self {
            Self::Sha1 | Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 => LONGEST_BLOCK,
        }
    }
}
