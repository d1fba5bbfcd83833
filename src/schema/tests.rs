//! Documents made from the tables themselves, through every record.

use std::collections::BTreeMap;

use ::arbitrary::{Arbitrary, Unstructured};

use super::generated::command::each_command;
use super::generated::profile::each_enrollment_payload;
use super::*;
use crate::command::*;
use crate::limits::Limits;
use crate::plist::{self, Dictionary, Value};
use crate::profile::{PayloadEnvelope, Profile, ProfileEnvelope};
use crate::secret::Secret;
use crate::time::Timestamp;

/// A record with its type forgotten: its schema, and a document through the struct and back, directly and as JSON.
struct Trip {
    table: &'static Table,
    plain: fn(Dictionary) -> Dictionary,
    json: fn(Dictionary) -> Dictionary,
    mismatches: fn(Dictionary) -> Vec<Mismatch>,
    arbitrary: fn(&[u8]),
}

fn trip<R>() -> Trip
where
    R: Record + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned + for<'a> Arbitrary<'a>,
{
    Trip {
        table: R::table(),
        plain: |entries| R::from_dictionary(entries).to_dictionary(),
        json: |entries| {
            let text = serde_json::to_string(&R::from_dictionary(entries)).unwrap();
            serde_json::from_str::<R>(&text).unwrap().to_dictionary()
        },
        mismatches: |entries| R::from_dictionary(entries).mismatches(),
        arbitrary: |bytes| decodes_what_it_encodes(&R::arbitrary(&mut Unstructured::new(bytes)).unwrap()),
    }
}

/// Through XML and binary a record comes back as it was, through JSON with the same JSON.
fn decodes_what_it_encodes<R: Record + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned>(made: &R) {
    let read = |bytes: &[u8]| match plist::parse(bytes, &Limits::MESSAGE).unwrap() {
        Value::Dictionary(entries) => R::from_dictionary(entries),
        other => panic!("{other:?}"),
    };
    let sent = Value::from(made.to_dictionary());
    assert_eq!(read(&plist::to_xml(&sent).unwrap()), *made);
    assert_eq!(read(&plist::to_binary(&sent).unwrap()), *made);
    let json = serde_json::to_string(made).unwrap();
    let again: R = serde_json::from_str(&json).unwrap();
    // Data and dates under keys that the schema does not know stay text, which is all that JSON says of them.
    assert_eq!(serde_json::to_string(&again).unwrap(), json);
    assert_eq!(made.mismatches(), []);
}

