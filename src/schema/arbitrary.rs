//! Documents of the schema out of a fuzzer's bytes.
//!
//! Mostly what the schema asks for: its keys, values of their types, from their lists and within their bounds. Now and then a key
//! that it does not know and a value that it does not list, since devices send those. Never a value of another type: the
//! readers' own fuzz targets make those.

use arbitrary::{Arbitrary, Result, Unstructured};

use super::table::{Choice, Rules, Scalar, Shape, Table};
use crate::plist::arbitrary::{date, more, real, text};
use crate::plist::{Dictionary, Value};

/// Levels of records within records.
const DEPTH: usize = 6;

/// A document of a schema.
pub(crate) fn document(table: &Table, u: &mut Unstructured<'_>) -> Result<Dictionary> {
    entries(table, u, DEPTH)
}

/// A document of one of several schemas, and its type. No type where the choice falls on none, or there is none to choose.
pub(crate) fn one_of(
    tables: &[(&'static str, fn() -> &'static Table)],
    u: &mut Unstructured<'_>,
) -> Result<(Option<&'static str>, Dictionary)> {
    match tables.get(u.int_in_range(0..=tables.len())?) {
        Some((kind, table)) => Ok((Some(*kind), document(table(), u)?)),
        None => Ok((None, Dictionary::arbitrary(u)?)),
    }
}

fn entries(table: &Table, u: &mut Unstructured<'_>, depth: usize) -> Result<Dictionary> {
    let mut made = Vec::new();
    for key in table.keys {
        if !u.is_empty()
            && bool::arbitrary(u)?
            && let Some(value) = value(&key.shape, key.rules, u, depth)?
        {
            made.push((key.name.to_owned(), value));
        }
    }
    if !u.is_empty() && u.ratio(1, 8)? {
        let name = text(u)?;
        if table.key(&name).is_none() {
            made.push((name, Value::arbitrary(u)?));
        }
    }
    Ok(Dictionary::from_distinct(made))
}

/// A value of a shape; `None` where records nest too deeply.
fn value(shape: &Shape, rules: &Rules, u: &mut Unstructured<'_>, depth: usize) -> Result<Option<Value>> {
    Ok(Some(match shape {
        Shape::Boolean => bool::arbitrary(u)?.into(),
        Shape::Integer => integer(rules, u)?.into(),
        Shape::Real => real(u)?.into(),
        Shape::String => match u.choose(rules.values) {
            Ok(Scalar::Text(listed)) => (*listed).into(),
            _ => text(u)?.into(),
        },
        Shape::OneOf(choices) => listed(choices, u)?,
        Shape::Data => Vec::<u8>::arbitrary(u)?.into(),
        Shape::Date => date(u)?.into(),
        Shape::Any => Value::arbitrary(u)?,
        Shape::Array(item) => {
            let mut items = Vec::new();
            while more(u)? {
                items.extend(value(item, rules, u, depth)?);
            }
            items.into()
        }
        Shape::Map(item) => {
            let mut entries = Dictionary::new();
            while more(u)? {
                if let Some(value) = value(item, rules, u, depth)? {
                    entries.insert(text(u)?, value);
                }
            }
            entries.into()
        }
        Shape::Record(_) | Shape::Union { .. } if depth == 0 => return Ok(None),
        Shape::Record(table) => entries(table(), u, depth.saturating_sub(1))?.into(),
        Shape::Union { tag, members } => {
            let (kind, mut entries) = match u.choose(members)? {
                (kind, table) if u.is_empty() || u.ratio(7, 8)? => (*kind, entries(table(), u, depth.saturating_sub(1))?),
                _ => return Ok(Some(Dictionary::arbitrary(u)?.into())),
            };
            entries.insert(*tag, kind);
            entries.into()
        }
    }))
}

/// One of the list, or within the bounds; where there are neither, any.
fn integer(rules: &Rules, u: &mut Unstructured<'_>) -> Result<i64> {
    if let Ok(Scalar::Int(listed)) = u.choose(rules.values) {
        return Ok(*listed);
    }
    let bound = |scalar: Option<Scalar>, none: i64| if let Some(Scalar::Int(bound)) = scalar { bound } else { none };
    let (min, max) = (bound(rules.min, i64::MIN), bound(rules.max, i64::MAX));
    u.int_in_range(min..=max.max(min))
}

fn listed(choices: &[Choice], u: &mut Unstructured<'_>) -> Result<Value> {
    let newer = !u.is_empty() && u.ratio(1, 8)?;
    match u.choose(choices) {
        Ok(choice) if !newer => Ok(choice.value.into()),
        _ => Ok(text(u)?.into()),
    }
}

/// A value of a row, for value lists and unions by themselves.
pub(crate) fn item<T: super::Item>(u: &mut Unstructured<'_>) -> Result<T> {
    let made = value(&T::SHAPE, &Rules::NONE, u, DEPTH)?;
    made.and_then(|made| T::from_value(made).ok()).ok_or(arbitrary::Error::IncorrectFormat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Described, Key, Presence, check};

    struct Numbers(Dictionary);

    impl Described for Numbers {
        fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary)) {
            static KEYS: [Key; 2] = [
                Key {
                    name: "Percent",
                    shape: Shape::Integer,
                    presence: Presence::Optional,
                    support: &[],
                    rules: &Rules { min: Some(Scalar::Int(0)), max: Some(Scalar::Int(100)), ..Rules::NONE },
                },
                Key {
                    name: "Mode",
                    shape: Shape::String,
                    presence: Presence::Optional,
                    support: &[],
                    rules: &Rules { values: &[Scalar::Text("On"), Scalar::Text("Off")], ..Rules::NONE },
                },
            ];
            static TABLE: Table = Table { name: "Numbers", kind: "", support: &[], keys: &KEYS };
            each("", &[&TABLE], &self.0);
        }
    }

    #[test]
    fn bounds_and_lists_are_kept() {
        let bytes: Vec<u8> = (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut u = Unstructured::new(&bytes);
        let mut seen = 0;
        while u.len() > 32 {
            let mut tables = Vec::new();
            Numbers(Dictionary::new()).describe(&mut |_, found, _| tables.extend(found));
            let made = document(tables[0], &mut u).unwrap();
            seen += made.len();
            let known = made.into_iter().filter(|(name, _)| tables[0].key(name).is_some());
            assert_eq!(check(&Numbers(known.collect())), []);
        }
        assert!(seen > 50, "{seen}");
    }
}
