//! Services that decide about challenges, and are told what became of the request: step-ca's webhooks, Intune.
//!
//! ```text
//! first request ─► validate ─► yes ─► certificate, or none ─► owed ── told ─► done
//!                          └─► no: FAILURE                      └─ not to be reached: again at a later sweep
//! ```
//!
//! A sweep asks a service that does not answer once, and goes on to the next tenant's. What could not be told goes behind what was tried
//! less often, so that one notification which a service never takes does not stand in the way of the others.

use mdm_core::id::{Revision, TenantId};
use mdm_core::scep::intune::{Call, Code, Intune, IssuingAuthority};
use mdm_core::scep::smallstep::Webhook;
use mdm_core::scep::{Decision, Issuance, Notification, Question};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::web::Endpoint;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::host::{Host, now};
use crate::kept::AUTHORITY;
use crate::mdm::commands;
use crate::store::{Batch, Stored};
use crate::tenant::{self, ChallengePolicy, Tenant};

/// Who decides.
pub enum Judge {
    /// A webhook as step-ca calls them.
    Webhook(Webhook, Endpoint),
    /// Intune's service, and a token for it.
    Intune(Intune, Secret),
}

impl Judge {
    /// The service that the tenant's settings name.
    pub fn of(tenant: &Tenant, policy: &ChallengePolicy) -> Result<Option<Judge>, Failure> {
        Ok(match policy {
            ChallengePolicy::Webhook(service) => {
                let secret = service.account.secret.expose_str().unwrap_or_default();
                let webhook = Webhook::new(&service.account.user, secret).map_err(Failure::conflict)?;
                Some(Judge::Webhook(webhook, service.url.clone()))
            }
            ChallengePolicy::Intune(service) => {
                let caller = concat!("mdm-core-example/", env!("CARGO_PKG_VERSION"));
                let authority = IssuingAuthority { configuration: tenant.id.to_string(), name: AUTHORITY.to_owned() };
                let intune = Intune { authority, ..Intune::new(service.url.clone(), caller) };
                Some(Judge::Intune(intune, service.account.secret.clone()))
            }
            _ => None,
        })
    }

    /// Asks whether the request may be granted.
    pub fn decide(&self, host: &Host, question: &Question) -> Result<Decision, Failure> {
        let decision = match self {
            Judge::Webhook(webhook, url) => {
                let asked = webhook.validate(url, question, now(), &host.provider).map_err(Failure::conflict)?;
                webhook.decision(question, &host.send(asked)?)
            }
            Judge::Intune(intune, token) => {
                let activity = commands::uuid(host)?;
                let asked = intune.validate(question, Call { token, activity: &activity }).map_err(Failure::conflict)?;
                intune.decision(question, &host.send(asked)?)
            }
        };
        let decision = decision.map_err(Failure::upstream)?;
        let transaction = question.transaction().id().as_str();
        eprintln!("scep: transaction {transaction}: the challenge service says {:?}", decision.verdict());
        Ok(decision)
    }

    /// Tells what became of a request.
    fn tell(&self, host: &Host, notification: &Notification) -> Result<(), Failure> {
        match self {
            Judge::Webhook(webhook, url) => {
                let told = webhook.notify(url, notification, now(), &host.provider).map_err(Failure::conflict)?;
                // What it answers changes nothing; that it answers is all.
                webhook.decision(notification.question(), &host.send(told)?).map(drop).map_err(Failure::upstream)
            }
            Judge::Intune(intune, token) => {
                let activity = commands::uuid(host)?;
                let call = Call { token, activity: &activity };
                let told = intune.notify(notification, call, &host.provider).map_err(Failure::conflict)?;
                match intune.acknowledged(&host.send(told)?).map_err(Failure::upstream)? {
                    Code::Success => Ok(()),
                    code => Err(Failure::upstream(format!("Intune does not take the notification: {code}"))),
                }
            }
        }
    }

    /// Whether a device gets its certificate only once the service has taken note of it.
    pub const fn must_know_first(&self) -> bool {
        matches!(self, Judge::Intune(..))
    }
}

/// A notification that is owed, or was told.
#[derive(Clone, Serialize, Deserialize)]
pub struct Owed {
    tenant: TenantId,
    notification: Notification,
    told: Option<Timestamp>,
    /// How often it could not be told.
    failures: u32,
    revision: Revision,
}

