//! The stored form of records, events and effects. What an earlier version has stored must be read by every later one, so
//! `tests/data/ca/format-1.jsonl` is never rewritten, only added to: a line that is not written back byte for byte, or a fresh
//! record with other keys, is a break with every host's database. So is a backup that does not open any more.

use std::collections::BTreeSet;
use std::fmt::Debug;

use mdm_core::ca::{
    Authority, AuthorityEvent, CertificateEvent, CertificateRecord, Creation, CrlScope, Effect, Holder, IssuanceRequest,
    Profile, Recorded, Renewal, RequestEvent, RequestRecord, Service, Settings,
};
use mdm_core::crypto::{SigningKey, SoftwareKey};
use mdm_core::external::{self, CertificateRequest, ScepAuthority, ScepAuthorityEffect, ScepAuthorityEvent};
use mdm_core::id::{EnrollmentId, TenantId};
use mdm_core::record::{Change, Record};
use mdm_core::x509::{Extensions, RevocationReason};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{CA_KEY, DEVICE_KEY, csr, key, name, noon, provider};

mod newer;

const STORED: &str = include_str!("../data/ca/format-1.jsonl");
/// A backup of this version and, as JSON, the record that it makes when it is restored at noon of the day after.
const BACKUP: (&[u8], &str) = (include_bytes!("../data/ca/backup-1.p12"), include_str!("../data/ca/backup-1.json"));
const PASSWORD: &str = "correct horse";

/// One of everything, in an order in which it can happen: `kind<TAB>JSON` a line.
#[derive(Default)]
struct Story(Vec<String>);

impl Story {
    fn tell(&mut self, kind: &str, what: &impl Serialize) {
        self.0.push(format!("{kind}\t{}", serde_json::to_string(what).unwrap()));
    }

    fn change<R: Record<Event: Debug>>(&mut self, kind: &str, change: Change<R>) -> R {
        let effect = match kind {
            kind if kind.ends_with("order") => "order effect",
            "scep" => "scep effect",
            _ => "effect",
        };
        change.events.iter().for_each(|event| self.tell(&format!("{kind} event"), event));
        change.effects.iter().for_each(|what| self.tell(effect, what));
        change.record
    }
}

fn sign_all(story: &mut Story, kind: &str, mut authority: Authority, keys: &[&SoftwareKey]) -> Authority {
    while let Some(next) = authority.to_be_signed(authority.latest(), &provider()).unwrap() {
        let key = keys.iter().find(|key| SigningKey::public_key(**key) == next.public_key()).unwrap();
        authority = story.change(kind, next.sign_with(*key).unwrap());
    }
    authority
}

