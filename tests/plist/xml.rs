//! Reading and writing XML: the forms that are taken, the grammar, the spelling of each value.

use super::{fault, kind, read};
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, ErrorKind, Value};
use mdm_core::time::Timestamp;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const DOCTYPE: &str =
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n";
const BODY: &str = "<dict>\n\t<key>key</key>\n\t<string>val</string>\n</dict>\n";

fn expected() -> Value {
    Dictionary::from_iter([("key", "val")]).into()
}

/// The value of one element, without the elements around it.
fn value(element: &str) -> Result<Value, ErrorKind> {
    read(element).map_err(|error| error.kind)
}

fn text(element: &str) -> String {
    value(element).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn parts_of_the_frame_may_be_missing() {
    let plist = format!("<plist version=\"1.0\">\n{BODY}</plist>\n");
    let commented = BODY.replace('\n', "\n<!-- comment --><?pi?>").replacen("<dict>", "<!-- - -- --><dict><!---->", 1);
    for document in [
        format!("{DECLARATION}{DOCTYPE}{plist}"),
        format!("{DECLARATION}{plist}"),
        format!("{DOCTYPE}{plist}"),
        format!("{DOCTYPE}{DECLARATION}{plist}"),
        plist.clone(),
        format!("<plist>{BODY}</plist>"),
        format!("<plist foo=\"a>b\" version='2'>{BODY}</plist >"),
        format!("<?xml?>{DOCTYPE}{plist}"),
        format!("<?xml version='1.0' encoding='utf-8' standalone='yes'?>{plist}"),
        format!("<?xml version='1.0' encoding='us-ascii'?>{plist}"),
        format!("{DECLARATION}<!DOCTYPE plist>{plist}"),
        format!("{DECLARATION}<!DOCTYPE plist SYSTEM \"file://localhost/System/DTDs/PropertyList.dtd\">{plist}"),
        format!("{DECLARATION}{BODY}"),
        BODY.trim().to_owned(),
        format!("\u{FEFF}{DECLARATION}{DOCTYPE}{plist}"),
        format!("\r\n\t {DECLARATION}{DOCTYPE}{plist}\r\n\t "),
        format!("<!-- one --><?two three?>{DECLARATION}<!-- four -->{DOCTYPE}<plist>{commented}</plist><!-- five --><?six?>"),
        format!("{DECLARATION}{DOCTYPE}{plist}").replace('\n', "\r\n"),
    ] {
        assert_eq!(read(&document), Ok(expected()), "{document}");
    }
}

#[test]
fn broken_frames_are_refused() {
    let plist = format!("<plist version=\"1.0\">\n{BODY}</plist>\n");
    for (document, kind) in [
        (String::new(), ErrorKind::Empty),
        (" \r\n\t".to_owned(), ErrorKind::Empty),
        ("\u{FEFF}".to_owned(), ErrorKind::Empty),
        ("{ key = val; }".to_owned(), ErrorKind::Format),
        ("{\"key\":\"val\"}".to_owned(), ErrorKind::Format),
        ("\0\0".to_owned(), ErrorKind::Format),
        (format!("invalid{DECLARATION}{plist}"), ErrorKind::Format),
        (format!("{DECLARATION}invalid{DOCTYPE}{plist}"), ErrorKind::Text),
        (format!("{DECLARATION}{DOCTYPE}invalid{plist}"), ErrorKind::Text),
        (format!("{plist}invalid"), ErrorKind::Trailing),
        (format!("{plist}\0"), ErrorKind::Trailing),
        (format!("{plist}{plist}"), ErrorKind::Trailing),
        (format!("{plist}<string/>"), ErrorKind::Trailing),
        (format!("{plist}<foo/>"), ErrorKind::Trailing),
        (format!("{plist}<key>a</key>"), ErrorKind::Trailing),
        (format!("{plist}{DECLARATION}"), ErrorKind::Trailing),
        (format!("{BODY}{BODY}"), ErrorKind::Trailing),
        (format!("{BODY}text"), ErrorKind::Trailing),
        (format!("{BODY}{plist}"), ErrorKind::Trailing),
        (format!("<plist>{BODY}{BODY}</plist>"), ErrorKind::Structure("a second value beside the first")),
        (format!("<plist>{plist}</plist>"), ErrorKind::Structure("<plist> inside a property list")),
        (format!("<array>{plist}</array>"), ErrorKind::Structure("<plist> inside a property list")),
        ("<plist></plist>".to_owned(), ErrorKind::Structure("<plist> without a value")),
        ("<plist version='1.0'/>".to_owned(), ErrorKind::Structure("<plist> without a value")),
        (format!("<array>{DOCTYPE}</array>"), ErrorKind::Structure("a declaration after the first element")),
        (format!("<array>{DECLARATION}</array>"), ErrorKind::Structure("a declaration after the first element")),
        (format!("<plist>{DOCTYPE}{BODY}</plist>"), ErrorKind::Structure("a declaration after the first element")),
        (DECLARATION.to_owned(), ErrorKind::Truncated),
        ("<!-- nothing -->".to_owned(), ErrorKind::Truncated),
        (plist.replace("</plist>", ""), ErrorKind::Truncated),
        (plist.replace("</dict>\n</plist>", ""), ErrorKind::Truncated),
        ("<string>a".to_owned(), ErrorKind::Truncated),
        (plist.replace("</dict>", ""), ErrorKind::Xml("an end tag that does not close the open element")),
        (format!("{BODY}</dict>"), ErrorKind::Xml("an end tag that does not close the open element")),
        (format!("</plist>{BODY}"), ErrorKind::Xml("an end tag that does not close the open element")),
        (format!("{DECLARATION}<plist version=\"1.0\"\n{BODY}</plist>"), ErrorKind::Xml("a tag without >")),
        (format!("<?xml version=\"1.0\"\n{DOCTYPE}{plist}"), ErrorKind::Xml("<? without ?>")),
        (format!("<?xml encoding=\"UTF-8?>{plist}"), ErrorKind::Xml("the XML declaration is damaged")),
        (format!("<!DOCTYPE>{plist}"), ErrorKind::Xml("a DOCTYPE without a name")),
        ("<!DOCTYPE plist PUBLIC \"".to_owned(), ErrorKind::Xml("a DOCTYPE without its end")),
        (format!("<!ELEMENT plist ANY>{plist}"), ErrorKind::Xml("unknown markup after <!")),
        ("<string>a<!-- b</string>".to_owned(), ErrorKind::Xml("<!-- without -->")),
        ("<string>a<![CDATA[b</string>".to_owned(), ErrorKind::Xml("a CDATA section without ]]>")),
        ("<string".to_owned(), ErrorKind::Xml("a tag without >")),
        ("<string a='>".to_owned(), ErrorKind::Xml("an attribute without its closing quote")),
        ("<string>a</string b>".to_owned(), ErrorKind::Xml("an end tag that does not close the open element")),
    ] {
        assert_eq!(super::kind(&document), kind, "{document}");
    }
}

#[test]
fn other_encodings_are_named_as_the_reason() {
    let utf16 = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}{DECLARATION}{BODY}").encode_utf16().flat_map(order).collect()
    };
    for document in [
        utf16(u16::to_le_bytes, "\u{FEFF}"),
        utf16(u16::to_be_bytes, "\u{FEFF}"),
        utf16(u16::to_le_bytes, ""),
        utf16(u16::to_be_bytes, ""),
        format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{BODY}").into_bytes(),
        [b"<?xml version='1.0' encoding='iso-8859-1'?><string>\xE9</string>".as_slice()].concat(),
        b"<?xml version='1.0' encoding='UTF-16'?><string/>".to_vec(),
    ] {
        assert_eq!(kind(&document), ErrorKind::Encoding);
    }
    assert_eq!(fault(b"<array><string>caf\xE9</string></array>"), (ErrorKind::Utf8, Some(18), "[0]".to_owned()));
    assert_eq!(fault(b"\xEF\xBB\xBF<\xFF/>"), (ErrorKind::Utf8, Some(4), String::new()));
    assert_eq!(kind(b"<string>\xED\xA0\x80</string>"), ErrorKind::Utf8);
}

