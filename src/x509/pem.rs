//! PEM (RFC 7468), and base64 of DER in records.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Error;

/// Writes a block with lines of 64 columns.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = String::with_capacity(body.len().saturating_add(body.len() / 64).saturating_add(128));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at_checked(64).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = behind;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// The content of the first block with one of the labels. Whatever stands around the blocks is passed over.
pub(super) fn decode(labels: &[&'static str], text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut blocks = Blocks::new(labels, text);
    blocks.next().unwrap_or_else(|| Err(blocks.missing()))
}

/// One block.
pub(crate) struct Block<'a> {
    /// The lines of headers (RFC 1421 section 4.6), which only encrypted private keys have.
    pub(crate) headers: Vec<&'a [u8]>,
    pub(crate) body: Vec<u8>,
}

/// The contents of all blocks with one of the labels. After a damaged block there is no more.
pub(crate) struct Blocks<'a> {
    labels: &'a [&'static str],
    rest: &'a [u8],
    /// How many lines have been read.
    line: usize,
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(labels: &'a [&'static str], text: &'a [u8]) -> Self {
        Blocks { labels, rest: text, line: 0 }
    }

    /// That there was none, once all has been read.
    pub(super) fn missing(&self) -> Error {
        Error::Pem { label: self.labels.first().copied().unwrap_or_default(), line: self.line }
    }

    /// The next line without its end and without spaces around it. Ends are LF, CR LF, or CR alone.
    fn next_line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.line = self.line.saturating_add(1);
        let end = self.rest.iter().position(|octet| matches!(octet, b'\n' | b'\r')).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = match rest {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => &[],
        };
        Some(line.trim_ascii())
    }

    /// Up to and with the next line that begins a wanted block.
    fn find(&mut self) -> Option<&'static str> {
        while let Some(line) = self.next_line() {
            if let Some(label) = self.labels.iter().find(|label| boundary(line, b"-----BEGIN ") == Some(label.as_bytes())) {
                return Some(label);
            }
        }
        None
    }

    /// From behind the first line of a block through its last.
    fn content(&mut self, label: &str) -> Option<Block<'a>> {
        let (mut headers, mut body) = (Vec::new(), Vec::new());
        loop {
            let line = self.next_line()?;
            if boundary(line, b"-----END ") == Some(label.as_bytes()) {
                return Some(Block { headers, body: STANDARD.decode(&body).ok()? });
            }
            if line.starts_with(b"-----") {
                return None;
            }
            if body.is_empty() && line.contains(&b':') {
                headers.push(line);
            } else {
                body.extend(line.iter().filter(|octet| !octet.is_ascii_whitespace()));
            }
        }
    }

    /// The next block, with its headers.
    pub(crate) fn next_block(&mut self) -> Option<Result<Block<'a>, Error>> {
        let label = self.find()?;
        let line = self.line;
        let block = self.content(label).ok_or(Error::Pem { label, line });
        if block.is_err() {
            self.rest = &[];
        }
        Some(block)
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_block().map(|block| block.map(|block| block.body))
    }
}

/// The label of an encapsulation boundary.
fn boundary<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
}

/// Records carry DER as base64 text, whatever the format, and read it with the type's own reader.
macro_rules! serde_as_base64 {
    ($name:ident) => {
        impl serde::Serialize for $name {
            /// Base64 text of the DER.
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use base64::Engine as _;
                serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(self.as_der()))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;
                let der = crate::record::stored::base64(deserializer)?;
                Self::from_der(&der).map_err(D::Error::custom)
            }
        }
    };
}
pub(super) use serde_as_base64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sixty_four_columns_and_read_back() {
        for length in [0, 1, 47, 48, 49, 96, 1000] {
            let der: Vec<u8> = (0..=255).cycle().take(length).collect();
            let text = encode("X", &der);
            assert!(text.lines().all(|line| line.len() <= 64) && text.ends_with("-----END X-----\n"));
            assert_eq!(decode(&["X"], text.as_bytes()), Ok(der));
        }
    }

    #[test]
    fn what_stands_around_is_passed_over() {
        let text = "Bag Attributes\r\n  name: é\r\n-----BEGIN B-----\r\nAAAA\r\n-----END B-----\r\n \
                    -----BEGIN A-----\r\nQU\r\n  JD  \r\n\r\n-----END A-----trailing\r\n-----END A----- \r\n";
        assert_eq!(decode(&["C", "A"], text.as_bytes()), Err(Error::Pem { label: "A", line: 6 }), "a line that is not the end");
        let text = text.replace("-----END A-----trailing\r\n", "");
        assert_eq!(decode(&["C", "A"], text.as_bytes()), Ok(b"ABC".to_vec()));
        assert_eq!(decode(&["A"], b"-----BEGIN A-----\rQUJD\r-----END A-----"), Ok(b"ABC".to_vec()));
    }

    #[test]
    fn the_line_of_the_fault_is_told() {
        assert_eq!(decode(&["A"], b""), Err(Error::Pem { label: "A", line: 0 }));
        assert_eq!(decode(&["A"], b"x\ny\n"), Err(Error::Pem { label: "A", line: 2 }));
        assert_eq!(decode(&["A"], b"x\n-----BEGIN A-----\nQUJD\n"), Err(Error::Pem { label: "A", line: 2 }));
        assert_eq!(decode(&["A"], b"-----BEGIN A-----\n!\n-----END A-----\n"), Err(Error::Pem { label: "A", line: 1 }));
    }

    #[test]
    fn damage_ends_a_bundle() {
        let text = [encode("A", b"1"), encode("A", b"2").replace("-----END", "-----FIN"), encode("A", b"3")].concat();
        let blocks: Vec<_> = Blocks::new(&["A"], text.as_bytes()).collect();
        assert_eq!(blocks, [Ok(b"1".to_vec()), Err(Error::Pem { label: "A", line: 4 })]);
    }
}
