//! Certificates, bindings, requests and verdicts together.

mod renewal;
mod risk;

use proptest::prelude::*;

use super::*;
use crate::asn1::{Oid, Tag, Writer};
use crate::crypto::{PublicKey, SignatureAlgorithm};
use crate::id::{EnrollmentId, TenantId};
use crate::plist::{Dictionary, Value};
use crate::record::Record;
use crate::x509::{Certificate, oid};

const TOPIC: &str = "com.apple.mgmt.External.0c3e4d5f";
const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);

pub(crate) fn key(seed: u8) -> PublicKey {
    let mut point = [seed; 65];
    point[0] = 4;
    PublicKey::from_p256(&point).unwrap()
}

/// How a certificate for a test differs from a good one.
pub(crate) struct Sketch<'a> {
    pub uids: &'a [(Tag, &'a [u8])],
    pub marks: &'a [u8],
    pub serial: u32,
    pub key: u8,
    pub days: i64,
}

impl Default for Sketch<'_> {
    fn default() -> Self {
        const UIDS: &[(Tag, &[u8])] = &[(Tag::UTF8_STRING, TOPIC.as_bytes())];
        Sketch { uids: UIDS, marks: &[2], serial: 7, key: 1, days: 365 }
    }
}

impl Sketch<'_> {
    /// A certificate by these words, with a signature that nobody looks at here.
    pub fn certificate(&self) -> Certificate {
        let mut subject: Vec<(Oid<'_>, Tag, &[u8])> =
            self.uids.iter().map(|(tag, value)| (oid::USER_ID, *tag, *value)).collect();
        subject.push((oid::COMMON_NAME, Tag::UTF8_STRING, b"APSP:0c3e4d5f"));
        let name = |w: &mut Writer, attributes: &[(Oid<'_>, Tag, &[u8])]| {
            w.sequence(|w| {
                for (attribute, tag, value) in attributes {
                    w.nested(Tag::SET, |w| {
                        w.sequence(|w| {
                            w.oid(*attribute);
                            w.element(*tag, value);
                        });
                    });
                }
            });
        };
        let issuer = [(oid::COMMON_NAME, Tag::UTF8_STRING, &b"Apple Application Integration 2 CA"[..])];
        let der = Writer::build(|w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.nested(Tag::context_constructed(0), |w| w.small_integer(2));
                    w.small_integer(self.serial);
                    SignatureAlgorithm::EcdsaSha256.write(w);
                    name(w, &issuer);
                    w.sequence(|w| {
                        w.time(NOW.plus_days(-1));
                        w.time(NOW.plus_days(self.days));
                    });
                    name(w, &subject);
                    w.raw(key(self.key).as_der());
                    if !self.marks.is_empty() {
                        w.nested(Tag::context_constructed(3), |w| {
                            w.sequence(|w| {
                                for mark in self.marks {
                                    w.sequence(|w| {
                                        w.oid(Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x63, 0x64, 6, 3, *mark]));
                                        w.octet_string(&[0x05, 0x00]);
                                    });
                                }
                            });
                        });
                    }
                });
                SignatureAlgorithm::EcdsaSha256.write(w);
                w.bit_string(&[0; 8]);
            });
        });
        Certificate::from_der(&der).unwrap()
    }

    pub fn adopt(&self, tenant: &str) -> PushCertificate {
        let environment = Environment::of_certificate(&self.certificate());
        PushCertificate::adopt(tenant.into(), descent(), &self.certificate(), &key(self.key), environment, NOW).unwrap().record
    }
}

pub(crate) fn descent() -> Descent {
    Descent { developer_account: "dev".into(), vendor_certificate: "vendor".into(), apple_account: "push@example.com".into() }
}

pub(crate) fn binding(tenant: &str, topic: &str, token: &[u8], magic: &str) -> Binding {
    let address = Address::new(topic, token, &magic.into()).unwrap();
    Binding::new(EnrollmentId::device_channel("UDID").unwrap(), tenant.into(), address, NOW)
}

fn good() -> (Binding, PushCertificate) {
    (binding("a", TOPIC, &[0xAB; 32], "MAGIC"), Sketch::default().adopt("a"))
}

