//! Where a walk over a document stands.

use crate::plist::Path;

/// The keys and places that lead to the value at hand. It is spelled out only for what is found, and then as a [`Path`]: a document
/// with keys of a megabyte and a fault under each must not make more text than there was.
pub(super) struct Trail<'a> {
    /// Where the part of the document that is walked stands.
    part: &'a str,
    steps: Vec<Step<'a>>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Place(usize),
}

impl<'a> Trail<'a> {
    pub(super) const fn new(part: &'a str) -> Self {
        Trail { part, steps: Vec::new() }
    }

    pub(super) fn key(&mut self, name: &'a str) {
        self.steps.push(Step::Key(name));
    }

    pub(super) fn place(&mut self, at: usize) {
        self.steps.push(Step::Place(at));
    }

    /// Takes the last step back.
    pub(super) fn back(&mut self) {
        self.steps.pop();
    }

    /// Keys with dots between, items by number; of long trails the innermost steps.
    pub(super) fn spell(&self) -> String {
        let path = self.steps.iter().rev().fold(Path::root(), |path, step| match step {
            // What is left out already grows no further.
            _ if path.is_elided() => path,
            Step::Key(name) => path.under_key(name),
            Step::Place(at) => path.under_index(*at),
        });
        match (self.part, path.is_root()) {
            (part, true) => part.to_owned(),
            ("", false) => path.to_string(),
            (part, false) if path.to_string().starts_with('[') => format!("{part}{path}"),
            (part, false) => format!("{part}.{path}"),
        }
    }
}
