//! Random lives of an authority, hundreds of decisions each: certificates issued, held, released and revoked, lists of all kinds,
//! answers, backups that are restored, renewals with old and new keys. What must never happen is looked for after every step.

use std::collections::{BTreeMap, BTreeSet};

use mdm_core::ca::{
    Authority, CertificateRecord, Creation, CrlParts, CrlScope, Error, Inventory, IssuanceRequest, Profile, Renewal, Settings,
    State, Status,
};
use mdm_core::crypto::DigestAlgorithm::Sha1;
use mdm_core::crypto::{SigningKey, SoftwareKey};
use mdm_core::keystore::{Policy, Protection};
use mdm_core::record::Record;
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::ocsp::{self, CertId, Issuer, LIMITS, Request, RequestTemplate};
use mdm_core::x509::{CertificateRevocationList, Extensions, ProvenCsr, RevocationReason, RevokedEntry, SerialNumber};
use proptest::prelude::*;

use super::{DEVICE_KEY, csr, name, noon, provider};

const PARTS: u32 = 3;
const PASSWORD: &str = "correct horse";

#[derive(Clone, Copy, Debug)]
enum Op {
    Issue(u32),
    Revoke(usize, bool),
    Hold(usize),
    Release(usize),
    List(usize, bool),
    Ask(usize),
    Wait(i64),
    Renew(bool),
    Backup,
    Restore,
}

struct Life {
    authority: Authority,
    keys: Vec<(Secret, SoftwareKey)>,
    csr: ProvenCsr,
    records: Vec<CertificateRecord>,
    now: Timestamp,
    backup: Option<Vec<u8>>,
    /// Every serial number that was ever taken.
    serials: BTreeSet<SerialNumber>,
    /// Every number that was spent, by scope, in their order.
    numbers: BTreeMap<CrlScope, Vec<u64>>,
    /// Full lists that were issued, by scope and number: what delta lists continue.
    full: BTreeMap<(CrlScope, u64), BTreeMap<SerialNumber, RevocationReason>>,
}

fn new_key() -> (Secret, SoftwareKey) {
    let secret = provider().generate(mdm_core::crypto::KeyKind::P256).unwrap();
    let key = provider().load(&secret).unwrap();
    (secret, key)
}

fn entries(crl: &CertificateRevocationList) -> BTreeMap<SerialNumber, RevocationReason> {
    let all: BTreeMap<_, _> = crl.entries().map(|entry: RevokedEntry| (entry.serial, entry.reason)).collect();
    assert_eq!(all.len(), crl.entries().count(), "one entry for each serial number");
    all
}

impl Life {
    fn begin() -> Self {
        let keys = vec![new_key()];
        let parts = CrlParts { count: PARTS, uri: "http://ca.example/{key}/{part}".into() };
        let settings = Settings { crl_parts: Some(parts), ..Settings::default() };
        let creation = Creation::new("builtin", "Example", keys[0].1.public_key().clone()).settings(settings);
        let authority = Authority::create(&creation, noon(), &provider()).unwrap().record;
        let mut life = Life {
            authority,
            keys,
            csr: csr(&DEVICE_KEY, name("Device"), Extensions::new()),
            records: Vec::new(),
            now: noon(),
            backup: None,
            serials: BTreeSet::new(),
            numbers: BTreeMap::new(),
            full: BTreeMap::new(),
        };
        life.sign_own();
        life
    }

    fn key(&self, public: &mdm_core::crypto::PublicKey) -> &SoftwareKey {
        &self.keys.iter().find(|(_, key)| key.public_key() == public).unwrap().1
    }

    fn sign_own(&mut self) {
        while let Some(next) = self.authority.to_be_signed(self.now, &provider()).unwrap() {
            let key = self.key(next.public_key());
            self.authority = next.sign_with(key).unwrap().record;
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Issue(days) => self.issue(days),
            Op::Revoke(which, compromised) => {
                let reason = if compromised { RevocationReason::KeyCompromise } else { RevocationReason::Superseded };
                self.change(which, |record, now| record.revoke(reason, None, now));
            }
            Op::Hold(which) => self.change(which, CertificateRecord::hold),
            Op::Release(which) => self.change(which, CertificateRecord::release),
            Op::List(which, delta) => self.list(which, delta),
            Op::Ask(which) => self.ask(which),
            Op::Wait(seconds) => self.now = self.now.plus_seconds(seconds),
            Op::Renew(rekey) => self.renew(rekey),
            Op::Backup => {
                let keys: Vec<Secret> = self.keys.iter().map(|(key, _)| key.clone()).collect();
                let cheap = Protection::iterations(1000);
                self.backup = Some(self.authority.backup(&keys, &PASSWORD.into(), cheap, self.now, &provider()).unwrap());
            }
            Op::Restore => self.restore(),
        }
    }