#[test]
fn text_is_everything_between_the_tags_but_comments() {
    assert_eq!(text("<string>pre<![CDATA[x<y&amp;]]>post</string>"), "prex<y&amp;post");
    assert_eq!(text("<string>a<!-- x -->b<?pi?>c</string>"), "abc");
    assert_eq!(text("<string><![CDATA[]]><![CDATA[a]]]]><![CDATA[>]]></string>"), "a]]>");
    assert_eq!(text("<string> \n\t a \n</string>"), " \n\t a \n");
    assert_eq!(text("<string>&lt;&gt;&amp;&quot;&apos;</string>"), "<>&\"'");
    assert_eq!(text("<string>&#233;&#xe9;&#xE9;&#x1F4F1;&#13;&#10;</string>"), "ééé📱\r\n");
    assert_eq!(text("<string>a&amp;lt;b</string>"), "a&lt;b");
    assert_eq!(text("<string></string>"), "");
    assert_eq!(text("<string/>"), "");
    assert_eq!(text("<string foo='bar' />"), "");
}

#[test]
fn a_line_ends_in_a_line_feed() {
    assert_eq!(text("<string>a\r\nb\rc\n\r<![CDATA[\r\n]]>&#13;&#10;</string>"), "a\nb\nc\n\n\n\r\n");
}

