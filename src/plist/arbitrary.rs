//! Property lists out of a fuzzer's bytes: trees that both encodings can hold.

use arbitrary::{Arbitrary, Result, Unstructured};

use super::{Dictionary, Value, xml_writer};
use crate::time::Timestamp;

/// Levels of nesting below a value.
const DEPTH: usize = 4;

/// A text that XML can hold.
pub(crate) fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let text = <&str>::arbitrary(u)?;
    Ok(text.chars().filter(|character| xml_writer::is_writable(*character)).collect())
}

/// A number that is one: NaN equals nothing, not even itself.
pub(crate) fn real(u: &mut Unstructured<'_>) -> Result<f64> {
    let number = f64::arbitrary(u)?;
    Ok(if number.is_finite() { number } else { 0.0 })
}

/// A moment that has a spelling.
pub(crate) fn date(u: &mut Unstructured<'_>) -> Result<Timestamp> {
    u.int_in_range(Timestamp::MIN.unix()..=Timestamp::MAX.unix()).map(Timestamp::from_unix)
}

/// Whether to go on with a list: three times in four, as long as there are bytes.
pub(crate) fn more(u: &mut Unstructured<'_>) -> Result<bool> {
    Ok(!u.is_empty() && u.ratio(3, 4)?)
}

fn value(u: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let kinds = if depth == 0 { 6 } else { 8 };
    Ok(match u.int_in_range(0..=kinds)? {
        0 => bool::arbitrary(u)?.into(),
        1 => i64::arbitrary(u)?.into(),
        2 => u64::arbitrary(u)?.into(),
        3 => real(u)?.into(),
        4 => text(u)?.into(),
        5 => Vec::<u8>::arbitrary(u)?.into(),
        6 => date(u)?.into(),
        7 => {
            let mut items = Vec::new();
            while more(u)? {
                items.push(value(u, depth.saturating_sub(1))?);
            }
            items.into()
        }
        _ => dictionary(u, depth)?.into(),
    })
}

fn dictionary(u: &mut Unstructured<'_>, depth: usize) -> Result<Dictionary> {
    let mut entries = Dictionary::new();
    while more(u)? {
        entries.insert(text(u)?, value(u, depth.saturating_sub(1))?);
    }
    Ok(entries)
}

/// Any tree of few levels that [`to_xml`](super::to_xml) and [`to_binary`](super::to_binary) write; reals are numbers.
impl<'a> Arbitrary<'a> for Value {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        value(u, DEPTH)
    }
}

/// As for [`Value`].
impl<'a> Arbitrary<'a> for Dictionary {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        dictionary(u, DEPTH)
    }
}
