//! The tree that a property list is.

use std::fmt;

use crate::time::Timestamp;

/// One node of a property list.
#[derive(Clone, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "the format has no other nodes")]
pub enum Value {
    /// `<true/>` or `<false/>`.
    Boolean(bool),
    /// `<integer>` that fits 64 bits with a sign.
    Integer(i64),
    /// `<integer>` above [`i64::MAX`]; never a smaller one, so that equal numbers are equal values.
    Unsigned(u64),
    /// `<real>`.
    Real(f64),
    /// `<string>`.
    String(String),
    /// `<data>`.
    Data(Vec<u8>),
    /// `<date>`, whole seconds.
    Date(Timestamp),
    /// `<array>`.
    Array(Vec<Value>),
    /// `<dict>`.
    Dictionary(Dictionary),
}

/// A `<dict>`: keys in the order in which they came, each once.
#[derive(Clone, Default, PartialEq)]
pub struct Dictionary {
    entries: Vec<(String, Value)>,
}

impl Dictionary {
    /// A dictionary without keys.
    pub const fn new() -> Self {
        Dictionary { entries: Vec::new() }
    }

    /// From entries that a reader has already found to be distinct.
    pub(crate) fn from_distinct(entries: Vec<(String, Value)>) -> Self {
        Dictionary { entries }
    }

