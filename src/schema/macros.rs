//! The tables that records are written as.

/// A dictionary of the schema: a struct with one optional field per key, its constant [`Table`](crate::schema::Table), and the
/// access to its fields that the shared loop needs. No code per field but a pointer.
///
/// There are some eight hundred of them, and nearly half of the time in which the crate is compiled goes into what stands here. So
/// there is one way to the fields and not two, what can be said of every record is said once (`impl Item for R`), and everything but
/// the table is `inline`: it is compiled where a record is used and not for all of them here.
///
/// ```text
/// record! {
///     /// What it is, and a link.
///     pub struct TokenUpdate = "TokenUpdate" [since(IOS, "4.0"), never(WATCHOS)] {
///         push_magic: Option<Secret> as String = "PushMagic" REQUIRED [],
///         awaiting_configuration: Option<bool> = "AwaitingConfiguration" OPTIONAL [since(IOS, "9.0")] { default: Some(Bool(false)) },
///     }
/// }
/// ```
///
/// A row is: field, type, key on the wire, presence, where it is supported (as far as that differs from the struct's own), and
/// in braces the [`Rules`](crate::schema::Rules). `as String` marks a secret that is text on the wire.
macro_rules! record {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident = $kind:literal [$($whole:expr),* $(,)?] {$(
            $(#[$note:meta])*
            $field:ident: $type:ty $(as $shape:ident)? = $wire:literal $presence:ident [$($support:expr),* $(,)?] $({$($rule:ident: $value:expr),* $(,)?})?
        ),* $(,)?}
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Default, PartialEq)]
        #[allow(clippy::exhaustive_structs, reason = "a host builds it with `..Default::default()`")]
        pub struct $name {
            $(
                #[doc = concat!("`", $wire, "`")]
                $(#[$note])*
                pub $field: $type,
            )*
            /// Keys that the schema does not know, and values that are not of their key's type, as they came.
            pub extra: $crate::plist::Dictionary,
        }

        impl $crate::schema::Record for $name {
            fn table() -> &'static $crate::schema::Table {
                #[allow(unused_imports, reason = "a table without rows says nothing")]
                use $crate::schema::words::*;
                static TABLE: $crate::schema::Table = $crate::schema::Table {
                    name: stringify!($name),
                    kind: $kind,
                    support: &[$($whole),*],
                    keys: &[$($crate::schema::Key {
                        name: $wire,
                        shape: record!(@shape $type $(, $shape)?),
                        presence: $crate::schema::Presence::$presence,
                        support: &[$($support),*],
                        rules: &record!(@rules $({$($rule: $value),*})?),
                    }),*],
                };
                &TABLE
            }

            #[inline]
            fn slots(&mut self) -> (Vec<&mut dyn $crate::schema::Slot>, &mut $crate::plist::Dictionary) {
                (vec![$(&mut self.$field),*], &mut self.extra)
            }
        }

        impl std::fmt::Debug for $name {
            #[inline]
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::schema::show(self, f)
            }
        }

        impl serde::Serialize for $name {
            #[inline]
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::schema::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            #[inline]
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::schema::deserialize(deserializer)
            }
        }

        #[cfg(any(test, feature = "arbitrary"))]
        impl<'a> ::arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(u: &mut ::arbitrary::Unstructured<'a>) -> ::arbitrary::Result<Self> {
                let entries = $crate::schema::arbitrary::document(<$name as $crate::schema::Record>::table(), u)?;
                Ok($crate::schema::Record::from_dictionary(entries))
            }
        }
    )*};
    (@shape $type:ty) => { <$type as $crate::schema::Field>::SHAPE };
    (@shape $type:ty, $shape:ident) => { $crate::schema::Shape::$shape };
    (@rules) => { $crate::schema::Rules::NONE };
    (@rules {$($rule:ident: $value:expr),*}) => {
        $crate::schema::Rules { $($rule: $value,)* ..$crate::schema::Rules::NONE }
    };
}

/// Strings for which the schema lists values: an open type with a constant for each, so that a newer value is not lost.
macro_rules! values {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {$(
            $constant:ident = $value:literal $([$($support:expr),* $(,)?])?
        ),* $(,)?}
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::borrow::Cow<'static, str>);

        impl $name {
            $(
                #[doc = concat!("`", $value, "`")]
                pub const $constant: $name = $name(std::borrow::Cow::Borrowed($value));
            )*

            /// The text on the wire.
            #[inline]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            #[inline]
            fn from(text: &str) -> Self {
                $name(std::borrow::Cow::Owned(text.to_owned()))
            }
        }

        impl From<String> for $name {
            #[inline]
            fn from(text: String) -> Self {
                $name(std::borrow::Cow::Owned(text))
            }
        }

        impl std::fmt::Display for $name {
            #[inline]
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $crate::schema::Item for $name {
            const SHAPE: $crate::schema::Shape = {
                #[allow(unused_imports, reason = "most values say nothing of systems")]
                use $crate::schema::words::*;
                $crate::schema::Shape::OneOf(&[$($crate::schema::Choice { value: $value, support: &[$($($support),*)?] }),*])
            };

            #[inline]
            fn from_value(value: $crate::plist::Value) -> Result<Self, $crate::plist::Value> {
                match value {
                    $crate::plist::Value::String(text) => Ok(text.into()),
                    other => Err(other),
                }
            }

            #[inline]
            fn into_value(self) -> $crate::plist::Value {
                self.0.into_owned().into()
            }
        }

        #[cfg(any(test, feature = "arbitrary"))]
        impl<'a> ::arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(u: &mut ::arbitrary::Unstructured<'a>) -> ::arbitrary::Result<Self> {
                $crate::schema::arbitrary::item(u)
            }
        }
    )*};
}

/// A dictionary that is one of several, told apart by the string under one key.
macro_rules! union {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident by $tag:literal {$(
            $variant:ident($type:ty) = $value:literal
        ),* $(,)?}
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $(
                #[doc = concat!("`", $value, "`")]
                $variant($type),
            )*
            /// One that this crate does not know, as it came.
            Other($crate::plist::Dictionary),
        }

        $(
            impl From<$type> for $name {
                #[inline]
                fn from(member: $type) -> Self {
                    $name::$variant(member)
                }
            }
        )*

        impl $crate::schema::Item for $name {
            const SHAPE: $crate::schema::Shape = $crate::schema::Shape::Union {
                tag: $tag,
                members: &[$(($value, <$type as $crate::schema::Record>::table)),*],
            };

            #[inline]
            fn from_value(value: $crate::plist::Value) -> Result<Self, $crate::plist::Value> {
                let $crate::plist::Value::Dictionary(entries) = value else { return Err(value) };
                Ok(match entries.get($tag).and_then($crate::plist::Value::as_str) {
                    $(Some($value) => $name::$variant($crate::schema::Record::from_dictionary(entries)),)*
                    _ => $name::Other(entries),
                })
            }

            /// The tag is written even when the member's own field is empty.
            #[inline]
            fn into_value(self) -> $crate::plist::Value {
                let (tag, mut entries) = match self {
                    $($name::$variant(member) => ($value, $crate::schema::Record::into_dictionary(member)),)*
                    $name::Other(entries) => return entries.into(),
                };
                if entries.get($tag).is_none() {
                    entries.insert($tag, tag);
                }
                entries.into()
            }
        }

        #[cfg(any(test, feature = "arbitrary"))]
        impl<'a> ::arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(u: &mut ::arbitrary::Unstructured<'a>) -> ::arbitrary::Result<Self> {
                $crate::schema::arbitrary::item(u)
            }
        }
    )*};
}
