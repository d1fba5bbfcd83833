//! Check-in messages: what a device says of its enrollment.
//!
//! Owns the reading and writing of the nine messages and names the enrollment that a message is about. What a message changes is
//! decided in `enrollment`. Refused are bodies that are no property list, or that say no `MessageType`; a type that this
//! crate does not know is kept as [`CheckIn::Other`], and odd values as the [`schema`](crate::schema) module says.

mod answer;

use crate::id::{self, EnrollmentId, Identifiers};
use crate::limits::Limits;
use crate::plist::{self, Dictionary, Value};
use crate::schema::generated::checkin::each_checkin;
use crate::schema::{Mismatch, Record};

pub use crate::schema::generated::checkin::*;
pub use answer::{UserAuthenticateChallenge, UserAuthenticateToken};

/// Why a body is no check-in message.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body is no property list, or passes a limit.
    #[error("the check-in body is no property list: {0}")]
    Plist(#[from] plist::Error),
    /// The outermost node is not a dictionary.
    #[error("the check-in message is {0}, not a dictionary")]
    NotADictionary(&'static str),
    /// `MessageType` is absent or no string, so that nothing says what the message is.
    #[error("the check-in message has no MessageType")]
    NoMessageType,
}

macro_rules! messages {
    ($($name:ident,)*) => {
        /// A check-in message.
        ///
        /// ```
        /// use mdm_core::checkin::CheckIn;
        /// use mdm_core::limits::Limits;
        ///
        /// let body = br#"<?xml version="1.0" encoding="UTF-8"?>
        /// <plist version="1.0"><dict>
        ///   <key>MessageType</key><string>CheckOut</string>
        ///   <key>Topic</key><string>com.apple.mgmt.External.example</string>
        ///   <key>UDID</key><string>00008120-0001DEADBEEF0001</string>
        /// </dict></plist>"#;
        /// let CheckIn::CheckOut(message) = CheckIn::parse(body, &Limits::MESSAGE)? else { panic!() };
        /// assert_eq!(message.udid.as_deref(), Some("00008120-0001DEADBEEF0001"));
        /// # Ok::<(), mdm_core::checkin::Error>(())
        /// ```
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum CheckIn {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                $name($name),
            )*
            /// A message of a type that this crate does not know.
            Other {
                /// `MessageType`.
                message_type: String,
                /// The whole message, with its `MessageType`.
                body: Dictionary,
            },
        }

        impl CheckIn {
            fn typed(message_type: String, body: Dictionary) -> Self {
                match message_type.as_str() {
                    $(stringify!($name) => CheckIn::$name(Record::from_dictionary(body)),)*
                    _ => CheckIn::Other { message_type, body },
                }
            }

            /// `MessageType`.
            pub fn message_type(&self) -> &str {
                match self {
                    $(CheckIn::$name(_) => stringify!($name),)*
                    CheckIn::Other { message_type, .. } => message_type,
                }
            }

            /// The identifiers that the message carries, as the device sent them.
            pub fn identifiers(&self) -> Identifiers<'_> {
                match self {
                    $(CheckIn::$name(message) => Identifiers {
                        udid: message.udid.as_deref(),
                        enrollment_id: message.enrollment_id.as_deref(),
                        user_id: message.user_id.as_deref(),
                        enrollment_user_id: message.enrollment_user_id.as_deref(),
                        user_short_name: message.user_short_name.as_deref(),
                    },)*
                    CheckIn::Other { body, .. } => {
                        let text = |key| body.get(key).and_then(Value::as_str);
                        Identifiers {
                            udid: text("UDID"),
                            enrollment_id: text("EnrollmentID"),
                            user_id: text("UserID"),
                            enrollment_user_id: text("EnrollmentUserID"),
                            user_short_name: text("UserShortName"),
                        }
                    }
                }
            }

            /// The message as a dictionary. `MessageType` is there even when a host left the field empty.
            pub fn to_dictionary(&self) -> Dictionary {
                let mut body = match self {
                    $(CheckIn::$name(message) => message.to_dictionary(),)*
                    CheckIn::Other { body, .. } => body.clone(),
                };
                if body.get("MessageType").is_none() {
                    body.insert("MessageType", self.message_type());
                }
                body
            }

            /// Values that are not of the type that the schema gives their key. They are kept, each in an `extra`.
            pub fn mismatches(&self) -> Vec<Mismatch> {
                match self {
                    $(CheckIn::$name(message) => message.mismatches(),)*
                    CheckIn::Other { .. } => Vec::new(),
                }
            }
        }

        /// A message of any type, one that this crate does not know among them.
        #[cfg(any(test, feature = "arbitrary"))]
        impl<'a> arbitrary::Arbitrary<'a> for CheckIn {
            fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                let (kind, mut body) = crate::schema::arbitrary::one_of(&[$((stringify!($name), $name::table)),*], u)?;
                body.insert("MessageType", kind.unwrap_or("NewInTheNextVersion"));
                CheckIn::from_value(body.into()).map_err(|_| arbitrary::Error::IncorrectFormat)
            }
        }

        $(
            impl From<$name> for CheckIn {
                fn from(message: $name) -> Self {
                    CheckIn::$name(message)
                }
            }
        )*
    };
}

each_checkin!(messages);

impl CheckIn {
    /// Reads the body of a request to the check-in URL, XML or binary.
    ///
    /// # Errors
    /// [`Error`] when it is no property list with a `MessageType`. Nothing else is an error: absent, unknown and mistyped
    /// values are for [`CheckIn::mismatches`] and for the one who needs them.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, Error> {
        Self::from_value(plist::parse(body, limits)?)
    }

    /// From a property list that was read already.
    ///
    /// # Errors
    /// [`Error`] when it is no dictionary with a `MessageType`.
    pub fn from_value(value: Value) -> Result<Self, Error> {
        let Value::Dictionary(body) = value else { return Err(Error::NotADictionary(value.kind())) };
        // Stored captures pad their text with line ends; the type is recognised all the same and the text kept.
        let message_type = body.get("MessageType").and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let message_type = message_type.ok_or(Error::NoMessageType)?.to_owned();
        Ok(Self::typed(message_type, body))
    }

    /// The enrollment that the message is about.
    ///
    /// # Errors
    /// [`id::Error`] when the identifiers name none.
    pub fn enrollment(&self) -> Result<EnrollmentId, id::Error> {
        EnrollmentId::resolve(&self.identifiers())
    }

    /// `Topic`: the push topic that the device says it listens to.
    pub fn topic(&self) -> Option<&str> {
        match self {
            CheckIn::Authenticate(message) => message.topic.as_deref(),
            CheckIn::TokenUpdate(message) => message.topic.as_deref(),
            CheckIn::CheckOut(message) => message.topic.as_deref(),
            CheckIn::Other { body, .. } => body.get("Topic").and_then(Value::as_str),
            _ => None,
        }
    }

    /// The message as the XML that a device sends.
    ///
    /// # Errors
    /// [`plist::Error`] when a text cannot be written in XML.
    pub fn to_xml(&self) -> Result<Vec<u8>, plist::Error> {
        plist::to_xml(&self.to_dictionary().into())
    }
}

#[cfg(test)]
mod tests;