/// Bytes for documents, the same on every run.
fn noise(seed: usize, length: usize) -> Vec<u8> {
    let mut state = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

macro_rules! commands {
    ($($name:ident => $answer:ident,)*) => {
        fn commands() -> Vec<Trip> {
            vec![$(trip::<crate::command::$name>(), trip::<$answer>()),*]
        }
    };
}
each_command!(commands);

macro_rules! enrollment_payloads {
    ($($name:ident = $kind:literal,)*) => {
        fn enrollment_payloads() -> Vec<Trip> {
            vec![$(trip::<crate::profile::$name>()),*]
        }
    };
}
each_enrollment_payload!(enrollment_payloads);

macro_rules! checkins {
    ($($name:ident,)*) => {
        fn checkins() -> Vec<Trip> {
            vec![$(trip::<crate::checkin::$name>()),*]
        }
    };
}
super::generated::checkin::each_checkin!(checkins);

#[cfg(feature = "profiles")]
mod with_profiles {
    use super::super::generated::payload::each_payload;
    use super::*;

    macro_rules! payloads {
        ($($name:ident = $kind:literal,)*) => {
            pub(super) fn payloads() -> Vec<Trip> {
                vec![$(trip::<crate::profile::$name>()),*]
            }
        };
    }
    each_payload!(payloads);
}

#[cfg(feature = "declarations")]
mod with_declarations {
    use super::super::generated::declaration::each_declaration;
    use super::super::generated::status::each_status;
    use super::*;

    macro_rules! declarations {
        ($($name:ident = $kind:literal,)*) => {
            pub(super) fn declarations() -> Vec<Trip> {
                vec![$(trip::<crate::declaration::$name>()),*]
            }
        };
    }
    each_declaration!(declarations);

    macro_rules! items {
        ($($name:ident = $kind:literal,)*) => {
            pub(super) fn items() -> Vec<Trip> {
                vec![$(trip::<crate::declaration::$name>()),*]
            }
        };
    }
    each_status!(items);
}

fn all() -> Vec<Trip> {
    let mut all = commands();
    all.extend(checkins());
    all.extend(enrollment_payloads());
    all.extend([trip::<ProfileEnvelope>(), trip::<PayloadEnvelope>(), trip::<ReportEnvelope>()]);
    all.extend([trip::<crate::ade::MachineInfo>(), trip::<crate::ade::EnrollmentSSODocument>()]);
    all.extend([
        trip::<crate::declaration::StatusReport>(),
        trip::<crate::declaration::DeclarationItemsResponse>(),
        trip::<crate::declaration::TokensResponse>(),
        trip::<crate::declaration::DeclarationBase>(),
    ]);
    #[cfg(feature = "profiles")]
    all.extend(with_profiles::payloads());
    #[cfg(feature = "declarations")]
    all.extend(with_declarations::declarations().into_iter().chain(with_declarations::items()));
    all
}

/// A document with every key of a schema, down to where structures repeat themselves.
fn document(table: &Table, depth: usize) -> Dictionary {
    let keys = table.keys.iter().filter_map(|key| Some((key.name, value(&key.shape, key.rules, depth)?)));
    keys.collect()
}

fn value(shape: &Shape, rules: &Rules, depth: usize) -> Option<Value> {
    let listed = rules.values.first().or(rules.min.as_ref()).or(rules.max.as_ref()).map(|listed| match *listed {
        Scalar::Bool(truth) => Value::Boolean(truth),
        Scalar::Int(number) => Value::Integer(number),
        Scalar::Num(number) => Value::Real(number),
        Scalar::Text(text) => text.into(),
    });
    let text = || {
        let forms = ["text", "https://a.example/", "00000000-0000-4000-8000-000000000000", "000000", "00:00:00:00:00:00"];
        let fits = |form: &&str| rules.format.is_none_or(|format| regex_lite::Regex::new(format).unwrap().is_match(form));
        forms.into_iter().find(|form| fits(form) && (rules.subtype != Some("url") || form.contains(':'))).unwrap()
    };
    Some(match shape {
        Shape::Boolean => true.into(),
        Shape::Integer => listed.unwrap_or(7.into()),
        Shape::Real => match listed {
            Some(Value::Real(number)) => number.into(),
            _ => 0.5.into(),
        },
        Shape::String => listed.unwrap_or_else(|| text().into()),
        Shape::OneOf(choices) => choices.first().unwrap().value.into(),
        Shape::Data => vec![0xff_u8, 0, 1].into(),
        Shape::Date => Timestamp::from_unix(1_800_000_000).into(),
        Shape::Any => "any".into(),
        Shape::Array(item) => vec![value(item, rules, depth)?].into(),
        Shape::Map(item) => Dictionary::from_iter([("com.example.any", value(item, rules, depth)?)]).into(),
        Shape::Record(_) | Shape::Union { .. } if depth == 0 => return None,
        Shape::Record(table) => document(table(), depth - 1).into(),
        Shape::Union { members, .. } => document(members.first().unwrap().1(), depth - 1).into(),
    })
}

/// Equal as property lists are: the order of keys says nothing.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Dictionary(left), Value::Dictionary(right)) => {
            left.len() == right.len() && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        _ => left == right,
    }
}

#[test]
fn a_document_with_every_key_goes_through_every_record_unharmed() {
    for trip in all() {
        let name = trip.table.name;
        let mut sent = document(trip.table, 8);
        assert!((trip.mismatches)(sent.clone()).is_empty(), "{name}");
        let found = check(&Shown(trip.table, sent.clone()));
        let found: Vec<_> = found.iter().filter(|it| it.what != What::Missing).map(ToString::to_string).collect();
        assert!(found.is_empty(), "{name}: {found:?}");
        sent.insert("NewInTheNextVersion", vec![Value::from(1), "two".into()]);
        let (entries, sent) = (sent.clone(), Value::from(sent));
        assert!(same(&(trip.plain)(entries.clone()).into(), &sent), "{name}");
        assert!(same(&(trip.json)(entries).into(), &sent), "{name} as JSON");
        let xml = plist::to_xml(&sent).unwrap();
        assert!(same(&plist::parse(&xml, &Limits::MESSAGE).unwrap(), &sent), "{name} as XML");
    }
}

