//! Revocation lists: with which number, when, and what stands on them.

use serde::{Deserialize, Serialize};

use super::authority::AuthorityEventKind;
use super::{Authority, CrlScope, Error, Generation};
use crate::crypto::{Provider, ToBeSigned};
use crate::record::Change;
use crate::time::Timestamp;
use crate::x509::{
    CertificateRevocationList, CrlFrame, CrlMeasure, CrlNumber, CrlTemplate, IssuingDistributionPoint, KeyIdentifier,
    RevokedEntry,
};

/// How many numbers the clock gives in a second.
const PER_SECOND: u64 = 1024;
/// By how many seconds numbers may run ahead of the clock.
const LEAD_SECONDS: u64 = 60;

/// The number of the clock at this moment.
pub(super) fn number_at(now: Timestamp) -> u64 {
    u64::try_from(now.unix()).unwrap_or(0).saturating_mul(PER_SECOND)
}

/// The first number at this moment that is above `highest`, and not below what a restored authority may use.
///
/// Numbers are taken from the clock, 1024 to the second, and are always above the one before. A list that was planned and lost
/// leaves a gap. They never run ahead of the clock by more than a minute, so that an authority that is restored from an old copy
/// knows a number that is above all that it has spent since.
fn number_after(highest: CrlNumber, floor: CrlNumber, now: Timestamp) -> Result<CrlNumber, Error> {
    const TOO_MANY: Error = Error::Misuse("more revocation lists than 1024 a second; wait a minute");
    let given = number_at(now).max(floor.get());
    let next = highest.get().checked_add(1).ok_or(TOO_MANY)?.max(given);
    let ceiling = given.saturating_add(LEAD_SECONDS.saturating_mul(PER_SECOND));
    if next > ceiling { Err(TOO_MANY) } else { Ok(CrlNumber::new(next)) }
}

/// One list of a scope, and the delta list that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CrlPlan {
    /// Its number, which is also the delta list's.
    pub number: CrlNumber,
    /// When it is said to be made.
    pub this_update: Timestamp,
    /// When it is out of date.
    pub next_update: Timestamp,
    /// The earlier list that a delta list beside this one continues; `None` when there is no delta list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<CrlBase>,
}

/// A full list that delta lists continue (RFC 5280 section 5.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CrlBase {
    /// Its number.
    pub number: CrlNumber,
    /// A moment before it was made: what has changed since may not stand on it yet.
    pub since: Timestamp,
}

