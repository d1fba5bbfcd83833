//! BER in, DER out.

use std::borrow::Cow;

use super::writer::header_len;
use super::{Error, ErrorKind, Tag, Writer};
use crate::limits::Limits;

/// Rewrites one BER element as DER, as far as a reader of PKIX and CMS needs it: definite lengths in their shortest form, and
/// strings in one piece. What is DER already comes back borrowed, and every part that is DER already, such as an embedded
/// certificate, comes out byte for byte.
///
/// Joined are OCTET STRING, BIT STRING and the character strings, in pieces of any nesting (X.690 sections 8.6.4, 8.7.3, 8.23),
/// and the one IMPLICIT string of CMS that real encoders send in pieces: the `[0]` of EncryptedContentInfo (RFC 5652 section 6.1),
/// known by its place behind an OBJECT IDENTIFIER and an AlgorithmIdentifier and by holding nothing but OCTET STRINGs.
///
/// Left as they are: values of primitive elements (BOOLEAN, INTEGER, times), the order of a SET OF, since signed attributes are
/// hashed as they came, and explicit defaults. The readers above decide about those.
///
/// Time is linear in the input. Memory beside the output is 16 octets for each element that changes; for DER it is the stack of
/// open elements only.
///
/// ```
/// use mdm_core::{asn1, limits::Limits};
///
/// // An OCTET STRING of unknown length in two pieces.
/// let streamed = [0x24, 0x80, 0x04, 0x02, b'a', b'b', 0x04, 0x01, b'c', 0x00, 0x00];
/// assert_eq!(*asn1::to_der(&streamed, &Limits::PKI)?, [0x04, 0x03, b'a', b'b', b'c']);
/// # Ok::<(), asn1::Error>(())
/// ```
///
/// # Errors
/// The input is not one whole BER element: truncated, followed by anything ([`ErrorKind::TrailingData`], padding too), with
/// lengths that contradict each other or a string in pieces that do not belong together; or it passes a limit. The offset is that
/// of the element at fault.
pub fn to_der<'a>(input: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, Error> {
    let longest = limits.max_bytes.min(LONGEST);
    if input.len() > longest {
        return Err(Error::new(ErrorKind::TooLong(longest), longest));
    }
    let mut pass = Pass { input, limits, at: 0, items: 0, open: Vec::new(), edits: Vec::new(), length: 0, unused_bits: 0 };
    pass.run()?;
    if pass.edits.is_empty() {
        return Ok(Cow::Borrowed(input));
    }
    Ok(Cow::Owned(apply(input, &pass.edits, pass.length)))
}

/// No offset or length of an input this long leaves 32 bits, even after headers have grown.
const LONGEST: usize = 1 << 30;

/// The walk over the input. It changes nothing; it notes what must change, in the order of the bytes, because the length that
/// stands before a content is known only behind it.
struct Pass<'a> {
    input: &'a [u8],
    limits: &'a Limits,
    /// Offset of the next byte.
    at: usize,
    items: usize,
    /// The constructed elements around the next byte, outermost first.
    open: Vec<Open>,
    edits: Vec<Edit>,
    /// Octets of the outermost element in DER, once it has ended.
    length: usize,
    /// Unused bits of the last piece of the BIT STRING being joined.
    unused_bits: u8,
}

/// A constructed element that has begun.
struct Open {
    tag: Tag,
    role: Role,
    at: usize,
    header: usize,
    /// Where it ends, or, when its length is indefinite, where it must have ended.
    end: usize,
    indefinite: bool,
    /// Octets of its content in DER, so far.
    content: usize,
    /// Which edit writes its header. An element has one when anything in it changes, and then so has every element around it.
    edit: Option<usize>,
    children: u8,
    starts_with_oid: bool,
    /// The second child is a SEQUENCE that starts with an OBJECT IDENTIFIER, as the first child of this element is one.
    then_algorithm: bool,
}

/// What becomes of a constructed element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It stays.
    Container,
    /// It becomes this primitive string.
    String(Tag),
    /// It is a piece of this string, in pieces itself, and only its content stays.
    Piece(Tag),
}

