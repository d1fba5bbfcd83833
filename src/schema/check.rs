//! Where a document differs from the schema.

use std::cmp::Ordering;
use std::fmt;

use regex_lite::Regex;

use super::table::{Key, Presence, Rules, Scalar, Shape, Table};
use super::trail::Trail;
use crate::plist::{Dictionary, Value};

/// A value of another type than the schema's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// Where: keys with dots between, items by number: `QueryResponses.ServiceSubscriptions[1].IMEI`.
    pub path: String,
    /// The type that the schema gives.
    pub expected: &'static str,
    /// The type that the value has.
    pub found: &'static str,
}

/// One place where a document differs from the schema.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// Where: keys with dots between, items by number.
    pub path: String,
    /// How.
    pub what: What,
}

/// How a document differs from the schema.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// The schema requires the key.
    Missing,
    /// The schema does not know the key, or the type of the whole document.
    Unknown,
    /// The value is of another type.
    Mistyped {
        /// The type that the schema gives.
        expected: &'static str,
        /// The type that the value has.
        found: &'static str,
    },
    /// The value is not among those listed.
    NotListed,
    /// The number is below the least or above the greatest.
    OutOfRange {
        /// Least.
        min: Option<Scalar>,
        /// Greatest.
        max: Option<Scalar>,
    },
    /// The text is not of this form: a regular expression, or `url` or `hostname`.
    BadFormat(&'static str),
    /// There are more places than are listed.
    More,
    /// The array has too few or too many items.
    BadCount {
        /// Least number of items.
        min: u32,
        /// Greatest number of items.
        max: u32,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        match &self.what {
            What::Missing => f.write_str("required and absent"),
            What::Unknown => f.write_str("unknown to the schema"),
            What::Mistyped { expected, found } => write!(f, "{found} where the schema has {expected}"),
            What::More => f.write_str("further places, which are not listed"),
            What::NotListed => f.write_str("not one of the listed values"),
            What::OutOfRange { .. } => f.write_str("out of range"),
            What::BadFormat(format) => write!(f, "not of the form {format}"),
            What::BadCount { min, max } => write!(f, "must have {min} to {max} items"),
        }
    }
}

/// A document whose parts have schemas: a record, a command, a profile, a declaration.
pub trait Described {
    /// Hands over each part: its path (empty for the whole), the schemas of its type, and its keys. Several schemas where Apple
    /// describes one type in parts, none where the type is newer than this crate.
    fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary));
}

impl<R: super::Record> Described for R {
    fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary)) {
        each("", &[R::table()], &self.to_dictionary());
    }
}

/// Every place where a document differs from the schema: missing, unknown, mistyped and out-of-range keys, at any depth. Of a
/// document with more than [`MOST_FOUND`] of them the first, and [`What::More`].
///
/// What a device sends differs in many places and is right all the same; this is for what a server writes, and for finding out
/// what a new device does.
///
/// ```
/// use mdm_core::command::{Command, DeviceLock, Request};
/// use mdm_core::plist::Dictionary;
/// use mdm_core::schema::{What, check};
///
/// let command = Command::new("1", Request::new("DeviceLock", Dictionary::from_iter([("PIN", 123456)])));
/// let found = check(&command);
/// assert_eq!(found[0].path, "Command.PIN");
/// assert_eq!(found[0].what, What::Mistyped { expected: "string", found: "integer" });
/// ```
pub fn check(document: &dyn Described) -> Vec<Difference> {
    let mut findings = Findings::default();
    document.describe(&mut |path, tables, entries| {
        let mut walk = Walk { trail: Trail::new(path), findings: &mut findings };
        if tables.is_empty() {
            walk.report(What::Unknown);
        }
        walk.record(tables, entries);
    });
    findings.list
}

/// The most places that are listed: a hostile document of a few megabytes could differ in millions.
pub const MOST_FOUND: usize = 100_000;

/// What a walk has found, and what it keeps for the next key.
#[derive(Default)]
struct Findings {
    list: Vec<Difference>,
    /// The patterns that were needed so far; the schema has a dozen.
    patterns: Vec<(&'static str, Option<Regex>)>,
}

impl Findings {
    /// A pattern that cannot be read holds nothing back; a test reads them all.
    fn fits(&mut self, pattern: &'static str, text: &str) -> bool {
        let known = self.patterns.iter().position(|(known, _)| *known == pattern);
        let at = known.unwrap_or_else(|| {
            self.patterns.push((pattern, Regex::new(pattern).ok()));
            self.patterns.len().saturating_sub(1)
        });
        self.patterns.get(at).and_then(|(_, regex)| regex.as_ref()).is_none_or(|regex| regex.is_match(text))
    }
}

impl Table {
    /// Every value of a dictionary, at any depth, that is not of the type that this schema gives its key; where the dictionary
    /// differs in more than [`MOST_FOUND`] places, those among the first.
    pub fn mismatches(&'static self, entries: &Dictionary) -> Vec<Mismatch> {
        let mut findings = Findings::default();
        Walk { trail: Trail::new(""), findings: &mut findings }.record(&[self], entries);
        let mistyped = findings.list.into_iter().filter_map(|Difference { path, what }| match what {
            What::Mistyped { expected, found } => Some(Mismatch { path, expected, found }),
            _ => None,
        });
        mistyped.collect()
    }
}

/// Of several schemas of one type, those that know any of the keys.
pub(super) fn relevant<'a>(tables: &'a [&'static Table], entries: &'a Dictionary) -> impl Iterator<Item = &'static Table> + 'a {
    let several = tables.len() > 1;
    tables.iter().copied().filter(move |table| !several || entries.iter().any(|(name, _)| table.key(name).is_some()))
}

struct Walk<'a, 'found> {
    trail: Trail<'a>,
    findings: &'found mut Findings,
}

impl<'a> Walk<'a, '_> {
    fn report(&mut self, what: What) {
        let list = &mut self.findings.list;
        match list.len().cmp(&MOST_FOUND) {
            Ordering::Less => list.push(Difference { path: self.trail.spell(), what }),
            Ordering::Equal => list.push(Difference { path: String::new(), what: What::More }),
            Ordering::Greater => {}
        }
    }

