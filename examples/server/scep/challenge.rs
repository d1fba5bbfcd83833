//! Challenges: what a first request is held against.
//!
//! | kind | where it comes from |
//! |---|---|
//! | fixed | the command line, or the tenant's settings |
//! | one-time | `POST /admin/tenants/{tenant}/challenges`, or an enrollment profile; good for one certificate |
//! | bound | the same, for one common name; nothing is stored for it |
//! | webhook | a service that the tenant's settings name says whether it is right |
//! | none | only when the settings say that anybody may ask |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::id::Revision;
use mdm_core::scep::{Authorized, BoundChallenge, Challenge, OneTimeChallenge, PkcsReq, Refused, Transaction};
use mdm_core::secret::Secret;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::host::{Host, now};
use crate::store::{Batch, Stored};
use crate::tenant::{self, ProfileChallenge, Tenant};

impl Stored for OneTimeChallenge {
    const KIND: &'static str = "challenge";

    fn key(&self) -> String {
        self.lookup_key().to_owned()
    }

    fn revision(&self) -> Revision {
        OneTimeChallenge::revision(self)
    }
}

/// What a first request has shown.
pub enum Proof {
    /// A challenge to be held against the fixed one.
    Fixed(Secret),
    /// A challenge that was issued once, reserved for this transaction.
    OneTime(OneTimeChallenge),
    /// A challenge that carries its own proof for this name.
    Bound(String),
    /// The service accepts it.
    Accepted,
    /// Nothing is asked for.
    Anybody,
}

/// Hours for which an issued challenge is good.
const GOOD_FOR_HOURS: i64 = 24;

/// Finds out of which kind a challenge is. A one-time challenge is reserved with that; a service is asked last.
pub fn judge(host: &Host, tenant: &Tenant, request: &PkcsReq) -> Result<Proof, Failure> {
    let fixed = if tenant.id.as_str() == tenant::DEFAULT && tenant.scep.challenge.is_empty() {
        host.config.challenge.clone()
    } else {
        tenant.scep.challenge.clone()
    };
    let Some(presented) = request.challenge() else {
        return Ok(if tenant.scep.anybody { Proof::Anybody } else { Proof::Fixed(fixed) });
    };
    if !fixed.is_empty() && *presented == fixed {
        return Ok(Proof::Fixed(fixed));
    }
    if let Some(reserved) = reserve(host, tenant, presented, &request.transaction())? {
        return Ok(Proof::OneTime(reserved));
    }
    let name = binding(tenant, &request.csr().subject().common_name().unwrap_or_default());
    if presented.expose_str().is_some_and(looks_bound) {
        return Ok(Proof::Bound(name));
    }
    match &tenant.scep.webhook {
        Some(url) if ask(host, tenant, url, request, presented)? => Ok(Proof::Accepted),
        None if tenant.scep.anybody => Ok(Proof::Anybody),
        _ => Ok(Proof::Fixed(fixed)),
    }
}

/// Sixteen hexadecimal digits, a hyphen, thirty-two.
fn looks_bound(text: &str) -> bool {
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|octet| octet.is_ascii_hexdigit());
    text.split_once('-').is_some_and(|(expires, mac)| digits(expires, 16) && digits(mac, 32))
}

/// What a bound challenge is for: a name at one tenant.
fn binding(tenant: &Tenant, common_name: &str) -> String {
    format!("{} {common_name}", tenant.id)
}

impl Proof {
    /// The one-time challenge that the certificate will have cost.
    pub fn spends(&self) -> Option<&OneTimeChallenge> {
        match self {
            Proof::OneTime(reserved) => Some(reserved),
            _ => None,
        }
    }

    /// Holds the request against it.
    pub fn authorize(&self, host: &Host, request: PkcsReq) -> Result<Authorized, Refused> {
        match self {
            Proof::Fixed(expected) => request.authorize(Challenge::Fixed(expected)),
            Proof::OneTime(reserved) => request.authorize(Challenge::OneTime(reserved)),
            Proof::Bound(binding) => {
                let bound = BoundChallenge { key: &host.challenge_key, binding, now: now() };
                request.authorize(Challenge::Bound(&bound))
            }
            Proof::Accepted => request.authorize(Challenge::AcceptedByHost),
            Proof::Anybody => request.authorize(Challenge::AcceptWithoutChallenge),
        }
    }
}

