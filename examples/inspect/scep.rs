//! SCEP messages and the certificates that a server hands out.

use mdm_core::asn1::{self, Reader};
use mdm_core::cms::SignedData;
use mdm_core::scep::{FailInfo, MessageType, Oddities, Peer, PkiMessage, PkiStatus};
use mdm_core::x509::{Csr, Name, SerialNumber};
use serde::Serialize;

use crate::certificate::{CertificateView, CsrView};
use crate::cms::{self, EnvelopeView, Named, encoding, in_message};
use crate::detect::LIMITS;
use crate::given::{Given, LEGACY, Verified};
use crate::name::{self, hex};

/// Everything is forgiven: this program shows what is there.
const PEER: Peer = Peer {
    legacy: LEGACY,
    limits: LIMITS,
    odd_nonces: true,
    missing_nonces: true,
    oddities: Oddities::ALL,
    signed_challenge: true,
    unsorted_attributes: true,
    missing_content_type: true,
    misnamed_recipient: true,
    any_key_usage: true,
    stray_content: true,
    expired_renewal: true,
};

/// A value that has a number on the wire.
#[derive(Serialize)]
struct Numbered {
    name: String,
    number: u32,
}

/// A request or a reply.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScepMessageView {
    encoding: &'static str,
    message_type: Numbered,
    #[serde(rename = "transactionID")]
    transaction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_nonce_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_nonce_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pki_status: Option<Numbered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_info: Option<Numbered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_info_text: Option<String>,
    /// How long a challenge among the signed attributes is.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_challenge_bytes: Option<usize>,
    signer: Named,
    digest: &'static str,
    signature_algorithm: &'static str,
    #[serde(flatten)]
    verified: Verified,
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope: Option<EnvelopeView>,
    #[serde(flatten)]
    inside: Option<Inside>,
}

/// What stands in the envelope.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Inside {
    Csr(CsrView),
    Certificates(Vec<CertificateView>),
    /// CertPoll: whose certificate is waited for.
    Awaits {
        issuer: String,
        subject: String,
    },
    /// GetCert and GetCRL.
    AsksFor {
        issuer: String,
        serial: String,
    },
    /// Opened, and not what belongs there: what is wrong with it.
    Unreadable(String),
}

pub fn describe(bytes: &[u8], given: &Given) -> Result<ScepMessageView, String> {
    let message = PkiMessage::parse(bytes, &PEER).map_err(|error| format!("a SCEP message: {error}"))?;
    let signer = message.signed_data().sole_signer().map_err(cms::fault)?;
    let certificate = message.signer_certificate();
    let verified = given.verify(in_message(certificate.as_ref()), |key| {
        message.verify(key, &given.provider, &PEER).map_err(|error| error.to_string())
    });
    let (envelope, inside) = match message.envelope(&PEER) {
        Ok(envelope) => {
            let read = |plain: &[u8]| Inside::read(message.message_type(), plain, given);
            let (view, inside) = EnvelopeView::open(&envelope, given, read);
            (Some(view), inside)
        }
        // Denials and delays have no envelope; some servers put an empty or odd content there.
        Err(_) if matches!(message.pki_status(), Some(PkiStatus::Failure | PkiStatus::Pending)) => (None, None),
        Err(error) => return Err(format!("a SCEP message whose envelope cannot be read: {error}")),
    };
    Ok(ScepMessageView {
        encoding: encoding(bytes, message.signed_data().as_der()),
        message_type: Numbered { name: message.message_type().to_string(), number: message.message_type().code() },
        transaction_id: message.transaction_id().to_string(),
        sender_nonce_hex: message.sender_nonce().map(|nonce| hex(nonce.as_bytes())),
        recipient_nonce_hex: message.recipient_nonce().map(|nonce| hex(nonce.as_bytes())),
        pki_status: message.pki_status().map(pki_status),
        fail_info: message.fail_info().map(fail_info),
        fail_info_text: message.fail_info_text().map(String::from),
        signed_challenge_bytes: message.signed_challenge().map(|secret| secret.len()),
        signer: Named::new(signer.id(), certificate.as_ref()),
        digest: name::digest(signer.digest_algorithm()),
        signature_algorithm: name::signature(signer.signature_algorithm()),
        verified,
        envelope,
        inside,
    })
}

