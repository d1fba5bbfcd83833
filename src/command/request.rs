//! Commands: an identifier and a typed request.

use super::Error;
use super::*;
use crate::id::CommandUuid;
use crate::limits::Limits;
use crate::plist::{self, Dictionary, Value};
use crate::schema::generated::command::each_command;
use crate::schema::{Described, Empty, Record, Table};

/// A request that this crate knows, and the record that answers it.
pub trait Typed: Record {
    /// `RequestType`.
    const REQUEST_TYPE: &'static str;
    /// What an acknowledging report carries; [`Empty`] when the schema names nothing.
    type Answer: Record;
}

macro_rules! requests {
    ($($name:ident => $answer:ident,)*) => {
        $(
            impl Typed for $name {
                const REQUEST_TYPE: &'static str = stringify!($name);
                type Answer = $answer;
            }

            impl From<$name> for Request {
                fn from(request: $name) -> Self {
                    Request::new(stringify!($name), request.to_dictionary())
                }
            }
        )*

        /// Every request that this crate knows: its `RequestType` and the schema of its keys.
        pub const REQUESTS: &[(&str, fn() -> &'static Table)] = &[$((stringify!($name), <$name as Record>::table)),*];

        /// The schema of what answers each of them; that of [`Empty`] where Apple names nothing.
        pub const ANSWERS: &[(&str, fn() -> &'static Table)] = &[$((stringify!($name), <$answer as Record>::table)),*];
    };
}

each_command!(requests);

/// What a command asks for, as it is sent: a type and keys. Made from a typed request, or of any type and keys for what is newer
/// than this crate. A program carries the code of those typed requests only that it uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    request_type: String,
    body: Dictionary,
}

impl Request {
    /// A request of any type. A `RequestType` among the keys is dropped: the type given counts.
    pub fn new(request_type: impl Into<String>, mut body: Dictionary) -> Self {
        body.remove("RequestType");
        Request { request_type: request_type.into(), body }
    }

    /// `RequestType`.
    pub fn request_type(&self) -> &str {
        &self.request_type
    }

    /// The keys of the request, without its type.
    pub const fn body(&self) -> &Dictionary {
        &self.body
    }

    /// The request as the typed one, when it is of that type.
    pub fn read<R: Typed>(&self) -> Option<R> {
        (self.request_type == R::REQUEST_TYPE).then(|| R::from_dictionary(self.body.clone()))
    }

    /// The schema of the request's keys, when this crate knows its type.
    pub fn table(&self) -> Option<&'static Table> {
        REQUESTS.iter().find(|(name, _)| *name == self.request_type).map(|(_, table)| table())
    }

    /// The request as the dictionary under `Command`: its type, then its keys.
    pub fn to_dictionary(&self) -> Dictionary {
        let head = [("RequestType".to_owned(), Value::from(self.request_type()))];
        let body = self.body.iter().map(|(key, value)| (key.to_owned(), value.clone()));
        Dictionary::from_distinct(head.into_iter().chain(body).collect())
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
        Ok(Command { uuid: uuid.into(), request: Request::new(request_type, body), extra })
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

/// A command of any type, one that this crate does not know among them.
#[cfg(any(test, feature = "arbitrary"))]
impl<'a> arbitrary::Arbitrary<'a> for Command {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (kind, body) = crate::schema::arbitrary::one_of(REQUESTS, u)?;
        let uuid = crate::plist::arbitrary::text(u)?;
        Ok(Command::new(uuid, Request::new(kind.unwrap_or("NewInTheNextVersion"), body)))
    }
}

impl Described for Request {
    fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary)) {
        each("Command", self.table().as_slice(), &self.body);
    }
}

impl Described for Command {
    fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary)) {
        self.request.describe(each);
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
