//! What some bytes are: the one place that tells the kinds apart.
//!
//! ```text
//! bytes ─┬─ property list ─► message
//!        ├─ JSON object ─► document
//!        ├─ PEM ─► each block by its label
//!        ├─ 30 .. ─► by the shape of the outermost SEQUENCE: certificate, csr, crl, cms, ocsp, private key, key store
//!        ├─ FE ED FE ED, CE CE CE CE ─► a Java key store
//!        ├─ Base64 of 30 .. or of a property list ─► the same
//!        └─ words of GetCACaps
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::asn1::{self, Reader, Tag};
use mdm_core::limits::Limits;
use mdm_core::plist;
use mdm_core::scep::Capabilities;
use serde::Serialize;

use crate::certificate::{self, CertificateView, CsrView, PrivateKeyView};
use crate::cms::{self, EnvelopedView, MdmSignatureView, SignedView};
use crate::crl::{self, CrlView};
use crate::document::{self, DeclarationView, DocumentView, JsonView, PushNotificationView, StatusReportView};
use crate::given::Given;
use crate::keystore::{self, KeyStoreView};
use crate::message::{CheckInView, CommandView, PlistView, ProfileView, ReportView};
use crate::name::hex;
use crate::ocsp::{self, OcspRequestView, OcspResponseView};
use crate::pem::{self, Block};
use crate::scep::{CaCertificatesView, ScepMessageView};
use crate::vendor::{self, SignedRequestView};

/// A file, or a part of one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    #[serde(flatten)]
    pub found: Found,
    /// The file holds the Base64 of it.
    #[serde(skip_serializing_if = "is_false")]
    pub base64: bool,
    /// Who signed it, when it came inside a SignedData.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedView>,
    /// The further blocks of a PEM text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub followed_by: Vec<Described>,
}

impl From<Found> for Described {
    fn from(found: Found) -> Self {
        Described { found, base64: false, signed: None, followed_by: Vec::new() }
    }
}

fn is_false(truth: &bool) -> bool {
    !truth
}

/// The kinds.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Found {
    CheckIn(CheckInView),
    Report(ReportView),
    Command(CommandView),
    CheckInAnswer(DocumentView),
    Profile(ProfileView),
    MachineInfo(DocumentView),
    ErrorBody(DocumentView),
    AppManifest(DocumentView),
    PasswordHash(DocumentView),
    EnrollmentSsoDocument(DocumentView),
    Declaration(DeclarationView),
    DeclarationItems(DocumentView),
    SyncTokens(DocumentView),
    StatusReport(StatusReportView),
    StatusItems(DocumentView),
    Credential(DocumentView),
    DeclarationPayload(DocumentView),
    PushNotification(PushNotificationView),
    Json(JsonView),
    Plist(PlistView),
    ScepMessage(Box<ScepMessageView>),
    CaCertificates(CaCertificatesView),
    CaCapabilities(CapabilitiesView),
    Certificate(Box<CertificateView>),
    PushCertificate(Box<CertificateView>),
    Csr(CsrView),
    Crl(CrlView),
    MdmSignature(MdmSignatureView),
    EnvelopedData(EnvelopedView),
    PrivateKey(PrivateKeyView),
    KeyStore(KeyStoreView),
    OcspRequest(OcspRequestView),
    OcspResponse(OcspResponseView),
    PushCertificateRequest(Box<SignedRequestView>),
}

/// The answer to GetCACaps.
#[derive(Serialize)]
pub struct CapabilitiesView {
    capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<String>,
}

/// Limits for CMS and ASN.1: deep as a certificate, long as a message, since signed profiles are long.
pub const LIMITS: Limits = Limits::PKI.bytes(Limits::MESSAGE.max_bytes).items(Limits::MESSAGE.max_items);

