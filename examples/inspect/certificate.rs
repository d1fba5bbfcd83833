//! Certificates, requests, lists of revoked certificates and private keys.

use mdm_core::asn1::{Oid, Reader, Tag};
use mdm_core::crypto::{DigestAlgorithm, SigningKey};
use mdm_core::keystore::private_key;
use mdm_core::push::{Environment, Topic};
use mdm_core::secret::Secret;
use mdm_core::x509::{Certificate, Csr, ExtendedKeyUsage, Extensions, GeneralName, KeyUsage, SubjectAlternativeNames, oid};
use serde::Serialize;

use crate::detect::Found;
use crate::given::{self, Given, LEGACY, Verified};
use crate::keystore::{self, POLICY, with_passwords};
use crate::name::{self, Key, hex};
use crate::pem::Block;

/// Whose a certificate is and what it is for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    subject: String,
    issuer: String,
    /// In hexadecimal.
    serial: String,
    not_before: String,
    not_after: String,
    key: Key,
    ca: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_length: Option<u32>,
    #[serde(flatten)]
    purposes: Purposes,
    signature_algorithm: &'static str,
    #[serde(flatten)]
    verified: Verified,
    sha256_hex: String,
}

/// What the extensions of a certificate or of a request say of names and uses.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Purposes {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    key_usage: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extended_key_usage: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subject_alternative_names: Vec<String>,
}

impl Purposes {
    fn of(extensions: &Extensions<'_>) -> Result<Self, String> {
        let find = |error: mdm_core::x509::Error| error.to_string();
        let usage = extensions.find::<KeyUsage>().map_err(find)?.unwrap_or_default();
        let purposes = extensions.find::<ExtendedKeyUsage>().map_err(find)?;
        let names = extensions.find::<SubjectAlternativeNames>().map_err(find)?;
        Ok(Purposes {
            key_usage: USAGES.iter().filter(|(bit, _)| usage.contains(*bit)).map(|(_, name)| *name).collect(),
            extended_key_usage: purposes.iter().flat_map(|list| list.purposes().map(purpose).collect::<Vec<_>>()).collect(),
            subject_alternative_names: names.iter().flat_map(|names| names.names.iter().map(general_name)).collect(),
        })
    }
}

const USAGES: [(KeyUsage, &str); 9] = [
    (KeyUsage::DIGITAL_SIGNATURE, "digitalSignature"),
    (KeyUsage::NON_REPUDIATION, "nonRepudiation"),
    (KeyUsage::KEY_ENCIPHERMENT, "keyEncipherment"),
    (KeyUsage::DATA_ENCIPHERMENT, "dataEncipherment"),
    (KeyUsage::KEY_AGREEMENT, "keyAgreement"),
    (KeyUsage::KEY_CERT_SIGN, "keyCertSign"),
    (KeyUsage::CRL_SIGN, "cRLSign"),
    (KeyUsage::ENCIPHER_ONLY, "encipherOnly"),
    (KeyUsage::DECIPHER_ONLY, "decipherOnly"),
];

fn purpose(purpose: Oid<'_>) -> String {
    match purpose {
        oid::ANY_PURPOSE => "any".into(),
        oid::SERVER_AUTH => "serverAuth".into(),
        oid::CLIENT_AUTH => "clientAuth".into(),
        oid::CODE_SIGNING => "codeSigning".into(),
        oid::EMAIL_PROTECTION => "emailProtection".into(),
        oid::OCSP_SIGNING => "OCSPSigning".into(),
        other => other.to_string(),
    }
}

fn general_name(name: &GeneralName) -> String {
    match name {
        GeneralName::Email(text) => format!("email:{text}"),
        GeneralName::Dns(text) => format!("dns:{text}"),
        GeneralName::Uri(text) => format!("uri:{text}"),
        GeneralName::Ip(address) => format!("ip:{address}"),
        GeneralName::Directory(name) => format!("directory:{name}"),
        GeneralName::UserPrincipalName(text) => format!("userPrincipalName:{text}"),
        GeneralName::Other(der) => format!("derHex:{}", hex(der)),
        _ => "unknown".into(),
    }
}

