//! Holding, releasing and revoking a certificate, and how long it stays on the list.

use serde::{Deserialize, Serialize};

use super::certificate::CertificateEventKind;
use super::{CertificateRecord, CrlBase, CrlScope, Effect, Error, State};
use crate::record::Change;
use crate::time::Timestamp;
use crate::x509::{Certificate, RevocationReason, RevokedEntry, SerialNumber};

/// A revocation or a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Since when: the first moment of the hold when a hold became a revocation.
    pub at: Timestamp,
    /// Why; `CertificateHold` while it is a hold.
    pub reason: RevocationReason,
    /// Since when the key is known or feared to be compromised (RFC 5280 section 5.3.2).
    pub invalidity_date: Option<Timestamp>,
    /// Whether the issuing authority has done it. Always so for certificates that are issued here.
    pub confirmed: bool,
}

impl Revocation {
    /// Whether it can be released.
    pub const fn is_hold(&self) -> bool {
        matches!(self.reason, RevocationReason::CertificateHold)
    }

    fn entry(&self, serial: SerialNumber) -> RevokedEntry {
        let entry = RevokedEntry::new(serial, self.at).because(self.reason);
        self.invalidity_date.map_or(entry, |date| entry.invalid_since(date))
    }
}

/// What somebody wants to do with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Move {
    /// Attach its signature.
    Sign,
    /// Hand it out.
    Deliver,
    /// Give its reservation up.
    Abandon,
    /// Revoke it.
    Revoke,
    /// Suspend it.
    Hold,
    /// End its suspension.
    Release,
    /// Confirm its revocation.
    ConfirmRevocation,
}

impl std::fmt::Display for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Move::Sign => "signed",
            Move::Deliver => "delivered",
            Move::Abandon => "abandoned",
            Move::Revoke => "revoked",
            Move::Hold => "put on hold",
            Move::Release => "released",
            Move::ConfirmRevocation => "confirmed as revoked",
        })
    }
}