#[test]
fn an_arbitrary_document_of_every_record_is_decoded_as_it_was_encoded() {
    for (at, trip) in all().into_iter().enumerate() {
        (trip.arbitrary)(&[]);
        for round in 0..8 {
            (trip.arbitrary)(&noise(at * 8 + round, 1 << (round + 4)));
        }
    }
}

struct Shown(&'static Table, Dictionary);

impl Described for Shown {
    fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary)) {
        each("", &[self.0], &self.1);
    }
}

fn one_of_each_type() -> Vec<Value> {
    vec![
        true.into(),
        7.into(),
        Value::Unsigned(u64::MAX),
        0.5.into(),
        "text".into(),
        vec![1_u8].into(),
        Timestamp::from_unix(0).into(),
        Value::Array(vec![1.into(), "two".into(), Dictionary::new().into()]),
        Dictionary::from_iter([("a", 1)]).into(),
    ]
}

#[test]
fn a_value_of_any_other_type_at_any_key_is_kept_and_reported() {
    for trip in all() {
        let full = document(trip.table, 2);
        for key in trip.table.keys {
            for odd in one_of_each_type() {
                let mut sent = full.clone();
                sent.insert(key.name, odd.clone());
                let written = (trip.plain)(sent.clone());
                assert!(same(&written.into(), &sent.clone().into()), "{}.{} as {odd:?}", trip.table.name, key.name);
                // A type that fits is no mismatch; one that does not is reported under its key.
                let fits = value(&key.shape, key.rules, 2).is_some_and(|fit| fit.kind() == odd.kind());
                let any = matches!(key.shape, Shape::Any);
                let found = (trip.mismatches)(sent);
                assert!(found.iter().all(|it| it.path.starts_with(key.name)), "{found:?}");
                assert!(fits || any || !found.is_empty(), "{}.{} as {odd:?}", trip.table.name, key.name);
            }
        }
    }
}

#[test]
fn a_mistyped_value_deep_inside_is_reported_by_its_path_and_the_rest_is_typed() {
    let mut subscription = Dictionary::from_iter([("Slot", "CTSubscriptionSlotOne")]);
    subscription.insert("IsRoaming", "no");
    let mut responses = Dictionary::from_iter([("OSVersion", "27.0")]);
    responses.insert("ServiceSubscriptions", vec![Value::from(subscription)]);
    let sent = Dictionary::from_iter([("QueryResponses", responses)]);
    let answer = DeviceInformationResponse::from_dictionary(sent.clone());
    assert_eq!(
        answer.mismatches(),
        [Mismatch { path: "QueryResponses.ServiceSubscriptions[0].IsRoaming".into(), expected: "boolean", found: "string" }]
    );
    let responses = answer.query_responses.as_ref().unwrap();
    assert_eq!(responses.os_version.as_deref(), Some("27.0"));
    let subscription = &responses.service_subscriptions.as_ref().unwrap()[0];
    assert_eq!(subscription.slot.as_deref(), Some("CTSubscriptionSlotOne"));
    assert!(same(&answer.to_dictionary().into(), &sent.into()));
}

#[test]
fn one_odd_item_keeps_its_array_as_it_came() {
    let items = vec![Value::from("a"), "b".into(), 3.into(), "d".into()];
    let sent = Dictionary::from_iter([("FilterExtensionPoints", items)]);
    let request = ActiveNSExtensions::from_dictionary(sent.clone());
    assert_eq!(request.filter_extension_points, None);
    assert_eq!(request.mismatches()[0].path, "FilterExtensionPoints[2]");
    assert_eq!(request.to_dictionary(), sent);
    let mut map = BTreeMap::from([("a".to_owned(), Value::from("x"))]);
    map.insert("b".into(), 2.into());
    let sent = Value::Dictionary(map.into_iter().collect());
    assert_eq!(<BTreeMap<String, String> as Item>::from_value(sent.clone()), Err(sent));
}

#[test]
fn an_empty_array_is_not_an_absent_one() {
    let empty = Dictionary::from_iter([("Queries", Vec::<Value>::new())]);
    assert_eq!(DeviceInformation::from_dictionary(empty.clone()).to_dictionary(), empty);
    assert!(DeviceInformation::default().to_dictionary().is_empty());
}