impl Role {
    /// The string that children are pieces of.
    fn string(self) -> Option<Tag> {
        match self {
            Role::Container => None,
            Role::String(tag) | Role::Piece(tag) => Some(tag),
        }
    }
}

/// One change: at `at`, leave out `skip` octets and write a header.
struct Edit {
    at: u32,
    skip: u32,
    write: Option<NewHeader>,
}

struct NewHeader {
    tag: Tag,
    length: u32,
    /// The octet of a BIT STRING that tells its unused bits; `length` counts it.
    unused_bits: Option<u8>,
}

impl Pass<'_> {
    fn run(&mut self) -> Result<(), Error> {
        loop {
            self.element()?;
            while self.open.last().is_some_and(|top| !top.indefinite && top.end == self.at) {
                self.close();
            }
            if self.open.is_empty() {
                break;
            }
        }
        if self.at == self.input.len() { Ok(()) } else { Err(Error::new(ErrorKind::TrailingData, self.at)) }
    }

    /// Reads one header, and with it the content of a primitive element or the end of an indefinite one.
    fn element(&mut self) -> Result<(), Error> {
        let end = self.open.last().map_or(self.input.len(), |top| top.end);
        let rest = self.input.get(self.at..end).unwrap_or_default();
        if rest.first() == Some(&0) {
            return self.end_of_contents(rest);
        }
        let found = header(rest).map_err(|kind| Error::new(kind, self.at))?;
        self.items = self.items.saturating_add(1);
        if self.items > self.limits.max_items {
            return Err(Error::new(ErrorKind::TooMany(self.limits.max_items), self.at));
        }
        let content = rest.get(found.octets..).unwrap_or_default();
        let content = match found.length {
            None => content,
            Some(length) => content.get(..length).ok_or(Error::new(ErrorKind::Truncated, self.at))?,
        };
        self.count_child(found.tag);
        if found.tag.is_constructed() { self.begin(&found, content) } else { self.primitive(&found, content) }
    }

    fn end_of_contents(&mut self, rest: &[u8]) -> Result<(), Error> {
        match rest {
            [0] => Err(Error::new(ErrorKind::Truncated, self.at)),
            [0, 0, ..] if self.open.last().is_some_and(|top| top.indefinite) => {
                self.leave_out(2);
                self.at = self.at.saturating_add(2);
                self.close();
                Ok(())
            }
            _ => Err(Error::new(ErrorKind::EndOfContents, self.at)),
        }
    }

    /// Tells the element around the next one what it is, so that an EncryptedContentInfo is known by its first two fields.
    fn count_child(&mut self, tag: Tag) {
        if let Some(top) = self.open.last_mut() {
            top.children = top.children.saturating_add(1);
            if top.children == 1 {
                top.starts_with_oid = tag == Tag::OID;
            }
        }
    }

    fn begin(&mut self, found: &Header, content: &[u8]) -> Result<(), Error> {
        if self.open.len() >= self.limits.max_depth {
            return Err(Error::new(ErrorKind::TooDeep(self.limits.max_depth), self.at));
        }
        let role = self.role(found, content)?;
        if role == Role::String(Tag::BIT_STRING) {
            self.unused_bits = 0;
        }
        let changes = !found.is_der || role != Role::Container;
        let at = self.at;
        let mut edit = None;
        if let Role::Piece(_) = role {
            self.leave_out(found.octets);
            // The string that it is a piece of has an edit; this one must only count as one that needs none.
            edit = self.open.last().and_then(|top| top.edit);
        }
        self.at = self.at.saturating_add(found.octets);
        self.open.push(Open {
            tag: found.tag,
            role,
            at,
            header: found.octets,
            end: self.at.saturating_add(content.len()),
            indefinite: found.length.is_none(),
            content: 0,
            edit,
            children: 0,
            starts_with_oid: false,
            then_algorithm: false,
        });
        if changes {
            self.touch();
        }
        Ok(())
    }

    fn role(&self, found: &Header, content: &[u8]) -> Result<Role, Error> {
        let Some(top) = self.open.last() else { return Ok(Role::by_tag(found.tag)) };
        if let Some(string) = top.role.string() {
            return self.piece(string, found.tag).map(|()| Role::Piece(string));
        }
        let encrypted_content = top.tag == Tag::SEQUENCE
            && top.children == 3
            && top.then_algorithm
            && found.tag == Tag::context_constructed(0)
            && holds_octet_strings(content, found.length.is_none());
        Ok(if encrypted_content { Role::String(Tag::context(0)) } else { Role::by_tag(found.tag) })
    }

    /// Whether an element may be a piece of a string. The pieces of a character string are OCTET STRINGs (X.690 section 8.23.6);
    /// some encoders repeat the string's own tag.
    fn piece(&self, string: Tag, found: Tag) -> Result<(), Error> {
        let expected = if string == Tag::BIT_STRING { Tag::BIT_STRING } else { Tag::OCTET_STRING };
        let own = string.is_universal().then_some(string);
        if found.primitive() == expected || Some(found.primitive()) == own {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unexpected { expected, found }, self.at))
    }

    fn primitive(&mut self, found: &Header, content: &[u8]) -> Result<(), Error> {
        if found.length.is_none() {
            return Err(Error::new(ErrorKind::Length, self.at));
        }
        if let Some(string) = self.open.last().and_then(|top| top.role.string()) {
            self.piece(string, found.tag)?;
            let lead = if string == Tag::BIT_STRING { self.bit_piece(content)? } else { 0 };
            self.leave_out(found.octets.saturating_add(lead));
            self.add(content.len().saturating_sub(lead));
        } else if found.is_der {
            self.add(found.octets.saturating_add(content.len()));
        } else {
            self.touch();
            let write = NewHeader { tag: found.tag, length: narrow(content.len()), unused_bits: None };
            self.edits.push(Edit { at: narrow(self.at), skip: narrow(found.octets), write: Some(write) });
            self.add(header_len(content.len()).saturating_add(content.len()));
        }
        self.at = self.at.saturating_add(found.octets).saturating_add(content.len());
        Ok(())
    }

    /// Checks a piece of a BIT STRING and gives the length of what leads it. Only the last piece may have unused bits.
    fn bit_piece(&mut self, content: &[u8]) -> Result<usize, Error> {
        match content {
            [unused, bits @ ..] if self.unused_bits == 0 && *unused < 8 && (*unused == 0 || !bits.is_empty()) => {
                self.unused_bits = *unused;
                Ok(1)
            }
            _ => Err(Error::new(ErrorKind::Value(Tag::BIT_STRING), self.at)),
        }
    }

    /// Ends the innermost open element.
    fn close(&mut self) {
        let Some(ended) = self.open.pop() else { return };
        let (tag, lead) = match ended.role {
            Role::Piece(_) => return self.add(ended.content),
            Role::Container => (ended.tag, None),
            Role::String(tag) => (tag, (tag == Tag::BIT_STRING).then_some(self.unused_bits)),
        };
        let length = ended.content.saturating_add(usize::from(lead.is_some()));
        if let Some(edit) = ended.edit.and_then(|index| self.edits.get_mut(index)) {
            edit.write = Some(NewHeader { tag, length: narrow(length), unused_bits: lead });
        }
        self.add(header_len(length).saturating_add(length));
        if let Some(top) = self.open.last_mut() {
            top.then_algorithm |=
                top.children == 2 && top.starts_with_oid && ended.tag == Tag::SEQUENCE && ended.starts_with_oid;
        }
    }

    /// Adds octets of DER to what the innermost open element holds.
    fn add(&mut self, octets: usize) {
        let sum = self.open.last_mut().map_or(&mut self.length, |top| &mut top.content);
        *sum = sum.saturating_add(octets);
    }

    /// Something in the innermost open element changes: its header, and the header of each around it, must be written anew.
    fn touch(&mut self) {
        let untouched = self.open.iter().rposition(|open| open.edit.is_some()).map_or(0, |last| last.saturating_add(1));
        for open in self.open.iter_mut().skip(untouched) {
            open.edit = Some(self.edits.len());
            self.edits.push(Edit { at: narrow(open.at), skip: narrow(open.header), write: None });
        }
    }

    /// The next octets do not go into the output.
    fn leave_out(&mut self, octets: usize) {
        let (at, skip) = (narrow(self.at), narrow(octets));
        match self.edits.last_mut() {
            Some(last) if last.at.saturating_add(last.skip) == at => last.skip = last.skip.saturating_add(skip),
            _ => self.edits.push(Edit { at, skip, write: None }),
        }
    }
}