fn pki_status(status: PkiStatus) -> Numbered {
    let name = match status {
        PkiStatus::Success => "SUCCESS",
        PkiStatus::Failure => "FAILURE",
        PkiStatus::Pending => "PENDING",
    };
    Numbered { name: name.into(), number: status.code() }
}

fn fail_info(reason: FailInfo) -> Numbered {
    let name = match reason {
        FailInfo::BadAlg => "badAlg",
        FailInfo::BadMessageCheck => "badMessageCheck",
        FailInfo::BadRequest => "badRequest",
        FailInfo::BadTime => "badTime",
        FailInfo::BadCertId => "badCertId",
    };
    Numbered { name: name.into(), number: reason.code() }
}

impl Inside {
    /// Reads what a key opened. `None` is the sign of a wrong key: what comes out is no ASN.1.
    fn read(message_type: MessageType, plain: &[u8], given: &Given) -> Option<Self> {
        asn1::to_der(plain, &LIMITS).ok()?;
        let inside = match message_type {
            MessageType::CertRep => Self::certificates(plain, given),
            MessageType::CertPoll => Self::poll(plain),
            MessageType::GetCert | MessageType::GetCrl => Self::lookup(plain),
            _ => Self::csr(plain, given),
        };
        Some(inside.unwrap_or_else(Inside::Unreadable))
    }

    fn csr(plain: &[u8], given: &Given) -> Result<Self, String> {
        let csr = Csr::from_der(plain).map_err(|error| error.to_string())?;
        CsrView::of(&csr, given).map(Inside::Csr)
    }

    fn certificates(plain: &[u8], given: &Given) -> Result<Self, String> {
        let signed = SignedData::parse(plain, &LIMITS).map_err(cms::fault)?;
        Ok(Inside::Certificates(cms::certificates(&signed, given).0))
    }

    fn poll(plain: &[u8]) -> Result<Self, String> {
        let read = |inner: &mut Reader<'_>| Ok((Name::read(inner)?, Name::read(inner)?));
        let (issuer, subject) = two(plain, read).map_err(|error| error.to_string())?;
        Ok(Inside::Awaits { issuer: issuer.to_string(), subject: subject.to_string() })
    }

    fn lookup(plain: &[u8]) -> Result<Self, String> {
        let read = |inner: &mut Reader<'_>| Ok((Name::read(inner)?, SerialNumber::read(inner)?));
        let (issuer, serial) = two(plain, read).map_err(|error| error.to_string())?;
        Ok(Inside::AsksFor { issuer: issuer.to_string(), serial: serial.to_string() })
    }
}

/// A SEQUENCE of two things that fills the input.
fn two<T>(plain: &[u8], read: impl Fn(&mut Reader<'_>) -> Result<T, asn1::Error>) -> Result<T, asn1::Error> {
    let mut outer = Reader::new(plain);
    let mut inner = outer.sequence()?;
    outer.finish()?;
    let found = read(&mut inner)?;
    inner.finish()?;
    Ok(found)
}

/// A message of certificates alone: the answer to GetCACert, or what a CertRep seals.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaCertificatesView {
    certificates: Vec<CertificateView>,
    #[serde(skip_serializing_if = "is_zero")]
    unreadable: usize,
    #[serde(skip_serializing_if = "is_zero")]
    revocation_lists: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl CaCertificatesView {
    pub fn of(signed: &SignedData, given: &Given) -> Result<Self, String> {
        let (certificates, unreadable) = cms::certificates(signed, given);
        let revocation_lists = signed.crls().len();
        if certificates.is_empty() && revocation_lists == 0 {
            return Err("a CMS message without signers and without a certificate or list that can be read, at byte 0".into());
        }
        Ok(CaCertificatesView { certificates, unreadable, revocation_lists })
    }
}
