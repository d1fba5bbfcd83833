//! Extensions: the list, and the types that stand in it.

pub(super) mod access;
mod general_name;
mod identifier;
mod usage;

use std::borrow::Cow;
use std::{fmt, iter};

pub use access::{AuthorityInfoAccess, CrlDistributionPoints, FreshestCrl, OcspNoCheck};
pub use general_name::{GeneralName, SubjectAlternativeNames};
pub use identifier::{AuthorityKeyIdentifier, KeyIdentifier, SubjectKeyIdentifier};
pub use usage::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

use super::Error;
use crate::asn1::{Element, Error as Asn1Error, Oid, Reader, Tag, Writer};

/// An extension whose value has a type. A host implements it for an extension of its own.
///
/// ```
/// use mdm_core::asn1::{Error, Oid, Reader, Writer};
/// use mdm_core::x509::{ExtensionType, Extensions};
///
/// /// The site that a device belongs to.
/// struct Site(u32);
///
/// impl ExtensionType for Site {
///     const OID: Oid<'static> = Oid::from_content(&[0x2B, 0x06, 0x01, 0x04, 0x01, 0x8F, 0x65, 0x01]);
///     const NAME: &'static str = "site";
///
///     fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
///         reader.small_integer().map(Site)
///     }
///
///     fn write(&self, w: &mut Writer) {
///         w.small_integer(self.0);
///     }
/// }
///
/// let extensions = Extensions::new().with(&Site(7));
/// assert_eq!(extensions.find::<Site>()?.map(|site| site.0), Some(7));
/// # Ok::<(), mdm_core::x509::Error>(())
/// ```
pub trait ExtensionType: Sized {
    /// Its identifier.
    const OID: Oid<'static>;

    /// Its name in errors.
    const NAME: &'static str;

    /// Whether a reader that does not know it must refuse the certificate. False unless the type says otherwise.
    fn critical(&self) -> bool {
        false
    }

    /// Reads the value, which must end where this stops reading.
    ///
    /// # Errors
    /// The value is malformed.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error>;

    /// Writes the value.
    fn write(&self, w: &mut Writer);
}

/// One extension as it stands in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    oid: Oid<'a>,
    critical: bool,
    value: Element<'a>,
}

impl<'a> Extension<'a> {
    /// Extension, RFC 5280 section 4.1. An explicit `critical FALSE`, which DER forbids, is read as what it means.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Asn1Error> {
        let mut inner = reader.sequence()?;
        let oid = inner.oid()?;
        let critical = if inner.peek() == Some(Tag::BOOLEAN) { inner.boolean()? } else { false };
        let value = inner.tagged(Tag::OCTET_STRING)?;
        inner.finish()?;
        Ok(Extension { oid, critical, value })
    }

    /// Its identifier.
    pub const fn oid(&self) -> Oid<'a> {
        self.oid
    }

    /// Whether who does not know it must refuse what carries it.
    pub const fn is_critical(&self) -> bool {
        self.critical
    }

    /// The content of the OCTET STRING: the value in DER.
    pub const fn value(&self) -> &'a [u8] {
        self.value.value()
    }

    /// A reader of the value.
    pub(super) const fn reader(&self) -> Reader<'a> {
        self.value.reader()
    }

    /// The value as a typed one; the caller has compared the identifier.
    pub(super) fn parse<T: ExtensionType>(&self) -> Result<T, Error> {
        let mut reader = self.value.reader();
        let value = T::read(&mut reader).and_then(|value| reader.finish().map(|()| value));
        value.map_err(Error::malformed(T::NAME))
    }
}

/// A list of extensions, each identifier at most once: borrowed from what was read, or made.
///
/// ```
/// use mdm_core::x509::{BasicConstraints, Extensions, KeyUsage};
///
/// let extensions = Extensions::new()
///     .with(&BasicConstraints::authority(Some(0)))
///     .with(&(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN));
/// assert_eq!(extensions.find()?, Some(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN));
/// # Ok::<(), mdm_core::x509::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Extensions<'a> {
    /// The content of the SEQUENCE OF Extension.
    content: Cow<'a, [u8]>,
    /// Where the content begins in what errors count from.
    at: usize,
}

