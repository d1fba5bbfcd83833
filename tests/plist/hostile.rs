//! Input that was made to hurt: cut, flipped, nested, flooded.

use super::binary::bplist;
use super::{ALL_BINARY, ALL_XML, kind, read};
use mdm_core::limits::Limits;
use mdm_core::plist::{self, ErrorKind, MAX_DEPTH, Value};

#[test]
fn every_truncation_of_xml_is_refused() {
    let document = ALL_XML.trim_ascii_end();
    for end in 0..document.len() {
        assert!(read(&document[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn every_truncation_of_binary_is_refused() {
    for end in 0..ALL_BINARY.len() {
        assert!(read(&ALL_BINARY[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn every_flipped_bit_gives_an_error_or_a_value_that_can_be_written() {
    for document in [ALL_XML, ALL_BINARY] {
        for at in 0..document.len() {
            for bit in 0..8 {
                let mut flipped = document.to_vec();
                flipped[at] ^= 1 << bit;
                if let Ok(value) = read(&flipped) {
                    assert!(plist::to_binary(&value).is_ok());
                }
            }
        }
    }
}

#[test]
fn markup_cut_at_any_place_does_no_harm() {
    let odd = b"<?xml version='1.0'?><!DOCTYPE plist [<!ENTITY a \"b\"><!-- c --><?d?><!ELEMENT e (f)>]><!-- g --><plist a='b\"' c=\"d'\">\
                <string>&#x20;&amp;<![CDATA[ ]] > ]]><!-- -- -->h</string ></plist><?i ??>";
    for start in 0..odd.len() {
        for end in start..odd.len() {
            let _ = read(&odd[start..end]);
        }
    }
}

#[test]
fn nesting_stops_at_the_limit_however_deep_it_goes() {
    let limits = Limits::MESSAGE.bytes(64 << 20);
    for tag in ["<array>", "<dict><key>k</key>"] {
        for levels in [100_000, (10 << 20) / tag.len()] {
            let error = plist::parse(tag.repeat(levels).as_bytes(), &limits).unwrap_err();
            assert_eq!((error.kind, error.at), (ErrorKind::TooDeep(64), Some(64 * tag.len())));
        }
    }
    let unclosed = plist::parse("<plist>".repeat(100_000).as_bytes(), &limits).unwrap_err();
    assert_eq!(unclosed.kind, ErrorKind::Structure("<plist> inside a property list"));
    assert_eq!(plist::parse("<x>".repeat(100_000).as_bytes(), &limits).unwrap_err().kind, ErrorKind::Element);
}

#[test]
fn depth_counts_containers() {
    let nested = |levels: usize| format!("{}<true/>{}", "<array>".repeat(levels), "</array>".repeat(levels));
    let limits = Limits::MESSAGE.depth(3);
    assert!(plist::parse(nested(3).as_bytes(), &limits).is_ok());
    assert_eq!(plist::parse(nested(4).as_bytes(), &limits).unwrap_err().kind, ErrorKind::TooDeep(3));
    let binary = plist::to_binary(&read(nested(4)).unwrap()).unwrap();
    assert_eq!(plist::parse(&binary, &limits).unwrap_err().kind, ErrorKind::TooDeep(3));
    assert!(plist::parse(&binary, &limits.depth(4)).is_ok());
}

#[test]
fn no_limit_allows_more_than_the_greatest_depth() {
    let limits = Limits::MESSAGE.depth(usize::MAX);
    let deepest = (0..MAX_DEPTH).fold(Value::from(1), |inner, _| vec![inner].into());
    let deeper = Value::from(vec![deepest.clone()]);
    for write in [plist::to_xml, plist::to_binary] {
        assert_eq!(plist::parse(&write(&deepest).unwrap(), &limits), Ok(deepest.clone()));
        assert_eq!(write(&deeper).unwrap_err().kind, ErrorKind::TooDeep(MAX_DEPTH));
    }
    let xml = format!("{}{}", "<array>".repeat(MAX_DEPTH + 1), "</array>".repeat(MAX_DEPTH + 1));
    assert_eq!(plist::parse(xml.as_bytes(), &limits).unwrap_err().kind, ErrorKind::TooDeep(MAX_DEPTH));
    assert_eq!(plist::parse(&bplist(&[b"\xA1\x00"]), &limits).unwrap_err().kind, ErrorKind::TooDeep(MAX_DEPTH));
}

#[test]
fn items_count_every_value() {
    let xml = b"<array><true/><dict><key>a</key><string/></dict></array>";
    let binary = plist::to_binary(&read(xml).unwrap()).unwrap();
    for bytes in [&xml[..], &binary] {
        assert!(plist::parse(bytes, &Limits::MESSAGE.items(4)).is_ok());
        assert_eq!(plist::parse(bytes, &Limits::MESSAGE.items(3)).unwrap_err().kind, ErrorKind::TooMany(3));
        assert_eq!(plist::parse(bytes, &Limits::MESSAGE.items(0)).unwrap_err().kind, ErrorKind::TooMany(0));
    }
}

#[test]
fn input_longer_than_the_limit_is_not_looked_at() {
    for bytes in [ALL_XML, ALL_BINARY] {
        let limits = Limits::MESSAGE.bytes(bytes.len() - 1);
        assert_eq!(plist::parse(bytes, &limits).unwrap_err().kind, ErrorKind::TooLong(bytes.len() - 1));
    }
}

#[test]
fn a_hundred_thousand_keys_are_compared_in_a_moment() {
    let mut xml = String::from("<dict>");
    for key in 0..100_000 {
        xml.push_str(&format!("<key>{key:06}</key><true/>"));
    }
    let distinct = read(format!("{xml}</dict>")).unwrap();
    assert_eq!(distinct.as_dictionary().unwrap().len(), 100_000);
    let twice = read(format!("{xml}<key>031415</key><true/></dict>")).unwrap_err();
    assert_eq!((twice.kind, twice.path.to_string()), (ErrorKind::DuplicateKey, "031415".to_owned()));
}

#[test]
fn a_key_that_comes_twice_is_found_at_any_distance() {
    for keys in 2..40 {
        for (first, second) in [(0, keys - 1), (keys / 2, keys - 1), (0, 1)] {
            let mut names: Vec<String> = (0..keys).map(|key| format!("k{key}")).collect();
            names[second] = names[first].clone();
            let body: String = names.iter().map(|name| format!("<key>{name}</key><true/>")).collect();
            let error = read(format!("<dict>{body}</dict>"));
            let expected = if first == second { None } else { Some(ErrorKind::DuplicateKey) };
            assert_eq!(error.err().map(|error| error.kind), expected, "{names:?}");
        }
    }
}

#[test]
fn megabytes_of_one_thing_are_read_or_refused() {
    let long = "x".repeat(1 << 20);
    assert_eq!(read(format!("<string>{long}</string>")), Ok(long.as_str().into()));
    assert_eq!(read(format!("<string>{}</string>", "&amp;".repeat(1 << 20))), Ok("&".repeat(1 << 20).into()));
    assert_eq!(read(format!("<string>a{}</string>", "<!-- -->".repeat(1 << 19))), Ok("a".into()));
    assert!(read(format!("<dict><key>{long}</key><true/></dict>")).is_ok());
    assert_eq!(kind(format!("<integer>{long}</integer>")), ErrorKind::Content("integer"));
    assert_eq!(kind(format!("<{long}/>")), ErrorKind::Element);
    assert_eq!(kind(format!("<string>&{long};</string>")), ErrorKind::Reference);
    let error = read(format!("<dict><key>{long}</key><integer/></dict>")).unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
}
