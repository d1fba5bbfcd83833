//! Binary (`bplist00`) to a tree.
//!
//! ```text
//!   "bplist00"   objects   offset of each object   trailer, 32 bytes: sizes, number of objects, root, where the offsets begin
//! ```
//!
//! An object names others by number, and may be named many times: a few hundred bytes can spell a tree of gigabytes. So each use
//! counts: a container's children against the item limit before room is made for them, text and data against the byte limit
//! before they are copied. A container that holds itself ends at the depth limit.

use super::{Dictionary, Error, ErrorKind, Value};
use crate::limits::Limits;
use crate::time::Timestamp;

const HEADER: &[u8] = b"bplist00";
const TRAILER: usize = 32;
/// 2001-01-01T00:00:00Z, from which dates count, in seconds since 1970.
pub(super) const EPOCH: i64 = 978_307_200;

pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, Error> {
    if !bytes.starts_with(HEADER) {
        return Err(Error::at(ErrorKind::Version, 0));
    }
    let body = bytes.len().saturating_sub(TRAILER);
    let bad = Error::at(ErrorKind::Trailer, body);
    let trailer =
        bytes.get(body..).and_then(|tail| tail.first_chunk::<TRAILER>()).ok_or(Error::at(ErrorKind::Truncated, bytes.len()))?;
    let [_, _, _, _, _, _, offset_size, reference_size, counts @ ..] = trailer;
    let (counts, _) = counts.as_chunks::<8>();
    let [count, root, table] = counts else { return Err(bad) };
    let [count, root, table] = [count, root, table].map(|number| usize::try_from(u64::from_be_bytes(*number)));
    let (Ok(count), Ok(root), Ok(table)) = (count, root, table) else { return Err(bad) };
    let (offset_size, reference_size) = (usize::from(*offset_size), usize::from(*reference_size));
    let offsets = count
        .checked_mul(offset_size)
        .and_then(|length| table.checked_add(length))
        .and_then(|end| if end <= body && table >= HEADER.len() { bytes.get(table..end) } else { None });
    match offsets {
        Some(offsets) if (1..=8).contains(&offset_size) && (1..=8).contains(&reference_size) => {
            let objects = bytes.get(..table).unwrap_or_default();
            let mut reader = Reader {
                objects,
                offsets,
                offset_size,
                reference_size,
                items: limits.max_items,
                bytes: limits.max_bytes,
                limits: *limits,
            };
            reader.charge_items(1, body)?;
            reader.object(root, body, 0)
        }
        _ => Err(bad),
    }
}

struct Reader<'a> {
    /// The input up to the offset table.
    objects: &'a [u8],
    offsets: &'a [u8],
    offset_size: usize,
    reference_size: usize,
    /// Values and bytes that may still be made.
    items: usize,
    bytes: usize,
    limits: Limits,
}

