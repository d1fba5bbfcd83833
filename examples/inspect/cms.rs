//! SignedData and EnvelopedData of every use: who signed, to whom it is sealed, and what is inside.

use mdm_core::asn1::{Oid, Reader};
use mdm_core::cms::{CertificateId, EnvelopedData, RecipientInfo, SignaturePolicy, SignedData};
use mdm_core::crypto::DecryptionKey;
use mdm_core::secret::Secret;
use mdm_core::x509::{Certificate, Name};
use serde::Serialize;

use crate::certificate::CertificateView;
use crate::detect::{self, Described, Found, LIMITS};
use crate::given::{Given, LEGACY, Verified};
use crate::name::{self, hex};
use crate::scep::{self, CaCertificatesView};

/// id-envelopedData, 1.2.840.113549.1.7.3.
const ENVELOPED_DATA: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x03]);
/// messageType of SCEP, 2.16.840.1.113733.1.9.2.
const MESSAGE_TYPE: Oid<'static> = Oid::from_content(&[0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x45, 0x01, 0x09, 0x02]);

/// A certificate as a message names it, and its subject where the message brings it along.
#[derive(Serialize)]
pub struct Named {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// In hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "subjectKeyIdentifierHex")]
    key_identifier: Option<String>,
}

impl Named {
    pub fn new(id: CertificateId<'_>, certificate: Option<&Certificate>) -> Self {
        let subject = certificate.map(|certificate| certificate.subject().to_string());
        let (issuer, serial, key_identifier) = match id {
            CertificateId::IssuerAndSerial { issuer, serial } => {
                let issuer = Name::from_der(issuer).map_or_else(|_| hex(issuer), |name| name.to_string());
                let magnitude = if let [0, rest @ ..] = serial { rest } else { serial };
                (Some(issuer), Some(hex(magnitude)), None)
            }
            CertificateId::SubjectKeyIdentifier(identifier) => (None, None, Some(hex(identifier))),
            _ => (None, None, None),
        };
        Named { subject, issuer, serial, key_identifier }
    }
}

/// One signature: whose, how, and whether it holds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedView {
    pub signer: Named,
    pub digest: &'static str,
    pub signature_algorithm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_time: Option<String>,
    pub signed_attributes: bool,
    #[serde(flatten)]
    pub verified: Verified,
}

impl SignedView {
    /// The one signer; `content` is `None` when nobody has it.
    pub fn of(signed: &SignedData, content: Option<&[u8]>, given: &Given) -> Result<Self, String> {
        let signer = signed.sole_signer().map_err(fault)?;
        let certificate = signed.signer_certificate(&signer);
        let policy = SignaturePolicy {
            legacy: LEGACY,
            without_signed_attributes: true,
            unsorted_attributes: true,
            missing_content_type: true,
        };
        let verified = match content {
            None => Verified::not("the signed content is not at hand (give it with --content)".into()),
            Some(content) => given.verify(in_message(certificate.as_ref()), |key| {
                signer.verify(content, key, &given.provider, &policy).map_err(fault)
            }),
        };
        Ok(SignedView {
            signer: Named::new(signer.id(), certificate.as_ref()),
            digest: name::digest(signer.digest_algorithm()),
            signature_algorithm: name::signature(signer.signature_algorithm()),
            signing_time: signer.signing_time().map_err(fault)?.map(|at| at.to_string()),
            signed_attributes: signer.signed_attributes().is_some(),
            verified,
        })
    }
}

/// The certificate that a message brings for its signer, as a candidate for [`Given::verify`].
pub fn in_message(certificate: Option<&Certificate>) -> Option<(&str, &mdm_core::crypto::PublicKey)> {
    certificate.map(|certificate| ("certificate in the message", certificate.public_key()))
}

pub fn fault(error: mdm_core::cms::Error) -> String {
    error.to_string()
}

/// Whether the bytes are DER already.
pub fn encoding(bytes: &[u8], der: &[u8]) -> &'static str {
    if bytes == der { "DER" } else { "BER" }
}

/// A detached signature over the body of a request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MdmSignatureView {
    encoding: &'static str,
    #[serde(flatten)]
    signed: SignedView,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

pub fn describe(bytes: &[u8], given: &Given) -> Result<Described, String> {
    let signed = match SignedData::parse(bytes, &LIMITS) {
        Ok(signed) => signed,
        Err(mdm_core::cms::Error::ContentType { .. }) => return describe_enveloped(bytes, given),
        Err(error) => return Err(fault(error)),
    };
    if signed.signers().len() == 0 {
        return CaCertificatesView::of(&signed, given).map(|list| Found::CaCertificates(list).into());
    }
    let of_scep = signed.sole_signer().ok().and_then(|signer| signer.signed_attributes());
    if of_scep.is_some_and(|attributes| attributes.iter().any(|attribute| attribute.oid == MESSAGE_TYPE)) {
        return scep::describe(bytes, given).map(|message| Found::ScepMessage(Box::new(message)).into());
    }
    match signed.content() {
        None => describe_detached(bytes, &signed, given).map(|view| Found::MdmSignature(view).into()),
        // A signed profile, or the next certificates of a CA.
        Some(content) => {
            let view = SignedView::of(&signed, Some(content), given)?;
            let inside =
                given.within(|| detect::describe(content, given)).map_err(|fault| format!("signed content that is {fault}"))?;
            Ok(Described { signed: Some(view), ..inside })
        }
    }
}

