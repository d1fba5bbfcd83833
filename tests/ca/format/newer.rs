//! What came after the first lines were frozen: lists in parts and deltas, OCSP, requests that wait, restores, authorities of others.

use mdm_core::ca::{
    Authority, CertificateRecord, Creation, CrlParts, CrlScope, Holder, IssuanceRequest, Profile, Recorded, RequestRecord,
    Restored, Service, Settings,
};
use mdm_core::crypto::{KeyKind, SigningKey};
use mdm_core::external::{
    Answer, CertificateRequest, ChallengeSource, Order, Polling, Reference, Route, ScepAuthority, ScepSettings, Trust,
};
use mdm_core::keystore::{Policy, Protection};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::web::{self, Endpoint};
use mdm_core::x509::{Csr, Extensions, GeneralName, RevocationReason};

use super::super::{CA_KEY, DEVICE_KEY, csr, issued, key, name, noon, provider};
use super::{PASSWORD, Story, sign_all};

pub(super) fn tell(story: &mut Story) {
    let authority = lists(story);
    requests(story, &authority);
    orders(story, &authority);
    scep_authority(story);
    let restored = story.change("restored authority", restored(&backup().0).change);
    story.tell("restored authority", &restored);
}

/// Settings without a default, an OCSP service, lists in parts, a delta list, and a restore.
fn lists(story: &mut Story) -> Authority {
    let parts = CrlParts { count: 1, uri: "http://ca.example.com/{key}-{part}.crl".into() };
    let settings = Settings {
        ocsp_lifetime_seconds: 3600,
        crl_parts: Some(parts),
        delta_crl_uri: Some("http://ca.example.com/{key}-{part}-delta.crl".into()),
        ..Settings::default()
    };
    let creation = Creation::new("parted", "Example", CA_KEY.public_key().clone())
        .service(Service::Ocsp, key().public_key().clone())
        .settings(settings);
    let mut authority = story.change("parted authority", Authority::create(&creation, noon(), &provider()).unwrap());
    authority = sign_all(story, "parted authority", authority, &[&CA_KEY]);
    let scope = CrlScope::part(authority.active().unwrap().key.clone(), 0);
    authority = story.change("parted authority", authority.plan_crl(&scope, noon()).unwrap());
    let list = authority.crl(&scope, [], &provider()).unwrap().sign_with(&*CA_KEY).unwrap();
    authority = story.change("parted authority", list.change);
    let later = noon().plus_seconds(30);
    let mut record = issued(&authority);
    record = story.change("parted certificate", record.hold(later).unwrap());
    record = story.change("parted certificate", record.release(later).unwrap());
    story.tell("parted certificate", &record);
    authority = story.change("parted authority", authority.plan_delta_crl(&scope, later).unwrap());
    let list = authority.crl(&scope, [], &provider()).unwrap().sign_with(&*CA_KEY).unwrap();
    authority = story.change("parted authority", list.change);
    story.tell("parted authority", &authority);
    authority
}

/// A backup that opens quickly, and what comes of it a day later.
pub(super) fn backup() -> (Vec<u8>, Authority) {
    let keys: Vec<Secret> = (0..2).map(|_| provider().generate(KeyKind::P256).unwrap()).collect();
    let loaded: Vec<_> = keys.iter().map(|key| provider().load(key).unwrap()).collect();
    let public = |at: usize| SigningKey::public_key(&loaded[at]).clone();
    let creation = Creation::new("builtin", "Example", public(0)).service(Service::Ocsp, public(1));
    let mut authority = Authority::create(&creation, noon(), &provider()).unwrap().record;
    while let Some(next) = authority.to_be_signed(noon(), &provider()).unwrap() {
        authority = next.sign_with(&loaded[0]).unwrap().record;
    }
    let scope = CrlScope::full(authority.active().unwrap().key.clone());
    authority = authority.plan_crl(&scope, noon()).unwrap().record;
    let cheap = Protection::iterations(1000);
    let file = authority.backup(&keys, &PASSWORD.into(), cheap, noon(), &provider()).unwrap();
    let restored = restore(&file);
    (file, restored)
}

pub(super) fn restore(file: &[u8]) -> Authority {
    restored(file).change.record
}

fn restored(file: &[u8]) -> Restored {
    let now = noon().plus_days(1);
    Authority::restore(file, &PASSWORD.into(), &Policy::MODERN, None, None, now, &provider()).unwrap()
}