#[test]
fn the_topic_is_the_uid_of_the_subject_in_any_string_type() {
    let bmp: Vec<u8> = TOPIC.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (tag, value) in [
        (Tag::UTF8_STRING, TOPIC.as_bytes()),
        (Tag::PRINTABLE_STRING, TOPIC.as_bytes()),
        (Tag::IA5_STRING, TOPIC.as_bytes()),
        (Tag::TELETEX_STRING, TOPIC.as_bytes()),
        (Tag::BMP_STRING, &bmp),
    ] {
        let certificate = Sketch { uids: &[(tag, value)], ..Sketch::default() }.certificate();
        assert_eq!(Topic::of_subject(certificate.subject()).unwrap().as_str(), TOPIC);
    }
}

#[test]
fn a_subject_without_one_topic_of_mdm_says_what_is_wrong() {
    let topic = |uids: &[(Tag, &[u8])]| Topic::of_subject(Sketch { uids, ..Sketch::default() }.certificate().subject());
    let uid = (Tag::UTF8_STRING, TOPIC.as_bytes());
    assert_eq!(topic(&[]), Err(Error::NoTopic));
    assert_eq!(topic(&[uid, uid]), Err(Error::SeveralTopics { found: 2 }));
    assert_eq!(topic(&[uid, (Tag::UTF8_STRING, b"com.example")]), Err(Error::SeveralTopics { found: 2 }));
    assert_eq!(topic(&[(Tag::OCTET_STRING, TOPIC.as_bytes())]), Err(Error::TopicNotText));
    assert_eq!(topic(&[(Tag::UTF8_STRING, b"\xFF")]), Err(Error::TopicNotText));
    for other in ["com.example.app", "com.apple.mgmt", "com.apple.mgmt.", "COM.APPLE.MGMT.External.1", "", "com.apple.mgmt.a b"]
    {
        assert_eq!(topic(&[(Tag::UTF8_STRING, other.as_bytes())]), Err(Error::NotMdm), "{other}");
    }
    assert_eq!(format!("{PREFIX}é", PREFIX = "com.apple.mgmt.").parse::<Topic>(), Err(Error::NotMdm));
    assert_eq!(format!("com.apple.mgmt.{}", "x".repeat(241)).parse::<Topic>(), Err(Error::NotMdm));
}

#[test]
fn the_topic_of_a_profile_is_that_of_its_mdm_payload() {
    let payload = |kind: &str, topic: Option<Value>, development: bool| {
        let mut payload = Dictionary::from_iter([("PayloadType", kind)]);
        payload.insert("UseDevelopmentAPNS", development);
        topic.map(|topic| payload.insert("Topic", topic));
        Value::from(payload)
    };
    let read = |payloads: Vec<Value>| Topic::of_profile(&Dictionary::from_iter([("PayloadContent", payloads)]));
    let mdm = payload("com.apple.mdm", Some(TOPIC.into()), false);
    let scep = payload("com.apple.security.scep", None, false);
    let topic: Topic = TOPIC.parse().unwrap();
    assert_eq!(read(vec![scep.clone(), mdm.clone()]), Ok((topic.clone(), Environment::Production)));
    let development = payload("com.apple.mdm", Some(TOPIC.into()), true);
    assert_eq!(read(vec![development]), Ok((topic, Environment::Development)));
    assert_eq!(read(vec![scep]), Err(Error::NoTopic));
    assert_eq!(Topic::of_profile(&Dictionary::new()), Err(Error::NoTopic));
    assert_eq!(read(vec![payload("com.apple.mdm", None, false)]), Err(Error::NoTopic));
    assert_eq!(read(vec![mdm.clone(), mdm]), Err(Error::SeveralTopics { found: 2 }));
    assert_eq!(read(vec![payload("com.apple.mdm", Some(7_i64.into()), false)]), Err(Error::TopicNotText));
    assert_eq!(read(vec![payload("com.apple.mdm", Some("com.example".into()), false)]), Err(Error::NotMdm));
}

