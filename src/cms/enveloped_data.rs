//! EnvelopedData (RFC 5652 section 6) and AuthEnvelopedData (RFC 5083) as they were received, and their opening.

use std::fmt;
use std::ops::Range;

use super::agreement::AgreementFields;
use super::identifier::IdFields;
use super::recipient_info::{RecipientFields, RecipientInfo};
use super::{Attributes, Error, as_set, oid, read_content_info, span, value_span};
use crate::asn1::{self, Element, Error as Asn1Error, Oid, Reader, Tag};
use crate::crypto::{self, ContentCipher, DecryptionKey, KeyTransport, Legacy, Provider, PublicKeyKind};
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

/// An encrypted message: one owned buffer, in DER, and where its parts stand in it. It may be an EnvelopedData, whose content only its
/// padding vouches for, or an AuthEnvelopedData, whose content is authenticated.
#[derive(Clone)]
pub struct EnvelopedData {
    der: Vec<u8>,
    fields: Fields,
}

impl EnvelopedData {
    /// Reads a ContentInfo that holds EnvelopedData or AuthEnvelopedData, BER or DER, of any version.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the byte of the DER form, [`Error::ContentType`].
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let der = asn1::to_der(bytes, limits)?.into_owned();
        let kinds = [oid::ENVELOPED_DATA, oid::AUTH_ENVELOPED_DATA];
        let (kind, content) = read_content_info(&der, kinds, "EnvelopedData")?;
        let fields = Fields::read(content, kind == oid::AUTH_ENVELOPED_DATA)?;
        Ok(EnvelopedData { der, fields })
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
        Oid::from_content(self.part(&self.fields.content_type))
    }

    /// The recipients, in wire order.
    pub fn recipients(&self) -> impl ExactSizeIterator<Item = RecipientInfo<'_>> {
        self.fields.recipients.iter().map(|fields| fields.view(&self.der))
    }

    /// How content keys were encrypted to public keys: the first way that the crate knows.
    pub fn key_transport(&self) -> Option<KeyTransport> {
        self.recipients().find_map(|recipient| match recipient {
            RecipientInfo::KeyTransport { algorithm, .. } => algorithm,
            _ => None,
        })
    }

    /// The cipher of the content; `None` for one that the crate does not know, or that does not belong into this kind of envelope.
    pub fn cipher(&self) -> Option<ContentCipher> {
        self.fields.cipher
    }

    /// Whether its version is the one that RFC 5652 section 6.1 and RFC 5083 section 2.1 give to its recipients.
    pub fn version_fits(&self) -> bool {
        let version_of = |recipient: &RecipientFields| match recipient {
            RecipientFields::KeyTransport { id: IdFields::IssuerAndSerial { .. }, .. } => 0,
            RecipientFields::KeyTransport { .. } | RecipientFields::KeyAgreement(_) => 2,
            RecipientFields::Password(_) | RecipientFields::Unsupported(_) => 3,
        };
        let expected = match self.is_authenticated() {
            true => 0,
            false => self.fields.recipients.iter().map(version_of).max().unwrap_or(0),
        };
        self.fields.version == expected
    }

    /// Whether the envelope is an AuthEnvelopedData.
    pub fn is_authenticated(&self) -> bool {
        self.fields.authenticated.is_some()
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
        let content_key = match self.recipient(certificate, policy.misnamed_recipient)? {
            Addressed::Transport(..) => {
                let request = self.content_key_request(certificate, policy)?;
                let substitute = random_key(request.key_len, provider)?;
                Some(key.unwrap_key(request.algorithm, request.wrapped, substitute)?)
            }
            Addressed::Agreement(_) => {
                let request = self.agreement_request(certificate, policy)?;
                match key.agree(request.point) {
                    Ok(shared) => request.content_key(&shared, provider),
                    // A point that is none is the sender's doing, and ends as every other damage.
                    Err(crypto::Error::Failed) => None,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        self.open_with_key(content_key, provider)
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
        match self.recipient(certificate, policy.misnamed_recipient)? {
            // A sender that names another kind of key than the certificate has is at fault, and is told before the key is asked.
            Addressed::Transport(Some(algorithm), wrapped) if is_rsa(certificate) => {
                let key_len = self.allowed_cipher(policy)?.key_len();
                Ok(ContentKeyRequest { algorithm, wrapped, key_len })
            }
            Addressed::Transport(..) | Addressed::Agreement(_) => Err(Error::Algorithm("key transport algorithm")),
        }
    }

    /// As [`EnvelopedData::content_key_request`] for an envelope whose recipient has an elliptic-curve key: what the key that is elsewhere
    /// must agree with.
    ///
    /// # Errors
    /// As [`EnvelopedData::open`].
    pub fn agreement_request(&self, certificate: &Certificate, policy: &OpeningPolicy) -> Result<AgreementRequest<'_>, Error> {
        match self.recipient(certificate, policy.misnamed_recipient)? {
            Addressed::Agreement(fields) if fields.is_known() && !is_rsa(certificate) => {
                self.allowed_cipher(policy)?;
                Ok(AgreementRequest { point: fields.point(&self.der), fields, der: &self.der })
            }
            Addressed::Transport(..) | Addressed::Agreement(_) => Err(Error::Algorithm("key agreement algorithm")),
        }
    }

    /// The second half: the content key that came back, or `None` when none did. A missing key, or one of the wrong length, is
    /// replaced by a random one, so that this takes the same path to the same error as a key that is wrong.
    ///
    /// The policy was applied by [`EnvelopedData::content_key_request`]. Only AES-GCM authenticates: with the other ciphers about one
    /// wrong key in 256 leaves what looks like a padding, and the content is then noise, which whoever reads it must refuse.
    ///
    /// # Errors
    /// [`Error::Unopened`]; [`Error::Crypto`] when there is no randomness.
    pub fn open_with_key(&self, content_key: Option<Secret>, provider: &Provider) -> Result<Secret, Error> {
        let cipher = self.fields.cipher.ok_or(Error::Algorithm("content cipher"))?;
        let substitute = random_key(cipher.key_len(), provider)?;
        let content_key = content_key.filter(|key| key.len() == cipher.key_len()).unwrap_or(substitute);
        let (iv, encrypted) = (self.part(&self.fields.iv), self.part(&self.fields.encrypted));
        match &self.fields.authenticated {
            None => provider.ciphers.decrypt(cipher, &content_key, iv, encrypted),
            Some(authenticated) => {
                let associated = authenticated.attributes.as_ref().map(|range| as_set(self.part(range))).unwrap_or_default();
                let authenticator = self.part(&authenticated.authenticator);
                provider.ciphers.open(cipher, &content_key, iv, &associated, encrypted, authenticator)
            }
        }
        .map_err(|_| Error::Unopened)
    }

    /// Opens an envelope that is addressed to whoever knows a password.
    ///
    /// # Errors
    /// [`Error::NoRecipient`] when it is addressed to no password; [`Error::Algorithm`] for ciphers that the policy refuses and for more
    /// than 100,000 rounds; [`Error::Crypto`] when there is no randomness; [`Error::Unopened`] for everything else.
    pub fn open_with_password(&self, password: &Secret, provider: &Provider, policy: &OpeningPolicy) -> Result<Secret, Error> {
        let fields = self.fields.recipients.iter().find_map(|recipient| match recipient {
            RecipientFields::Password(fields) => Some(fields),
            _ => None,
        });
        let fields = fields.ok_or(Error::NoRecipient)?;
        self.allowed_cipher(policy)?;
        let content_key = fields.unwrap(&self.der, password, provider, policy)?;
        self.open_with_key(content_key, provider)
    }

    fn allowed_cipher(&self, policy: &OpeningPolicy) -> Result<ContentCipher, Error> {
        let cipher = self.fields.cipher.filter(|cipher| policy.legacy.allows_cipher(*cipher));
        cipher.ok_or(Error::Algorithm("content cipher"))
    }

    /// The one recipient that is this certificate. Never a search with the private key: trying each recipient in turn is an
    /// oracle (CVE-2019-1563).
    fn recipient(&self, certificate: &Certificate, misnamed: bool) -> Result<Addressed<'_>, Error> {
        let addressed = |recipient: &'_ RecipientFields| match recipient {
            RecipientFields::KeyTransport { id, .. } => id.view(&self.der).names(certificate),
            RecipientFields::KeyAgreement(fields) => fields.id.view(&self.der).names(certificate),
            RecipientFields::Password(_) | RecipientFields::Unsupported(_) => false,
        };
        let recipients = self.fields.recipients.as_slice();
        let found = recipients.iter().find(|recipient| addressed(recipient));
        let found = found.or(match recipients {
            [only] if misnamed => Some(only),
            _ => None,
        });
        match found {
            Some(RecipientFields::KeyTransport { algorithm, wrapped, .. }) => {
                Ok(Addressed::Transport(*algorithm, self.part(wrapped)))
            }
            Some(RecipientFields::KeyAgreement(fields)) => Ok(Addressed::Agreement(fields)),
            Some(RecipientFields::Password(_) | RecipientFields::Unsupported(_)) | None => Err(Error::NoRecipient),
        }
    }
}

