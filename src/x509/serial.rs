//! Serial numbers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Error;
use crate::asn1::{Error as Asn1Error, Reader, Tag, Writer};
use crate::crypto::Random;
use crate::hex;

/// What RFC 5280 section 4.1.2.2 allows.
const MAX_MADE: usize = 20;
/// What is still read: certificates with longer numbers exist.
const MAX_READ: usize = 64;

/// A certificate's serial number: an INTEGER as it was received, or a positive one that was made here.
///
/// Shown as lower-case hexadecimal of the number, two digits to the octet, with `-` before a negative one. Ordered by length and
/// then by octets, which is the order of numbers among the positive.
///
/// ```
/// use mdm_core::x509::SerialNumber;
///
/// let serial = SerialNumber::from_bytes(&[0x00, 0x9C, 0x01])?;
/// assert_eq!(serial.to_string(), "9c01");
/// assert_eq!("9c01".parse(), Ok(serial));
/// # Ok::<(), mdm_core::x509::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber {
    // The order of the fields is the order of numbers. What is behind `len` is zero.
    len: u8,
    octets: [u8; MAX_READ],
}

/// The text is not a hexadecimal number of 1 to 64 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a serial number: 1 to 64 octets in hexadecimal")]
pub struct ParseSerialError;

impl SerialNumber {
    /// From a positive number, most significant octet first; leading zeros are dropped.
    ///
    /// # Errors
    /// [`Error::Misuse`] for zero, and for a number that takes more than 20 octets as INTEGER (RFC 5280 section 4.1.2.2).
    pub fn from_bytes(magnitude: &[u8]) -> Result<Self, Error> {
        let significant = strip(magnitude, 0);
        if significant.is_empty() {
            return Err(Error::Misuse("a serial number must be positive"));
        }
        Self::from_magnitude(significant)
            .filter(|serial| serial.content().len() <= MAX_MADE)
            .ok_or(Error::Misuse("a serial number takes at most 20 octets"))
    }

    /// A fresh number of 16 octets, 126 bits of them random. The second-highest bit is set, so that every number is positive
    /// and equally long.
    ///
    /// # Errors
    /// [`Error::Crypto`] when there is no randomness.
    pub fn random(random: &dyn Random) -> Result<Self, Error> {
        let mut octets = [0; 16];
        random.fill(&mut octets)?;
        let [first, ..] = &mut octets;
        *first = (*first & 0x7F) | 0x40;
        Self::from_bytes(&octets)
    }

    /// Reads an INTEGER. Zero, negative and long numbers (to 64 octets) are taken as they are.
    ///
    /// # Errors
    /// No INTEGER, a padded one, or more than 64 octets.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let at = reader.at();
        let content = reader.integer()?;
        Self::from_content(content).ok_or_else(|| Asn1Error::field("serialNumber (more than 64 octets)", at))
    }

    /// Writes the INTEGER.
    pub fn write(&self, w: &mut Writer) {
        w.element(Tag::INTEGER, self.content());
    }

    /// The number's magnitude, most significant octet first, without leading zeros; for a negative number the content octets
    /// that were received. Empty for zero.
    pub fn as_bytes(&self) -> &[u8] {
        strip(self.content(), 0)
    }

    /// The content octets of the INTEGER.
    pub(crate) fn content(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether it is above zero, as every serial number should be.
    pub fn is_positive(&self) -> bool {
        !self.is_negative() && !self.as_bytes().is_empty()
    }

    fn is_negative(&self) -> bool {
        self.content().first().is_some_and(|first| first & 0x80 != 0)
    }

    fn from_content(content: &[u8]) -> Option<Self> {
        let mut octets = [0; MAX_READ];
        octets.get_mut(..content.len())?.copy_from_slice(content);
        Some(SerialNumber { len: u8::try_from(content.len()).ok()?, octets })
    }

    /// A non-negative number from its octets, without leading zeros.
    fn from_magnitude(magnitude: &[u8]) -> Option<Self> {
        // An octet of zero keeps the sign away, and stands for zero itself.
        let sign = usize::from(magnitude.first().is_none_or(|first| first & 0x80 != 0));
        let len = magnitude.len().checked_add(sign)?;
        let mut octets = [0; MAX_READ];
        octets.get_mut(sign..len)?.copy_from_slice(magnitude);
        Some(SerialNumber { len: u8::try_from(len).ok()?, octets })
    }

    fn negated(content: &[u8]) -> Vec<u8> {
        // Two's complement: the complement plus one, from the last octet forward.
        let mut carry = true;
        let mut octets: Vec<u8> = content
            .iter()
            .rev()
            .map(|octet| {
                let (value, overflow) = (!octet).overflowing_add(u8::from(carry));
                carry = overflow;
                value
            })
            .collect();
        octets.reverse();
        octets
    }
}

