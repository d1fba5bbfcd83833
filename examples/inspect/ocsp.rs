//! OCSP: questions and answers about certificates.

use mdm_core::limits::Limits;
use mdm_core::x509::{RevocationReason, ocsp};
use serde::Serialize;

use crate::detect::Found;
use crate::given::{Given, LEGACY, Verified};
use crate::name::{self, hex};

/// A question.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OcspRequestView {
    certificates: Vec<CertIdView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce_hex: Option<String>,
}

/// How OCSP names a certificate.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CertIdView {
    /// In hexadecimal.
    serial: String,
    digest: &'static str,
    /// The file of a given authority whose certificate it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
}

impl CertIdView {
    fn of(id: &ocsp::CertId, given: &Given) -> Self {
        let under = given.certificates.iter().find(|(_, ca)| id.is_under(&ocsp::Issuer::of(ca, &given.provider)));
        CertIdView {
            serial: id.serial().to_string(),
            digest: name::digest(id.algorithm()),
            authority: under.map(|(file, _)| format!("--cert {file}")),
        }
    }
}

/// An answer, or the error in its place.
#[derive(Serialize)]
#[serde(untagged)]
pub enum OcspResponseView {
    Error { status: String },
    Answer(Box<AnswerView>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerView {
    status: &'static str,
    responder: String,
    produced_at: String,
    answers: Vec<StatusView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce_hex: Option<String>,
    /// Certificates of the responder that came with it.
    certificates: usize,
    #[serde(flatten)]
    verified: Verified,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusView {
    #[serde(flatten)]
    certificate: CertIdView,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<RevocationReason>,
    this_update: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_update: Option<String>,
}

impl StatusView {
    fn of(answer: &ocsp::Answer, given: &Given) -> Self {
        let (status, revoked) = match answer.status {
            ocsp::Status::Good => ("good", None),
            ocsp::Status::Revoked { at, reason } => ("revoked", Some((at, reason))),
            ocsp::Status::NeverIssued => ("never issued", None),
            _ => ("unknown", None),
        };
        StatusView {
            certificate: CertIdView::of(&answer.id, given),
            status,
            revoked_at: revoked.map(|(at, _)| at.to_string()),
            reason: revoked.map(|(_, reason)| reason),
            this_update: answer.this_update.to_string(),
            next_update: answer.next_update.map(|at| at.to_string()),
        }
    }
}

/// What is read for showing: more than a responder on the open net takes.
const LIMITS: Limits = Limits::PKI;

pub fn describe_request(der: &[u8], given: &Given) -> Result<Found, String> {
    let request = ocsp::Request::from_der(der, &LIMITS).map_err(|error| error.to_string())?;
    Ok(Found::OcspRequest(OcspRequestView {
        certificates: request.ids().iter().map(|id| CertIdView::of(id, given)).collect(),
        nonce_hex: request.nonce().map(|nonce| hex(nonce.as_bytes())),
    }))
}

pub fn describe_response(der: &[u8], given: &Given) -> Result<Found, String> {
    let response = match ocsp::Response::from_der(der, &LIMITS).map_err(|error| error.to_string())? {
        Ok(response) => response,
        Err(status) => return Ok(Found::OcspResponse(OcspResponseView::Error { status: format!("{status:?}") })),
    };
    let holds = |ca| response.verify(ca, response.produced_at(), &given.provider, LEGACY);
    let verified = given.certificates.iter().find(|(_, ca)| holds(ca).is_ok());
    let verified = match verified {
        Some((file, _)) => Verified::against(format!("--cert {file}")),
        None if given.certificates.is_empty() => {
            Verified::not("the authority's certificate is not at hand (give it with --cert)".into())
        }
        None => Verified::not("it holds for no --cert".into()),
    };
    let responder = match response.responder() {
        ocsp::ResponderId::Name(name) => name.to_string(),
        ocsp::ResponderId::Key(key) => format!("key {}", hex(key.as_bytes())),
    };
    Ok(Found::OcspResponse(OcspResponseView::Answer(Box::new(AnswerView {
        status: "Successful",
        responder,
        produced_at: response.produced_at().to_string(),
        answers: response.answers().iter().map(|answer| StatusView::of(answer, given)).collect(),
        nonce_hex: response.nonce().map(|nonce| hex(nonce.as_bytes())),
        certificates: response.certificates().len(),
        verified,
    }))))
}
