//! Commands and what devices report of them.
//!
//! Owns the typed requests, the envelope that carries one ([`Command`]), the [`Report`] that a device sends, and the typed answer
//! inside it. Which command a device gets next is decided in `enrollment`. Refused are bodies that are no property list, commands
//! without `CommandUUID` or `RequestType`, and reports without `Status`; everything else is kept, as the
//! [`schema`](crate::schema) module says.

mod report;
mod request;

use crate::plist;

pub use crate::schema::generated::command::*;
pub use crate::schema::generated::command_part::*;
pub use report::{ErrorChainItem, Report, ReportEnvelope, Status};
pub use request::{ANSWERS, Command, REQUESTS, Request, Typed};

/// Why a body is no command or no report, or a report is not the answer asked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body is no property list, or passes a limit.
    #[error("the body is no property list: {0}")]
    Plist(#[from] plist::Error),
    /// The node is not a dictionary.
    #[error("{at} is {found}, not a dictionary")]
    NotADictionary {
        /// The key path; `the message` for the outermost node.
        at: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A key without which the message means nothing is absent or no string.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// The report's status is not `Acknowledged`, so it carries no answer.
    #[error("the device answered {0}, which carries no answer")]
    NotAcknowledged(Status),
}

#[cfg(test)]
mod tests;
