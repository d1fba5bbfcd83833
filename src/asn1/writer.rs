//! Writing DER.

use super::{Oid, Tag};
use crate::time::Timestamp;

/// Builds DER front to back. Content is written by a closure; its length is put before it when the closure returns.
///
/// ```
/// use mdm_core::asn1::Writer;
///
/// let der = Writer::build(|w| {
///     w.sequence(|w| {
///         w.small_integer(5);
///         w.octet_string(b"abc");
///     });
/// });
/// assert_eq!(der, [0x30, 0x08, 0x02, 0x01, 0x05, 0x04, 0x03, b'a', b'b', b'c']);
/// ```
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Runs the closure on an empty writer and gives what it wrote.
    pub fn build(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        Self::build_with_capacity(256, write)
    }

    /// As [`Writer::build`], with room made first for so many bytes.
    pub fn build_with_capacity(bytes: usize, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer { out: Vec::with_capacity(bytes) };
        write(&mut writer);
        writer.out
    }

    /// Goes on behind what a buffer holds already, for those who manage its growth.
    pub(crate) const fn continuing(out: Vec<u8>) -> Self {
        Writer { out }
    }

    /// The buffer.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Bytes that are already DER.
    pub fn raw(&mut self, der: &[u8]) {
        self.out.extend_from_slice(der);
    }

    /// An element whose content is known.
    pub fn element(&mut self, tag: Tag, content: &[u8]) {
        self.header(tag, content.len());
        self.out.extend_from_slice(content);
    }

    /// Tag and length of an element whose content the caller writes next, `length` bytes long.
    pub fn header(&mut self, tag: Tag, length: usize) {
        self.out.push(tag.octet());
        let mut buffer = [0; MAX_LENGTH_OCTETS];
        self.out.extend_from_slice(length_octets(length, &mut buffer));
    }

    /// An element whose content the closure writes.
    pub fn nested(&mut self, tag: Tag, content: impl FnOnce(&mut Writer)) {
        self.out.push(tag.octet());
        let at = self.out.len();
        // Room for a length of one octet, which is what most have.
        self.out.push(0);
        content(self);
        let length = self.out.len().saturating_sub(at).saturating_sub(1);
        let mut buffer = [0; MAX_LENGTH_OCTETS];
        let octets = length_octets(length, &mut buffer);
        match (octets, self.out.get_mut(at)) {
            ([short], Some(room)) => *room = *short,
            // The content moves up to make room for a longer one; levels are few and contents small.
            _ => drop(self.out.splice(at..at.saturating_add(1), octets.iter().copied())),
        }
    }

    /// A SEQUENCE whose content the closure writes.
    pub fn sequence(&mut self, content: impl FnOnce(&mut Writer)) {
        self.nested(Tag::SEQUENCE, content);
    }

    /// A SET OF: the elements, each already DER, in the order that DER demands (X.690 11.6).
    pub fn set_of<T: AsRef<[u8]>>(&mut self, tag: Tag, elements: impl IntoIterator<Item = T>) {
        let mut elements: Vec<T> = elements.into_iter().collect();
        elements.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
        self.nested(tag, |w| elements.iter().for_each(|element| w.raw(element.as_ref())));
    }

    /// An OBJECT IDENTIFIER.
    pub fn oid(&mut self, oid: Oid<'_>) {
        self.element(Tag::OID, oid.content());
    }

    /// A non-negative INTEGER from its magnitude, most significant octet first; leading zeros are dropped.
    pub fn unsigned_integer(&mut self, magnitude: &[u8]) {
        let significant = magnitude.iter().position(|octet| *octet != 0).and_then(|from| magnitude.get(from..)).unwrap_or(&[0]);
        let padded = significant.first().is_some_and(|first| first & 0x80 != 0);
        self.header(Tag::INTEGER, significant.len().saturating_add(usize::from(padded)));
        if padded {
            self.out.push(0);
        }
        self.out.extend_from_slice(significant);
    }

    /// A small non-negative INTEGER.
    pub fn small_integer(&mut self, value: u32) {
        self.unsigned_integer(&value.to_be_bytes());
    }

    /// A BOOLEAN.
    pub fn boolean(&mut self, value: bool) {
        self.element(Tag::BOOLEAN, &[if value { 0xFF } else { 0x00 }]);
    }

    /// A NULL.
    pub fn null(&mut self) {
        self.element(Tag::NULL, &[]);
    }

    /// An OCTET STRING.
    pub fn octet_string(&mut self, octets: &[u8]) {
        self.element(Tag::OCTET_STRING, octets);
    }

    /// A BIT STRING of whole octets.
    pub fn bit_string(&mut self, octets: &[u8]) {
        self.header(Tag::BIT_STRING, octets.len().saturating_add(1));
        self.out.push(0);
        self.out.extend_from_slice(octets);
    }

    /// A named-bit list in its shortest form (X.690 11.2.2): bit 0 of `bits` is the first named bit.
    pub fn named_bits(&mut self, bits: u16) {
        let octets = bits.reverse_bits().to_be_bytes();
        let highest = u16::BITS.saturating_sub(bits.leading_zeros());
        let used = usize::try_from(highest.div_ceil(8)).unwrap_or(2);
        let unused = u8::try_from(highest.next_multiple_of(8).saturating_sub(highest)).unwrap_or(0);
        self.header(Tag::BIT_STRING, used.saturating_add(1));
        self.out.push(unused);
        self.out.extend(octets.iter().take(used));
    }

    /// A UTF8String.
    pub fn utf8_string(&mut self, text: &str) {
        self.element(Tag::UTF8_STRING, text.as_bytes());
    }

    /// A PrintableString; the caller has made sure of the characters.
    pub fn printable_string(&mut self, text: &str) {
        self.element(Tag::PRINTABLE_STRING, text.as_bytes());
    }

    /// A time as RFC 5280 section 4.1.2.5 wants it: UTCTime from 1950 through 2049, else GeneralizedTime.
    pub fn time(&mut self, at: Timestamp) {
        if fits_utc_time(at) {
            // The century is what UTCTime leaves out.
            self.element(Tag::UTC_TIME, generalized(at).get(2..).unwrap_or_default());
        } else {
            self.generalized_time(at);
        }
    }

    /// A GeneralizedTime, whole seconds, `Z`.
    pub fn generalized_time(&mut self, at: Timestamp) {
        self.element(Tag::GENERALIZED_TIME, &generalized(at));
    }
}

