//! Revocation lists: whose, with which number, when, and what stands on them.

use serde::{Deserialize, Serialize};

use super::authority::AuthorityEventKind;
use super::{Authority, Error, KeyId};
use crate::crypto::{Provider, ToBeSigned};
use crate::record::Change;
use crate::time::Timestamp;
use crate::x509::{CertificateRevocationList, CrlNumber, CrlTemplate, KeyIdentifier, RevokedEntry};

/// A line of revocation lists: each list in it replaces the one before.
///
/// There is one for each key, over all certificates that the key signed. An authority that was renewed with a new key goes on
/// issuing the lists of the old one, until the last certificate that the old key signed has ended: most programs refuse a list
/// that another key signed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CrlScope {
    /// The key that signs, and whose certificates are listed.
    pub key: KeyId,
}

impl CrlScope {
    /// All certificates that this key signed.
    pub const fn full(key: KeyId) -> Self {
        CrlScope { key }
    }
}

/// The first number at this moment that is above `highest`; `None` when there is none, which no clock reaches.
///
/// Numbers are taken from the clock, 1024 to the second, and are always above the one before. A list that was planned and lost
/// leaves a gap; an authority that was restored from an old copy goes on above every number that it spent since.
fn number_after(highest: CrlNumber, now: Timestamp) -> Option<CrlNumber> {
    const PER_SECOND: u64 = 1024;
    let of_clock = u64::try_from(now.unix()).unwrap_or(0).saturating_mul(PER_SECOND);
    highest.get().checked_add(1).map(|next| CrlNumber::new(next.max(of_clock)))
}

/// One list of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CrlPlan {
    /// Its number.
    pub number: CrlNumber,
    /// When it is said to be made.
    pub this_update: Timestamp,
    /// When it is out of date.
    pub next_update: Timestamp,
}

/// How far a scope has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CrlState {
    pub(super) scope: CrlScope,
    planned: Option<CrlPlan>,
    issued: Option<CrlPlan>,
    highest: CrlNumber,
}

impl CrlState {
    pub(super) const fn first(scope: CrlScope, plan: CrlPlan) -> Self {
        CrlState { scope, planned: Some(plan), issued: None, highest: plan.number }
    }

    pub(super) fn plan(&mut self, plan: CrlPlan) {
        self.highest = self.highest.max(plan.number);
        self.planned = Some(plan);
    }

    pub(super) fn issue(&mut self) {
        if let Some(plan) = self.planned.take() {
            self.issued = Some(plan);
        }
    }
}

/// A signed list, and that it was issued.
#[derive(Clone, Debug)]
#[must_use = "store the change, then publish the list"]
pub struct IssuedCrl {
    /// The list.
    pub crl: CertificateRevocationList,
    /// To be stored before the list is published.
    pub change: Change<Authority>,
}

impl Authority {
    /// The scopes in which lists are due for as long as certificates of the key are in use: one for each key, the oldest first.
    pub fn crl_scopes(&self) -> Vec<CrlScope> {
        let mut keys: Vec<&KeyId> = Vec::new();
        for generation in self.generations() {
            if !keys.contains(&&generation.key) {
                keys.push(&generation.key);
            }
        }
        keys.into_iter().cloned().map(CrlScope::full).collect()
    }

    /// The list of this scope that was issued last: what [`CertificateRecord::crl_entry`](super::CertificateRecord::crl_entry)
    /// wants to know about, and what a host compares with the clock to see whether a new one is due.
    pub fn last_crl(&self, scope: &CrlScope) -> Option<&CrlPlan> {
        self.crl_of(scope).and_then(|state| state.issued.as_ref())
    }

    /// The list of this scope that was planned and is not issued yet.
    pub fn planned_crl(&self, scope: &CrlScope) -> Option<&CrlPlan> {
        self.crl_of(scope).and_then(|state| state.planned.as_ref())
    }

    fn crl_of(&self, scope: &CrlScope) -> Option<&CrlState> {
        self.crls().iter().find(|state| state.scope == *scope)
    }