/// Says what the bytes are, or why they cannot be read.
pub fn describe(bytes: &[u8], given: &Given) -> Result<Described, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("nothing but whitespace, at byte 0".into());
    }
    if is_property_list(bytes) {
        let value = plist::parse(bytes, &Limits::MESSAGE).map_err(|error| format!("a property list: {error}"))?;
        if value.as_dictionary().is_some_and(|entries| entries.get("PushCertRequestCSR").is_some()) {
            return vendor::describe(bytes, given).map(Described::from);
        }
        return crate::message::describe(value, bytes.starts_with(b"bplist")).map(Described::from);
    }
    if pem::is_pem(bytes) {
        return describe_pem(bytes, given);
    }
    if bytes.first() == Some(&Tag::SEQUENCE.octet()) {
        return describe_der(bytes, given);
    }
    if let Some(format) = keystore::java(bytes) {
        return keystore::describe(bytes, format, given).map(Described::from);
    }
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        return document::describe_json(bytes).map(Described::from);
    }
    describe_text(bytes, given)
}

/// Binary by its magic; XML by its first sign, or by an element `plist` behind text that spoils the beginning.
fn is_property_list(bytes: &[u8]) -> bool {
    let start = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let utf_16 = bytes.starts_with(b"\xFE\xFF") || bytes.starts_with(b"\xFF\xFE");
    bytes.starts_with(b"bplist") || start.first() == Some(&b'<') || utf_16 || names_plist(&bytes[..bytes.len().min(4096)])
}

/// A signed property list has the element too, but no text before it.
fn names_plist(head: &[u8]) -> bool {
    let at = head.windows(6).position(|window| window == b"<plist");
    let before = at.and_then(|at| std::str::from_utf8(&head[..at]).ok());
    before.is_some_and(|text| text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace()))
}

fn describe_pem(bytes: &[u8], given: &Given) -> Result<Described, String> {
    let mut blocks = pem::blocks(bytes)?;
    // OpenSSL writes the curve before a key that names it too.
    blocks.retain(|block| block.label != "EC PARAMETERS");
    let mut described = Vec::new();
    for block in &blocks {
        let place = |fault| format!("the PEM block \"{}\" at byte {}: {fault}", block.label, block.at);
        described.push(describe_block(block, given).map_err(place)?);
    }
    let mut described = described.into_iter();
    let mut first = described.next().ok_or("a PEM text without a block that is read")?;
    first.followed_by = described.collect();
    Ok(first)
}

fn describe_block(block: &Block, given: &Given) -> Result<Described, String> {
    let der = &block.der[..];
    match block.label.as_str() {
        "CERTIFICATE" | "X509 CERTIFICATE" => certificate::describe(der, given).map(Described::from),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => certificate::describe_csr(der, given).map(Described::from),
        "X509 CRL" => crl::describe(der, given).map(Described::from),
        "PKCS7" | "CMS" => cms::describe(der, given),
        label if label.ends_with("PRIVATE KEY") => certificate::describe_key(block, given).map(Described::from),
        _ => Err("a label that is not read".into()),
    }
}

