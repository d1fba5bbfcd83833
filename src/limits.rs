//! How much a reader may spend on one input.
//!
//! Every reader of this crate takes [`Limits`] or belongs to a type that holds one. A reader that would pass a limit stops with an
//! error that names the limit; it never truncates silently and never allocates first.

/// The most that one message may cost: bytes read, depth of nesting, items made.
///
/// The defaults fit the largest real answers (an application list of a few megabytes) and are far below what would hurt a
/// server. A host that knows better says so:
///
/// ```
/// use mdm_core::limits::Limits;
///
/// let limits = Limits::default().bytes(64 * 1024).depth(16);
/// assert_eq!(limits.max_bytes, 64 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest input in bytes.
    pub max_bytes: usize,
    /// Deepest nesting of containers; the outermost is depth 1.
    pub max_depth: usize,
    /// Most items (ASN.1 elements, property-list nodes) that one input may hold.
    pub max_items: usize,
}

impl Limits {
    /// Limits for messages of the MDM protocol: 8 MiB, 64 levels, a million items.
    pub const MESSAGE: Limits = Limits { max_bytes: 8 << 20, max_depth: 64, max_items: 1 << 20 };

    /// Limits for certificates, requests and SCEP messages: 256 KiB, 32 levels, 16,384 items.
    pub const PKI: Limits = Limits { max_bytes: 256 << 10, max_depth: 32, max_items: 1 << 14 };

    /// The same limits with another longest input.
    #[must_use]
    pub const fn bytes(mut self, max: usize) -> Self {
        self.max_bytes = max;
        self
    }

    /// The same limits with another deepest nesting.
    #[must_use]
    pub const fn depth(mut self, max: usize) -> Self {
        self.max_depth = max;
        self
    }

    /// The same limits with another number of items.
    #[must_use]
    pub const fn items(mut self, max: usize) -> Self {
        self.max_items = max;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::MESSAGE
    }
}
