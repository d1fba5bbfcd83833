//! What must hold wherever the host has stopped.

use std::collections::{BTreeMap, BTreeSet};

use mdm_core::ca::{
    Authority, AuthorityEvent, CertificateEvent, CertificateEventKind, CertificateRecord, CrlScope, Notice, NoticeKind,
    NoticeSubject, RequestEvent, RequestRecord, RequestState, State,
};
use mdm_core::crypto::Legacy;
use mdm_core::record::Record;
use mdm_core::x509::{CertificateRevocationList, RevocationReason, SerialNumber, Standing};

use super::{DEVICES, Host, Op, provider, transaction};

impl Host {
    /// Serial number and bytes of every certificate that was ever reserved.
    pub(super) fn fixed(&self) -> BTreeSet<(SerialNumber, Vec<u8>)> {
        let first = |events: &Vec<String>| match serde_json::from_str(&events[0]).unwrap() {
            CertificateEvent { serial, kind: CertificateEventKind::Reserved(reservation), .. } => {
                (serial, reservation.tbs().to_vec())
            }
            other => panic!("{other:?}"),
        };
        self.disk.certificate_events.values().map(first).collect()
    }

    /// The events alone give the records.
    pub(super) fn check_replay(&self) {
        if self.disk.authority.is_some() {
            let events: Vec<AuthorityEvent> =
                self.disk.authority_events.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
            assert_eq!(Authority::replay(&events).unwrap(), self.authority());
        }
        for (serial, events) in &self.disk.certificate_events {
            let events: Vec<CertificateEvent> = events.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
            assert_eq!(CertificateRecord::replay(&events).unwrap(), self.certificate(*serial));
        }
        for (json, events) in self.disk.requests.values() {
            let events: Vec<RequestEvent> = events.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
            assert_eq!(RequestRecord::replay(&events).unwrap(), serde_json::from_str(json).unwrap());
        }
    }

    /// What must hold in the end, whatever happened.
    pub(super) fn check(&self, scenario: &[Op]) {
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
                let mut issuers = authority.generations().iter().rev();
                let root = &issuers.find(|issuer| Some(&issuer.key) == record.issuer_key()).unwrap().certificate;
                certificate.verify_signature(root.public_key(), &provider(), Legacy::NONE).unwrap();
                assert!(certificate.validity().not_after <= root.validity().not_after);
            }
            let scope = record.crl_scope().unwrap();
            let mut lists = self.outside.lists.iter().rev().filter(|(of, _, _)| *of == scope);
            let on_list = lists.next().is_some_and(|(_, _, serials)| serials.contains(&record.serial()));
            assert_eq!(on_list, ended, "who is revoked is on the list of the certificate's part, and nobody else");
        }
        for op in scenario {
            match op {
                Op::Request(device) => assert!(requests.contains(&transaction(*device)), "no request is lost"),
                Op::Submit(device) => assert!(self.disk.requests.contains_key(&transaction(DEVICES + device))),
                _ => {}
            }
        }
        self.check_verdicts(&requests);
        let mut numbers: BTreeMap<&CrlScope, u64> = BTreeMap::new();
        for (scope, number, _) in &self.outside.lists {
            let last = numbers.insert(scope, *number);
            assert!(last.is_none_or(|last| last < *number), "numbers rise, over restores too");
        }
        let authority = self.authority();
        assert_eq!(authority.renewal(), None, "no renewal is left half done");
        assert_eq!(authority.services().len(), 1);
        assert_eq!(authority.services()[0].generation, authority.active().unwrap().id);
        let told =
            |generation| self.outside.told.iter().any(|notice: &Notice| notice.about == NoticeSubject::Generation(generation));
        assert!(authority.generations().iter().skip(1).all(|generation| told(generation.id)));
        assert!(self.outside.told.iter().all(|notice| notice.kind == NoticeKind::Renewed));
    }

    /// A request that was granted has its certificate, and no other has one.
    fn check_verdicts(&self, certified: &BTreeSet<String>) {
        for number in DEVICES..2 * DEVICES {
            let transaction = transaction(number);
            let granted = match self.request_record(&transaction).map(|record| record.state()) {
                Some(RequestState::Granted(serial)) => {
                    assert_eq!(self.certificate(serial).request().unwrap().transaction, transaction);
                    true
                }
                _ => false,
            };
            assert_eq!(certified.contains(&transaction), granted, "{transaction}");
        }
    }

    /// The list that it continues, changed as it says, is the list beside it. No certificate ends in these lives.
    pub(super) fn check_delta(
        &self,
        scope: &CrlScope,
        base: u64,
        delta: &CertificateRevocationList,
        full: &BTreeSet<SerialNumber>,
    ) {
        let published = self.outside.lists.iter().find(|(of, number, _)| of == scope && *number == base);
        let mut serials = published.expect("it continues a list that was signed").2.clone();
        for entry in delta.entries() {
            match entry.reason {
                RevocationReason::RemoveFromCrl => _ = serials.remove(&entry.serial),
                _ => _ = serials.insert(entry.serial),
            }
        }
        assert_eq!(&serials, full);
    }
}
