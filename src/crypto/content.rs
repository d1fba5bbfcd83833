//! Block ciphers for CMS: CBC with padding, and GCM.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::array::typenum::{U12, U16};
use aes_gcm::aead::{AeadInOut, KeyInit};
use cbc::cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use des::{Des, TdesEde3};
use subtle::{Choice, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroizing;

use super::{ContentCipher, ContentCiphers, Error};
use crate::secret::Secret;

/// The content ciphers of both providers that come with the crate, for a host that writes one of its own: AES in CBC mode and GCM, 3DES
/// and DES in CBC mode, in pure Rust, with the AES instructions of the processor where it has them.
#[derive(Clone, Copy, Debug)]
pub struct BlockCiphers;

impl ContentCiphers for BlockCiphers {
    fn encrypt(&self, cipher: ContentCipher, key: &Secret, iv: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut content = pad(plain, cipher.block_len());
        match cipher {
            ContentCipher::DesCbc => encrypt::<Encryptor<Des>>(key, iv, &mut content),
            ContentCipher::TripleDesCbc => encrypt::<Encryptor<TdesEde3>>(key, iv, &mut content),
            ContentCipher::Aes128Cbc => encrypt::<Encryptor<Aes128>>(key, iv, &mut content),
            ContentCipher::Aes192Cbc => encrypt::<Encryptor<Aes192>>(key, iv, &mut content),
            ContentCipher::Aes256Cbc => encrypt::<Encryptor<Aes256>>(key, iv, &mut content),
            ContentCipher::Aes128Gcm | ContentCipher::Aes192Gcm | ContentCipher::Aes256Gcm => None,
        }
        .ok_or(Error::Algorithm)?;
        Ok(std::mem::take(&mut *content))
    }

    fn decrypt(&self, cipher: ContentCipher, key: &Secret, iv: &[u8], sealed: &[u8]) -> Result<Secret, Error> {
        match cipher {
            ContentCipher::DesCbc => decrypt_padded::<Decryptor<Des>>(key, iv, sealed),
            ContentCipher::TripleDesCbc => decrypt_padded::<Decryptor<TdesEde3>>(key, iv, sealed),
            ContentCipher::Aes128Cbc => decrypt_padded::<Decryptor<Aes128>>(key, iv, sealed),
            ContentCipher::Aes192Cbc => decrypt_padded::<Decryptor<Aes192>>(key, iv, sealed),
            ContentCipher::Aes256Cbc => decrypt_padded::<Decryptor<Aes256>>(key, iv, sealed),
            ContentCipher::Aes128Gcm | ContentCipher::Aes192Gcm | ContentCipher::Aes256Gcm => Err(Error::Failed),
        }
    }

    fn seal(
        &self,
        cipher: ContentCipher,
        key: &Secret,
        iv: &[u8],
        associated: &[u8],
        plain: &[u8],
    ) -> Result<(Vec<u8>, [u8; 16]), Error> {
        let mut content = Zeroizing::new(plain.to_vec());
        let authenticator = match cipher {
            ContentCipher::Aes128Gcm => seal::<AesGcm<Aes128, U12>>(key, iv, associated, &mut content),
            ContentCipher::Aes192Gcm => seal::<AesGcm<Aes192, U12>>(key, iv, associated, &mut content),
            ContentCipher::Aes256Gcm => seal::<AesGcm<Aes256, U12>>(key, iv, associated, &mut content),
            _ => None,
        };
        Ok((std::mem::take(&mut *content), authenticator.ok_or(Error::Algorithm)?))
    }

    fn open(
        &self,
        cipher: ContentCipher,
        key: &Secret,
        iv: &[u8],
        associated: &[u8],
        sealed: &[u8],
        authenticator: &[u8],
    ) -> Result<Secret, Error> {
        let mut content = Zeroizing::new(sealed.to_vec());
        // RFC 5084 section 3.2: 12 octets are what the parameters mean when they name no length, 16 what everybody writes.
        let opened = match (cipher, authenticator.len()) {
            (ContentCipher::Aes128Gcm, 16) => open::<AesGcm<Aes128, U12>>(key, iv, associated, &mut content, authenticator),
            (ContentCipher::Aes192Gcm, 16) => open::<AesGcm<Aes192, U12>>(key, iv, associated, &mut content, authenticator),
            (ContentCipher::Aes256Gcm, 16) => open::<AesGcm<Aes256, U12>>(key, iv, associated, &mut content, authenticator),
            (ContentCipher::Aes128Gcm, 12) => {
                open::<AesGcm<Aes128, U12, U12>>(key, iv, associated, &mut content, authenticator)
            }
            (ContentCipher::Aes192Gcm, 12) => {
                open::<AesGcm<Aes192, U12, U12>>(key, iv, associated, &mut content, authenticator)
            }
            (ContentCipher::Aes256Gcm, 12) => {
                open::<AesGcm<Aes256, U12, U12>>(key, iv, associated, &mut content, authenticator)
            }
            _ => None,
        };
        opened.map(|()| Secret::new(std::mem::take(&mut *content))).ok_or(Error::Failed)
    }
}

/// Encrypts in place; `None` when key or vector have the wrong length.
fn seal<A: AeadInOut<TagSize = U16> + KeyInit>(
    key: &Secret,
    iv: &[u8],
    associated: &[u8],
    content: &mut [u8],
) -> Option<[u8; 16]> {
    let cipher = A::new_from_slice(key.expose()).ok()?;
    let tag = cipher.encrypt_inout_detached(iv.try_into().ok()?, associated, content.into()).ok()?;
    Some(tag.into())
}

/// Decrypts in place; `None` when the authenticator is not right, or a length is wrong.
fn open<A: AeadInOut + KeyInit>(
    key: &Secret,
    iv: &[u8],
    associated: &[u8],
    content: &mut [u8],
    authenticator: &[u8],
) -> Option<()> {
    let cipher = A::new_from_slice(key.expose()).ok()?;
    let (iv, authenticator) = (iv.try_into().ok()?, authenticator.try_into().ok()?);
    cipher.decrypt_inout_detached(iv, associated, content.into(), authenticator).ok()
}

/// Decrypts with any cipher in CBC mode and takes the padding off, in a time that does not depend on the padding.
pub(crate) fn decrypt_padded<M: BlockModeDecrypt + KeyIvInit>(key: &Secret, iv: &[u8], sealed: &[u8]) -> Result<Secret, Error> {
    let mut content = Zeroizing::new(sealed.to_vec());
    decrypt::<M>(key, iv, &mut content).ok_or(Error::Failed)?;
    let last_block = content.rchunks(M::block_size()).next().ok_or(Error::Failed)?;
    let (padding, is_good) = padding(last_block);
    if !bool::from(is_good) {
        return Err(Error::Failed);
    }
    let length = content.len().saturating_sub(padding);
    content.truncate(length);
    Ok(Secret::new(std::mem::take(&mut *content)))
}

/// The content with one to `block` octets behind it that each tell how many they are (RFC 5652 section 6.3).
fn pad(plain: &[u8], block: usize) -> Zeroizing<Vec<u8>> {
    let whole = plain.len().saturating_add(1).next_multiple_of(block);
    let padding = u8::try_from(whole.saturating_sub(plain.len())).unwrap_or(0);
    // All room is made at once: growing would leave copies of the content behind.
    let mut content = Zeroizing::new(Vec::with_capacity(whole));
    content.extend_from_slice(plain);
    content.resize(whole, padding);
    content
}

/// How many octets of padding the last block says it has, and whether it has them. Every octet is looked at, whatever they say.
fn padding(last_block: &[u8]) -> (usize, Choice) {
    let said = last_block.last().copied().unwrap_or(0);
    let block = u8::try_from(last_block.len()).unwrap_or(0);
    let mut is_good = !said.ct_eq(&0) & !said.ct_gt(&block);
    for (place, octet) in (1_u8..=block).zip(last_block.iter().rev()) {
        is_good &= place.ct_gt(&said) | octet.ct_eq(&said);
    }
    (usize::from(said), is_good)
}

/// `None` when key or vector have the wrong length.
fn encrypt<M: BlockModeEncrypt + KeyIvInit>(key: &Secret, iv: &[u8], content: &mut [u8]) -> Option<()> {
    let (blocks, _) = Block::<M>::slice_as_chunks_mut(content);
    M::new_from_slices(key.expose(), iv).ok()?.encrypt_blocks(blocks);
    Some(())
}

/// `None` when key or vector have the wrong length, or the content is no whole number of blocks.
fn decrypt<M: BlockModeDecrypt + KeyIvInit>(key: &Secret, iv: &[u8], content: &mut [u8]) -> Option<()> {
    let (blocks, rest) = Block::<M>::slice_as_chunks_mut(content);
    if !rest.is_empty() {
        return None;
    }
    M::new_from_slices(key.expose(), iv).ok()?.decrypt_blocks(blocks);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_with_either_length_of_authenticator_and_not_when_anything_differs() {
        for cipher in [ContentCipher::Aes128Gcm, ContentCipher::Aes192Gcm, ContentCipher::Aes256Gcm] {
            let key = Secret::new(vec![1; cipher.key_len()]);
            let (sealed, tag) = BlockCiphers.seal(cipher, &key, &[2; 12], b"with", b"content").unwrap();
            let open = |key: &Secret, iv: &[u8], with: &[u8], sealed: &[u8], tag: &[u8]| {
                BlockCiphers.open(cipher, key, iv, with, sealed, tag)
            };
            assert_eq!(open(&key, &[2; 12], b"with", &sealed, &tag), Ok(Secret::from("content")));
            assert_eq!(open(&key, &[2; 12], b"with", &sealed, &tag[..12]), Ok(Secret::from("content")));
            for length in [0, 4, 8, 11, 13, 15] {
                assert_eq!(open(&key, &[2; 12], b"with", &sealed, &tag[..length]), Err(Error::Failed), "{length}");
            }
            assert_eq!(open(&key, &[3; 12], b"with", &sealed, &tag), Err(Error::Failed));
            assert_eq!(open(&key, &[2; 16], b"with", &sealed, &tag), Err(Error::Failed));
            assert_eq!(open(&key, &[2; 12], b"", &sealed, &tag), Err(Error::Failed));
            assert_eq!(open(&key, &[2; 12], b"with", &sealed[1..], &tag), Err(Error::Failed));
            assert_eq!(open(&Secret::new(vec![1; 8]), &[2; 12], b"with", &sealed, &tag), Err(Error::Failed));
            assert_eq!(BlockCiphers.seal(cipher, &key, &[2; 16], b"", b""), Err(Error::Algorithm));
            assert_eq!(BlockCiphers.encrypt(cipher, &key, &[2; 16], b""), Err(Error::Algorithm));
            assert_eq!(BlockCiphers.decrypt(cipher, &key, &[2; 16], &[0; 16]), Err(Error::Failed));
        }
        let key = Secret::new(vec![1; 16]);
        assert_eq!(BlockCiphers.seal(ContentCipher::Aes128Cbc, &key, &[2; 16], b"", b""), Err(Error::Algorithm));
        assert_eq!(BlockCiphers.open(ContentCipher::Aes128Cbc, &key, &[2; 16], b"", &[0; 16], &[0; 16]), Err(Error::Failed));
    }

    #[test]
    fn every_length_is_padded_to_the_next_block_and_back() {
        for length in 0..=48 {
            let plain = vec![7; length];
            let padded = pad(&plain, 16);
            assert!(padded.len().is_multiple_of(16) && padded.len() > length && padded.len() <= length + 16);
            let (octets, is_good) = padding(&padded[padded.len() - 16..]);
            assert!(bool::from(is_good));
            assert_eq!(padded.len() - octets, length);
        }
    }

    #[test]
    fn padding_is_good_only_when_every_octet_of_it_is() {
        let is_good = |block: [u8; 8]| bool::from(padding(&block).1);
        assert!(is_good([0, 0, 0, 0, 0, 0, 0, 1]));
        assert!(is_good([9, 9, 9, 9, 9, 3, 3, 3]));
        assert!(is_good([8; 8]));
        assert!(!is_good([0; 8]), "no octet of padding");
        assert!(!is_good([9; 8]), "more than a block");
        assert!(!is_good([255; 8]));
        for place in 1..8 {
            let mut block = [8; 8];
            block[place - 1] = 7;
            assert!(!is_good(block), "octet {place}");
        }
    }
}
