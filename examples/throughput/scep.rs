//! The server's side of a SCEP transaction.

use mdm_core::ca::{Authority, IssuanceRequest, Profile, Service};
use mdm_core::crypto::{DigestAlgorithm, Provider, SoftwareKey};
use mdm_core::scep::{CaCertificates, Capabilities, Challenge, Peer, Received, Recipient, Request, Signer, client};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Certificate, Validity};

use crate::Result;
use crate::authority::{Owner, create, key, request};
use crate::counted::Counted;
use crate::measure::Workload;

const CHALLENGE: &str = "only for enrolled eyes";

/// What a server has.
struct Server {
    provider: Provider,
    authority: Authority,
    ca_key: Counted<SoftwareKey>,
    ra: Certificate,
    ra_key: Counted<SoftwareKey>,
    challenge: Secret,
    profile: Profile,
    now: Timestamp,
}

impl Server {
    fn new(provider: &Provider, authority: Owner, now: Timestamp) -> Result<Server> {
        let (ca_key, ra_key) = (key(provider, authority)?, key(provider, Owner::Registration)?);
        let authority = create(provider, &ca_key, Some(&ra_key), now)?;
        Ok(Server {
            provider: *provider,
            ra: authority.service(Service::Scep).ok_or("the authority has no SCEP certificate")?.clone(),
            authority,
            ca_key,
            ra_key,
            challenge: Secret::from(CHALLENGE),
            profile: Profile::device_identity(),
            now,
        })
    }

    /// The body of a PKIOperation in, the body of its answer out.
    fn pki_operation(&self, body: &[u8]) -> Result<Vec<u8>> {
        let received = Received::parse(body, &Peer::apple(), &self.provider)?;
        let Request::PkcsReq(request) = received.open(&Recipient { certificate: &self.ra, key: &self.ra_key })? else {
            return Err("the request is no PKCSReq".into());
        };
        let request = request.authorize(Challenge::Fixed(&self.challenge))?;
        let wanted = IssuanceRequest::new(request.csr(), request.transaction_id().as_str(), &self.profile);
        // A host stores what is reserved before it signs, and what is signed before it answers.
        let reserved = self.authority.reserve(&wanted, None, self.now, &self.provider)?;
        let issued = reserved.sign_with(&self.ca_key)?;
        let certificate = issued.record.certificate().ok_or("the certificate was not signed")?;
        Ok(request.grant(certificate)?.sign_with(&Signer { certificate: &self.ra, key: &self.ra_key })?)
    }
}

/// A whole transaction, by this authority.
pub fn transaction(provider: &Provider, authority: Owner, now: Timestamp) -> Result<Workload> {
    let server = Server::new(provider, authority, now)?;
    let body = ask_and_check(&server)?;
    let input = body.len();
    Ok(Workload {
        input,
        operation: Box::new(move || server.pki_operation(&body).map(|reply| drop(std::hint::black_box(reply)))),
    })
}

/// A device's request. What the server answers to it is opened once, before anything is measured.
fn ask_and_check(server: &Server) -> Result<Vec<u8>> {
    let provider = &server.provider;
    let device_key = key(provider, Owner::Device)?;
    let csr = request(provider, &device_key, Some(CHALLENGE))?;
    let validity = Validity { not_before: server.now.plus_days(-1), not_after: server.now.plus_days(1) };
    let signer = client::Enrollment::self_signed(&csr, validity, provider)?.sign_with(&device_key)?;
    let authority = server.authority.certificate()?.clone();
    let fingerprint = authority.fingerprint(provider, DigestAlgorithm::Sha256);
    let pinned = CaCertificates::registration(vec![server.ra.clone()], vec![authority])?;
    let pinned = pinned.pin(fingerprint.as_ref(), provider, &Peer::default())?;
    let known = client::Server::new(pinned, Capabilities::server(&Peer::apple()), Peer::default())?;

    let enrollment = client::Enrollment::first(csr, signer.clone(), provider)?;
    let (sent, message) = enrollment.request(&known, provider)?;
    let body = message.sign_with(&device_key)?;
    match sent.receive(&server.pki_operation(&body)?, &known, provider)? {
        client::Outcome::Granted(granted) => drop(granted.open(&Recipient { certificate: &signer, key: &device_key })?),
        client::Outcome::Denied { .. } | client::Outcome::Pending => return Err("the device got no certificate".into()),
    }
    Ok(body)
}
