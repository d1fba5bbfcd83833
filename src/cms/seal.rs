//! Making EnvelopedData and AuthEnvelopedData.

use super::identifier::write_issuer_and_serial;
use super::{Error, agreement, oid, password};
use crate::asn1::{Tag, Writer};
use crate::crypto::{ContentCipher, KeyTransport, Provider, PublicKeyKind};
use crate::secret::Secret;
use crate::x509::Certificate;

/// Encrypts content to the holders of some certificates: a ContentInfo with EnvelopedData in DER, or with AuthEnvelopedData when the
/// cipher authenticates. An RSA key gets a KeyTransRecipientInfo, a P-256 key a KeyAgreeRecipientInfo.
///
/// ```no_run
/// # fn show(device: &mdm_core::x509::Certificate, provider: &mdm_core::crypto::Provider) -> Result<(), mdm_core::cms::Error> {
/// use mdm_core::cms;
/// use mdm_core::crypto::{ContentCipher, KeyTransport};
///
/// let sealed = cms::seal(b"for the device", &[device], ContentCipher::Aes128Cbc, KeyTransport::RsaPkcs1, provider)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Crypto`] when a certificate's key cannot encrypt or there is no randomness.
pub fn seal(
    plain: &[u8],
    recipients: &[&Certificate],
    cipher: ContentCipher,
    transport: KeyTransport,
    provider: &Provider,
) -> Result<Vec<u8>, Error> {
    let content_key = content_key(cipher, provider)?;
    let agrees = |recipient: &Certificate| recipient.public_key().kind() == PublicKeyKind::P256;
    let infos = recipients
        .iter()
        .map(|recipient| match agrees(recipient) {
            true => agreement::recipient_info(recipient, &content_key, provider),
            false => {
                let wrapped = provider.wrapping.wrap(transport, recipient.public_key(), &content_key, provider.random)?;
                Ok(key_transport(recipient, transport, &wrapped))
            }
        })
        .collect::<Result<Vec<Vec<u8>>, Error>>()?;
    let version = if recipients.iter().any(|recipient| agrees(recipient)) { 2 } else { 0 };
    write(version, &infos, plain, &content_key, cipher, provider)
}

/// Encrypts content to whoever knows a password (RFC 5652 section 6.2.4): PBKDF2 over HMAC-SHA-256, 20,000 rounds.
///
/// # Errors
/// [`Error::Crypto`] when there is no randomness.
pub fn seal_with_password(
    plain: &[u8],
    password: &Secret,
    cipher: ContentCipher,
    provider: &Provider,
) -> Result<Vec<u8>, Error> {
    let content_key = content_key(cipher, provider)?;
    let info = password::recipient_info(password, &content_key, cipher, provider)?;
    write(3, &[info], plain, &content_key, cipher, provider)
}

/// KeyTransRecipientInfo, version 0: the certificate is named by issuer and serial number, which every SCEP peer reads.
fn key_transport(recipient: &Certificate, transport: KeyTransport, wrapped: &[u8]) -> Vec<u8> {
    Writer::build_with_capacity(wrapped.len().saturating_add(256), |w| {
        w.sequence(|w| {
            w.small_integer(0);
            write_issuer_and_serial(w, recipient);
            transport.write(w);
            w.octet_string(wrapped);
        });
    })
}

/// EnvelopedData around the encrypted content; its version follows from its recipients (RFC 5652 section 6.1). AuthEnvelopedData has
/// but one version (RFC 5083 section 2.1).
fn write(
    version: u32,
    infos: &[Vec<u8>],
    plain: &[u8],
    content_key: &Secret,
    cipher: ContentCipher,
    provider: &Provider,
) -> Result<Vec<u8>, Error> {
    let mut iv = vec![0; cipher.vector_len()];
    provider.random.fill(&mut iv)?;
    let (encrypted, authenticator) = match cipher.is_authenticated() {
        true => provider.ciphers.seal(cipher, content_key, &iv, &[], plain).map(|(sealed, tag)| (sealed, Some(tag)))?,
        false => (provider.ciphers.encrypt(cipher, content_key, &iv, plain)?, None),
    };
    let (kind, version) = if authenticator.is_some() { (oid::AUTH_ENVELOPED_DATA, 0) } else { (oid::ENVELOPED_DATA, version) };
    let room = encrypted.len().saturating_add(infos.iter().map(Vec::len).sum::<usize>()).saturating_add(128);
    Ok(Writer::build_with_capacity(room, |w| {
        w.sequence(|w| {
            w.oid(kind);
            w.nested(Tag::context_constructed(0), |w| {
                w.sequence(|w| {
                    w.small_integer(version);
                    w.set_of(Tag::SET, infos);
                    w.sequence(|w| {
                        w.oid(oid::DATA);
                        w.sequence(|w| {
                            w.oid(cipher.oid());
                            write_parameters(w, &iv, authenticator.is_some());
                        });
                        w.element(Tag::context(0), &encrypted);
                    });
                    if let Some(authenticator) = &authenticator {
                        w.octet_string(authenticator);
                    }
                });
            });
        });
    }))
}

/// The parameters of the content cipher: the vector alone, or GCMParameters (RFC 5084 section 3.2).
fn write_parameters(w: &mut Writer, iv: &[u8], is_authenticated: bool) {
    if is_authenticated {
        w.sequence(|w| {
            w.octet_string(iv);
            w.small_integer(16);
        });
    } else {
        w.octet_string(iv);
    }
}

/// A fresh content key. The keys of DES carry odd parity in their lowest bits (FIPS 46-3), which some peers check.
fn content_key(cipher: ContentCipher, provider: &Provider) -> Result<Secret, Error> {
    let mut key = vec![0; cipher.key_len()];
    provider.random.fill(&mut key)?;
    if matches!(cipher, ContentCipher::DesCbc | ContentCipher::TripleDesCbc) {
        for octet in &mut key {
            let parity = u8::from((*octet >> 1).count_ones().is_multiple_of(2));
            *octet = (*octet & 0xFE) | parity;
        }
    }
    Ok(Secret::new(key))
}
