//! Property lists as JSON, without what must stay secret.

use mdm_core::declaration::Document as _;
use mdm_core::limits::Limits;
use mdm_core::plist::{self, Dictionary, Value};
use mdm_core::schema::Empty;
use mdm_core::x509::Certificate;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// A property list, shown. Data that is a property list or a certificate is shown as that, other data by its length, since it may be a
/// token; text under a key that sounds like a secret by its length as well.
pub struct Shown<'a> {
    value: &'a Value,
    secret: bool,
    /// How many property lists may still be unpacked from data within data.
    unpack: u8,
}

impl<'a> Shown<'a> {
    pub fn new(value: &'a Value) -> Self {
        Shown { value, secret: false, unpack: 3 }
    }

    fn inner(&self, value: &'a Value, secret: bool) -> Shown<'a> {
        Shown { value, secret, unpack: self.unpack }
    }
}

/// Parts of keys under which secrets stand: challenges of SCEP payloads, passwords and PINs, tokens, PushMagic, recovery keys.
const SECRET: [&str; 11] = [
    "password",
    "passcode",
    "passphrase",
    "token",
    "magic",
    "secret",
    "challenge",
    "privatekey",
    "recoverykey",
    "bypasscode",
    "digestresponse",
];

/// Versions of declarations, which are no secrets.
const VERSIONS: [&str; 3] = ["servertoken", "server-token", "declarationstoken"];

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    if VERSIONS.contains(&key.as_str()) {
        return false;
    }
    key == "pin" || key == "psk" || SECRET.iter().any(|part| key.contains(part))
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Boolean(truth) => serializer.serialize_bool(*truth),
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Unsigned(number) => serializer.serialize_u64(*number),
            Value::Real(number) if !number.is_finite() => serializer.serialize_str(&number.to_string()),
            Value::Real(number) => serializer.serialize_f64(*number),
            Value::String(text) if self.secret => one(serializer, "secretBytes", &text.len()),
            Value::String(text) => serializer.serialize_str(text),
            Value::Date(at) => serializer.serialize_str(&at.to_string()),
            Value::Data(octets) => self.serialize_data(octets, serializer),
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&self.inner(item, self.secret))?;
                }
                list.end()
            }
            Value::Dictionary(entries) => self.serialize_entries(entries, serializer),
        }
    }
}

impl Shown<'_> {
    fn serialize_entries<S: Serializer>(&self, entries: &Dictionary, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(entries.len()))?;
        for (key, value) in entries.iter() {
            map.serialize_entry(key, &self.inner(value, is_secret(key)))?;
        }
        map.end()
    }

    fn serialize_data<S: Serializer>(&self, octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if self.secret {
            return one(serializer, "secretBytes", &octets.len());
        }
        if let Some(unpack) = self.unpack.checked_sub(1)
            && let Ok(value @ Value::Dictionary(_)) = plist::parse(octets, &Limits::MESSAGE)
        {
            return one(serializer, "propertyList", &Shown { value: &value, secret: false, unpack });
        }
        // Declarative management puts JSON into data.
        if let Some(unpack) = self.unpack.checked_sub(1)
            && octets.first() == Some(&b'{')
            && let Ok(document) = Empty::parse_json(octets, &Limits::MESSAGE)
        {
            return one(serializer, "json", &Shown { value: &document.extra.into(), secret: false, unpack });
        }
        match Certificate::from_der(octets) {
            Ok(certificate) => one(serializer, "certificate", &certificate.subject().to_string()),
            Err(_) => one(serializer, "dataBytes", &octets.len()),
        }
    }
}

/// An object with one member, which tells what the value was.
fn one<S: Serializer>(serializer: S, name: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}

/// A whole property list that owns itself.
pub struct Holds(pub Value);

impl Serialize for Holds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shown::new(&self.0).serialize(serializer)
    }
}
