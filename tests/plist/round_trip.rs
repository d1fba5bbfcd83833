//! What is written reads back, here and by the `plist` crate.

use super::read;
use mdm_core::plist::{self, Dictionary, Value};
use mdm_core::time::Timestamp;
use proptest::prelude::*;

/// Text that XML can hold.
fn text() -> impl Strategy<Value = String> {
    let writable = |character: &char| !matches!(character, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}');
    let character = prop_oneof![
        prop::sample::select(vec!['\r', '\n', '\t', ' ', '&', '<', '>', ']', '"', '\'', '\u{85}', '\u{2028}']),
        any::<char>().prop_filter("XML 1.0 section 2.2", writable),
    ];
    prop_oneof!["[a-zA-Z]{0,20}", prop::collection::vec(character, 0..20).prop_map(String::from_iter)]
}

fn leaf() -> impl Strategy<Value = Value> {
    let moments = Timestamp::MIN.unix()..=Timestamp::MAX.unix();
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("a NaN equals nothing", |number| !number.is_nan()).prop_map(Value::from),
        text().prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..100).prop_map(Value::from),
        moments.prop_map(|seconds| Value::from(Timestamp::from_unix(seconds))),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..24).prop_map(|entries| Value::from(Dictionary::from_iter(entries))),
        ]
    })
}

/// The same tree as the other crate holds it.
fn theirs(value: &Value) -> ::plist::Value {
    match value {
        Value::Boolean(truth) => (*truth).into(),
        Value::Integer(number) => (*number).into(),
        Value::Unsigned(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::String(text) => text.clone().into(),
        Value::Data(octets) => ::plist::Value::Data(octets.clone()),
        Value::Date(at) => ::plist::Value::Date(::plist::Date::from_xml_format(&at.to_string()).unwrap()),
        Value::Array(items) => ::plist::Value::Array(items.iter().map(theirs).collect()),
        Value::Dictionary(dictionary) => {
            ::plist::Value::Dictionary(dictionary.iter().map(|(key, value)| (key.to_owned(), theirs(value))).collect())
        }
    }
}

proptest! {
    #[test]
    fn xml_reads_back(value in tree()) {
        let xml = plist::to_xml(&value).unwrap();
        prop_assert_eq!(read(&xml).unwrap(), value);
    }

    #[test]
    fn binary_reads_back(value in tree()) {
        let binary = plist::to_binary(&value).unwrap();
        prop_assert_eq!(read(&binary).unwrap(), value);
    }

    #[test]
    fn any_text_survives_in_binary(text in any::<String>()) {
        let value = Value::from(text);
        prop_assert_eq!(read(plist::to_binary(&value).unwrap()).unwrap(), value);
    }

    #[test]
    fn any_bits_of_a_real_survive_in_binary(bits in any::<u64>()) {
        let value = Value::Real(f64::from_bits(bits));
        let Value::Real(back) = read(plist::to_binary(&value).unwrap()).unwrap() else { unreachable!() };
        prop_assert_eq!(back.to_bits(), bits);
    }

    #[test]
    fn another_reader_finds_the_same_tree(value in tree()) {
        let expected = theirs(&value);
        prop_assert_eq!(&::plist::Value::from_reader(std::io::Cursor::new(plist::to_binary(&value).unwrap())).unwrap(), &expected);
        prop_assert_eq!(&::plist::from_bytes::<::plist::Value>(&plist::to_xml(&value).unwrap()).unwrap(), &expected);
    }

    #[test]
    fn what_another_writer_makes_is_the_same_tree(value in tree()) {
        let theirs = theirs(&value);
        let mut binary = Vec::new();
        theirs.to_writer_binary(&mut binary).unwrap();
        prop_assert_eq!(read(&binary).unwrap(), value);
    }

    #[test]
    fn any_bytes_give_an_error_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = read([b"bplist00", bytes.as_slice()].concat());
    }

    #[test]
    fn any_markup_gives_an_error_or_a_value(parts in prop::collection::vec(prop::sample::select(vec![
        "<plist>", "</plist>", "<dict>", "</dict>", "<array>", "</array>", "<key>", "</key>", "<string>", "</string>", "<true/>",
        "<data>", "</data>", "<integer>", "</integer>", "1", "a", " ", "<!--", "-->", "<![CDATA[", "]]>", "<!DOCTYPE", "[", "]", ">",
        "<?xml", "?>", "&", ";", "lt", "#", "'", "\"", "<", "/", "!",
    ]), 0..40)) {
        if let Ok(value) = read(parts.concat()) {
            prop_assert_eq!(read(plist::to_xml(&value).unwrap()).unwrap(), value);
        }
    }
}
