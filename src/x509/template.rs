//! What is to be in a certificate or a request, and its bytes to sign.

use super::extension::{AuthorityKeyIdentifier, BasicConstraints, Extensions, KeyIdentifier, KeyUsage, SubjectKeyIdentifier};
use super::name::is_printable;
use super::{Certificate, Csr, Error, Name, SerialNumber, Validity, oid};
use crate::asn1::{Oid, Tag, Writer};
use crate::crypto::{Provider, PublicKey, SignatureAlgorithm, ToBeSigned};
use crate::secret::Secret;

/// A certificate to be made (RFC 5280 section 4.1), always of version 3.
///
/// What this adds by itself: subjectKeyIdentifier, unless there is one; authorityKeyIdentifier, unless the certificate signs
/// itself; `critical` on subjectAltName under an empty subject. What it refuses to make is what others refuse to read: extensions
/// without content, an authority that may not sign certificates, a signer of certificates that is no authority, a certificate that
/// ends before it begins, an issuer without a name.
///
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// # use mdm_core::crypto::{Error as CryptoError, KeyKind, Provider, Random, SigningKey};
/// # struct Os;
/// # impl Random for Os {
/// #     fn fill(&self, dest: &mut [u8]) -> Result<(), CryptoError> {
/// #         getrandom::fill(dest).map_err(|_| CryptoError::Random)
/// #     }
/// # }
/// use mdm_core::time::Timestamp;
/// use mdm_core::x509::{BasicConstraints, CertificateTemplate, Extensions, KeyUsage, Name, SerialNumber, Validity};
///
/// let provider = Provider::rustcrypto(&Os);
/// let key = provider.load(&provider.generate(KeyKind::P256)?)?;
/// let now: Timestamp = "2026-02-28T12:00:00Z".parse()?;
///
/// let name = Name::builder().organization("Example").common_name("Example Certificate Authority").build()?;
/// let root = CertificateTemplate {
///     serial: SerialNumber::random(provider.random)?,
///     issuer: name.clone(),
///     subject: name,
///     validity: Validity { not_before: now.plus_seconds(-300), not_after: now.plus_days(3650) },
///     public_key: key.public_key().clone(),
///     extensions: Extensions::new()
///         .with(&BasicConstraints::authority(Some(0)))
///         .with(&(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN)),
///     authority_key_identifier: None,
/// };
/// let root = root.to_be_signed(key.public_key(), key.algorithm(), &provider)?.sign_with(&key)?;
/// assert!(root.is_authority() && root.is_self_issued());
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host spells the whole template, as it would the certificate")]
pub struct CertificateTemplate {
    /// The serial number.
    pub serial: SerialNumber,
    /// The name of the authority: a copy of the subject of its certificate, byte for byte.
    pub issuer: Name,
    /// Whose key is certified. When it is empty, `extensions` must hold a subjectAltName.
    pub subject: Name,
    /// From when until when.
    pub validity: Validity,
    /// The key to certify.
    pub public_key: PublicKey,
    /// The extensions, in the order in which they are to stand; those that are added by themselves follow.
    pub extensions: Extensions<'static>,
    /// The identifier of the authority's key: that in the authority's certificate. `None` computes it from the authority's key.
    pub authority_key_identifier: Option<KeyIdentifier>,
}

impl CertificateTemplate {
    /// A certificate to be made under an authority's: the issuer's name and key identifier are copied from there.
    pub fn under(
        authority: &Certificate,
        serial: SerialNumber,
        subject: Name,
        validity: Validity,
        public_key: PublicKey,
    ) -> Self {
        CertificateTemplate {
            serial,
            issuer: authority.subject().clone(),
            subject,
            validity,
            public_key,
            extensions: Extensions::new(),
            authority_key_identifier: authority.subject_key_identifier().cloned(),
        }
    }

    /// The certificate, lacking the signature of the authority's key.
    ///
    /// # Errors
    /// [`Error::Misuse`] for what must not be made, [`Error::Malformed`] when a raw extension is not what its identifier says.
    pub fn to_be_signed(
        &self,
        issuer_key: &PublicKey,
        algorithm: SignatureAlgorithm,
        provider: &Provider,
    ) -> Result<ToBeSigned<Certificate>, Error> {
        if self.issuer.is_empty() {
            return Err(Error::Misuse("the issuer of a certificate needs a name"));
        }
        if self.validity.not_before > self.validity.not_after {
            return Err(Error::Misuse("a certificate must not end before it begins"));
        }
        let extensions = self.complete_extensions(issuer_key, provider)?;
        check_extensions(&extensions)?;
        let tbs = Writer::build_with_capacity(1024, |w| {
            w.sequence(|w| {
                w.nested(Tag::context_constructed(0), |w| w.small_integer(2));
                self.serial.write(w);
                algorithm.write(w);
                w.raw(self.issuer.as_der());
                self.validity.write(w);
                w.raw(self.subject.as_der());
                w.raw(self.public_key.as_der());
                w.nested(Tag::context_constructed(3), |w| extensions.write(w));
            });
        });
        Certificate::to_be_signed_from(tbs, issuer_key, algorithm, provider)
    }