fn is_rsa(certificate: &Certificate) -> bool {
    matches!(certificate.public_key().kind(), PublicKeyKind::Rsa { .. })
}

/// How the content key reaches the one recipient.
enum Addressed<'a> {
    Transport(Option<KeyTransport>, &'a [u8]),
    Agreement(&'a AgreementFields),
}

impl fmt::Debug for EnvelopedData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvelopedData")
            .field("recipients", &self.fields.recipients.len())
            .field("cipher", &self.fields.cipher)
            .field("encrypted", &self.fields.encrypted.len())
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

/// What a key that is elsewhere must agree with: an HSM's or a KMS's, with ECDH.
#[derive(Clone, Copy, Debug)]
pub struct AgreementRequest<'a> {
    /// The sender's point, uncompressed. The service checks that it is on the curve.
    pub point: &'a [u8],
    fields: &'a AgreementFields,
    der: &'a [u8],
}

impl AgreementRequest<'_> {
    /// The content key that the shared x-coordinate leads to, for [`EnvelopedData::open_with_key`]. `None` goes there as it is.
    pub fn content_key(&self, shared: &Secret, provider: &Provider) -> Option<Secret> {
        self.fields.unwrap(self.der, shared, provider)
    }
}

fn random_key(len: usize, provider: &Provider) -> Result<Secret, Error> {
    let mut key = vec![0; len];
    provider.random.fill(&mut key)?;
    Ok(Secret::new(key))
}