fn requests(story: &mut Story, authority: &Authority) {
    let csr = csr(&DEVICE_KEY, name("Device 7"), Extensions::new());
    let profile = Profile::device_identity();
    let holder = Holder { device_name: Some("iPhone".into()), ..Holder::default() };
    let request = IssuanceRequest {
        holder,
        renews: Some("0102".parse().unwrap()),
        subject: Some(name("Chosen by the host")),
        alternative_names: vec![
            GeneralName::Uri("urn:device:7".into()),
            GeneralName::Dns("a.example".into()),
            GeneralName::Email("ann@example.com".into()),
            GeneralName::Ip([192, 0, 2, 1].into()),
        ],
        ..IssuanceRequest::new(&csr, "waiting", &profile)
    };
    let now = authority.latest();
    let record = story.change("request", RequestRecord::submit(authority, &request, None, now, &provider()).unwrap());
    story.tell("pending request", &record);
    story.change("denied request", record.deny("unknown device", now).unwrap());
    story.change("abandoned request", record.abandon(now).unwrap());
    let (granted, reserved) = record.grant(authority, &profile, None, now, &provider()).unwrap();
    let record = story.change("request", granted);
    story.tell("request", &record);
    let unsigned = story.change("parted reservation", reserved.change().clone());
    story.tell("parted reservation", &unsigned);

    let certificate = issued(authority).certificate().unwrap().clone();
    let end = certificate.validity().not_after;
    let recorded = Recorded { authority: "adcs".into(), own: None, certificate, holder: Holder::default() };
    let signing = story.change("signing certificate", CertificateRecord::record(recorded, now));
    let signing = story.change("signing certificate", signing.signing_notices(90, end.plus_days(-10)));
    story.tell("signing certificate", &signing);
}

/// A request at an authority of somebody else, in all its turns.
fn orders(story: &mut Story, authority: &Authority) {
    let now = authority.latest();
    let polling = Polling { first: 60, longest: 3600 };
    let csr: Csr = (*csr(&DEVICE_KEY, name("Device 7"), Extensions::new())).clone();
    let order = Order {
        id: "request-1".into(),
        authority: "venafi".into(),
        csr: csr.clone(),
        holder: Holder::default(),
        repeatable: true,
        can_withdraw: true,
    };
    let placed = CertificateRequest::place(order, now);
    let unsent = story.change("order", placed);
    story.tell("unsent order", &unsent);
    story.change("withdrawn order", unsent.withdraw(now).unwrap());
    let sent = story.change("order", unsent.sending(now).unwrap());
    story.change("denied order", sent.answered(Answer::Denied { reason: "no".into() }, &polling, now).unwrap());
    let sent = story.change("order", sent.resubmit(now).unwrap());
    let sent = story.change("order", sent.sending(now).unwrap());
    let reference = Reference::new("order 1").unwrap().with_certificate("7").unwrap();
    let pending = story.change("order", sent.answered(Answer::Pending { reference: Some(reference) }, &polling, now).unwrap());
    let unwanted = story.change("unwanted order", pending.withdraw(now).unwrap());
    story.tell("unwanted order", &unwanted);
    let unavailable = web::Error::Unavailable { status: 503, retry_after: Some(7) }.into();
    let pending = story.change("order", pending.failed(&unavailable, &polling, now).unwrap());
    story.tell("pending order", &pending);
    let delivery = [issued(authority).certificate().unwrap().clone(), authority.certificate().unwrap().clone()];
    let trust = Trust::new(vec![authority.certificate().unwrap().clone()]).unwrap();
    let certificate = trust.expecting(&csr, now, &provider()).accept(&delivery).unwrap();
    let record = story.change("order", pending.answered(Answer::Issued(certificate), &polling, now).unwrap());
    let record = story.change("order", record.delivered(now).unwrap());
    let record = story.change("order", record.revoke(RevocationReason::KeyCompromise, now).unwrap());
    let record = story.change("order", record.answered(Answer::RevocationPending, &polling, now).unwrap());
    story.tell("revoked order", &record);
    let record = story.change("order", record.answered(Answer::Revoked, &polling, now).unwrap());
    story.tell("order", &record);
}

fn scep_authority(story: &mut Story) {
    let now: Timestamp = noon();
    let url = |text| Endpoint::new(text).unwrap();
    let subject = vec![("CN".to_owned(), "$UDID".to_owned())];
    let settings = ScepSettings {
        name: Some("Wi-Fi CA".into()),
        challenge: ChallengeSource::Static(Secret::from("static")),
        fingerprint: Some(vec![7; 32]),
        enrollment: Route::Proxy,
        ..ScepSettings::new(url("https://scep.example.com/"), subject)
    };
    let record = story.change("scep", ScepAuthority::configure("wifi".into(), settings.clone(), now).unwrap());
    let moved = ScepSettings { url: url("https://other.example.com/"), ..settings };
    let record = story.change("scep", record.change(moved, now).unwrap());
    story.tell("scep", &record);
}