/// An object's bytes from its marker on, and where they begin.
#[derive(Clone, Copy)]
struct Object<'a> {
    low: u8,
    content: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The tree below an object that stands inside `level` containers and is named at an offset.
    fn object(&mut self, number: usize, named_at: usize, level: usize) -> Result<Value, Error> {
        let (kind, object) = self.find(number).ok_or(Error::at(ErrorKind::Object, named_at))?;
        let at = object.at;
        let bad = |name| Error::at(ErrorKind::Content(name), at);
        match kind {
            0x0 if object.low == 8 => Ok(Value::Boolean(false)),
            0x0 if object.low == 9 => Ok(Value::Boolean(true)),
            0x1 => object.integer()?.ok_or(bad("integer")),
            0x2 => object.real()?.map(Value::Real).ok_or(bad("real")),
            0x3 if object.low == 3 => date(object.real()?.ok_or(bad("date"))?).map_err(|kind| Error::at(kind, at)),
            0x4 => {
                let octets = object.counted(1)?;
                self.charge_bytes(octets.len(), at)?;
                Ok(Value::Data(octets.to_vec()))
            }
            0x5 | 0x6 => self.text(kind, object).map(Value::String),
            0xA => self.array(object, level),
            0xD => self.dictionary(object, level),
            _ => Err(Error::at(ErrorKind::Marker((kind << 4) | object.low), at)),
        }
    }

    /// An object by its number, and the upper half of its marker.
    fn find(&self, number: usize) -> Option<(u8, Object<'a>)> {
        let start = number.checked_mul(self.offset_size)?;
        let offset = self.offsets.get(start..start.checked_add(self.offset_size)?)?;
        let at = unsigned(offset)?;
        let (marker, content) = self.objects.get(at..)?.split_first()?;
        (at >= HEADER.len()).then_some((marker >> 4, Object { low: marker & 0x0F, content, at }))
    }

    fn array(&mut self, object: Object<'a>, level: usize) -> Result<Value, Error> {
        let references = self.references(object.counted(self.reference_size)?);
        let level = self.enter(references.len(), object.at, level)?;
        let mut items = Vec::with_capacity(references.len());
        for (index, reference) in references.enumerate() {
            items.push(self.named(reference, object.at, level).map_err(|error| error.under_index(index))?);
        }
        Ok(Value::Array(items))
    }

    fn dictionary(&mut self, object: Object<'a>, level: usize) -> Result<Value, Error> {
        let references = object.counted(self.reference_size.saturating_mul(2))?;
        let (keys, values) = references.split_at_checked(references.len() / 2).unwrap_or_default();
        let pairs = self.references(keys).zip(self.references(values));
        let level = self.enter(pairs.len(), object.at, level)?;
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let key = self.key(key, object.at)?;
            let value = self.named(value, object.at, level).map_err(|error| error.under_key(&key))?;
            entries.push((key, value));
        }
        Dictionary::from_entries(entries)
            .map(Value::Dictionary)
            .map_err(|key| Error::at(ErrorKind::DuplicateKey, object.at).under_key(&key))
    }

    fn references(&self, bytes: &'a [u8]) -> std::slice::ChunksExact<'a, u8> {
        bytes.chunks_exact(self.reference_size.max(1))
    }

    fn key(&mut self, reference: &[u8], at: usize) -> Result<String, Error> {
        let found = unsigned(reference).and_then(|number| self.find(number));
        match found.ok_or(Error::at(ErrorKind::Object, at))? {
            (kind @ (0x5 | 0x6), object) => self.text(kind, object),
            (_, object) => Err(Error::at(ErrorKind::Structure("a key that is no string"), object.at)),
        }
    }

    fn named(&mut self, reference: &[u8], at: usize, level: usize) -> Result<Value, Error> {
        let number = unsigned(reference).ok_or(Error::at(ErrorKind::Object, at))?;
        self.object(number, at, level)
    }

    /// ASCII or UTF-16.
    fn text(&mut self, kind: u8, object: Object<'a>) -> Result<String, Error> {
        let octets = object.counted(if kind == 0x5 { 1 } else { 2 })?;
        self.charge_bytes(octets.len(), object.at)?;
        let text = if kind == 0x5 {
            if octets.is_ascii() { String::from_utf8(octets.to_vec()).ok() } else { None }
        } else {
            let (units, _) = octets.as_chunks::<2>();
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit))).collect::<Result<_, _>>().ok()
        };
        text.ok_or(Error::at(ErrorKind::Content("string"), object.at))
    }

    /// Goes into a container with so many children; gives their level.
    fn enter(&mut self, children: usize, at: usize, level: usize) -> Result<usize, Error> {
        if level >= self.limits.max_depth {
            return Err(Error::at(ErrorKind::TooDeep(self.limits.max_depth), at));
        }
        self.charge_items(children, at)?;
        Ok(level.saturating_add(1))
    }

    fn charge_items(&mut self, items: usize, at: usize) -> Result<(), Error> {
        self.items = self.items.checked_sub(items).ok_or(Error::at(ErrorKind::TooMany(self.limits.max_items), at))?;
        Ok(())
    }

    fn charge_bytes(&mut self, bytes: usize, at: usize) -> Result<(), Error> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Error::at(ErrorKind::TooLong(self.limits.max_bytes), at))?;
        Ok(())
    }
}