#[test]
fn control_characters_that_apple_lets_through_are_kept() {
    assert_eq!(text("<string>a\u{1}\u{0}\u{FFFE}b</string>"), "a\u{1}\u{0}\u{FFFE}b");
}

#[test]
fn unknown_references_are_refused() {
    for reference in [
        "&foo;",
        "&nbsp;",
        "&;",
        "&",
        "& b",
        "&#;",
        "&#x;",
        "&#xD800;",
        "&#x110000;",
        "&#0;",
        "&#1;",
        "&#xFFFE;",
        "&#-1;",
        "&LT;",
    ] {
        assert_eq!(value(&format!("<string>a{reference}</string>")), Err(ErrorKind::Reference), "{reference}");
    }
    assert_eq!(fault("<array><string>ab&foo;</string></array>"), (ErrorKind::Reference, Some(17), "[0]".to_owned()));
    assert_eq!(value("<array>&#32;</array>"), Err(ErrorKind::Text));
}

#[test]
fn declared_entities_are_refused_before_they_are_used() {
    let laughs =
        "<!DOCTYPE plist [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;\">]>";
    assert_eq!(kind(format!("{DECLARATION}{laughs}<plist><string>&c;</string></plist>")), ErrorKind::Doctype);
    let outside = "<!DOCTYPE plist [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>";
    assert_eq!(kind(format!("{outside}<plist><string>a</string></plist>")), ErrorKind::Doctype);
}

#[test]
fn dictionaries_alternate_keys_and_values() {
    for (inner, kind) in [
        ("<string>a</string>", ErrorKind::Structure("a value without a key in a dictionary")),
        ("<dict/>", ErrorKind::Structure("a value without a key in a dictionary")),
        ("<key>a</key>", ErrorKind::Structure("the last key of a dictionary has no value")),
        ("<key>a</key><key>b</key>", ErrorKind::Structure("a key follows a key without a value")),
        ("<key>a</key><true/><true/>", ErrorKind::Structure("a value without a key in a dictionary")),
        ("<key>a</key>x<true/>", ErrorKind::Text),
        ("<key>a</key><![CDATA[ ]]><true/>", ErrorKind::Text),
        ("<key>a</key><foo/>", ErrorKind::Element),
        ("<foo>a</foo>", ErrorKind::Element),
        ("<Key>a</Key>", ErrorKind::Element),
        ("<key>a<string>b</string></key>", ErrorKind::Structure("an element inside text")),
        ("<key>a</key><string><b/></string>", ErrorKind::Structure("an element inside text")),
        ("<key>a</key><true/><key>a</key><true/>", ErrorKind::DuplicateKey),
    ] {
        assert_eq!(super::kind(format!("<dict>{inner}</dict>")), kind, "{inner}");
    }
    assert_eq!(kind("<key>a</key>"), ErrorKind::Structure("a key outside a dictionary"));
    assert_eq!(kind("<array><key>a</key></array>"), ErrorKind::Structure("a key outside a dictionary"));
    assert_eq!(kind("<array><key/></array>"), ErrorKind::Structure("a key outside a dictionary"));
}

#[test]
fn keys_keep_their_order_and_their_padding() {
    let read = read("<dict><key>b</key><true/><key>\n a \n</key><false/><key/><string>x</string></dict>").unwrap();
    let keys: Vec<&str> = read.as_dictionary().unwrap().iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["b", "\n a \n", ""]);
}