/// Reserves a one-time challenge of this tenant for the transaction; `None` when there is no such challenge to be had.
fn reserve(
    host: &Host,
    tenant: &Tenant,
    presented: &Secret,
    transaction: &Transaction,
) -> Result<Option<OneTimeChallenge>, Failure> {
    let key = OneTimeChallenge::lookup_key_of(presented, &host.provider);
    let of_tenant = |found: Option<String>| found.as_deref() == Some(tenant.id.as_str());
    if !host.store.read(|view| Ok::<_, Failure>(of_tenant(view.linked("challenge", &key)?)))? {
        return Ok(None);
    }
    host.store.decide(|batch| {
        let Some(stored) = batch.load::<OneTimeChallenge>(&key)? else { return Ok(None) };
        // Expired, spent, or another's: it is no proof.
        let Ok(reserved) = stored.reserve(transaction, now()) else { return Ok(None) };
        put(batch, &stored, &reserved)?;
        Ok(Some(reserved))
    })
}

fn put(batch: &mut Batch<'_>, from: &OneTimeChallenge, to: &OneTimeChallenge) -> Result<(), Failure> {
    if from.revision() == to.revision() { Ok(()) } else { Ok(batch.put(to, Some(from.revision()))?) }
}

/// The certificate is there: the challenge is spent with it.
pub fn spend(batch: &mut Batch<'_>, reserved: &OneTimeChallenge, transaction: &Transaction) -> Result<(), Failure> {
    let stored = batch.load::<OneTimeChallenge>(reserved.lookup_key())?;
    // Spent before is spent still: the device has asked again for the certificate that it got.
    match stored.as_ref().and_then(|stored| Some((stored, stored.spend(transaction).ok()?))) {
        Some((stored, spent)) => put(batch, stored, &spent),
        None => Ok(()),
    }
}

/// There will be no certificate: the challenge may be used again.
pub fn give_back(batch: &mut Batch<'_>, reserved: &OneTimeChallenge, transaction: &Transaction) -> Result<(), Failure> {
    let stored = batch.load::<OneTimeChallenge>(reserved.lookup_key())?;
    match stored.as_ref().and_then(|stored| Some((stored, stored.give_back(transaction).ok()?))) {
        Some((stored, unused)) => put(batch, stored, &unused),
        None => Ok(()),
    }
}

/// A challenge that is good once.
pub fn issue_one_time(host: &Host, batch: &mut Batch<'_>, tenant: &Tenant) -> Result<Secret, Failure> {
    let expires = now().plus_seconds(GOOD_FOR_HOURS * 3_600);
    let (record, challenge) = OneTimeChallenge::issue(expires, &host.provider).map_err(Failure::internal)?;
    batch.put(&record, None)?;
    batch.link("challenge", record.lookup_key(), tenant.id.as_str())?;
    Ok(challenge)
}

/// A challenge that is good for this common name.
pub fn issue_bound(host: &Host, tenant: &Tenant, common_name: &str) -> Secret {
    let expires = now().plus_seconds(GOOD_FOR_HOURS * 3_600);
    host.challenge_key.issue(&binding(tenant, common_name), expires, &host.provider)
}

/// The challenge in an enrollment profile.
pub fn for_profile(host: &Host, batch: &mut Batch<'_>, tenant: &Tenant) -> Result<Option<Secret>, Failure> {
    if tenant.scep.profile == ProfileChallenge::OneTime {
        return issue_one_time(host, batch, tenant).map(Some);
    }
    let own = Some(&tenant.scep.challenge).filter(|challenge| !challenge.is_empty());
    let default = Some(&host.config.challenge).filter(|_| tenant.id.as_str() == tenant::DEFAULT);
    Ok(own.or(default).cloned())
}

/// Asks the tenant's service, as step-ca's webhooks are asked: it gets challenge, transaction and request, and says `allow`.
fn ask(host: &Host, tenant: &Tenant, url: &str, request: &PkcsReq, presented: &Secret) -> Result<bool, Failure> {
    let body = json!({
        "provisionerName": tenant.id,
        "scepChallenge": presented.expose_str(),
        "scepTransactionID": request.transaction_id().as_str(),
        "x509CertificateRequest": { "raw": STANDARD.encode(request.csr().as_der()) },
    });
    let asked = host.block_on(async {
        let answer = host.web.post(url).header("content-type", "application/json").body(body.to_string()).send().await?;
        answer.error_for_status()?.bytes().await
    });
    let answer = asked.map_err(|error| Failure::upstream(format!("challenge webhook of {}: {error}", tenant.id)))?;
    let answer: Value =
        serde_json::from_slice(&answer).map_err(|error| Failure::upstream(format!("challenge webhook: {error}")))?;
    Ok(answer.get("allow").and_then(Value::as_bool).unwrap_or(false))
}
