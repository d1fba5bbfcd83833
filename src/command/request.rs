//! Commands: an identifier and a typed request.

use super::Error;
use super::*;
use crate::id::CommandUuid;
use crate::limits::Limits;
use crate::plist::{self, Dictionary, Value};
use crate::schema::generated::command::each_command;
use crate::schema::{Empty, Mismatch, Record};

/// A request that this crate knows, and the record that answers it.
pub trait Typed: Record + Into<Request> {
    /// `RequestType`.
    const REQUEST_TYPE: &'static str;
    /// What an acknowledging report carries; [`Empty`] when the schema names nothing.
    type Answer: Record;
}

macro_rules! requests {
    ($($name:ident => $answer:ident,)*) => {
        /// What a command asks for.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Request {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                $name(Box<$name>),
            )*
            /// A request of any type, as it is to be sent: for what is newer than this crate.
            Raw {
                /// `RequestType`.
                request_type: String,
                /// The other keys of the request.
                body: Dictionary,
            },
        }

        impl Request {
            fn typed(request_type: String, body: Dictionary) -> Self {
                match request_type.as_str() {
                    $(stringify!($name) => Request::$name(Box::new(Record::from_dictionary(body))),)*
                    _ => Request::Raw { request_type, body },
                }
            }

            /// `RequestType`.
            pub fn request_type(&self) -> &str {
                match self {
                    $(Request::$name(_) => stringify!($name),)*
                    Request::Raw { request_type, .. } => request_type,
                }
            }

            /// The keys of the request, without its type.
            fn body(&self) -> Dictionary {
                match self {
                    $(Request::$name(request) => request.to_dictionary(),)*
                    Request::Raw { body, .. } => body.clone(),
                }
            }

            /// Values that are not of the type that the schema gives their key.
            pub fn mismatches(&self) -> Vec<Mismatch> {
                match self {
                    $(Request::$name(request) => request.mismatches(),)*
                    Request::Raw { .. } => Vec::new(),
                }
            }
        }

        $(
            impl Typed for $name {
                const REQUEST_TYPE: &'static str = stringify!($name);
                type Answer = $answer;
            }

            impl From<$name> for Request {
                fn from(request: $name) -> Self {
                    Request::$name(Box::new(request))
                }
            }
        )*
    };
}

each_command!(requests);

impl Request {
    /// The request as the dictionary under `Command`: its type, then its keys.
    pub fn to_dictionary(&self) -> Dictionary {
        let mut entries = Dictionary::from_iter([("RequestType", self.request_type())]);
        for (key, value) in self.body() {
            // Only a raw body can hold a second type; the request's own is the one that counts.
            if key != "RequestType" {
                entries.insert(key, value);
            }
        }
        entries
    }
}

/// A command: what is asked, and the name under which the device answers.
///
/// ```
/// use mdm_core::command::{Command, DeviceInformation, DeviceInformationQueries};
///
/// let command = Command::new(
///     "0001_DeviceInformation",
///     DeviceInformation {
///         queries: Some(vec![DeviceInformationQueries::OS_VERSION, DeviceInformationQueries::SERIAL_NUMBER]),
///         ..DeviceInformation::default()
///     },
/// );
/// let body = command.to_xml()?;
/// assert!(String::from_utf8_lossy(&body).contains("<string>OSVersion</string>"));
/// # Ok::<(), mdm_core::plist::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Command {
    /// `CommandUUID`: unique among the commands of a device, chosen by the host.
    pub uuid: CommandUuid,
    /// What is asked.
    pub request: Request,
    /// Other keys beside `Command` and `CommandUUID`.
    pub extra: Dictionary,
}

impl Command {
    /// A command of this name.
    pub fn new(uuid: impl Into<CommandUuid>, request: impl Into<Request>) -> Self {
        Command { uuid: uuid.into(), request: request.into(), extra: Dictionary::new() }
    }

    /// Reads a command, as a host stored it or another server wrote it.
    ///
    /// # Errors
    /// [`Error`] when it is no property list, or says no `CommandUUID` or `RequestType`.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, Error> {
        Self::from_value(plist::parse(body, limits)?)
    }

    /// From a property list that was read already.
    ///
    /// # Errors
    /// [`Error`] when it says no `CommandUUID` or `RequestType`.
    pub fn from_value(value: Value) -> Result<Self, Error> {
        let mut extra = dictionary(value, "the message")?;
        let uuid = text(&mut extra, "CommandUUID")?;
        let request = extra.remove("Command").ok_or(Error::Missing("Command"))?;
        let mut body = dictionary(request, "Command")?;
        let request_type = text(&mut body, "RequestType")?;
        Ok(Command { uuid: uuid.into(), request: Request::typed(request_type, body), extra })
    }

    /// The command as a dictionary.
    pub fn to_dictionary(&self) -> Dictionary {
        let mut entries = Dictionary::new();
        entries.insert("Command", self.request.to_dictionary());
        entries.insert("CommandUUID", self.uuid.as_str());
        for (key, value) in self.extra.iter() {
            if entries.get(key).is_none() {
                entries.insert(key, value.clone());
            }
        }
        entries
    }

    /// The command as a property list.
    pub fn to_plist(&self) -> Value {
        self.to_dictionary().into()
    }

    /// The command as the body of an HTTP response.
    ///
    /// # Errors
    /// [`plist::Error`] when a text cannot be written in XML.
    pub fn to_xml(&self) -> Result<Vec<u8>, plist::Error> {
        plist::to_xml(&self.to_plist())
    }
}

pub(super) fn dictionary(value: Value, at: &'static str) -> Result<Dictionary, Error> {
    match value {
        Value::Dictionary(entries) => Ok(entries),
        other => Err(Error::NotADictionary { at, found: other.kind() }),
    }
}

/// Takes a text out of a dictionary.
fn text(entries: &mut Dictionary, key: &'static str) -> Result<String, Error> {
    match entries.remove(key) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Error::Missing(key)),
    }
}
