//! XML to a tree, in one pass over the tokens of `quick-xml`.
//!
//! The tokens arrive with their tags matched. What else must hold is decided here: which element may stand where, what counts as
//! text, which references there are.
//!
//! ```text
//!             <plist>               value               </plist>
//!   Prolog ────────────▶ Inside ─────────────▶ Inside ────────────▶ After ──▶ end of input
//!     │                  (empty)               (full)                 ▲
//!     └──────────────────────── value without <plist> ────────────────┘
//! ```

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::errors::{IllFormedError, SyntaxError};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::tree::Tree;
use super::{Error, ErrorKind, Value};
use crate::limits::Limits;
use crate::time::Timestamp;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, Error> {
    if matches!(bytes, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, b'<', ..] | [b'<', 0, ..]) {
        return Err(Error::at(ErrorKind::Encoding, 0));
    }
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let skipped = bytes.len().saturating_sub(text.len());
    match text.iter().position(|byte| !is_space(*byte)) {
        None => Err(Error::at(ErrorKind::Empty, 0)),
        Some(at) if text.get(at) != Some(&b'<') => Err(Error::at(ErrorKind::Format, at.saturating_add(skipped))),
        Some(_) => {
            let mut tokens = Reader::from_reader(text);
            // Half of a document is space between elements: it is passed over before it becomes a token.
            tokens.config_mut().trim_text_start = true;
            let tree = Tree::new(limits);
            Document { input: bytes, skipped, tokens, stage: Stage::Prolog, tree, base64: Vec::new() }.read()
        }
    }
}

/// Where in the document the reader is, as the module's diagram has it.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Prolog,
    Inside,
    After,
}

struct Document<'a> {
    input: &'a [u8],
    /// Bytes of the input before the first that the tokenizer sees.
    skipped: usize,
    tokens: Reader<&'a [u8]>,
    stage: Stage,
    tree: Tree,
    /// Base64 text without its whitespace; kept for its capacity.
    base64: Vec<u8>,
}

impl<'a> Document<'a> {
    fn read(mut self) -> Result<Value, Error> {
        loop {
            let at = self.past_space();
            match self.token()? {
                Event::Start(tag) => self.start(&tag, at)?,
                Event::Empty(tag) => self.empty(&tag, at)?,
                Event::End(_) => self.end(at)?,
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => return Err(self.stray(ErrorKind::Text, at)),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Decl(declaration) => self.declaration(&declaration, at)?,
                Event::DocType(declaration) => self.doctype(&declaration, at)?,
                Event::Eof => break,
            }
        }
        let end = self.input.len();
        match self.stage {
            Stage::Inside => Err(self.tree.fault(ErrorKind::Truncated, end)),
            _ if self.tree.is_open() => Err(self.tree.fault(ErrorKind::Truncated, end)),
            _ => self.tree.into_root().ok_or(Error::at(ErrorKind::Truncated, end)),
        }
    }

    /// The offset of the next token in the input.
    fn offset(&self) -> usize {
        self.at(self.tokens.buffer_position())
    }

    /// The same behind the space before it.
    fn past_space(&self) -> usize {
        let at = self.offset();
        let space = self.input.iter().skip(at).take_while(|byte| is_space(**byte)).count();
        at.saturating_add(space)
    }

    fn at(&self, position: u64) -> usize {
        usize::try_from(position).unwrap_or(usize::MAX).saturating_add(self.skipped)
    }

