//! Challenges: what a first request is held against.
//!
//! | kind | whose it is |
//! |---|---|
//! | static | one secret for everybody: the command line, or the tenant's settings |
//! | one-time | this server's: `POST /admin/tenants/{tenant}/challenges`, or an enrollment profile; good for one certificate |
//! | bound | the same, for one common name and some time; nothing is stored for it |
//! | webhook, intune | a service decides, and is told afterwards (`judge.rs`) |
//! | ndes, jamf | another program makes the challenges of profiles (`source.rs`); each is good here once |
//! | none | whoever asks gets a certificate, when the settings say so |
//!
//! What an operator has issued, one-time or bound, is good whichever kind the tenant has.

use mdm_core::ca::CertificateRecord;
use mdm_core::id::{Revision, TenantId};
use mdm_core::record::{Change, Record};
use mdm_core::scep::{Authorized, BoundChallenge, Challenge, OneTimeChallenge, PkcsReq, Question, Transaction};
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;
use serde::{Deserialize, Serialize};

use super::issue::Stop;
use super::judge::{self, Judge};
use crate::failure::Failure;
use crate::host::{Host, now};
use crate::kept::transaction_alias;
use crate::store::{Batch, Stored, View};
use crate::tenant::{ChallengePolicy, Tenant};

impl Stored for OneTimeChallenge {
    const KIND: &'static str = "challenge";

    fn key(&self) -> String {
        self.lookup_key().to_owned()
    }

    fn revision(&self) -> Revision {
        Record::revision(self)
    }
}

/// What is settled when it is known whether a first request gets its certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Settles {
    /// Nothing.
    Nothing,
    /// A challenge that is reserved for it: spent with the certificate, or given back.
    OneTime(OneTimeChallenge),
    /// What a service was asked: it is told.
    Question(Box<Question>),
}

/// Hours for which an issued challenge is good.
const GOOD_FOR_HOURS: i64 = 24;

/// Holds a first request against what its tenant has set. Of this server's own challenges there is a record, or a proof in the
/// challenge itself; only then is a service asked.
pub fn authorize(host: &Host, tenant: &Tenant, request: PkcsReq) -> Result<(Authorized, Settles), Stop> {
    if let Some(presented) = request.challenge() {
        match own(host, tenant, presented, &request)? {
            Some(Own::Reserved(reserved)) => {
                let authorized = request.authorize(Challenge::OneTime(&reserved))?;
                return Ok((authorized, Settles::OneTime(reserved)));
            }
            Some(Own::Answered) => return Ok((request.authorize(Challenge::AcceptedByHost)?, Settles::Nothing)),
            None => {}
        }
        if presented.expose_str().is_some_and(looks_bound) {
            let binding = binding(&tenant.id, &request.csr().subject().common_name().unwrap_or_default());
            let bound = BoundChallenge { key: &host.challenge_key, binding: &binding, now: now() };
            return Ok((request.authorize(Challenge::Bound(&bound))?, Settles::Nothing));
        }
    }
    let policy = tenant.challenge(&host.config.challenge);
    if let Some(judge) = Judge::of(tenant, policy).map_err(Stop::Failed)? {
        let awaiting = request.ask()?;
        let question = awaiting.question().clone();
        let decision = judge.decide(host, &question)?;
        return Ok((awaiting.decided(&decision)?, Settles::Question(Box::new(question))));
    }
    let authorized = match policy {
        ChallengePolicy::None => request.authorize(Challenge::AcceptWithoutChallenge)?,
        ChallengePolicy::Static { secret } => request.authorize(Challenge::Fixed(secret))?,
        // An empty one is right for nobody.
        _ => request.authorize(Challenge::Fixed(&Secret::default()))?,
    };
    Ok((authorized, Settles::Nothing))
}

/// Sixteen hexadecimal digits, a hyphen, thirty-two.
fn looks_bound(text: &str) -> bool {
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|octet| octet.is_ascii_hexdigit());
    text.split_once('-').is_some_and(|(expires, mac)| digits(expires, 16) && digits(mac, 32))
}

/// What a bound challenge is for: a name at one tenant.
fn binding(tenant: &TenantId, common_name: &str) -> String {
    format!("{tenant} {common_name}")
}

/// What a one-time challenge of this server's is worth to a request.
enum Own {
    /// It is reserved for it.
    Reserved(OneTimeChallenge),
    /// It got its certificate for it, and has lost the answer.
    Answered,
}

/// Reserves a one-time challenge of this tenant for the transaction; `None` when there is no such challenge to be had.
fn own(host: &Host, tenant: &Tenant, presented: &Secret, request: &PkcsReq) -> Result<Option<Own>, Failure> {
    let key = OneTimeChallenge::lookup_key_of(presented, &host.provider);
    let of_tenant = |found: Option<String>| found.as_deref() == Some(tenant.id.as_str());
    if !host.store.read(|view| Ok::<_, Failure>(of_tenant(view.linked("challenge", &key)?)))? {
        return Ok(None);
    }
    let transaction = request.transaction();
    host.store.decide(|batch| {
        let Some(stored) = batch.load::<OneTimeChallenge>(&key)? else { return Ok(None) };
        if stored.is_spent_by(&transaction) {
            return Ok(is_answered(batch, tenant, request)?.then_some(Own::Answered));
        }
        // Expired, spent, or another's: it is no proof.
        let Ok(reserved) = stored.reserve(&transaction, now()) else { return Ok(None) };
        batch.keep(&reserved)?;
        Ok(Some(Own::Reserved(reserved.record)))
    })
}

