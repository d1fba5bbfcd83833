//! The operating system's randomness, which these programs give to their providers. A module of them, and no example of its own.

use mdm_core::crypto::{Error, Random};

/// Randomness by way of `getrandom`.
pub struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(dest).map_err(|_| Error::Random)
    }
}