impl CertificateRecord {
    /// Revokes the certificate, for good: the device that holds it is talked with no longer, and only enrolling again brings it
    /// back (J10).
    ///
    /// | from | what happens |
    /// |---|---|
    /// | reserved, issued, expiring, expired, abandoned | revoked now, for this reason |
    /// | held | revoked for this reason, dated back to the hold |
    /// | revoked for another reason than `KeyCompromise` | `KeyCompromise` only: the reason changes, the date stays |
    /// | a certificate of another authority | access ends now; [`Effect::AskRevocation`], and revoked once that is confirmed |
    ///
    /// The clock is never a reason to refuse a revocation: one that reads earlier than the latest event is taken to read that.
    ///
    /// # Errors
    /// [`Error::Move`] for every other move. [`Error::Misuse`] for a reason that does not belong to a certificate of a device:
    /// those of authorities (2, 10), `CertificateHold` (say [`hold`](CertificateRecord::hold)), `RemoveFromCrl`; and for a certificate of
    /// the authority itself, whose word nobody would believe afterwards, that one included.
    pub fn revoke(
        &self,
        reason: RevocationReason,
        invalidity_date: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Change<Self>, Error> {
        if !is_for_subscribers(reason) {
            return Err(Error::Misuse("this reason is not one for which a device's certificate is revoked"));
        }
        self.check_not_authority()?;
        let at = now.max(self.latest());
        let revocation = match self.revocation() {
            None => Revocation { at, reason, invalidity_date, confirmed: !self.is_foreign() },
            Some(hold) if hold.is_hold() => Revocation { at: hold.at, reason, invalidity_date, confirmed: hold.confirmed },
            Some(revoked) if worsens(revoked, reason) => Revocation { reason, invalidity_date, ..*revoked },
            Some(_) => return Err(self.cannot(Move::Revoke, now)),
        };
        let mut effects = vec![self.end_access()];
        effects.push(self.publish(revocation.confirmed));
        Ok(self.clone().then(CertificateEventKind::Revoked(revocation), now, effects))
    }

    /// Suspends the certificate: as revoked, but it can be [released](CertificateRecord::release).
    ///
    /// # Errors
    /// [`Error::Move`] when it is not in force; a certificate of another authority is never held here. [`Error::Misuse`] for a certificate
    /// of the authority itself.
    pub fn hold(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        self.check_not_authority()?;
        if self.state(now, 0) != State::Issued || self.is_foreign() {
            return Err(self.cannot(Move::Hold, now));
        }
        let at = now.max(self.latest());
        let reason = RevocationReason::CertificateHold;
        let hold = Revocation { at, reason, invalidity_date: None, confirmed: true };
        let effects = vec![self.end_access(), self.publish(true)];
        Ok(self.clone().then(CertificateEventKind::Revoked(hold), now, effects))
    }

    /// Ends a hold.
    ///
    /// # Errors
    /// [`Error::Move`] when it is not held.
    pub fn release(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        if self.state(now, 0) != State::Held {
            return Err(self.cannot(Move::Release, now));
        }
        let access = Effect::RestoreAccess { serial: self.serial(), holder: self.holder().clone() };
        Ok(self.clone().then(CertificateEventKind::Released, now, vec![access, self.publish(true)]))
    }

    /// The authority that issued it has confirmed the revocation. Saying so again changes nothing.
    ///
    /// # Errors
    /// [`Error::Move`] when no revocation was asked for.
    pub fn revocation_confirmed(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.revocation() {
            Some(revocation) if !revocation.confirmed => {
                Ok(self.clone().then(CertificateEventKind::RevocationConfirmed, now, Vec::new()))
            }
            Some(_) if self.is_foreign() => Ok(Change::none(self.clone())),
            _ => Err(self.cannot(Move::ConfirmRevocation, now)),
        }
    }

    /// Whether the certificate belongs on the list of its issuer's key.
    ///
    /// An entry stays until one list has been issued after the certificate's end (RFC 5280 section 3.3), so that a certificate
    /// that is revoked shortly before it ends is seen on a list at all. `previous` is the `thisUpdate` of the list that was
    /// *issued* last in this scope, `None` when there was none.
    ///
    /// ```text
    ///   revoked ──── list ──── notAfter ──── list ──── list
    ///                  on                      on        off
    /// ```
    pub fn stays_on_crl(&self, previous: Option<Timestamp>) -> bool {
        let revoked = self.revocation().is_some_and(|revocation| revocation.confirmed) && !self.is_foreign();
        revoked && previous.is_none_or(|previous| previous <= self.validity().not_after)
    }

    /// The certificate's entry on the lists of this scope, as long as it [stays there](CertificateRecord::stays_on_crl).
    pub fn crl_entry(&self, scope: &CrlScope, previous: Option<Timestamp>) -> Option<RevokedEntry> {
        let listed = self.is_in(scope) && self.stays_on_crl(previous);
        self.revocation().filter(|_| listed).map(|revocation| revocation.entry(self.serial()))
    }

    /// The certificate's entry on a delta list of this scope that continues `base` (RFC 5280 section 5.2.4): there is one when it was
    /// revoked, held or released since. What was released is listed as `removeFromCRL`, since a full list in between may hold it.
    pub fn delta_crl_entry(&self, scope: &CrlScope, base: &CrlBase) -> Option<RevokedEntry> {
        let changed = self.changed_at().filter(|changed| self.is_in(scope) && *changed >= base.since)?;
        let removed = RevokedEntry::new(self.serial(), changed).because(RevocationReason::RemoveFromCrl);
        match self.revocation() {
            None => Some(removed),
            Some(revocation) => revocation.confirmed.then(|| revocation.entry(self.serial())),
        }
    }

    /// The scope whose lists the certificate tells its readers to look at.
    pub fn crl_scope(&self) -> Option<CrlScope> {
        self.issuer_key().map(|key| CrlScope { key: key.clone(), part: self.part() })
    }

    /// Whether lists of this scope are about it.
    fn is_in(&self, scope: &CrlScope) -> bool {
        self.issuer_key() == Some(&scope.key) && scope.part.is_none_or(|part| self.part() == Some(part))
    }

    /// A revoked authority cannot say so: whoever believes its list believes no list of it. It is renewed with a new key, and whoever trusts
    /// the old one is told by other means.
    fn check_not_authority(&self) -> Result<(), Error> {
        if !self.is_foreign() && self.certificate().is_some_and(Certificate::is_authority) {
            return Err(Error::Misuse("an authority does not revoke itself: renew it with a new key"));
        }
        Ok(())
    }

    fn end_access(&self) -> Effect {
        Effect::EndAccess { serial: self.serial(), holder: self.holder().clone() }
    }

    /// How the world learns of it: by the list of the key that signed it, or from the other authority.
    fn publish(&self, confirmed: bool) -> Effect {
        match self.crl_scope() {
            Some(scope) if confirmed => Effect::RefreshCrl { scope },
            _ => Effect::AskRevocation { serial: self.serial() },
        }
    }
}

/// Whether a certificate that is not an authority's may be revoked for this reason (RFC 5280 section 5.3.1).
const fn is_for_subscribers(reason: RevocationReason) -> bool {
    matches!(
        reason,
        RevocationReason::Unspecified
            | RevocationReason::KeyCompromise
            | RevocationReason::AffiliationChanged
            | RevocationReason::Superseded
            | RevocationReason::CessationOfOperation
            | RevocationReason::PrivilegeWithdrawn
    )
}

/// The one change that a revocation may still see: its key turned out to be compromised.
fn worsens(revoked: &Revocation, reason: RevocationReason) -> bool {
    reason == RevocationReason::KeyCompromise && revoked.reason != RevocationReason::KeyCompromise && revoked.confirmed
}
