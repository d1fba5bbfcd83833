//! EnvelopedData as it was received, and its opening (RFC 5652 section 6).

use std::fmt;
use std::ops::Range;

use super::recipient_info::{RecipientFields, RecipientInfo};
use super::{Error, oid, read_content_info, value_span};
use crate::asn1::{self, Error as Asn1Error, Oid, Reader, Tag};
use crate::crypto::{ContentCipher, DecryptionKey, KeyTransport, Legacy, Provider};
use crate::limits::Limits;
use crate::secret::Secret;
use crate::x509::Certificate;

/// What an envelope is forgiven. The default forgives nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpeningPolicy {
    /// Which broken ciphers are read.
    pub legacy: Legacy,
    /// An envelope with exactly one recipient is opened although that recipient is named otherwise than the certificate. Needed
    /// by clients that spell the issuer's name in their own way.
    pub misnamed_recipient: bool,
}

/// An encrypted message: one owned buffer, in DER, and where its parts stand in it.
#[derive(Clone)]
pub struct EnvelopedData {
    der: Vec<u8>,
    content_type: Range<usize>,
    recipients: Vec<RecipientFields>,
    cipher: Option<ContentCipher>,
    iv: Range<usize>,
    encrypted: Range<usize>,
}

impl EnvelopedData {
    /// Reads a ContentInfo that holds EnvelopedData, BER or DER, of any version.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the byte of the DER form, [`Error::ContentType`].
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let der = asn1::to_der(bytes, limits)?.into_owned();
        let fields = Fields::read(&mut read_content_info(&der, oid::ENVELOPED_DATA, "EnvelopedData")?)?;
        let Fields { content_type, recipients, cipher, iv, encrypted } = fields;
        Ok(EnvelopedData { content_type, recipients, cipher, iv, encrypted, der })
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }

    /// The message in DER, as it was received or as the BER pass made it.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The type of what is inside: id-data in SCEP.
    pub fn content_type(&self) -> Oid<'_> {
        Oid::from_content(self.part(&self.content_type))
    }

    /// The recipients, in wire order.
    pub fn recipients(&self) -> impl ExactSizeIterator<Item = RecipientInfo<'_>> {
        self.recipients.iter().map(|fields| fields.view(&self.der))
    }

    /// How content keys were encrypted to public keys: the first way that the crate knows.
    pub fn key_transport(&self) -> Option<KeyTransport> {
        self.recipients().find_map(|recipient| match recipient {
            RecipientInfo::KeyTransport { algorithm, .. } => algorithm,
            _ => None,
        })
    }

    /// The cipher of the content; `None` for one that the crate does not know.
    pub fn cipher(&self) -> Option<ContentCipher> {
        self.cipher
    }

    /// Opens the envelope with a private key at hand.
    ///
    /// # Errors
    /// [`Error::NoRecipient`] and [`Error::Algorithm`] for what anybody can see without the key; [`Error::Crypto`] when the key
    /// cannot decrypt at all; [`Error::Unopened`] for everything else.
    pub fn open(
        &self,
        certificate: &Certificate,
        key: &dyn DecryptionKey,
        provider: &Provider,
        policy: &OpeningPolicy,
    ) -> Result<Secret, Error> {
        let request = self.content_key_request(certificate, policy)?;
        let substitute = random_key(request.key_len, provider)?;
        let content_key = key.unwrap_key(request.algorithm, request.wrapped, substitute)?;
        self.open_with_key(Some(content_key), provider)
    }

    /// The first half of opening with a key that is elsewhere: what must be decrypted there.
    ///
    /// # Errors
    /// As [`EnvelopedData::open`].
    pub fn content_key_request(
        &self,
        certificate: &Certificate,
        policy: &OpeningPolicy,
    ) -> Result<ContentKeyRequest<'_>, Error> {
        let (algorithm, wrapped) = self.recipient(certificate, policy.misnamed_recipient)?;
        let algorithm = algorithm.ok_or(Error::Algorithm("key transport algorithm"))?;
        let key_len = self.allowed_cipher(policy)?.key_len();
        Ok(ContentKeyRequest { algorithm, wrapped, key_len })
    }

    /// The second half: the content key that came back, or `None` when none did. A missing key, or one of the wrong length, is
    /// replaced by a random one, so that this takes the same path to the same error as a key that is wrong.
    ///
    /// The policy was applied by [`EnvelopedData::content_key_request`].
    ///
    /// # Errors
    /// [`Error::Unopened`]; [`Error::Crypto`] when there is no randomness.
    pub fn open_with_key(&self, content_key: Option<Secret>, provider: &Provider) -> Result<Secret, Error> {
        let cipher = self.cipher.ok_or(Error::Algorithm("content cipher"))?;
        let substitute = random_key(cipher.key_len(), provider)?;
        let content_key = content_key.filter(|key| key.len() == cipher.key_len()).unwrap_or(substitute);
        let (iv, encrypted) = (self.part(&self.iv), self.part(&self.encrypted));
        provider.ciphers.decrypt(cipher, &content_key, iv, encrypted).map_err(|_| Error::Unopened)
    }

    /// Opens an envelope that is addressed to whoever knows a password.
    ///
    /// # Errors
    /// [`Error::NoRecipient`] when it is addressed to no password; [`Error::Algorithm`] for ciphers that the policy refuses and for more
    /// than 100,000 rounds; [`Error::Crypto`] when there is no randomness; [`Error::Unopened`] for everything else.
    pub fn open_with_password(&self, password: &Secret, provider: &Provider, policy: &OpeningPolicy) -> Result<Secret, Error> {
        let fields = self.recipients.iter().find_map(|recipient| match recipient {
            RecipientFields::Password(fields) => Some(fields),
            _ => None,
        });
        let fields = fields.ok_or(Error::NoRecipient)?;
        self.allowed_cipher(policy)?;
        let content_key = fields.unwrap(&self.der, password, provider, policy)?;
        self.open_with_key(content_key, provider)
    }

    fn allowed_cipher(&self, policy: &OpeningPolicy) -> Result<ContentCipher, Error> {
        let cipher = self.cipher.filter(|cipher| policy.legacy.allows_cipher(*cipher));
        cipher.ok_or(Error::Algorithm("content cipher"))
    }

    /// The one recipient that is this certificate. Never a search with the private key: trying each recipient in turn is an
    /// oracle (CVE-2019-1563).
    fn recipient(&self, certificate: &Certificate, misnamed: bool) -> Result<(Option<KeyTransport>, &[u8]), Error> {
        let found = self.recipients().find_map(|recipient| match recipient {
            RecipientInfo::KeyTransport { id, algorithm, wrapped } if id.names(certificate) => Some((algorithm, wrapped)),
            _ => None,
        });
        if let Some(found) = found {
            return Ok(found);
        }
        let mut all = self.recipients();
        match (all.next(), all.len()) {
            (Some(RecipientInfo::KeyTransport { algorithm, wrapped, .. }), 0) if misnamed => Ok((algorithm, wrapped)),
            _ => Err(Error::NoRecipient),
        }
    }
}

