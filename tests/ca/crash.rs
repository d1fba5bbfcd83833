//! A host that may stop at any moment: before or after each store, each signature, each delivery. However often it is stopped,
//! and wherever, what it had fixed before is what comes out in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use mdm_core::ca::{
    Authority, AuthorityEvent, CertificateEvent, CertificateEventKind, CertificateRecord, Creation, CrlScope, Effect, Error,
    IssuanceRequest, Notice, NoticeKind, NoticeSubject, Profile, Refusal, Renewal, Service, State,
};
use mdm_core::crypto::{Legacy, SigningKey, SoftwareKey};
use mdm_core::record::{Change, Record};
use mdm_core::time::Timestamp;
use mdm_core::x509::{Extensions, ProvenCsr, RevocationReason, SerialNumber, Standing};
use proptest::prelude::*;

use super::{csr, key, name, noon, provider};

/// The keys of the authority, and the requests of some devices. Making them costs more than all the rest.
struct Cast {
    authority: SoftwareKey,
    profile_signing: SoftwareKey,
    requests: Vec<ProvenCsr>,
}

static CAST: LazyLock<Cast> = LazyLock::new(|| {
    let request = |number: usize| csr(&key(), name(&format!("Device {number}")), Extensions::new());
    Cast { authority: key(), profile_signing: key(), requests: (0..DEVICES).map(request).collect() }
});

const DEVICES: usize = 4;

/// What survives: the host's database. Records and events are kept as JSON, as a host would.
#[derive(Clone, Default)]
struct Disk {
    authority: Option<String>,
    authority_events: Vec<String>,
    certificates: BTreeMap<SerialNumber, String>,
    certificate_events: BTreeMap<SerialNumber, Vec<String>>,
    effects: Vec<Effect>,
}

/// What the outside has seen, which no crash takes back.
#[derive(Default)]
struct Outside {
    /// Each set of bytes that the key has signed for a serial number.
    signed: BTreeMap<SerialNumber, BTreeSet<Vec<u8>>>,
    /// Each certificate that was handed out for a transaction.
    delivered: HashMap<String, BTreeSet<Vec<u8>>>,
    /// The numbers of the lists that the key has signed, and who stood on them.
    lists: Vec<(u64, BTreeSet<SerialNumber>)>,
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
    Revoke(usize),
    Hold(usize),
    Release(usize),
    List,
    Wait(i64),
    Renew,
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

