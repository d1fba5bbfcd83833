//! A host that may stop at any moment: before or after each store, each signature, each delivery. However often it is stopped,
//! and wherever, what it had fixed before is what comes out in the end. Its lists come in parts and with deltas, some requests wait
//! for a verdict, the authority is renewed with old and new keys, and its record is lost and restored from a backup.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use mdm_core::ca::{
    Authority, CertificateRecord, Creation, CrlParts, CrlScope, Effect, Error, IssuanceRequest, Notice, Profile, Refusal,
    Renewal, RequestRecord, RequestState, Service, Settings,
};
use mdm_core::crypto::{KeyKind, PublicKey, SigningKey, SoftwareKey};
use mdm_core::keystore::{Policy, Protection};
use mdm_core::record::{Change, Record};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{Extensions, ProvenCsr, RevocationReason, SerialNumber, Standing};
use proptest::prelude::*;

use super::{csr, key, name, noon, provider};

mod check;

/// The keys of the authority, and the requests of some devices. Making them costs more than all the rest.
struct Cast {
    /// That of the authority first, then those that it is renewed with, then that of its service.
    keys: Vec<(Secret, SoftwareKey)>,
    requests: Vec<ProvenCsr>,
}

static CAST: LazyLock<Cast> = LazyLock::new(|| {
    let request = |number: usize| csr(&key(), name(&format!("Device {number}")), Extensions::new());
    let pair = |_| {
        let secret = provider().generate(KeyKind::P256).unwrap();
        let key = provider().load(&secret).unwrap();
        (secret, key)
    };
    Cast { keys: (0..=AUTHORITY_KEYS).map(pair).collect(), requests: (0..DEVICES).map(request).collect() }
});

impl Cast {
    fn key(&self, public: &PublicKey) -> &SoftwareKey {
        self.keys.iter().map(|(_, key)| key).find(|key| key.public_key() == public).unwrap()
    }

    fn secrets(&self) -> Vec<Secret> {
        self.keys.iter().map(|(secret, _)| secret.clone()).collect()
    }
}

const DEVICES: usize = 4;
const AUTHORITY_KEYS: usize = 3;
const PARTS: u32 = 2;
const PASSWORD: &str = "correct horse";

/// What survives: the host's database. Records and events are kept as JSON, as a host would.
#[derive(Clone, Default)]
struct Disk {
    authority: Option<String>,
    authority_events: Vec<String>,
    certificates: BTreeMap<SerialNumber, String>,
    certificate_events: BTreeMap<SerialNumber, Vec<String>>,
    /// By transaction: the record of a request that waits or waited for a verdict, and its events.
    requests: BTreeMap<String, (String, Vec<String>)>,
    effects: Vec<Effect>,
}

/// What the outside has seen, which no crash takes back.
#[derive(Default)]
struct Outside {
    /// Each set of bytes that the key has signed for a serial number.
    signed: BTreeMap<SerialNumber, BTreeSet<Vec<u8>>>,
    /// Each certificate that was handed out for a transaction.
    delivered: HashMap<String, BTreeSet<Vec<u8>>>,
    /// The lists that a key has signed, in their order: scope, number, who stood on them.
    lists: Vec<(CrlScope, u64, BTreeSet<SerialNumber>)>,
    /// The backup that is kept elsewhere.
    backup: Option<Vec<u8>>,
    /// The certificates whose devices are talked with no longer.
    ended: BTreeSet<SerialNumber>,
    /// What the operator was told.
    told: HashSet<Notice>,
}

/// The host stopped.
#[derive(Debug)]
struct Stopped;

struct Host {
    disk: Disk,
    outside: Outside,
    now: Timestamp,
    /// Steps until the host stops; `None` when it does not.
    fuse: Option<usize>,
    steps: usize,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// A device asks, or asks again.
    Request(usize),
    /// A device asks, or polls, and somebody must say yes or no.
    Submit(usize),
    Verdict(usize, bool),
    /// These three are about the transactions of both kinds.
    Revoke(usize),
    Hold(usize),
    Release(usize),
    /// A list of one of the scopes, with a delta list or without.
    List(usize, bool),
    Wait(i64),
    /// With the same key, or another one.
    Renew(bool),
    Backup,
    /// The record of the authority is taken from the backup; the one that was there is lost, or known.
    Restore {
        lost: bool,
    },
}

impl Host {
    fn new() -> Self {
        Host { disk: Disk::default(), outside: Outside::default(), now: noon(), fuse: None, steps: 0 }
    }