impl fmt::Debug for EnvelopedData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvelopedData")
            .field("recipients", &self.recipients.len())
            .field("cipher", &self.cipher)
            .field("encrypted", &self.encrypted.len())
            .finish_non_exhaustive()
    }
}

/// What a key that is elsewhere must decrypt: an HSM's or a KMS's.
///
/// The answer goes to [`EnvelopedData::open_with_key`]. A host whose service reports a padding error answers `None` there, and
/// must neither answer its client otherwise nor log the difference where the client can see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentKeyRequest<'a> {
    /// How the content key was encrypted.
    pub algorithm: KeyTransport,
    /// The encrypted content key.
    pub wrapped: &'a [u8],
    /// How many octets the content key must have.
    pub key_len: usize,
}

fn random_key(len: usize, provider: &Provider) -> Result<Secret, Error> {
    let mut key = vec![0; len];
    provider.random.fill(&mut key)?;
    Ok(Secret::new(key))
}

/// What [`EnvelopedData`] is made of, before it owns its buffer.
struct Fields {
    content_type: Range<usize>,
    recipients: Vec<RecipientFields>,
    cipher: Option<ContentCipher>,
    iv: Range<usize>,
    encrypted: Range<usize>,
}

impl Fields {
    fn read(content: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let mut enveloped = content.sequence()?;
        enveloped.small_integer()?;
        enveloped.optional(Tag::context_constructed(0))?;
        let mut infos = enveloped.set()?;
        let mut recipients = Vec::new();
        while !infos.is_empty() {
            recipients.push(RecipientFields::read(&mut infos)?);
        }
        let mut encrypted = enveloped.sequence()?;
        let content_type = encrypted.expect(Tag::OID)?;
        content_type.oid()?;
        let mut algorithm = encrypted.sequence()?;
        let cipher = ContentCipher::from_oid(algorithm.oid()?);
        let iv = match algorithm.optional(Tag::OCTET_STRING)? {
            Some(iv) => value_span(iv),
            None => 0..0,
        };
        let sealed = encrypted.expect(Tag::context(0))?;
        encrypted.finish()?;
        enveloped.optional(Tag::context_constructed(1))?;
        enveloped.finish()?;
        Ok(Fields { content_type: value_span(content_type), recipients, cipher, iv, encrypted: value_span(sealed) })
    }
}
