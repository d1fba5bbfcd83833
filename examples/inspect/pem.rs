//! PEM by its labels (RFC 7468), with the headers that old OpenSSL writes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One block.
pub struct Block {
    pub label: String,
    /// The byte at which it begins.
    pub at: usize,
    headers: Vec<(String, String)>,
    pub der: Vec<u8>,
    /// The block as it stands in the file.
    pub text: String,
}

impl Block {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

const BEGIN: &str = "-----BEGIN ";

/// Whether some line begins a block.
pub fn is_pem(bytes: &[u8]) -> bool {
    lines(bytes).any(|(_, line)| line.starts_with(BEGIN.as_bytes()))
}

/// Every block of a text, in its order; what stands around them is passed over.
pub fn blocks(bytes: &[u8]) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut lines = lines(bytes);
    while let Some((at, line)) = lines.next() {
        let Some(label) = std::str::from_utf8(line).ok().and_then(|line| boundary(line, BEGIN)) else { continue };
        let end = format!("-----END {label}-----");
        let mut block = Block { label: label.to_owned(), at, headers: Vec::new(), der: Vec::new(), text: String::new() };
        let mut body = Vec::new();
        loop {
            let (at_line, line) = lines.next().ok_or_else(|| block.fault("does not end"))?;
            if line == end.as_bytes() {
                block.text = String::from_utf8_lossy(&bytes[at..(at_line + end.len()).min(bytes.len())]).into_owned();
                break;
            }
            let text = std::str::from_utf8(line).ok().filter(|text| !text.starts_with("-----"));
            let text = text.ok_or_else(|| block.fault(&format!("is not Base64 at byte {at_line}")))?;
            match text.split_once(':') {
                Some((name, value)) => block.headers.push((name.to_owned(), value.trim().to_owned())),
                None => body.extend(text.bytes().filter(|octet| !octet.is_ascii_whitespace())),
            }
        }
        block.der = STANDARD.decode(&body).map_err(|_| block.fault("is not Base64"))?;
        blocks.push(block);
    }
    Ok(blocks)
}

impl Block {
    fn fault(&self, what: &str) -> String {
        format!("the PEM block \"{}\" at byte {} {what}", self.label, self.at)
    }
}

fn boundary<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix("-----").filter(|label| label.len() <= 64)
}

/// Each line with the byte at which it begins, without its end and without spaces around it.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    bytes.split(|octet| *octet == b'\n').map(move |line| {
        let begins = at;
        at += line.len() + 1;
        (begins, line.trim_ascii())
    })
}