impl Role {
    /// The role of an element outside of strings.
    fn by_tag(tag: Tag) -> Role {
        // Universal: BIT STRING, OCTET STRING, ObjectDescriptor, UTF8String, the strings from Numeric to IA5, the two times, which
        // are strings to BER, and the strings from Graphic to BMP; not the unassigned 29.
        let string = matches!(tag.primitive().octet(), 3 | 4 | 7 | 12 | 18..=28 | 30);
        if tag.is_constructed() && string { Role::String(tag.primitive()) } else { Role::Container }
    }
}

/// Whether a `[0]` holds only OCTET STRINGs, as far as can be told from the lengths of its children. Where one has no length the
/// answer is yes: the input is not DER then, and a child that does not fit will be an error.
fn holds_octet_strings(mut content: &[u8], indefinite: bool) -> bool {
    loop {
        match content.first() {
            None => return true,
            Some(0) if indefinite => return true,
            Some(octet) if octet & 0xDF != Tag::OCTET_STRING.octet() => return false,
            Some(_) => {}
        }
        let child = header(content).ok().and_then(|child| child.octets.checked_add(child.length?));
        match child.and_then(|octets| content.get(octets..)) {
            Some(next) => content = next,
            None => return true,
        }
    }
}

/// Identifier and length octets of one element.
struct Header {
    tag: Tag,
    /// Octets of the header itself.
    octets: usize,
    /// Octets of the content; `None` when indefinite.
    length: Option<usize>,
    /// Whether the length is in the form that DER wants.
    is_der: bool,
}