    fn token(&mut self) -> Result<Event<'a>, Error> {
        self.tokens.read_event().map_err(|error| self.malformed(&error))
    }

    /// The fault that the tokenizer found.
    #[cold]
    fn malformed(&self, error: &quick_xml::Error) -> Error {
        let kind = match error {
            quick_xml::Error::Encoding(_) => {
                let valid = std::str::from_utf8(self.input).map_or_else(|error| error.valid_up_to(), str::len);
                return self.tree.fault(ErrorKind::Utf8, valid);
            }
            quick_xml::Error::Syntax(error) => ErrorKind::Xml(match error {
                SyntaxError::InvalidBangMarkup => "unknown markup after <!",
                SyntaxError::UnclosedPI | SyntaxError::UnclosedXmlDecl => "<? without ?>",
                SyntaxError::UnclosedComment => "<!-- without -->",
                SyntaxError::UnclosedDoctype => "a DOCTYPE without its end",
                SyntaxError::UnclosedCData => "a CDATA section without ]]>",
                SyntaxError::UnclosedTag => "a tag without >",
                SyntaxError::UnclosedSingleQuotedAttributeValue | SyntaxError::UnclosedDoubleQuotedAttributeValue => {
                    "an attribute without its closing quote"
                }
            }),
            quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) => ErrorKind::Reference,
            quick_xml::Error::IllFormed(IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_)) => {
                ErrorKind::Xml("an end tag that does not close the open element")
            }
            quick_xml::Error::IllFormed(IllFormedError::MissingDoctypeName) => ErrorKind::Xml("a DOCTYPE without a name"),
            _ => ErrorKind::Xml("not a well-formed token"),
        };
        self.tree.fault(kind, self.at(self.tokens.error_position()))
    }

    /// A fault in what stands between elements: after the property list it is that there is anything at all.
    #[cold]
    fn stray(&self, kind: ErrorKind, at: usize) -> Error {
        let after = self.stage == Stage::After || (self.stage == Stage::Prolog && self.tree.is_complete());
        self.tree.fault(if after { ErrorKind::Trailing } else { kind }, at)
    }

    fn declaration(&self, declaration: &BytesDecl<'a>, at: usize) -> Result<(), Error> {
        self.only_in_prolog(at)?;
        let kind = match declaration.encoding() {
            None => return Ok(()),
            Some(Ok(name)) if ["UTF-8", "US-ASCII"].iter().any(|known| name.eq_ignore_ascii_case(known)) => return Ok(()),
            Some(Ok(_)) => ErrorKind::Encoding,
            Some(Err(_)) => ErrorKind::Xml("the XML declaration is damaged"),
        };
        Err(self.tree.fault(kind, at))
    }

    fn doctype(&self, declaration: &str, at: usize) -> Result<(), Error> {
        self.only_in_prolog(at)?;
        // XML 1.0 section 2.8: a bracket opens the internal subset, the only place for declarations that a reader would follow.
        if declaration.contains('[') { Err(self.tree.fault(ErrorKind::Doctype, at)) } else { Ok(()) }
    }

    fn only_in_prolog(&self, at: usize) -> Result<(), Error> {
        let kind = ErrorKind::Structure("a declaration after the first element");
        if self.stage == Stage::Prolog && !self.tree.is_open() && !self.tree.is_complete() {
            Ok(())
        } else {
            Err(self.stray(kind, at))
        }
    }

    fn start(&mut self, tag: &BytesStart<'a>, at: usize) -> Result<(), Error> {
        self.sound(tag, at)?;
        match tag.name().into_inner() {
            "key" => {
                self.admit_key(at)?;
                let text = self.text()?;
                self.tree.key(owned(text));
                Ok(())
            }
            "dict" => self.open(true, at),
            "array" => self.open(false, at),
            "plist" => self.plist(at),
            name => {
                let element = self.element(name, at)?;
                self.admit_value(at)?;
                let text = self.text()?;
                self.leaf(element, text, at)
            }
        }
    }

    fn empty(&mut self, tag: &BytesStart<'a>, at: usize) -> Result<(), Error> {
        self.sound(tag, at)?;
        match tag.name().into_inner() {
            "key" => {
                self.admit_key(at)?;
                self.tree.key(String::new());
                Ok(())
            }
            name @ ("dict" | "array") => {
                self.open(name == "dict", at)?;
                self.tree.close()
            }
            "plist" => {
                self.plist(at)?;
                self.end(at)
            }
            name => {
                let element = self.element(name, at)?;
                self.admit_value(at)?;
                self.leaf(element, Cow::Borrowed(""), at)
            }
        }
    }

    /// The end of `plist`, `dict` or `array`: the tokenizer matches tags, and every other element has been read to its end.
    fn end(&mut self, at: usize) -> Result<(), Error> {
        if self.tree.is_open() {
            return self.tree.close();
        }
        self.stage = Stage::After;
        if self.tree.is_complete() { Ok(()) } else { Err(self.tree.fault(ErrorKind::Structure("<plist> without a value"), at)) }
    }

    fn plist(&mut self, at: usize) -> Result<(), Error> {
        if self.stage != Stage::Prolog || self.tree.is_open() || self.tree.is_complete() {
            return Err(self.stray(ErrorKind::Structure("<plist> inside a property list"), at));
        }
        self.stage = Stage::Inside;
        Ok(())
    }

    /// A tag may hold attributes, which say nothing, but no other tag.
    fn sound(&self, tag: &BytesStart<'a>, at: usize) -> Result<(), Error> {
        if tag.contains('<') { Err(self.tree.fault(ErrorKind::Xml("a tag without >"), at)) } else { Ok(()) }
    }

    fn admit_key(&self, at: usize) -> Result<(), Error> {
        self.tree.admit_key().map_err(|kind| self.stray(kind, at))
    }

    fn admit_value(&mut self, at: usize) -> Result<(), Error> {
        self.tree.admit_value().map_err(|kind| self.stray(kind, at))
    }

    fn open(&mut self, is_dictionary: bool, at: usize) -> Result<(), Error> {
        self.admit_value(at)?;
        self.tree.open(is_dictionary, at).map_err(|kind| self.tree.fault(kind, at))
    }

    fn element(&self, name: &str, at: usize) -> Result<Element, Error> {
        Ok(match name {
            "string" => Element::String,
            "true" => Element::True,
            "false" => Element::False,
            "integer" => Element::Integer,
            "data" => Element::Data,
            "date" => Element::Date,
            "real" => Element::Real,
            _ => return Err(self.stray(ErrorKind::Element, at)),
        })
    }

    /// The text up to the end of the element that has just begun, with its space.
    fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        self.tokens.config_mut().trim_text_start = false;
        let text = self.whole_text();
        self.tokens.config_mut().trim_text_start = true;
        text
    }

    fn whole_text(&mut self) -> Result<Cow<'a, str>, Error> {
        let mut text = Cow::Borrowed("");
        loop {
            let at = self.offset();
            match self.token()? {
                Event::Text(part) => join(&mut text, part.xml10_content()),
                Event::CData(part) => join(&mut text, part.xml10_content()),
                Event::GeneralRef(reference) => {
                    text.to_mut().push(resolve(&reference).ok_or_else(|| self.tree.fault(ErrorKind::Reference, at))?);
                }
                Event::End(_) => return Ok(text),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => return Err(self.tree.fault(ErrorKind::Truncated, at)),
                Event::Start(_) | Event::Empty(_) | Event::Decl(_) | Event::DocType(_) => {
                    return Err(self.tree.fault(ErrorKind::Structure("an element inside text"), at));
                }
            }
        }
    }

    /// Puts the value of an admitted element that holds text.
    fn leaf(&mut self, element: Element, text: Cow<'a, str>, at: usize) -> Result<(), Error> {
        let value = match element {
            Element::String => Ok(Value::String(owned(text))),
            Element::True | Element::False if text.bytes().all(is_space) => Ok(Value::Boolean(element == Element::True)),
            Element::True | Element::False => Err(ErrorKind::Content("boolean")),
            Element::Integer => integer(trim(&text)).ok_or(ErrorKind::Content("integer")),
            Element::Data => self.data(&text).ok_or(ErrorKind::Content("data (base64 with its padding)")),
            Element::Date => date(trim(&text)),
            Element::Real => real(trim(&text)).ok_or(ErrorKind::Content("real")),
        };
        match value {
            Ok(value) => {
                self.tree.value(value);
                Ok(())
            }
            Err(kind) => Err(self.tree.fault(kind, at)),
        }
    }

    fn data(&mut self, text: &str) -> Option<Value> {
        self.base64.clear();
        for line in text.as_bytes().split(|byte| is_space(*byte)).filter(|line| !line.is_empty()) {
            self.base64.extend_from_slice(line);
        }
        STANDARD.decode(&self.base64).ok().map(Value::Data)
    }
}