/// What [`EnvelopedData`] is made of.
#[derive(Clone)]
struct Fields {
    version: u32,
    content_type: Range<usize>,
    recipients: Vec<RecipientFields>,
    cipher: Option<ContentCipher>,
    iv: Range<usize>,
    encrypted: Range<usize>,
    authenticated: Option<Authenticated>,
}

/// What AuthEnvelopedData has besides.
#[derive(Clone)]
struct Authenticated {
    /// The attributes that are authenticated along, with their tag.
    attributes: Option<Range<usize>>,
    authenticator: Range<usize>,
}

impl Fields {
    fn read(mut enveloped: Reader<'_>, is_authenticated: bool) -> Result<Self, Asn1Error> {
        let version = enveloped.small_integer()?;
        enveloped.optional(Tag::context_constructed(0))?;
        let recipients = RecipientFields::read_all(&mut enveloped.set()?)?;
        let mut encrypted = enveloped.sequence()?;
        let content_type = encrypted.tagged(Tag::OID)?;
        content_type.oid()?;
        let mut algorithm = encrypted.sequence()?;
        let cipher = ContentCipher::from_oid(algorithm.oid()?).filter(|cipher| cipher.is_authenticated() == is_authenticated);
        let iv = if is_authenticated { gcm_nonce(&mut algorithm)? } else { algorithm.optional(Tag::OCTET_STRING)? };
        if cipher.is_some() {
            algorithm.finish()?;
        }
        let iv = iv.map_or(0..0, value_span);
        let sealed = encrypted.tagged(Tag::context(0))?;
        encrypted.finish()?;
        let authenticated = match is_authenticated {
            true => Some(Authenticated::read(&mut enveloped, content_type)?),
            false => {
                enveloped.optional(Tag::context_constructed(1))?;
                None
            }
        };
        enveloped.finish()?;
        let (content_type, encrypted) = (value_span(content_type), value_span(sealed));
        Ok(Fields { version, content_type, recipients, cipher, iv, encrypted, authenticated })
    }
}

/// The nonce of GCMParameters (RFC 5084 section 3.2). How long the authenticator is it tells itself, whatever stands here.
fn gcm_nonce<'a>(algorithm: &mut Reader<'a>) -> Result<Option<Element<'a>>, Asn1Error> {
    let Some(mut parameters) = algorithm.optional_nested(Tag::SEQUENCE)? else { return Ok(None) };
    let nonce = parameters.tagged(Tag::OCTET_STRING)?;
    if !parameters.is_empty() {
        parameters.small_integer()?;
    }
    parameters.finish()?;
    Ok(Some(nonce))
}

impl Authenticated {
    /// Reads what stands behind the encrypted content (RFC 5083 section 2.1).
    fn read(enveloped: &mut Reader<'_>, content_type: Element<'_>) -> Result<Self, Asn1Error> {
        let attributes = enveloped.optional(Tag::context_constructed(1))?;
        if let Some(element) = attributes {
            check_attributes(element, content_type)?;
        }
        let authenticator = value_span(enveloped.tagged(Tag::OCTET_STRING)?);
        enveloped.optional(Tag::context_constructed(2))?;
        Ok(Authenticated { attributes: attributes.map(span), authenticator })
    }
}

/// Attributes that are authenticated along name the type of the content, if they name one (RFC 5083 section 2.2).
fn check_attributes(element: Element<'_>, content_type: Element<'_>) -> Result<(), Asn1Error> {
    let attributes = Attributes(element.reader());
    attributes.check()?;
    match attributes.optional(oid::CONTENT_TYPE, "contentType") {
        Ok(None) => Ok(()),
        Ok(Some(named)) if named.raw() == content_type.raw() => Ok(()),
        _ => Err(Asn1Error::field("contentType", element.at())),
    }
}