fn fresh() -> Vec<String> {
    let mut story = Story::default();
    let creation = Creation::new("builtin", "Example", CA_KEY.public_key().clone())
        .service(Service::ProfileSigning, key().public_key().clone());
    let mut authority = story.change("authority", Authority::create(&creation, noon(), &provider()).unwrap());
    story.tell("unsigned authority", &authority);
    authority = sign_all(&mut story, "authority", authority, &[&CA_KEY]);
    authority = story.change("authority", authority.configure(Settings::default(), noon()).unwrap());
    authority = story.change("authority", authority.trust_clock(noon()));
    let scope = CrlScope::full(authority.active().unwrap().key.clone());
    authority = story.change("authority", authority.plan_crl(&scope, noon()).unwrap());
    let list = authority.crl(&scope, [], &provider()).unwrap().sign_with(&*CA_KEY).unwrap();
    authority = story.change("authority", list.change);
    authority = story.change("authority", authority.plan_crl(&scope, noon()).unwrap());
    let notice_day = authority.certificate().unwrap().validity().not_after.plus_days(-200);
    authority = story.change("authority", authority.notices(notice_day).unwrap());
    let signing = authority.renew_service(Service::ProfileSigning, None, notice_day, &provider()).unwrap();
    authority = story.change("authority", signing);
    authority = sign_all(&mut story, "authority", authority, &[&CA_KEY]);
    let renewed = authority.renew(&Renewal::default(), notice_day, &provider()).unwrap();
    authority = story.change("authority", renewed);
    authority = story.change("authority", authority.renewal_failed(notice_day).unwrap());
    authority = story.change("authority", authority.acknowledge_renewal(notice_day).unwrap());
    let new_key = key();
    let rekey = Renewal { key: Some(new_key.public_key().clone()), ..Renewal::default() };
    authority = story.change("authority", authority.renew(&rekey, notice_day, &provider()).unwrap());
    story.tell("running authority", &authority);
    authority = sign_all(&mut story, "authority", authority, &[&CA_KEY, &new_key]);
    story.tell("authority", &authority);

    let adopted =
        Authority::adopt("old", authority.certificate().unwrap().clone(), Settings::default(), notice_day, &provider());
    let adopted = story.change("adopted authority", adopted.unwrap());
    let installed = adopted.install(authority.certificate().unwrap().clone(), notice_day, &provider()).unwrap();
    let adopted = story.change("adopted authority", installed);
    story.tell("adopted authority", &adopted);

    let now = authority.latest();
    let csr = csr(&DEVICE_KEY, name("Device 7"), Extensions::new());
    let profile = Profile::device_identity();
    let holder = Holder {
        tenant: Some(TenantId::from("tenant")),
        enrollment: Some(EnrollmentId::device_channel("D").unwrap()),
        device_name: Some("iPhone".into()),
        user_name: Some("ann".into()),
        profiles: vec!["Wi-Fi".into()],
    };
    let request = IssuanceRequest { holder: holder.clone(), ..IssuanceRequest::new(&csr, "t", &profile) };
    let request = IssuanceRequest { renews: Some("0102".parse().unwrap()), ..request };
    let reserved = authority.reserve(&request, None, now, &provider()).unwrap();
    let mut record = story.change("certificate", reserved.change().clone());
    story.tell("unsigned certificate", &record);
    story.change("another certificate", record.abandon(now).unwrap());
    record = story.change("certificate", reserved.sign_with(&new_key).unwrap());
    record = story.change("certificate", record.delivered(now).unwrap());
    record = story.change("certificate", record.assign(Holder { device_name: None, ..holder.clone() }, now).unwrap());
    record = story.change("certificate", record.hold(now).unwrap());
    record = story.change("certificate", record.release(now).unwrap());
    record = story.change("certificate", record.revoke(RevocationReason::KeyCompromise, Some(now), now).unwrap());
    story.tell("certificate", &record);

    let certificate = record.certificate().unwrap().clone();
    let recorded = Recorded { authority: "adcs".into(), own: None, certificate, holder };
    let mut foreign = story.change("foreign certificate", CertificateRecord::record(recorded, now));
    foreign = story.change("foreign certificate", foreign.revoke(RevocationReason::Unspecified, None, now).unwrap());
    foreign = story.change("foreign certificate", foreign.revocation_confirmed(now).unwrap());
    story.tell("foreign certificate", &foreign);
    newer::tell(&mut story);
    story.0
}

fn split(line: &str) -> (&str, &str) {
    line.split_once('\t').unwrap()
}

/// Reads a line as what its kind says, and writes it again.
fn written_back(line: &str) -> String {
    fn back<T: Serialize + DeserializeOwned>(json: &str) -> String {
        serde_json::to_string(&serde_json::from_str::<T>(json).unwrap()).unwrap()
    }
    let (kind, json) = split(line);
    let json = match kind {
        kind if kind.ends_with("authority event") => back::<AuthorityEvent>(json),
        kind if kind.ends_with("authority") => back::<Authority>(json),
        "effect" => back::<Effect>(json),
        "order effect" => back::<external::RequestEffect>(json),
        "scep effect" => back::<ScepAuthorityEffect>(json),
        "scep event" => back::<ScepAuthorityEvent>(json),
        "scep" => back::<ScepAuthority>(json),
        kind if kind.ends_with("order event") => back::<external::RequestEvent>(json),
        kind if kind.ends_with("order") => back::<CertificateRequest>(json),
        kind if kind.ends_with("request event") => back::<RequestEvent>(json),
        kind if kind.ends_with("request") => back::<RequestRecord>(json),
        kind if kind.ends_with("reservation event") => back::<CertificateEvent>(json),
        kind if kind.ends_with("reservation") => back::<CertificateRecord>(json),
        kind if kind.ends_with("certificate event") => back::<CertificateEvent>(json),
        kind if kind.ends_with("certificate") => back::<CertificateRecord>(json),
        other => panic!("{other}"),
    };
    format!("{kind}\t{json}")
}

