//! What the scenario remembers by itself, and what it holds lists, answers and records to.

use std::collections::BTreeMap;

use super::{
    Authority, CertId, CertificateRecord, CertificateRevocationList, CrlScope, Error, Issuer, LIMITS, Listed, Record, Request,
    RequestRecord, RequestTemplate, RevocationReason, SerialNumber, Sha1, State, Timestamp, World, ocsp, provider, stamp,
};
use crate::ca::CrlPlan;

/// A certificate, from its reservation on.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) transaction: String,
    /// Whose key it is for.
    pub(super) key: usize,
    /// The how manieth it is.
    pub(super) order: usize,
    pub(super) not_after: Timestamp,
    pub(super) signed: bool,
    pub(super) held: Option<Timestamp>,
    pub(super) revoked: Option<(Timestamp, RevocationReason)>,
}

/// What was decided about a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    None,
    Yes(SerialNumber),
    No,
}

impl Known {
    pub(super) fn state(&self, now: Timestamp) -> State {
        match self {
            Known { revoked: Some(_), .. } => State::Revoked,
            Known { signed: false, .. } => State::Reserved,
            Known { not_after, .. } if now > *not_after => State::Expired,
            Known { held: Some(_), .. } => State::Held,
            _ => State::Issued,
        }
    }

    /// Revokes it; false when that is no legal move.
    pub(super) fn revoke(&mut self, reason: RevocationReason, _: Timestamp, at: Timestamp) -> bool {
        self.revoked = match (self.revoked, self.held.take()) {
            (None, held) => Some((held.unwrap_or(at), reason)),
            (Some((since, old)), _) if old != reason && reason == RevocationReason::KeyCompromise => Some((since, reason)),
            _ => return false,
        };
        true
    }

    pub(super) fn hold(&mut self, now: Timestamp, at: Timestamp) -> bool {
        let may = self.state(now) == State::Issued;
        self.held = self.held.or(may.then_some(at));
        may
    }

    pub(super) fn release(&mut self, now: Timestamp, _: Timestamp) -> bool {
        let may = self.state(now) == State::Held;
        self.held = self.held.filter(|_| !may);
        may
    }

    /// Since when and why it is on lists; `None` when it is not.
    fn listed(&self) -> Option<(Timestamp, RevocationReason)> {
        self.revoked.or(self.held.map(|since| (since, RevocationReason::CertificateHold)))
    }
}

fn entries(list: &CertificateRevocationList) -> Listed {
    let listed: Listed = list.entries().map(|entry| (entry.serial, entry.reason)).collect();
    assert_eq!(listed.len(), list.entries().count(), "one entry for each serial number");
    listed
}

impl World {
    /// Makes a list. The host may stop once the number is spent (1), or once the list is signed (2).
    pub(super) fn list(&mut self, which: usize, delta: bool, stop: u8) {
        let scopes = self.authority.crl_scopes();
        let scope = &scopes[which % scopes.len()];
        let planned = match self.authority.plan_delta_crl(scope, self.now).ok().filter(|_| delta) {
            Some(planned) => planned,
            None => match (self.authority.plan_crl(scope, self.now), self.refusal()) {
                (Ok(planned), _) => planned,
                (Err(Error::ClockBackwards { .. }), Some(Error::ClockBackwards { .. })) => return,
                // An older key's certificate may end before the one in use.
                (Err(Error::AuthorityExpired(end)), _) => return assert!(self.moment() > end),
                other => panic!("{other:?}"),
            },
        };
        self.keep(planned);
        self.lists += 1;
        let plan = *self.authority.planned_crl(scope).expect("it was planned");
        let last = self.numbers.insert(scope.clone(), plan.number.get());
        assert!(last.is_none_or(|last| last < plan.number.get()), "a number went down or came twice");
        if stop != 1 {
            self.sign_list(scope, &plan, stop == 2);
        }
    }

    fn sign_list(&mut self, scope: &CrlScope, plan: &CrlPlan, stops: bool) {
        let previous = self.authority.last_crl(scope).map(|last| last.this_update);
        let records = || self.rows.values().map(|(record, _)| record);
        let of_scope = records().filter_map(|record| record.crl_entry(scope, previous));
        let issued = stamp(self.authority.crl(scope, of_scope, &provider()).expect("it was planned"));
        let full = entries(&issued.crl);
        self.check_full(scope, &full);
        if let Some(base) = plan.base {
            let changed = records().filter_map(|record| record.delta_crl_entry(scope, &base));
            let delta = stamp(self.authority.delta_crl(scope, changed, &provider()).expect("it was planned"));
            assert_eq!((delta.number(), delta.base()), (issued.crl.number(), Some(base.number)));
            let earlier = &self.full[&(scope.clone(), base.number.get())];
            self.check_delta(earlier.clone(), &entries(&delta), full.clone());
        }
        self.full.insert((scope.clone(), plan.number.get()), full);
        if !stops {
            self.keep(issued.change);
        }
    }

