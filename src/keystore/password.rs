//! One password in the encodings of each format.

use zeroize::Zeroizing;

use super::Error;
use crate::secret::Secret;

/// A password as text, and as octets for PKCS#12.
pub(super) struct Password<'a> {
    text: &'a str,
    /// How the derivation of RFC 7292 appendix B may have been fed with it, likeliest first.
    pkcs12: Vec<Zeroizing<Vec<u8>>>,
}

impl<'a> Password<'a> {
    /// The password must be UTF-8.
    pub(super) fn new(password: &'a Secret) -> Result<Self, Error> {
        let text = password.expose_str().ok_or(Error::Misuse("a password is UTF-8 text"))?;
        // A BMPString with the two zero octets of its end (RFC 7292 appendix B.1). Programs disagree about the empty one: it is
        // nothing but those two octets, or nothing at all.
        let mut terminated = utf16(text);
        terminated.extend_from_slice(&[0, 0]);
        let mut pkcs12 = vec![terminated];
        if text.is_empty() {
            pkcs12.push(Zeroizing::new(Vec::new()));
        }
        Ok(Password { text, pkcs12 })
    }

    /// For PBES2 and for PEM: the octets of the text.
    pub(super) fn octets(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// For Java: UTF-16 without an end.
    pub(super) fn utf16(&self) -> Zeroizing<Vec<u8>> {
        utf16(self.text)
    }

    /// For JCEKS: only ASCII can be meant, since Java takes nothing else there.
    pub(super) fn ascii(&self) -> Result<&'a [u8], Error> {
        if self.text.is_ascii() { Ok(self.octets()) } else { Err(Error::Password) }
    }

    /// For the derivation of PKCS#12.
    pub(super) fn pkcs12(&self) -> impl Iterator<Item = &[u8]> {
        self.pkcs12.iter().map(|octets| octets.as_slice())
    }

    /// Keeps only that encoding for PKCS#12 which has proved to be the store's.
    pub(super) fn settle(&mut self, holds: impl FnMut(&[u8]) -> bool) -> bool {
        let mut holds = holds;
        self.pkcs12.retain(|octets| holds(octets));
        !self.pkcs12.is_empty()
    }
}

fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    // Room for all and for the end: growing would leave copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len().saturating_mul(2).saturating_add(2)));
    text.encode_utf16().for_each(|unit| octets.extend_from_slice(&unit.to_be_bytes()));
    octets
}

/// Whether every program that reads what is written here takes the password as the same octets: printable ASCII.
pub(super) fn is_portable(password: &Secret) -> bool {
    password.expose().iter().all(|octet| matches!(octet, 0x20..=0x7E))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_encoding() {
        let secret = Secret::from("aß😀");
        let password = Password::new(&secret).unwrap();
        assert_eq!(**password.utf16(), [0, b'a', 0, 0xDF, 0xD8, 0x3D, 0xDE, 0x00]);
        assert_eq!(password.pkcs12().collect::<Vec<_>>(), [[0, b'a', 0, 0xDF, 0xD8, 0x3D, 0xDE, 0x00, 0, 0]]);
        assert_eq!(password.octets(), "aß😀".as_bytes());
        assert_eq!(password.ascii(), Err(Error::Password));
        assert!(matches!(Password::new(&Secret::new(vec![0xFF])), Err(Error::Misuse(_))));
    }

    #[test]
    fn the_empty_password_is_two_zeros_or_nothing() {
        let secret = Secret::default();
        let mut password = Password::new(&secret).unwrap();
        assert_eq!(password.pkcs12().collect::<Vec<_>>(), [&[0, 0][..], &[]]);
        assert!(password.settle(<[u8]>::is_empty));
        assert_eq!(password.pkcs12().collect::<Vec<_>>(), [&[0_u8; 0][..]]);
        assert!(!password.settle(|_| false));
    }
}