fn replayed<R: Record>(lines: &[&str], kind: &str) -> String {
    let of = |line: &&&str| split(line).0 == format!("{kind} event");
    let events: Vec<R::Event> = lines.iter().filter(of).map(|line| serde_json::from_str(split(line).1).unwrap()).collect();
    serde_json::to_string(&R::replay(&events).unwrap()).unwrap()
}

fn check(lines: &[&str]) {
    for line in lines {
        assert_eq!(&written_back(line), line);
    }
    let record = |kind: &str| lines.iter().find(|line| split(line).0 == kind).map(|line| split(line).1.to_owned()).unwrap();
    assert_eq!(replayed::<Authority>(lines, "authority"), record("authority"));
    assert_eq!(replayed::<Authority>(lines, "adopted authority"), record("adopted authority"));
    assert_eq!(replayed::<CertificateRecord>(lines, "certificate"), record("certificate"));
    assert_eq!(replayed::<CertificateRecord>(lines, "foreign certificate"), record("foreign certificate"));
    assert_eq!(replayed::<Authority>(lines, "parted authority"), record("parted authority"));
    assert_eq!(replayed::<Authority>(lines, "restored authority"), record("restored authority"));
    assert_eq!(replayed::<CertificateRecord>(lines, "signing certificate"), record("signing certificate"));
    assert_eq!(replayed::<RequestRecord>(lines, "request"), record("request"));
    assert_eq!(replayed::<CertificateRequest>(lines, "order"), record("order"));
    assert_eq!(replayed::<ScepAuthority>(lines, "scep"), record("scep"));
}

/// The path of every key, with the number of each list's items but not their values.
fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| keys(value, &format!("{path}.{key}"), found)),
        Value::Array(items) => items.iter().for_each(|item| keys(item, &format!("{path}[]"), found)),
        _ => _ = found.insert(path.to_owned()),
    }
}

#[test]
fn what_was_stored_is_read_and_written_back_byte_for_byte() {
    check(&STORED.lines().collect::<Vec<_>>());
}

#[test]
fn what_is_stored_now_has_the_same_keys() {
    let fresh = fresh();
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("format-1.jsonl");
    std::fs::write(&path, fresh.join("\n") + "\n").unwrap();
    check(&fresh.iter().map(String::as_str).collect::<Vec<_>>());
    let shape = |line: &str| {
        let mut found = BTreeSet::new();
        keys(&serde_json::from_str(split(line).1).unwrap(), split(line).0, &mut found);
        found
    };
    let (stored, now): (Vec<_>, Vec<_>) = (STORED.lines().map(shape).collect(), fresh.iter().map(|line| shape(line)).collect());
    assert_eq!(stored, now, "the story as it is told now is in {}", path.display());
}

#[test]
fn a_backup_of_before_is_restored_to_the_record_it_was() {
    let (file, record) = newer::backup();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("backup-1.p12"), file).unwrap();
    let fresh = serde_json::to_string(&record).unwrap();
    std::fs::write(folder.join("backup-1.json"), format!("{fresh}\n")).unwrap();
    let (file, json) = BACKUP;
    assert_eq!(serde_json::to_string(&newer::restore(file)).unwrap(), json.trim_end());
    let shape = |json: &str| {
        let mut found = BTreeSet::new();
        keys(&serde_json::from_str(json).unwrap(), "", &mut found);
        found
    };
    assert_eq!(shape(json), shape(&fresh), "a backup as it is taken now is in {}", folder.display());
}

#[test]
fn a_record_of_a_later_format_is_refused_and_not_misread() {
    for kind in ["authority\t", "certificate\t"] {
        let line = STORED.lines().find(|line| line.starts_with(kind)).unwrap();
        let later = split(line).1.replacen("\"format\":1", "\"format\":2", 1);
        let error = match kind {
            "authority\t" => serde_json::from_str::<Authority>(&later).unwrap_err(),
            _ => serde_json::from_str::<CertificateRecord>(&later).unwrap_err(),
        };
        assert!(error.to_string().contains("format 2"), "{error}");
    }
}