    /// Revoked, under this key and in this part, and not past its end: that is who stands on a list.
    fn check_full(&self, scope: &CrlScope, full: &Listed) {
        for (serial, (record, _)) in &self.rows {
            let known = &self.model[serial];
            let is_in = record.issuer_key() == Some(&scope.key) && scope.part.is_none_or(|part| record.part() == Some(part));
            match known.listed().filter(|_| is_in) {
                Some((_, reason)) if self.now <= known.not_after => assert_eq!(full.get(serial), Some(&reason), "{serial}"),
                Some(_) => {}
                None => assert!(!full.contains_key(serial), "{serial} is on a list of others"),
            }
        }
        assert!(full.keys().all(|serial| self.rows.contains_key(serial)), "nobody's serial number");
    }

    /// The earlier list with the changes applied is the newer one; who is past its end may leave without a word.
    fn check_delta(&self, mut earlier: Listed, delta: &Listed, mut full: Listed) {
        for (serial, reason) in delta {
            match reason {
                RevocationReason::RemoveFromCrl => _ = earlier.remove(serial),
                reason => _ = earlier.insert(*serial, *reason),
            }
        }
        let lives = |serial: &SerialNumber| self.model.get(serial).is_some_and(|known| self.now <= known.not_after);
        earlier.retain(|serial, _| lives(serial));
        full.retain(|serial, _| lives(serial));
        assert_eq!(earlier, full, "the delta list does not lead from its base to the list beside it");
    }

    /// Somebody asks about a certificate, and about one that was never issued.
    pub(super) fn query(&self, with: u8) {
        let Some(serial) = self.pick(with) else { return };
        let (record, known) = (&self.rows[&serial].0, &self.model[&serial]);
        let mut generations = self.authority.generations().iter().rev();
        let issuer = generations.find(|generation| Some(&generation.key) == record.issuer_key()).expect("its issuer");
        let responder = self.authority.responder(&provider()).expect("it is signed");
        let never = SerialNumber::random(provider().random).expect("randomness");
        let ids = [serial, never].map(|serial| CertId::new(Sha1, &Issuer::of(&issuer.certificate, &provider()), serial));
        let question = RequestTemplate { ids: ids.to_vec(), nonce: None }.to_der().expect("two certificates");
        let question = Request::from_der(&question, &LIMITS).expect("its own question");
        let find = |serial: &SerialNumber| self.rows.get(serial).map(|(record, _)| record);
        let latest = self.authority.latest().max(record.latest());
        let answer = match responder.answer(&question, find, self.now, &provider()) {
            Ok(answer) => stamp(answer),
            Err(Error::ClockBackwards { .. }) => return assert!(self.now.plus_seconds(super::TOLERANCE) < latest),
            Err(Error::AuthorityExpired(end)) => return assert!(self.now.max(latest) >= end),
            Err(other) => panic!("{other}"),
        };
        let expected = match known.listed() {
            Some((at, reason)) => ocsp::Status::Revoked { at, reason },
            None if known.signed => ocsp::Status::Good,
            None => ocsp::Status::Unknown,
        };
        let found: Vec<_> = answer.answers().iter().map(|answer| answer.status).collect();
        assert_eq!(found, [expected, ocsp::Status::Unknown]);
    }

    pub(super) fn check(&self) {
        assert_eq!(self.rows.len(), self.model.len());
        for (serial, (record, _)) in &self.rows {
            assert_eq!(record.state(self.now, 0), self.model[serial].state(self.now), "{serial}");
        }
    }

    /// The host comes up once more and carries everything out; then what the events make is what is stored.
    pub(super) fn finish(&mut self) {
        for _ in 0..self.effects.len().saturating_mul(4) {
            self.work(15);
        }
        assert!(self.effects.is_empty(), "effects without end");
        self.check();
        assert!(!matches!(self.authority.renewal(), Some(crate::ca::RenewalState::Running(_))), "a renewal hangs");
        for (serial, known) in &self.model {
            assert_eq!(self.ended.contains(serial), known.listed().is_some(), "{serial}: talked with, or not");
            let over = known.revoked.is_some() || self.now > known.not_after;
            assert!(known.signed || over, "{serial} is reserved, and nobody signs it");
        }
        assert_eq!(Authority::replay(&self.events).as_ref(), Ok(&self.authority));
        for (record, events) in self.rows.values() {
            assert_eq!(CertificateRecord::replay(events).as_ref(), Ok(record));
        }
        let requests: BTreeMap<_, _> = self.requests.iter().collect();
        for (record, events) in requests.values() {
            assert_eq!(RequestRecord::replay(events).as_ref(), Ok(record));
        }
        let json = serde_json::to_string(&self.authority).expect("it has a stored form");
        assert_eq!(serde_json::from_str::<Authority>(&json).as_ref().ok(), Some(&self.authority));
    }
}