/// Whether RFC 5280 section 4.1.2.5 wants UTCTime: from 1950 through 2049.
pub(crate) const fn fits_utc_time(at: Timestamp) -> bool {
    -631_152_000 <= at.unix() && at.unix() < 2_524_608_000
}

/// `YYYYMMDDhhmmssZ`. By hand: a revocation list writes a million of them.
fn generalized(at: Timestamp) -> [u8; 15] {
    let c = at.civil();
    let two = |value: u8| [b'0'.saturating_add(value / 10), b'0'.saturating_add(value % 10)];
    let century = |value: u16| u8::try_from(value).map_or([b'0'; 2], two);
    let ([y0, y1], [y2, y3]) = (century(c.year / 100), century(c.year % 100));
    let ([m0, m1], [d0, d1]) = (two(c.month), two(c.day));
    let ([h0, h1], [n0, n1], [s0, s1]) = (two(c.hour), two(c.minute), two(c.second));
    [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, n0, n1, s0, s1, b'Z']
}

const MAX_LENGTH_OCTETS: usize = 1 + size_of::<usize>();

/// Octets of the header of an element with so much content.
pub(super) fn header_len(length: usize) -> usize {
    length_octets(length, &mut [0; MAX_LENGTH_OCTETS]).len().saturating_add(1)
}

/// The shortest definite form of a length.
fn length_octets(length: usize, buffer: &mut [u8; MAX_LENGTH_OCTETS]) -> &[u8] {
    if let Ok(short @ 0..=0x7F) = u8::try_from(length) {
        buffer[0] = short;
        return buffer.get(..1).unwrap_or_default();
    }
    let octets = length.to_be_bytes();
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let significant = octets.get(zeros..).unwrap_or_default();
    buffer[0] = 0x80 | u8::try_from(significant.len()).unwrap_or(0);
    for (slot, octet) in buffer.iter_mut().skip(1).zip(significant) {
        *slot = *octet;
    }
    buffer.get(..significant.len().saturating_add(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    #[test]
    fn lengths_are_the_shortest_and_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 70_000] {
            let der = Writer::build(|w| w.nested(Tag::SEQUENCE, |w| w.raw(&vec![0; length])));
            let element = Reader::new(&der).element().unwrap();
            assert_eq!(element.value().len(), length);
            assert_eq!(Writer::build(|w| w.element(Tag::SEQUENCE, element.value())), der);
        }
    }

    #[test]
    fn integers_are_minimal_and_never_negative() {
        assert_eq!(Writer::build(|w| w.unsigned_integer(&[0, 0, 0x80])), [2, 2, 0, 0x80]);
        assert_eq!(Writer::build(|w| w.unsigned_integer(&[])), [2, 1, 0]);
        assert_eq!(Writer::build(|w| w.small_integer(0)), [2, 1, 0]);
        assert_eq!(Writer::build(|w| w.small_integer(300)), [2, 2, 1, 44]);
    }

    #[test]
    fn named_bits_drop_trailing_zeros() {
        // digitalSignature, keyEncipherment; keyCertSign, cRLSign; decipherOnly (bit 8); none.
        assert_eq!(Writer::build(|w| w.named_bits(0b101)), [3, 2, 5, 0xA0]);
        assert_eq!(Writer::build(|w| w.named_bits(0b110_0000)), [3, 2, 1, 0x06]);
        assert_eq!(Writer::build(|w| w.named_bits(1 << 8)), [3, 3, 7, 0x00, 0x80]);
        assert_eq!(Writer::build(|w| w.named_bits(0)), [3, 1, 0]);
    }

    #[test]
    fn a_set_of_is_sorted() {
        assert_eq!(Writer::build(|w| w.set_of(Tag::SET, [&[2, 1, 9][..], &[2, 1, 3]])), [0x31, 6, 2, 1, 3, 2, 1, 9]);
    }

    #[test]
    fn the_year_2050_changes_the_form_of_time() {
        for (text, tag) in [("2049-12-31T23:59:59Z", 0x17), ("2050-01-01T00:00:00Z", 0x18), ("1949-12-31T23:59:59Z", 0x18)] {
            let at: Timestamp = text.parse().unwrap();
            let der = Writer::build(|w| w.time(at));
            assert_eq!(der[0], tag);
            assert_eq!(Reader::new(&der).time(), Ok(at));
        }
    }
}
