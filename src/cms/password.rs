//! Content keys under a password: PasswordRecipientInfo (RFC 5652 section 6.2.4) with PBKDF2 (RFC 8018) and the key wrap of RFC 3211.
//!
//! SCEP needs it where a key cannot decrypt: the reply to a client with an elliptic-curve key is sealed under its challenge (RFC 8894
//! section 3.1).

use std::ops::Range;

use super::{Error, OpeningPolicy, value_span};
use crate::asn1::{Element, Error as Asn1Error, Oid, Tag, Writer};
use crate::crypto::{self, ContentCipher, DigestAlgorithm, Provider};
use crate::secret::Secret;

/// id-PBKDF2, RFC 8018 appendix A.2.
const PBKDF2: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x05, 0x0C]);
/// id-alg-PWRI-KEK, RFC 3211 section 2.3.
const PWRI_KEK: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x10, 0x03, 0x09]);

/// The most rounds that are run for somebody else's message: a tenth of a second or so.
const MAX_ITERATIONS: u32 = 100_000;
/// The rounds of what is made here.
const ITERATIONS: u32 = 20_000;

/// Where a PasswordRecipientInfo that can be used stands in the buffer of its message.
#[derive(Clone, Debug)]
pub(super) struct PasswordFields {
    salt: Range<usize>,
    pub(super) iterations: u32,
    prf: DigestAlgorithm,
    cipher: ContentCipher,
    iv: Range<usize>,
    wrapped: Range<usize>,
}

impl PasswordFields {
    /// Reads the recipient; `None` for ways of deriving and wrapping that the crate does not know.
    pub(super) fn read(recipient: Element<'_>) -> Result<Option<Self>, Asn1Error> {
        let mut info = recipient.reader();
        info.small_integer()?;
        let Some(mut derivation) = info.optional_nested(Tag::context_constructed(0))? else { return Ok(None) };
        if derivation.oid()? != PBKDF2 {
            return Ok(None);
        }
        let mut parameters = derivation.sequence()?;
        let Some(salt) = parameters.optional(Tag::OCTET_STRING)? else { return Ok(None) };
        let iterations = parameters.small_integer()?;
        // The length is that of the cipher's key, whether it is written down or not.
        parameters.optional(Tag::INTEGER)?;
        let prf = match parameters.is_empty() {
            true => Some(DigestAlgorithm::Sha1),
            false => prf(parameters.sequence()?.oid()?),
        };
        let mut wrap = info.sequence()?;
        if wrap.oid()? != PWRI_KEK {
            return Ok(None);
        }
        let mut kek = wrap.sequence()?;
        // The wrapping of RFC 3211 chains blocks.
        let cipher = ContentCipher::from_oid(kek.oid()?).filter(|cipher| !cipher.is_authenticated());
        let Some(iv) = kek.optional(Tag::OCTET_STRING)? else { return Ok(None) };
        let wrapped = info.tagged(Tag::OCTET_STRING)?;
        info.finish()?;
        Ok(prf.zip(cipher).map(|(prf, cipher)| PasswordFields {
            salt: value_span(salt),
            iterations,
            prf,
            cipher,
            iv: value_span(iv),
            wrapped: value_span(wrapped),
        }))
    }

    /// The content key; `None` when this is not the password, which is for the caller to treat as any other wrong key.
    pub(super) fn unwrap(
        &self,
        der: &[u8],
        password: &Secret,
        provider: &Provider,
        policy: &OpeningPolicy,
    ) -> Result<Option<Secret>, Error> {
        if self.iterations == 0 || self.iterations > MAX_ITERATIONS {
            return Err(Error::Algorithm("number of key derivation rounds"));
        }
        if !policy.legacy.allows_cipher(self.cipher) {
            return Err(Error::Algorithm("key encryption cipher"));
        }
        let part = |range: &Range<usize>| der.get(range.clone()).unwrap_or_default();
        let kek = derive(password, part(&self.salt), self.iterations, self.prf, self.cipher.key_len(), provider);
        Ok(unwrap(self.cipher, &kek, part(&self.iv), part(&self.wrapped), provider))
    }
}

/// The pseudo-random function of PBKDF2 (RFC 8018 appendix B.1.2): HMAC over a hash function of 1.2.840.113549.2.
fn prf(oid: Oid<'_>) -> Option<DigestAlgorithm> {
    match oid.content() {
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, function] => match function {
            7 => Some(DigestAlgorithm::Sha1),
            9 => Some(DigestAlgorithm::Sha256),
            10 => Some(DigestAlgorithm::Sha384),
            11 => Some(DigestAlgorithm::Sha512),
            _ => None,
        },
        _ => None,
    }
}