#[test]
fn apples_marks_tell_development_from_production() {
    let environment = |marks| Environment::of_certificate(&Sketch { marks, ..Sketch::default() }.certificate());
    assert_eq!(environment(&[2]), Environment::Production);
    assert_eq!(environment(&[1]), Environment::Development);
    assert_eq!(environment(&[1, 2]), Environment::Production);
    assert_eq!(environment(&[]), Environment::Production);
}

#[test]
fn a_certificate_that_does_not_fit_is_not_adopted() {
    let adopt = |sketch: Sketch<'_>, seed, now| {
        PushCertificate::adopt("a".into(), descent(), &sketch.certificate(), &key(seed), Environment::Production, now)
            .map(|decision| decision.record)
    };
    assert!(adopt(Sketch::default(), 1, NOW).is_ok());
    assert_eq!(adopt(Sketch::default(), 2, NOW), Err(Error::OtherKey));
    let development = Sketch { marks: &[1], ..Sketch::default() };
    assert_eq!(adopt(development, 1, NOW), Err(Error::OtherEnvironment { found: Environment::Development }));
    for now in [NOW.plus_days(-2), NOW.plus_days(366)] {
        assert!(matches!(adopt(Sketch::default(), 1, now), Err(Error::OutsideValidity { .. })));
    }
    assert_eq!(adopt(Sketch { uids: &[], ..Sketch::default() }, 1, NOW), Err(Error::NoTopic));
}

#[test]
fn the_request_is_what_apple_wants() {
    let (binding, certificate) = good();
    let id = ApnsId::from_random([0xFF; 16]);
    let wake = binding.wake(&certificate, NOW).unwrap().with_id(id);
    let request = wake.request();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.version(), http::Version::HTTP_2);
    assert_eq!(request.uri().to_string(), format!("https://api.push.apple.com/3/device/{}", "ab".repeat(32)));
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("apns-topic"), TOPIC);
    assert_eq!(header("apns-push-type"), "mdm");
    assert_eq!(header("apns-priority"), "10");
    assert_eq!(header("apns-expiration"), (NOW.unix() + 7 * 86_400).to_string());
    assert_eq!(header("apns-id"), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_eq!(request.body(), b"{\"mdm\":\"MAGIC\"}");
    assert_eq!(wake.route().serial, "07".parse().unwrap());
    assert_eq!((wake.route().tenant.as_str(), wake.route().topic.as_str()), ("a", TOPIC));
}

#[test]
fn a_wake_takes_another_priority_end_and_authority() {
    let (binding, _) = good();
    let development = Sketch { marks: &[1], ..Sketch::default() }.adopt("a");
    let wake = binding.wake(&development, NOW).unwrap().with_priority(Priority::WhenConvenient).expiring(Timestamp::MIN);
    let request = wake.request();
    assert_eq!(request.uri().host(), Some("api.sandbox.push.apple.com"));
    assert_eq!(request.headers()["apns-priority"], "5");
    assert_eq!(request.headers()["apns-expiration"], "0");
    assert!(!request.headers().contains_key("apns-id"));
    let elsewhere = wake.request_to(&"127.0.0.1:2197".parse().unwrap());
    assert_eq!(elsewhere.uri().authority().unwrap().as_str(), "127.0.0.1:2197");
}

#[test]
fn the_push_magic_is_escaped_and_not_shown() {
    let odd = "\"},\\\u{0}\n\u{7F}\u{1F600}";
    let certificate = Sketch::default().adopt("a");
    let wake = binding("a", TOPIC, &[1], odd).wake(&certificate, NOW).unwrap();
    let body: serde_json::Value = serde_json::from_slice(wake.request().body()).unwrap();
    assert_eq!(body, serde_json::json!({ "mdm": odd }));
    let (hidden, _) = good();
    assert!(!format!("{hidden:?}{:?}", hidden.wake(&certificate, NOW)).contains("MAGIC"));
    // The longest magic, every byte of it escaped, still fits.
    let longest = binding("a", TOPIC, &[1], &"\u{1}".repeat(512)).wake(&certificate, NOW).unwrap();
    assert!(longest.request().body().len() <= 4096);
}