/// Whether there is a certificate for this very request: it is what is answered, and no other is issued.
fn is_answered(view: &View<'_>, tenant: &Tenant, request: &PkcsReq) -> Result<bool, Failure> {
    let alias = transaction_alias(Some(&tenant.id), request.transaction_id().as_str());
    let record = view.load_alias::<CertificateRecord>(&alias)?;
    let certificate = record.as_ref().and_then(CertificateRecord::certificate);
    let same =
        |found: &Certificate| found.public_key() == request.csr().public_key() && found.subject() == request.csr().subject();
    Ok(certificate.is_some_and(same))
}

impl Settles {
    /// The certificate is there.
    pub fn issued(
        &self,
        batch: &mut Batch<'_>,
        tenant: &TenantId,
        transaction: &Transaction,
        certificate: &Certificate,
    ) -> Result<(), Failure> {
        match self {
            Settles::Nothing => Ok(()),
            Settles::OneTime(reserved) => settle(batch, reserved, |stored| stored.spend(transaction)),
            Settles::Question(question) => judge::owe(batch, tenant, question.issued(certificate).map_err(Failure::internal)?),
        }
    }

    /// There will be none.
    pub fn failed(
        &self,
        batch: &mut Batch<'_>,
        tenant: &TenantId,
        transaction: &Transaction,
        reason: &str,
    ) -> Result<(), Failure> {
        /// `E_FAIL` of Windows: no reason that has a number.
        const FAILED: u32 = 0x8000_4005;
        match self {
            Settles::Nothing => Ok(()),
            Settles::OneTime(reserved) => settle(batch, reserved, |stored| stored.give_back(transaction)),
            Settles::Question(question) => judge::owe(batch, tenant, question.failed(FAILED, reason)),
        }
    }
}

/// Spends a challenge or gives it back. What is settled before is settled still: the device has asked again.
fn settle(
    batch: &mut Batch<'_>,
    reserved: &OneTimeChallenge,
    how: impl Fn(&OneTimeChallenge) -> Result<Change<OneTimeChallenge>, mdm_core::scep::Error>,
) -> Result<(), Failure> {
    let stored = batch.load::<OneTimeChallenge>(reserved.lookup_key())?;
    match stored.as_ref().and_then(|stored| how(stored).ok()) {
        Some(settled) => Ok(batch.keep(&settled)?),
        None => Ok(()),
    }
}

/// A challenge that is good once.
pub fn issue_one_time(host: &Host, batch: &mut Batch<'_>, tenant: &TenantId) -> Result<Secret, Failure> {
    let (issued, challenge) = OneTimeChallenge::issue(expiry(), &host.provider).map_err(Failure::internal)?;
    keep(batch, tenant, &issued)?;
    Ok(challenge)
}

/// A challenge that another program made is good once here too. The same one again is the same.
fn adopt(host: &Host, batch: &mut Batch<'_>, tenant: &TenantId, challenge: &Secret) -> Result<(), Failure> {
    let adopted = OneTimeChallenge::adopt(challenge, expiry(), &host.provider);
    match batch.load::<OneTimeChallenge>(adopted.record.lookup_key())? {
        Some(_) => Ok(()),
        None => keep(batch, tenant, &adopted),
    }
}

fn keep(batch: &mut Batch<'_>, tenant: &TenantId, issued: &Change<OneTimeChallenge>) -> Result<(), Failure> {
    batch.keep(issued)?;
    Ok(batch.link("challenge", issued.record.lookup_key(), tenant.as_str())?)
}

/// A challenge that is good for this common name.
pub fn issue_bound(host: &Host, tenant: &TenantId, common_name: &str) -> Secret {
    host.challenge_key.issue(&binding(tenant, common_name), expiry(), &host.provider)
}

fn expiry() -> mdm_core::time::Timestamp {
    now().plus_seconds(GOOD_FOR_HOURS * 3_600)
}

/// What an enrollment profile is made with.
#[derive(Default)]
pub struct Ingredients {
    /// The common name that the device asks for; the profile says its own when there is none.
    pub common_name: Option<String>,
    /// The challenge that another program made for it.
    pub made: Option<Secret>,
}

/// The challenge in an enrollment profile.
pub fn for_profile(host: &Host, batch: &mut Batch<'_>, tenant: &Tenant, with: &Ingredients) -> Result<Option<Secret>, Failure> {
    match (tenant.challenge(&host.config.challenge), &with.common_name, &with.made) {
        (_, _, Some(made)) => adopt(host, batch, &tenant.id, made).map(|()| Some(made.clone())),
        (ChallengePolicy::None, _, _) => Ok(None),
        (ChallengePolicy::Static { secret }, _, _) => Ok(Some(secret.clone())),
        (ChallengePolicy::Bound, Some(name), _) => Ok(Some(issue_bound(host, &tenant.id, name))),
        // Whoever decides about the challenges of others, this server knows its own.
        _ => issue_one_time(host, batch, &tenant.id).map(Some),
    }
}