    /// Does something under one more key, and takes the key off the path again.
    fn under(&mut self, name: &'a str, act: impl FnOnce(&mut Self)) {
        self.trail.key(name);
        act(self);
        self.trail.back();
    }

    fn record(&mut self, tables: &[&'static Table], entries: &'a Dictionary) {
        let known = |name: &str| tables.iter().find_map(|table| table.key(name));
        // A dictionary whose keys are all wildcards has a table without keys, and knows every key.
        let open = tables.is_empty() || tables.iter().any(|table| table.keys.is_empty());
        for (name, value) in entries.iter() {
            match known(name) {
                Some(key) => self.under(name, |walk| walk.value(&key.shape, key, value)),
                None if open => {}
                None => self.under(name, |walk| walk.report(What::Unknown)),
            }
        }
        for key in relevant(tables, entries).flat_map(|table| table.keys) {
            if key.presence == Presence::Required && entries.get(key.name).is_none() {
                self.under(key.name, |walk| walk.report(What::Missing));
            }
        }
    }

    fn value(&mut self, shape: &Shape, key: &'static Key, value: &'a Value) {
        match (shape, value) {
            (Shape::Any, _)
            | (Shape::Boolean, Value::Boolean(_))
            | (Shape::Data, Value::Data(_))
            | (Shape::Date, Value::Date(_)) => {}
            (Shape::Integer, Value::Integer(_)) | (Shape::Real, Value::Real(_)) | (Shape::String, Value::String(_)) => {
                self.scalar(key.rules, value);
            }
            (Shape::OneOf(choices), Value::String(text)) => {
                if !choices.iter().any(|choice| choice.value == text) {
                    self.report(What::NotListed);
                }
            }
            (Shape::Array(item), Value::Array(values)) => {
                if let Some((min, max)) = key.rules.repetition
                    && !u32::try_from(values.len()).is_ok_and(|count| (min..=max).contains(&count))
                {
                    self.report(What::BadCount { min, max });
                }
                for (at, value) in values.iter().enumerate() {
                    self.trail.place(at);
                    self.value(item, key, value);
                    self.trail.back();
                }
            }
            (Shape::Map(Shape::Any), Value::Dictionary(_)) => {}
            (Shape::Map(item), Value::Dictionary(entries)) => {
                for (name, value) in entries.iter() {
                    self.under(name, |walk| walk.value(item, key, value));
                }
            }
            (Shape::Record(table), Value::Dictionary(entries)) => self.record(&[table()], entries),
            (Shape::Union { tag, members }, Value::Dictionary(entries)) => {
                let kind = entries.get(tag).and_then(Value::as_str);
                match members.iter().find(|(name, _)| Some(*name) == kind) {
                    Some((_, table)) => self.record(&[table()], entries),
                    None => self.under(tag, |walk| walk.report(What::NotListed)),
                }
            }
            _ => {
                // The kind of a number that 64 bits with a sign do not hold would read like the kind that was expected.
                let found =
                    if matches!(value, Value::Unsigned(_)) { "integer above 9223372036854775807" } else { value.kind() };
                self.report(What::Mistyped { expected: shape.name(), found });
            }
        }
    }

    fn scalar(&mut self, rules: &'static Rules, value: &Value) {
        let listed = rules.values.iter().any(|listed| equal(listed, value));
        let bounded = rules.min.is_some() || rules.max.is_some();
        let below = rules.min.is_some_and(|min| number(value).zip(min.number()).is_some_and(|(value, min)| value < min));
        let above = rules.max.is_some_and(|max| number(value).zip(max.number()).is_some_and(|(value, max)| value > max));
        // Where a key has both, the list adds to the range: 0 for never, or 1 to 180.
        if (below || above) && !listed {
            self.report(What::OutOfRange { min: rules.min, max: rules.max });
        } else if !rules.values.is_empty() && !listed && !bounded {
            self.report(What::NotListed);
        }
        let Some(text) = value.as_str() else { return };
        let pattern = rules.format.filter(|format| !self.findings.fits(format, text));
        let subtype = rules.subtype.filter(|form| match *form {
            "url" => !text.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty()),
            "hostname" => text.is_empty() || text.contains(['/', ' ', '@']),
            _ => !text.contains('@'),
        });
        if let Some(form) = pattern.or(subtype) {
            self.report(What::BadFormat(form));
        }
    }
}

fn equal(listed: &Scalar, value: &Value) -> bool {
    match (listed, value) {
        (Scalar::Bool(listed), Value::Boolean(value)) => listed == value,
        (Scalar::Int(listed), Value::Integer(value)) => listed == value,
        (Scalar::Text(listed), Value::String(value)) => listed == value,
        _ => number(value).is_some_and(|number| listed.number() == Some(number)),
    }
}

/// Bounds are far below where a real loses whole numbers.
#[allow(clippy::as_conversions, reason = "an order is asked for, not the number")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        _ => None,
    }
}

impl Scalar {
    #[allow(clippy::as_conversions, reason = "an order is asked for, not the number")]
    const fn number(self) -> Option<f64> {
        match self {
            Scalar::Int(number) => Some(number as f64),
            Scalar::Num(number) => Some(number),
            _ => None,
        }
    }
}