fn header(input: &[u8]) -> Result<Header, ErrorKind> {
    let (identifier, rest) = input.split_first().ok_or(ErrorKind::Truncated)?;
    let tag = Tag::from_octet(*identifier).ok_or(ErrorKind::HighTag)?;
    let (first, rest) = rest.split_first().ok_or(ErrorKind::Truncated)?;
    match first {
        0..0x80 => return Ok(Header { tag, octets: 2, length: Some(usize::from(*first)), is_der: true }),
        0x80 => return Ok(Header { tag, octets: 2, length: None, is_der: false }),
        // Reserved for ever (X.690 section 8.1.3.5).
        0xFF => return Err(ErrorKind::Length),
        _ => {}
    }
    let octets = rest.get(..usize::from(first & 0x7F)).ok_or(ErrorKind::Truncated)?;
    let mut length = 0_usize;
    for octet in octets {
        length = length.checked_mul(0x100).ok_or(ErrorKind::Length)? | usize::from(*octet);
    }
    let octets = octets.len().saturating_add(2);
    Ok(Header { tag, octets, length: Some(length), is_der: octets == header_len(length) })
}

/// The input with its changes, which are in the order of their offsets.
fn apply(input: &[u8], edits: &[Edit], length: usize) -> Vec<u8> {
    Writer::build_with_capacity(length, |w| {
        let mut from = 0;
        for edit in edits {
            let at = widen(edit.at);
            w.raw(input.get(from..at).unwrap_or_default());
            if let Some(header) = &edit.write {
                w.header(header.tag, widen(header.length));
                w.raw(header.unused_bits.as_slice());
            }
            from = at.saturating_add(widen(edit.skip));
        }
        w.raw(input.get(from..).unwrap_or_default());
    })
}

/// Offsets and lengths fit, because the input is not longer than [`LONGEST`].
fn narrow(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}