impl CertificateView {
    pub fn of(certificate: &Certificate, given: &Given) -> Result<Self, String> {
        let topic = Topic::of_subject(certificate.subject()).ok();
        let validity = certificate.validity();
        let own = certificate.is_self_issued().then(|| ("its own key", certificate.public_key()));
        let check = |key: &_| certificate.verify_signature(key, &given.provider, LEGACY).map_err(|error| error.to_string());
        Ok(CertificateView {
            environment: topic.as_ref().map(|_| Environment::of_certificate(certificate)),
            topic: topic.map(|topic| topic.to_string()),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: certificate.serial().to_string(),
            not_before: validity.not_before.to_string(),
            not_after: validity.not_after.to_string(),
            key: certificate.public_key().into(),
            ca: certificate.is_authority(),
            path_length: certificate.basic_constraints().and_then(|constraints| constraints.path_length),
            purposes: Purposes::of(&certificate.extensions())?,
            signature_algorithm: name::signature(certificate.signature_algorithm()),
            verified: given.verify(own, check),
            sha256_hex: hex(certificate.fingerprint(&given.provider, DigestAlgorithm::Sha256).as_ref()),
        })
    }
}

pub fn describe(der: &[u8], given: &Given) -> Result<Found, String> {
    let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
    let view = Box::new(CertificateView::of(&certificate, given)?);
    Ok(if view.topic.is_some() { Found::PushCertificate(view) } else { Found::Certificate(view) })
}

/// What a request asks for, and whether the asker has the key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CsrView {
    subject: String,
    key: Key,
    /// Whether there is a challengePassword, and how long it is.
    challenge: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge_bytes: Option<usize>,
    #[serde(flatten)]
    purposes: Purposes,
    signature_algorithm: &'static str,
    proof_of_possession: String,
}

impl CsrView {
    pub fn of(csr: &Csr, given: &Given) -> Result<Self, String> {
        let challenge = csr.challenge_password().map_err(|error| error.to_string())?;
        let proven = csr.verify(&given.provider, LEGACY);
        Ok(CsrView {
            subject: csr.subject().to_string(),
            key: csr.public_key().into(),
            challenge: challenge.is_some(),
            challenge_bytes: challenge.map(|secret| secret.len()),
            purposes: Purposes::of(&csr.extensions())?,
            signature_algorithm: name::signature(csr.signature_algorithm()),
            proof_of_possession: proven.map_or_else(|error| format!("not verified: {error}"), |_| "verified".into()),
        })
    }
}

pub fn describe_csr(der: &[u8], given: &Given) -> Result<Found, String> {
    let csr = Csr::from_der(der).map_err(|error| error.to_string())?;
    CsrView::of(&csr, given).map(Found::Csr)
}

/// A private key: what it is, never the key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrivateKeyView {
    encrypted: bool,
    /// Why an encrypted key was not opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    key: Option<Key>,
}

pub fn describe_der_key(der: &[u8], given: &Given) -> Result<Found, String> {
    let key = given::load(&Secret::from(der), &given.provider)?;
    let key = Some(SigningKey::public_key(&key).into());
    let view = PrivateKeyView { encrypted: false, reason: None, encoding: encoding(der), key };
    Ok(Found::PrivateKey(view))
}

pub fn describe_key(block: &Block, given: &Given) -> Result<Found, String> {
    if block.label.starts_with("ENCRYPTED") {
        return describe_encrypted(&block.der, given);
    }
    if block.header("DEK-Info").is_some() {
        let opened = with_passwords(given, |password| private_key(block.text.as_bytes(), password, &POLICY, &given.provider));
        let opened = opened.map_err(|error| keystore::reason(&error)).and_then(|der| given::load(&der, &given.provider));
        return Ok(Found::PrivateKey(PrivateKeyView::encrypted(opened.map(|key| SigningKey::public_key(&key).into()))));
    }
    describe_der_key(&block.der, given)
}

/// An encrypted PKCS#8.
pub fn describe_encrypted(der: &[u8], given: &Given) -> Result<Found, String> {
    keystore::open_pkcs8(der, given).map(PrivateKeyView::encrypted).map(Found::PrivateKey)
}

impl PrivateKeyView {
    fn encrypted(opened: Result<Key, String>) -> Self {
        let (key, reason) = opened.map_or_else(|reason| (None, Some(reason)), |key| (Some(key), None));
        PrivateKeyView { encrypted: true, reason, encoding: None, key }
    }
}

/// Behind the version PKCS#8 has an algorithm, PKCS#1 the modulus and SEC 1 the key's octets.
fn encoding(der: &[u8]) -> Option<&'static str> {
    let mut key = Reader::new(der).sequence().ok()?;
    key.small_integer().ok()?;
    match key.peek()? {
        Tag::SEQUENCE => Some("PKCS#8"),
        Tag::INTEGER => Some("PKCS#1"),
        _ => Some("SEC 1"),
    }
}