    fn issue(&mut self, lifetime_days: u32) {
        let profile = Profile { lifetime_days, ..Profile::device_identity() };
        let transaction = self.serials.len().to_string();
        let request = IssuanceRequest::new(&self.csr, &transaction, &profile);
        let reserved = match self.authority.reserve(&request, None, self.now, &provider()) {
            Err(Error::AuthorityExpired(_)) => return,
            reserved => reserved.unwrap(),
        };
        assert!(self.serials.insert(reserved.record().serial()), "a serial number twice");
        let signature = reserved.to_be_signed().unwrap();
        let key = self.key(signature.public_key());
        let record = signature.sign_with(key).unwrap().record;
        let issuer = self.authority.certificate().unwrap();
        assert!(record.validity().not_after <= issuer.validity().not_after, "it outlives its issuer");
        self.records.push(record);
    }

    /// A move along an arrow of the table of states, or an error that changes nothing.
    fn change(
        &mut self,
        which: usize,
        decide: impl FnOnce(&CertificateRecord, Timestamp) -> Result<mdm_core::record::Change<CertificateRecord>, Error>,
    ) {
        let Some(at) = which.checked_rem(self.records.len()) else { return };
        let before = self.records[at].state(self.now, 0);
        match decide(&self.records[at], self.now) {
            Ok(change) => {
                let after = change.record.state(self.now, 0);
                let legal = [
                    (State::Issued, State::Held),
                    (State::Held, State::Issued),
                    (State::Issued, State::Revoked),
                    (State::Held, State::Revoked),
                    (State::Expired, State::Revoked),
                    (State::Revoked, State::Revoked),
                ];
                assert!(legal.contains(&(before, after)), "{before} to {after}");
                if before == State::Revoked {
                    let (old, new) = (self.records[at].revocation().unwrap(), change.record.revocation().unwrap());
                    assert_eq!((old.at, new.reason), (new.at, RevocationReason::KeyCompromise));
                }
                self.records[at] = change.record;
            }
            Err(Error::Move { from, .. }) => assert_eq!(from, before),
            Err(other) => panic!("{other}"),
        }
    }

    fn list(&mut self, which: usize, delta: bool) {
        let scopes = self.authority.crl_scopes();
        let scope = &scopes[which % scopes.len()];
        let planned = match (delta, self.authority.plan_delta_crl(scope, self.now)) {
            (true, Ok(planned)) => planned.record,
            (true, Err(Error::NoBaseCrl)) | (false, _) => match self.authority.plan_crl(scope, self.now) {
                Err(Error::AuthorityExpired(_)) => return,
                planned => planned.unwrap().record,
            },
            (true, Err(Error::AuthorityExpired(_))) => return,
            (true, Err(other)) => panic!("{other}"),
        };
        let plan = *planned.planned_crl(scope).unwrap();
        let numbers = self.numbers.entry(scope.clone()).or_default();
        assert!(numbers.last().is_none_or(|last| *last < plan.number.get()), "numbers of a scope rise, also after a restore");
        numbers.push(plan.number.get());
        let previous = planned.last_crl(scope).map(|last| last.this_update);
        let delta = plan.base.map(|base| {
            let changed = self.records.iter().filter_map(|record| record.delta_crl_entry(scope, &base));
            let delta = planned.delta_crl(scope, changed, &provider()).unwrap();
            let key = self.key(delta.public_key());
            (base, delta.sign_with(key).unwrap())
        });
        let all = planned.crl(scope, self.records.iter().filter_map(|record| record.crl_entry(scope, previous)), &provider());
        let all = all.unwrap();
        let key = self.key(all.public_key());
        let issued = all.sign_with(key).unwrap();
        let full = entries(&issued.crl);
        self.check_full(scope, &full);
        if let Some((base, delta)) = delta {
            assert_eq!((delta.number(), delta.base()), (issued.crl.number(), Some(base.number)));
            assert_eq!(delta.issuing_distribution_point(), issued.crl.issuing_distribution_point());
            // Any full list from the base on, with the delta list applied, says what the new full list says.
            let from = (scope.clone(), base.number.get());
            for ((_, number), earlier) in self.full.range(from.clone()..).take_while(|((of, _), _)| of == scope) {
                self.check_delta(*number, earlier.clone(), &delta, &full);
            }
            assert!(self.full.contains_key(&from), "a delta list continues a list that was issued");
        }
        self.full.insert((scope.clone(), plan.number.get()), full);
        self.authority = issued.change.record;
    }

    /// Revoked, not past the end, and of the scope: that is who stands on the list.
    fn check_full(&self, scope: &CrlScope, full: &BTreeMap<SerialNumber, RevocationReason>) {
        for record in &self.records {
            let of_scope = record.issuer_key() == Some(&scope.key) && scope.part.is_none_or(|part| record.part() == Some(part));
            let revoked = record.revocation().filter(|_| of_scope);
            match revoked {
                Some(revoked) if self.now <= record.validity().not_after => {
                    assert_eq!(full.get(&record.serial()), Some(&revoked.reason));
                }
                Some(_) => {}
                None => assert!(!full.contains_key(&record.serial())),
            }
        }
    }

