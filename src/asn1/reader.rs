//! Reading DER without copying.

use std::borrow::Cow;

use super::{Error, ErrorKind, Oid, Tag};
use crate::time::{Civil, Timestamp, two_digits};

/// A cursor over a series of DER elements. Readers of nested content keep counting from the outermost input, so that an error
/// always tells the byte of the message.
///
/// ```
/// use mdm_core::asn1::Reader;
///
/// let mut outer = Reader::new(&[0x30, 0x03, 0x02, 0x01, 0x05]);
/// let mut inner = outer.sequence()?;
/// assert_eq!(inner.small_integer()?, 5);
/// inner.finish()?;
/// outer.finish()?;
/// # Ok::<(), mdm_core::asn1::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

/// One element: its tag, its content, and the bytes of the whole as they were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    tag: Tag,
    raw: &'a [u8],
    value: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of the input.
    pub const fn new(input: &'a [u8]) -> Self {
        Reader { rest: input, at: 0 }
    }

    /// Starts at a slice whose first byte is the byte `at` of what errors count from.
    pub(crate) const fn starting_at(input: &'a [u8], at: usize) -> Self {
        Reader { rest: input, at }
    }

    /// Whether every byte has been read.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The offset of the next byte from the start of the outermost input.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The tag of the next element, when there is one.
    pub fn peek(&self) -> Option<Tag> {
        self.rest.first().and_then(|octet| Tag::from_octet(*octet))
    }

    /// The next element, whatever it is.
    ///
    /// # Errors
    /// The element is incomplete, its tag number is above 30, or its length is not the shortest definite form (X.690 10.1).
    pub fn element(&mut self) -> Result<Element<'a>, Error> {
        let (header, length) = header(self.rest).map_err(|kind| Error::new(kind, self.at))?;
        let truncated = Error::new(ErrorKind::Truncated, self.at);
        let total = header.checked_add(length).ok_or(truncated)?;
        let (raw, rest) = self.rest.split_at_checked(total).ok_or(truncated)?;
        let (octets, value) = raw.split_at_checked(header).ok_or(truncated)?;
        let tag = octets.first().and_then(|octet| Tag::from_octet(*octet)).ok_or(truncated)?;
        let element = Element { tag, raw, value, at: self.at };
        self.rest = rest;
        self.at = self.at.saturating_add(total);
        Ok(element)
    }

    /// The next element, which must have this tag.
    ///
    /// # Errors
    /// There is no next element, it has another tag, or it is malformed.
    pub fn tagged(&mut self, tag: Tag) -> Result<Element<'a>, Error> {
        let at = self.at;
        if self.rest.is_empty() {
            return Err(Error::new(ErrorKind::Missing(tag), at));
        }
        match self.peek() {
            Some(found) if found != tag => Err(Error::new(ErrorKind::Unexpected { expected: tag, found }, at)),
            _ => self.element(),
        }
    }

    /// The next element when it has this tag; nothing is read when it has another or there is none.
    ///
    /// # Errors
    /// The element is malformed.
    pub fn optional(&mut self, tag: Tag) -> Result<Option<Element<'a>>, Error> {
        if self.peek() == Some(tag) { self.element().map(Some) } else { Ok(None) }
    }

    /// A reader of the content of the next element, which must have this tag.
    ///
    /// # Errors
    /// As [`Reader::tagged`].
    pub fn nested(&mut self, tag: Tag) -> Result<Reader<'a>, Error> {
        self.tagged(tag).map(Element::reader)
    }

    /// A reader of the content of the next element when it has this tag.
    ///
    /// # Errors
    /// As [`Reader::optional`].
    pub fn optional_nested(&mut self, tag: Tag) -> Result<Option<Reader<'a>>, Error> {
        self.optional(tag).map(|found| found.map(Element::reader))
    }

    /// A reader of the content of a SEQUENCE.
    ///
    /// # Errors
    /// As [`Reader::tagged`].
    pub fn sequence(&mut self) -> Result<Reader<'a>, Error> {
        self.nested(Tag::SEQUENCE)
    }

    /// A reader of the content of a SET.
    ///
    /// # Errors
    /// As [`Reader::tagged`].
    pub fn set(&mut self) -> Result<Reader<'a>, Error> {
        self.nested(Tag::SET)
    }

    /// An OBJECT IDENTIFIER.
    ///
    /// # Errors
    /// As [`Reader::tagged`], or its octets are incomplete.
    pub fn oid(&mut self) -> Result<Oid<'a>, Error> {
        self.tagged(Tag::OID)?.oid()
    }

    /// The content octets of an INTEGER: two's complement, most significant first, in the shortest form.
    ///
    /// # Errors
    /// As [`Reader::tagged`], or the integer is empty or padded (X.690 8.3.2).
    pub fn integer(&mut self) -> Result<&'a [u8], Error> {
        self.tagged(Tag::INTEGER)?.integer()
    }

    /// An INTEGER between 0 and 2^31 - 1: versions, counts, status codes.
    ///
    /// # Errors
    /// As [`Reader::integer`], or it is negative or larger.
    pub fn small_integer(&mut self) -> Result<u32, Error> {
        let at = self.at;
        let octets = self.integer()?;
        let bad = Error::new(ErrorKind::Value(Tag::INTEGER), at);
        if octets.len() > 4 || octets.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(bad);
        }
        Ok(octets.iter().fold(0, |value, octet| (value << 8) | u32::from(*octet)))
    }

    /// A BOOLEAN.
    ///
    /// # Errors
    /// As [`Reader::tagged`], or the octet is neither 00 nor FF (X.690 11.1).
    pub fn boolean(&mut self) -> Result<bool, Error> {
        let element = self.tagged(Tag::BOOLEAN)?;
        match element.value {
            [0x00] => Ok(false),
            [0xFF] => Ok(true),
            _ => Err(element.bad_value()),
        }
    }

    /// The content of an OCTET STRING.
    ///
    /// # Errors
    /// As [`Reader::tagged`].
    pub fn octet_string(&mut self) -> Result<&'a [u8], Error> {
        self.tagged(Tag::OCTET_STRING).map(|element| element.value)
    }

    /// The octets of a BIT STRING that has no unused bits: keys and signatures.
    ///
    /// # Errors
    /// As [`Reader::tagged`], or there are unused bits.
    pub fn bit_string(&mut self) -> Result<&'a [u8], Error> {
        let element = self.tagged(Tag::BIT_STRING)?;
        match element.value.split_first() {
            Some((0, octets)) => Ok(octets),
            _ => Err(element.bad_value()),
        }
    }

    /// A NULL.
    ///
    /// # Errors
    /// As [`Reader::tagged`], or it has content.
    pub fn null(&mut self) -> Result<(), Error> {
        let element = self.tagged(Tag::NULL)?;
        if element.value.is_empty() { Ok(()) } else { Err(element.bad_value()) }
    }

    /// A UTCTime or GeneralizedTime in the one form that RFC 5280 section 4.1.2.5 allows: seconds, `Z`, no fraction.
    ///
    /// # Errors
    /// As [`Reader::tagged`], or the moment is spelled otherwise or does not exist.
    pub fn time(&mut self) -> Result<Timestamp, Error> {
        match self.peek() {
            Some(Tag::GENERALIZED_TIME) => self.element()?,
            _ => self.tagged(Tag::UTC_TIME)?,
        }
        .time()
    }

    /// Nothing may follow.
    ///
    /// # Errors
    /// [`ErrorKind::TrailingData`] when something does.
    pub fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::TrailingData, self.at)) }
    }
}

