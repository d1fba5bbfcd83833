//! JSON as dictionaries, bounded, with the place of every fault.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::limits::Limits;
use crate::plist::{Dictionary, Path, Value};

/// Why bytes are no JSON document that a property list can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// More bytes than the limits allow.
    #[error("the JSON document has {length} bytes, more than the limit of {limit}")]
    TooLong {
        /// How many there are.
        length: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// What cannot be read, and where.
    #[error("{fault} at byte {at} (line {line}, column {column}){}", Within(path))]
    Malformed {
        /// What is wrong.
        fault: JsonFault,
        /// The offset at which it was noticed, from the first byte of the input.
        at: usize,
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 before the first.
        column: usize,
        /// The value that is wrong, or the innermost one that holds the fault.
        path: Path,
    },
    /// The document is not an object.
    #[error("the JSON document is {0}, not an object")]
    NotAnObject(&'static str),
}

/// What is wrong with a JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFault {
    /// Not JSON (RFC 8259), cut off, not UTF-8, or nested deeper than 127 levels.
    #[error("not well-formed JSON")]
    Syntax,
    /// `null`, which property lists do not have.
    #[error("null, which property lists do not have,")]
    Null,
    /// A key that its object holds already.
    #[error("a key that comes twice")]
    DuplicateKey,
    /// A whole number that 64 bits do not hold.
    #[error("a whole number that 64 bits do not hold")]
    Number,
    /// Deeper nesting than the limit.
    #[error("nested deeper than the limit of {0},")]
    TooDeep(usize),
    /// More values than the limit.
    #[error("more values than the limit of {0},")]
    TooMany(usize),
}

struct Within<'a>(&'a Path);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_root() { Ok(()) } else { write!(f, ", in {}", self.0) }
    }
}

/// Reads a JSON object as a dictionary. Text stays text: [`Table::typed`](super::Table::typed) turns it into what the schema says.
pub(crate) fn parse_json(bytes: &[u8], limits: &Limits) -> Result<Dictionary, JsonError> {
    if bytes.len() > limits.max_bytes {
        return Err(JsonError::TooLong { length: bytes.len(), limit: limits.max_bytes });
    }
    let state = State {
        limits: *limits,
        items: Cell::new(0),
        oversized: holds_oversized_number(bytes),
        fault: Cell::new(JsonFault::Syntax),
        path: RefCell::new(Path::root()),
    };
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let read = Node { state: Some(&state), depth: 0 }.deserialize(&mut parser).and_then(|value| parser.end().map(|()| value));
    match read {
        Ok(Value::Dictionary(entries)) => Ok(entries),
        Ok(other) => Err(JsonError::NotAnObject(other.kind())),
        Err(error) => Err(JsonError::Malformed {
            fault: state.fault.get(),
            at: offset(bytes, error.line(), error.column()),
            line: error.line(),
            column: error.column(),
            path: state.path.take(),
        }),
    }
}

/// The offset of a column of a line, both counted from 1, in bytes.
fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let before = bytes.split_inclusive(|octet| *octet == b'\n').take(line.saturating_sub(1));
    before.map(<[u8]>::len).sum::<usize>().saturating_add(column.saturating_sub(1))
}

/// Whether some whole number has more digits than 64 bits hold. The parser would round it and call it real.
fn holds_oversized_number(bytes: &[u8]) -> bool {
    let mut rest = bytes.iter().copied();
    let mut digits = Vec::with_capacity(20);
    loop {
        let next = rest.next();
        match next {
            Some(octet @ (b'0'..=b'9' | b'-')) if digits.len() <= 20 => digits.push(octet),
            Some(b'0'..=b'9' | b'-') => {}
            // A fraction or an exponent: a real, whatever came before. Its own digits are few enough to pass, or looked at in vain.
            Some(b'.' | b'e' | b'E') => digits.clear(),
            _ => {
                let text = std::str::from_utf8(&digits).unwrap_or_default();
                if digits.len() > 18 && text.parse::<i64>().is_err() && text.parse::<u64>().is_err() {
                    return true;
                }
                digits.clear();
            }
        }
        match next {
            None => return false,
            // A text: up to its end, over escaped quotes.
            Some(b'"') => loop {
                match rest.next() {
                    None | Some(b'"') => break,
                    Some(b'\\') => drop(rest.next()),
                    Some(_) => {}
                }
            },
            Some(_) => {}
        }
    }
}

/// What is counted while a document is read, and what was found wrong.
struct State {
    limits: Limits,
    items: Cell<usize>,
    oversized: bool,
    fault: Cell<JsonFault>,
    path: RefCell<Path>,
}

/// One value. Without a state it is of another format than JSON, whose reader has limits of its own.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    state: Option<&'a State>,
    depth: usize,
}