fn describe_detached(bytes: &[u8], signed: &SignedData, given: &Given) -> Result<MdmSignatureView, String> {
    let content = given.content.as_ref();
    let signed_view = SignedView::of(signed, content.map(|(_, body)| &body[..]), given)?;
    Ok(MdmSignatureView {
        encoding: encoding(bytes, signed.as_der()),
        signed: signed_view,
        content: content.map(|(file, _)| file.clone()),
    })
}

/// An envelope: how and to whom it is sealed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvelopeView {
    cipher: &'static str,
    recipients: Vec<RecipientView>,
    /// The key that opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_with: Option<String>,
}

#[derive(Serialize)]
struct RecipientView {
    #[serde(flatten)]
    id: Option<Named>,
    /// How the content key is encrypted to it.
    transport: &'static str,
    /// Rounds of PBKDF2, where that is by a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    iterations: Option<u32>,
}

impl RecipientView {
    fn of(recipient: RecipientInfo<'_>) -> Self {
        let (id, transport, iterations) = match recipient {
            RecipientInfo::KeyTransport { id, algorithm, .. } => (Some(id), name::transport(algorithm), None),
            RecipientInfo::KeyAgreement { id, known, .. } => (Some(id), name::agreement(known), None),
            RecipientInfo::Password { iterations } => (None, "a password, PBKDF2", Some(iterations)),
            _ => (None, "unsupported", None),
        };
        RecipientView { id: id.map(|id| Named::new(id, None)), transport, iterations }
    }
}

impl EnvelopeView {
    /// Reads what is inside with the first key that opens it to something that can be read.
    pub fn open<T>(envelope: &EnvelopedData, given: &Given, read: impl Fn(&[u8]) -> Option<T>) -> (Self, Option<T>) {
        let opened = given.keys.iter().find_map(|(file, key)| {
            let inside = envelope.recipients().find_map(|recipient| read(open(envelope, recipient, key, given)?.expose()))?;
            Some((format!("--key {file}"), inside))
        });
        let recipients = envelope.recipients().map(RecipientView::of).collect();
        let cipher = name::cipher(envelope.cipher());
        match opened {
            Some((key, inside)) => (EnvelopeView { cipher, recipients, opened_with: Some(key) }, Some(inside)),
            None => (EnvelopeView { cipher, recipients, opened_with: None }, None),
        }
    }
}

/// Tries a key on a recipient, whoever that is. A server must never search so (CVE-2019-1563): it would tell an attacker which key fits.
/// Here nobody asks from outside. With a wrong key the content key is random, and what comes out cannot be read.
fn open(envelope: &EnvelopedData, recipient: RecipientInfo<'_>, key: &dyn DecryptionKey, given: &Given) -> Option<Secret> {
    let RecipientInfo::KeyTransport { algorithm, wrapped, .. } = recipient else { return None };
    let mut substitute = vec![0; envelope.cipher()?.key_len()];
    given.provider.random.fill(&mut substitute).ok()?;
    let content_key = key.unwrap_key(algorithm?, wrapped, Secret::new(substitute)).ok()?;
    envelope.open_with_key(Some(content_key), &given.provider).ok()
}

/// An envelope by itself.
#[derive(Serialize)]
pub struct EnvelopedView {
    #[serde(flatten)]
    envelope: EnvelopeView,
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<Box<Described>>,
}

fn describe_enveloped(bytes: &[u8], given: &Given) -> Result<Described, String> {
    let envelope = EnvelopedData::parse(bytes, &LIMITS).map_err(|error| match error {
        mdm_core::cms::Error::ContentType { .. } => match content_type(bytes) {
            Some(ENVELOPED_DATA) | None => fault(error),
            Some(other) => format!("a CMS message of type {other}, which is not read, at byte 0"),
        },
        error => fault(error),
    })?;
    let (envelope, holds) = EnvelopeView::open(&envelope, given, |plain| given.within(|| detect::describe(plain, given)).ok());
    Ok(Found::EnvelopedData(EnvelopedView { envelope, holds: holds.map(Box::new) }).into())
}

fn content_type(bytes: &[u8]) -> Option<Oid<'_>> {
    Reader::new(bytes).sequence().ok()?.oid().ok()
}

/// The certificates of a message that holds nothing else.
pub fn certificates(signed: &SignedData, given: &Given) -> (Vec<CertificateView>, usize) {
    let read = |der| Certificate::from_der(der).ok().and_then(|certificate| CertificateView::of(&certificate, given).ok());
    let views: Vec<_> = signed.certificates().filter_map(read).collect();
    let unreadable = signed.certificates().len() - views.len();
    (views, unreadable)
}