/// The lengths of the header and of the content.
fn header(input: &[u8]) -> Result<(usize, usize), ErrorKind> {
    let (tag, rest) = input.split_first().ok_or(ErrorKind::Truncated)?;
    Tag::from_octet(*tag).ok_or(ErrorKind::HighTag)?;
    let (first, rest) = rest.split_first().ok_or(ErrorKind::Truncated)?;
    if *first < 0x80 {
        return Ok((2, usize::from(*first)));
    }
    let count = usize::from(first & 0x7F);
    if count == 0 || count > 4 {
        return Err(ErrorKind::Length);
    }
    let octets = rest.get(..count).ok_or(ErrorKind::Truncated)?;
    let length = octets.iter().fold(0_u64, |length, octet| (length << 8) | u64::from(*octet));
    // X.690 10.1: the shortest form. A leading zero, or a length that fits the short form, is not it.
    if length < 0x80 || octets.first() == Some(&0) {
        return Err(ErrorKind::Length);
    }
    let length = usize::try_from(length).map_err(|_| ErrorKind::Length)?;
    Ok((count.saturating_add(2), length))
}

impl<'a> Element<'a> {
    /// The tag.
    pub const fn tag(self) -> Tag {
        self.tag
    }

    /// Tag, length and content as they were received: what a signature covers.
    pub const fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// The content.
    pub const fn value(self) -> &'a [u8] {
        self.value
    }

    /// The offset of the first byte of the element from the start of the outermost input.
    pub const fn at(self) -> usize {
        self.at
    }

    /// A reader of the content.
    pub const fn reader(self) -> Reader<'a> {
        let header = self.raw.len().saturating_sub(self.value.len());
        Reader { rest: self.value, at: self.at.saturating_add(header) }
    }

    /// The content as an OBJECT IDENTIFIER, whatever the tag (IMPLICIT tagging).
    ///
    /// # Errors
    /// The octets are incomplete or padded.
    pub fn oid(self) -> Result<Oid<'a>, Error> {
        let oid = Oid::from_content(self.value);
        if oid.is_valid() { Ok(oid) } else { Err(Error::new(ErrorKind::Value(Tag::OID), self.at)) }
    }

    /// The content as an INTEGER, whatever the tag.
    ///
    /// # Errors
    /// The integer is empty or padded.
    pub fn integer(self) -> Result<&'a [u8], Error> {
        let bad = match self.value {
            [] => true,
            [0x00, second, ..] => second & 0x80 == 0,
            [0xFF, second, ..] => second & 0x80 != 0,
            _ => false,
        };
        if bad { Err(Error::new(ErrorKind::Value(Tag::INTEGER), self.at)) } else { Ok(self.value) }
    }

    /// The content as a time; the tag says which of the two forms.
    ///
    /// # Errors
    /// The moment is spelled otherwise than RFC 5280 section 4.1.2.5 allows, or does not exist.
    pub fn time(self) -> Result<Timestamp, Error> {
        let digits = match (self.tag, self.value) {
            (Tag::GENERALIZED_TIME, [digits @ .., b'Z']) => <[u8; 14]>::try_from(digits).ok(),
            (_, [digits @ .., b'Z']) => <[u8; 12]>::try_from(digits).ok().map(|short| {
                let [y0, y1, m0, m1, d0, d1, h0, h1, n0, n1, s0, s1] = short;
                // RFC 5280 4.1.2.5.1: 50 to 99 is the twentieth century.
                let (c0, c1) = if y0 >= b'5' { (b'1', b'9') } else { (b'2', b'0') };
                [c0, c1, y0, y1, m0, m1, d0, d1, h0, h1, n0, n1, s0, s1]
            }),
            _ => None,
        };
        digits.and_then(moment).ok_or_else(|| self.bad_value())
    }

    /// The content as text: UTF8, Printable, IA5, Numeric, Visible, Teletex (as Latin-1), BMP and Universal strings. `None` when
    /// the tag is no string or the octets are not what the tag says.
    ///
    /// PrintableString and its kin are read as ASCII, since real requests put `*`, `@` and `_` into them.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self.tag {
            Tag::UTF8_STRING => std::str::from_utf8(self.value).ok().map(Cow::Borrowed),
            Tag::PRINTABLE_STRING | Tag::IA5_STRING | Tag::NUMERIC_STRING | Tag::VISIBLE_STRING => {
                self.value.is_ascii().then(|| std::str::from_utf8(self.value).ok().map(Cow::Borrowed))?
            }
            Tag::TELETEX_STRING => Some(Cow::Owned(self.value.iter().map(|octet| char::from(*octet)).collect())),
            Tag::BMP_STRING => {
                let (units, rest) = self.value.as_chunks::<2>();
                let text =
                    char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit))).collect::<Result<String, _>>();
                rest.is_empty().then(|| text.ok().map(Cow::Owned))?
            }
            Tag::UNIVERSAL_STRING => {
                let (units, rest) = self.value.as_chunks::<4>();
                let text = units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit))).collect::<Option<String>>();
                rest.is_empty().then(|| text.map(Cow::Owned))?
            }
            _ => None,
        }
    }

    #[cold]
    fn bad_value(self) -> Error {
        Error::new(ErrorKind::Value(self.tag), self.at)
    }
}