    /// The newest record of a device's transaction.
    fn of_device(&self, device: usize) -> Option<CertificateRecord> {
        let of =
            |record: &CertificateRecord| record.request().is_some_and(|request| request.transaction == transaction(device));
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
                            let signed = next.sign_with(&CAST.authority).unwrap();
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
                Effect::RefreshCrl { scope } => self.list(scope, Some(&effect))?,
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
        let signed = reserved.sign_with(&CAST.authority).unwrap();
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

    fn list(&mut self, scope: &CrlScope, effect: Option<&Effect>) -> Result<(), Stopped> {
        let planned = self.authority().plan_crl(scope, self.now).unwrap();
        self.store_authority(&planned, None)?;
        let previous = planned.record.last_crl(scope).map(|last| last.this_update);
        let entries: Vec<_> = self.certificates().filter_map(|record| record.crl_entry(scope, previous)).collect();
        let serials = entries.iter().map(|entry| entry.serial).collect();
        let number = planned.record.planned_crl(scope).unwrap().number;
        let unsigned = planned.record.crl(scope, entries, &provider()).unwrap();
        self.step()?;
        let issued = unsigned.sign_with(&CAST.authority).unwrap();
        self.outside.lists.push((number.get(), serials));
        self.store_authority(&issued.change, effect)
    }

    fn start(&mut self) -> Result<(), Stopped> {
        if self.disk.authority.is_none() {
            let creation = Creation::new("builtin", "Example", CAST.authority.public_key().clone())
                .service(Service::ProfileSigning, CAST.profile_signing.public_key().clone());
            let created = Authority::create(&creation, self.now, &provider()).unwrap();
            self.store_authority(&created, None)?;
        }
        self.work()
    }

    fn run(&mut self, op: Op) -> Result<(), Stopped> {
        match op {
            Op::Request(device) => self.request(device)?,
            Op::Revoke(device) => {
                self.move_on(device, |record, now| record.revoke(RevocationReason::CessationOfOperation, None, now))?;
            }
            Op::Hold(device) => self.move_on(device, CertificateRecord::hold)?,
            Op::Release(device) => self.move_on(device, CertificateRecord::release)?,
            Op::List => {
                let scope = CrlScope::full(self.authority().active().unwrap().key.clone());
                self.list(&scope, None)?;
            }
            Op::Renew => {
                let renewed = self.authority().renew(&Renewal::default(), self.now, &provider()).unwrap();
                self.store_authority(&renewed, None)?;
            }
            Op::Wait(seconds) => self.now = self.now.plus_seconds(seconds),
        }
        self.work()
    }

    fn request(&mut self, device: usize) -> Result<(), Stopped> {
        let (profile, transaction) = (Profile::device_identity(), transaction(device));
        let request = IssuanceRequest::new(&CAST.requests[device], &transaction, &profile);
        let answered = self.of_device(device);
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
        device: usize,
        decide: impl Fn(&CertificateRecord, Timestamp) -> Result<Change<CertificateRecord>, Error>,
    ) -> Result<(), Stopped> {
        let Some(record) = self.of_device(device) else { return Ok(()) };
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

    /// Serial number and bytes of every certificate that was ever reserved.
    fn fixed(&self) -> BTreeSet<(SerialNumber, Vec<u8>)> {
        let first = |events: &Vec<String>| match serde_json::from_str(&events[0]).unwrap() {
            CertificateEvent { serial, kind: CertificateEventKind::Reserved(reservation), .. } => {
                (serial, reservation.tbs().to_vec())
            }
            other => panic!("{other:?}"),
        };
        self.disk.certificate_events.values().map(first).collect()
    }

    /// The events alone give the records.
    fn check_replay(&self) {
        if self.disk.authority.is_some() {
            let events: Vec<AuthorityEvent> =
                self.disk.authority_events.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
            assert_eq!(Authority::replay(&events).unwrap(), self.authority());
        }
        for (serial, events) in &self.disk.certificate_events {
            let events: Vec<CertificateEvent> = events.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
            assert_eq!(CertificateRecord::replay(&events).unwrap(), self.certificate(*serial));
        }
    }

    /// What must hold in the end, whatever happened.
    fn check(&self, scenario: &[Op]) {
        self.check_replay();
        assert!(self.disk.effects.is_empty());
        let fixed: BTreeMap<SerialNumber, Vec<u8>> = self.fixed().into_iter().collect();
        for (serial, signed) in &self.outside.signed {
            assert_eq!(signed.iter().collect::<Vec<_>>(), [&fixed[serial]], "one serial number, one set of bytes, and known");
        }
        for (transaction, delivered) in &self.outside.delivered {
            assert_eq!(delivered.len(), 1, "{transaction} got one answer");
        }
        let mut requests = BTreeSet::new();
        for record in self.certificates() {
            assert!(requests.insert(record.request().unwrap().transaction.clone()), "one certificate for each request");
            assert!(record.state(self.now, 0) != State::Reserved, "no signature is left outstanding");
            let ended = matches!(record.standing(self.now), Standing::Revoked(_) | Standing::Held(_));
            assert_eq!(self.outside.ended.contains(&record.serial()), ended);
            if let Some(certificate) = record.certificate() {
                assert_eq!(certificate.tbs(), fixed[&record.serial()]);
                let authority = self.authority();
                let root = authority.certificate().unwrap();
                certificate.verify_signature(root.public_key(), &provider(), Legacy::NONE).unwrap();
                assert!(certificate.validity().not_after <= root.validity().not_after);
            }
            if ended {
                assert!(self.outside.lists.last().unwrap().1.contains(&record.serial()), "who is revoked is on the list");
            }
        }
        for op in scenario {
            if let Op::Request(device) = op {
                assert!(requests.contains(&transaction(*device)), "no request is lost");
            }
        }
        assert!(self.outside.lists.is_sorted_by(|earlier, later| earlier.0 < later.0), "numbers rise");
        let authority = self.authority();
        assert_eq!(authority.renewal(), None, "no renewal is left half done");
        assert_eq!(authority.services().len(), 1);
        assert_eq!(authority.services()[0].generation, authority.active().unwrap().id);
        let told =
            |generation| self.outside.told.iter().any(|notice: &Notice| notice.about == NoticeSubject::Generation(generation));
        assert!(authority.generations().iter().skip(1).all(|generation| told(generation.id)));
        assert!(self.outside.told.iter().all(|notice| notice.kind == NoticeKind::Renewed));
    }
}

fn transaction(device: usize) -> String {
    format!("transaction of device {device}")
}

#[test]
fn a_host_that_stops_after_any_step_loses_nothing_and_doubles_nothing() {
    let scenario = [
        Op::Request(0),
        Op::Request(1),
        Op::Wait(3600),
        Op::Revoke(0),
        Op::Request(0),
        Op::Hold(1),
        Op::Renew,
        Op::List,
        Op::Wait(60),
        Op::Release(1),
        Op::Request(1),
        Op::Request(2),
    ];
    let mut whole = Host::new();
    whole.live(&scenario, &[]);
    whole.check(&scenario);
    assert_eq!(whole.disk.certificates.len(), 3);
    for stop in 0..whole.steps {
        let mut host = Host::new();
        host.live(&scenario, &[stop]);
        host.check(&scenario);
        assert_eq!(host.disk.certificates.len(), 3, "stopped after {stop}");
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..DEVICES).prop_map(Op::Request),
        2 => (0..DEVICES).prop_map(Op::Revoke),
        2 => (0..DEVICES).prop_map(Op::Hold),
        2 => (0..DEVICES).prop_map(Op::Release),
        1 => Just(Op::List),
        1 => Just(Op::Renew),
        1 => (1..100_000_i64).prop_map(Op::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_scenario_with_any_number_of_stops(
        scenario in prop::collection::vec(op(), 1..24),
        stops in prop::collection::vec(0..40_usize, 0..6),
    ) {
        let mut host = Host::new();
        host.live(&scenario, &stops);
        host.check(&scenario);
    }
}