/// Most notifications of a tenant, and most tenants, that are looked at together.
const AT_ONCE: u32 = 100;

impl Stored for Owed {
    const KIND: &'static str = "notification";

    fn key(&self) -> String {
        let outcome = match self.notification.outcome() {
            Issuance::Issued(certificate) => certificate.serial().to_string(),
            Issuance::Failed { .. } => "failed".to_owned(),
        };
        format!("{} {} {outcome}", self.tenant, self.notification.question().transaction().id().as_str())
    }

    fn revision(&self) -> Revision {
        self.revision
    }

    fn owner(&self) -> String {
        self.tenant.to_string()
    }

    fn place(&self) -> Option<Vec<u8>> {
        self.told.is_none().then(|| self.failures.to_be_bytes().to_vec())
    }
}

/// Notes what is to be told, together with what it is about.
pub fn owe(batch: &mut Batch<'_>, tenant: &TenantId, notification: Notification) -> Result<(), Failure> {
    let owed = Owed { tenant: tenant.clone(), notification, told: None, failures: 0, revision: Revision::FIRST };
    match batch.load::<Owed>(&owed.key())? {
        // The device has asked again for the same.
        Some(_) => Ok(()),
        None => Ok(batch.put(&owed, None)?),
    }
}

/// Tells what is owed, tenant by tenant. What cannot be told stays owed.
pub fn tell(host: &Host) -> Result<(), Failure> {
    let mut last = String::new();
    let mut outcome = Ok(());
    loop {
        let tenants = host.store.read(|view| view.open_owners::<Owed>(&last, AT_ONCE).map_err(Failure::from))?;
        let Some(behind) = tenants.last() else { return outcome };
        last.clone_from(behind);
        for tenant in &tenants {
            if let Err(failure) = tell_owed_by(host, tenant) {
                eprintln!("scep: the challenge service of {tenant} is still to be told: {}", failure.log);
                outcome = Err(failure);
            }
        }
    }
}

/// Up to the first that cannot be told.
fn tell_owed_by(host: &Host, tenant: &str) -> Result<(), Failure> {
    let any_place = u32::MAX.to_be_bytes();
    let owed = host.store.read(|view| view.list_due::<Owed>(tenant, &any_place, AT_ONCE).map_err(Failure::from))?;
    owed.iter().try_for_each(|owed| tell_one(host, owed))
}

/// Tells what is owed about one tenant's request. When the service must know first, what cannot be told is a failure.
pub fn tell_about(host: &Host, tenant: &Tenant, question: &Question) -> Result<(), Failure> {
    let owed = host.store.read(|view| view.list_open::<Owed>(tenant.id.as_str()).map_err(Failure::from))?;
    for owed in owed.iter().filter(|owed| owed.notification.question() == question) {
        let Err(failure) = tell_one(host, owed) else { continue };
        eprintln!("scep: the challenge service of {} is still to be told: {}", tenant.id, failure.log);
        let judge = Judge::of(tenant, tenant.challenge(&host.config.challenge))?;
        if judge.is_some_and(|judge| judge.must_know_first()) {
            return Err(Failure::unavailable(failure.log));
        }
    }
    Ok(())
}

fn tell_one(host: &Host, owed: &Owed) -> Result<(), Failure> {
    let tenant = host.store.read(|view| tenant::load(view, owed.tenant.as_str()))?;
    let outcome = match Judge::of(&tenant, tenant.challenge(&host.config.challenge))? {
        Some(judge) => judge.tell(host, &owed.notification),
        // Nobody is told who is not asked any more.
        None => Ok(()),
    };
    let revision = owed.revision.next();
    let tried = match &outcome {
        Ok(()) => Owed { told: Some(now()), revision, ..owed.clone() },
        Err(_) => Owed { failures: owed.failures.saturating_add(1), revision, ..owed.clone() },
    };
    host.store.decide(|batch| match batch.load::<Owed>(&owed.key())? {
        // Unless it was tried beside this.
        Some(stored) if stored.revision == owed.revision => Ok::<_, Failure>(batch.put(&tried, Some(stored.revision))?),
        _ => Ok(()),
    })?;
    outcome
}
