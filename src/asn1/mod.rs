//! ASN.1 on the wire: a bounded BER to DER pass, a reader of DER and a writer of DER.
//!
//! Owns bytes, lengths, tags and offsets. It does not know any structure of PKIX or CMS; those read themselves with a [`Reader`]
//! and write themselves with a [`Writer`]. Nothing here decodes into a tree: a reader borrows, so that what a signature covers can
//! be taken as it was received ([`Element::raw`]).
//!
//! Real devices send BER (indefinite lengths, strings in pieces). [`to_der`] is the one door for it: it rewrites BER into DER in
//! linear time within [`Limits`](crate::limits::Limits), and everything above reads DER only.

mod ber;
mod error;
mod oid;
mod reader;
mod tag;
mod writer;

pub use ber::to_der;
pub use error::{Error, ErrorKind};
pub use oid::Oid;
pub use reader::{Element, Reader};
pub use tag::Tag;
pub use writer::Writer;
pub(crate) use writer::fits_utc_time;
