//! Distinguished names.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use super::{Error, oid, pem};
use crate::asn1::{Element, Error as Asn1Error, Oid, Reader, Tag, Writer};

/// A distinguished name (RFC 5280 section 4.1.2.4), as it was received. Two names are equal when their bytes are.
///
/// RFC 5280 section 7.1 would also call names equal that differ in case, spaces or string type. Half of the programs that check
/// chains do not (they compare bytes), so a name that is to match another must be a copy of it; this type cannot match otherwise.
///
/// ```
/// use mdm_core::x509::Name;
///
/// let name = Name::builder().country("DE").organization("Example").common_name("Device 7").build()?;
/// assert_eq!(name.to_string(), "CN=Device 7,O=Example,C=DE");
/// assert_eq!(name.common_name().as_deref(), Some("Device 7"));
/// # Ok::<(), mdm_core::x509::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    der: Vec<u8>,
}

const WHAT: &str = "name";

impl Name {
    /// A name without attributes: `30 00`.
    pub fn empty() -> Self {
        Name { der: vec![Tag::SEQUENCE.octet(), 0] }
    }

    /// Starts a name to be made. The attributes come out in the order in which they were given, one to each level.
    pub fn builder() -> NameBuilder {
        NameBuilder { attributes: Vec::new() }
    }

    /// Reads a Name that fills the input.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(der);
        let name = Self::read(&mut reader).and_then(|name| reader.finish().map(|()| name));
        name.map_err(Error::malformed(WHAT))
    }

    /// Reads a Name where one stands in a larger structure. Values may be of any type and any number may stand at one level; a
    /// level must hold at least one.
    ///
    /// # Errors
    /// The structure is malformed.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let element = reader.tagged(Tag::SEQUENCE)?;
        let mut levels = element.reader();
        while !levels.is_empty() {
            let mut level = levels.set()?;
            loop {
                read_attribute(&mut level)?;
                if level.is_empty() {
                    break;
                }
            }
        }
        Ok(Name { der: element.raw().to_vec() })
    }

    /// The DER as it was received.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Whether there is no attribute.
    pub fn is_empty(&self) -> bool {
        self.attributes().next().is_none()
    }

    /// Every attribute in the order of the bytes: its type, and its value as an element of any string type.
    pub fn attributes(&self) -> Attributes<'_> {
        let levels = Reader::new(&self.der).sequence().unwrap_or_else(|_| Reader::new(&[]));
        Attributes { levels, level: Reader::new(&[]) }
    }

    /// The values of one attribute type in the order of the bytes; a value that is no text is left out.
    pub fn values<'a>(&'a self, attribute: Oid<'a>) -> impl Iterator<Item = Cow<'a, str>> {
        self.attributes().filter(move |(oid, _)| *oid == attribute).filter_map(|(_, value)| value.text())
    }

    /// The common name. When there are several the last is taken, the one closest to the named thing.
    pub fn common_name(&self) -> Option<String> {
        self.values(oid::COMMON_NAME).last().map(Cow::into_owned)
    }
}

/// AttributeTypeAndValue.
fn read_attribute<'a>(level: &mut Reader<'a>) -> Result<(Oid<'a>, Element<'a>), Asn1Error> {
    let mut attribute = level.sequence()?;
    let oid = attribute.oid()?;
    let value = attribute.element()?;
    attribute.finish()?;
    Ok((oid, value))
}

/// The attributes of a [`Name`].
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    levels: Reader<'a>,
    level: Reader<'a>,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (Oid<'a>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        // The structure was checked when the name was made, so that an error here cannot be but the end.
        if self.level.is_empty() {
            self.level = self.levels.set().ok()?;
        }
        read_attribute(&mut self.level).ok()
    }
}

