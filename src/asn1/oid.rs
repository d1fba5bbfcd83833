//! Object identifiers.

use std::fmt;

/// An object identifier as its content octets. Borrowed, so that the many that are only compared cost nothing.
///
/// ```
/// use mdm_core::asn1::Oid;
///
/// const SHA_256: Oid<'static> = Oid::from_content(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]);
/// assert_eq!(SHA_256.to_string(), "2.16.840.1.101.3.4.2.1");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid<'a>(&'a [u8]);

impl<'a> Oid<'a> {
    /// From content octets, which are not checked here; a [`Reader`](super::Reader) checks what it reads.
    pub const fn from_content(content: &'a [u8]) -> Self {
        Oid(content)
    }

    /// The content octets, without tag and length.
    pub const fn content(self) -> &'a [u8] {
        self.0
    }

    /// Whether the octets are a sequence of complete, minimal sub-identifiers.
    pub(super) fn is_valid(self) -> bool {
        let complete = self.0.last().is_some_and(|last| last & 0x80 == 0);
        let mut starts = true;
        for octet in self.0 {
            if starts && *octet == 0x80 {
                return false;
            }
            starts = octet & 0x80 == 0;
        }
        complete
    }
}

impl fmt::Display for Oid<'_> {
    /// Dotted decimal; a sub-identifier of more than 64 bits is shown as `?`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value: Option<u64> = Some(0);
        let mut first = true;
        for octet in self.0 {
            value = value.and_then(|v| v.checked_mul(128)).map(|v| v | u64::from(octet & 0x7F));
            if octet & 0x80 != 0 {
                continue;
            }
            match (first, value) {
                (true, Some(v)) => write!(f, "{}.{}", (v / 40).min(2), v.saturating_sub((v / 40).min(2).saturating_mul(40)))?,
                (false, Some(v)) => write!(f, ".{v}")?,
                (true, None) => f.write_str("2.?")?,
                (false, None) => f.write_str(".?")?,
            }
            first = false;
            value = Some(0);
        }
        Ok(())
    }
}

impl fmt::Debug for Oid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_form() {
        assert_eq!(
            Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]).to_string(),
            "1.2.840.113549.1.1.1"
        );
        assert_eq!(Oid::from_content(&[0x88, 0x37]).to_string(), "2.999");
        assert_eq!(Oid::from_content(&[0x2A, 0x83, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]).to_string(), "1.2.?");
    }

    #[test]
    fn incomplete_and_padded_forms_are_not_valid() {
        for bad in [&[][..], &[0x86], &[0x2A, 0x80, 0x01], &[0x80, 0x01]] {
            assert!(!Oid::from_content(bad).is_valid(), "{bad:?}");
        }
        assert!(Oid::from_content(&[0x2A, 0x81, 0x01]).is_valid());
    }
}
