//! CertPoll (RFC 8894 section 3.3.3): asking again, and the record of what is asked for.

use serde::{Deserialize, Serialize};

use super::authorized::Authorized;
use super::received::{Received, Transaction};
use super::reply::{Refused, Reply};
use crate::scep::Error;
use crate::x509::{Csr, Name, ProvenCsr};

/// A request that waits for its decision: what a host stores under the transaction identifier. It holds the request, and with it the
/// challenge.
///
/// ```text
/// PKCSReq, RenewalReq ── hold() ─► Held, PENDING
///                CertPoll ── still_pending() ─► PENDING
///                CertPoll ── approved(&Held) ─► Authorized ── grant ─► SUCCESS
///                CertPoll ── deny() ─► FAILURE
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    transaction: Transaction,
    csr: Csr,
}

impl Held {
    pub(super) fn new(received: &Received, csr: &ProvenCsr) -> Self {
        Held { transaction: received.transaction(), csr: Csr::clone(csr) }
    }

    /// The operation and the key that runs it.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The request, to decide with.
    pub fn csr(&self) -> &Csr {
        &self.csr
    }
}

/// CertPoll: the client asks whether its request has been decided.
#[derive(Debug)]
pub struct CertPoll {
    pub(super) received: Box<Received>,
    pub(super) issuer: Name,
    pub(super) subject: Name,
}

sender!(CertPoll);

impl CertPoll {
    fn received(&self) -> &Received {
        &self.received
    }

    /// The CA that the client asks.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// The name that the client asked a certificate for.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The host has approved of what was held, and the poll belongs to it: same transaction, same key, same name.
    ///
    /// # Errors
    /// [`Refused`] with [`Error::Poll`].
    pub fn approved(self, held: &Held) -> Result<Authorized, Refused> {
        let belongs = self.received.transaction() == held.transaction && &self.subject == held.csr.subject();
        let proven = held.csr.verify(&self.received.provider, self.received.peer.legacy);
        match proven {
            Ok(csr) if belongs => {
                let challenge = csr.challenge_password().ok().flatten();
                Ok(Authorized { received: self.received, csr, challenge })
            }
            _ => Err(self.received.refused(Error::Poll)),
        }
    }

    /// Nobody has decided yet.
    pub fn still_pending(self) -> Reply {
        Reply::pending(self.received.exchange())
    }
}
