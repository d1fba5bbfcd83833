//! Numbers, texts and octets of Java's DataOutput.

use crate::asn1::{Error, ErrorKind};

/// A cursor over a Java file.
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Bytes { rest: input, at: 0 }
    }

    /// The offset of the next byte.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, octets: usize) -> Result<&'a [u8], Error> {
        let truncated = Error::new(ErrorKind::Truncated, self.at);
        let (taken, rest) = self.rest.split_at_checked(octets).ok_or(truncated)?;
        self.rest = rest;
        self.at = self.at.saturating_add(octets);
        Ok(taken)
    }

    fn number(&mut self, octets: usize) -> Result<u32, Error> {
        Ok(self.take(octets)?.iter().fold(0, |value, octet| (value << 8) | u32::from(*octet)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        let at = self.at;
        u16::try_from(self.number(2)?).map_err(|_| Error::new(ErrorKind::Length, at))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.number(4)
    }

    /// Octets behind their number in 32 bits.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], Error> {
        let at = self.at;
        let octets = usize::try_from(self.u32()?).map_err(|_| Error::new(ErrorKind::Length, at))?;
        self.take(octets)
    }

    /// Octets behind their number in 16 bits: a text not yet looked at.
    pub(super) fn short_counted(&mut self) -> Result<&'a [u8], Error> {
        let octets = usize::from(self.u16()?);
        self.take(octets)
    }

    /// A text in Java's modified UTF-8: UTF-16 units, each in one to three octets.
    pub(super) fn text(&mut self) -> Result<String, Error> {
        let at = self.at;
        let octets = self.short_counted()?;
        utf16_units(octets).and_then(|units| String::from_utf16(&units).ok()).ok_or(Error::field("a text", at))
    }

    pub(super) fn finish(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::TrailingData, self.at)) }
    }
}

fn utf16_units(mut octets: &[u8]) -> Option<Vec<u16>> {
    let low = |octet: u8| (octet & 0xC0 == 0x80).then(|| u16::from(octet & 0x3F));
    let mut units = Vec::with_capacity(octets.len());
    loop {
        let (unit, rest) = match *octets {
            [] => return Some(units),
            [a @ 0..0x80, ref rest @ ..] => (u16::from(a), rest),
            [a @ 0xC0..=0xDF, b, ref rest @ ..] => (u16::from(a & 0x1F) << 6 | low(b)?, rest),
            [a @ 0xE0..=0xEF, b, c, ref rest @ ..] => (u16::from(a & 0x0F) << 12 | low(b)? << 6 | low(c)?, rest),
            _ => return None,
        };
        units.push(unit);
        octets = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_utf_16_in_disguise() {
        let text = |octets: &[u8]| {
            let mut bytes = u16::try_from(octets.len()).unwrap().to_be_bytes().to_vec();
            bytes.extend_from_slice(octets);
            Bytes::new(&bytes).text()
        };
        assert_eq!(text("aé€".as_bytes()).as_deref(), Ok("aé€"));
        assert_eq!(text(&[0xC0, 0x80]).as_deref(), Ok("\0"));
        assert_eq!(text(&[0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80]).as_deref(), Ok("😀"));
        for bad in [&[0x80][..], &[0xC3], &[0xC3, 0x41], &[0xED, 0xA0, 0xBD], &[0xF0, 0x9F, 0x98, 0x80]] {
            assert_eq!(text(bad), Err(Error::field("a text", 0)), "{bad:?}");
        }
    }

    #[test]
    fn what_lies_about_its_length_is_truncated() {
        for bytes in [&[0xFF, 0xFF, 0xFF, 0xFF, 0][..], &[0, 0, 0], &[]] {
            assert!(Bytes::new(bytes).counted().is_err());
        }
        let mut bytes = Bytes::new(&[0, 0, 0, 2, 7, 8, 9]);
        assert_eq!(bytes.counted(), Ok(&[7, 8][..]));
        assert_eq!(bytes.finish(), Err(Error::new(ErrorKind::TrailingData, 6)));
    }
}
