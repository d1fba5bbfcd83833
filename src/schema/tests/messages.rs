//! Arbitrary messages through their own readers.

use super::*;
use crate::checkin::CheckIn;
use crate::declaration::{Declaration, Document, StatusReport};

fn each(mut act: impl FnMut(&mut Unstructured<'_>)) {
    for round in 0..300 {
        act(&mut Unstructured::new(&noise(round, 64 << (round % 6))));
    }
}

#[test]
fn a_check_in_is_read_as_it_was_written() {
    let mut unknown = 0;
    each(|u| {
        let message = CheckIn::arbitrary(u).unwrap();
        unknown += usize::from(matches!(message, CheckIn::Other { .. }));
        let read = CheckIn::parse(&message.to_xml().unwrap(), &Limits::MESSAGE).unwrap();
        assert_eq!(read, message);
        assert_eq!(read.to_dictionary(), message.to_dictionary());
    });
    assert!((1..150).contains(&unknown), "{unknown}");
}

#[test]
fn a_command_is_read_as_it_was_written() {
    each(|u| {
        let command = Command::arbitrary(u).unwrap();
        assert_eq!(Command::parse(&command.to_xml().unwrap(), &Limits::MESSAGE).unwrap(), command);
    });
}

#[test]
fn a_report_is_read_as_it_was_written() {
    each(|u| {
        let report = Report::arbitrary(u).unwrap();
        assert_eq!(Report::parse(&report.to_xml().unwrap(), &Limits::MESSAGE).unwrap(), report);
        assert_eq!(report.mismatches(), []);
    });
}

#[test]
fn a_profile_is_read_as_it_was_written() {
    each(|u| {
        let profile = Profile::arbitrary(u).unwrap();
        assert_eq!(Profile::parse(&profile.to_xml().unwrap(), &Limits::MESSAGE).unwrap(), profile);
    });
}

#[test]
fn a_declaration_and_a_status_report_are_read_as_they_were_written() {
    each(|u| {
        let declaration = Declaration::arbitrary(u).unwrap();
        let json = declaration.to_json();
        assert_eq!(Declaration::parse(&json, &Limits::MESSAGE).unwrap().to_json(), json);
        let report = StatusReport::arbitrary(u).unwrap();
        let json = report.to_json();
        assert_eq!(StatusReport::parse_json(&json, &Limits::MESSAGE).unwrap().to_json(), json);
    });
}

#[test]
fn what_a_target_is_asked_has_an_answer_for_every_message() {
    let mut refused = 0;
    each(|u| {
        let target = Target::arbitrary(u).unwrap();
        let profile = Profile::arbitrary(u).unwrap();
        let command = Command::arbitrary(u).unwrap();
        refused += target.check(&profile).len() + target.check(&command).len();
        check(&profile).iter().for_each(|it| assert!(!it.to_string().is_empty()));
    });
    assert!(refused > 0);
}

/// A message with one byte changed is refused, or is read as what it says now and written again so.
#[test]
fn a_damaged_message_is_refused_or_kept_as_it_is() {
    let mut read = 0;
    each(|u| {
        let mut body = Report::arbitrary(u).unwrap().to_xml().unwrap();
        let at = u.choose_index(body.len()).unwrap();
        body[at] = u8::arbitrary(u).unwrap();
        let Ok(sent) = plist::parse(&body, &Limits::MESSAGE) else { return };
        match Report::from_value(sent.clone()) {
            Ok(report) => {
                read += 1;
                assert!(same(&report.to_dictionary().into(), &sent));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
    assert!(read > 20, "{read}");
}

#[test]
fn status_items_are_checked_and_kept() {
    let sent = br#"{"StatusItems":{"device":{"model":{"family":7,"new-in-the-next-version":1}},"mdm":{"app":"x"}},"Errors":[
        {"StatusItem":"a","Reasons":[{"Code":"Error.Unknown","Details":{"Domain":"d","Code":1}},{"Code":"Error.New"}]}]}"#;
    let report = StatusReport::parse_json(sent, &Limits::MESSAGE).unwrap();
    let again: serde_json::Value = serde_json::from_slice(&report.to_json()).unwrap();
    assert_eq!(again, serde_json::from_slice::<serde_json::Value>(sent).unwrap());
    let found = report.mismatches();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, "Errors[0].Reasons[0].Details.Code");
    let reasons = report.errors.as_ref().unwrap()[0].reasons.as_ref().unwrap();
    assert_eq!(reasons[0].code, Some(crate::declaration::ReasonCode::ERROR_UNKNOWN));
    assert_eq!(reasons[0].details.as_ref().unwrap().domain.as_deref(), Some("d"));
    assert_eq!(reasons[1].code.as_ref().map(|code| code.as_str()), Some("Error.New"));
}

#[cfg(feature = "declarations")]
#[test]
fn a_mistyped_status_item_is_reported_under_its_name() {
    let sent = br#"{"StatusItems":{"device":{"model":{"family":7}}}}"#;
    let report = StatusReport::parse_json(sent, &Limits::MESSAGE).unwrap();
    let found = report.item_mismatches();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].path.as_str(), found[0].expected), ("StatusItems.device.model.family", "string"));
}

#[test]
fn what_is_no_number_goes_through_json() {
    let mut odd = Dictionary::new();
    odd.insert("DeviceCapacity", f64::INFINITY);
    odd.insert("BatteryLevel", f64::NEG_INFINITY);
    let sent = Dictionary::from_iter([("QueryResponses", odd)]);
    let answer = DeviceInformationResponse::from_dictionary(sent.clone());
    let json = serde_json::to_string(&answer).unwrap();
    assert!(json.contains("\"inf\"") && json.contains("\"-inf\""), "{json}");
    assert_eq!(serde_json::from_str::<DeviceInformationResponse>(&json).unwrap(), answer);
}

#[test]
fn synchronization_tokens_are_typed() {
    use crate::declaration::TokensResponse;
    let sent = br#"{"SyncTokens":{"Timestamp":"2026-01-31T12:00:00Z","DeclarationsToken":"t"}}"#;
    let tokens = TokensResponse::parse_json(sent, &Limits::MESSAGE).unwrap();
    assert_eq!(tokens.sync_tokens.as_ref().unwrap().declarations_token.as_deref(), Some("t"));
    assert_eq!(tokens.to_json(), sent);
}
