//! The two checks: where a document differs from the schema, and what a device would refuse.

use super::*;

fn differences(document: &dyn Described) -> Vec<(String, What)> {
    check(document).into_iter().map(|difference| (difference.path, difference.what)).collect()
}

fn rules(target: &Target, document: &dyn Described) -> Vec<(String, Rule)> {
    target.check(document).into_iter().map(|violation| (violation.path, violation.rule)).collect()
}

fn phone() -> Target {
    Target::new(System::Ios, Version::new(18, 0, 0))
}

fn raw(request_type: &str, entries: Dictionary) -> Request {
    Request::new(request_type, entries)
}

#[test]
fn each_kind_of_difference_is_found_with_its_path() {
    let install = raw("InstallProfile", Dictionary::from_iter([("Payloads", 1)]));
    assert_eq!(differences(&install), [("Command.Payloads".into(), What::Unknown), ("Command.Payload".into(), What::Missing)]);
    let mistyped = raw("InstallProfile", Dictionary::from_iter([("Payload", "text")]));
    assert_eq!(differences(&mistyped), [("Command.Payload".into(), What::Mistyped { expected: "data", found: "string" })]);
    let wallpaper =
        Dictionary::from_iter([("Item", Value::from("Wallpaper")), ("Where", 9.into()), ("Image", vec![1_u8].into())]);
    let odd = Dictionary::from_iter([("Item", "Gravity")]);
    let settings = raw("Settings", Dictionary::from_iter([("Settings", Value::Array(vec![wallpaper.into(), odd.into()]))]));
    assert_eq!(
        differences(&settings),
        [("Command.Settings[0].Where".into(), What::NotListed), ("Command.Settings[1].Item".into(), What::NotListed)]
    );
    assert_eq!(differences(&raw("Levitate", Dictionary::new())), [("Command".into(), What::Unknown)]);
    assert_eq!(differences(&SecurityInfo::default()), []);
}

#[test]
fn listed_texts_bounds_formats_and_counts_are_checked() {
    let keys = [
        Key {
            name: "Percent",
            shape: Shape::Integer,
            presence: Presence::Optional,
            support: &[],
            rules: &Rules { values: &[Scalar::Int(-1)], min: Some(Scalar::Int(0)), max: Some(Scalar::Int(100)), ..Rules::NONE },
        },
        Key {
            name: "Code",
            shape: Shape::Array(&Shape::String),
            presence: Presence::Optional,
            support: &[],
            rules: &Rules { format: Some("^[0-9]{6}$"), repetition: Some((1, 2)), ..Rules::NONE },
        },
        Key {
            name: "Link",
            shape: Shape::String,
            presence: Presence::Optional,
            support: &[],
            rules: &Rules { subtype: Some("url"), ..Rules::NONE },
        },
    ];
    let table: &'static Table =
        Box::leak(Box::new(Table { name: "T", kind: "", support: &[], keys: Box::leak(Box::new(keys)) }));
    for right in [-1, 0, 100] {
        assert_eq!(differences(&Shown(table, Dictionary::from_iter([("Percent", right)]))), []);
    }
    let wrong = Dictionary::from_iter([
        ("Percent", Value::from(101)),
        ("Code", Value::Array(vec!["123456".into(), "12345".into(), "123456".into()])),
        ("Link", "example".into()),
    ]);
    assert_eq!(
        differences(&Shown(table, wrong)),
        [
            ("Percent".into(), What::OutOfRange { min: Some(Scalar::Int(0)), max: Some(Scalar::Int(100)) }),
            ("Code".into(), What::BadCount { min: 1, max: 2 }),
            ("Code[1]".into(), What::BadFormat("^[0-9]{6}$")),
            ("Link".into(), What::BadFormat("url")),
        ]
    );
}

#[test]
fn every_pattern_of_the_schema_can_be_read() {
    fn patterns(table: &'static Table, seen: &mut Vec<*const Table>, count: &mut usize) {
        if seen.contains(&std::ptr::from_ref(table)) {
            return;
        }
        seen.push(table);
        for key in table.keys {
            if let Some(format) = key.rules.format {
                assert!(regex_lite::Regex::new(format).is_ok(), "{format}");
                *count += 1;
            }
            let mut shape = &key.shape;
            while let Shape::Array(item) | Shape::Map(item) = shape {
                shape = item;
            }
            match shape {
                Shape::Record(table) => patterns(table(), seen, count),
                Shape::Union { members, .. } => members.iter().for_each(|(_, table)| patterns(table(), seen, count)),
                _ => {}
            }
        }
    }
    let (mut seen, mut count) = (Vec::new(), 0);
    all().iter().for_each(|trip| patterns(trip.table, &mut seen, &mut count));
    assert!(count > 0);
}