/// PBKDF2 (RFC 8018 section 5.2).
fn derive(password: &Secret, salt: &[u8], iterations: u32, prf: DigestAlgorithm, len: usize, provider: &Provider) -> Secret {
    let mut key = Vec::with_capacity(len.saturating_add(prf.len()));
    let mut block: u32 = 0;
    while key.len() < len {
        block = block.saturating_add(1);
        let mut last = provider.mac(prf, password, &[salt, &block.to_be_bytes()]);
        let mut sum = last.as_ref().to_vec();
        for _ in 1..iterations {
            last = provider.mac(prf, password, &[last.as_ref()]);
            sum.iter_mut().zip(last.as_ref()).for_each(|(sum, octet)| *sum ^= octet);
        }
        key.append(&mut sum);
    }
    key.truncate(len);
    Secret::new(key)
}

/// Encrypts whole blocks, without padding: the padding is a block of its own, which is left away again.
fn encrypt(
    cipher: ContentCipher,
    key: &Secret,
    iv: &[u8],
    plain: &[u8],
    provider: &Provider,
) -> Result<Vec<u8>, crypto::Error> {
    let mut sealed = provider.ciphers.encrypt(cipher, key, iv, plain)?;
    sealed.truncate(plain.len());
    Ok(sealed)
}

/// Decrypts whole blocks, without padding: behind them goes what an empty text is encrypted to, which is one block of padding.
fn decrypt(cipher: ContentCipher, key: &Secret, iv: &[u8], sealed: &[u8], provider: &Provider) -> Option<Secret> {
    let (_, last) = sealed.split_at_checked(sealed.len().checked_sub(cipher.block_len())?)?;
    let padding = provider.ciphers.encrypt(cipher, key, last, &[]).ok()?;
    provider.ciphers.decrypt(cipher, key, iv, &[sealed, &padding].concat()).ok()
}

/// RFC 3211 section 2.3.2. The key is encrypted twice, so that each block depends on every other.
fn unwrap(cipher: ContentCipher, kek: &Secret, iv: &[u8], wrapped: &[u8], provider: &Provider) -> Option<Secret> {
    let block = cipher.block_len();
    if iv.len() != block || !wrapped.len().is_multiple_of(block) {
        return None;
    }
    let (rest, last) = wrapped.split_at_checked(wrapped.len().checked_sub(block)?)?;
    let (_, before_last) = rest.split_at_checked(rest.len().checked_sub(block)?)?;
    let inner_last = decrypt(cipher, kek, before_last, last, provider)?;
    let inner = decrypt(cipher, kek, inner_last.expose(), wrapped, provider)?;
    let plain = decrypt(cipher, kek, iv, inner.expose(), provider)?;
    let [count, a, b, c, key @ ..] = plain.expose() else { return None };
    let key = key.get(..usize::from(*count))?;
    match key {
        [x, y, z, ..] if (a ^ x) & (b ^ y) & (c ^ z) == 0xFF => Some(Secret::from(key)),
        _ => None,
    }
}

/// RFC 3211 section 2.3.1.
fn wrap(cipher: ContentCipher, kek: &Secret, iv: &[u8], key: &Secret, provider: &Provider) -> Result<Vec<u8>, crypto::Error> {
    let block = cipher.block_len();
    let len = key.len().saturating_add(4).next_multiple_of(block).max(block.saturating_mul(2));
    let mut plain = vec![0; len];
    provider.random.fill(&mut plain)?;
    let count = u8::try_from(key.len()).map_err(|_| crypto::Error::Key)?;
    let head = [count].into_iter().chain(key.expose().iter().take(3).map(|octet| !octet)).chain(key.expose().iter().copied());
    plain.iter_mut().zip(head).for_each(|(slot, octet)| *slot = octet);
    let plain = Secret::new(plain);
    let inner = encrypt(cipher, kek, iv, plain.expose(), provider)?;
    let (_, last) = inner.split_at_checked(inner.len().saturating_sub(block)).ok_or(crypto::Error::Key)?;
    encrypt(cipher, kek, last, &inner, provider)
}

/// A PasswordRecipientInfo for this content key.
pub(super) fn recipient_info(
    password: &Secret,
    content_key: &Secret,
    cipher: ContentCipher,
    provider: &Provider,
) -> Result<Vec<u8>, Error> {
    let cipher = cipher.in_cbc_mode();
    let salt = provider.random_bytes::<16>()?;
    let mut iv = vec![0; cipher.block_len()];
    provider.random.fill(&mut iv)?;
    let kek = derive(password, &salt, ITERATIONS, DigestAlgorithm::Sha256, cipher.key_len(), provider);
    let wrapped = wrap(cipher, &kek, &iv, content_key, provider)?;
    Ok(Writer::build(|w| {
        w.nested(Tag::context_constructed(3), |w| {
            w.small_integer(0);
            w.nested(Tag::context_constructed(0), |w| {
                w.oid(PBKDF2);
                w.sequence(|w| {
                    w.octet_string(&salt);
                    w.small_integer(ITERATIONS);
                    w.sequence(|w| {
                        w.oid(Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x09]));
                        w.null();
                    });
                });
            });
            w.sequence(|w| {
                w.oid(PWRI_KEK);
                w.sequence(|w| {
                    w.oid(cipher.oid());
                    w.octet_string(&iv);
                });
            });
            w.octet_string(&wrapped);
        });
    }))
}