/// The octets without those leading ones that have this value.
fn strip(octets: &[u8], leading: u8) -> &[u8] {
    let from = octets.iter().position(|octet| *octet != leading).unwrap_or(octets.len());
    octets.get(from..).unwrap_or_default()
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, octets: &[u8]| octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"));
        if self.is_negative() {
            f.write_str("-")?;
            return hex(f, strip(&Self::negated(self.content()), 0));
        }
        match self.as_bytes() {
            [] => f.write_str("00"),
            magnitude => hex(f, magnitude),
        }
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

impl std::str::FromStr for SerialNumber {
    type Err = ParseSerialError;

    /// Reads what [`Display`](fmt::Display) writes, and upper case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let octets = hex::decode(digits).filter(|octets| !octets.is_empty()).ok_or(ParseSerialError)?;
        let magnitude = strip(&octets, 0);
        if !negative {
            return Self::from_magnitude(magnitude).ok_or(ParseSerialError);
        }
        if magnitude.is_empty() {
            return Err(ParseSerialError);
        }
        // One zero octet before the magnitude makes room for the sign; what it makes too much is dropped again.
        let mut positive = vec![0];
        positive.extend_from_slice(magnitude);
        let content = Self::negated(&positive);
        match content.as_slice() {
            [0xFF, rest @ ..] if rest.first().is_some_and(|second| second & 0x80 != 0) => Self::from_content(rest),
            content => Self::from_content(content),
        }
        .ok_or(ParseSerialError)
    }
}

impl Serialize for SerialNumber {
    /// The hexadecimal text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SerialNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto;

    fn read(content: &[u8]) -> Result<SerialNumber, Asn1Error> {
        SerialNumber::read(&mut Reader::new(&Writer::build(|w| w.element(Tag::INTEGER, content))))
    }

    #[test]
    fn what_is_made_is_positive_and_short() {
        assert_eq!(SerialNumber::from_bytes(&[0x80]).unwrap().content(), [0x00, 0x80]);
        assert_eq!(SerialNumber::from_bytes(&[0, 0, 5]).unwrap().content(), [5]);
        assert!(matches!(SerialNumber::from_bytes(&[]), Err(Error::Misuse(_))));
        assert!(matches!(SerialNumber::from_bytes(&[0, 0]), Err(Error::Misuse(_))));
        assert!(SerialNumber::from_bytes(&[0x7F; 20]).is_ok());
        assert!(matches!(SerialNumber::from_bytes(&[0x80; 20]), Err(Error::Misuse(_))), "the sign takes a 21st octet");
    }

    #[test]
    fn random_numbers_are_sixteen_octets_whatever_was_drawn() {
        struct Same(u8);
        impl Random for Same {
            fn fill(&self, dest: &mut [u8]) -> Result<(), crypto::Error> {
                dest.fill(self.0);
                Ok(())
            }
        }
        for drawn in [0x00, 0x7F, 0x80, 0xFF] {
            let serial = SerialNumber::random(&Same(drawn)).unwrap();
            assert_eq!(serial.content().len(), 16);
            assert!(serial.is_positive());
        }
    }

    #[test]
    fn odd_numbers_are_read_as_they_are_and_keep_apart() {
        for (content, text) in [
            (&[0x00][..], "00"),
            (&[0x80], "-80"),
            (&[0x00, 0x80], "80"),
            (&[0xFF], "-01"),
            (&[0xFF, 0x00], "-0100"),
            (&[0xFE, 0xFF], "-0101"),
            (&[0xFF, 0x7F], "-81"),
            (&[0x7F; 21], "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f"),
        ] {
            let serial = read(content).unwrap();
            assert_eq!(serial.to_string(), text);
            assert_eq!(text.parse(), Ok(serial), "{text}");
            assert_eq!(Writer::build(|w| serial.write(w))[2..], *content);
        }
        assert!(read(&[0x01; 64]).is_ok());
        assert!(read(&[0x01; 65]).is_err());
    }

    #[test]
    fn order_is_that_of_numbers() {
        let mut serials: Vec<SerialNumber> = ["0100", "ff", "01", "80", "7f"].iter().map(|t| t.parse().unwrap()).collect();
        serials.sort();
        let texts: Vec<String> = serials.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["01", "7f", "80", "ff", "0100"]);
    }

    #[test]
    fn texts_that_are_no_number_are_refused() {
        for text in ["", "-", "0", "0x01", "012", "zz", "-00", &"01".repeat(65)] {
            assert_eq!(text.parse::<SerialNumber>(), Err(ParseSerialError), "{text}");
        }
        assert_eq!("AB".parse::<SerialNumber>().unwrap().to_string(), "ab");
    }

    #[test]
    fn serde_writes_the_text() {
        let serial: SerialNumber = "9c01".parse().unwrap();
        assert_eq!(serde_json::to_string(&serial).unwrap(), "\"9c01\"");
        assert_eq!(serde_json::from_str::<SerialNumber>("\"9c01\"").unwrap(), serial);
        assert!(serde_json::from_str::<SerialNumber>("\"9c0\"").is_err());
    }
}
