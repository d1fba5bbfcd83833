//! Reading binary property lists, object by object.

use super::{fault, kind, read};
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, ErrorKind, Value};

/// A property list of these objects, the first of them its root, with one-byte offsets where they fit.
pub(crate) fn bplist(objects: &[&[u8]]) -> Vec<u8> {
    with_sizes(objects, 2, 1)
}

fn with_sizes(objects: &[&[u8]], offset_size: u8, reference_size: u8) -> Vec<u8> {
    let mut out = b"bplist00".to_vec();
    let mut offsets = Vec::new();
    for object in objects {
        offsets.push(out.len() as u64);
        out.extend_from_slice(object);
    }
    let table = out.len() as u64;
    for offset in offsets {
        out.extend_from_slice(&offset.to_be_bytes()[8 - usize::from(offset_size)..]);
    }
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, offset_size, reference_size]);
    for field in [objects.len() as u64, 0, table] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out
}

fn one(object: &[u8]) -> Result<Value, ErrorKind> {
    read(bplist(&[object])).map_err(|error| error.kind)
}

#[test]
fn numbers_of_every_size() {
    for (object, expected) in [
        (&[0x10, 0xFF][..], Value::Integer(255)),
        (&[0x11, 0xFF, 0xFE], Value::Integer(65_534)),
        (&[0x12, 0xFF, 0xFF, 0xFF, 0xFF], Value::Integer(4_294_967_295)),
        (&[0x13, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Value::Integer(-1)),
        (&[0x13, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Value::Integer(i64::MAX)),
        (&[0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Value::Unsigned(u64::MAX)),
        (&[0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], Value::Integer(7)),
        (&[0x14, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 254], Value::Integer(-2)),
        (&[0x22, 0x3F, 0xC0, 0, 0], Value::Real(1.5)),
        (&[0x23, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0], Value::Real(1.5)),
        (&[0x08], Value::Boolean(false)),
        (&[0x09], Value::Boolean(true)),
    ] {
        assert_eq!(one(object), Ok(expected), "{object:02x?}");
    }
    let too_large = [0x14, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(one(&too_large), Err(ErrorKind::Content("integer")));
    assert_eq!(one(&[0x15; 40]), Err(ErrorKind::Content("integer")));
    assert_eq!(one(&[0x21, 0, 0]), Err(ErrorKind::Content("real")));
    assert_eq!(one(&[0x13, 0]), Err(ErrorKind::Truncated));
}

#[test]
fn dates_count_from_2001_in_whole_seconds() {
    let date = |seconds: f64| one(&[&[0x33][..], &seconds.to_be_bytes()].concat());
    let moment = |text: &str| Ok(Value::Date(text.parse().unwrap()));
    assert_eq!(date(0.0), moment("2001-01-01T00:00:00Z"));
    assert_eq!(date(-978_307_201.0), moment("1969-12-31T23:59:59Z"));
    assert_eq!(date(252_423_993_599.0), moment("9999-12-31T23:59:59Z"));
    assert_eq!(date(-63_145_526_400.0), moment("0000-01-01T00:00:00Z"));
    assert_eq!(date(0.5), Err(ErrorKind::Fraction));
    for seconds in [252_423_993_600.0, -63_145_526_401.0, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN] {
        assert!(matches!(date(seconds), Err(ErrorKind::Content(_))), "{seconds}");
    }
    assert_eq!(one(&[0x32, 0, 0, 0, 0]), Err(ErrorKind::Marker(0x32)));
}

#[test]
fn text_and_data_with_short_and_long_counts() {
    assert_eq!(one(b"\x53abc"), Ok("abc".into()));
    assert_eq!(one(b"\x5F\x10\x03abc"), Ok("abc".into()));
    assert_eq!(one(b"\x5F\x11\x00\x03abc"), Ok("abc".into()));
    assert_eq!(one(b"\x62\x00\xE9\x20\x19"), Ok("é’".into()));
    assert_eq!(one(b"\x62\xD8\x3D\xDC\xF1"), Ok("📱".into()));
    assert_eq!(one(b"\x42\x01\x02"), Ok(Value::Data(vec![1, 2])));
    assert_eq!(one(b"\x50"), Ok("".into()));
    assert_eq!(one(b"\x51\xE9"), Err(ErrorKind::Content("string")));
    assert_eq!(one(b"\x61\xD8\x3D"), Err(ErrorKind::Content("string")));
    assert_eq!(one(b"\x54abc"), Err(ErrorKind::Truncated));
    assert_eq!(one(b"\x62\x00\xE9\x20"), Err(ErrorKind::Truncated));
    assert_eq!(one(b"\x5F"), Err(ErrorKind::Truncated));
    assert_eq!(one(b"\x5F\x51a"), Err(ErrorKind::Content("length")));
    assert_eq!(one(b"\x4F\x13\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), Err(ErrorKind::Truncated));
    assert_eq!(one(b"\x6F\x13\x80\x00\x00\x00\x00\x00\x00\x01ab"), Err(ErrorKind::Truncated));
}

#[test]
fn containers_name_their_children() {
    let objects: [&[u8]; 4] = [b"\xD2\x01\x02\x02\x03", b"\x51a", b"\x51b", b"\xA2\x01\x02"];
    let list = Value::from(vec![Value::from("a"), Value::from("b")]);
    let expected = Value::from(Dictionary::from_iter([("a", Value::from("b")), ("b", list)]));
    assert_eq!(read(bplist(&objects)), Ok(expected));
    assert_eq!(one(b"\xA0"), Ok(Vec::<Value>::new().into()));
    assert_eq!(one(b"\xD0"), Ok(Dictionary::new().into()));
}

#[test]
fn offsets_and_references_of_every_size() {
    for size in 1..=8_u8 {
        let mut array = vec![0xA2];
        for reference in [1_u64, 2] {
            array.extend_from_slice(&reference.to_be_bytes()[8 - usize::from(size)..]);
        }
        for offset_size in 1..=8 {
            let bytes = with_sizes(&[&array, b"\x51a", b"\x09"], offset_size, size);
            assert_eq!(read(bytes), Ok(vec![Value::from("a"), Value::from(true)].into()));
        }
    }
}

#[test]
fn kinds_that_messages_do_not_have_are_refused() {
    for marker in [0x00, 0x01, 0x0A, 0x0C, 0x0F, 0x30, 0x70, 0x80, 0x90, 0xB0, 0xC1, 0xE0, 0xF0] {
        assert_eq!(one(&[marker, 0, 0]), Err(ErrorKind::Marker(marker)));
    }
}

#[test]
fn keys_are_strings_and_come_once() {
    assert_eq!(
        fault(bplist(&[b"\xA1\x01", b"\xD1\x02\x02", b"\x10\x01"])),
        (ErrorKind::Structure("a key that is no string"), Some(13), "[0]".to_owned())
    );
    assert_eq!(fault(bplist(&[b"\xD2\x01\x01\x01\x01", b"\x51a"])), (ErrorKind::DuplicateKey, Some(8), "a".to_owned()));
    assert_eq!(kind(bplist(&[b"\xD2\x01\x02\x01\x01", b"\x51a", b"\x51a"])), ErrorKind::DuplicateKey);
}

#[test]
fn a_fault_names_its_object_and_its_key_path() {
    let objects: [&[u8]; 4] = [b"\xD1\x01\x02", b"\x51k", b"\xA2\x01\x03", b"\x00"];
    assert_eq!(fault(bplist(&objects)), (ErrorKind::Marker(0), Some(16), "k[1]".to_owned()));
    assert_eq!(fault(bplist(&[b"\xA1\x05"])), (ErrorKind::Object, Some(8), "[0]".to_owned()));
    assert_eq!(fault(bplist(&[b"\xD1\x05\x00"])), (ErrorKind::Object, Some(8), String::new()));
}

#[test]
fn headers_and_trailers_must_fit() {
    let good = bplist(&[b"\x09"]);
    assert_eq!(read(&good), Ok(true.into()));
    let end = good.len();
    let with = |at: usize, octet: u8| {
        let mut bytes = good.clone();
        bytes[at] = octet;
        kind(bytes)
    };
    assert_eq!(kind("bplist01"), ErrorKind::Version);
    assert_eq!(kind("bplist"), ErrorKind::Version);
    assert_eq!(kind("bplist00"), ErrorKind::Truncated);
    assert_eq!(kind([&b"bplist00"[..], &[0; 31]].concat()), ErrorKind::Trailer);
    for (back, octet) in [(26, 0), (26, 9), (26, 255), (25, 0), (25, 9), (24, 1), (17, 2), (8, 1), (1, 0), (1, 7), (1, 255)] {
        assert_eq!(with(end - back, octet), ErrorKind::Trailer, "byte {back} from the end");
    }
    // The root's number, and an offset into the header, the table and beyond.
    assert_eq!(with(end - 9, 1), ErrorKind::Object);
    for offset in [0, 7, 9, 200] {
        assert_eq!(with(10, offset), ErrorKind::Object);
    }
}

#[test]
fn shared_objects_count_each_time() {
    // Each of 20 arrays names the next one ten times: 10^20 values in a few hundred bytes.
    let arrays: Vec<Vec<u8>> = (0..20_u8).map(|level| [&[0xAA][..], &[level + 1; 10]].concat()).collect();
    let mut objects: Vec<&[u8]> = arrays.iter().map(Vec::as_slice).collect();
    objects.push(b"\x09");
    assert_eq!(kind(bplist(&objects)), ErrorKind::TooMany(Limits::MESSAGE.max_items));

    // A thousand uses of one text of 60,000 bytes.
    let text = [&[0x5F, 0x11, 0xEA, 0x60][..], &[b'x'; 60_000]].concat();
    let array = [&[0xAF, 0x11, 0x03, 0xE8][..], &[1; 1000]].concat();
    assert_eq!(kind(with_sizes(&[&array, &text], 4, 1)), ErrorKind::TooLong(Limits::MESSAGE.max_bytes));
    let keys = [&[0xAF, 0x11, 0x03, 0xE8][..], &[1; 1000]].concat();
    let bytes = with_sizes(&[&keys, b"\xD1\x02\x03", &text, b"\x09"], 4, 1);
    assert_eq!(kind(bytes), ErrorKind::TooLong(Limits::MESSAGE.max_bytes));
}

#[test]
fn cycles_end_at_the_depth_limit() {
    assert_eq!(kind(bplist(&[b"\xA1\x00"])), ErrorKind::TooDeep(64));
    assert_eq!(kind(bplist(&[b"\xD1\x01\x00", b"\x51k"])), ErrorKind::TooDeep(64));
    let error = read(bplist(&[b"\xA1\x00"])).unwrap_err();
    assert_eq!(error.path.to_string(), format!("…{}", "[0]".repeat(8)));
}

#[test]
fn equal_texts_are_written_once() {
    let app = || Value::from(Dictionary::from_iter([("Identifier", "com.example.app"), ("Name", "com.example.app")]));
    let apps = Value::from(vec![app(), app(), app()]);
    let bytes = plist::to_binary(&apps).unwrap();
    assert_eq!(bytes.windows(11).filter(|window| *window == b"com.example").count(), 1);
    assert_eq!(read(&bytes), Ok(apps));
}

#[test]
fn many_objects_get_wide_references() {
    let many = Value::from((0..70_000_i64).map(Value::from).collect::<Vec<_>>());
    assert_eq!(read(plist::to_binary(&many).unwrap()), Ok(many));
}
