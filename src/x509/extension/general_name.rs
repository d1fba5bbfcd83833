//! GeneralName, and subjectAltName.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::ExtensionType;
use crate::asn1::{Element, Error as Asn1Error, ErrorKind, Oid, Reader, Tag, Writer};
use crate::x509::{Name, oid};

/// userPrincipalName of Microsoft, 1.3.6.1.4.1.311.20.2.3: `ntPrincipalName` in Apple's SCEP payload.
const USER_PRINCIPAL_NAME: Oid<'static> = Oid::from_content(&[0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03]);

const OTHER_NAME: Tag = Tag::context_constructed(0);
const RFC_822_NAME: Tag = Tag::context(1);
const DNS_NAME: Tag = Tag::context(2);
const DIRECTORY_NAME: Tag = Tag::context_constructed(4);
const URI: Tag = Tag::context(6);
const IP_ADDRESS: Tag = Tag::context(7);

/// One of the many ways to name something (RFC 5280 section 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GeneralName {
    /// rfc822Name: a mailbox.
    Email(String),
    /// dNSName: a domain.
    Dns(String),
    /// uniformResourceIdentifier.
    Uri(String),
    /// iPAddress: one host.
    Ip(IpAddr),
    /// directoryName.
    Directory(Name),
    /// otherName with Microsoft's userPrincipalName: `ntPrincipalName` in Apple's SCEP payload.
    UserPrincipalName(String),
    /// A name of another kind, or one whose content is not what its kind says: the element in DER.
    Other(Vec<u8>),
}

/// Reads a GeneralName, whatever it is. Only an encoding that is broken is an error.
fn read_general_name(reader: &mut Reader<'_>) -> Result<GeneralName, Asn1Error> {
    let at = reader.at();
    let element = reader.element()?;
    if element.tag().octet() & 0xC0 != 0x80 {
        return Err(Asn1Error::new(ErrorKind::Field("GeneralName (no context tag)"), at));
    }
    let ascii = || element.value().is_ascii().then(|| String::from_utf8(element.value().to_vec()).ok()).flatten();
    let known = match element.tag() {
        RFC_822_NAME => ascii().map(GeneralName::Email),
        DNS_NAME => ascii().map(GeneralName::Dns),
        URI => ascii().map(GeneralName::Uri),
        IP_ADDRESS => ip_address(element.value()).map(GeneralName::Ip),
        // The tag is explicit, because Name is a CHOICE.
        DIRECTORY_NAME => Name::from_der(element.value()).ok().map(GeneralName::Directory),
        OTHER_NAME => principal_name(element).map(GeneralName::UserPrincipalName),
        _ => None,
    };
    Ok(known.unwrap_or_else(|| GeneralName::Other(element.raw().to_vec())))
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    match *octets {
        [a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d).into()),
        _ => <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into()),
    }
}

fn principal_name(element: Element<'_>) -> Option<String> {
    let mut inner = element.reader();
    let kind = inner.oid().ok()?;
    let mut value = inner.nested(Tag::context_constructed(0)).ok()?;
    let text = value.element().ok()?.text()?.into_owned();
    (kind == USER_PRINCIPAL_NAME && value.is_empty() && inner.is_empty()).then_some(text)
}

/// Writes a GeneralName.
pub(in crate::x509) fn write_general_name(w: &mut Writer, name: &GeneralName) {
    match name {
        GeneralName::Email(text) => w.element(RFC_822_NAME, text.as_bytes()),
        GeneralName::Dns(text) => w.element(DNS_NAME, text.as_bytes()),
        GeneralName::Uri(text) => w.element(URI, text.as_bytes()),
        GeneralName::Ip(IpAddr::V4(address)) => w.element(IP_ADDRESS, &address.octets()),
        GeneralName::Ip(IpAddr::V6(address)) => w.element(IP_ADDRESS, &address.octets()),
        GeneralName::Directory(name) => w.element(DIRECTORY_NAME, name.as_der()),
        GeneralName::UserPrincipalName(text) => w.nested(OTHER_NAME, |w| {
            w.oid(USER_PRINCIPAL_NAME);
            w.nested(Tag::context_constructed(0), |w| w.utf8_string(text));
        }),
        GeneralName::Other(der) => w.raw(der),
    }
}

/// Reads GeneralNames to the end of the reader.
pub(in crate::x509) fn read_general_names(reader: &mut Reader<'_>) -> Result<Vec<GeneralName>, Asn1Error> {
    let mut names = Vec::new();
    while !reader.is_empty() {
        names.push(read_general_name(reader)?);
    }
    Ok(names)
}

/// Further names of the subject (RFC 5280 section 4.2.1.6). Written critical when the subject itself is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubjectAlternativeNames {
    /// The names, at least one.
    pub names: Vec<GeneralName>,
}

impl SubjectAlternativeNames {
    /// The domains among them, as they were received.
    pub fn dns(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|name| match name {
            GeneralName::Dns(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

impl From<Vec<GeneralName>> for SubjectAlternativeNames {
    fn from(names: Vec<GeneralName>) -> Self {
        SubjectAlternativeNames { names }
    }
}

impl ExtensionType for SubjectAlternativeNames {
    const OID: Oid<'static> = oid::SUBJECT_ALT_NAME;
    const NAME: &'static str = "subjectAltName";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        read_general_names(&mut reader.sequence()?).map(SubjectAlternativeNames::from)
    }

    fn write(&self, w: &mut Writer) {
        w.sequence(|w| self.names.iter().for_each(|name| write_general_name(w, name)));
    }
}
