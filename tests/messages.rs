//! Bodies that no device should send, through every reader of messages: an error with its place, or a value kept as it came.

use mdm_core::checkin::CheckIn;
use mdm_core::command::{Command, InstalledApplicationList, Report, SecurityInfo};
use mdm_core::declaration::{Declaration, Document, Error as JsonError, StatusReport};
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, Value};
use mdm_core::profile::Profile;
use mdm_core::schema::{Record, What, check};

const LIMITS: Limits = Limits::MESSAGE;

/// What each reader of property lists says to a body.
fn refusals(body: &[u8]) -> [Result<(), String>; 4] {
    fn told<T, E: ToString>(read: Result<T, E>) -> Result<(), String> {
        read.map(drop).map_err(|error| error.to_string())
    }
    [
        told(CheckIn::parse(body, &LIMITS)),
        told(Report::parse(body, &LIMITS)),
        told(Command::parse(body, &LIMITS)),
        told(Profile::parse(body, &LIMITS)),
    ]
}

/// A body that is a check-in, a report, a command and a profile at once, with something more inside its dictionary.
fn body(more: &str) -> String {
    format!(
        "<plist version=\"1.0\"><dict><key>MessageType</key><string>TokenUpdate</string><key>Status</key>\
         <string>Acknowledged</string><key>CommandUUID</key><string>1</string><key>Command</key><dict><key>RequestType</key>\
         <string>DeviceLock</string></dict>{more}</dict></plist>"
    )
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    let mut not_utf8 = body("<key>A</key><string>?</string>").into_bytes();
    let at = not_utf8.iter().position(|octet| *octet == b'?').unwrap();
    not_utf8[at] = 0xFF;
    let inside = |value: &str| body(&format!("<key>A</key><dict><key>B</key><array>{value}</array></dict>")).into_bytes();
    for (bad, place) in [
        (body("<key>A</key><true/><key>A</key><false/>").into_bytes(), "a key that the dictionary has twice"),
        (inside("<integer>18446744073709551616</integer>"), "in A.B[0]"),
        (inside("<integer>-9223372036854775809</integer>"), "in A.B[0]"),
        (inside("<date>2026-02-30T12:00:00Z</date>"), "in A.B[0]"),
        (inside("<date>0000-00-00T00:00:00Z</date>"), "in A.B[0]"),
        (inside("<data>Base64=</data>"), "in A.B[0]"),
        (inside("<real>one</real>"), "in A.B[0]"),
        (not_utf8, "not valid UTF-8"),
        (Vec::new(), "the input is empty"),
        (b" \n".to_vec(), "the input is empty"),
        (inside(&"<array>".repeat(100_000)), "nested deeper than the limit"),
        (b"<dict><key>a</key>".repeat(100_000), "nested deeper than the limit"),
    ] {
        for refused in refusals(&bad) {
            let told = refused.unwrap_err();
            assert!(told.contains(place) && told.contains(" at byte "), "{told}");
        }
    }
}

#[test]
fn a_body_of_a_mebibyte_is_read_and_told_short() {
    let long = "x".repeat(1 << 20);
    let sent = body(&format!("<key>UDID</key><string>{long}</string><key>{long}</key><string/>"));
    assert_eq!(refusals(sent.as_bytes()), [Ok(()), Ok(()), Ok(()), Ok(())]);
    let CheckIn::TokenUpdate(update) = CheckIn::parse(sent.as_bytes(), &LIMITS).unwrap() else { panic!() };
    assert_eq!(update.udid.as_deref().map(str::len), Some(1 << 20));
    let told: usize = check(&update).iter().map(|it| it.to_string().len()).sum();
    assert!(told < 10_000, "{told}");
}

#[test]
fn wrapped_and_tabbed_data_and_padded_keys_are_read_and_written_again() {
    let sent = body(
        "<key>Token</key>\n\t<data>\n\t\tAQID\n\t\tBAUG\n\t</data><key>\n  UDID\n</key><string> D\n</string>\
         <key>PushMagic</key><string>\n</string>",
    );
    let CheckIn::TokenUpdate(update) = CheckIn::parse(sent.as_bytes(), &LIMITS).unwrap() else { panic!() };
    assert_eq!(update.token.as_ref().map(|token| token.expose()), Some(&[1, 2, 3, 4, 5, 6][..]));
    // A padded key is another key: kept under its own name, and told.
    assert_eq!((update.udid.as_deref(), update.extra.get("\n  UDID\n")), (None, Some(&Value::from(" D\n"))));
    let unknown: Vec<_> = check(&update).into_iter().filter(|it| it.what == What::Unknown).map(|it| it.path).collect();
    assert!(unknown.contains(&"\\n  UDID\\n".to_owned()), "{unknown:?}");
    let again = CheckIn::parse(&CheckIn::from(update.clone()).to_xml().unwrap(), &LIMITS).unwrap();
    assert_eq!(again, CheckIn::from(update));
}

