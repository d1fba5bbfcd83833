//! Apple's schema as data and types: what every message holds, under which name, on which system.
//!
//! Owns the tables ([`Table`], [`Key`], [`Support`]), the records generated from Apple's YAML, and the one loop that reads and
//! writes all of them. The records themselves are public where the protocol uses them, in `checkin`, `command`, `profile` and
//! `declaration`.
//!
//! What is refused here: nothing. Real devices omit keys that the schema requires, add keys that it does not know, and
//! send values of other types. Every field is therefore optional; an unknown key stays in the record's `extra`, and so does a
//! value of the wrong type, under its own key. Encoding gives it all back. [`Record::mismatches`] says which values were not
//! of the type that the schema gives them.
//!
//! ```
//! use mdm_core::checkin::Authenticate;
//! use mdm_core::plist::Dictionary;
//! use mdm_core::schema::Record;
//!
//! let sent = Dictionary::from_iter([("OSVersion", "27.0"), ("SerialNumber", "C02ZZ0AAMD6M"), ("Moon", "waxing")]);
//! let message = Authenticate::from_dictionary(sent.clone());
//! assert_eq!(message.os_version.as_deref(), Some("27.0"));
//! assert_eq!(message.extra.get("Moon"), Some(&"waxing".into()));
//! assert_eq!(message.to_dictionary().len(), sent.len());
//! assert!(message.mismatches().is_empty());
//! ```
//!
//! # What there is
//!
#![doc = include_str!("generated/census.md")]
//!
//! The files go up to version 27 of Apple's systems.
//!
//! # Where the schema says other than devices do
//!
#![doc = include_str!("generated/errata.md")]

#[macro_use]
mod macros;
#[cfg(any(test, feature = "arbitrary"))]
pub(crate) mod arbitrary;
mod check;
#[rustfmt::skip]
pub(crate) mod generated;
mod item;
mod json;
pub(crate) mod record;
mod serial;
mod support;
mod table;
mod target;
mod trail;

pub use check::{Described, Difference, MOST_FOUND, Mismatch, What, check};
pub use item::Item;
pub(crate) use item::is_bloated;
pub(crate) use json::parse_json;
pub use json::{JsonError, JsonFault};
pub use record::{Empty, Record, Slot};
pub(crate) use record::{Field, show};
pub(crate) use serial::{deserialize, serialize, to_json};
pub use support::{Mode, Support, System, Systems, Version};
pub use table::{Choice, Combine, Key, Presence, Rules, Scalar, Shape, Table};
pub use target::{Channel, Enrollment, Rule, Target, Violation};

/// The words that the generated tables are written in.
pub(crate) mod words {
    pub(crate) use super::support::words::*;
    #[allow(unused_imports, reason = "only declarations say how values combine")]
    pub(crate) use super::table::Combine::*;
    pub(crate) use super::table::Scalar::*;
}

#[cfg(test)]
mod tests;