/// What the outermost SEQUENCE begins with.
enum Shape {
    Certificate,
    Csr,
    Crl,
    ContentInfo,
    PrivateKey,
    EncryptedPrivateKey,
    Pkcs12,
    OcspRequest,
    OcspResponse,
    Other(&'static str),
}

fn describe_der(bytes: &[u8], given: &Given) -> Result<Described, String> {
    // Certificates and their kin are DER in the field, and long lists need no copy; only CMS comes in BER.
    let shape = match shape(bytes) {
        Ok(shape) => shape,
        Err(_) => {
            let der = asn1::to_der(bytes, &LIMITS).map_err(|error| format!("ASN.1 that cannot be read: {error}"))?;
            shape(&der).map_err(|error| format!("ASN.1 of no known shape: {error}"))?
        }
    };
    match shape {
        Shape::Certificate => certificate::describe(bytes, given).map(Described::from),
        Shape::Csr => certificate::describe_csr(bytes, given).map(Described::from),
        Shape::Crl => crl::describe(bytes, given).map(Described::from),
        Shape::ContentInfo => cms::describe(bytes, given),
        Shape::PrivateKey => certificate::describe_der_key(bytes, given).map(Described::from),
        Shape::EncryptedPrivateKey => certificate::describe_encrypted(bytes, given).map(Described::from),
        Shape::Pkcs12 => keystore::describe(bytes, "PKCS#12", given).map(Described::from),
        Shape::OcspRequest => ocsp::describe_request(bytes, given).map(Described::from),
        Shape::OcspResponse => ocsp::describe_response(bytes, given).map(Described::from),
        Shape::Other(what) => Err(format!("{what}, at byte 0")),
    }
}

/// Looks at the first few tags, which tell the structures apart.
fn shape(der: &[u8]) -> Result<Shape, asn1::Error> {
    let mut outer = Reader::new(der).sequence()?;
    if outer.peek() == Some(Tag::OID) {
        return Ok(Shape::ContentInfo);
    }
    if outer.peek() == Some(Tag::INTEGER) {
        return Ok(match outer.small_integer()? {
            3 => Shape::Pkcs12,
            _ => Shape::PrivateKey,
        });
    }
    if outer.peek() == Some(Tag::ENUMERATED) {
        return Ok(Shape::OcspResponse);
    }
    let mut part = outer.sequence()?;
    match (part.peek(), outer.peek()) {
        (Some(Tag::OID), Some(Tag::BIT_STRING)) => return Ok(Shape::Other("a public key alone, which is not read")),
        (Some(Tag::OID), Some(Tag::OCTET_STRING)) => return Ok(Shape::EncryptedPrivateKey),
        _ => {}
    }
    // What is signed elsewhere has an algorithm behind it; a request to a responder has not, but for a rare signature in [0].
    if outer.peek().is_none_or(|tag| tag.octet() == 0xA0) {
        return Ok(Shape::OcspRequest);
    }
    if part.peek() != Some(Tag::INTEGER) && part.peek() != Some(Tag::SEQUENCE) {
        // A version in [0], or something that a certificate's reader will tell about.
        return Ok(Shape::Certificate);
    }
    part.optional(Tag::INTEGER)?;
    // An AlgorithmIdentifier begins with its identifier, a name with a SET. A request has the name first.
    if part.sequence()?.peek() != Some(Tag::OID) {
        return Ok(Shape::Csr);
    }
    // Behind the issuer's name a certificate has its validity, a list its time.
    part.sequence()?;
    Ok(if part.peek() == Some(Tag::SEQUENCE) { Shape::Certificate } else { Shape::Crl })
}

fn describe_text(bytes: &[u8], given: &Given) -> Result<Described, String> {
    let words = Capabilities::parse(bytes);
    let lines = || bytes.split(|octet| *octet == b'\n').map(|line| line.trim_ascii()).filter(|line| !line.is_empty());
    let word = |line: &[u8]| line.len() <= 64 && line.iter().all(u8::is_ascii_graphic);
    if words != Capabilities::default() && lines().all(word) {
        let capabilities: Vec<_> = words.iter().map(|capability| capability.keyword()).collect();
        let unknown = lines().map(|line| String::from_utf8_lossy(line).into_owned());
        let unknown = unknown.filter(|line| !capabilities.contains(&line.as_str())).collect();
        return Ok(Found::CaCapabilities(CapabilitiesView { capabilities, unknown }).into());
    }
    // The Base64 of a SEQUENCE begins with M, that of `<?xml` and `<plist` with P, that of `bplist` with Y.
    if matches!(bytes.trim_ascii_start().first(), Some(b'M' | b'P' | b'Y')) {
        let text: Vec<u8> = bytes.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
        let held = STANDARD.decode(text).ok();
        if let Some(held) = held.filter(|held| held.first() == Some(&Tag::SEQUENCE.octet()) || is_property_list(held)) {
            let described = given.within(|| describe(&held, given));
            let described = described.map_err(|fault| format!("Base64 (bytes are counted behind it) of {fault}"))?;
            return Ok(Described { base64: true, ..described });
        }
    }
    let what = match (std::str::from_utf8(bytes), bytes.trim_ascii_start().first()) {
        (Err(_), _) => "neither a property list nor PEM, DER or Base64 of DER",
        (Ok(_), Some(b'[')) => "JSON whose root is an array, which no document of the protocol is",
        (Ok(_), _) => "a text that is no property list, PEM, Base64 of DER or answer to GetCACaps",
    };
    let start = hex(&bytes[..bytes.len().min(8)]);
    Err(format!("{what}; it begins with {start} at byte 0"))
}
