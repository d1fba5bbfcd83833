//! Random lives of a certificate authority whose host stops at any step, against a model that fits in the head.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ca::{
    Authority, AuthorityEvent, CertificateEvent, CertificateRecord, Creation, CrlParts, CrlScope, Effect, Error, KeyId,
    Profile, Refusal, Renewal, RenewalState, RequestEvent, RequestRecord, Settings, State,
};
use crate::crypto::DigestAlgorithm::Sha1;
use crate::crypto::{
    self, Digest, KeyKind, Legacy, Provider, PublicKey, Random, SignatureAlgorithm, SigningKey, SoftwareKey, ToBeSigned,
};
use crate::keystore::{Policy, Protection};
use crate::record::{Change, Record};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::x509::ocsp::{self, CertId, Issuer, LIMITS, Request, RequestTemplate};
use crate::x509::{CertificateRevocationList, CsrTemplate, Name, ProvenCsr, RevocationReason, SerialNumber};

mod model;
use model::{Known, Verdict};

/// No serial number and no list's number twice, no reservation lost, no two answers to one request; lists, answers and records say what
/// the model says, wherever the host stops.
///
/// Each step is an octet, and one more says with what:
///
/// ```text
///   0–2  a device asks for a certificate       7  somebody asks over OCSP      10  backup, or restore from it
///   3    the host carries out stored effects   8  time goes by, or back a bit  11  a request is put off, granted, denied
///   4–6  revoke, hold, release                 9  the authority is renewed     12  a list, or a list and its delta
/// ```
///
/// A host that stops has done something and not stored that it has: such steps have a bit for it.
pub(super) fn authority(data: &[u8]) {
    let mut world = World::new();
    for pair in data.chunks(2).take(MOST_STEPS) {
        let (step, with) = (pair[0], pair.get(1).copied().unwrap_or_default());
        match step % 13 {
            0..=2 => world.ask_for(with),
            3 => world.work(with),
            4 => world.revoke(with),
            5 => world.shift(with, Known::hold, CertificateRecord::hold),
            6 => world.shift(with, Known::release, CertificateRecord::release),
            7 => world.query(with),
            8 => world.wait(with),
            9 => world.renew(with),
            10 => world.back_up_or_restore(with),
            11 => world.put_off(with),
            _ => world.list(usize::from(with), with & 0x40 != 0, with >> 4 & 3),
        }
        world.check();
    }
    world.finish();
}

const MOST_STEPS: usize = 400;
const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
const TOLERANCE: i64 = 60;
/// How far back the clock may run, all in all: what `ca` says a restore without the latest number can bear.
const MOST_BACK: i64 = 1800;
const PASSWORD: &str = "correct horse";

/// Numbers that look random, the same in every run of the program, and never twice: the provider's source is for all time, so that a
/// series could not have one of its own.
struct Counting;

static DRAWN: AtomicU64 = AtomicU64::new(1);

