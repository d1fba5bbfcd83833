//! Changes to the structure of a message, with every length right afterwards.

/// An element of DER: a tag of one octet, and elements or octets.
struct Element {
    tag: u8,
    content: Content,
}

enum Content {
    Octets(Vec<u8>),
    Elements(Vec<Element>),
}

/// Deeper than any message that the crate reads.
const DEPTH: usize = 40;

/// Elements that are taken from one input.
const ELEMENTS: usize = 4_096;

/// Applies the changes that the first octets describe to the DER behind them. The first octet counts the changes (at most seven);
/// three octets a change tell what it is and where. `None` when there is no DER to change.
///
/// A change drops an element, doubles it, swaps it with the next, gives it another tag, empties it, flips a bit in it, or wraps it.
pub fn reshape(data: &[u8]) -> Option<Vec<u8>> {
    let (count, rest) = data.split_first()?;
    let (changes, der) = rest.split_at_checked(usize::from(count & 7) * 3)?;
    let mut left = ELEMENTS;
    let mut elements = read(der, DEPTH, &mut left)?;
    for change in changes.chunks_exact(3) {
        let total = count_all(&elements);
        if total == 0 {
            break;
        }
        let mut place = usize::from(u16::from_be_bytes([change[1], change[2]])) % total;
        apply(&mut elements, &mut place, change[0]);
    }
    let mut written = Vec::new();
    elements.iter().for_each(|element| write(element, &mut written));
    Some(written)
}

/// The elements that fill these octets. An octet string that holds DER is opened as well, since SCEP nests messages so.
fn read(mut der: &[u8], depth: usize, left: &mut usize) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    while let [tag, rest @ ..] = der {
        *left = left.checked_sub(1)?;
        let (octets, rest) = take(rest)?;
        let opened = matches!(tag, 0x04 | 0x24) || tag & 0x20 != 0;
        let inner = if opened && depth > 0 && !octets.is_empty() { read(octets, depth - 1, left) } else { None };
        let content = inner.map_or_else(|| Content::Octets(octets.to_vec()), Content::Elements);
        elements.push(Element { tag: *tag, content });
        der = rest;
    }
    Some(elements)
}

/// A length and as many octets.
fn take(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn count_all(elements: &[Element]) -> usize {
    let inner = |element: &Element| match &element.content {
        Content::Elements(inner) => count_all(inner),
        Content::Octets(_) => 0,
    };
    elements.iter().map(|element| 1 + inner(element)).sum()
}

/// Walks to the element with this number, in the order of the message, and changes it.
fn apply(elements: &mut Vec<Element>, place: &mut usize, change: u8) -> bool {
    for at in 0..elements.len() {
        if *place == 0 {
            alter(elements, at, change);
            return true;
        }
        *place -= 1;
        if let Content::Elements(inner) = &mut elements[at].content
            && apply(inner, place, change)
        {
            return true;
        }
    }
    false
}

fn alter(elements: &mut Vec<Element>, at: usize, change: u8) {
    let (kind, argument) = (change % 7, change / 7);
    match kind {
        0 => drop(elements.remove(at)),
        1 => {
            let copy = elements[at].copy();
            elements.insert(at, copy);
        }
        2 if at + 1 < elements.len() => elements.swap(at, at + 1),
        3 => elements[at].tag ^= 1 << (argument & 7),
        4 => elements[at].content = Content::Octets(Vec::new()),
        5 => elements[at].flip(argument),
        _ => {
            let inner = elements.remove(at);
            elements.insert(at, Element { tag: 0x30, content: Content::Elements(vec![inner]) });
        }
    }
}

impl Element {
    fn copy(&self) -> Element {
        let content = match &self.content {
            Content::Octets(octets) => Content::Octets(octets.clone()),
            Content::Elements(inner) => Content::Elements(inner.iter().map(Element::copy).collect()),
        };
        Element { tag: self.tag, content }
    }

    /// Flips a bit of the first or the last octet.
    fn flip(&mut self, argument: u8) {
        let Content::Octets(octets) = &mut self.content else { return };
        let octet = if argument & 8 == 0 { octets.first_mut() } else { octets.last_mut() };
        if let Some(octet) = octet {
            *octet ^= 1 << (argument & 7);
        }
    }
}

fn write(element: &Element, out: &mut Vec<u8>) {
    let mut content = Vec::new();
    match &element.content {
        Content::Octets(octets) => content.extend_from_slice(octets),
        Content::Elements(inner) => inner.iter().for_each(|element| write(element, &mut content)),
    }
    out.push(element.tag);
    let length = content.len().to_be_bytes();
    let significant = length.iter().position(|octet| *octet != 0).map_or(&length[..0], |first| &length[first..]);
    match significant {
        [] => out.push(0),
        [short @ 0..=0x7f] => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).expect("at most eight"));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(&content);
}

#[cfg(test)]
mod tests {
    use super::reshape;

    const DER: [u8; 10] = [0x30, 0x08, 0x02, 0x01, 0x07, 0x04, 0x03, 0x02, 0x01, 0x09];

    fn with(changes: &[[u8; 3]]) -> Vec<u8> {
        let count = u8::try_from(changes.len()).unwrap();
        reshape(&[&[count], changes.concat().as_slice(), &DER].concat()).unwrap()
    }

    #[test]
    fn no_change_gives_the_same_message() {
        assert_eq!(with(&[]), DER);
    }

    #[test]
    fn lengths_are_right_after_every_change() {
        assert_eq!(with(&[[0, 0, 1]]), [0x30, 0x05, 0x04, 0x03, 0x02, 0x01, 0x09], "the integer is gone");
        assert_eq!(with(&[[1, 0, 3]])[..2], [0x30, 0x0b], "the inner integer is there twice");
        assert_eq!(with(&[[2, 0, 1]])[2], 0x04, "the octet string comes first");
        assert_eq!(with(&[[4, 0, 0]]), [0x30, 0x00]);
        assert_eq!(with(&[[5, 0, 1]])[4], 0x06, "a bit of the integer");
        assert_eq!(with(&[[6, 0, 0]])[..2], [0x30, 0x0a], "a sequence around it");
    }
}
