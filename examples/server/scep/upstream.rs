//! A proxy that ends the exchange: it opens a request and decides as a server does, and has another server issue.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Request;
use mdm_core::ca::{CertificateRecord, Holder, Recorded};
use mdm_core::crypto::{KeyKind, SignatureAlgorithm, SigningKey as _};
use mdm_core::id::{Revision, TenantId};
use mdm_core::limits::Limits;
use mdm_core::scep::proxy::{Relay, Relayed, Relaying};
use mdm_core::scep::{CaCertificates, Capabilities, CertPoll, Peer, Recipient, Reply, Transaction, client, media_type};
use mdm_core::x509::{Certificate, CsrTemplate, Name, Validity};
use serde::{Deserialize, Serialize};

use super::challenge::Settles;
use super::issue::{Entitled, PkiOperation, Stop};
use crate::authority;
use crate::failure::Failure;
use crate::host::{Host, now};
use crate::store::{Batch, Stored};
use crate::tenant::Upstream;

/// A server behind this one.
#[derive(Clone)]
struct Known {
    upstream: Upstream,
    server: client::Server,
    since: Instant,
}

/// The servers that were asked lately.
#[derive(Default)]
pub struct Servers(Mutex<HashMap<TenantId, Known>>);

/// For how long a server's certificates and capabilities are taken for granted.
const KNOWN_FOR: Duration = Duration::from_secs(600);

impl Servers {
    fn of(&self, host: &Host, tenant: &TenantId, upstream: &Upstream) -> Result<Known, Failure> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(tenant).filter(|known| known.upstream == *upstream && known.since.elapsed() < KNOWN_FOR)
        {
            return Ok(known.clone());
        }
        let known = learn(host, upstream)?;
        lock().insert(tenant.clone(), known.clone());
        Ok(known)
    }
}

/// Learns a server's certificates, which are believed because of the fingerprint in the tenant's settings, and what it can do.
fn learn(host: &Host, upstream: &Upstream) -> Result<Known, Failure> {
    let peer = if upstream.legacy { Peer::micromdm_server() } else { Peer::default() };
    let ask = |operation: &str| {
        let request = Request::get(format!("{}?operation={operation}", upstream.url)).body(Vec::new());
        Ok::<_, Failure>(host.send(request.map_err(Failure::conflict)?)?.into_body())
    };
    let certificates = CaCertificates::parse(&ask("GetCACert")?, &Limits::PKI).map_err(Failure::upstream)?;
    let fingerprint =
        unhex(&upstream.fingerprint).ok_or_else(|| Failure::conflict("the upstream has no CA fingerprint to check"))?;
    let pinned = certificates.pin(&fingerprint, &host.provider, &peer).map_err(Failure::upstream)?;
    let capabilities = Capabilities::parse(&ask("GetCACaps")?);
    let server = client::Server::new(pinned, capabilities, peer).map_err(Failure::upstream)?;
    Ok(Known { upstream: upstream.clone(), server, since: Instant::now() })
}