    /// Every step that leaves a trace begins here; this is where the host may stop.
    fn step(&mut self) -> Result<(), Stopped> {
        self.steps += 1;
        match &mut self.fuse {
            Some(0) => Err(Stopped),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn authority(&self) -> Authority {
        serde_json::from_str(self.disk.authority.as_ref().unwrap()).unwrap()
    }

    fn certificate(&self, serial: SerialNumber) -> CertificateRecord {
        serde_json::from_str(&self.disk.certificates[&serial]).unwrap()
    }

    fn certificates(&self) -> impl Iterator<Item = CertificateRecord> {
        self.disk.certificates.values().map(|json| serde_json::from_str(json).unwrap())
    }

    /// The newest record of a transaction.
    fn of_transaction(&self, number: usize) -> Option<CertificateRecord> {
        let of =
            |record: &CertificateRecord| record.request().is_some_and(|request| request.transaction == transaction(number));
        self.certificates().filter(of).max_by_key(CertificateRecord::latest)
    }

    fn store_authority(&mut self, change: &Change<Authority>, done: Option<&Effect>) -> Result<(), Stopped> {
        self.step()?;
        let stored = self.disk.authority.as_ref().map(|_| self.authority().revision());
        assert_eq!(stored, change.expected(), "the change was made on the stored record");
        self.disk.authority = Some(serde_json::to_string(&change.record).unwrap());
        self.disk.authority_events.extend(change.events.iter().map(|event| serde_json::to_string(event).unwrap()));
        self.replace_effects(done, &change.effects);
        Ok(())
    }

    fn store_certificate(&mut self, change: &Change<CertificateRecord>, done: Option<&Effect>) -> Result<(), Stopped> {
        self.step()?;
        let serial = change.record.serial();
        let stored = self.disk.certificates.get(&serial).map(|_| self.certificate(serial).revision());
        assert!(change.events.is_empty() || stored == change.expected(), "the change was made on the stored record");
        self.disk.certificates.insert(serial, serde_json::to_string(&change.record).unwrap());
        let events = change.events.iter().map(|event| serde_json::to_string(event).unwrap());
        self.disk.certificate_events.entry(serial).or_default().extend(events);
        self.replace_effects(done, &change.effects);
        Ok(())
    }

    /// An effect leaves the store in the same transaction in which what came of it is stored.
    fn replace_effects(&mut self, done: Option<&Effect>, new: &[Effect]) {
        self.disk.effects.retain(|effect| Some(effect) != done);
        self.disk.effects.extend_from_slice(new);
    }

    /// Carries out what is stored, until nothing is left. A host that starts again does the same.
    fn work(&mut self) -> Result<(), Stopped> {
        while let Some(effect) = self.disk.effects.first().cloned() {
            match &effect {
                Effect::SignAuthority => {
                    let next = self.authority().to_be_signed(self.now, &provider()).unwrap();
                    match next {
                        Some(next) => {
                            self.step()?;
                            let key = CAST.key(next.public_key());
                            let signed = next.sign_with(key).unwrap();
                            self.store_authority(&signed, Some(&effect))?;
                        }
                        None => self.replace_effects(Some(&effect), &[]),
                    }
                }
                Effect::Sign { serial } => self.sign(*serial, &effect)?,
                Effect::Deliver { serial } => {
                    let record = self.certificate(*serial);
                    if record.standing(self.now) == Standing::InForce {
                        self.deliver(&record)?;
                    }
                    let delivered = record.delivered(self.now).unwrap();
                    self.store_certificate(&delivered, Some(&effect))?;
                }
                Effect::EndAccess { serial, .. } => {
                    self.step()?;
                    self.outside.ended.insert(*serial);
                    self.replace_effects(Some(&effect), &[]);
                }
                Effect::RestoreAccess { serial, .. } => {
                    self.step()?;
                    self.outside.ended.remove(serial);
                    self.replace_effects(Some(&effect), &[]);
                }
                Effect::RefreshCrl { scope } => self.list(scope, false, Some(&effect))?,
                Effect::Notify(notice) => {
                    self.step()?;
                    self.outside.told.insert(*notice);
                    self.replace_effects(Some(&effect), &[]);
                }
                Effect::AskRevocation { .. } => panic!("every certificate here is the authority's own"),
            }
        }
        Ok(())
    }

    fn sign(&mut self, serial: SerialNumber, effect: &Effect) -> Result<(), Stopped> {
        let record = self.certificate(serial);
        let Ok(reserved) = self.authority().resume(&record, self.now, &provider()) else {
            // Revoked before it was signed: it never will be.
            self.replace_effects(Some(effect), &[]);
            return Ok(());
        };
        self.step()?;
        let Some(signature) = reserved.to_be_signed() else {
            self.replace_effects(Some(effect), &[]);
            return Ok(());
        };
        let key = CAST.key(signature.public_key());
        let signed = signature.sign_with(key).unwrap();
        let tbs = signed.record.certificate().unwrap().tbs().to_vec();
        self.outside.signed.entry(serial).or_default().insert(tbs);
        self.store_certificate(&signed, Some(effect))
    }

    fn deliver(&mut self, record: &CertificateRecord) -> Result<(), Stopped> {
        self.step()?;
        let transaction = record.request().unwrap().transaction.clone();
        let der = record.certificate().unwrap().as_der().to_vec();
        self.outside.delivered.entry(transaction).or_default().insert(der);
        Ok(())
    }

    fn list(&mut self, scope: &CrlScope, delta: bool, effect: Option<&Effect>) -> Result<(), Stopped> {
        let authority = self.authority();
        let planned = match authority.plan_delta_crl(scope, self.now) {
            Ok(planned) if delta => planned,
            Err(Error::NoBaseCrl) | Ok(_) => authority.plan_crl(scope, self.now).unwrap(),
            Err(other) => panic!("{other}"),
        };
        self.store_authority(&planned, None)?;
        let plan = *planned.record.planned_crl(scope).unwrap();
        let previous = planned.record.last_crl(scope).map(|last| last.this_update);
        let entries: Vec<_> = self.certificates().filter_map(|record| record.crl_entry(scope, previous)).collect();
        let serials: BTreeSet<_> = entries.iter().map(|entry| entry.serial).collect();
        let unsigned = planned.record.crl(scope, entries, &provider()).unwrap();
        if let Some(base) = plan.base {
            let changed: Vec<_> = self.certificates().filter_map(|record| record.delta_crl_entry(scope, &base)).collect();
            let unsigned = planned.record.delta_crl(scope, changed, &provider()).unwrap();
            self.step()?;
            let key = CAST.key(unsigned.public_key());
            let delta = unsigned.sign_with(key).unwrap();
            assert_eq!((delta.number(), delta.base()), (Some(plan.number), Some(base.number)));
            self.check_delta(scope, base.number.get(), &delta, &serials);
        }
        self.step()?;
        let key = CAST.key(unsigned.public_key());
        let issued = unsigned.sign_with(key).unwrap();
        self.outside.lists.push((scope.clone(), plan.number.get(), serials));
        self.store_authority(&issued.change, effect)
    }

    fn start(&mut self) -> Result<(), Stopped> {
        if self.disk.authority.is_none() {
            let parts = CrlParts { count: PARTS, uri: "http://ca.example/{key}/{part}".into() };
            let creation = Creation::new("builtin", "Example", CAST.keys[0].1.public_key().clone())
                .service(Service::ProfileSigning, CAST.keys[AUTHORITY_KEYS].1.public_key().clone())
                .settings(Settings { crl_parts: Some(parts), ..Settings::default() });
            let created = Authority::create(&creation, self.now, &provider()).unwrap();
            self.store_authority(&created, None)?;
        }
        self.work()
    }

    fn run(&mut self, op: Op) -> Result<(), Stopped> {
        match op {
            Op::Request(device) => self.request(device)?,
            Op::Submit(device) => self.submit(device)?,
            Op::Verdict(device, yes) => self.decide(device, yes)?,
            Op::Revoke(number) => {
                self.move_on(number, |record, now| record.revoke(RevocationReason::CessationOfOperation, None, now))?;
            }
            Op::Hold(number) => self.move_on(number, CertificateRecord::hold)?,
            Op::Release(number) => self.move_on(number, CertificateRecord::release)?,
            Op::List(which, delta) => {
                let scopes = self.authority().crl_scopes();
                self.list(&scopes[which % scopes.len()], delta, None)?;
            }
            Op::Renew(another_key) => self.renew(another_key)?,
            Op::Backup => {
                let cheap = Protection::iterations(1000);
                let backup = self.authority().backup(&CAST.secrets(), &PASSWORD.into(), cheap, self.now, &provider());
                self.step()?;
                self.outside.backup = Some(backup.unwrap());
            }
            Op::Restore { lost } => self.restore(lost)?,
            Op::Wait(seconds) => self.now = self.now.plus_seconds(seconds),
        }
        self.work()
    }

    fn renew(&mut self, another_key: bool) -> Result<(), Stopped> {
        let authority = self.authority();
        let is_used = |key: &SoftwareKey| {
            authority.generations().iter().any(|used| used.certificate.public_key() == SigningKey::public_key(key))
        };
        let fresh = CAST.keys[..AUTHORITY_KEYS].iter().map(|(_, key)| key).find(|key| another_key && !is_used(key));
        let renewal = Renewal { key: fresh.map(|key| key.public_key().clone()), ..Renewal::default() };
        let renewed = authority.renew(&renewal, self.now, &provider()).unwrap();
        // A backup without the new key would lose what that issues: the operator takes another one.
        self.outside.backup = self.outside.backup.take().filter(|_| fresh.is_none());
        self.store_authority(&renewed, None)
    }

    /// A second goes by until somebody has found the backup.
    fn restore(&mut self, lost: bool) -> Result<(), Stopped> {
        let Some(backup) = self.outside.backup.clone() else { return Ok(()) };
        self.now = self.now.plus_seconds(1);
        let current = self.authority();
        let current = (!lost).then_some(&current);
        let restored =
            Authority::restore(&backup, &PASSWORD.into(), &Policy::MODERN, current, None, self.now, &provider()).unwrap();
        if !lost {
            return self.store_authority(&restored.change, None);
        }
        self.step()?;
        let Change { record, events, effects, .. } = restored.change;
        self.disk.authority = Some(serde_json::to_string(&record).unwrap());
        self.disk.authority_events = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        self.replace_effects(None, &effects);
        Ok(())
    }

    fn request_record(&self, transaction: &str) -> Option<RequestRecord> {
        self.disk.requests.get(transaction).map(|(json, _)| serde_json::from_str(json).unwrap())
    }

    /// Part of a transaction: the step was taken for the whole of it.
    fn keep_request(&mut self, change: &Change<RequestRecord>) {
        let transaction = change.record.submission().request.transaction.clone();
        let stored = self.request_record(&transaction).map(|record| record.revision());
        assert!(change.is_empty() || stored == change.expected(), "the change was made on the stored record");
        let (json, events) = self.disk.requests.entry(transaction).or_default();
        *json = serde_json::to_string(&change.record).unwrap();
        events.extend(change.events.iter().map(|event| serde_json::to_string(event).unwrap()));
    }

    /// A device asks for what somebody must decide about, or whether he has.
    fn submit(&mut self, device: usize) -> Result<(), Stopped> {
        let (profile, transaction) = (Profile::device_identity(), transaction(DEVICES + device));
        let request = IssuanceRequest::new(&CAST.requests[device], &transaction, &profile);
        let earlier = self.request_record(&transaction);
        let change = RequestRecord::submit(&self.authority(), &request, earlier.as_ref(), self.now, &provider()).unwrap();
        if let RequestState::Granted(serial) = change.record.state() {
            let record = self.certificate(serial);
            return match record.standing(self.now) {
                Standing::InForce => self.deliver(&record),
                _ => Ok(()),
            };
        }
        self.step()?;
        self.keep_request(&change);
        Ok(())
    }

    /// An operator says yes or no, perhaps once more. The request and the certificate are stored together.
    fn decide(&mut self, device: usize, yes: bool) -> Result<(), Stopped> {
        let Some(record) = self.request_record(&transaction(DEVICES + device)) else { return Ok(()) };
        if !yes {
            return match record.deny("unknown device", self.now) {
                Ok(change) => {
                    self.step()?;
                    self.keep_request(&change);
                    Ok(())
                }
                Err(Error::Request(_)) => Ok(()),
                Err(error) => panic!("{error}"),
            };
        }
        let granted = match record.state() {
            RequestState::Granted(serial) => Some(self.certificate(serial)),
            _ => None,
        };
        match record.grant(&self.authority(), &Profile::device_identity(), granted.as_ref(), self.now, &provider()) {
            Ok((change, reserved)) => {
                self.store_certificate(reserved.change(), None)?;
                self.keep_request(&change);
                Ok(())
            }
            Err(Error::Request(_) | Error::Move { .. }) => Ok(()),
            Err(error) => panic!("{error}"),
        }
    }

    fn request(&mut self, device: usize) -> Result<(), Stopped> {
        let (profile, transaction) = (Profile::device_identity(), transaction(device));
        let request = IssuanceRequest::new(&CAST.requests[device], &transaction, &profile);
        let answered = self.of_transaction(device);
        match self.authority().reserve(&request, answered.as_ref(), self.now, &provider()) {
            Ok(reserved) if reserved.record().certificate().is_some() => self.deliver(reserved.record()),
            Ok(reserved) => self.store_certificate(reserved.change(), None),
            Err(Error::Refused(Refusal::Revoked(_))) => Ok(()),
            Err(error) => panic!("{error}"),
        }
    }

    /// A move that the state does not allow is refused, which is no fault here.
    fn move_on(
        &mut self,
        number: usize,
        decide: impl Fn(&CertificateRecord, Timestamp) -> Result<Change<CertificateRecord>, Error>,
    ) -> Result<(), Stopped> {
        let Some(record) = self.of_transaction(number) else { return Ok(()) };
        match decide(&record, self.now) {
            Ok(change) => self.store_certificate(&change, None),
            Err(Error::Move { .. }) => Ok(()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs the scenario; the host stops after each number of steps in turn, and starts again.
    fn live(&mut self, scenario: &[Op], stops: &[usize]) {
        let mut stops = stops.iter().copied();
        self.fuse = stops.next();
        self.again(&mut stops, |host| host.start());
        for op in scenario {
            // Whoever got no answer asks again. Time does not pass twice.
            self.again(&mut stops, |host| host.run(*op));
        }
    }

    fn again(&mut self, stops: &mut impl Iterator<Item = usize>, act: impl Fn(&mut Host) -> Result<(), Stopped>) {
        while act(self).is_err() {
            let before = self.fixed();
            self.fuse = stops.next();
            self.check_replay();
            while self.start().is_err() {
                self.fuse = stops.next();
            }
            let after = self.fixed();
            assert!(before.is_subset(&after), "what was fixed stays fixed");
        }
    }
}

/// A device's transaction that is answered at once; from [`DEVICES`] on, the one that waits for a verdict.
fn transaction(number: usize) -> String {
    format!("transaction {number}")
}

#[test]
fn a_host_that_stops_after_any_step_loses_nothing_and_doubles_nothing() {
    let scenario = [
        Op::Request(0),
        Op::Request(1),
        Op::Wait(3600),
        Op::Submit(3),
        Op::List(0, false),
        Op::Revoke(0),
        Op::Request(0),
        Op::Backup,
        Op::Verdict(3, true),
        Op::Hold(1),
        Op::Renew(false),
        Op::List(0, true),
        Op::Restore { lost: true },
        Op::Wait(60),
        Op::Release(1),
        Op::Renew(true),
        Op::List(1, true),
        Op::Request(1),
        Op::Submit(3),
        Op::Request(2),
        Op::Revoke(7),
    ];
    let mut whole = Host::new();
    whole.live(&scenario, &[]);
    whole.check(&scenario);
    assert_eq!(whole.disk.certificates.len(), 4);
    for stop in 0..whole.steps {
        let mut host = Host::new();
        host.live(&scenario, &[stop]);
        host.check(&scenario);
        assert_eq!(host.disk.certificates.len(), 4, "stopped after {stop}");
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..DEVICES).prop_map(Op::Request),
        3 => (0..DEVICES).prop_map(Op::Submit),
        3 => (0..DEVICES, prop::bool::weighted(0.7)).prop_map(|(device, yes)| Op::Verdict(device, yes)),
        2 => (0..2 * DEVICES).prop_map(Op::Revoke),
        3 => (0..2 * DEVICES).prop_map(Op::Hold),
        3 => (0..2 * DEVICES).prop_map(Op::Release),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, delta)| Op::List(which, delta)),
        1 => prop::bool::weighted(0.3).prop_map(Op::Renew),
        1 => Just(Op::Backup),
        1 => any::<bool>().prop_map(|lost| Op::Restore { lost }),
        1 => (1..100_000_i64).prop_map(Op::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    // 96 lives of 45 decisions on average: thousands, with a host that stops a dozen times in some of them.
    #[test]
    fn any_scenario_with_any_number_of_stops(
        scenario in prop::collection::vec(op(), 1..90),
        stops in prop::collection::vec(0..60_usize, 0..16),
    ) {
        let mut host = Host::new();
        host.live(&scenario, &stops);
        host.check(&scenario);
    }
}