#[test]
fn an_address_that_no_device_has_is_refused() {
    for len in [1, 31, 33, 100] {
        assert!(Address::new(TOPIC, &vec![0; len], &"M".into()).is_ok());
    }
    assert_eq!(Address::new(TOPIC, &[], &"M".into()), Err(Error::Token { len: 0 }));
    assert_eq!(Address::new(TOPIC, &[0; 101], &"M".into()), Err(Error::Token { len: 101 }));
    assert_eq!(Address::new(TOPIC, &[0], &vec![0xFF].into()), Err(Error::Magic { len: 1 }));
    assert_eq!(Address::new(TOPIC, &[0], &"".into()), Err(Error::Magic { len: 0 }));
    assert_eq!(Address::new(TOPIC, &[0], &"M".repeat(513).into()), Err(Error::Magic { len: 513 }));
    assert_eq!(Address::new("com.example.app", &[0], &"M".into()), Err(Error::NotMdm));
}

#[test]
fn only_a_usable_certificate_of_the_same_tenant_and_topic_wakes() {
    let (own, certificate) = good();
    let refusal = |binding: &Binding, certificate: &PushCertificate, now| binding.wake(certificate, now).unwrap_err();
    assert_eq!(refusal(&binding("b", TOPIC, &[1], "M"), &certificate, NOW), Refused::OtherTenant);
    let case = TOPIC.replace("External", "external");
    assert_eq!(refusal(&binding("a", &case, &[1], "M"), &certificate, NOW), Refused::OtherTopic);
    assert_eq!(refusal(&own, &certificate, NOW.plus_days(-2)), Refused::NotYetValid);
    assert_eq!(refusal(&own, &certificate, NOW.plus_days(366)), Refused::Expired);
    let revoked = certificate.revoke(NOW).unwrap().record;
    assert_eq!(refusal(&own, &revoked, NOW), Refused::Revoked);
    assert_eq!(revoked.revoke(NOW), None);
    let requested = PushCertificate::request("a".into(), descent(), key(1)).record;
    assert_eq!(refusal(&own, &requested, NOW), Refused::NotInstalled);
    assert_eq!((requested.revoke(NOW), requested.notice(&NoticeSchedule::default(), NOW)), (None, None));
}

fn answer(status: u16, body: &str) -> Answer {
    Answer::from_parts(http::StatusCode::from_u16(status).unwrap(), &http::HeaderMap::new(), body.as_bytes())
}

fn judged(answer: &Answer, attempt: u32) -> Verdict {
    let (binding, certificate) = good();
    let wake = binding.wake(&certificate, NOW).unwrap();
    binding.answered(&wake, answer, &RetryPolicy::default(), attempt, NOW)
}

#[test]
fn a_410_retires_only_when_it_is_later_than_the_token_update() {
    let (binding, certificate) = good();
    let wake = binding.wake(&certificate, NOW).unwrap();
    let since = u64::try_from(NOW.unix()).unwrap() * 1000;
    for reason in ["Unregistered", "ExpiredToken"] {
        for (timestamp, retires) in [(since - 1, false), (since, false), (since + 999, false), (since + 1000, true)] {
            let body = format!("{{\"reason\":\"{reason}\",\"timestamp\":{timestamp}}}");
            let verdict = binding.answered(&wake, &answer(410, &body), &RetryPolicy::default(), 1, NOW);
            match verdict {
                Verdict::Retire(retirement) => {
                    assert!(retires && retirement.concerns(&binding));
                    assert_eq!((retirement.dead_since_ms(), retirement.enrollment()), (timestamp, binding.enrollment()));
                }
                other => assert!(!retires && matches!(other, Verdict::Rejected { status: 410, .. }), "{other:?}"),
            }
        }
    }
    // Seconds instead of milliseconds, no timestamp, no reason: nothing proves that the device is gone.
    for body in [r#"{"reason":"Unregistered","timestamp":1999999999}"#, r#"{"reason":"Unregistered"}"#, "<html>", ""] {
        assert!(matches!(judged(&answer(410, body), 1), Verdict::Rejected { status: 410, .. }), "{body}");
    }
}

