//! Hexadecimal text.
//!
//! Owns the one way in which digits are read (both cases, two to the octet, nothing between them and no prefix) and written (lower case).
//! What a caller allows besides (a sign, colons, an odd number of digits) it takes away first.

/// The value of a digit, in either case.
///
/// ```
/// assert_eq!(mdm_core::hex::digit(b'F'), Some(15));
/// ```
pub fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a' - 10)),
        b'A'..=b'F' => Some(digit.wrapping_sub(b'A' - 10)),
        _ => None,
    }
}

/// The octet of two digits.
pub fn octet(high: u8, low: u8) -> Option<u8> {
    Some(digit(high)? << 4 | digit(low)?)
}

/// The octets of a text: `None` when a digit is missing or none.
///
/// ```
/// use mdm_core::hex;
///
/// assert_eq!(hex::decode("9C01"), Some(vec![0x9C, 0x01]));
/// assert_eq!((hex::decode("9"), hex::decode("0x")), (None, None));
/// ```
pub fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_ref().as_chunks::<2>();
    let mut octets = Vec::with_capacity(pairs.len());
    for [high, low] in pairs {
        octets.push(octet(*high, *low)?);
    }
    rest.is_empty().then_some(octets)
}

/// The text of octets, in lower case.
///
/// ```
/// assert_eq!(mdm_core::hex::encode([0x9C, 0x01]), "9c01");
/// ```
pub fn encode(octets: impl AsRef<[u8]>) -> String {
    let octets = octets.as_ref();
    let mut text = String::with_capacity(octets.len().saturating_mul(2));
    append(&mut text, octets);
    text
}

/// Puts the text of octets behind a text.
pub(crate) fn append(text: &mut String, octets: &[u8]) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let nibbles = octets.iter().flat_map(|octet| [octet >> 4, octet & 0x0F]);
    nibbles.filter_map(|value| DIGITS.get(usize::from(value))).for_each(|digit| text.push(*digit));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_reads_back_in_both_cases() {
        for value in 0..=u8::MAX {
            assert_eq!(decode(format!("{value:02x}")), Some(vec![value]));
            assert_eq!(decode(format!("{value:02X}")), Some(vec![value]));
            assert_eq!(encode([value]), format!("{value:02x}"));
        }
        assert_eq!(decode(""), Some(vec![]));
    }

    #[test]
    fn what_is_no_digit_is_refused() {
        for text in ["0", "012", "0g", "+1", " 1", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert!((0..=u8::MAX).filter(|octet| digit(*octet).is_some()).all(|octet| octet.is_ascii_hexdigit()));
    }
}
