//! Requests that wait for an operator: `GET /admin/held`, grant and deny.
//!
//! ```text
//! first request, its challenge right ──► Pending ── grant ──► Granted ── the device asks again ──► its certificate
//!                                           └────── deny ───► Denied ─── the device asks again ──► FAILURE
//! ```

use mdm_core::crypto::DigestAlgorithm;
use mdm_core::id::{Revision, TenantId};
use mdm_core::scep::{Held, Transaction, TransactionId};
use mdm_core::time::Timestamp;
use mdm_core::x509::Csr;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::challenge::Settles;
use super::judge;
use crate::failure::Failure;
use crate::host::{Host, hex};
use crate::store::{Batch, Stored, View};

/// One request that waits, or did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hold {
    tenant: TenantId,
    /// The device's side.
    pub request: Held,
    /// What is settled with it.
    pub settles: Settles,
    /// What the operator said.
    pub decision: Decision,
    since: Timestamp,
    revision: Revision,
}

/// What a client is told whose request an operator did not want.
pub const DENIED: &str = "an operator has denied the request";

/// What an operator said about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Nothing yet.
    Pending,
    /// It gets its certificate.
    Granted,
    /// It does not.
    Denied,
}

impl Stored for Hold {
    const KIND: &'static str = "held request";

    fn key(&self) -> String {
        key(&self.tenant, self.request.transaction().id())
    }

    fn revision(&self) -> Revision {
        self.revision
    }
}

fn key(tenant: &TenantId, id: &TransactionId) -> String {
    format!("{tenant} {}", id.as_str())
}

/// The request of this transaction, when it was held.
pub fn load(view: &View<'_>, tenant: &TenantId, id: &TransactionId) -> Result<Option<Hold>, Failure> {
    Ok(view.load::<Hold>(&key(tenant, id))?)
}

impl Hold {
    /// A request that begins to wait.
    pub fn new(tenant: &TenantId, request: Held, settles: Settles, since: Timestamp) -> Hold {
        Hold { tenant: tenant.clone(), request, settles, decision: Decision::Pending, since, revision: Revision::FIRST }
    }

    /// Whether a request is this one: the same operation, by the same key, for the same name and key.
    pub fn is_for(&self, transaction: &Transaction, csr: &Csr) -> bool {
        let held = self.request.csr();
        self.request.transaction() == transaction && held.public_key() == csr.public_key() && held.subject() == csr.subject()
    }

    /// Stores a new one.
    pub fn keep(&self, host: &Host, batch: &mut Batch<'_>) -> Result<(), Failure> {
        batch.put(self, None)?;
        batch.log(format!("scep: {} waits for an operator as {}", self.request.csr().subject(), self.id(host)));
        Ok(())
    }

    /// What an operator calls it: a transaction identifier may hold what does not belong in a path.
    fn id(&self, host: &Host) -> String {
        let digest = host.provider.digest(DigestAlgorithm::Sha256, self.key().as_bytes());
        hex(digest.as_ref()).chars().take(32).collect()
    }

    fn describe(&self, host: &Host) -> Value {
        let csr = self.request.csr();
        let key = host.provider.digest(DigestAlgorithm::Sha256, csr.public_key().as_der());
        json!({
            "id": self.id(host),
            "tenant": self.tenant,
            "transaction": self.request.transaction().id().as_str(),
            "subject": csr.subject().to_string(),
            "keySha256": hex(key.as_ref()),
            "state": format!("{:?}", self.decision),
            "since": self.since.to_string(),
        })
    }
}

/// `GET /admin/held`
pub fn list(host: &Host) -> Result<Value, Failure> {
    let holds = host.store.read(|view| view.list_all::<Hold>().map_err(Failure::from))?;
    Ok(Value::Array(holds.iter().map(|hold| hold.describe(host)).collect()))
}

/// `POST /admin/held/{id}/grant` and `deny`
pub fn decide(host: &Host, id: &str, decision: Decision) -> Result<Value, Failure> {
    let described = host.store.decide(|batch| {
        let holds = batch.list_all::<Hold>()?;
        let hold = holds.into_iter().find(|hold| hold.id(host) == id);
        let hold = hold.ok_or_else(|| Failure::not_found("no request waits under this identifier"))?;
        if hold.decision != Decision::Pending {
            return Err(Failure::conflict("the request has been decided"));
        }
        let decided = Hold { decision, revision: hold.revision.next(), ..hold.clone() };
        batch.put(&decided, Some(hold.revision))?;
        if decision == Decision::Denied {
            decided.settles.failed(batch, &decided.tenant, decided.request.transaction(), DENIED)?;
        }
        batch.log(format!("audit: request {id} of {}: {decision:?}", hold.request.csr().subject()));
        Ok(decided.describe(host))
    })?;
    // What cannot be told now is told later.
    let _later = judge::tell(host);
    Ok(described)
}
