//! Property lists: bounded reading of XML and binary, exact writing.
//!
//! Owns [`Value`], the tree that every MDM message is made of, with the order of keys kept. It knows no message.

mod value;

pub use value::{Dictionary, Value};
