//! `/scep` and `/scep/legacy`: from a request to a certificate.

use axum::http::StatusCode;
use mdm_core::ca::{self, Authority, CertificateRecord, IssuanceRequest, Profile, Service};
use mdm_core::crypto::DigestAlgorithm;
use mdm_core::limits::Limits;
use mdm_core::scep::{
    Authorized, CaCertificates, Capabilities, Challenge, FailInfo, Operation, Peer, Received, Recipient, Refused,
    RenewalAuthority, RenewalReq, ReplayKey, Reply, Request, Signer, media_type,
};
use mdm_core::secret::Secret;
use mdm_core::x509::{Certificate, SerialNumber, Standing};

use crate::host::{self, AUTHORITY, Failure, Host};
use crate::{Answer, mdm};

/// Which path a client came by.
#[derive(Clone, Copy)]
pub enum Door {
    /// AES and SHA-256.
    Strict,
    /// Single DES and SHA-1 besides, as micromdm's client speaks them.
    Legacy,
}

impl Door {
    fn peer(self) -> Peer {
        match self {
            Door::Strict => Peer::apple(),
            Door::Legacy => Peer::micromdm_client(),
        }
    }
}

/// `GET /scep?operation=...`
pub fn get(host: &Host, query: &str, door: Door) -> Result<Answer, Failure> {
    let operation = Operation::from_query(query, &Limits::PKI)
        .map_err(|error| Failure::refused(StatusCode::BAD_REQUEST, error.to_string()))?;
    match operation {
        Operation::GetCaCaps { .. } => Ok(Answer::ok(media_type::CAPABILITIES, Capabilities::server(&door.peer()).to_string())),
        Operation::GetCaCert { .. } => {
            let authority = host.store.decide(|batch| host.authority(batch))?;
            let ra = ra_certificate(&authority)?.clone();
            let certificates = CaCertificates::registration(vec![ra], vec![authority.certificate()?.clone()]);
            let (content_type, body) = certificates.map_err(Failure::internal)?.to_body();
            Ok(Answer::ok(content_type, body))
        }
        Operation::GetNextCaCert { .. } => {
            Err(Failure::refused(StatusCode::NOT_FOUND, "there is no next CA certificate; the capability is not advertised"))
        }
        Operation::PkiOperation { message: Some(message) } => post(host, &message, door),
        Operation::PkiOperation { message: None } => {
            Err(Failure::refused(StatusCode::BAD_REQUEST, "PKIOperation by GET carries its message in the query"))
        }
    }
}

/// `POST /scep`: the body is a pkiMessage, and so is the answer.
pub fn post(host: &Host, body: &[u8], door: Door) -> Result<Answer, Failure> {
    let authority = host.store.decide(|batch| host.authority(batch))?;
    let certificate = ra_certificate(&authority)?;
    let operation = PkiOperation { host, authority: &authority, certificate, body };
    let reply = match operation.decide(&door.peer()) {
        Ok(reply) => reply,
        Err(Stop::Failed(failure)) => return Err(failure),
        Err(Stop::Refused(refused)) => answer_refusal(refused)?,
    };
    if let Some(reason) = reply.fail_info() {
        eprintln!("scep: FAILURE {reason:?}");
    }
    let signed = reply.sign_with(&Signer { certificate, key: &host.scep_key }).map_err(Failure::internal)?;
    Ok(Answer::ok(media_type::PKI_MESSAGE, signed))
}