#[test]
fn one_odd_value_leaves_the_rest_of_an_answer_typed() {
    let sent = body(
        "<key>InstalledApplicationList</key><array><dict><key>Identifier</key><string>a</string><key>BundleSize</key>\
         <string>many</string><key>IsValidated</key><integer>1</integer></dict><dict><key>Identifier</key><string>b</string>\
         <key>BundleSize</key><integer>18446744073709551615</integer></dict></array>",
    );
    let report = Report::parse(sent.as_bytes(), &LIMITS).unwrap();
    let answer = report.answer::<InstalledApplicationList>().unwrap();
    let apps = answer.installed_application_list.as_ref().unwrap();
    assert_eq!(apps.iter().map(|app| app.identifier.as_deref()).collect::<Vec<_>>(), [Some("a"), Some("b")]);
    assert_eq!(apps[0].extra, Dictionary::from_iter([("BundleSize", Value::from("many")), ("IsValidated", 1.into())]));
    let found: Vec<_> = answer.mismatches().into_iter().map(|it| (it.path, it.expected, it.found)).collect();
    assert_eq!(
        found,
        [
            ("InstalledApplicationList[0].BundleSize".to_owned(), "integer", "string"),
            ("InstalledApplicationList[0].IsValidated".to_owned(), "boolean", "integer"),
            ("InstalledApplicationList[1].BundleSize".to_owned(), "integer", "integer above 9223372036854775807"),
        ]
    );
    assert_eq!(report.answer::<SecurityInfo>().unwrap().extra.len(), 3);
}

#[test]
fn json_that_cannot_be_read_is_refused_with_its_place() {
    let deep = format!("{{\"StatusItems\":{}", "[".repeat(100_000));
    let wide = format!("{{\"StatusItems\":[{}0]}}", "0,".repeat(2_000_000));
    for (bad, told) in [
        ("", "not well-formed JSON at byte 0"),
        ("{\"StatusItems\":{\"a\":1,\"a\":2}}", "a key that comes twice at byte"),
        ("{\"StatusItems\":{\"a\":18446744073709551616}}", "in StatusItems.a"),
        ("{\"StatusItems\":{\"a\":[null]}}", "in StatusItems.a[0]"),
        (&deep, "nested deeper than the limit of 64, at byte"),
        (&wide, "more values than the limit of 1048576, at byte"),
        ("{\"a\":\"\\ud800\"}", "in a"),
    ] {
        let errors = [
            StatusReport::parse_json(bad.as_bytes(), &LIMITS).map(drop).unwrap_err(),
            Declaration::parse(bad.as_bytes(), &LIMITS).map(drop).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains(told), "{error} should say {told}");
        }
    }
    let not_utf8 = StatusReport::parse_json(b"{\"a\":\"\xFF\"}", &LIMITS);
    assert!(matches!(not_utf8, Err(JsonError::Malformed { at: 6, .. })), "{not_utf8:?}");
}

#[test]
fn a_dictionary_where_none_belongs_is_no_message() {
    for value in ["<string>text</string>", "<array/>", "<integer>1</integer>"] {
        let sent = format!("<plist version=\"1.0\">{value}</plist>");
        for refused in refusals(sent.as_bytes()) {
            assert!(refused.unwrap_err().contains("not a dictionary"), "{value}");
        }
    }
    let empty = plist::to_xml(&Dictionary::new().into()).unwrap();
    let [check_in, report, command, profile] = refusals(&empty);
    assert_eq!(check_in.unwrap_err(), "the check-in message has no MessageType");
    assert!(report.unwrap_err().contains("Status") && command.unwrap_err().contains("CommandUUID"));
    assert_eq!(profile, Ok(()));
}