#[test]
fn a_410_for_an_address_that_the_device_has_left_retires_nothing() {
    let (old, certificate) = good();
    let wake = old.wake(&certificate, NOW).unwrap();
    let gone = answer(410, r#"{"reason":"Unregistered","timestamp":1990000000000}"#);
    let elsewhere = binding("a", TOPIC, &[0xCD; 32], "MAGIC");
    assert!(matches!(elsewhere.answered(&wake, &gone, &RetryPolicy::default(), 1, NOW), Verdict::Rejected { .. }));
    let Verdict::Retire(retirement) = old.answered(&wake, &gone, &RetryPolicy::default(), 1, NOW) else {
        panic!("the address is the one that was pushed to");
    };
    assert!(!retirement.concerns(&elsewhere));
    let address = Address::new(TOPIC, &[0xAB; 32], &"MAGIC".into()).unwrap();
    let again = Binding::new(old.enrollment().clone(), "a".into(), address, Timestamp::from_unix(1_990_000_001));
    assert!(!retirement.concerns(&again), "the same token, given again later");
}

#[test]
fn every_reason_has_its_verdict() {
    for reason in Reason::ALL {
        let status = reason.status().unwrap();
        let verdict = judged(&answer(status, &format!("{{\"reason\":\"{reason}\"}}")), 1);
        let expected = match (reason, status) {
            (Reason::TopicDisallowed | Reason::BadTopic | Reason::MissingTopic, _) | (_, 403) => "pause",
            (Reason::IdleTimeout, _) | (_, 429 | 500 | 503) => "retry",
            _ => "reject",
        };
        let found = match verdict {
            Verdict::PauseTopic(complaint) => {
                assert_eq!((complaint.reason.as_str(), complaint.topic.as_str()), (reason.as_str(), TOPIC));
                "pause"
            }
            Verdict::RetryAt(_) => "retry",
            Verdict::Rejected { reason: told, .. } => {
                assert_eq!(told.as_ref(), Some(reason));
                "reject"
            }
            Verdict::Delivered { .. } | Verdict::Retire(_) => "other",
        };
        assert_eq!(found, expected, "{reason}");
    }
    assert_eq!(judged(&answer(200, ""), 1), Verdict::Delivered { id: None });
    assert!(matches!(judged(&answer(403, "<html>"), 1), Verdict::PauseTopic(_)));
    assert!(matches!(judged(&answer(502, "<html>"), 1), Verdict::RetryAt(_)));
    assert!(matches!(judged(&answer(400, r#"{"reason":"BadMood"}"#), 1), Verdict::Rejected { .. }));
}

#[test]
fn a_goaway_is_never_about_a_device() {
    let gone = br#"{"reason":"Unregistered","timestamp":1990000000000}"#;
    for body in [&b""[..], gone, br#"{"reason":"BadDeviceToken"}"#, br#"{"reason":"Shutdown"}"#, b"garbage"] {
        let Verdict::RetryAt(at) = judged(&Answer::from_goaway(body), 1) else { panic!("{body:?}") };
        assert!((5..=6).contains(&at.seconds_since(NOW)));
    }
    let refused = Answer::from_goaway(br#"{"reason":"BadCertificate"}"#);
    assert!(matches!(judged(&refused, 1), Verdict::PauseTopic(_)));
}

#[test]
fn waits_double_are_spread_and_have_an_end() {
    let wait = |answer: &Answer, attempt| match judged(answer, attempt) {
        Verdict::RetryAt(at) => at.seconds_since(NOW),
        other => panic!("{other:?}"),
    };
    let busy = answer(503, r#"{"reason":"ServiceUnavailable"}"#);
    for (attempt, least) in [(0, 900), (1, 900), (2, 1800), (3, 3600), (10, 21_600), (u32::MAX, 21_600)] {
        assert!((least..=least + least / 4).contains(&wait(&busy, attempt)), "{attempt}");
    }
    let asked = |seconds: &str| {
        let response = http::Response::builder().status(429).header("retry-after", seconds).body("").unwrap();
        wait(&Answer::read(&response), 1)
    };
    assert!((2000..=2500).contains(&asked("2000")));
    assert!((21_600..=27_000).contains(&asked("4000000000")));
    assert!((900..=1125).contains(&asked("Wed, 21 Oct 2026 07:28:00 GMT")));
}

#[test]
fn a_refused_certificate_is_paused_once_and_resumed() {
    let (binding, certificate) = good();
    let Verdict::PauseTopic(complaint) = judged(&answer(403, r#"{"reason":"BadCertificate"}"#), 1) else { panic!() };
    let paused = certificate.pause(&complaint, NOW).unwrap();
    assert_eq!(paused.effects, [CertificateEffect::HoldPushes(TOPIC.parse().unwrap())]);
    assert_eq!(paused.record.pause(&complaint, NOW), None, "the second device raises nothing");
    assert_eq!(binding.wake(&paused.record, NOW).unwrap_err(), Refused::Paused);
    let other = Sketch { serial: 8, ..Sketch::default() }.adopt("a");
    assert_eq!(other.pause(&complaint, NOW), None, "an answer to the predecessor says nothing of the successor");
    let resumed = paused.record.resume(NOW).unwrap();
    assert_eq!(resumed.effects, [CertificateEffect::ReleasePushes(TOPIC.parse().unwrap())]);
    assert!(binding.wake(&resumed.record, NOW).is_ok());
    assert_eq!(resumed.record.resume(NOW), None);
}

#[test]
fn each_notice_of_expiry_comes_once() {
    let schedule = NoticeSchedule::default();
    let mut record = Sketch { days: 90, ..Sketch::default() }.adopt("a");
    let mut notices = Vec::new();
    for day in 0..95 {
        if let Some(decision) = record.notice(&schedule, NOW.plus_days(day)) {
            let [CertificateEvent::Expiring { notice, .. }] = decision.events[..] else { panic!() };
            notices.push((day, notice));
            record = decision.record;
        }
    }
    assert_eq!(notices, [(30, 60), (60, 30), (76, 14), (83, 7), (89, 1)]);
    let late = Sketch { days: 10, ..Sketch::default() }.adopt("a").notice(&schedule, NOW).unwrap();
    assert!(matches!(late.events[..], [CertificateEvent::Expiring { notice: 14, .. }]), "only the one that matters");
}

#[test]
fn the_status_follows_from_the_moment() {
    let schedule = NoticeSchedule::default();
    let record = Sketch::default().adopt("a");
    let status = |days| record.status(&schedule, NOW.plus_days(days));
    assert_eq!(status(-2), Status::NotYetValid);
    assert_eq!(status(0), Status::Active);
    assert_eq!(status(320), Status::Expiring { days_left: 45 });
    assert_eq!(status(366), Status::Expired);
    assert_eq!(record.revoke(NOW).unwrap().record.status(&schedule, NOW), Status::Revoked);
    let requested = PushCertificate::request("a".into(), descent(), key(1)).record;
    assert_eq!(requested.status(&schedule, NOW), Status::Requested);
}

#[test]
fn apns_ids_read_back_and_others_do_not() {
    let id = ApnsId::from_random([0x5A; 16]);
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(id.as_bytes()[6] >> 4, 4);
    assert_eq!(serde_json::from_str::<ApnsId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    for text in
        ["", "ec1bf194b3b2424a89e95a918a6e6b5c", "ec1bf194-b3b2-424a-89e9-5a918a6e6b5", "gc1bf194-b3b2-424a-89e9-5a918a6e6b5c"]
    {
        assert_eq!(text.parse::<ApnsId>(), Err(ParseApnsIdError), "{text}");
    }
    assert!("ec1bf194-b3b2-424a-89e9-5a918a6e6b5c-".parse::<ApnsId>().is_err());
}

#[test]
fn stored_forms_do_not_move() {
    let (binding, certificate) = good();
    let binding_text = concat!(
        r#"{"format":1,"enrollment":{"kind":"Device","device":"UDID","user":null},"tenant":"a","#,
        r#""topic":"com.apple.mgmt.External.0c3e4d5f","token":"abababababababababababababababababababababababababababababababab","#,
        r#""magic":"TUFHSUM=","since":1790000000}"#
    );
    assert_eq!(serde_json::to_string(&binding).unwrap(), binding_text);
    assert_eq!(serde_json::from_str::<Binding>(binding_text).unwrap(), binding);
    let text = serde_json::to_string(&certificate).unwrap();
    assert_eq!(serde_json::from_str::<PushCertificate>(&text).unwrap(), certificate);
    let key = text.split("\"key\":\"").nth(1).unwrap().split('"').next().unwrap();
    let stable = concat!(
        r#"{"format":1,"tenant":"a","shared_with":[],"descent":{"developer_account":"dev","vendor_certificate":"vendor","#,
        r#""apple_account":"push@example.com"},"key":"KEY","state":"Active","installed":{"topic":"com.apple.mgmt.External.0c3e4d5f","#,
        r#""environment":"Production","serial":"07","validity":{"not_before":1789913600,"not_after":1821536000},"at":1790000000},"#,
        r#""paused":null,"last_notice":null,"revision":1}"#
    );
    assert_eq!(text.replace(key, "KEY"), stable);
    let later = binding_text.replace("\"format\":1", "\"format\":2");
    assert!(serde_json::from_str::<Binding>(&later).unwrap_err().to_string().contains("format 2"));
    let bent = binding_text.replace("com.apple.mgmt", "com.example");
    assert!(serde_json::from_str::<Binding>(&bent).is_err());
}

proptest! {
    /// A fleet of tenants, some with each other's topic by mistake: whatever is put together, a wake comes out only when tenant
    /// and topic agree, and it names the certificate that was given.
    #[test]
    fn no_tenant_wakes_anothers_device(
        fleet in prop::collection::vec((0_u8..4, 0_u8..4), 1..12),
        certificates in prop::collection::vec((0_u8..4, 0_u8..4, 1_u32..100), 1..12),
    ) {
        for (tenant, topic) in &fleet {
            let device = binding(&tenant.to_string(), &format!("com.apple.mgmt.External.{topic}"), &[*tenant + 1], "M");
            for (owner, owned, serial) in &certificates {
                let uid = format!("com.apple.mgmt.External.{owned}");
                let uids = [(Tag::UTF8_STRING, uid.as_bytes())];
                let certificate = Sketch { uids: &uids, serial: *serial, ..Sketch::default() }.adopt(&owner.to_string());
                match device.wake(&certificate, NOW) {
                    Ok(wake) => {
                        prop_assert!(owner == tenant && owned == topic);
                        prop_assert_eq!(&wake.route().tenant, &TenantId::from(tenant.to_string()));
                        let request = wake.request();
                        prop_assert_eq!(request.headers()["apns-topic"].to_str().unwrap(), uid.as_str());
                    }
                    Err(refused) => {
                        let expected = if owner == tenant { Refused::OtherTopic } else { Refused::OtherTenant };
                        prop_assert!(refused == expected && (owner, owned) != (tenant, topic));
                    }
                }
            }
        }
    }

    /// Replaying the events of any life gives the record.
    #[test]
    fn events_replay_to_the_record(steps in prop::collection::vec((0_u8..5, 0_i64..400), 0..20)) {
        let first = Sketch::default();
        let decision =
            PushCertificate::adopt("a".into(), descent(), &first.certificate(), &key(1), Environment::Production, NOW).unwrap();
        let (mut record, mut events) = (decision.record, decision.events);
        let complaint = Complaint {
            tenant: "a".into(),
            topic: TOPIC.parse().unwrap(),
            serial: "07".parse().unwrap(),
            reason: "BadCertificate".into(),
        };
        for (step, day) in steps {
            let now = NOW.plus_days(day);
            let decision = match step {
                0 => record.pause(&complaint, now),
                1 => record.resume(now),
                2 => record.notice(&NoticeSchedule::default(), now),
                3 => record.revoke(now),
                _ => None,
            };
            if let Some(decision) = decision {
                record = decision.record;
                events.extend(decision.events);
            }
        }
        prop_assert_eq!(PushCertificate::replay(&events), Ok(record));
    }

    /// Whatever bytes come back, there is a verdict, and only a proven 410 retires.
    #[test]
    fn any_answer_has_a_verdict(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200), attempt: u32) {
        let read = Answer::from_parts(http::StatusCode::from_u16(status).unwrap(), &http::HeaderMap::new(), &body);
        prop_assert!(!matches!(judged(&read, attempt), Verdict::Retire(_)));
        let _ = judged(&Answer::from_goaway(&body), attempt);
    }
}