impl<'a> Object<'a> {
    #[cold]
    fn truncated(self) -> Error {
        Error::at(ErrorKind::Truncated, self.at)
    }

    /// The next 2^`low` bytes: the shape of numbers. `None` when no number is so long.
    fn number(self) -> Result<Option<&'a [u8]>, Error> {
        let Some(length) = 1_usize.checked_shl(u32::from(self.low)).filter(|length| *length <= 16) else { return Ok(None) };
        self.content.get(..length).map(Some).ok_or(self.truncated())
    }

    /// The elements that the low half of the marker, or the integer after it, counts; each so many bytes long.
    fn counted(self, size: usize) -> Result<&'a [u8], Error> {
        let (count, content) = if self.low < 0xF {
            (usize::from(self.low), self.content)
        } else {
            let (marker, content) = self.content.split_first().ok_or(self.truncated())?;
            let length = Object { low: marker & 0x0F, content, at: self.at };
            let digits = if marker >> 4 == 1 { length.number()? } else { None };
            let digits = digits.ok_or(Error::at(ErrorKind::Content("length"), self.at))?;
            let count = unsigned(digits).ok_or(self.truncated())?;
            (count, content.get(digits.len()..).unwrap_or_default())
        };
        count.checked_mul(size).and_then(|length| content.get(..length)).ok_or(self.truncated())
    }

    /// Up to four bytes have no sign, eight and sixteen do.
    fn integer(self) -> Result<Option<Value>, Error> {
        let Some(digits) = self.number()? else { return Ok(None) };
        Ok(match digits.len() {
            8 => digits.first_chunk().map(|octets| Value::Integer(i64::from_be_bytes(*octets))),
            16 => {
                digits.first_chunk().map(|octets| i128::from_be_bytes(*octets)).and_then(|number| match i64::try_from(number) {
                    Ok(number) => Some(Value::Integer(number)),
                    Err(_) => u64::try_from(number).ok().map(Value::Unsigned),
                })
            }
            _ => digits
                .iter()
                .try_fold(0_i64, |number, octet| number.checked_shl(8)?.checked_add(i64::from(*octet)))
                .map(Value::Integer),
        })
    }

    fn real(self) -> Result<Option<f64>, Error> {
        let Some(digits) = self.number()? else { return Ok(None) };
        Ok(match digits.len() {
            4 => digits.first_chunk().map(|octets| f64::from(f32::from_be_bytes(*octets))),
            8 => digits.first_chunk().map(|octets| f64::from_be_bytes(*octets)),
            _ => None,
        })
    }
}

/// A big-endian number of any length, when it fits.
fn unsigned(octets: &[u8]) -> Option<usize> {
    octets.iter().try_fold(0_usize, |number, octet| number.checked_mul(256)?.checked_add(usize::from(*octet)))
}

#[allow(clippy::as_conversions, reason = "the range is checked first, and whole seconds within it fit both types exactly")]
fn date(seconds: f64) -> Result<Value, ErrorKind> {
    let since_epoch = |moment: Timestamp| moment.seconds_since(Timestamp::from_unix(EPOCH)) as f64;
    if !(since_epoch(Timestamp::MIN)..=since_epoch(Timestamp::MAX)).contains(&seconds) {
        return Err(ErrorKind::Content("date (a year from 0 to 9999)"));
    }
    if seconds.fract() != 0.0 {
        return Err(ErrorKind::Fraction);
    }
    Ok(Value::Date(Timestamp::from_unix(EPOCH).plus_seconds(seconds as i64)))
}
