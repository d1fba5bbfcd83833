//! What is wrong with some bytes, and at which of them.

use super::Tag;

/// A fault in the encoding, and the offset of the element that has it, in bytes from the start of what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {at}")]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where, counted from the first byte of the outermost reader's input.
    pub at: usize,
}

/// What is wrong with an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input ends inside an element.
    #[error("the input ends inside an element")]
    Truncated,
    /// Something follows where nothing may.
    #[error("unexpected bytes after the end")]
    TrailingData,
    /// Another element than the one that belongs here.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What belongs here.
        expected: Tag,
        /// What stands here.
        found: Tag,
    },
    /// Nothing, where an element belongs.
    #[error("expected {0}, found the end")]
    Missing(Tag),
    /// A tag number of 31 or more, which no structure read here uses.
    #[error("tag numbers above 30 are not used here")]
    HighTag,
    /// A length that is not minimal, indefinite where it may not be, or larger than any input.
    #[error("bad length")]
    Length,
    /// The end-of-contents octets of BER where no indefinite length is open.
    #[error("end-of-contents octets that end nothing")]
    EndOfContents,
    /// A value that its type does not allow.
    #[error("not a valid {0}")]
    Value(Tag),
    /// A field with a value that its structure does not allow; the name is the structure's own.
    #[error("{0} is not as it must be")]
    Field(&'static str),
    /// More bytes than the limit.
    #[error("the input is longer than the limit of {0} bytes")]
    TooLong(usize),
    /// Deeper nesting than the limit.
    #[error("nested deeper than the limit of {0}")]
    TooDeep(usize),
    /// More elements than the limit.
    #[error("more elements than the limit of {0}")]
    TooMany(usize),
}

impl Error {
    /// An error at an offset.
    #[cold]
    pub(crate) fn new(kind: ErrorKind, at: usize) -> Self {
        Error { kind, at }
    }

    /// A structure's field that has a value it may not have.
    #[cold]
    pub(crate) fn field(name: &'static str, at: usize) -> Self {
        Error { kind: ErrorKind::Field(name), at }
    }
}