fn moment(digits: [u8; 14]) -> Option<Timestamp> {
    let [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, n0, n1, s0, s1] = digits;
    let year = u16::from(two_digits(y0, y1)?).checked_mul(100)?.checked_add(u16::from(two_digits(y2, y3)?))?;
    Timestamp::from_civil(Civil {
        year,
        month: two_digits(m0, m1)?,
        day: two_digits(d0, d1)?,
        hour: two_digits(h0, h1)?,
        minute: two_digits(n0, n1)?,
        second: two_digits(s0, s1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (ErrorKind, usize) {
        let error = outcome.unwrap_err();
        (error.kind, error.at)
    }

    #[test]
    fn lengths_must_be_the_shortest() {
        for input in
            [&[0x04, 0x81, 0x01, 0x00][..], &[0x04, 0x82, 0x00, 0x80], &[0x04, 0x80, 0x00, 0x00], &[0x04, 0x85, 1, 1, 1, 1, 1]]
        {
            assert_eq!(kind(Reader::new(input).element()), (ErrorKind::Length, 0), "{input:?}");
        }
    }

    #[test]
    fn truncation_is_told_at_the_element() {
        let mut reader = Reader::new(&[0x05, 0x00, 0x04, 0x05, 0x01]);
        reader.null().unwrap();
        assert_eq!(kind(reader.element()), (ErrorKind::Truncated, 2));
        assert_eq!(kind(Reader::new(&[0x04, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]).element()), (ErrorKind::Truncated, 0));
        assert_eq!(kind(Reader::new(&[0x1F, 0x00]).element()), (ErrorKind::HighTag, 0));
    }

    #[test]
    fn offsets_count_from_the_outermost_input() {
        let mut outer = Reader::new(&[0x30, 0x05, 0x30, 0x03, 0x01, 0x01, 0x07]);
        let mut inner = outer.sequence().unwrap().sequence().unwrap();
        assert_eq!(kind(inner.boolean()), (ErrorKind::Value(Tag::BOOLEAN), 4));
    }

    #[test]
    fn padded_integers_are_refused() {
        assert!(Reader::new(&[0x02, 0x02, 0x00, 0x7F]).integer().is_err());
        assert!(Reader::new(&[0x02, 0x02, 0xFF, 0x80]).integer().is_err());
        assert!(Reader::new(&[0x02, 0x00]).integer().is_err());
        assert_eq!(Reader::new(&[0x02, 0x02, 0x00, 0x80]).small_integer(), Ok(128));
        assert!(Reader::new(&[0x02, 0x01, 0x80]).small_integer().is_err());
    }

    #[test]
    fn both_forms_of_time() {
        let read = |tag: u8, text: &str| {
            let mut bytes = vec![tag, u8::try_from(text.len()).unwrap()];
            bytes.extend_from_slice(text.as_bytes());
            Reader::new(&bytes).time()
        };
        assert_eq!(read(0x17, "491231235959Z").unwrap().to_string(), "2049-12-31T23:59:59Z");
        assert_eq!(read(0x17, "500101000000Z").unwrap().to_string(), "1950-01-01T00:00:00Z");
        assert_eq!(read(0x18, "20500101000000Z").unwrap().to_string(), "2050-01-01T00:00:00Z");
        for bad in ["4912312359Z", "491231235959+0000", "491231235959", "490231000000Z", "49123123595aZ"] {
            assert!(read(0x17, bad).is_err(), "{bad}");
        }
        assert!(read(0x18, "20500101000000.5Z").is_err());
    }

    #[test]
    fn text_of_every_string_type() {
        let text = |tag: u8, value: &[u8]| {
            let mut bytes = vec![tag, u8::try_from(value.len()).unwrap()];
            bytes.extend_from_slice(value);
            Reader::new(&bytes).element().unwrap().text().map(Cow::into_owned)
        };
        assert_eq!(text(0x0C, "é".as_bytes()).as_deref(), Some("é"));
        assert_eq!(text(0x13, b"a*@_").as_deref(), Some("a*@_"));
        assert_eq!(text(0x13, &[0xE9]), None);
        assert_eq!(text(0x14, &[0xE9]).as_deref(), Some("é"));
        assert_eq!(text(0x1E, &[0x00, 0xE9]).as_deref(), Some("é"));
        assert_eq!(text(0x1E, &[0x00]), None);
        assert_eq!(text(0x1C, &[0, 0, 0, 0xE9]).as_deref(), Some("é"));
        assert_eq!(text(0x04, b"x"), None);
    }
}
