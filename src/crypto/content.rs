//! CBC with padding, for CMS.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use des::{Des, TdesEde3};
use subtle::{Choice, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroizing;

use super::{ContentCipher, ContentCiphers, Error};
use crate::secret::Secret;

/// The content ciphers of both providers that come with the crate, for a host that writes one of its own: AES, 3DES and DES in CBC
/// mode, in pure Rust, with the AES instructions of the processor where it has them.
#[derive(Clone, Copy, Debug)]
pub struct CbcCiphers;

impl ContentCiphers for CbcCiphers {
    fn encrypt(&self, cipher: ContentCipher, key: &Secret, iv: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut content = pad(plain, cipher.block_len());
        match cipher {
            ContentCipher::DesCbc => encrypt::<Encryptor<Des>>(key, iv, &mut content),
            ContentCipher::TripleDesCbc => encrypt::<Encryptor<TdesEde3>>(key, iv, &mut content),
            ContentCipher::Aes128Cbc => encrypt::<Encryptor<Aes128>>(key, iv, &mut content),
            ContentCipher::Aes192Cbc => encrypt::<Encryptor<Aes192>>(key, iv, &mut content),
            ContentCipher::Aes256Cbc => encrypt::<Encryptor<Aes256>>(key, iv, &mut content),
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
        }
    }
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