#[test]
fn a_command_is_refused_by_system_version_and_supervision() {
    let lost = EnableLostMode::default();
    assert_eq!(rules(&phone(), &lost), [(String::new(), Rule::Supervised)]);
    let old = Target { supervised: true, version: Version::new(9, 0, 0), ..phone() };
    assert_eq!(rules(&old, &lost), [(String::new(), Rule::Since(Version::new(9, 3, 0)))]);
    let mac = Target::new(System::Macos, Version::new(15, 0, 0));
    assert_eq!(rules(&mac, &lost), [(String::new(), Rule::System)]);
    let update = raw("ScheduleOSUpdateScan", Dictionary::new());
    assert!(
        rules(&Target { version: Version::new(10, 10, 0), ..mac }, &update)
            .iter()
            .any(|(_, rule)| matches!(rule, Rule::Since(_)))
    );
}

#[test]
fn a_command_is_refused_by_channel_rights_and_enrollment() {
    let mac = Target::new(System::Macos, Version::new(15, 0, 0));
    let user = Target { channel: Channel::User, ..mac };
    assert!(rules(&user, &EraseDevice::default()).contains(&(String::new(), Rule::NotOn(Channel::User))));
    assert!(rules(&mac, &ActiveNSExtensions::default()).contains(&(String::new(), Rule::NotOn(Channel::Device))));
    let weak = Target { access_rights: 8191 - 8, ..mac };
    assert_eq!(rules(&weak, &EraseDevice::default()), [(String::new(), Rule::AccessRight("AllowDeviceErase"))]);
    let byod = Target { enrollment: Enrollment::User, ..phone() };
    assert!(rules(&byod, &EraseDevice::default()).contains(&(String::new(), Rule::UserEnrollment(Mode::Forbidden))));
    let shared = Target { shared_ipad: true, supervised: true, ..phone() };
    assert!(rules(&phone(), &DeleteUser::default()).contains(&(String::new(), Rule::SharedIpad(Mode::Required))));
    assert!(rules(&shared, &ClearPasscode::default()).contains(&(String::new(), Rule::SharedIpad(Mode::Forbidden))));
    assert!(rules(&phone(), &DeviceConfigured::default()).contains(&(String::new(), Rule::Automated)));
}

#[test]
fn a_nested_key_and_a_listed_value_are_refused_by_their_own_path() {
    let queries = DeviceInformation {
        queries: Some(vec![DeviceInformationQueries::OS_VERSION, DeviceInformationQueries::PROVISIONING_UDID]),
        ..DeviceInformation::default()
    };
    assert_eq!(rules(&phone(), &queries), [("Queries[1]".into(), Rule::System)]);
    let settings = Settings {
        settings: Some(vec![SettingsDeviceName::default().into(), SettingsDefaultApplications::default().into()]),
        ..Settings::default()
    };
    let found = rules(&Target { supervised: true, ..phone() }, &Command::new("1", settings));
    assert!(found.contains(&("Command.Settings[1]".into(), Rule::Since(Version::new(18, 2, 0)))), "{found:?}");
    assert!(found.iter().all(|(path, _)| path.starts_with("Command.Settings[1]")), "{found:?}");
}

#[cfg(feature = "profiles")]
#[test]
fn a_profile_is_checked_payload_by_payload() {
    use crate::profile::{Firewall, Payload, Restrictions};
    let restrictions =
        Restrictions { allow_app_installation: Some(false), allow_camera: Some(false), ..Restrictions::default() };
    let firewall = Firewall { enable_firewall: Some(true), ..Firewall::default() };
    let profile = Profile::new("p", "u")
        .with(Payload::new(&restrictions, "p.1", "u1"))
        .with(Payload::new(&firewall, "p.2", "u2"))
        .with(Payload::raw("com.example.new", Dictionary::new(), "p.3", "u3"));
    let found = rules(&phone(), &profile);
    assert!(found.contains(&("PayloadContent[0].allowAppInstallation".into(), Rule::Supervised)), "{found:?}");
    assert!(found.contains(&("PayloadContent[1]".into(), Rule::System)), "{found:?}");
    assert_eq!(differences(&profile), [("PayloadContent[2]".into(), What::Unknown)]);
}

#[cfg(feature = "declarations")]
#[test]
fn a_declaration_is_checked_by_its_type() {
    use crate::declaration::{AccountCalDAV, Declaration};
    let account = AccountCalDAV { host_name: Some("cal.example.com".into()), ..AccountCalDAV::default() };
    let declaration = Declaration::new(&account, "id", "token");
    assert_eq!(differences(&declaration), []);
    assert_eq!(rules(&phone(), &declaration), []);
    let old = Target { version: Version::new(14, 0, 0), ..phone() };
    assert_eq!(rules(&old, &declaration), [("Payload".into(), Rule::Since(Version::new(15, 0, 0)))]);
}

#[test]
fn what_is_found_reads_as_a_sentence() {
    let violation = Violation { path: "Command.PIN".into(), rule: Rule::Since(Version::new(26, 0, 0)) };
    assert_eq!(violation.to_string(), "Command.PIN: since version 26.0");
    let difference = Difference { path: "A[1].B".into(), what: What::Mistyped { expected: "string", found: "integer" } };
    assert_eq!(difference.to_string(), "A[1].B: integer where the schema has string");
}