impl fmt::Display for Name {
    /// RFC 4514: the last level first, `+` within a level. Values that are no text, and those of types without a short name, are
    /// shown as `#` and the hexadecimal of their DER. Control characters are escaped, so that the text fits in one line of a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut levels = Vec::new();
        let mut reader = Reader::new(&self.der).sequence().map_err(|_| fmt::Error)?;
        while let Ok(level) = reader.set() {
            levels.push(level);
        }
        for (index, mut level) in levels.into_iter().rev().enumerate() {
            let mut separator = if index == 0 { "" } else { "," };
            while let Ok((oid, value)) = read_attribute(&mut level) {
                f.write_str(separator)?;
                write_attribute(f, oid, value)?;
                separator = "+";
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

const SHORT_NAMES: [(Oid<'static>, &str); 14] = [
    (oid::COMMON_NAME, "CN"),
    (oid::SURNAME, "SN"),
    (oid::SERIAL_NUMBER, "serialNumber"),
    (oid::COUNTRY, "C"),
    (oid::LOCALITY, "L"),
    (oid::STATE, "ST"),
    (oid::STREET, "STREET"),
    (oid::ORGANIZATION, "O"),
    (oid::ORGANIZATIONAL_UNIT, "OU"),
    (oid::TITLE, "title"),
    (oid::GIVEN_NAME, "givenName"),
    (oid::USER_ID, "UID"),
    (oid::DOMAIN_COMPONENT, "DC"),
    (oid::EMAIL_ADDRESS, "emailAddress"),
];

fn write_attribute(f: &mut fmt::Formatter<'_>, oid: Oid<'_>, value: Element<'_>) -> fmt::Result {
    let short = SHORT_NAMES.iter().find(|(known, _)| *known == oid).map(|(_, short)| *short);
    match (short, value.text()) {
        (Some(short), Some(text)) => {
            write!(f, "{short}=")?;
            write_escaped(f, &text)
        }
        (short, _) => {
            match short {
                Some(short) => f.write_str(short)?,
                None => write!(f, "{oid}")?,
            }
            f.write_str("=#")?;
            value.raw().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
        }
    }
}

/// RFC 4514 section 2.4.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{c}")?,
            '#' if index == 0 => f.write_str("\\#")?,
            ' ' if index == 0 || index == last => f.write_str("\\ ")?,
            c if c.is_control() => {
                c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|octet| write!(f, "\\{octet:02X}"))?;
            }
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

pem::serde_as_base64!(Name);

/// Makes a [`Name`]. Text becomes UTF8String, except where RFC 5280 appendix A.1 wants PrintableString or IA5String.
#[derive(Clone, Debug)]
#[must_use = "no name is made until build is called"]
pub struct NameBuilder {
    attributes: Vec<(Oid<'static>, String)>,
}

impl NameBuilder {
    /// `CN`, 1 to 64 characters.
    pub fn common_name(self, text: impl Into<String>) -> Self {
        self.attribute(oid::COMMON_NAME, text)
    }

    /// `O`, 1 to 64 characters.
    pub fn organization(self, text: impl Into<String>) -> Self {
        self.attribute(oid::ORGANIZATION, text)
    }

    /// `OU`, 1 to 64 characters.
    pub fn organizational_unit(self, text: impl Into<String>) -> Self {
        self.attribute(oid::ORGANIZATIONAL_UNIT, text)
    }

    /// `C`, two capital letters (ISO 3166).
    pub fn country(self, text: impl Into<String>) -> Self {
        self.attribute(oid::COUNTRY, text)
    }

    /// `ST`, 1 to 128 characters.
    pub fn state(self, text: impl Into<String>) -> Self {
        self.attribute(oid::STATE, text)
    }

    /// `L`, 1 to 128 characters.
    pub fn locality(self, text: impl Into<String>) -> Self {
        self.attribute(oid::LOCALITY, text)
    }

    /// `serialNumber` of a device, 1 to 64 characters of PrintableString.
    pub fn serial_number(self, text: impl Into<String>) -> Self {
        self.attribute(oid::SERIAL_NUMBER, text)
    }

    /// `UID`, 1 to 256 characters.
    pub fn user_id(self, text: impl Into<String>) -> Self {
        self.attribute(oid::USER_ID, text)
    }

    /// `emailAddress`, 1 to 255 characters of ASCII.
    pub fn email_address(self, text: impl Into<String>) -> Self {
        self.attribute(oid::EMAIL_ADDRESS, text)
    }

    /// `DC`, one label of a domain name, 1 to 63 characters of ASCII.
    pub fn domain_component(self, text: impl Into<String>) -> Self {
        self.attribute(oid::DOMAIN_COMPONENT, text)
    }

    /// An attribute of any type. Types without a rule of their own take 1 to 256 characters.
    pub fn attribute(mut self, attribute: Oid<'static>, text: impl Into<String>) -> Self {
        self.attributes.push((attribute, text.into()));
        self
    }

    /// The name.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a value that is empty, too long, holds a control character, or is not of its type's alphabet.
    pub fn build(self) -> Result<Name, Error> {
        let encoded = self
            .attributes
            .iter()
            .map(|(attribute, text)| encode(*attribute, text))
            .collect::<Result<Vec<Vec<u8>>, Error>>()?;
        Ok(Name { der: Writer::build(|w| w.sequence(|w| encoded.iter().for_each(|level| w.raw(level)))) })
    }
}

/// One level with one attribute.
fn encode(attribute: Oid<'static>, text: &str) -> Result<Vec<u8>, Error> {
    // The upper bounds are those of RFC 5280 appendix A.1.
    let (longest, tag) = match attribute {
        oid::COUNTRY => (2, Tag::PRINTABLE_STRING),
        oid::SERIAL_NUMBER => (64, Tag::PRINTABLE_STRING),
        oid::EMAIL_ADDRESS => (255, Tag::IA5_STRING),
        oid::DOMAIN_COMPONENT => (63, Tag::IA5_STRING),
        oid::COMMON_NAME | oid::ORGANIZATION | oid::ORGANIZATIONAL_UNIT | oid::TITLE => (64, Tag::UTF8_STRING),
        oid::LOCALITY | oid::STATE | oid::STREET => (128, Tag::UTF8_STRING),
        _ => (256, Tag::UTF8_STRING),
    };
    if text.is_empty() || text.chars().count() > longest {
        return Err(Error::Misuse("an attribute of a name is empty or longer than RFC 5280 allows"));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::Misuse("an attribute of a name holds a control character"));
    }
    let fits = match tag {
        _ if attribute == oid::COUNTRY => text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_uppercase()),
        Tag::PRINTABLE_STRING => is_printable(text),
        Tag::IA5_STRING => text.is_ascii(),
        _ => true,
    };
    if !fits {
        return Err(Error::Misuse("an attribute of a name holds a character that its type does not have"));
    }
    Ok(Writer::build(|w| {
        w.nested(Tag::SET, |w| {
            w.sequence(|w| {
                w.oid(attribute);
                w.element(tag, text.as_bytes());
            });
        });
    }))
}

/// Whether a text is of the alphabet of PrintableString (X.680 section 41.4).
pub(super) fn is_printable(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name of levels, each of `(type, tag, content)`.
    fn name(levels: &[&[(Oid<'_>, Tag, &[u8])]]) -> Name {
        let der = Writer::build(|w| {
            w.sequence(|w| {
                for level in levels {
                    w.nested(Tag::SET, |w| {
                        for (oid, tag, content) in *level {
                            w.sequence(|w| {
                                w.oid(*oid);
                                w.element(*tag, content);
                            });
                        }
                    });
                }
            });
        });
        Name::from_der(&der).unwrap()
    }

    #[test]
    fn shown_as_rfc_4514_says() {
        let utf8 = Tag::UTF8_STRING;
        for (given, text) in [
            (name(&[]), ""),
            (
                name(&[&[(oid::DOMAIN_COMPONENT, Tag::IA5_STRING, b"net")], &[(oid::USER_ID, utf8, b"jsmith")]]),
                "UID=jsmith,DC=net",
            ),
            (
                name(&[&[(oid::ORGANIZATIONAL_UNIT, utf8, b"Sales"), (oid::COMMON_NAME, utf8, b"J.  Smith")]]),
                "OU=Sales+CN=J.  Smith",
            ),
            (name(&[&[(oid::COMMON_NAME, utf8, b"James \"Jim\" Smith, III")]]), "CN=James \\\"Jim\\\" Smith\\, III"),
            (name(&[&[(oid::COMMON_NAME, utf8, b"Before\rAfter")]]), "CN=Before\\0DAfter"),
            (name(&[&[(oid::COMMON_NAME, utf8, b"# x ")]]), "CN=\\# x\\ "),
            (name(&[&[(oid::COMMON_NAME, utf8, b" ")]]), "CN=\\ "),
            (name(&[&[(oid::COMMON_NAME, utf8, b"\xFF")]]), "CN=#0c01ff"),
            (name(&[&[(oid::COMMON_NAME, Tag::TELETEX_STRING, b"Lu\xE9")]]), "CN=Lué"),
            (name(&[&[(oid::NAME_CONSTRAINTS, utf8, b"a")]]), "2.5.29.30=#0c0161"),
        ] {
            assert_eq!(given.to_string(), text);
        }
    }

    #[test]
    fn levels_with_several_attributes_keep_their_bytes() {
        let many = name(&[&[
            (oid::ORGANIZATION, Tag::UTF8_STRING, b"z".as_slice()),
            (oid::COMMON_NAME, Tag::UTF8_STRING, b"unsorted"),
        ]]);
        assert_eq!(many.attributes().count(), 2);
        assert_eq!(Name::from_der(many.as_der()).unwrap(), many);
        assert_eq!(many.to_string(), "O=z+CN=unsorted");
    }

    #[test]
    fn string_types_make_names_differ() {
        let printable = name(&[&[(oid::COMMON_NAME, Tag::PRINTABLE_STRING, b"a")]]);
        let utf8 = name(&[&[(oid::COMMON_NAME, Tag::UTF8_STRING, b"a")]]);
        assert_eq!(printable.common_name(), utf8.common_name());
        assert_ne!(printable, utf8);
    }

    #[test]
    fn of_several_common_names_the_last_counts() {
        let built = Name::builder().common_name("first").common_name("second").build().unwrap();
        assert_eq!(built.common_name().as_deref(), Some("second"));
        assert_eq!(built.values(oid::COMMON_NAME).count(), 2);
        assert_eq!(Name::empty().common_name(), None);
        assert!(Name::empty().is_empty() && !built.is_empty());
    }

    #[test]
    fn built_names_use_the_string_types_of_rfc_5280() {
        let built = Name::builder().country("DE").serial_number("C02X").email_address("a@b").common_name("x").build().unwrap();
        let tags: Vec<Tag> = built.attributes().map(|(_, value)| value.tag()).collect();
        assert_eq!(tags, [Tag::PRINTABLE_STRING, Tag::PRINTABLE_STRING, Tag::IA5_STRING, Tag::UTF8_STRING]);
    }

    #[test]
    fn values_that_rfc_5280_does_not_allow_are_not_made() {
        let refused = |builder: NameBuilder| matches!(builder.build(), Err(Error::Misuse(_)));
        assert!(Name::builder().common_name("é".repeat(64)).build().is_ok());
        assert!(refused(Name::builder().common_name("é".repeat(65))));
        assert!(refused(Name::builder().common_name("")));
        assert!(refused(Name::builder().organization("a\nb")));
        assert!(refused(Name::builder().country("de")));
        assert!(refused(Name::builder().country("D")));
        assert!(refused(Name::builder().serial_number("a*b")));
        assert!(refused(Name::builder().email_address("é@b")));
        assert!(refused(Name::builder().user_id("u".repeat(257))));
    }

    #[test]
    fn structures_that_are_no_name_are_refused() {
        for der in [
            &b""[..],
            &[0x30],
            &[0x31, 0x00],
            &[0x30, 0x02, 0x31, 0x00],
            &[0x30, 0x00, 0x00],
            &[0x30, 0x04, 0x31, 0x02, 0x30, 0x00],
            &[0x30, 0x09, 0x31, 0x07, 0x30, 0x05, 0x06, 0x03, 0x55, 0x04, 0x03],
        ] {
            assert!(matches!(Name::from_der(der), Err(Error::Malformed { what: "name", .. })), "{der:?}");
        }
    }

    #[test]
    fn serde_keeps_the_bytes() {
        let built = Name::builder().common_name("x").build().unwrap();
        let text = serde_json::to_string(&built).unwrap();
        assert_eq!(text, "\"MAwxCjAIBgNVBAMMAXg=\"");
        assert_eq!(serde_json::from_str::<Name>(&text).unwrap(), built);
        assert!(serde_json::from_str::<Name>("\"MQA=\"").is_err());
    }
}
