//! One PKIOperation: what is asked, who may ask it, and the certificate.

use mdm_core::ca::{self, Authority, CertificateRecord, Holder, IssuanceRequest, Profile, Reserved};
use mdm_core::crypto::{DigestAlgorithm, SoftwareKey};
use mdm_core::scep::{
    Authorized, CertPoll, Challenge, FailInfo, GetCert, GetCrl, Peer, PkcsReq, Received, Recipient, Refused, RenewalAuthority,
    RenewalReq, ReplayKey, Reply, Request, Transaction,
};
use mdm_core::x509::{Certificate, SerialNumber, Standing};

use super::challenge::{self, Settles};
use super::hold::{self, DENIED, Decision, Hold};
use super::judge;
use crate::authority;
use crate::failure::{Failure, again};
use crate::host::{Host, hex, now};
use crate::kept::transaction_alias;
use crate::records::keep_ca;
use crate::revocation;
use crate::store::Batch;
use crate::tenant::{Approval, Tenant};

/// Why a request ends without a certificate.
pub enum Stop {
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

/// A request in this server's hands.
pub struct PkiOperation<'a> {
    /// The server.
    pub host: &'a Host,
    /// At whose door it came.
    pub tenant: &'a Tenant,
    /// Who issues.
    pub authority: &'a Authority,
    /// What the client encrypted to.
    pub certificate: &'a Certificate,
    /// Its key.
    pub key: &'a SoftwareKey,
    /// The message.
    pub body: &'a [u8],
}

/// What a certificate is issued for.
pub struct Entitled {
    /// Who may have one.
    pub authorized: Authorized,
    /// The certificate that it renews.
    pub renews: Option<SerialNumber>,
    /// What is settled with it.
    pub settles: Settles,
    /// Whom it is for, as far as that is known.
    pub holder: Holder,
}