/// The certificate with which this server signs towards others, made when there is none or it is about to end. Its key is stored
/// with it, so that an answer which comes after a restart can still be opened.
fn signer(host: &Host) -> Result<Certificate, Failure> {
    const NAME: &str = "scep.proxy";
    const DAYS: i64 = 365;
    host.store.decide(|batch| {
        let stored = batch.secret(NAME)?.and_then(|pem| Certificate::from_pem(pem).ok());
        if let Some(signer) = stored.filter(|signer| now().plus_days(30) < signer.validity().not_after) {
            return Ok(signer);
        }
        let key = host.keys.make(batch, KeyKind::Rsa(2048))?;
        let name = Name::builder().common_name("SCEP proxy").build().map_err(Failure::internal)?;
        let csr = CsrTemplate::new(name, key.as_ref().public_key().clone());
        let csr =
            csr.to_be_signed(SignatureAlgorithm::RsaSha256, &host.provider).map_err(Failure::internal)?.sign_with(&*key)?;
        let validity = Validity { not_before: now().plus_days(-1), not_after: now().plus_days(DAYS) };
        let signer =
            client::Enrollment::self_signed(&csr, validity, &host.provider).map_err(Failure::internal)?.sign_with(&*key)?;
        batch.put_secret(NAME, signer.to_pem().as_bytes())?;
        Ok(signer)
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().filter(|digit| *digit != ':').map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let octets: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (digits.len().is_multiple_of(2) && !octets.is_empty()).then_some(octets)
}

/// A request that is pending at the server behind this one.
#[derive(Serialize, Deserialize)]
struct Pending {
    tenant: TenantId,
    relay: Relay,
    settles: Settles,
    revision: Revision,
}

impl Stored for Pending {
    const KIND: &'static str = "relayed request";

    fn key(&self) -> String {
        pending_key(&self.tenant, self.relay.held().transaction())
    }

    fn revision(&self) -> Revision {
        self.revision
    }
}

fn pending_key(tenant: &TenantId, transaction: &Transaction) -> String {
    format!("{tenant} {}", transaction.id().as_str())
}

impl PkiOperation<'_> {
    /// Whether a request waits at the server behind this one.
    pub(super) fn is_relayed(&self, transaction: &Transaction) -> Result<bool, Failure> {
        let key = pending_key(&self.tenant.id, transaction);
        self.host.store.read(|view| Ok(view.load::<Pending>(&key)?.is_some()))
    }

    /// Has the server behind this one issue.
    pub(super) fn ask_upstream(&self, upstream: &Upstream, entitled: Entitled) -> Result<Reply, Stop> {
        let known = self.host.upstreams.of(self.host, &self.tenant.id, upstream)?;
        let Entitled { authorized, settles, .. } = entitled;
        let (transaction, nonce) = (authorized.transaction(), authorized.replay_key());
        if !self.host.store.decide(|batch| self.first_or_same(batch, &nonce))? {
            return Ok(authorized.deny(mdm_core::scep::FailInfo::BadRequest).because("the nonce was used before"));
        }
        let signer = signer(self.host)?;
        let relaying = authorized.relay(signer.clone(), &self.host.provider)?;
        self.relay(relaying, &known, &signer, &transaction, &settles)
    }

    /// Asks the server behind this one again.
    pub(super) fn poll_upstream(&self, poll: CertPoll) -> Result<Reply, Stop> {
        let transaction = poll.transaction();
        let key = pending_key(&self.tenant.id, &transaction);
        let pending = self.host.store.read(|view| view.load::<Pending>(&key).map_err(Failure::from))?;
        match (pending, &self.tenant.scep.upstream) {
            (Some(pending), Some(upstream)) => {
                let known = self.host.upstreams.of(self.host, &self.tenant.id, upstream)?;
                let signer = pending.relay.enrollment().signer();
                self.relay(poll.relay(&pending.relay)?, &known, signer, &transaction, &pending.settles)
            }
            _ => Ok(poll.deny(mdm_core::scep::FailInfo::BadCertId).because("no request of this transaction waits here")),
        }
    }

    fn relay(
        &self,
        relaying: Relaying,
        known: &Known,
        signer: &Certificate,
        transaction: &Transaction,
        settles: &Settles,
    ) -> Result<Reply, Stop> {
        let host = self.host;
        let key = host.store.read(|view| host.keys.of(view, signer.public_key()))?;
        let (sent, message) = relaying.request(&known.server, &host.provider).map_err(Failure::internal)?;
        let message = message.sign_with(&*key).map_err(Failure::from)?;
        let url = format!("{}?operation=PKIOperation", known.upstream.url);
        let request = Request::post(url).header("content-type", media_type::PKI_MESSAGE).body(message);
        let answer = host.send(request.map_err(Failure::conflict)?)?;
        let recipient = Recipient { certificate: signer, key: &*key };
        let relayed = relaying.receive(&sent, answer.body(), &recipient, &known.server, &host.provider)?;
        match relayed {
            Relayed::Issued { reply, certificate } => {
                self.settle(settles, |batch| {
                    self.record(batch, &certificate)?;
                    settles.issued(batch, &self.tenant.id, transaction, &certificate)
                })?;
                eprintln!("scep: {} issued for {} to {}", known.upstream.url, self.tenant.id, certificate.subject());
                Ok(reply)
            }
            Relayed::Answered(reply) => {
                let reason = "the server behind this one has refused";
                self.settle(settles, |batch| settles.failed(batch, &self.tenant.id, transaction, reason))?;
                Ok(reply)
            }
            Relayed::Pending { reply, relay, .. } => {
                host.store.decide(|batch| {
                    let stored =
                        batch.load::<Pending>(&pending_key(&self.tenant.id, transaction))?.map(|stored| stored.revision);
                    let revision = stored.map_or(Revision::FIRST, Revision::next);
                    let (tenant, settles) = (self.tenant.id.clone(), settles.clone());
                    batch.put(&Pending { tenant, relay: (*relay).clone(), settles, revision }, stored)?;
                    Ok::<_, Failure>(())
                })?;
                Ok(reply)
            }
        }
    }

    /// Keeps a record of a certificate that another authority issued: with it the device may talk to this server.
    fn record(&self, batch: &mut Batch<'_>, certificate: &Certificate) -> Result<(), Failure> {
        if authority::record_of(self.host, batch, certificate)?.is_some() {
            return Ok(());
        }
        let holder = Holder { tenant: Some(self.tenant.id.clone()), ..Holder::default() };
        let authority = self.tenant.origin().authority;
        let recorded = Recorded { authority, own: None, certificate: certificate.clone(), holder };
        authority::keep_issued(self.host, batch, &CertificateRecord::record(recorded, now()))
    }
}