    /// Decides that a new list is made, and spends its number: to be stored before anything is signed.
    ///
    /// A list that was planned earlier and not issued is given up with that; its number stays spent.
    ///
    /// ```text
    ///   plan_crl ──store──► crl(entries) ──sign──► IssuedCrl ──store──► publish
    /// ```
    ///
    /// # Errors
    /// [`Error::ClockBackwards`], [`Error::UnknownKey`], [`Error::MayNotSignCrls`], [`Error::AuthorityExpired`].
    pub fn plan_crl(&self, scope: &CrlScope, now: Timestamp) -> Result<Change<Self>, Error> {
        let generation = self.generation_of(&scope.key).ok_or(Error::UnknownKey)?;
        if !generation.may_sign_crls() {
            return Err(Error::MayNotSignCrls);
        }
        let this_update = self.check_clock(now)?;
        let not_after = generation.certificate.validity().not_after;
        if this_update > not_after {
            return Err(Error::AuthorityExpired(not_after));
        }
        let highest = self.crl_of(scope).map_or(CrlNumber::default(), |state| state.highest);
        let number = number_after(highest, this_update).ok_or(Error::Misuse("there is no CRL number left"))?;
        let next_update = this_update.plus_days(i64::from(self.settings().crl_lifetime_days));
        let plan = CrlPlan { number, this_update, next_update };
        let kind = AuthorityEventKind::CrlPlanned { scope: scope.clone(), plan };
        Ok(self.clone().then(kind, this_update, Vec::new()))
    }

    /// Makes the list that was planned last in this scope. `entries` are those of all records of the key, as
    /// [`CertificateRecord::crl_entry`](super::CertificateRecord::crl_entry) gives them, in any order, read after the plan was
    /// stored. They are taken one at a time.
    ///
    /// ```
    /// use mdm_core::ca::{Authority, CertificateRecord, CrlScope, Error};
    /// use mdm_core::record::Change;
    /// use mdm_core::crypto::{Provider, SigningKey};
    /// use mdm_core::time::Timestamp;
    ///
    /// fn issue(
    ///     authority: &Authority,
    ///     records: &[CertificateRecord],
    ///     key: &dyn SigningKey,
    ///     now: Timestamp,
    ///     provider: &Provider,
    ///     mut store: impl FnMut(&Change<Authority>),
    /// ) -> Result<Vec<u8>, Error> {
    ///     let scope = CrlScope::full(authority.active()?.key.clone());
    ///     let planned = authority.plan_crl(&scope, now)?;
    ///     store(&planned);
    ///     let previous = planned.record.last_crl(&scope).map(|last| last.this_update);
    ///     let entries = records.iter().filter_map(|record| record.crl_entry(&scope, previous));
    ///     let issued = planned.record.crl(&scope, entries, provider)?.sign_with(key)?;
    ///     store(&issued.change);
    ///     Ok(issued.crl.as_der().to_vec())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::CrlNotPlanned`], [`Error::UnknownKey`], [`Error::X509`] for an entry that belongs on no list.
    pub fn crl(
        &self,
        scope: &CrlScope,
        entries: impl IntoIterator<Item = RevokedEntry>,
        provider: &Provider,
    ) -> Result<ToBeSigned<IssuedCrl>, Error> {
        let generation = self.generation_of(&scope.key).ok_or(Error::UnknownKey)?;
        let state = self.crl_of(scope).ok_or(Error::CrlNotPlanned)?;
        let plan = state.planned.ok_or(Error::CrlNotPlanned)?;
        let issuer = &generation.certificate;
        let template = CrlTemplate {
            issuer: issuer.subject().clone(),
            this_update: plan.this_update,
            next_update: plan.next_update,
            number: plan.number,
            base: None,
            authority_key_identifier: issuer
                .subject_key_identifier()
                .cloned()
                .unwrap_or_else(|| KeyIdentifier::of(issuer.public_key(), provider)),
            distribution_point: None,
        };
        let list = template.to_be_signed(entries, issuer.public_key(), generation.algorithm, provider)?;
        let (authority, scope) = (self.clone(), scope.clone());
        Ok(list.map(move |crl| {
            let kind = AuthorityEventKind::CrlIssued { scope, number: plan.number };
            let at = authority.latest();
            IssuedCrl { crl, change: authority.then(kind, at, Vec::new()) }
        }))
    }
}