    /// The extensions with those that this adds.
    fn complete_extensions(&self, issuer_key: &PublicKey, provider: &Provider) -> Result<Extensions<'static>, Error> {
        let mut extensions = self.extensions.clone();
        if self.subject.is_empty() {
            let names = extensions.get(oid::SUBJECT_ALT_NAME).map(|extension| extension.value().to_vec());
            let names = names.ok_or(Error::Misuse("a certificate without a subject needs a subjectAltName"))?;
            extensions = extensions.with_raw(oid::SUBJECT_ALT_NAME, true, &names);
        }
        if extensions.get(oid::SUBJECT_KEY_IDENTIFIER).is_none() {
            extensions = extensions.with(&SubjectKeyIdentifier(KeyIdentifier::of(&self.public_key, provider)));
        }
        let signs_itself = self.issuer == self.subject && self.public_key == *issuer_key;
        if signs_itself {
            return Ok(extensions.without(oid::AUTHORITY_KEY_IDENTIFIER));
        }
        let identifier = self.authority_key_identifier.clone().unwrap_or_else(|| KeyIdentifier::of(issuer_key, provider));
        Ok(extensions.with(&AuthorityKeyIdentifier(Some(identifier))))
    }
}

/// What RFC 5280 section 4.2 says of contents, and of contents beside one another.
fn check_extensions(extensions: &Extensions<'_>) -> Result<(), Error> {
    const NEVER_EMPTY: [Oid<'static>; 4] =
        [oid::EXTENDED_KEY_USAGE, oid::SUBJECT_ALT_NAME, oid::CRL_DISTRIBUTION_POINTS, oid::AUTHORITY_INFO_ACCESS];
    let mut constraints = BasicConstraints::end_entity();
    let mut usage = None;
    for extension in extensions.iter() {
        let mut value = extension.reader();
        let whole = value.element().and_then(|_| value.finish());
        whole.map_err(Error::malformed("extension"))?;
        match extension.oid() {
            oid::BASIC_CONSTRAINTS => constraints = extension.parse()?,
            oid::KEY_USAGE => usage = Some(extension.parse::<KeyUsage>()?),
            oid if NEVER_EMPTY.contains(&oid) && extension.value() == EMPTY_SEQUENCE => return Err(EMPTY_EXTENSION),
            _ => {}
        }
    }
    if usage.is_some_and(KeyUsage::is_empty) {
        return Err(EMPTY_EXTENSION);
    }
    match (constraints.ca, usage.is_some_and(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN))) {
        (true, false) => Err(Error::Misuse("an authority needs keyUsage with keyCertSign")),
        (false, true) => Err(Error::Misuse("keyCertSign is for authorities only")),
        _ => Ok(()),
    }
}

const EMPTY_EXTENSION: Error = Error::Misuse("an extension without content must be left out");
const EMPTY_SEQUENCE: [u8; 2] = [0x30, 0x00];

/// A request to be made (RFC 2986), for clients: simulated devices, and requests to a third-party authority.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host spells the whole template, as it would the request")]
pub struct CsrTemplate {
    /// The name to ask for.
    pub subject: Name,
    /// The key to have certified; it signs the request.
    pub public_key: PublicKey,
    /// The challenge, in UTF-8. Written as PrintableString when its characters allow, which some servers insist on, else as
    /// UTF8String.
    pub challenge: Option<Secret>,
    /// The extensions to ask for.
    pub extensions: Extensions<'static>,
}

impl CsrTemplate {
    /// A request for this name and key, without challenge and extensions.
    pub fn new(subject: Name, public_key: PublicKey) -> Self {
        CsrTemplate { subject, public_key, challenge: None, extensions: Extensions::new() }
    }

    /// The request, lacking the signature of its own key.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the key does not make such signatures or the challenge is empty or not UTF-8.
    pub fn to_be_signed(&self, algorithm: SignatureAlgorithm, provider: &Provider) -> Result<ToBeSigned<Csr>, Error> {
        let challenge = self.challenge.as_ref().map(|challenge| challenge.expose_str().filter(|text| !text.is_empty()));
        if challenge == Some(None) {
            return Err(Error::Misuse("a challenge must be text, and not empty"));
        }
        let info = Writer::build_with_capacity(1024, |w| {
            w.sequence(|w| {
                w.small_integer(0);
                w.raw(self.subject.as_der());
                w.raw(self.public_key.as_der());
                // Not in the order of DER, which would depend on lengths: there are servers that want the challenge first.
                w.nested(Tag::context_constructed(0), |w| {
                    if let Some(text) = challenge.flatten() {
                        write_challenge(w, text);
                    }
                    if !self.extensions.is_empty() {
                        w.sequence(|w| {
                            w.oid(oid::EXTENSION_REQUEST);
                            w.nested(Tag::SET, |w| self.extensions.write(w));
                        });
                    }
                });
            });
        });
        Csr::to_be_signed(info, &self.public_key, algorithm, provider)
    }
}

fn write_challenge(w: &mut Writer, text: &str) {
    w.sequence(|w| {
        w.oid(oid::CHALLENGE_PASSWORD);
        w.nested(Tag::SET, |w| if is_printable(text) { w.printable_string(text) } else { w.utf8_string(text) });
    });
}