#[test]
fn a_fault_names_its_byte_and_its_key_path() {
    let apps = "<dict><key>Status</key><string>Acknowledged</string><key>QueryResponses</key><dict><key>List</key><array><dict/><dict>\
                <key>Name</key><string>a</string><key>Size</key><integer>big</integer></dict></array></dict></dict>";
    let at = apps.find("<integer>").unwrap();
    assert_eq!(fault(apps), (ErrorKind::Content("integer"), Some(at), "QueryResponses.List[1].Size".to_owned()));
    let twice = apps.replace("<integer>big</integer>", "<dict><key>Up</key><true/><key>Up</key><true/></dict>");
    assert_eq!(fault(twice), (ErrorKind::DuplicateKey, Some(at), "QueryResponses.List[1].Size.Up".to_owned()));
    let without = apps.replace("<integer>big</integer>", "");
    let at = without.find("<dict><key>Name").unwrap();
    let kind = ErrorKind::Structure("the last key of a dictionary has no value");
    assert_eq!(fault(without), (kind, Some(at), "QueryResponses.List[1].Size".to_owned()));
    let unknown = apps.replace("<key>Name</key>", "<kez>Name</kez>");
    assert_eq!(fault(unknown), (ErrorKind::Element, Some(at + 6), "QueryResponses.List[1]".to_owned()));
    assert_eq!(fault("\u{FEFF}<array><foo/></array>"), (ErrorKind::Element, Some(10), "[0]".to_owned()));
    let cut = read("<plist><array><string>a").unwrap_err();
    assert_eq!(cut.to_string(), "the input ends inside the property list at byte 23, in [0]");
}

#[test]
fn integers_span_both_64_bit_types() {
    for (content, expected) in [
        ("0", Value::Integer(0)),
        (" \n5\t", Value::Integer(5)),
        ("+5", Value::Integer(5)),
        ("-5", Value::Integer(-5)),
        ("-0", Value::Integer(0)),
        ("007", Value::Integer(7)),
        ("0x1F", Value::Integer(31)),
        ("0XfF", Value::Integer(255)),
        ("-0x10", Value::Integer(-16)),
        ("9223372036854775807", Value::Integer(i64::MAX)),
        ("9223372036854775808", Value::Unsigned(1 << 63)),
        ("18446744073709551615", Value::Unsigned(u64::MAX)),
        ("-9223372036854775808", Value::Integer(i64::MIN)),
        ("0xFFFFFFFFFFFFFFFF", Value::Unsigned(u64::MAX)),
        ("1<!-- 2 -->3", Value::Integer(13)),
    ] {
        assert_eq!(value(&format!("<integer>{content}</integer>")), Ok(expected), "{content}");
    }
    for content in [
        "",
        " ",
        "x",
        "1.0",
        "1e3",
        "+",
        "-",
        "--1",
        "+-1",
        "0x",
        "0x-1",
        "0x+1",
        "0xg",
        "18446744073709551616",
        "-9223372036854775809",
        "1 2",
        "\u{661}",
    ] {
        assert_eq!(value(&format!("<integer>{content}</integer>")), Err(ErrorKind::Content("integer")), "{content}");
    }
    assert_eq!(value("<integer/>"), Err(ErrorKind::Content("integer")));
}