    /// From entries that may hold a key twice, in no more than `n log n` steps.
    ///
    /// # Errors
    /// A key that comes twice.
    pub(super) fn from_entries(entries: Vec<(String, Value)>) -> Result<Self, String> {
        match repeated(&entries) {
            Some(key) => Err(key.to_owned()),
            None => Ok(Self::from_distinct(entries)),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Sets a key: at its place when it is there, else at the end. Gives the value that it had.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.entries.iter_mut().find(|(name, _)| *name == key) {
            Some((_, slot)) => Some(std::mem::replace(slot, value)),
            None => {
                self.entries.push((key, value));
                None
            }
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(at).1)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A key that comes twice.
fn repeated(entries: &[(String, Value)]) -> Option<&str> {
    // Most dictionaries are small; comparing each with each needs no memory.
    const SMALL: usize = 16;
    if entries.len() <= SMALL {
        let earlier = |at: usize, key: &String| entries.iter().take(at).any(|(name, _)| name == key);
        return entries.iter().enumerate().find_map(|(at, (key, _))| earlier(at, key).then_some(key.as_str()));
    }
    let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable_by_key(|key| (key.len(), *key));
    keys.windows(2).find_map(|pair| if let [one, next] = pair { (one == next).then_some(*one) } else { None })
}

impl IntoIterator for Dictionary {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Dictionary {
    /// A key that comes again replaces the earlier value.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut dictionary = Dictionary::new();
        for (key, value) in entries {
            dictionary.insert(key, value);
        }
        dictionary
    }
}

impl Value {
    /// What kind of node this is, as the element's name in XML.
    pub const fn kind(&self) -> &'static str {
        match self {
            Value::Boolean(_) => "boolean",
            Value::Integer(_) | Value::Unsigned(_) => "integer",
            Value::Real(_) => "real",
            Value::String(_) => "string",
            Value::Data(_) => "data",
            Value::Date(_) => "date",
            Value::Array(_) => "array",
            Value::Dictionary(_) => "dict",
        }
    }

    /// The text, when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The octets, when this is data.
    pub fn as_data(&self) -> Option<&[u8]> {
        if let Value::Data(octets) = self { Some(octets) } else { None }
    }

    /// The truth value, when this is a boolean.
    pub const fn as_boolean(&self) -> Option<bool> {
        if let Value::Boolean(truth) = self { Some(*truth) } else { None }
    }

    /// The number, when this is an integer within 64 bits with a sign.
    pub const fn as_integer(&self) -> Option<i64> {
        if let Value::Integer(number) = self { Some(*number) } else { None }
    }

    /// The items, when this is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Value::Array(items) = self { Some(items) } else { None }
    }

    /// The dictionary, when this is one.
    pub const fn as_dictionary(&self) -> Option<&Dictionary> {
        if let Value::Dictionary(dictionary) = self { Some(dictionary) } else { None }
    }
}

macro_rules! from {
    ($($source:ty => |$value:ident| $made:expr;)*) => {$(
        impl From<$source> for Value {
            fn from($value: $source) -> Self {
                $made
            }
        }
    )*};
}

from! {
    bool => |truth| Value::Boolean(truth);
    i64 => |number| Value::Integer(number);
    i32 => |number| Value::Integer(number.into());
    u32 => |number| Value::Integer(number.into());
    u64 => |number| i64::try_from(number).map_or(Value::Unsigned(number), Value::Integer);
    f64 => |number| Value::Real(number);
    &str => |text| Value::String(text.to_owned());
    String => |text| Value::String(text);
    Vec<u8> => |octets| Value::Data(octets);
    &[u8] => |octets| Value::Data(octets.to_vec());
    Timestamp => |at| Value::Date(at);
    Vec<Value> => |items| Value::Array(items);
    Dictionary => |dictionary| Value::Dictionary(dictionary);
}

impl fmt::Debug for Value {
    /// Data is shown by its length: it may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(truth) => write!(f, "{truth}"),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Unsigned(number) => write!(f, "{number}"),
            Value::Real(number) => write!(f, "{number:?}"),
            Value::String(text) => write!(f, "{text:?}"),
            Value::Data(octets) => write!(f, "<{} bytes>", octets.len()),
            Value::Date(at) => write!(f, "{at}"),
            Value::Array(items) => f.debug_list().entries(items).finish(),
            Value::Dictionary(dictionary) => fmt::Debug::fmt(dictionary, f),
        }
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_where_they_came() {
        let mut dictionary = Dictionary::from_iter([("b", 1), ("a", 2), ("b", 3)]);
        assert_eq!(dictionary.insert("c", "x"), None);
        assert_eq!(dictionary.insert("a", true), Some(2.into()));
        assert_eq!(format!("{dictionary:?}"), r#"{"b": 3, "a": true, "c": "x"}"#);
        assert_eq!(dictionary.remove("b"), Some(3.into()));
        assert_eq!(dictionary.remove("b"), None);
        assert_eq!((dictionary.len(), dictionary.is_empty(), dictionary.get("b")), (2, false, None));
        let keys: Vec<String> = dictionary.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a", "c"]);
    }

    #[test]
    fn equal_numbers_are_equal_values() {
        assert_eq!(Value::from(5_u64), Value::from(5_i64));
        assert_eq!(Value::from(u64::MAX), Value::Unsigned(u64::MAX));
        assert_eq!(Value::from(5_u32).as_integer(), Some(5));
        assert_eq!(Value::from(u64::MAX).as_integer(), None);
    }

    #[test]
    fn data_is_not_shown() {
        let token = Value::from(vec![Value::from(vec![1, 2, 3]), Value::from(0.5)]);
        assert_eq!(format!("{token:?}"), "[<3 bytes>, 0.5]");
    }

    #[test]
    fn each_view_fits_one_kind() {
        let dictionary = Dictionary::from_iter([("k", 1)]);
        assert_eq!(Value::from("x").as_str(), Some("x"));
        assert_eq!(Value::from("x").as_data(), None);
        assert_eq!(Value::from(vec![1]).as_data(), Some(&[1][..]));
        assert_eq!(Value::from(true).as_boolean(), Some(true));
        assert_eq!(Value::from(vec![Value::from(1)]).as_array(), Some(&[Value::from(1)][..]));
        assert_eq!(Value::from(dictionary.clone()).as_dictionary(), Some(&dictionary));
        assert_eq!(Value::from(Timestamp::MIN).kind(), "date");
    }
}
