//! What a store may cost to open, and what it is forgiven.

use super::{Error, Refusal};
use crate::limits::Limits;

/// What opening may cost, and which broken things are read. The default forgives nothing.
///
/// ```
/// use mdm_core::keystore::Policy;
///
/// // A signing certificate that an administrator exported from an old Windows or Java server.
/// let old = Policy { old_ciphers: true, java: true, ..Policy::MODERN };
/// assert_eq!(old, Policy::EXTERNAL_CA);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host spells what it forgives with `..Policy::MODERN`")]
pub struct Policy {
    /// Bytes, depth and elements of each structure, outer and decrypted. At most as many entries as elements.
    pub limits: Limits,
    /// Most iterations of a hash function, in sum over all keys that are derived to open the store. Five million take a server
    /// about a second. A store with the 600,000 that are written here takes three times that and as many for each further key.
    pub max_iterations: u64,
    /// 3DES, RC2 and DES are decrypted. Needed for what Windows before Server 2022, macOS, OpenSSL before 3.0 and Java before 17
    /// export.
    pub old_ciphers: bool,
    /// JKS and JCEKS are read, which protect keys with SHA-1 and with MD5 and 3DES. Needed for what Java before 9 made by
    /// default, and for whoever kept such a file since.
    pub java: bool,
    /// PKCS#12 without a MAC is read: nothing tells then whether certificates and keys are those that were put in. Written by
    /// `openssl pkcs12 -export -nomac`.
    pub without_mac: bool,
}

impl Policy {
    /// Up-to-date stores only; 1 MiB, 32 levels, 16,384 elements, five million iterations.
    pub const MODERN: Policy = Policy {
        limits: Limits::PKI.bytes(1 << 20),
        max_iterations: 5_000_000,
        old_ciphers: false,
        java: false,
        without_mac: false,
    };

    /// What the administrators of external authorities upload: old ciphers and Java's own formats too.
    pub const EXTERNAL_CA: Policy = Policy { old_ciphers: true, java: true, ..Policy::MODERN };

    pub(super) fn budget(&self) -> Budget {
        Budget { left: self.max_iterations, limit: self.max_iterations }
    }

    pub(super) fn allow_old_cipher(&self) -> Result<(), Error> {
        if self.old_ciphers { Ok(()) } else { Err(Refusal::OldCipher.into()) }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Policy::MODERN
    }
}

/// The iterations that are left for one store. Spent before they are run.
pub(super) struct Budget {
    left: u64,
    limit: u64,
}

impl Budget {
    /// So many iterations for each of so many blocks of output.
    pub(super) fn spend(&mut self, iterations: u32, blocks: usize) -> Result<(), Error> {
        let blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
        let cost = u64::from(iterations).saturating_mul(blocks);
        self.left = self.left.checked_sub(cost).ok_or(Refusal::Iterations(self.limit))?;
        Ok(())
    }

    /// The refusal of a count that does not even fit a number.
    pub(super) fn exceeded(&self) -> Error {
        Refusal::Iterations(self.limit).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_held_and_no_product_overflows() {
        let mut budget = Policy { max_iterations: 10, ..Policy::MODERN }.budget();
        assert_eq!(budget.spend(3, 2), Ok(()));
        assert_eq!(budget.spend(2, 2), Ok(()));
        assert_eq!(budget.spend(1, 1), Err(Error::Refused(Refusal::Iterations(10))));
        assert_eq!(budget.spend(0, 1), Ok(()));
        assert_eq!(budget.spend(u32::MAX, usize::MAX), Err(Error::Refused(Refusal::Iterations(10))));
    }
}