#[test]
fn reals_are_read_exactly_and_never_rounded_to_infinity() {
    for (content, expected) in [
        ("0", 0.0),
        (" 1.5\n", 1.5),
        ("-1e3", -1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+infinity", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("Infinity", f64::INFINITY),
        ("0.10000000000000001", 0.1),
        ("1.7976931348623157e308", f64::MAX),
    ] {
        assert_eq!(value(&format!("<real>{content}</real>")), Ok(Value::Real(expected)), "{content}");
    }
    assert!(matches!(value("<real>nan</real>"), Ok(Value::Real(number)) if number.is_nan()));
    for content in ["", "x", "1e", "1e999", "-1e999", "0x10", "1,5", "1 2", "infinite"] {
        assert_eq!(value(&format!("<real>{content}</real>")), Err(ErrorKind::Content("real")), "{content}");
    }
}

#[test]
fn dates_are_whole_seconds_in_utc() {
    let moment = |text: &str| Ok(Value::Date(text.parse::<Timestamp>().unwrap()));
    for content in ["2026-01-31T12:00:00Z", " 2026-01-31T12:00:00Z\n", "2026-01-31T12:00:00.0Z", "2026-01-31T12:00:00.000000Z"]
    {
        assert_eq!(value(&format!("<date>{content}</date>")), moment("2026-01-31T12:00:00Z"), "{content}");
    }
    for content in [
        "",
        "now",
        "2026-01-31",
        "2026-02-29T12:00:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00:00+01:00",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00.xZ",
        "2026-01-31T12:00.0Z",
    ] {
        assert!(matches!(value(&format!("<date>{content}</date>")), Err(ErrorKind::Content(_))), "{content}");
    }
    assert_eq!(value("<date>2026-01-31T12:00:00.5Z</date>"), Err(ErrorKind::Fraction));
}

#[test]
fn data_may_be_wrapped_but_not_damaged() {
    let data = |content: &str| value(&format!("<data>{content}</data>"));
    for content in ["AQIDBA==", "\n\t\tAQID\n\t\tBA==\n\t\t", "AQ\r\n ID BA = =", "AQ<!-- -->IDBA==", "<![CDATA[AQIDBA==]]>"] {
        assert_eq!(data(content), Ok(Value::Data(vec![1, 2, 3, 4])), "{content}");
    }
    assert_eq!(data(""), Ok(Value::Data(vec![])));
    assert_eq!(data("\n\t"), Ok(Value::Data(vec![])));
    assert_eq!(value("<data/>"), Ok(Value::Data(vec![])));
    for content in
        ["Base64=", "AQIDBA", "AQIDBA=", "AQIDBA===", "AQIDBB==", "AQI*", "AQ==AQ==", "A", "=", "AQIDBA==x", "AQID_-8="]
    {
        assert!(matches!(data(content), Err(ErrorKind::Content(_))), "{content}");
    }
}

#[test]
fn booleans_are_empty_elements() {
    for element in ["<true/>", "<true />", "<true></true>", "<true> \n</true>", "<true><!-- x --></true>"] {
        assert_eq!(value(element), Ok(Value::Boolean(true)), "{element}");
    }
    assert_eq!(value("<false/>"), Ok(Value::Boolean(false)));
    assert_eq!(value("<true>1</true>"), Err(ErrorKind::Content("boolean")));
    assert_eq!(value("<false><true/></false>"), Err(ErrorKind::Structure("an element inside text")));
}

#[test]
fn empty_containers_in_both_spellings() {
    assert_eq!(value("<dict/>"), Ok(Dictionary::new().into()));
    assert_eq!(value("<dict>\n</dict>"), Ok(Dictionary::new().into()));
    assert_eq!(value("<array/>"), Ok(Vec::<Value>::new().into()));
    assert_eq!(value("<array> </array>"), Ok(Vec::<Value>::new().into()));
}

#[test]
fn writing_escapes_what_would_not_come_back() {
    let odd = Dictionary::from_iter([("<&>\r\n\t", "]]> \r\n\r &amp; é \u{85}\u{2028}\u{7F}")]);
    let xml = plist::to_xml(&odd.clone().into()).unwrap();
    let body = "\t<key>&lt;&amp;&gt;&#13;\n\t</key>\n\t<string>]]&gt; &#13;\n&#13; &amp;amp; é \u{85}\u{2028}\u{7F}</string>\n";
    assert!(std::str::from_utf8(&xml).unwrap().contains(body));
    assert_eq!(read(&xml), Ok(odd.into()));
}

#[test]
fn characters_that_xml_cannot_hold_are_not_written() {
    for character in ['\0', '\u{1}', '\u{8}', '\u{B}', '\u{C}', '\u{E}', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
        let held = Dictionary::from_iter([("Name", vec![Value::from("fine"), Value::from(format!("x{character}"))])]);
        let error = plist::to_xml(&held.into()).unwrap_err();
        assert_eq!(
            (error.kind, error.at, error.path.to_string()),
            (ErrorKind::Unwritable(character), None, "Name[1]".to_owned())
        );
        let key = Dictionary::from_iter([(format!("{character}x"), 1)]);
        assert_eq!(plist::to_xml(&key.into()).unwrap_err().kind, ErrorKind::Unwritable(character));
    }
}

#[test]
fn numbers_that_are_none_have_the_names_that_apple_gives_them() {
    for (number, written) in [
        (f64::NAN, "nan"),
        (f64::INFINITY, "+infinity"),
        (f64::NEG_INFINITY, "-infinity"),
        (-0.0, "-0"),
        (101.0, "101"),
        (0.1, "0.1"),
        (5e-324, "5e-324"),
    ] {
        let xml = plist::to_xml(&number.into()).unwrap();
        assert!(std::str::from_utf8(&xml).unwrap().contains(&format!("<real>{written}</real>")), "{written}");
        let Value::Real(back) = read(&xml).unwrap() else { unreachable!() };
        assert!(back.to_bits() == number.to_bits() || back.is_nan() && number.is_nan());
    }
}

#[test]
fn deep_data_keeps_lines_of_a_useful_length() {
    let deep = (0..20).fold(Value::from(vec![7; 40]), |inner, _| vec![inner].into());
    let xml = String::from_utf8(plist::to_xml(&deep).unwrap()).unwrap();
    assert!(xml.contains(&format!("\n{}BwcHBwcHBwcHBwcH\n", "\t".repeat(20))));
    assert_eq!(plist::parse(xml.as_bytes(), &Limits::MESSAGE), Ok(deep));
}