impl PkiOperation<'_> {
    /// Decides on the message.
    pub fn decide(&self, peer: &Peer) -> Result<Reply, Stop> {
        let received = Received::parse(self.body, peer, &self.host.provider)?;
        match received.open(&Recipient { certificate: self.certificate, key: self.key })? {
            // Older clients renew with a PKCSReq that is signed by the certificate they have.
            Request::PkcsReq(request) if self.is_in_force(request.signer())? => self.renew(request.into_renewal()),
            Request::PkcsReq(request) => self.enrol(request),
            Request::RenewalReq(request) => self.renew(request),
            Request::CertPoll(poll) => self.poll(poll),
            Request::GetCert(request) => self.certificate_of(request),
            Request::GetCrl(request) => self.crl_of(request),
        }
    }

    /// A first certificate: for who knows the challenge, and when an operator wants to look, for whom the operator accepts.
    fn enrol(&self, request: PkcsReq) -> Result<Reply, Stop> {
        let transaction = request.transaction();
        let hold = self.host.store.read(|view| hold::load(view, &self.tenant.id, transaction.id()))?;
        // A client that does not know how to poll sends its request again.
        if let Some(hold) = hold.filter(|hold| hold.is_for(&transaction, request.csr())) {
            return match hold.decision {
                Decision::Pending => Ok(request.hold().1),
                Decision::Denied => Ok(request.deny(FailInfo::BadRequest).because(DENIED)),
                Decision::Granted => {
                    let authorized = request.authorize(Challenge::AcceptedByHost)?;
                    self.grant(Entitled { authorized, renews: None, settles: hold.settles, holder: self.holder() })
                }
            };
        }
        let (authorized, settles) = challenge::authorize(self.host, self.tenant, request)?;
        if self.tenant.scep.approval == Approval::Automatic {
            return self.grant(Entitled { authorized, renews: None, settles, holder: self.holder() });
        }
        let (held, reply) = authorized.hold();
        let hold = Hold::new(&self.tenant.id, held, settles, now());
        self.host.store.decide(|batch| hold.keep(self.host, batch))?;
        Ok(reply)
    }

    /// A new certificate for the holder of one.
    fn renew(&self, request: RenewalReq) -> Result<Reply, Stop> {
        let renews = *request.renewal_of().serial();
        let record = self.renewed_by(request.renewal_of())?;
        let standing = authority::standing(record.as_ref(), &self.tenant.id);
        let issuers: Vec<Certificate> =
            self.authority.generations().iter().map(|generation| generation.certificate.clone()).collect();
        let entitled = RenewalAuthority { issuers: &issuers, standing, now: now() };
        let authorized = request.authorize(&entitled)?;
        let holder = record.map_or_else(|| self.holder(), |record| record.holder().clone());
        self.grant(Entitled { authorized, renews: Some(renews), settles: Settles::Nothing, holder })
    }

    /// The record of the certificate that signed a request, when it is one of ours.
    fn renewed_by(&self, signer: &Certificate) -> Result<Option<CertificateRecord>, Failure> {
        self.host.store.read(|view| authority::record_of(self.host, view, signer))
    }

    /// Whether a certificate is one of ours, of this tenant, and good.
    fn is_in_force(&self, certificate: &Certificate) -> Result<bool, Failure> {
        let record = self.renewed_by(certificate)?;
        Ok(authority::standing(record.as_ref(), &self.tenant.id) == Standing::InForce)
    }

    /// Whether a request that was pending has been decided.
    fn poll(&self, poll: CertPoll) -> Result<Reply, Stop> {
        let transaction = poll.transaction();
        let hold = self.host.store.read(|view| hold::load(view, &self.tenant.id, transaction.id()))?;
        let Some(hold) = hold.filter(|hold| *hold.request.transaction() == transaction) else {
            return self.poll_upstream(poll);
        };
        match hold.decision {
            Decision::Pending => Ok(poll.still_pending()),
            Decision::Denied => Ok(poll.deny(FailInfo::BadRequest).because(DENIED)),
            // What was granted may be pending at the server behind this one.
            Decision::Granted if self.is_relayed(&transaction)? => self.poll_upstream(poll),
            Decision::Granted => {
                let authorized = poll.approved(&hold.request)?;
                self.grant(Entitled { authorized, renews: None, settles: hold.settles, holder: self.holder() })
            }
        }
    }

    fn certificate_of(&self, request: GetCert) -> Result<Reply, Stop> {
        let serial = request.serial().to_string();
        let record = self.host.store.read(|view| view.load::<CertificateRecord>(&serial).map_err(Failure::from))?;
        let own = record.filter(|record| record.holder().tenant.as_ref() == Some(&self.tenant.id));
        match own.as_ref().and_then(CertificateRecord::certificate) {
            Some(certificate) if certificate.issuer() == request.issuer() => Ok(request.answer(certificate)?),
            _ => Ok(request.deny(FailInfo::BadCertId)),
        }
    }

    fn crl_of(&self, request: GetCrl) -> Result<Reply, Stop> {
        if self.authority.certificate().map_err(Failure::from)?.subject() != request.issuer() {
            return Ok(request.deny(FailInfo::BadCertId));
        }
        Ok(request.answer(&revocation::current_crl(self.host, None)?)?)
    }

    /// Issues, here or at the server behind this one.
    fn grant(&self, entitled: Entitled) -> Result<Reply, Stop> {
        match &self.tenant.scep.upstream {
            Some(upstream) => self.ask_upstream(upstream, entitled),
            None => self.issue(entitled),
        }
    }

    /// Reserve, store, sign, store, answer: whatever is cut off between two of these is finished by the next request or start.
    fn issue(&self, entitled: Entitled) -> Result<Reply, Stop> {
        let Entitled { authorized, renews, settles, holder } = entitled;
        let (transaction, nonce) = (authorized.transaction(), authorized.replay_key());
        let mut profile = Profile::device_identity();
        revocation::point_to(self.host, self.authority, &mut profile)?;
        let name = authorized.transaction_id().as_str().to_owned();
        let wanted = IssuanceRequest { renews, holder, ..IssuanceRequest::new(authorized.csr(), &name, &profile) };
        // The same transaction may be answered by another node right now. Then its answer is this one's.
        let outcome = again(|| match self.reserve(&wanted, &nonce)? {
            Ok(reserved) => self.sign(reserved, &settles, &transaction).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        });
        match outcome? {
            Ok(certificate) => {
                let renews = renews.map(|old| format!(", which renews {old}")).unwrap_or_default();
                eprintln!("scep: issued {} to {} of {}{renews}", certificate.serial(), certificate.subject(), self.tenant.id);
                Ok(authorized.grant(&certificate)?)
            }
            Err(refusal) => {
                eprintln!("scep: transaction {name}: {refusal}");
                self.settle(&settles, |batch| settles.failed(batch, &self.tenant.id, &transaction, &refusal))?;
                Ok(authorized.deny(FailInfo::BadRequest).because(&refusal))
            }
        }
    }

    /// Fixes serial number and bytes of the certificate, or finds those that the transaction has; or says why it gets none.
    fn reserve(&self, wanted: &IssuanceRequest<'_>, nonce: &ReplayKey) -> Result<Result<Reserved, String>, Failure> {
        let host = self.host;
        host.store.decide(|batch| {
            if !self.first_or_same(batch, nonce)? {
                return Ok(Err("the nonce was used before".to_owned()));
            }
            let alias = transaction_alias(Some(&self.tenant.id), wanted.transaction);
            let answered = batch.load_alias::<CertificateRecord>(&alias)?;
            let reserved = match self.authority.reserve(wanted, answered.as_ref(), now(), &host.provider) {
                Ok(reserved) => reserved,
                Err(ca::Error::Refused(refusal)) => return Ok(Err(refusal.to_string())),
                // Better no certificate than one that nobody believes.
                Err(expired @ ca::Error::AuthorityExpired(_)) => return Ok(Err(expired.to_string())),
                Err(error) => return Err(Failure::from(error)),
            };
            keep_ca(host, batch, reserved.change())?;
            Ok(Ok(reserved))
        })
    }

    /// Signs what is reserved, and stores it before anybody gets it.
    fn sign(&self, reserved: Reserved, settles: &Settles, transaction: &Transaction) -> Result<Certificate, Failure> {
        let host = self.host;
        let issuer = self.authority.active()?.certificate.public_key();
        let key = host.store.read(|view| host.keys.of(view, issuer))?;
        let issued = reserved.sign_with(&*key)?;
        let certificate = issued.record.certificate().ok_or_else(|| Failure::internal("the certificate was not signed"))?;
        self.settle(settles, |batch| {
            authority::keep_issued(host, batch, &issued)?;
            settles.issued(batch, &self.tenant.id, transaction, certificate)
        })?;
        Ok(certificate.clone())
    }

    /// Stores how a request ends, and tells the service that was asked about it.
    pub(super) fn settle(
        &self,
        settles: &Settles,
        ending: impl FnMut(&mut Batch<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.host.store.decide(ending)?;
        match settles {
            Settles::Question(question) => judge::tell_about(self.host, self.tenant, question),
            Settles::Nothing | Settles::OneTime(_) => Ok(()),
        }
    }

    /// Nobody yet, of this tenant: who it is shows when the device introduces itself.
    fn holder(&self) -> Holder {
        Holder { tenant: Some(self.tenant.id.clone()), ..Holder::default() }
    }

    /// Remembers the message. Only who is entitled to a certificate gets a nonce remembered: a stranger fills no database.
    pub(super) fn first_or_same(&self, batch: &mut Batch<'_>, nonce: &ReplayKey) -> Result<bool, Failure> {
        let digest = hex(self.host.provider.digest(DigestAlgorithm::Sha256, self.body).as_ref());
        Ok(batch.first_or_same(nonce.as_str(), &digest, now().unix())?)
    }
}
