use super::*;
use crate::plist::Value;

fn limits() -> Limits {
    Limits::MESSAGE
}

#[test]
fn a_declaration_is_written_as_it_was_read() {
    let sent = br#"{"Type":"com.apple.configuration.account.caldav","Identifier":"id","ServerToken":"t","Payload":{"HostName":"cal.example.com","Port":8443,"New":[1,true]},"Odd":"x"}"#;
    let declaration = Declaration::parse(sent, &limits()).unwrap();
    let account = declaration.read::<AccountCalDAV>().unwrap();
    assert_eq!(account.host_name.as_deref(), Some("cal.example.com"));
    assert_eq!(account.extra.get("New"), Some(&Value::Array(vec![1.into(), true.into()])));
    let again: serde_json::Value = serde_json::from_slice(&declaration.to_json()).unwrap();
    assert_eq!(again, serde_json::from_slice::<serde_json::Value>(sent).unwrap());
    assert_eq!(declaration.mismatches(), []);
    assert_eq!(declaration.read::<AccountMail>(), None);
}

#[test]
fn a_declaration_of_an_unknown_type_keeps_its_payload() {
    let sent = br#"{"Type":"com.example.next","Payload":{"A":{"B":[1,2.5,"c"]}}}"#;
    let declaration = Declaration::parse(sent, &limits()).unwrap();
    assert_eq!(declaration.to_json(), sent);
    assert_eq!(declaration.mismatches(), []);
}

#[test]
fn a_mistyped_payload_key_is_reported_with_its_path() {
    let sent = br#"{"Type":"com.apple.configuration.account.caldav","Payload":{"Port":"8443"}}"#;
    let found = Declaration::parse(sent, &limits()).unwrap().mismatches();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].path.as_str(), found[0].expected, found[0].found), ("Payload.Port", "integer", "string"));
}

#[test]
fn a_status_item_is_found_by_the_parts_of_its_name() {
    let sent = br#"{"StatusItems":{"device":{"model":{"family":"iPhone"},"identifier":{"udid":7}}},"Errors":[]}"#;
    let report = StatusReport::parse_json(sent, &limits()).unwrap();
    let family = report.item::<StatusDeviceModelFamily>().unwrap();
    assert_eq!(family.device_model_family.as_deref(), Some("iPhone"));
    assert_eq!(report.item::<StatusDeviceModelNumber>(), None);
    let udid = report.item::<StatusDeviceUDID>().unwrap();
    assert_eq!(udid.extra.get("device.identifier.udid"), Some(&Value::Integer(7)));
}

#[test]
fn what_is_no_json_object_is_refused() {
    let refused = |bytes: &[u8]| Declaration::parse(bytes, &limits()).unwrap_err();
    assert_eq!(refused(b"[]"), Error::NotAnObject("array"));
    assert!(matches!(refused(b"{\"a\":1,\"a\":2}"), Error::Malformed { line: 1, .. }));
    assert!(matches!(refused(b"{\"a\":null}"), Error::Malformed { .. }));
    assert!(matches!(refused(&[b'['; 100_000]), Error::Malformed { .. }));
    let short = Limits::MESSAGE.bytes(1);
    assert_eq!(Declaration::parse(b"{}", &short), Err(Error::TooLong { length: 2, limit: 1 }));
}
