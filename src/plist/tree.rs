//! A tree under construction.
//!
//! Children of all open containers stand on shared stacks and move into vectors of exactly their number when their container
//! closes. Vectors that double would hold up to three times what they need while they grow; the stacks grow by a quarter.

use super::{Dictionary, Error, ErrorKind, Path, Value};
use crate::limits::Limits;

/// The values read so far, and the containers that are open.
pub(super) struct Tree {
    limits: Limits,
    items: usize,
    open: Vec<Container>,
    /// Keys of the open dictionaries, outermost first.
    keys: Vec<String>,
    /// Finished children of the open containers, outermost first.
    values: Vec<Value>,
    root: Option<Value>,
}

/// An open container: where its children begin on the stacks, and where it began in the input.
struct Container {
    is_dictionary: bool,
    keys: usize,
    values: usize,
    at: usize,
}

impl Tree {
    pub(super) fn new(limits: &Limits) -> Self {
        Tree { limits: *limits, items: 0, open: Vec::new(), keys: Vec::new(), values: Vec::new(), root: None }
    }

    /// Whether the root value is complete.
    pub(super) const fn is_complete(&self) -> bool {
        self.root.is_some()
    }

    /// Whether a container is open.
    pub(super) const fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether a key must come next: the innermost container is a dictionary whose keys all have values.
    fn awaits_key(&self) -> bool {
        self.open.last().is_some_and(|top| {
            top.is_dictionary && self.keys.len().saturating_sub(top.keys) == self.values.len().saturating_sub(top.values)
        })
    }

    /// Whether a key may come next; to be asked before the key is read.
    pub(super) fn admit_key(&self) -> Result<(), ErrorKind> {
        match self.open.last() {
            _ if self.awaits_key() => Ok(()),
            Some(Container { is_dictionary: true, .. }) => Err(ErrorKind::Structure("a key follows a key without a value")),
            _ => Err(ErrorKind::Structure("a key outside a dictionary")),
        }
    }

    /// Whether a value may come next, counted against the limit; to be asked before the value is read.
    pub(super) fn admit_value(&mut self) -> Result<(), ErrorKind> {
        if self.root.is_some() {
            return Err(ErrorKind::Structure("a second value beside the first"));
        }
        if self.awaits_key() {
            return Err(ErrorKind::Structure("a value without a key in a dictionary"));
        }
        if self.items >= self.limits.max_items {
            return Err(ErrorKind::TooMany(self.limits.max_items));
        }
        self.items = self.items.saturating_add(1);
        Ok(())
    }

    /// Puts an admitted key.
    pub(super) fn key(&mut self, key: String) {
        push(&mut self.keys, key);
    }

    /// Puts an admitted value.
    pub(super) fn value(&mut self, value: Value) {
        if self.open.is_empty() {
            self.root = Some(value);
        } else {
            push(&mut self.values, value);
        }
    }

    /// Opens an admitted container that begins at an offset.
    pub(super) fn open(&mut self, is_dictionary: bool, at: usize) -> Result<(), ErrorKind> {
        if self.open.len() >= self.limits.max_depth {
            return Err(ErrorKind::TooDeep(self.limits.max_depth));
        }
        self.open.push(Container { is_dictionary, keys: self.keys.len(), values: self.values.len(), at });
        Ok(())
    }

    /// Closes the innermost container. The offset of a fault is that of the container's beginning.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        let Some(top) = self.open.last() else { return Ok(()) };
        let (at, start) = (top.at, top.values);
        if !top.is_dictionary {
            let items = self.values.drain(start..).collect();
            self.open.pop();
            self.value(Value::Array(items));
            return Ok(());
        }
        if !self.awaits_key() {
            return Err(self.fault(ErrorKind::Structure("the last key of a dictionary has no value"), at));
        }
        let entries = self.keys.drain(top.keys..).zip(self.values.drain(start..)).collect();
        self.open.pop();
        let dictionary = Dictionary::from_entries(entries)
            .map_err(|key| Error { path: self.path(Path::root().under_key(&key)), ..Error::at(ErrorKind::DuplicateKey, at) })?;
        self.value(Value::Dictionary(dictionary));
        Ok(())
    }

    /// A fault at an offset, in what would come next.
    #[cold]
    pub(super) fn fault(&self, kind: ErrorKind, at: usize) -> Error {
        Error { path: self.path(Path::root()), ..Error::at(kind, at) }
    }

    /// The path from the root to what would come next, continued by `inner`.
    fn path(&self, inner: Path) -> Path {
        let mut path = inner;
        let (mut keys, mut values) = (self.keys.len(), self.values.len());
        for container in self.open.iter().rev() {
            if !container.is_dictionary {
                path = path.under_index(values.saturating_sub(container.values));
            } else if keys.saturating_sub(container.keys) > values.saturating_sub(container.values) {
                // The key whose value is not there yet. When a key would come next, the dictionary itself is the place.
                path = self.keys.get(keys.saturating_sub(1)).into_iter().fold(path, |path, key| path.under_key(key));
            }
            (keys, values) = (container.keys, container.values);
        }
        path
    }

    /// The root, when it is complete.
    pub(super) fn into_root(self) -> Option<Value> {
        self.root
    }
}

/// Pushes with growth by a quarter.
fn push<T>(stack: &mut Vec<T>, item: T) {
    if stack.len() == stack.capacity() {
        stack.reserve_exact((stack.len() / 4).max(16));
    }
    stack.push(item);
}
