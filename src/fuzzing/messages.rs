//! Property lists, JSON, and the messages in them.

use http::{HeaderMap, HeaderValue, StatusCode};

use crate::ade::MachineInfo;
use crate::checkin::CheckIn;
use crate::command::{Command, DeviceInformation, InstalledApplicationList, Report, SecurityInfo, Typed};
use crate::declaration::{Declaration, DeclarationItemsResponse, Document, StatusReport, TokensResponse};
use crate::limits::Limits;
use crate::plist::{self, Dictionary, Value};
use crate::profile::Profile;
use crate::push::Answer;
use crate::schema::{self, Described, Record, System, Target, Version};

/// Small enough that a fuzzer loses no time in copying.
const LIMITS: Limits = Limits::MESSAGE.bytes(1 << 20);

/// The binary form, in which NaN is NaN and nothing is refused that was read.
fn fixed(value: &Value) -> Vec<u8> {
    plist::to_binary(value).expect("what was read can be written")
}

/// A list is read again from its binary form as it was; from its XML form too, when it has one.
pub(super) fn plist_value(data: &[u8]) {
    let Ok(value) = plist::parse(data, &LIMITS) else { return };
    let binary = fixed(&value);
    let roomy = LIMITS.bytes(usize::MAX).items(usize::MAX);
    assert_eq!(fixed(&plist::parse(&binary, &roomy).expect("our own binary form")), binary);
    // Control characters, and moments before the year 1, have no form in XML.
    if let Ok(xml) = plist::to_xml(&value) {
        let again = plist::parse(&xml, &roomy).expect("our own XML form");
        assert_eq!(plist::to_xml(&again).expect("written before"), xml);
    }
}

/// A typed message gives back the dictionary that it was made of; the order of keys says nothing.
fn nothing_lost(sent: &Value, kept: Dictionary) {
    assert_eq!(fixed(&sorted(sent.clone())), fixed(&sorted(kept.into())), "a key was lost or changed");
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Dictionary(entries) => {
            let mut entries: Vec<_> = entries.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Dictionary(entries.into_iter().collect())
        }
        other => other,
    }
}

/// What the schema has to say about a document never stops anything.
fn checked(document: &dyn Described) {
    let _ = schema::check(document);
    for system in [System::Ios, System::Macos] {
        let _ = Target::new(system, Version::new(17, 0, 0)).check(document);
    }
}

pub(super) fn check_in(data: &[u8]) {
    let Ok(value) = plist::parse(data, &LIMITS) else { return };
    let Ok(message) = CheckIn::from_value(value.clone()) else { return };
    nothing_lost(&value, message.to_dictionary());
    let _ = (message.enrollment(), message.mismatches(), message.topic());
}

pub(super) fn report(data: &[u8]) {
    let Ok(value) = plist::parse(data, &LIMITS) else { return };
    let Ok(report) = Report::from_value(value.clone()) else { return };
    nothing_lost(&value, report.to_dictionary());
    let _ = (report.enrollment(), report.mismatches(), report.error_chain().len());
    answered::<DeviceInformation>(&report);
    answered::<InstalledApplicationList>(&report);
    answered::<SecurityInfo>(&report);
}

/// Read as an answer to any command, a report says nothing that it did not say before.
fn answered<R: Typed>(report: &Report)
where
    R::Answer: Record,
{
    let Ok(answer) = report.answer::<R>() else { return };
    let sent = report.to_dictionary();
    for (key, value) in answer.to_dictionary() {
        let same = sent.get(&key).map(|sent| fixed(&sorted(sent.clone())));
        assert_eq!(same, Some(fixed(&sorted(value))), "{key} was made up or changed");
    }
}

pub(super) fn command(data: &[u8]) {
    let Ok(value) = plist::parse(data, &LIMITS) else { return };
    let Ok(command) = Command::from_value(value.clone()) else { return };
    nothing_lost(&value, command.to_dictionary());
    checked(&command);
}

pub(super) fn profile(data: &[u8]) {
    let Ok(value) = plist::parse(data, &LIMITS) else { return };
    let Ok(profile) = Profile::from_value(value.clone()) else { return };
    nothing_lost(&value, profile.to_dictionary());
    let _ = profile.mismatches();
    checked(&profile);
}

pub(super) fn machine_info(data: &[u8]) {
    let Ok(value) = plist::parse(data, &LIMITS) else { return };
    let Some(entries) = value.as_dictionary() else { return };
    nothing_lost(&value, MachineInfo::from_dictionary(entries.clone()).to_dictionary());
}

pub(super) fn declaration(data: &[u8]) {
    let Ok(declaration) = Declaration::parse(data, &LIMITS) else { return };
    let written = declaration.to_json();
    let again = Declaration::parse(&written, &LIMITS.bytes(usize::MAX)).expect("our own JSON");
    assert_eq!(again.to_json(), written);
    checked(&declaration);
}

pub(super) fn status_report(data: &[u8]) {
    json_document::<StatusReport>(data);
    json_document::<DeclarationItemsResponse>(data);
    json_document::<TokensResponse>(data);
}

fn json_document<D: Document>(data: &[u8]) {
    let Ok(document) = D::parse_json(data, &LIMITS) else { return };
    let written = document.to_json();
    let again = D::parse_json(&written, &LIMITS.bytes(usize::MAX)).expect("our own JSON");
    assert_eq!(again.to_json(), written);
}

/// The first two bytes are the status, the third and fourth choose headers.
pub(super) fn apns_answer(data: &[u8]) {
    let [high, low, flags, length, rest @ ..] = data else { return };
    let status = StatusCode::from_u16(100 + u16::from_be_bytes([*high, *low]) % 900).expect("100 to 999");
    let (header, body) = rest.split_at(rest.len().min((*length).into()));
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.insert(if flags & 1 == 0 { "apns-id" } else { "retry-after" }, value);
    }
    let answer = Answer::from_parts(status, &headers, body);
    assert_eq!(answer.status(), status.as_u16());
    let _ = (answer.reason(), answer.timestamp_ms(), answer.retry_after(), Answer::from_goaway(body));
}
