//! Where in a property list something stands.

use std::fmt;
use std::fmt::Write;

/// Most levels that a path shows.
const LEVELS: usize = 8;
/// Longest key that a path shows whole, in bytes.
const KEY: usize = 64;
/// Longest path, in bytes, without the mark that something was left out.
const WHOLE: usize = 256;

/// A key path such as `QueryResponses.InstalledApplicationList[12].Version`. The path of the whole property list is empty.
///
/// A path is made from the inside out, which is how an error travels. It stays short whatever the input: eight levels and 256
/// bytes at most, the innermost ones, with `…` for what is left out; control characters are shown escaped.
///
/// ```
/// use mdm_core::plist::Path;
///
/// let path = Path::root().under_key("Version").under_index(12).under_key("InstalledApplicationList");
/// assert_eq!(path.to_string(), "InstalledApplicationList[12].Version");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    text: String,
    levels: usize,
    elided: bool,
}

impl Path {
    /// The whole property list.
    pub const fn root() -> Self {
        Path { text: String::new(), levels: 0, elided: false }
    }

    /// Whether this is the whole property list.
    pub const fn is_root(&self) -> bool {
        self.text.is_empty() && !self.elided
    }

    /// Whether outer levels are left out already.
    pub(crate) const fn is_elided(&self) -> bool {
        self.elided
    }

    /// This path as seen from the dictionary that holds it under `key`.
    #[must_use]
    pub fn under_key(self, key: &str) -> Self {
        let mut step = String::new();
        for character in key.chars() {
            if step.len() > KEY {
                step.push('…');
                break;
            }
            if character.is_control() {
                step.extend(character.escape_default());
            } else {
                step.push(character);
            }
        }
        if key.is_empty() {
            step.push_str("\"\"");
        }
        self.under(step)
    }

    /// This path as seen from the array that holds it at `index`, counted from 0.
    #[must_use]
    pub fn under_index(self, index: usize) -> Self {
        self.under(format!("[{index}]"))
    }

    fn under(mut self, mut step: String) -> Self {
        if !self.text.is_empty() && !self.text.starts_with('[') {
            step.push('.');
        }
        self.elided = self.elided || self.levels >= LEVELS || self.text.len().saturating_add(step.len()) > WHOLE;
        if !self.elided {
            self.text.insert_str(0, &step);
            self.levels = self.levels.saturating_add(1);
        }
        self
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.elided {
            f.write_char('…')?;
        }
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_joined_as_one_writes_them() {
        assert!(Path::root().is_root());
        assert_eq!(Path::root().to_string(), "");
        let path = Path::root().under_index(3).under_index(0).under_key("b").under_key("a");
        assert_eq!(path.to_string(), "a.b[0][3]");
        assert!(!path.is_root());
        assert_eq!(Path::root().under_key("").under_index(1).to_string(), "[1].\"\"");
    }

    #[test]
    fn a_path_shows_the_innermost_levels_and_stays_short() {
        let deep = (0..100_usize).rev().fold(Path::root(), |path, level| path.under_key(&level.to_string()));
        assert_eq!(deep.to_string(), "…92.93.94.95.96.97.98.99");
        let long = (0..8).fold(Path::root(), |path, _| path.under_key(&"k".repeat(1 << 20)));
        assert!(long.to_string().len() <= WHOLE + '…'.len_utf8(), "{long}");
        assert!(long.to_string().starts_with('…'));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(Path::root().under_key("a\n\u{1b}[2J").to_string(), "a\\n\\u{1b}[2J");
    }
}