/// How far a scope has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CrlState {
    pub(super) scope: CrlScope,
    planned: Option<CrlPlan>,
    issued: Option<CrlPlan>,
    pub(super) highest: CrlNumber,
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

    /// The planned list is not made.
    pub(super) const fn give_up(&mut self) {
        self.planned = None;
    }

    /// The list that was issued last without a delta list. Nodes whose clocks differ by the tolerance read its entries and write
    /// down revocations at once, so what counts as changed since begins that much earlier.
    fn base(&self, tolerance_seconds: u32) -> Option<CrlBase> {
        let issued = self.issued?;
        let since = issued.this_update.plus_seconds(i64::from(tolerance_seconds).saturating_neg());
        Some(issued.base.unwrap_or(CrlBase { number: issued.number, since }))
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

    /// Decides that a new full list is made, and spends its number: to be stored before anything is signed. Once it is issued, delta
    /// lists may continue it.
    ///
    /// A list that was planned earlier and not issued is given up with that; its number stays spent.
    ///
    /// ```text
    ///   plan_crl ────────────────────store──► crl(entries) ──sign──► IssuedCrl ──store──► publish
    ///   plan_delta_crl ──store──► delta_crl(entries) ──sign──┘  (and the delta list with it)
    /// ```
    ///
    /// # Errors
    /// [`Error::ClockBackwards`], [`Error::UnknownKey`], [`Error::MayNotSignCrls`], [`Error::AuthorityExpired`]; [`Error::Misuse`]
    /// for a part that the settings do not have, and for more than 1024 lists a second over minutes.
    pub fn plan_crl(&self, scope: &CrlScope, now: Timestamp) -> Result<Change<Self>, Error> {
        self.plan_list(scope, None, now)
    }

    /// As [`Authority::plan_crl`], with a delta list beside the full one, of the same number (RFC 5280 section 5.2.4 wants both).
    /// The delta list continues the last full list that was issued without one: a host plans a full list once a day, say, and
    /// with a delta list every hour.
    ///
    /// What has changed is told by the moments on the records. No clock stands in the way of a revocation, so a node whose clock is behind
    /// the authority's [`latest`](Authority::latest) by more than the tolerance dates with that moment and not with its clock, or the
    /// revocation stands on full lists alone until the next base.
    ///
    /// # Errors
    /// As [`Authority::plan_crl`]; [`Error::NoBaseCrl`] before a full list was issued in this scope.
    pub fn plan_delta_crl(&self, scope: &CrlScope, now: Timestamp) -> Result<Change<Self>, Error> {
        let tolerance = self.settings().clock_tolerance_seconds;
        let base = self.crl_of(scope).and_then(|state| state.base(tolerance)).ok_or(Error::NoBaseCrl)?;
        self.plan_list(scope, Some(base), now)
    }

    fn plan_list(&self, scope: &CrlScope, base: Option<CrlBase>, now: Timestamp) -> Result<Change<Self>, Error> {
        let generation = self.generation_of(&scope.key).ok_or(Error::UnknownKey)?;
        if scope.part.is_some() && self.crl_uri(scope).is_none() {
            return Err(Error::Misuse("the settings have no such part of the revocation lists"));
        }
        if !generation.may_sign_crls() {
            return Err(Error::MayNotSignCrls);
        }
        let this_update = self.check_clock(now)?;
        let not_after = generation.certificate.validity().not_after;
        if this_update > not_after {
            return Err(Error::AuthorityExpired(not_after));
        }
        let highest = self.crl_of(scope).map_or(CrlNumber::default(), |state| state.highest);
        let number = number_after(highest, self.crl_floor(), this_update)?;
        let next_update = this_update.plus_days(i64::from(self.settings().crl_lifetime_days));
        let plan = CrlPlan { number, this_update, next_update, base };
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
        let (generation, plan) = self.planned_list(scope)?;
        let template = self.full_template(scope, generation, plan, provider);
        let list = template.to_be_signed(entries, generation.certificate.public_key(), generation.algorithm, provider)?;
        let (authority, scope) = (self.clone(), scope.clone());
        Ok(list.map(move |crl| IssuedCrl { crl, change: authority.crl_issued(scope, plan) }))
    }

    /// As [`Authority::crl`], for a list that is written piece by piece: [`CrlMeasure`] shows how. When it is signed,
    /// [`Authority::crl_written`] says so.
    ///
    /// # Errors
    /// As [`Authority::crl`].
    pub fn measure_crl(&self, scope: &CrlScope, provider: &Provider) -> Result<CrlMeasure, Error> {
        let (generation, plan) = self.planned_list(scope)?;
        let template = self.full_template(scope, generation, plan, provider);
        Ok(template.measure(generation.certificate.public_key(), generation.algorithm)?)
    }

    /// The list that was planned in this scope was written piece by piece, and signed: to be stored before it is published.
    ///
    /// # Errors
    /// [`Error::CrlNotPlanned`] when another list was planned since.
    pub fn crl_written(&self, scope: &CrlScope, frame: &CrlFrame) -> Result<Change<Self>, Error> {
        match self.planned_crl(scope) {
            Some(plan) if plan.number == frame.number => Ok(self.clone().crl_issued(scope.clone(), *plan)),
            _ => Err(Error::CrlNotPlanned),
        }
    }

    /// Makes the delta list beside the list that was planned last in this scope: before that one is issued, and published together
    /// with it. `entries` are those of all records of the key, as
    /// [`CertificateRecord::delta_crl_entry`](super::CertificateRecord::delta_crl_entry) gives them; a host that indexes its records
    /// by [`changed_at`](super::CertificateRecord::changed_at) reads the few that changed.
    ///
    /// # Errors
    /// [`Error::CrlNotPlanned`] also when no delta list was planned; else as [`Authority::crl`].
    pub fn delta_crl(
        &self,
        scope: &CrlScope,
        entries: impl IntoIterator<Item = RevokedEntry>,
        provider: &Provider,
    ) -> Result<ToBeSigned<CertificateRevocationList>, Error> {
        let (generation, plan) = self.planned_list(scope)?;
        let base = plan.base.ok_or(Error::CrlNotPlanned)?;
        let template = CrlTemplate { base: Some(base.number), ..self.list_template(scope, generation, plan, provider) };
        Ok(template.to_be_signed(entries, generation.certificate.public_key(), generation.algorithm, provider)?)
    }

    fn planned_list(&self, scope: &CrlScope) -> Result<(&Generation, CrlPlan), Error> {
        let generation = self.generation_of(&scope.key).ok_or(Error::UnknownKey)?;
        let plan = self.crl_of(scope).and_then(|state| state.planned).ok_or(Error::CrlNotPlanned)?;
        Ok((generation, plan))
    }

    fn full_template(&self, scope: &CrlScope, generation: &Generation, plan: CrlPlan, provider: &Provider) -> CrlTemplate {
        let freshest = self.delta_crl_uri(scope).into_iter().collect();
        CrlTemplate { freshest, ..self.list_template(scope, generation, plan, provider) }
    }

    /// What a planned list says besides its entries.
    fn list_template(&self, scope: &CrlScope, generation: &Generation, plan: CrlPlan, provider: &Provider) -> CrlTemplate {
        let issuer = &generation.certificate;
        let uris = |uri| IssuingDistributionPoint { uris: vec![uri], only: None };
        CrlTemplate {
            issuer: issuer.subject().clone(),
            this_update: plan.this_update,
            next_update: plan.next_update,
            number: plan.number,
            base: None,
            authority_key_identifier: issuer
                .subject_key_identifier()
                .cloned()
                .unwrap_or_else(|| KeyIdentifier::of(issuer.public_key(), provider)),
            distribution_point: self.crl_uri(scope).map(uris),
            freshest: Vec::new(),
        }
    }

    fn crl_issued(self, scope: CrlScope, plan: CrlPlan) -> Change<Self> {
        let at = self.latest();
        self.then(AuthorityEventKind::CrlIssued { scope, number: plan.number }, at, Vec::new())
    }
}