/// A request that named a transaction is answered in it; what is no SCEP request at all gets an HTTP status.
fn answer_refusal(refused: Refused) -> Result<Reply, Failure> {
    let log = format!("scep: {}", refused.error());
    let status = StatusCode::from_u16(refused.error().http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    match refused.into_reply() {
        Some(reply) => {
            eprintln!("{log}");
            Ok(reply)
        }
        None => Err(Failure { status, reason: "not a SCEP request that can be read".into(), log }),
    }
}

fn ra_certificate(authority: &Authority) -> Result<&Certificate, Failure> {
    authority.service(Service::Scep).ok_or_else(|| Failure::internal("the authority has no SCEP certificate"))
}

/// Why a request ends without a certificate.
enum Stop {
    /// The client's doing; it gets a FAILURE.
    Refused(Refused),
    /// This server's doing; it gets an HTTP status and may come again.
    Failed(Failure),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Stop {
        Stop::Refused(refused)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

struct PkiOperation<'a> {
    host: &'a Host,
    authority: &'a Authority,
    certificate: &'a Certificate,
    body: &'a [u8],
}

impl PkiOperation<'_> {
    fn decide(&self, peer: &Peer) -> Result<Reply, Stop> {
        let received = Received::parse(self.body, peer, &self.host.provider)?;
        let nonce = received.replay_key();
        match received.open(&Recipient { certificate: self.certificate, key: &self.host.scep_key })? {
            Request::PkcsReq(request) => {
                let challenge = Secret::from(self.host.config.challenge.as_str());
                self.issue(request.authorize(Challenge::Fixed(&challenge))?, None, &nonce)
            }
            Request::RenewalReq(request) => {
                let renews = *request.renewal_of().serial();
                let standing = self.standing(&request)?;
                let issuers = [self.authority.certificate().map_err(Failure::from)?.clone()];
                let authority = RenewalAuthority { issuers: &issuers, standing, now: host::now() };
                self.issue(request.authorize(&authority)?, Some(renews), &nonce)
            }
            other => Ok(other.deny(FailInfo::BadRequest).because("this server decides at once and keeps nothing to poll for")),
        }
    }

    /// What the certificate that asks to be renewed is worth: only one that is on record, byte for byte, is worth anything.
    fn standing(&self, request: &RenewalReq) -> Result<Standing, Failure> {
        let signer = request.renewal_of();
        let record = self
            .host
            .store
            .decide(|batch| batch.load::<CertificateRecord>(&signer.serial().to_string()).map_err(Failure::from))?;
        Ok(match record {
            Some(record) if record.certificate() == Some(signer) => record.standing(host::now()),
            _ => Standing::NotIssued,
        })
    }

    /// Reserve, store, sign, store, answer: whatever is cut off between two of these is finished by the next request or start.
    fn issue(&self, authorized: Authorized, renews: Option<SerialNumber>, nonce: &ReplayKey) -> Result<Reply, Stop> {
        let (host, provider) = (self.host, &self.host.provider);
        let profile = Profile::device_identity();
        let transaction = authorized.transaction_id().as_str().to_owned();
        let wanted = IssuanceRequest { renews, ..IssuanceRequest::new(authorized.csr(), &transaction, &profile) };
        let digest = host::hex(provider.digest(DigestAlgorithm::Sha256, self.body).as_ref());
        let reserved = host.store.decide(|batch| {
            // Only who is entitled to a certificate gets a nonce remembered: a stranger fills no database. The very same message may
            // come again, and gets the same answer.
            if !batch.first_or_same(nonce.as_str(), &digest)? {
                return Ok(Err("the nonce was used before".to_owned()));
            }
            let answered = batch.load_alias::<CertificateRecord>(&transaction)?;
            let reserved = match self.authority.reserve(&wanted, answered.as_ref(), host::now(), provider) {
                Ok(reserved) => reserved,
                Err(ca::Error::Refused(refusal)) => return Ok(Err(refusal.to_string())),
                Err(error) => return Err(Failure::from(error)),
            };
            batch.keep(reserved.change())?;
            Ok(Ok(reserved))
        })?;
        let reserved = match reserved {
            Ok(reserved) => reserved,
            Err(refusal) => {
                eprintln!("scep: transaction {transaction}: {refusal}");
                return Ok(authorized.deny(FailInfo::BadRequest).because(&refusal));
            }
        };
        let issued = reserved.sign_with(&host.ca_key).map_err(Failure::from)?;
        let renewed = authorized.signer().clone();
        host.store.decide(|batch| {
            host::keep_issued(host, batch, &issued)?;
            match (renews, issued.record.certificate()) {
                (Some(_), Some(certificate)) => mdm::announce_renewal(host, batch, &renewed, certificate),
                _ => Ok(()),
            }
        })?;
        let certificate = issued.record.certificate().ok_or_else(|| Failure::internal("the certificate was not signed"))?;
        eprintln!("scep: {AUTHORITY} issued {} to {}", certificate.serial(), certificate.subject());
        Ok(authorized.grant(certificate)?)
    }
}