impl Random for Counting {
    fn fill(&self, dest: &mut [u8]) -> Result<(), crypto::Error> {
        for chunk in dest.chunks_mut(8) {
            let mut z = DRAWN.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

fn provider() -> Provider {
    Provider::rustcrypto(&Counting)
}

/// Three keys for the authority, and two devices' requests.
struct Cast {
    keys: Vec<(Secret, PublicKey)>,
    requests: Vec<ProvenCsr>,
}

impl Cast {
    fn new() -> Self {
        let key = || {
            let secret = provider().generate(KeyKind::P256).expect("randomness");
            let key: SoftwareKey = provider().load(&secret).expect("a key");
            (secret, key)
        };
        let request = || {
            let (_, key) = key();
            let subject = Name::builder().common_name("Device").build().expect("a name");
            let csr = CsrTemplate::new(subject, SigningKey::public_key(&key).clone());
            let csr =
                csr.to_be_signed(key.algorithm(), &provider()).and_then(|csr| Ok(csr.sign_with(&key)?)).expect("a request");
            csr.verify(&provider(), Legacy::NONE).expect("its own signature")
        };
        let keys = (0..3).map(|_| key()).map(|(secret, key)| (secret, SigningKey::public_key(&key).clone())).collect();
        Cast { keys, requests: vec![request(), request()] }
    }
}

/// Signs in no time, what is no signature: nobody verifies it here, and the scenario is about what is decided.
#[derive(Debug)]
struct Stamp(PublicKey);

impl SigningKey for Stamp {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: SignatureAlgorithm, _: &[u8]) -> Result<Vec<u8>, crypto::Error> {
        Ok(vec![0x5A; 71])
    }

    fn sign_digest(&self, _: SignatureAlgorithm, _: &Digest) -> Result<Vec<u8>, crypto::Error> {
        Ok(vec![0x5A; 71])
    }

    fn checks_itself(&self) -> bool {
        true
    }
}

fn stamp<T>(unsigned: ToBeSigned<T>) -> T {
    let key = Stamp(unsigned.public_key().clone());
    unsigned.sign_with(&key).expect("it signs whatever it is given")
}

type Listed = BTreeMap<SerialNumber, RevocationReason>;

struct World {
    cast: Rc<Cast>,
    now: Timestamp,
    /// The latest that the clock ever was.
    highest: Timestamp,
    authority: Authority,
    events: Vec<AuthorityEvent>,
    rows: BTreeMap<SerialNumber, (CertificateRecord, Vec<CertificateEvent>)>,
    requests: BTreeMap<String, (RequestRecord, Vec<RequestEvent>)>,
    effects: VecDeque<Effect>,
    backup: Option<Vec<u8>>,
    profile: Profile,
    model: BTreeMap<SerialNumber, Known>,
    verdicts: BTreeMap<String, Verdict>,
    /// Bytes that a key has signed, which no crash takes back.
    signed: BTreeMap<SerialNumber, Vec<u8>>,
    /// Whose devices are talked with no longer.
    ended: BTreeSet<SerialNumber>,
    numbers: BTreeMap<CrlScope, u64>,
    full: BTreeMap<(CrlScope, u64), Listed>,
    /// Lists since the last restore.
    lists: u64,
}

impl World {
    fn new() -> Self {
        let cast = Rc::new(Cast::new());
        let parts = CrlParts { count: 2, uri: "http://ca.example/{key}/{part}".into() };
        let settings = Settings { crl_parts: Some(parts), ..Settings::default() };
        let creation = Creation::new("builtin", "Example", cast.keys[0].1.clone()).settings(settings);
        let created = Authority::create(&creation, NOW, &provider()).expect("a name and a key");
        let mut world = World {
            cast,
            now: NOW,
            highest: NOW,
            authority: created.record,
            events: created.events,
            rows: BTreeMap::new(),
            requests: BTreeMap::new(),
            effects: created.effects.into(),
            backup: None,
            profile: Profile::device_identity(),
            model: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            signed: BTreeMap::new(),
            ended: BTreeSet::new(),
            numbers: BTreeMap::new(),
            full: BTreeMap::new(),
            lists: 0,
        };
        world.work(1);
        world
    }

    fn keep(&mut self, change: Change<Authority>) {
        assert!(change.is_empty() || change.expected() == Some(self.authority.revision()), "made of the stored record");
        self.authority = change.record;
        self.events.extend(change.events);
        self.effects.extend(change.effects);
    }

    fn keep_row(&mut self, change: Change<CertificateRecord>) {
        let serial = change.record.serial();
        let stored = self.rows.get(&serial).map(|(row, _)| row.revision());
        assert!(change.is_empty() || change.expected() == stored, "made of the stored record");
        let (row, events) = self.rows.entry(serial).or_insert_with(|| (change.record.clone(), Vec::new()));
        *row = change.record;
        events.extend(change.events);
        self.effects.extend(change.effects);
    }

    /// What the authority must answer to whatever takes a new decision at this moment; `None` when it may.
    fn refusal(&self) -> Option<Error> {
        let latest = self.authority.latest();
        let end = self.authority.certificate().expect("it is signed").validity().not_after;
        match self.now.plus_seconds(TOLERANCE) < latest {
            true => Some(Error::ClockBackwards { now: self.now, latest }),
            false => (self.now.max(latest) > end).then_some(Error::AuthorityExpired(end)),
        }
    }

    fn newest(&self, transaction: &str) -> Option<(SerialNumber, &Known)> {
        let of = self.model.iter().filter(|(_, known)| known.transaction == transaction);
        of.max_by_key(|(_, known)| known.order).map(|(serial, known)| (*serial, known))
    }

    fn ask_for(&mut self, with: u8) {
        let (transaction, key) = (format!("asked {}", with % 8), usize::from(with >> 3 & 1));
        let profile = Profile { lifetime_days: 1 + 30 * u32::from(with >> 4), ..self.profile.clone() };
        let cast = Rc::clone(&self.cast);
        let request = crate::ca::IssuanceRequest::new(&cast.requests[key], &transaction, &profile);
        let newest = self.newest(&transaction).map(|(serial, known)| (serial, known.clone()));
        let answered = newest.as_ref().map(|(serial, _)| &self.rows[serial].0);
        let outcome = self.authority.reserve(&request, answered, self.now, &provider());
        match newest {
            Some((_, known)) if known.key != key => {
                return assert_eq!(outcome.expect_err("another's"), Error::Refused(Refusal::TransactionTaken));
            }
            Some((serial, known)) => match known.state(self.now) {
                State::Revoked | State::Held => {
                    return assert_eq!(outcome.expect_err("it is out"), Error::Refused(Refusal::Revoked(serial)));
                }
                State::Reserved | State::Issued if self.now <= known.not_after => {
                    let again = outcome.expect("the answer that it got");
                    assert!(again.change().is_empty() && again.record().serial() == serial, "two answers to one request");
                    return;
                }
                _ => {}
            },
            None => {}
        }
        match (outcome, self.refusal()) {
            (Ok(reserved), None) => self.reserved(reserved.change().clone(), transaction, key),
            (Err(error), Some(expected)) => assert_eq!(error, expected),
            (outcome, expected) => panic!("{outcome:?}, and not {expected:?}"),
        }
    }

    fn reserved(&mut self, change: Change<CertificateRecord>, transaction: String, key: usize) {
        let record = &change.record;
        let (order, not_after) = (self.model.len(), record.validity().not_after);
        let issuer = self.authority.certificate().expect("it is signed").validity();
        assert!(not_after <= issuer.not_after && record.validity().not_before >= issuer.not_before, "beyond its issuer");
        let known = Known { transaction, key, order, not_after, signed: false, held: None, revoked: None };
        assert!(self.model.insert(record.serial(), known).is_none(), "a serial number twice");
        self.keep_row(change);
    }

    /// The host carries out what is stored; with the high bit, it stops before it stores that it has done the last of it.
    fn work(&mut self, with: u8) {
        let count = usize::from(with & 15).min(self.effects.len());
        for at in 1..=count {
            let Some(effect) = self.effects.front().cloned() else { return };
            let stops = with & 0x80 != 0 && at == count;
            self.carry_out(&effect, stops);
            if !stops {
                // What it led to stands behind it.
                self.effects.pop_front();
            }
        }
    }

    fn carry_out(&mut self, effect: &Effect, stops: bool) {
        match effect {
            Effect::SignAuthority => {
                let next = self.authority.to_be_signed(self.now, &provider()).expect("stored bytes");
                if let Some(signed) = next.map(stamp).filter(|_| !stops) {
                    self.keep(signed);
                }
            }
            Effect::Sign { serial } => self.sign(*serial, stops),
            Effect::Deliver { serial } => {
                let Some((row, _)) = self.rows.get(serial) else { return };
                let delivered = row.delivered(self.now).expect("it is signed");
                if !stops {
                    self.keep_row(delivered);
                }
            }
            Effect::EndAccess { serial, .. } => _ = self.ended.insert(*serial),
            Effect::RestoreAccess { serial, .. } => _ = self.ended.remove(serial),
            Effect::RefreshCrl { scope } => {
                let at = self.authority.crl_scopes().iter().position(|known| known == scope);
                at.into_iter().for_each(|at| self.list(at, false, u8::from(stops)));
            }
            Effect::Notify(_) => {}
            Effect::AskRevocation { .. } => panic!("every certificate here is the authority's own"),
        }
    }

    fn sign(&mut self, serial: SerialNumber, stops: bool) {
        let Some((row, _)) = self.rows.get(&serial) else { return };
        let known = &self.model[&serial];
        match self.authority.resume(row, self.now, &provider()) {
            Ok(reserved) => {
                let Some(unsigned) = reserved.to_be_signed() else { return assert!(known.signed) };
                assert!(known.revoked.is_none() && !known.signed && self.now <= known.not_after, "it must not be signed");
                let bytes = self.signed.entry(serial).or_insert_with(|| unsigned.bytes().to_vec());
                assert_eq!(bytes, unsigned.bytes(), "one serial number, two sets of bytes");
                let signed = stamp(unsigned);
                if !stops {
                    self.keep_row(signed);
                    self.model.get_mut(&serial).expect("it is known").signed = true;
                }
            }
            Err(Error::Move { .. }) => assert!(known.revoked.is_some() || self.now > known.not_after),
            Err(other) => panic!("{other}"),
        }
    }

    fn pick(&self, with: u8) -> Option<SerialNumber> {
        let at = usize::from(with).checked_rem(self.rows.len())?;
        self.rows.keys().nth(at).copied()
    }

    /// The moment that a host dates a revocation with: the authority's, when the clock has fallen behind that.
    fn moment(&self) -> Timestamp {
        self.now.max(self.authority.latest())
    }

    fn revoke(&mut self, with: u8) {
        let reasons = [RevocationReason::KeyCompromise, RevocationReason::Superseded, RevocationReason::Unspecified];
        let reason = reasons[usize::from(with >> 6) % reasons.len()];
        self.shift(with & 0x3f, |known, now, at| known.revoke(reason, now, at), |record, now| record.revoke(reason, None, now));
    }

    /// Moves a certificate: where the model may, the record does, and nowhere else.
    fn shift(
        &mut self,
        with: u8,
        expected: impl FnOnce(&mut Known, Timestamp, Timestamp) -> bool,
        decide: impl FnOnce(&CertificateRecord, Timestamp) -> Result<Change<CertificateRecord>, Error>,
    ) {
        let Some(serial) = self.pick(with) else { return };
        let (now, record) = (self.moment(), self.rows[&serial].0.clone());
        let known = self.model.get_mut(&serial).expect("it is known");
        let state = known.state(now);
        match decide(&record, now) {
            Ok(change) => {
                assert!(expected(known, now, now.max(record.latest())), "{state}, and moved");
                self.keep_row(change);
            }
            Err(Error::Move { from, .. }) => {
                assert!(!expected(&mut known.clone(), now, now), "{state}, and not moved");
                assert_eq!(from, state);
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn wait(&mut self, with: u8) {
        let seconds = if with >= 0xf0 { -40 * i64::from(with & 15) } else { i64::from(with) * 9001 };
        self.now = self.now.plus_seconds(seconds).max(self.highest.plus_seconds(-MOST_BACK));
        self.highest = self.highest.max(self.now);
    }

    fn renew(&mut self, with: u8) {
        let cast = Rc::clone(&self.cast);
        let (_, key) = &cast.keys[usize::from(with >> 2) % cast.keys.len()];
        let id = KeyId::of(key, &provider());
        match self.authority.renewal() {
            Some(RenewalState::Running(_)) if with % 4 == 3 => {
                return self.keep(self.authority.renewal_failed(self.now).expect("it is running"));
            }
            Some(RenewalState::Failed(_)) if with % 4 == 3 => {
                return self.keep(self.authority.acknowledge_renewal(self.now).expect("it has failed"));
            }
            _ => {}
        }
        let active = self.authority.active().expect("it is signed").key == id;
        let owned = self.authority.generations().iter().any(|generation| generation.key == id);
        let renewal = Renewal { key: Some(key.clone()), ..Renewal::default() };
        let backwards = self.refusal().filter(|refusal| matches!(refusal, Error::ClockBackwards { .. }));
        match (self.authority.renew(&renewal, self.now, &provider()), self.authority.renewal(), backwards) {
            (Err(Error::RenewalRunning(id)), Some(RenewalState::Running(running)), _) => assert_eq!(id, running),
            (Err(Error::RenewalLocked(id)), Some(RenewalState::Failed(failed)), _) => assert_eq!(id, failed),
            (Err(error), None, Some(expected)) => assert_eq!(error, expected),
            (Err(Error::Refused(Refusal::AuthorityKey)), None, None) => assert!(owned && !active),
            (Ok(change), None, None) => {
                assert!(active || !owned, "a key that was given up came back");
                self.keep(change);
            }
            other => panic!("{other:?}"),
        }
    }

    fn back_up_or_restore(&mut self, with: u8) {
        let keys: Vec<Secret> = self.cast.keys.iter().map(|(secret, _)| secret.clone()).collect();
        if with.is_multiple_of(2) {
            match self.authority.backup(&keys, &PASSWORD.into(), Protection::iterations(1000), self.now, &provider()) {
                Ok(backup) => self.backup = Some(backup),
                Err(Error::RenewalRunning(_)) => assert!(self.authority.renewal().is_some(), "refused for no reason"),
                Err(other) => panic!("{other}"),
            }
            return;
        }
        let Some(backup) = self.backup.clone() else { return };
        let is_lost = with & 2 != 0;
        if is_lost {
            // Without its record, a clock that is right and a second for each thousand lists are needed.
            self.highest = self.highest.plus_seconds(1 + i64::try_from(self.lists / 1000).expect("few lists"));
            self.now = self.highest;
        }
        let current = (!is_lost).then_some(&self.authority);
        let restored = Authority::restore(&backup, &PASSWORD.into(), &Policy::MODERN, current, None, self.now, &provider());
        let change = match restored {
            Ok(restored) => restored.change,
            Err(Error::ClockBackwards { now, latest }) => {
                return assert!(now == self.now && now.plus_seconds(TOLERANCE) < latest);
            }
            Err(other) => panic!("{other}"),
        };
        self.lists = 0;
        if is_lost {
            self.authority = change.record.clone();
            self.events = change.events.clone();
            self.effects.extend(change.effects);
        } else {
            self.keep(change);
        }
        // What younger keys issued is out of this authority's hands.
        let own: Vec<KeyId> = self.authority.generations().iter().map(|generation| generation.key.clone()).collect();
        self.rows.retain(|_, (row, _)| row.issuer_key().is_some_and(|key| own.contains(key)));
        self.model.retain(|serial, _| self.rows.contains_key(serial));
        self.effects.retain(|effect| match effect {
            Effect::EndAccess { serial, .. } | Effect::RestoreAccess { serial, .. } => self.rows.contains_key(serial),
            _ => true,
        });
        self.ended.retain(|serial| self.rows.contains_key(serial));
    }

    fn put_off(&mut self, with: u8) {
        let transaction = format!("put off {}", with % 8);
        let stored = self.requests.get(&transaction).map(|(record, _)| record.clone());
        match (with >> 4 & 3, stored) {
            (0 | 1, stored) => self.submit(transaction, stored.as_ref()),
            (_, None) => {}
            (2, Some(record)) => self.grant(transaction, &record),
            (_, Some(record)) => match (record.deny("no", self.now), self.verdicts[&transaction]) {
                (Ok(change), Verdict::None) => {
                    self.verdicts.insert(transaction.clone(), Verdict::No);
                    self.keep_request(transaction, change);
                }
                (Ok(change), Verdict::No) => assert!(change.is_empty()),
                (Err(Error::Request(_)), Verdict::Yes(_)) => {}
                other => panic!("{other:?}"),
            },
        }
    }

    fn keep_request(&mut self, transaction: String, change: Change<RequestRecord>) {
        let (record, events) = self.requests.entry(transaction).or_insert_with(|| (change.record.clone(), Vec::new()));
        *record = change.record;
        events.extend(change.events);
    }

    fn submit(&mut self, transaction: String, stored: Option<&RequestRecord>) {
        let cast = Rc::clone(&self.cast);
        let request = crate::ca::IssuanceRequest::new(&cast.requests[0], &transaction, &self.profile);
        match (RequestRecord::submit(&self.authority, &request, stored, self.now, &provider()), self.refusal()) {
            (Ok(change), _) if stored.is_some() => assert!(change.is_empty(), "the same request again is no news"),
            (Ok(change), None) => {
                self.verdicts.insert(transaction.clone(), Verdict::None);
                self.keep_request(transaction, change);
            }
            (Err(error), Some(expected)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
    }

    fn grant(&mut self, transaction: String, record: &RequestRecord) {
        let granted = match self.verdicts[&transaction] {
            Verdict::Yes(serial) => match self.rows.get(&serial) {
                Some((row, _)) => Some(row),
                None => return,
            },
            _ => None,
        };
        let outcome = record.grant(&self.authority, &self.profile, granted, self.now, &provider());
        match (outcome, self.verdicts[&transaction]) {
            (Ok((change, reserved)), Verdict::None) => {
                assert_eq!(self.refusal(), None);
                self.verdicts.insert(transaction.clone(), Verdict::Yes(reserved.record().serial()));
                self.reserved(reserved.change().clone(), transaction.clone(), 0);
                self.keep_request(transaction, change);
            }
            (Ok((change, reserved)), Verdict::Yes(serial)) => {
                assert!(change.is_empty() && reserved.change().is_empty() && reserved.record().serial() == serial);
            }
            (Err(Error::Request(_)), Verdict::No) => {}
            (Err(Error::Move { .. }), Verdict::Yes(serial)) => {
                let known = &self.model[&serial];
                assert!(!known.signed && (known.revoked.is_some() || self.now > known.not_after));
            }
            (Err(error), Verdict::None) => assert_eq!(Some(error), self.refusal()),
            other => panic!("{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_is_lost_or_doubled_and_everybody_says_the_same(steps in prop::collection::vec(any::<u8>(), 0..400)) {
            super::authority(&steps);
        }
    }
}
