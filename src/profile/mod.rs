//! Configuration profiles: payloads in order, typed and raw.
//!
//! Owns the reading and writing of a profile that is neither signed nor encrypted, and the enrollment profile that a server must
//! compose ([`Enrollment`]). Refused is what is no dictionary; a payload of a type that this crate does not know is kept as it is.

mod enrollment;

use crate::limits::Limits;
use crate::plist::{self, Dictionary, Value};
#[cfg(feature = "profiles")]
use crate::schema::generated::payload::each_payload;
use crate::schema::generated::profile::each_enrollment_payload;
use crate::schema::{Described, Mismatch, Record, Table, is_bloated};

#[cfg(feature = "profiles")]
pub use crate::schema::generated::payload::*;
pub use crate::schema::generated::profile::*;
pub use enrollment::{Enrollment, Rights, ScepIdentity, ScepOptions, uuid};

/// Why bytes are no profile.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no property list, or pass a limit. A signed profile must be opened first.
    #[error("the profile is no property list: {0}")]
    Plist(#[from] plist::Error),
    /// The outermost node is not a dictionary.
    #[error("the profile is {0}, not a dictionary")]
    NotADictionary(&'static str),
    /// Thousands of payloads with hardly a key in them, which nobody makes but to fill a server's memory.
    #[error("the profile has {0} payloads and hardly a key in them")]
    EmptyPayloads(usize),
}

/// The typed content of a payload: its keys besides those that every payload has.
pub trait Content: Record {
    /// `PayloadType`.
    const PAYLOAD_TYPE: &'static str;
}

macro_rules! payloads {
    ($list:ident: $($name:ident = $kind:literal,)*) => {
        $(
            impl Content for $name {
                const PAYLOAD_TYPE: &'static str = $kind;
            }
        )*

        const $list: &[(&str, fn() -> &'static Table)] = &[$(($kind, <$name as Record>::table)),*];
    };
}

macro_rules! enrollment_payloads {
    ($($row:tt)*) => { payloads! { ENROLLMENT_PAYLOADS: $($row)* } };
}
each_enrollment_payload!(enrollment_payloads);

#[cfg(feature = "profiles")]
macro_rules! other_payloads {
    ($($row:tt)*) => { payloads! { OTHER_PAYLOADS: $($row)* } };
}
#[cfg(feature = "profiles")]
each_payload!(other_payloads);
#[cfg(not(feature = "profiles"))]
#[allow(clippy::type_complexity, reason = "a list of names and what they stand for")]
const OTHER_PAYLOADS: &[(&str, fn() -> &'static Table)] = &[];

/// The schemas of a payload type. Several where Apple describes one type in parts (`com.apple.MCX`), none for a type that this
/// crate does not know.
pub fn tables(payload_type: &str) -> impl Iterator<Item = &'static Table> {
    let all = ENROLLMENT_PAYLOADS.iter().chain(OTHER_PAYLOADS);
    all.filter(move |(kind, _)| *kind == payload_type).map(|(_, table)| table())
}

/// One payload of a profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payload {
    /// The keys that every payload has. Its `extra` is the content.
    pub envelope: PayloadEnvelope,
}

impl Payload {
    /// A payload with typed content. The identifier is unique within the profile, the UUID everywhere ([`uuid()`]).
    pub fn new<C: Content>(content: &C, identifier: impl Into<String>, uuid: impl Into<String>) -> Self {
        Payload::raw(C::PAYLOAD_TYPE, content.to_dictionary(), identifier, uuid)
    }

    /// A payload of any type and keys.
    pub fn raw(
        payload_type: impl Into<String>,
        content: Dictionary,
        identifier: impl Into<String>,
        uuid: impl Into<String>,
    ) -> Self {
        Payload {
            envelope: PayloadEnvelope {
                payload_type: Some(payload_type.into()),
                payload_identifier: Some(identifier.into()),
                payload_uuid: Some(uuid.into()),
                payload_version: Some(1),
                extra: content,
                ..PayloadEnvelope::default()
            },
        }
    }

    /// The same payload with a name that people see.
    #[must_use]
    pub fn named(mut self, display_name: impl Into<String>) -> Self {
        self.envelope.payload_display_name = Some(display_name.into());
        self
    }

    /// `PayloadType`; empty when it is absent.
    pub fn payload_type(&self) -> &str {
        self.envelope.payload_type.as_deref().unwrap_or_default()
    }

    /// The keys besides those that every payload has.
    pub const fn content(&self) -> &Dictionary {
        &self.envelope.extra
    }

    /// The content as the typed one, when it is of that type.
    pub fn read<C: Content>(&self) -> Option<C> {
        (self.payload_type() == C::PAYLOAD_TYPE).then(|| C::from_dictionary(self.content().clone()))
    }

    /// The payload as a dictionary.
    pub fn to_dictionary(&self) -> Dictionary {
        self.envelope.to_dictionary()
    }
}

impl From<Dictionary> for Payload {
    fn from(entries: Dictionary) -> Self {
        Payload { envelope: PayloadEnvelope::from_dictionary(entries) }
    }
}

/// A configuration profile.
///
/// ```
/// use mdm_core::profile::{CertificateRoot, Payload, Profile, uuid};
///
/// let root = CertificateRoot { payload_content: Some(b"DER of a certificate".to_vec()), ..CertificateRoot::default() };
/// let profile = Profile::new("com.example.trust", uuid([7; 16]))
///     .named("Example trust")
///     .with(Payload::new(&root, "com.example.trust.root", uuid([8; 16])));
/// let read = Profile::parse(&profile.to_xml()?, &Default::default())?;
/// assert_eq!(read.payloads[0].read::<CertificateRoot>(), Some(root));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The keys around the payloads. Its `payload_content` is `Some` of an empty list when the profile has that key.
    pub envelope: ProfileEnvelope,
    /// `PayloadContent`, in order.
    pub payloads: Vec<Payload>,
}

impl Profile {
    /// A profile without payloads. A profile with the identifier of an installed one replaces it.
    pub fn new(identifier: impl Into<String>, uuid: impl Into<String>) -> Self {
        Profile {
            envelope: ProfileEnvelope {
                payload_type: Some("Configuration".into()),
                payload_version: Some(1),
                payload_identifier: Some(identifier.into()),
                payload_uuid: Some(uuid.into()),
                payload_content: Some(Vec::new()),
                ..ProfileEnvelope::default()
            },
            payloads: Vec::new(),
        }
    }

    /// The same profile with a name that people see.
    #[must_use]
    pub fn named(mut self, display_name: impl Into<String>) -> Self {
        self.envelope.payload_display_name = Some(display_name.into());
        self
    }

    /// The same profile with one more payload.
    #[must_use]
    pub fn with(mut self, payload: Payload) -> Self {
        self.payloads.push(payload);
        self
    }

    /// Reads a profile, XML or binary.
    ///
    /// # Errors
    /// [`Error`] when it is no property list with a dictionary.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        Self::from_value(plist::parse(bytes, limits)?)
    }

    /// From a property list that was read already.
    ///
    /// # Errors
    /// [`Error::NotADictionary`] for anything else than a dictionary, [`Error::EmptyPayloads`].
    pub fn from_value(value: Value) -> Result<Self, Error> {
        let Value::Dictionary(entries) = value else { return Err(Error::NotADictionary(value.kind())) };
        let mut envelope = ProfileEnvelope::from_dictionary(entries);
        let payloads = envelope.payload_content.as_mut().map(std::mem::take).unwrap_or_default();
        if is_bloated(size_of::<Payload>(), &mut payloads.iter().map(Dictionary::len)) {
            return Err(Error::EmptyPayloads(payloads.len()));
        }
        Ok(Profile { envelope, payloads: payloads.into_iter().map(Payload::from).collect() })
    }

    /// The profile as a dictionary.
    pub fn to_dictionary(&self) -> Dictionary {
        let mut entries = self.envelope.to_dictionary();
        if !self.payloads.is_empty() {
            let payloads: Vec<Value> = self.payloads.iter().map(|payload| payload.to_dictionary().into()).collect();
            entries.insert("PayloadContent", payloads);
        }
        entries
    }

    /// Values that are not of the type that the schema gives their key, in the profile and in payloads of known types.
    pub fn mismatches(&self) -> Vec<Mismatch> {
        let mut found = self.envelope.mismatches();
        for (at, payload) in self.payloads.iter().enumerate() {
            // A type that is described in parts is wrong only where every part says so of the same key; each part knows
            // other keys, so the findings are added up.
            let content = tables(payload.payload_type()).flat_map(|table| table.mismatches(payload.content()));
            for mut mismatch in payload.envelope.mismatches().into_iter().chain(content) {
                mismatch.path = format!("PayloadContent[{at}].{}", mismatch.path);
                found.push(mismatch);
            }
        }
        found
    }

    /// The profile as XML, as it is installed or signed.
    ///
    /// # Errors
    /// [`plist::Error`] when a text cannot be written in XML.
    pub fn to_xml(&self) -> Result<Vec<u8>, plist::Error> {
        plist::to_xml(&self.to_dictionary().into())
    }
}

/// A profile with payloads of any types, some that this crate does not know among them.
#[cfg(any(test, feature = "arbitrary"))]
impl<'a> arbitrary::Arbitrary<'a> for Profile {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let known: Vec<_> = ENROLLMENT_PAYLOADS.iter().chain(OTHER_PAYLOADS).copied().collect();
        let mut envelope = ProfileEnvelope::arbitrary(u)?;
        envelope.payload_content = Some(Vec::new());
        let mut payloads = Vec::new();
        while crate::plist::arbitrary::more(u)? {
            let (kind, mut entries) = crate::schema::arbitrary::one_of(&known, u)?;
            for (key, value) in PayloadEnvelope::arbitrary(u)?.to_dictionary() {
                entries.insert(key, value);
            }
            entries.insert("PayloadType", kind.unwrap_or("com.example.next"));
            payloads.push(Payload::from(entries));
        }
        Ok(Profile { envelope, payloads })
    }
}

impl Described for Payload {
    fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary)) {
        let tables: Vec<_> = tables(self.payload_type()).collect();
        each("", &tables, self.content());
    }
}

impl Described for Profile {
    fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary)) {
        let envelope = ProfileEnvelope { payload_content: Some(Vec::new()), ..self.envelope.clone() };
        each("", &[ProfileEnvelope::table()], &envelope.to_dictionary());
        for (at, payload) in self.payloads.iter().enumerate() {
            let path = format!("PayloadContent[{at}]");
            payload.describe(&mut |_, tables, entries| each(&path, tables, entries));
        }
    }
}

#[cfg(test)]
mod tests;
