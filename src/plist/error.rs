//! What is wrong with a property list, and where.

use std::fmt;

use super::Path;

/// A fault, with the byte and the key path at which it was found.
///
/// ```
/// use mdm_core::limits::Limits;
/// use mdm_core::plist;
///
/// let xml = b"<plist><dict><key>Queries</key><array><integer>one</integer></array></dict></plist>";
/// let error = plist::parse(xml, &Limits::MESSAGE).unwrap_err();
/// assert_eq!(error.to_string(), "not a valid integer at byte 38, in Queries[0]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// The offset of the element or object that is wrong, from the first byte of the input. `None` when writing.
    pub at: Option<usize>,
    /// The value that is wrong, or the innermost one that holds the fault.
    pub path: Path,
}

/// What is wrong with a property list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No bytes, or whitespace alone.
    #[error("the input is empty")]
    Empty,
    /// Neither XML nor a binary property list.
    #[error("neither an XML nor a binary property list")]
    Format,
    /// A binary property list of another version than 00.
    #[error("a binary property list of an unknown version")]
    Version,
    /// The input ends before the property list does.
    #[error("the input ends inside the property list")]
    Truncated,
    /// Something follows the property list.
    #[error("unexpected content after the property list")]
    Trailing,
    /// More bytes than the limit, in the input or in what a binary property list unfolds to.
    #[error("longer than the limit of {0} bytes")]
    TooLong(usize),
    /// Deeper nesting than the limit.
    #[error("nested deeper than the limit of {0}")]
    TooDeep(usize),
    /// More values than the limit.
    #[error("more values than the limit of {0}")]
    TooMany(usize),

    /// A byte order mark or an XML declaration names another encoding than UTF-8.
    #[error("the document is not in UTF-8, the only encoding that is read")]
    Encoding,
    /// Bytes that are not UTF-8.
    #[error("not valid UTF-8")]
    Utf8,
    /// Not well-formed XML; the text says in what way.
    #[error("malformed XML: {0}")]
    Xml(&'static str),
    /// A reference to an entity that XML does not define, or to a character that it does not allow.
    #[error("a reference to an unknown entity or a forbidden character")]
    Reference,
    /// A DOCTYPE with declarations of its own.
    #[error("the DOCTYPE declares entities or elements, which is refused")]
    Doctype,
    /// Text where only elements may stand.
    #[error("text between elements")]
    Text,
    /// An element that property lists do not have.
    #[error("an element that property lists do not have")]
    Element,

    /// Elements in an order that property lists do not have; the text says which.
    #[error("{0}")]
    Structure(&'static str),
    /// A key that its dictionary holds already.
    #[error("a key that the dictionary has twice")]
    DuplicateKey,
    /// Content that its element or object does not allow; the text is the element's name.
    #[error("not a valid {0}")]
    Content(&'static str),
    /// A date with a fraction of a second, which would have to be dropped.
    #[error("a date between two seconds")]
    Fraction,

    /// A binary property list whose trailer contradicts its length.
    #[error("a trailer that does not fit the input")]
    Trailer,
    /// A binary property list that refers to an object it does not have.
    #[error("a reference to an object that is not there")]
    Object,
    /// A kind of binary object that messages do not have: null, set, UID, or an unknown one.
    #[error("a kind of object that is not read: marker {0:#04x}")]
    Marker(u8),

    /// A character that XML 1.0 cannot hold (section 2.2), in a value that is to be written as XML.
    #[error("U+{:04X} cannot be written in XML", u32::from(*.0))]
    Unwritable(char),
}

impl Error {
    /// A fault in the input, at an offset.
    #[cold]
    pub(super) fn at(kind: ErrorKind, at: usize) -> Self {
        Error { kind, at: Some(at), path: Path::root() }
    }

    /// A fault in a value that is to be written.
    #[cold]
    pub(super) fn writing(kind: ErrorKind) -> Self {
        Error { kind, at: None, path: Path::root() }
    }

    /// The same fault, found in the value of a dictionary's key.
    #[cold]
    pub(super) fn under_key(mut self, key: &str) -> Self {
        self.path = self.path.under_key(key);
        self
    }

    /// The same fault, found in an array's item.
    #[cold]
    pub(super) fn under_index(mut self, index: usize) -> Self {
        self.path = self.path.under_index(index);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if let Some(at) = self.at {
            write!(f, " at byte {at}")?;
        }
        if !self.path.is_root() {
            write!(f, ", in {}", self.path)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