/// An element that holds text.
#[derive(Clone, Copy, PartialEq)]
enum Element {
    String,
    True,
    False,
    Integer,
    Data,
    Date,
    Real,
}

/// XML 1.0 section 2.3, production S.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

fn join<'a>(text: &mut Cow<'a, str>, part: Cow<'a, str>) {
    if text.is_empty() {
        *text = part;
    } else {
        text.to_mut().push_str(&part);
    }
}

/// The text without spare capacity.
fn owned(text: Cow<'_, str>) -> String {
    match text {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(mut text) => {
            text.shrink_to_fit();
            text
        }
    }
}

/// XML 1.0 sections 4.1 and 4.6: a character by its number, or one of the five that are always defined.
fn resolve(reference: &BytesRef<'_>) -> Option<char> {
    match &**reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => reference.resolve_char_ref().ok().flatten().filter(|character| super::xml_writer::is_writable(*character)),
    }
}

/// An integer as Apple's reader takes it: a sign or none, decimal or `0x` and hexadecimal, from -2^63 to 2^64 - 1.
fn integer(text: &str) -> Option<Value> {
    let (negative, unsigned) = match text.as_bytes() {
        [b'-', ..] => (true, text.get(1..)?),
        [b'+', ..] => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (digits, radix) = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (unsigned, 10),
    };
    // `from_str_radix` would take another sign.
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative { 0_i64.checked_sub_unsigned(magnitude).map(Value::Integer) } else { Some(magnitude.into()) }
}

/// A number as C spells it. One too large for the type is no infinity.
fn real(text: &str) -> Option<Value> {
    let number: f64 = text.parse().ok()?;
    let spelled_out = !text.bytes().any(|byte| byte.is_ascii_digit());
    (number.is_finite() || spelled_out).then_some(Value::Real(number))
}

/// A moment in UTC. A fraction of a second is refused unless it is zero, since there is no place to keep it.
fn date(text: &str) -> Result<Value, ErrorKind> {
    let bad = ErrorKind::Content("date (2026-01-31T12:00:00Z)");
    let fraction = text.strip_suffix('Z').and_then(|moment| moment.split_once('.'));
    let moment: Timestamp = match fraction {
        None => text.parse(),
        Some((_, digits)) if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) => return Err(bad),
        Some((whole, _)) => format!("{whole}Z").parse(),
    }
    .map_err(|_| bad)?;
    match fraction {
        Some((_, digits)) if digits.bytes().any(|digit| digit != b'0') => Err(ErrorKind::Fraction),
        _ => Ok(Value::Date(moment)),
    }
}