impl Node<'_> {
    /// A value of any format that tells the types of its values by itself.
    pub(super) const UNBOUND: Node<'static> = Node { state: None, depth: 0 };

    fn fault<E: serde::de::Error>(&self, fault: JsonFault) -> E {
        if let Some(state) = self.state {
            state.fault.set(fault);
        }
        E::custom(fault)
    }

    /// The fault of a value, on its way out through the container that holds it.
    fn within<E>(&self, step: impl FnOnce(Path) -> Path) -> impl FnOnce(E) -> E {
        move |error| {
            if let Some(state) = self.state {
                state.path.replace_with(|path| step(std::mem::take(path)));
            }
            error
        }
    }

    /// The values of a container.
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.state {
            Some(state) if self.depth >= state.limits.max_depth => Err(self.fault(JsonFault::TooDeep(state.limits.max_depth))),
            _ => Ok(Node { depth: self.depth.saturating_add(1), ..self }),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if let Some(state) = self.state {
            let items = state.items.get();
            if items >= state.limits.max_items {
                return Err(self.fault(JsonFault::TooMany(state.limits.max_items)));
            }
            state.items.set(items.saturating_add(1));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that a property list can hold")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Err(self.fault(JsonFault::Null))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        // 2^63: a whole number below was read as one.
        const WHOLE: f64 = 9_223_372_036_854_775_808.0;
        match self.state {
            Some(State { oversized: true, .. }) if number.abs() >= WHOLE => Err(self.fault(JsonFault::Number)),
            _ => Ok(number.into()),
        }
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E>(self, octets: &[u8]) -> Result<Value, E> {
        Ok(octets.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inner).map_err(self.within(|path| path.under_index(items.len())))? {
            items.push(item);
        }
        items.shrink_to_fit();
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut entries: Vec<(String, Value)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let under = |path: Path| path.under_key(&name);
            let twice = match entries.len() {
                // Most objects are small; comparing with each needs no memory.
                0..16 => entries.iter().any(|(known, _)| *known == name),
                16 => {
                    seen.extend(entries.iter().map(|(known, _)| known.clone()));
                    !seen.insert(name.clone())
                }
                _ => !seen.insert(name.clone()),
            };
            if twice {
                return Err(self.within(under)(self.fault(JsonFault::DuplicateKey)));
            }
            let value = map.next_value_seed(inner).map_err(self.within(under))?;
            entries.push((name, value));
        }
        entries.shrink_to_fit();
        Ok(Dictionary::from_distinct(entries).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Dictionary, JsonError> {
        parse_json(text.as_bytes(), &Limits::MESSAGE.depth(3).items(8))
    }

    fn fault(text: &str) -> (JsonFault, usize, usize, String) {
        match parse(text) {
            Err(JsonError::Malformed { fault, line, column, path, .. }) => (fault, line, column, path.to_string()),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_fault_is_told_with_its_place_and_key_path() {
        assert_eq!(fault("{\"A\":[{\"B\":1},\n{\"B\":null}]}"), (JsonFault::Null, 2, 9, "A[1].B".into()));
        assert_eq!(fault("{\"A\":{\"B\":1,\"B\":2}}"), (JsonFault::DuplicateKey, 1, 15, "A.B".into()));
        assert_eq!(fault("{\"A\":[tru]}"), (JsonFault::Syntax, 1, 10, "A[0]".into()));
        assert_eq!(fault("{\"A\":[[[1]]]}").0, JsonFault::TooDeep(3));
        assert_eq!(fault("{\"A\":[1,2,3,4,5,6,7]}"), (JsonFault::TooMany(8), 1, 18, "A[6]".into()));
        assert_eq!(fault("{\"A\":1").0, JsonFault::Syntax);
        assert_eq!(fault("{} {}").0, JsonFault::Syntax);
        let error = parse("{\"A\":{\"B\":null}}").unwrap_err().to_string();
        assert_eq!(offset(b"{\n \"A\": x}", 2, 7), 8);
        assert_eq!(error, "null, which property lists do not have, at byte 13 (line 1, column 14), in A.B");
    }

    #[test]
    fn a_key_that_comes_twice_is_found_among_many() {
        let many: String = (0..40).map(|number| format!("\"{number}\":0,")).collect();
        let twice = parse_json(format!("{{{many}\"20\":1}}").as_bytes(), &Limits::MESSAGE).unwrap_err();
        assert!(
            matches!(&twice, JsonError::Malformed { fault: JsonFault::DuplicateKey, path, .. } if path.to_string() == "20")
        );
        assert_eq!(parse_json(format!("{{{many}\"40\":1}}").as_bytes(), &Limits::MESSAGE).map(|all| all.len()), Ok(41));
    }

    #[test]
    fn a_whole_number_is_read_exactly_or_refused() {
        let read = |text: &str| parse(&format!("{{\"A\":[\"9{0}9\",{text}]}}", "9".repeat(40)));
        for (text, value) in [
            ("9223372036854775807", Value::Integer(i64::MAX)),
            ("-9223372036854775808", Value::Integer(i64::MIN)),
            ("18446744073709551615", Value::Unsigned(u64::MAX)),
            ("1e300", Value::Real(1e300)),
            ("12345678901234567890.5", Value::Real(12345678901234567890.5)),
            ("0.1234567890123456789012345", Value::Real(0.123_456_789_012_345_68)),
        ] {
            assert_eq!(read(text).unwrap().get("A").unwrap().as_array().unwrap()[1], value, "{text}");
        }
        for text in ["18446744073709551616", "-9223372036854775809", &"9".repeat(300)] {
            assert_eq!(fault(&format!("{{\"A\":[{text}]}}")).3, "A[0]", "{text}");
            assert_eq!(fault(&format!("{{\"A\":{text}}}")).0, JsonFault::Number, "{text}");
        }
        assert_eq!(fault("{\"A\":1e999}").0, JsonFault::Syntax);
    }
}