impl<'a> Extensions<'a> {
    /// No extension.
    pub const fn new() -> Extensions<'static> {
        Extensions { content: Cow::Borrowed(&[]), at: 0 }
    }

    /// Reads a SEQUENCE OF Extension and refuses an identifier that stands twice.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Asn1Error> {
        let list = reader.sequence()?;
        let extensions = Self::stored(list.rest(), list.at());
        let mut elements = list;
        let mut seen = Vec::new();
        while !elements.is_empty() {
            let at = elements.at();
            seen.push((Extension::read(&mut elements)?.oid, at));
        }
        seen.sort_unstable();
        let twice = seen.windows(2).find_map(|pair| match pair {
            [(first, _), (second, at)] if first == second => Some(*at),
            _ => None,
        });
        match twice {
            Some(at) => Err(Asn1Error::field("extensions (the same one twice)", at)),
            None => Ok(extensions),
        }
    }

    /// Reads the list where it stands alone under an explicit tag, as it does in everything that is signed.
    pub(super) fn read_tagged(reader: &mut Reader<'a>, number: u8) -> Result<Option<Self>, Asn1Error> {
        let Some(mut explicit) = reader.optional_nested(Tag::context_constructed(number))? else { return Ok(None) };
        let extensions = Self::read(&mut explicit)?;
        explicit.finish()?;
        Ok(Some(extensions))
    }

    /// A list that was read before.
    pub(super) const fn stored(content: &'a [u8], at: usize) -> Self {
        Extensions { content: Cow::Borrowed(content), at }
    }

    /// Where the content stands in what errors count from, and how long it is.
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.at..self.at.saturating_add(self.content.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// Each extension in the order of the bytes.
    pub fn iter(&self) -> impl Iterator<Item = Extension<'_>> {
        each(&self.content, self.at)
    }

    /// The extension with this identifier.
    pub fn get(&self, oid: Oid<'_>) -> Option<Extension<'_>> {
        self.iter().find(|extension| extension.oid == oid)
    }

    /// The extension of this type, read.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it stands there and its value cannot be read.
    pub fn find<T: ExtensionType>(&self) -> Result<Option<T>, Error> {
        self.get(T::OID).map(|extension| extension.parse()).transpose()
    }

    /// The list with this extension, which takes the place of one with the same identifier; the type says whether it is critical.
    #[must_use]
    pub fn with<T: ExtensionType>(self, extension: &T) -> Extensions<'static> {
        self.with_value(T::OID, extension.critical(), |w| extension.write(w))
    }

    /// The list with an extension whose value is already DER. A value that is not is refused when the list is used.
    #[must_use]
    pub fn with_raw(self, oid: Oid<'_>, critical: bool, value: &[u8]) -> Extensions<'static> {
        self.with_value(oid, critical, |w| w.raw(value))
    }

    fn with_value(self, oid: Oid<'_>, critical: bool, value: impl FnOnce(&mut Writer)) -> Extensions<'static> {
        let mut w = Writer::continuing(self.without(oid).content.into_owned());
        w.sequence(|w| {
            w.oid(oid);
            if critical {
                w.boolean(true);
            }
            w.nested(Tag::OCTET_STRING, value);
        });
        Extensions { content: Cow::Owned(w.into_bytes()), at: 0 }
    }

    /// The list without this extension.
    #[must_use]
    pub fn without(self, oid: Oid<'_>) -> Extensions<'static> {
        let elements = || {
            let mut reader = Reader::new(&self.content);
            iter::from_fn(move || reader.element().ok())
        };
        let is_it = |element: &Element<'_>| element.reader().tagged(Tag::OID).is_ok_and(|found| found.value() == oid.content());
        if !elements().any(|element| is_it(&element)) {
            return self.into_owned();
        }
        let kept = elements().filter(|element| !is_it(element)).flat_map(|element| element.raw().iter().copied());
        Extensions { content: Cow::Owned(kept.collect()), at: 0 }
    }

    /// The same list in memory of its own.
    #[must_use]
    pub fn into_owned(self) -> Extensions<'static> {
        Extensions { content: Cow::Owned(self.content.into_owned()), at: 0 }
    }

    /// Writes the SEQUENCE OF Extension.
    pub(super) fn write(&self, w: &mut Writer) {
        w.element(Tag::SEQUENCE, &self.content);
    }
}

/// Each extension of a list that was read before, which is why an error cannot be but its end.
pub(in crate::x509) fn each(content: &[u8], at: usize) -> impl Iterator<Item = Extension<'_>> {
    let mut reader = Reader::starting_at(content, at);
    iter::from_fn(move || Extension::read(&mut reader).ok())
}

impl PartialEq for Extensions<'_> {
    /// The same bytes, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

impl Eq for Extensions<'_> {}

impl fmt::Debug for Extensions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|extension| extension.oid.to_string())).finish()
    }
}
