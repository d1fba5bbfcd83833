//! Property lists: bounded reading of XML and binary, exact writing.
//!
//! Owns [`Value`], the tree that every MDM message is made of, with the order of keys kept, and the two spellings of it. It knows
//! no message.
//!
//! [`parse`] tells XML from binary by itself. It gives the whole tree or an [`Error`] that says what is wrong, at which byte and
//! under which key; nothing is dropped and nothing is guessed. It refuses what would cost more than [`Limits`] allow, containers
//! nested deeper than [`MAX_DEPTH`] whatever the limits, text between elements, unknown elements and entities, DOCTYPEs that
//! declare anything, a key that comes twice, damaged base64, dates between two seconds, other encodings than UTF-8, and the kinds
//! of object that only a binary archive has (null, set, UID). Property lists in the old style with braces are not read.
//!
//! ```
//! use mdm_core::limits::Limits;
//! use mdm_core::plist::{self, Dictionary, Value};
//!
//! let mut command = Dictionary::new();
//! command.insert("RequestType", "DeviceInformation");
//! command.insert("Queries", vec![Value::from("UDID"), Value::from("OSVersion")]);
//! let command = Value::from(command);
//!
//! let xml = plist::to_xml(&command)?;
//! assert_eq!(plist::parse(&xml, &Limits::MESSAGE)?, command);
//! let binary = plist::to_binary(&command)?;
//! assert_eq!(plist::parse(&binary, &Limits::MESSAGE)?, command);
//! # Ok::<(), plist::Error>(())
//! ```

#[cfg(any(test, feature = "arbitrary"))]
pub(crate) mod arbitrary;
mod binary_reader;
mod binary_writer;
mod error;
mod path;
mod tree;
mod value;
mod xml_reader;
mod xml_writer;

pub use binary_writer::to_binary;
pub use error::{Error, ErrorKind};
pub use path::Path;
pub use value::{Dictionary, Value};
pub use xml_writer::to_xml;

use crate::limits::Limits;

/// Deepest nesting of arrays and dictionaries that is read or written, also when [`Limits::max_depth`] is larger. It keeps every
/// walk over a [`Value`], its destructor among them, within a small stack.
pub const MAX_DEPTH: usize = 128;

/// Reads a property list, XML or binary.
///
/// Arrays and dictionaries count towards [`Limits::max_depth`], every value towards [`Limits::max_items`]; an object that a binary
/// property list uses many times counts each time, and so do its bytes, which together may not pass [`Limits::max_bytes`].
///
/// XML is read as Apple's own reader takes it: the XML declaration, the DOCTYPE and the `<plist>` element may be missing,
/// attributes are passed over, and a control character that stands in text as it is (Apple's writer lets it) is kept, although XML
/// 1.0 has no place for it. Text is otherwise read by the rules of XML 1.0: CDATA sections and references are text, comments are
/// not, and a line ends in a line feed (section 2.11).
///
/// # Errors
/// The bytes are not a property list, or cost more than the limits; [`ErrorKind`] names every reason.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, Error> {
    if bytes.len() > limits.max_bytes {
        return Err(Error::at(ErrorKind::TooLong(limits.max_bytes), limits.max_bytes));
    }
    let limits = limits.depth(limits.max_depth.min(MAX_DEPTH));
    if bytes.starts_with(b"bplist") { binary_reader::parse(bytes, &limits) } else { xml_reader::parse(bytes, &limits) }
}
