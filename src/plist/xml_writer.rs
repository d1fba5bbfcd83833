//! A tree to XML, laid out as Apple's own writer does it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Error, ErrorKind, MAX_DEPTH, Value};

const HEAD: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n",
    "<plist version=\"1.0\">\n",
);
const TAIL: &str = "</plist>\n";

/// Writes a property list as XML, in UTF-8.
///
/// The layout is that of Apple's tools: the XML declaration, the DOCTYPE, a tab for each level, base64 in lines of its own that
/// end at column 76 with tabs of eight (no shorter than 16 characters). A carriage return is written as `&#13;`, since a reader
/// turns a bare one into a line feed. Reals have the fewest digits that give the same number again; the sign and payload of a NaN
/// are lost. [`parse`](super::parse) reads from it the same tree.
///
/// # Errors
/// [`ErrorKind::Unwritable`] with the key path of a text that holds a character which XML 1.0 has no place for, such as U+0000;
/// [`ErrorKind::TooDeep`] beyond [`MAX_DEPTH`].
///
/// ```
/// use mdm_core::plist::{self, ErrorKind, Value};
///
/// let error = plist::to_xml(&Value::from(vec![Value::from("bell \u{7}")])).unwrap_err();
/// assert_eq!(error.kind, ErrorKind::Unwritable('\u{7}'));
/// assert_eq!(error.to_string(), "U+0007 cannot be written in XML, in [0]");
/// ```
pub fn to_xml(value: &Value) -> Result<Vec<u8>, Error> {
    let mut writer = Writer { out: HEAD.to_owned() };
    writer.value(value, 0)?;
    writer.out.push_str(TAIL);
    Ok(writer.out.into_bytes())
}

/// Whether XML 1.0 can hold the character (section 2.2, production Char).
pub(super) const fn is_writable(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}')
}

struct Writer {
    out: String,
}

impl Writer {
    /// A value on lines of its own, inside so many containers.
    fn value(&mut self, value: &Value, level: usize) -> Result<(), Error> {
        self.indent(level);
        match value {
            Value::Boolean(true) => self.out.push_str("<true/>"),
            Value::Boolean(false) => self.out.push_str("<false/>"),
            Value::Integer(number) => self.plain("integer", &number.to_string()),
            Value::Unsigned(number) => self.plain("integer", &number.to_string()),
            Value::Real(number) => self.plain("real", &real(*number)),
            Value::Date(at) => self.plain("date", &at.to_string()),
            Value::String(text) => self.text("string", text)?,
            Value::Data(octets) => self.data(octets, level),
            Value::Array(items) if items.is_empty() => self.out.push_str("<array/>"),
            Value::Dictionary(dictionary) if dictionary.is_empty() => self.out.push_str("<dict/>"),
            Value::Array(items) => {
                let inner = deeper(level)?;
                self.out.push_str("<array>\n");
                for (index, item) in items.iter().enumerate() {
                    self.value(item, inner).map_err(|error| error.under_index(index))?;
                }
                self.indent(level);
                self.out.push_str("</array>");
            }
            Value::Dictionary(dictionary) => {
                let inner = deeper(level)?;
                self.out.push_str("<dict>\n");
                for (key, value) in dictionary.iter() {
                    self.indent(inner);
                    self.text("key", key).map_err(|error| error.under_key(key))?;
                    self.out.push('\n');
                    self.value(value, inner).map_err(|error| error.under_key(key))?;
                }
                self.indent(level);
                self.out.push_str("</dict>");
            }
        }
        self.out.push('\n');
        Ok(())
    }

    fn indent(&mut self, level: usize) {
        self.out.extend(std::iter::repeat_n('\t', level));
    }

    /// An element whose content needs no escaping.
    fn plain(&mut self, name: &str, content: &str) {
        for part in ["<", name, ">", content, "</", name, ">"] {
            self.out.push_str(part);
        }
    }

    fn text(&mut self, name: &str, text: &str) -> Result<(), Error> {
        for part in ["<", name, ">"] {
            self.out.push_str(part);
        }
        self.escaped(text)?;
        for part in ["</", name, ">"] {
            self.out.push_str(part);
        }
        Ok(())
    }

    fn escaped(&mut self, text: &str) -> Result<(), Error> {
        let special = |character: char| matches!(character, '&' | '<' | '>' | '\r') || !is_writable(character);
        let mut rest = text;
        while let Some((plain, tail)) = rest.find(special).and_then(|at| rest.split_at_checked(at)) {
            self.out.push_str(plain);
            let mut characters = tail.chars();
            match characters.next() {
                Some('&') => self.out.push_str("&amp;"),
                Some('<') => self.out.push_str("&lt;"),
                Some('>') => self.out.push_str("&gt;"),
                Some('\r') => self.out.push_str("&#13;"),
                Some(character) => return Err(Error::writing(ErrorKind::Unwritable(character))),
                None => {}
            }
            rest = characters.as_str();
        }
        self.out.push_str(rest);
        Ok(())
    }

    fn data(&mut self, octets: &[u8], level: usize) {
        self.out.push_str("<data>\n");
        let columns = 76_usize.saturating_sub(level.saturating_mul(8)).max(16);
        // Four characters stand for three octets.
        for line in octets.chunks((columns / 4).saturating_mul(3)) {
            self.indent(level);
            STANDARD.encode_string(line, &mut self.out);
            self.out.push('\n');
        }
        self.indent(level);
        self.out.push_str("</data>");
    }
}

/// The level inside a container at this level.
pub(super) fn deeper(level: usize) -> Result<usize, Error> {
    if level < MAX_DEPTH { Ok(level.saturating_add(1)) } else { Err(Error::writing(ErrorKind::TooDeep(MAX_DEPTH))) }
}

fn real(number: f64) -> String {
    if number.is_nan() {
        "nan".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "+infinity".to_owned() } else { "-infinity".to_owned() }
    } else {
        // Apple's tools write whole numbers without a point.
        let digits = format!("{number:?}");
        digits.strip_suffix(".0").map(str::to_owned).unwrap_or(digits)
    }
}
