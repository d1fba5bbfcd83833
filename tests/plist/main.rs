//! Property lists: what is read, what is refused and where the fault is said to be, and that what is written reads back.

mod binary;
mod hostile;
mod round_trip;
mod xml;

use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, Error, ErrorKind, Value};

fn read(bytes: impl AsRef<[u8]>) -> Result<Value, Error> {
    plist::parse(bytes.as_ref(), &Limits::MESSAGE)
}

fn kind(bytes: impl AsRef<[u8]>) -> ErrorKind {
    read(bytes).unwrap_err().kind
}

/// The kind, the offset and the path of a fault.
fn fault(bytes: impl AsRef<[u8]>) -> (ErrorKind, Option<usize>, String) {
    let error = read(bytes).unwrap_err();
    (error.kind, error.at, error.path.to_string())
}

/// A dictionary of every kind of value, as `tests/data/plist/make.py` writes it.
fn all() -> Value {
    let octets = |range: std::ops::Range<u8>| Value::from(range.collect::<Vec<u8>>());
    let inner = Dictionary::from_iter([("Token", octets(100..180))]);
    Value::from(Dictionary::from_iter::<[(&str, Value); 20]>([
        ("Text", "a & b < c > d \"e\" 'f'".into()),
        ("Empty", "".into()),
        ("Umlaut", "Zoë’s iPad 📱".into()),
        ("True", true.into()),
        ("False", false.into()),
        ("Zero", 0.into()),
        ("Small", 255.into()),
        ("Word", 65_535.into()),
        ("Long", u32::MAX.into()),
        ("Big", i64::MAX.into()),
        ("Huge", u64::MAX.into()),
        ("Negative", (-1).into()),
        ("Lowest", i64::MIN.into()),
        ("Real", 0.5.into()),
        ("Date", Value::Date("2026-01-31T12:00:00Z".parse().unwrap())),
        ("Old", Value::Date("1999-12-31T23:59:59Z".parse().unwrap())),
        ("Data", octets(0..64)),
        ("NoData", octets(0..0)),
        (
            "Array",
            Value::Array(vec![
                1.into(),
                Value::Array(Vec::new()),
                Dictionary::new().into(),
                Value::Array(vec![Value::from("x")]),
            ]),
        ),
        ("Dict", Dictionary::from_iter([("Inner", inner)]).into()),
    ]))
}

const ALL_XML: &[u8] = include_bytes!("../data/plist/all.xml");
const ALL_BINARY: &[u8] = include_bytes!("../data/plist/all.bplist");

#[test]
fn what_another_writer_made_is_read_whole() {
    assert_eq!(read(ALL_XML).unwrap(), all());
    assert_eq!(read(ALL_BINARY).unwrap(), all());
}

#[test]
fn xml_is_laid_out_as_other_writers_do_it() {
    let written = String::from_utf8(plist::to_xml(&all()).unwrap()).unwrap();
    assert_eq!(written, std::str::from_utf8(ALL_XML).unwrap());
}
