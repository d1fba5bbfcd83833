use super::*;
use crate::id::EnrollmentKind;
use crate::secret::Secret;

const TOKEN_UPDATE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>AwaitingConfiguration</key>
	<false/>
	<key>MessageType</key>
	<string>TokenUpdate</string>
	<key>PushMagic</key>
	<string>5C9B7A3E-0000-4000-8000-00000000ABCD</string>
	<key>Token</key>
	<data>
	AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e
	HyA=
	</data>
	<key>Topic</key>
	<string>com.apple.mgmt.External.11111111-2222-3333-4444-555555555555</string>
	<key>UDID</key>
	<string>00008120-0001DEADBEEF0001</string>
	<key>UnlockToken</key>
	<data>
	REFUQQ==
	</data>
</dict>
</plist>
"#;

fn parse(body: &str) -> Result<CheckIn, Error> {
    CheckIn::parse(body.as_bytes(), &Limits::MESSAGE)
}

fn message(entries: &[(&str, &str)]) -> CheckIn {
    CheckIn::from_value(Dictionary::from_iter(entries.iter().copied()).into()).unwrap()
}

#[test]
fn a_token_update_is_read_as_a_device_sends_it() {
    let parsed = parse(TOKEN_UPDATE).unwrap();
    let CheckIn::TokenUpdate(update) = &parsed else { panic!("{parsed:?}") };
    assert_eq!(update.token, Some(Secret::new((1..=32).collect())));
    assert_eq!(update.push_magic, Some(Secret::from("5C9B7A3E-0000-4000-8000-00000000ABCD")));
    assert_eq!(update.unlock_token, Some(Secret::from("DATA")));
    assert_eq!(update.awaiting_configuration, Some(false));
    assert_eq!(update.user_id, None);
    assert!(update.extra.is_empty());
    assert_eq!(parsed.topic(), Some("com.apple.mgmt.External.11111111-2222-3333-4444-555555555555"));
    assert_eq!(parsed.enrollment().unwrap().to_string(), "00008120-0001DEADBEEF0001");
    assert_eq!(parsed.mismatches(), []);
}

#[test]
fn what_was_read_is_written_again() {
    let parsed = parse(TOKEN_UPDATE).unwrap();
    let again = CheckIn::parse(&parsed.to_xml().unwrap(), &Limits::MESSAGE).unwrap();
    assert_eq!(again, parsed);
}

#[test]
fn secrets_do_not_reach_the_log() {
    let shown = format!("{:?}", parse(TOKEN_UPDATE).unwrap());
    assert!(!shown.contains("5C9B7A3E"), "{shown}");
    let odd = message(&[("MessageType", "SetBootstrapToken"), ("BootstrapToken", "hunter2"), ("New", "hunter3")]);
    assert!(!format!("{odd:?}").contains("hunter"), "{odd:?}");
}

#[test]
fn every_message_is_known_by_its_type() {
    for name in [
        "Authenticate",
        "CheckOut",
        "DeclarativeManagement",
        "GetBootstrapToken",
        "GetToken",
        "ReturnToService",
        "SetBootstrapToken",
        "TokenUpdate",
        "UserAuthenticate",
    ] {
        let parsed = message(&[("MessageType", name), ("UDID", "D"), ("UserID", "U")]);
        assert!(!matches!(parsed, CheckIn::Other { .. }), "{name}");
        assert_eq!(parsed.message_type(), name);
        assert_eq!(parsed.enrollment().unwrap().kind(), EnrollmentKind::User, "{name}");
    }
}

#[test]
fn a_message_of_an_unknown_type_is_kept() {
    let parsed = message(&[("MessageType", "Levitate"), ("EnrollmentID", "E"), ("Height", "3"), ("Topic", "t")]);
    assert_eq!(parsed.message_type(), "Levitate");
    assert_eq!(parsed.enrollment().unwrap().to_string(), "E");
    assert_eq!(parsed.topic(), Some("t"));
    assert_eq!(parsed.to_dictionary().get("Height"), Some(&"3".into()));
    assert_eq!(parsed.mismatches(), []);
}

#[test]
fn a_padded_type_is_recognised_and_kept() {
    let parsed = message(&[("MessageType", "\n  CheckOut\n"), ("UDID", "D")]);
    assert!(matches!(&parsed, CheckIn::CheckOut(_)), "{parsed:?}");
    assert_eq!(parsed.to_dictionary().get("MessageType"), Some(&"\n  CheckOut\n".into()));
}

#[test]
fn a_message_that_a_host_builds_names_its_type() {
    let built = CheckIn::from(Authenticate { udid: Some("D".into()), ..Authenticate::default() });
    assert_eq!(built.to_dictionary().get("MessageType"), Some(&"Authenticate".into()));
}

#[test]
fn a_mistyped_value_is_reported_and_kept() {
    let mut sent = Dictionary::from_iter([("MessageType", "TokenUpdate"), ("UDID", "D"), ("PushMagic", "m")]);
    sent.insert("AwaitingConfiguration", "yes");
    sent.insert("Token", 7);
    let parsed = CheckIn::from_value(sent.clone().into()).unwrap();
    let CheckIn::TokenUpdate(update) = &parsed else { panic!() };
    assert_eq!((update.awaiting_configuration, update.token.as_ref()), (None, None));
    assert_eq!(update.push_magic, Some(Secret::from("m")));
    let found: Vec<_> = parsed.mismatches().into_iter().map(|it| (it.path, it.expected, it.found)).collect();
    assert_eq!(found, [("AwaitingConfiguration".into(), "boolean", "string"), ("Token".to_owned(), "data", "integer")]);
    let written = parsed.to_dictionary();
    assert_eq!(written.len(), sent.len());
    assert!(sent.iter().all(|(key, value)| written.get(key) == Some(value)));
}

#[test]
fn a_body_that_is_no_check_in_is_refused() {
    assert!(matches!(parse(""), Err(Error::Plist(_))));
    assert_eq!(parse("<plist version=\"1.0\"><array/></plist>"), Err(Error::NotADictionary("array")));
    assert_eq!(parse("<plist version=\"1.0\"><dict/></plist>"), Err(Error::NoMessageType));
    let number = "<plist version=\"1.0\"><dict><key>MessageType</key><integer>1</integer></dict></plist>";
    assert_eq!(parse(number), Err(Error::NoMessageType));
}
