//! A Java object stream, walked only to find where it ends.
//!
//! JCEKS keeps a secret key as a serialised `SealedObject`, without its length. What such an object is made of is walked: class
//! descriptions with their fields, arrays of bytes, strings, references, nothing else (Java Object Serialization Specification,
//! chapter 6).

use super::bytes::Bytes;
use crate::asn1::{Error, ErrorKind};

const MAGIC: [u8; 4] = [0xAC, 0xED, 0x00, 0x05];
const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS_DESCRIPTION: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const ARRAY: u8 = 0x75;
const END_BLOCK_DATA: u8 = 0x78;

/// A class whose objects are written by the default of serialisation.
const SERIALIZABLE: u8 = 0x02;
/// The handle of the first thing that can be referred to.
const FIRST_HANDLE: u32 = 0x7E_0000;
/// Classes above one another, fields of a class, and things that can be referred to: a sealed key has two, four and a dozen.
const MOST: usize = 64;

/// Walks over one object.
pub(super) fn skip(reader: &mut Bytes<'_>) -> Result<(), Error> {
    let at = reader.at();
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(unknown(at));
    }
    Walk { reader, handles: Vec::new() }.object()
}

#[cold]
fn unknown(at: usize) -> Error {
    Error::field("a secret key", at)
}

/// What a handle stands for; of a class, its fields, those of the classes above it first.
#[derive(Clone)]
enum Handle {
    Class(Vec<Field>),
    Other,
}

/// The type of a field, as far as its size goes.
#[derive(Clone, Copy)]
enum Field {
    Octets(usize),
    Reference,
}

struct Walk<'r, 'a> {
    reader: &'r mut Bytes<'a>,
    handles: Vec<Handle>,
}

impl Walk<'_, '_> {
    fn object(&mut self) -> Result<(), Error> {
        self.marker(OBJECT)?;
        let fields = self.class()?;
        self.remember(Handle::Other)?;
        for field in fields {
            match field {
                Field::Octets(octets) => {
                    self.reader.take(octets)?;
                }
                Field::Reference => self.value()?,
            }
        }
        Ok(())
    }

    fn marker(&mut self, wanted: u8) -> Result<(), Error> {
        let at = self.reader.at();
        if self.reader.u8()? == wanted { Ok(()) } else { Err(unknown(at)) }
    }

    fn remember(&mut self, handle: Handle) -> Result<usize, Error> {
        if self.handles.len() >= MOST {
            return Err(Error::new(ErrorKind::TooMany(MOST), self.reader.at()));
        }
        self.handles.push(handle);
        Ok(self.handles.len().saturating_sub(1))
    }

    fn referred(&mut self) -> Result<Handle, Error> {
        let at = self.reader.at();
        let index = self.reader.u32()?.checked_sub(FIRST_HANDLE).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.handles.get(index)).cloned().ok_or_else(|| unknown(at))
    }

    /// A class description and those of the classes above it, and all their fields in the order of their values.
    fn class(&mut self) -> Result<Vec<Field>, Error> {
        // Below first on the wire, above first in the values.
        let mut classes: Vec<(usize, Vec<Field>)> = Vec::new();
        let mut above = Vec::new();
        loop {
            let at = self.reader.at();
            match self.reader.u8()? {
                CLASS_DESCRIPTION => classes.push(self.description()?),
                REFERENCE => {
                    let Handle::Class(fields) = self.referred()? else { return Err(unknown(at)) };
                    above = fields;
                    break;
                }
                NULL => break,
                _ => return Err(unknown(at)),
            }
        }
        for (handle, own) in classes.into_iter().rev() {
            above.extend(own);
            if above.len() > MOST {
                return Err(Error::new(ErrorKind::TooMany(MOST), self.reader.at()));
            }
            if let Some(known) = self.handles.get_mut(handle) {
                *known = Handle::Class(above.clone());
            }
        }
        Ok(above)
    }

    /// Name, version, flags and fields; then, as nothing is annotated here, the end of annotations.
    fn description(&mut self) -> Result<(usize, Vec<Field>), Error> {
        self.reader.short_counted()?;
        self.reader.take(size_of::<u64>())?;
        let handle = self.remember(Handle::Class(Vec::new()))?;
        let at = self.reader.at();
        // A class with a method of its own for writing, or one that writes itself, cannot be walked.
        if self.reader.u8()? != SERIALIZABLE {
            return Err(unknown(at));
        }
        let mut fields = Vec::new();
        for _ in 0..self.reader.u16()? {
            fields.push(self.field()?);
            if fields.len() > MOST {
                return Err(Error::new(ErrorKind::TooMany(MOST), at));
            }
        }
        self.marker(END_BLOCK_DATA)?;
        Ok((handle, fields))
    }

    fn field(&mut self) -> Result<Field, Error> {
        let at = self.reader.at();
        let kind = self.reader.u8()?;
        self.reader.short_counted()?;
        Ok(match kind {
            b'B' | b'Z' => Field::Octets(1),
            b'C' | b'S' => Field::Octets(2),
            b'I' | b'F' => Field::Octets(4),
            b'J' | b'D' => Field::Octets(8),
            b'[' | b'L' => {
                self.type_name()?;
                Field::Reference
            }
            _ => return Err(unknown(at)),
        })
    }

    /// The name of a field's type: a string, or one that stood before.
    fn type_name(&mut self) -> Result<(), Error> {
        let at = self.reader.at();
        match self.reader.u8()? {
            STRING => self.string(),
            REFERENCE => self.referred().map(|_| ()),
            _ => Err(unknown(at)),
        }
    }

    fn string(&mut self) -> Result<(), Error> {
        self.remember(Handle::Other)?;
        self.reader.short_counted().map(|_| ())
    }

    /// A string, an array of bytes, something that stood before, or nothing.
    fn value(&mut self) -> Result<(), Error> {
        let at = self.reader.at();
        match self.reader.u8()? {
            NULL => {}
            REFERENCE => {
                self.referred()?;
            }
            STRING => self.string()?,
            ARRAY => {
                // Of bytes: no other occurs in a sealed key, and behind another the walk would find nothing that it knows.
                self.class()?;
                self.remember(Handle::Other)?;
                self.reader.counted()?;
            }
            _ => return Err(unknown(at)),
        }
        Ok(())
    }
}