#[test]
fn a_field_wins_over_the_same_key_in_extra() {
    let mut request = DeviceLock { message: Some("field".into()), ..DeviceLock::default() };
    request.extra.insert("Message", "extra");
    request.extra.insert("Other", "kept");
    let written = request.to_dictionary();
    assert_eq!((written.len(), written.get("Message")), (2, Some(&"field".into())));
}

#[test]
fn a_setting_is_told_by_its_item_and_a_new_one_is_kept() {
    let new = Dictionary::from_iter([("Item", "Gravity"), ("Level", "low")]);
    let items = vec![Value::from(Dictionary::from_iter([("Item", "DeviceName"), ("DeviceName", "pear")])), new.clone().into()];
    let settings = Settings::from_dictionary(Dictionary::from_iter([("Settings", items)]));
    let [SettingsSettingsItem::DeviceName(name), SettingsSettingsItem::Other(kept)] = settings.settings.as_deref().unwrap()
    else {
        panic!("{settings:?}")
    };
    assert_eq!(name.device_name.as_deref(), Some("pear"));
    assert_eq!(*kept, new);
    // A host need not write the item's name a second time.
    let built = SettingsSettingsItem::from(SettingsDefaultApplications::default());
    assert_eq!(built.to_value(), Dictionary::from_iter([("Item", "DefaultApplications")]).into());
}

#[test]
fn every_setting_of_the_schema_is_a_variant_of_its_own() {
    let Shape::Union { tag, members } = SettingsSettingsItem::SHAPE else { panic!("settings are told apart by a key") };
    assert_eq!((tag, members.len()), ("Item", 20));
    let mut seen = std::collections::HashSet::new();
    for (name, table) in members {
        let mut sent = document(table(), 3);
        sent.insert("Item", *name);
        let setting = SettingsSettingsItem::from_value(sent.clone().into()).unwrap();
        assert!(!matches!(setting, SettingsSettingsItem::Other(_)), "{name}");
        assert!(seen.insert(std::mem::discriminant(&setting)), "{name} is another setting's variant");
        assert!(same(&setting.to_value(), &sent.into()), "{name}");
        // No value is of another type than its key.
        let request = Settings { settings: Some(vec![setting]), ..Settings::default() };
        assert_eq!(request.mismatches(), [], "{name}");
    }
}

#[cfg(feature = "profiles")]
#[test]
fn structures_that_hold_themselves_are_typed_at_every_level() {
    let mut folder = Dictionary::from_iter([("Type", "Folder"), ("DisplayName", "innermost")]);
    for level in 0..20 {
        let mut outer = Dictionary::from_iter([("Type", "Folder".to_owned()), ("DisplayName", format!("level {level}"))]);
        outer.insert("Pages", vec![Value::Array(vec![folder.into()])]);
        folder = outer;
    }
    let sent = Dictionary::from_iter([("Pages", vec![Value::Array(vec![folder.into()])])]);
    let layout = crate::profile::HomeScreenLayout::from_dictionary(sent.clone());
    let mut item = &layout.pages.as_ref().unwrap()[0][0];
    let mut depth = 0;
    while let Some(inner) = item.pages.as_ref() {
        item = &inner[0][0];
        depth += 1;
    }
    assert_eq!((depth, item.display_name.as_deref()), (20, Some("innermost")));
    assert!(same(&layout.to_dictionary().into(), &sent.into()));
}

#[test]
fn secrets_are_text_or_data_as_the_schema_says_and_never_shown() {
    let lock = DeviceLock { pin: Some(Secret::from("123456")), ..DeviceLock::default() };
    assert_eq!(lock.to_dictionary().get("PIN"), Some(&"123456".into()));
    assert!(!format!("{lock:?}").contains("123456"));
    let clear = ClearPasscode { unlock_token: Some(Secret::from("token")), ..ClearPasscode::default() };
    assert_eq!(clear.to_dictionary().get("UnlockToken"), Some(&b"token".to_vec().into()));
}

#[test]
fn versions_are_numbers_not_texts() {
    let version = |text| Version::parse(text);
    assert_eq!(version("10.13.4"), Some(Version::new(10, 13, 4)));
    assert!(version("10.9") < version("10.15") && version("9") < version("10"));
    assert_eq!(version("26.4").unwrap().to_string(), "26.4");
    for bad in ["", ".", "1.", ".1", "1..2", "1.2.3.4", "1.x", "12345", "n/a", "-1"] {
        assert_eq!(version(bad), None, "{bad}");
    }
}

mod checks;
mod hostile;
mod messages;