fn widen(octets: u32) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(input: &[u8]) -> Result<Vec<u8>, (ErrorKind, usize)> {
        to_der(input, &Limits::PKI).map(Cow::into_owned).map_err(|error| (error.kind, error.at))
    }

    #[test]
    fn der_is_borrowed() {
        for input in [&[0x05, 0x00][..], &[0x30, 0x00], &[0x30, 0x05, 0x02, 0x01, 0x05, 0x31, 0x00], &[0xA0, 0x02, 0x04, 0x00]]
        {
            assert!(matches!(to_der(input, &Limits::PKI), Ok(Cow::Borrowed(same)) if same == input), "{input:02X?}");
        }
    }

    #[test]
    fn lengths_become_definite_and_shortest() {
        assert_eq!(der(&[0x30, 0x80, 0x02, 0x01, 0x05, 0x00, 0x00]), Ok(vec![0x30, 3, 2, 1, 5]));
        assert_eq!(der(&[0x30, 0x84, 0, 0, 0, 4, 0x02, 0x81, 0x01, 0x05]), Ok(vec![0x30, 3, 2, 1, 5]));
        assert_eq!(der(&[0x04, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7]), Ok(vec![4, 1, 7]));
        // A definite length around an indefinite one changes too, and one beside it does not.
        assert_eq!(der(&[0x30, 6, 0x31, 0x80, 0, 0, 0x31, 0]), Ok(vec![0x30, 4, 0x31, 0, 0x31, 0]));
    }

    #[test]
    fn a_header_grows_where_an_indefinite_one_was_shorter() {
        let mut input = vec![0x30, 0x80];
        input.extend([0x05, 0x00].repeat(70_000));
        input.extend([0x00, 0x00]);
        let output = to_der(&input, &Limits::MESSAGE).unwrap();
        assert_eq!(output[..7], [0x30, 0x83, 0x02, 0x22, 0xE0, 0x05, 0x00]);
        assert_eq!(output.len(), 140_005);
    }

    #[test]
    fn strings_in_pieces_are_joined() {
        let nested =
            [0x24, 0x80, 0x24, 0x06, 0x04, 0x01, b'a', 0x04, 0x01, b'b', 0x24, 0x80, 0x00, 0x00, 0x04, 0x01, b'c', 0, 0];
        assert_eq!(der(&nested), Ok(vec![4, 3, b'a', b'b', b'c']));
        // A character string is in pieces of OCTET STRING, or of itself.
        assert_eq!(der(&[0x2C, 0x06, 0x04, 0x01, b'a', 0x0C, 0x01, b'b']), Ok(vec![0x0C, 2, b'a', b'b']));
        assert_eq!(der(&[0x24, 0x00]), Ok(vec![4, 0]));
        assert_eq!(der(&[0x24, 3, 0x0C, 1, 0]), Err((unexpected(Tag::OCTET_STRING, Tag::UTF8_STRING), 2)));
        assert_eq!(der(&[0x24, 3, 0x30, 1, 0]), Err((unexpected(Tag::OCTET_STRING, Tag::SEQUENCE), 2)));
    }

    #[test]
    fn a_bit_string_keeps_the_unused_bits_of_its_last_piece() {
        assert_eq!(der(&[0x23, 0x80, 3, 2, 0, 0xFF, 3, 2, 4, 0xF0, 0, 0]), Ok(vec![3, 3, 4, 0xFF, 0xF0]));
        assert_eq!(der(&[0x23, 0x00]), Ok(vec![3, 1, 0]));
        let bad = |at| Err((ErrorKind::Value(Tag::BIT_STRING), at));
        assert_eq!(der(&[0x23, 8, 3, 2, 4, 0xF0, 3, 2, 0, 0xFF]), bad(6), "unused bits before the end");
        assert_eq!(der(&[0x23, 2, 3, 0]), bad(2), "no octet of unused bits");
        assert_eq!(der(&[0x23, 3, 3, 1, 1]), bad(2), "unused bits of nothing");
        assert_eq!(der(&[0x23, 4, 3, 2, 8, 0]), bad(2));
        assert_eq!(der(&[0x23, 3, 4, 1, 0]), Err((unexpected(Tag::BIT_STRING, Tag::OCTET_STRING), 2)));
    }

    #[test]
    fn encrypted_content_is_joined_by_its_place() {
        // OBJECT IDENTIFIER, AlgorithmIdentifier, then what is under test.
        let fields = |third: &[u8]| {
            let mut content = vec![0x06, 1, 0x2A, 0x30, 3, 0x06, 1, 0x2A];
            content.extend_from_slice(third);
            let mut input = vec![0x30, u8::try_from(content.len()).unwrap()];
            input.append(&mut content);
            input
        };
        let joined = fields(&[0x80, 2, b'a', b'b']);
        assert_eq!(der(&fields(&[0xA0, 0x80, 4, 1, b'a', 0x24, 0x80, 4, 1, b'b', 0, 0, 0, 0])), Ok(joined.clone()));
        assert_eq!(der(&fields(&[0xA0, 6, 4, 1, b'a', 4, 1, b'b'])), Ok(joined.clone()));
        assert_eq!(der(&joined), Ok(joined));
        // Another place, another tag, another content: it stays.
        for explicit in [&[0xA0, 2, 0x30, 0][..], &[0xA0, 5, 4, 1, b'a', 5, 0], &[0xA1, 3, 4, 1, b'a']] {
            assert_eq!(der(&fields(explicit)), Ok(fields(explicit)));
        }
        let content_info = [0x30, 8, 0x06, 1, 0x2A, 0xA0, 3, 4, 1, b'a'];
        assert_eq!(der(&content_info), Ok(content_info.to_vec()));
        let no_algorithm = [0x30, 12, 0x06, 1, 0x2A, 0x30, 2, 5, 0, 0xA0, 3, 4, 1, b'a'];
        assert_eq!(der(&no_algorithm), Ok(no_algorithm.to_vec()));
    }

    #[test]
    fn what_is_no_element_is_told_with_its_offset() {
        assert_eq!(der(&[]), Err((ErrorKind::Truncated, 0)));
        assert_eq!(der(&[0x30, 0x80, 0x05, 0x00, 0x00]), Err((ErrorKind::Truncated, 4)));
        assert_eq!(der(&[0x30, 4, 0x04, 3, 1, 2]), Err((ErrorKind::Truncated, 2)), "a child longer than its parent");
        assert_eq!(der(&[0x30, 4, 0x30, 0x80, 5, 0, 0, 0]), Err((ErrorKind::Truncated, 6)), "an end outside of the parent");
        assert_eq!(der(&[0x05, 0x00, 0x00]), Err((ErrorKind::TrailingData, 2)));
        assert_eq!(der(&[0x30, 2, 0, 0]), Err((ErrorKind::EndOfContents, 2)));
        assert_eq!(der(&[0x30, 0x80, 0, 1, 7, 0, 0]), Err((ErrorKind::EndOfContents, 2)));
        assert_eq!(der(&[0x04, 0x80, 0, 0]), Err((ErrorKind::Length, 0)), "a primitive of indefinite length");
        assert_eq!(der(&[0x04, 0xFF, 0, 0]), Err((ErrorKind::Length, 0)));
        assert_eq!(der(&[0x04, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0]), Err((ErrorKind::Length, 0)));
        assert_eq!(der(&[0x1F, 0x22, 0]), Err((ErrorKind::HighTag, 0)));
    }

    #[test]
    fn limits_hold() {
        let limits = Limits::PKI.bytes(8).depth(2).items(3);
        let kind = |input: &[u8]| to_der(input, &limits).unwrap_err();
        assert_eq!(kind(&[0; 9]), Error::new(ErrorKind::TooLong(8), 8));
        assert_eq!(kind(&[0x30, 4, 0x30, 2, 0x30, 0]), Error::new(ErrorKind::TooDeep(2), 4));
        assert_eq!(kind(&[0x30, 6, 5, 0, 5, 0, 5, 0]), Error::new(ErrorKind::TooMany(3), 6));
        assert!(to_der(&[0x30, 4, 0x30, 2, 5, 0], &limits).is_ok());
    }

    fn unexpected(expected: Tag, found: Tag) -> ErrorKind {
        ErrorKind::Unexpected { expected, found }
    }
}