    fn check_delta(
        &self,
        number: u64,
        mut earlier: BTreeMap<SerialNumber, RevocationReason>,
        delta: &CertificateRevocationList,
        full: &BTreeMap<SerialNumber, RevocationReason>,
    ) {
        for entry in delta.entries() {
            if entry.reason == RevocationReason::RemoveFromCrl {
                earlier.remove(&entry.serial);
            } else {
                earlier.insert(entry.serial, entry.reason);
            }
        }
        // Those past their end may leave a full list without a word.
        let ended = |serial: &SerialNumber| {
            self.records.iter().any(|record| record.serial() == *serial && self.now > record.validity().not_after)
        };
        earlier.retain(|serial, _| full.contains_key(serial) || !ended(serial));
        let mut full = full.clone();
        full.retain(|serial, _| earlier.contains_key(serial) || !ended(serial));
        assert_eq!(earlier, full, "list {number} with the delta list");
    }

    /// What OCSP says is what a list of the same moment says.
    fn ask(&mut self, which: usize) {
        let Some(at) = which.checked_rem(self.records.len()) else { return };
        let record = &self.records[at];
        let key = record.issuer_key().unwrap();
        let generation = self.authority.generations().iter().rev().find(|generation| generation.key == *key).unwrap();
        let responder = self.authority.responder(&provider()).unwrap();
        let never = SerialNumber::random(provider().random).unwrap();
        let issuer = Issuer::of(&generation.certificate, &provider());
        let ids = [record.serial(), never].map(|serial| CertId::new(Sha1, &issuer, serial)).to_vec();
        let question = RequestTemplate { ids, nonce: None }.to_der().unwrap();
        let question = Request::from_der(&question, &LIMITS).unwrap();
        let find = |serial: &SerialNumber| self.records.iter().find(|record| record.serial() == *serial);
        let answer = match responder.answer(&question, find, self.now, &provider()) {
            Err(Error::AuthorityExpired(_)) => return,
            answer => answer.unwrap(),
        };
        let key = self.key(answer.public_key());
        let answer = answer.sign_with(key).unwrap();
        answer.verify(&generation.certificate, self.now, &provider(), mdm_core::crypto::Legacy::NONE).unwrap();
        let scope = CrlScope::full(record.issuer_key().unwrap().clone());
        let expected = match record.crl_entry(&scope, None) {
            Some(entry) => ocsp::Status::Revoked { at: entry.date, reason: entry.reason },
            None => ocsp::Status::Good,
        };
        assert_eq!(answer.answers()[0].status, expected);
        assert_eq!(answer.answers()[1].status, ocsp::Status::Unknown, "what was never issued is never good");
    }

    fn renew(&mut self, rekey: bool) {
        let key = rekey.then(|| {
            self.keys.push(new_key());
            self.keys.last().unwrap().1.public_key().clone()
        });
        let renewal = Renewal { key, ..Renewal::default() };
        self.authority = self.authority.renew(&renewal, self.now, &provider()).unwrap().record;
        self.sign_own();
    }

    /// The database is lost, and the record that it held; the backup is older than both. A second has gone by meanwhile.
    fn restore(&mut self) {
        let Some(backup) = &self.backup else { return };
        self.now = self.now.plus_seconds(1);
        let restored =
            Authority::restore(backup, &PASSWORD.into(), &Policy::MODERN, None, None, self.now, &provider()).unwrap();
        assert_eq!(restored.change.expected(), None, "it begins a series of events");
        assert_eq!(Authority::replay(&restored.change.events).unwrap(), restored.change.record);
        let lost = |key: &mdm_core::ca::KeyId| !restored.change.record.generations().iter().any(|own| own.key == *key);
        // What keys issued that are younger than the backup is out of this authority's hands.
        self.records.retain(|record| !lost(record.issuer_key().unwrap()));
        self.authority = restored.change.record;
    }

    fn check(&self) {
        let inventory = Inventory::count(&self.records, self.now, 30);
        let count = |status| self.records.iter().filter(|r| r.state(self.now, 30).status() == Some(status)).count() as u64;
        assert_eq!((inventory.active, inventory.inactive), (count(Status::Active), count(Status::Inactive)));
        assert_eq!(inventory.all(), self.records.len() as u64);
        assert!(inventory.expiring <= inventory.active);
        let json = serde_json::to_string(&self.authority).unwrap();
        assert_eq!(serde_json::from_str::<Authority>(&json).unwrap(), self.authority);
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (1..700_u32).prop_map(Op::Issue),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(which, compromised)| Op::Revoke(which, compromised)),
        6 => any::<usize>().prop_map(Op::Hold),
        6 => any::<usize>().prop_map(Op::Release),
        10 => (any::<usize>(), any::<bool>()).prop_map(|(which, delta)| Op::List(which, delta)),
        6 => any::<usize>().prop_map(Op::Ask),
        6 => (0..2_000_000_i64).prop_map(Op::Wait),
        1 => prop::bool::weighted(0.3).prop_map(Op::Renew),
        1 => Just(Op::Backup),
        1 => Just(Op::Restore),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_serial_and_no_number_twice_and_everybody_says_the_same(life in prop::collection::vec(op(), 100..250)) {
        let mut authority = Life::begin();
        for op in life {
            authority.run(op);
            authority.check();
        }
    }
}
