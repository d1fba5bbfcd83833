//! A tree to binary (`bplist00`); the reader's module draws the layout.

use std::collections::BTreeMap;

use super::binary_reader::EPOCH;
use super::xml_writer::deeper;
use super::{Error, Value};
use crate::time::Timestamp;

/// Writes a property list in binary. Equal texts are written once; nothing else is shared.
///
/// Every [`Value`] has a binary form, control characters and the bits of a NaN included, and [`parse`](super::parse) reads from it
/// the same tree.
///
/// # Errors
/// [`ErrorKind::TooDeep`](super::ErrorKind::TooDeep) beyond [`MAX_DEPTH`](super::MAX_DEPTH).
pub fn to_binary(value: &Value) -> Result<Vec<u8>, Error> {
    let mut writer = Writer {
        out: b"bplist00".to_vec(),
        offsets: Vec::new(),
        texts: BTreeMap::new(),
        reference_size: width(objects(value, 0)?),
    };
    let root = writer.value(value);
    let Writer { mut out, offsets, reference_size, .. } = writer;
    let table = out.len();
    let offset_size = width(table);
    let count = offsets.len();
    for offset in offsets {
        number(&mut out, offset, offset_size);
    }
    out.extend_from_slice(&[0; 6]);
    number(&mut out, offset_size, 1);
    number(&mut out, reference_size, 1);
    for field in [count, root, table] {
        number(&mut out, field, 8);
    }
    Ok(out)
}

/// How many objects a tree inside `level` containers makes at most.
fn objects(value: &Value, level: usize) -> Result<usize, Error> {
    let mut count = 1_usize;
    match value {
        Value::Array(items) => {
            let level = deeper(level)?;
            for (index, item) in items.iter().enumerate() {
                count = count.saturating_add(objects(item, level).map_err(|error| error.under_index(index))?);
            }
        }
        Value::Dictionary(dictionary) => {
            let level = deeper(level)?;
            for (key, value) in dictionary.iter() {
                count = count.saturating_add(1).saturating_add(objects(value, level).map_err(|error| error.under_key(key))?);
            }
        }
        _ => {}
    }
    Ok(count)
}

struct Writer<'a> {
    out: Vec<u8>,
    /// Where each object begins, by its number. Children come before their containers.
    offsets: Vec<usize>,
    /// The numbers of the texts so far.
    texts: BTreeMap<&'a str, usize>,
    reference_size: usize,
}

impl<'a> Writer<'a> {
    /// Writes an object and what is below it; gives its number. The depth has been checked by [`objects`].
    fn value(&mut self, value: &'a Value) -> usize {
        match value {
            Value::Boolean(truth) => self.object(if *truth { 0x09 } else { 0x08 }, &[]),
            Value::Integer(number) => match usize::try_from(*number) {
                Ok(number) => {
                    self.begin();
                    self.length(number);
                }
                Err(_) => self.object(0x13, &number.to_be_bytes()),
            },
            Value::Unsigned(number) => self.object(0x14, &u128::from(*number).to_be_bytes()),
            Value::Real(number) => self.object(0x23, &number.to_be_bytes()),
            Value::Date(at) => self.object(0x33, &seconds(*at).to_be_bytes()),
            Value::Data(octets) => {
                self.counted(0x40, octets.len());
                self.out.extend_from_slice(octets);
            }
            Value::String(text) => return self.text(text),
            Value::Array(items) => {
                let items: Vec<usize> = items.iter().map(|item| self.value(item)).collect();
                self.counted(0xA0, items.len());
                self.references(&items);
            }
            Value::Dictionary(dictionary) => {
                let keys: Vec<usize> = dictionary.iter().map(|(key, _)| self.text(key)).collect();
                let values: Vec<usize> = dictionary.iter().map(|(_, value)| self.value(value)).collect();
                self.counted(0xD0, keys.len());
                self.references(&keys);
                self.references(&values);
            }
        }
        self.last()
    }

    fn text(&mut self, text: &'a str) -> usize {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        if text.is_ascii() {
            self.counted(0x50, text.len());
            self.out.extend_from_slice(text.as_bytes());
        } else {
            self.counted(0x60, text.encode_utf16().count());
            self.out.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        }
        self.texts.insert(text, self.last());
        self.last()
    }

    /// The number of the object begun last.
    fn last(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    fn begin(&mut self) {
        self.offsets.push(self.out.len());
    }

    fn object(&mut self, marker: u8, content: &[u8]) {
        self.begin();
        self.out.push(marker);
        self.out.extend_from_slice(content);
    }

    /// The beginning of an object whose marker counts its elements.
    fn counted(&mut self, kind: u8, count: usize) {
        self.begin();
        match u8::try_from(count) {
            Ok(count) if count < 0xF => self.out.push(kind | count),
            _ => {
                self.out.push(kind | 0xF);
                self.length(count);
            }
        }
    }

    /// A number that is not negative, with its marker.
    fn length(&mut self, value: usize) {
        let (marker, size) = match width(value) {
            1 => (0x10, 1),
            2 => (0x11, 2),
            4 => (0x12, 4),
            _ => (0x13, 8),
        };
        self.out.push(marker);
        number(&mut self.out, value, size);
    }

    fn references(&mut self, children: &[usize]) {
        for child in children {
            number(&mut self.out, *child, self.reference_size);
        }
    }
}

/// The bytes that a number needs: 1, 2, 4 or 8.
const fn width(value: usize) -> usize {
    match value {
        0..=0xFF => 1,
        0x100..=0xFFFF => 2,
        0x1_0000..=0xFFFF_FFFF => 4,
        _ => 8,
    }
}

/// A big-endian number of so many bytes, at most eight.
fn number(out: &mut Vec<u8>, value: usize, size: usize) {
    let octets = u64::try_from(value).unwrap_or(u64::MAX).to_be_bytes();
    out.extend(octets.iter().skip(8_usize.saturating_sub(size)));
}

/// Seconds since 2001.
#[allow(clippy::as_conversions, reason = "the range of Timestamp is far within the whole numbers that an f64 holds exactly")]
fn seconds(at: Timestamp) -> f64 {
    at.seconds_since(Timestamp::from_unix(EPOCH)) as f64
}
