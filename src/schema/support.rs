//! Where something is supported: systems, versions, supervision, channels.

use std::fmt;

/// An operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[cfg_attr(any(test, feature = "arbitrary"), derive(arbitrary::Arbitrary))]
pub enum System {
    /// iOS and iPadOS.
    Ios,
    /// macOS.
    Macos,
    /// tvOS.
    Tvos,
    /// visionOS.
    Visionos,
    /// watchOS.
    Watchos,
}

impl System {
    /// All of them.
    pub const ALL: [System; 5] = [System::Ios, System::Macos, System::Tvos, System::Visionos, System::Watchos];

    /// A system by Apple's name for it, in capitals or not; iPadOS is iOS here, as in the schema. Anything else is `None`.
    pub fn parse(name: &str) -> Option<Self> {
        let known = |system: &System| system.to_string().eq_ignore_ascii_case(name);
        let ipad = name.eq_ignore_ascii_case("iPadOS").then_some(System::Ios);
        System::ALL.into_iter().find(known).or(ipad)
    }

    const fn bit(self) -> u8 {
        match self {
            System::Ios => words::IOS,
            System::Macos => words::MACOS,
            System::Tvos => words::TVOS,
            System::Visionos => words::VISIONOS,
            System::Watchos => words::WATCHOS,
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            System::Ios => "iOS",
            System::Macos => "macOS",
            System::Tvos => "tvOS",
            System::Visionos => "visionOS",
            System::Watchos => "watchOS",
        })
    }
}

/// A set of systems.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Systems(u8);

impl Systems {
    /// Whether the system is among them.
    pub const fn contains(self, system: System) -> bool {
        self.0 & system.bit() != 0
    }

    /// The systems in order.
    pub fn iter(self) -> impl Iterator<Item = System> {
        System::ALL.into_iter().filter(move |system| self.contains(*system))
    }
}

impl fmt::Debug for Systems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The version of an operating system: `26.4.1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(any(test, feature = "arbitrary"), derive(arbitrary::Arbitrary))]
pub struct Version {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub patch: u16,
}

impl Version {
    /// A version of three numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Version { major, minor, patch }
    }

    /// One to three numbers with dots between; anything else is `None`.
    pub const fn parse(text: &str) -> Option<Self> {
        let mut numbers = [0u16; 3];
        let mut rest = text.as_bytes();
        let [first, second, third] = &mut numbers;
        let mut digits = 0u8;
        let mut place = 0u8;
        while let [byte, tail @ ..] = rest {
            rest = tail;
            if *byte == b'.' {
                if digits == 0 || place == 2 {
                    return None;
                }
                place = place.saturating_add(1);
                digits = 0;
                continue;
            }
            if !byte.is_ascii_digit() || digits == 4 {
                return None;
            }
            digits = digits.saturating_add(1);
            let number: &mut u16 = match place {
                0 => &mut *first,
                1 => &mut *second,
                _ => &mut *third,
            };
            // At most four digits: the number stays below 10,000.
            let mut digit = b'0';
            *number = number.saturating_mul(10);
            while digit < *byte {
                *number = number.saturating_add(1);
                digit = digit.saturating_add(1);
            }
        }
        if digits == 0 {
            return None;
        }
        let [major, minor, patch] = numbers;
        Some(Version { major, minor, patch })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch == 0 { Ok(()) } else { write!(f, ".{}", self.patch) }
    }
}

/// Whether something may be used in a mode of the device, such as Shared iPad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// With and without.
    Allowed,
    /// Only in that mode.
    Required,
    /// Only outside that mode.
    Forbidden,
    /// It may be sent, and does nothing in that mode.
    Ignored,
}

/// What the schema says for one or more systems. What is `None` or empty is not said here: the enclosing dictionary's word holds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Support {
    /// The systems that this is about.
    pub systems: Systems,
    /// Not supported at all: `introduced: n/a`.
    pub never: bool,
    /// First version with it.
    pub introduced: Option<Version>,
    /// First version in which it is deprecated.
    pub deprecated: Option<Version>,
    /// First version without it.
    pub removed: Option<Version>,
    /// The access right that the enrollment must have, in Apple's words.
    pub access_rights: Option<&'static str>,
    /// Whether several payloads of the type may be installed.
    pub multiple: Option<bool>,
    /// Whether it may be sent on the device channel.
    pub device_channel: Option<bool>,
    /// Whether it may be sent on a user channel.
    pub user_channel: Option<bool>,
    /// Whether the device must be supervised.
    pub supervised: Option<bool>,
    /// Whether the device must be enrolled by Automated Device Enrollment.
    pub requires_dep: Option<bool>,
    /// Whether the user must have approved the enrollment.
    pub user_approved: Option<bool>,
    /// Whether a user may install the profile by hand.
    pub manual_install: Option<bool>,
    /// The kinds of enrollment that may use it: `supervised`, `device`, `user`, `local`.
    pub enrollments: Option<&'static [&'static str]>,
    /// The scopes in which it may be used: `system`, `user`.
    pub scopes: Option<&'static [&'static str]>,
    /// On Shared iPad.
    pub shared_ipad: Option<Mode>,
    /// On Shared iPad, the device channel.
    pub shared_ipad_device_channel: Option<bool>,
    /// On Shared iPad, a user's channel.
    pub shared_ipad_user_channel: Option<bool>,
    /// On Shared iPad, the scopes.
    pub shared_ipad_scopes: Option<&'static [&'static str]>,
    /// Under User Enrollment.
    pub user_enrollment: Option<Mode>,
    /// Whether the pane of Setup Assistant is always skipped.
    pub always_skippable: Option<bool>,
}

/// The vocabulary of the generated tables. Terse, because it is read in ten thousand places.
pub(crate) mod words {
    use super::{Mode, Support, Systems, Version};

    pub(crate) const IOS: u8 = 1;
    pub(crate) const MACOS: u8 = 2;
    pub(crate) const TVOS: u8 = 4;
    pub(crate) const VISIONOS: u8 = 8;
    pub(crate) const WATCHOS: u8 = 16;

    pub(crate) const ALLOWED: Mode = Mode::Allowed;
    pub(crate) const REQUIRED: Mode = Mode::Required;
    pub(crate) const FORBIDDEN: Mode = Mode::Forbidden;
    pub(crate) const IGNORED: Mode = Mode::Ignored;

    /// From the enclosing dictionary's version on.
    pub(crate) const fn on(systems: u8) -> Support {
        Support {
            systems: Systems(systems),
            never: false,
            introduced: None,
            deprecated: None,
            removed: None,
            access_rights: None,
            multiple: None,
            device_channel: None,
            user_channel: None,
            supervised: None,
            requires_dep: None,
            user_approved: None,
            manual_install: None,
            enrollments: None,
            scopes: None,
            shared_ipad: None,
            shared_ipad_device_channel: None,
            shared_ipad_user_channel: None,
            shared_ipad_scopes: None,
            user_enrollment: None,
            always_skippable: None,
        }
    }

    /// Nowhere on these systems.
    pub(crate) const fn never(systems: u8) -> Support {
        Support { never: true, ..on(systems) }
    }

    /// From a version on.
    pub(crate) const fn since(systems: u8, version: &str) -> Support {
        Support { introduced: Some(known(version)), ..on(systems) }
    }

    const fn known(version: &str) -> Version {
        match Version::parse(version) {
            Some(version) => version,
            // Reached only while the tables are compiled: a table with a bad version does not build.
            #[allow(clippy::panic, reason = "evaluated at compile time only")]
            None => panic!("not a version"),
        }
    }

    #[cfg_attr(
        not(all(feature = "profiles", feature = "declarations")),
        allow(dead_code, reason = "a word for each thing that some table says")
    )]
    impl Support {
        pub(crate) const fn deprecated(self, version: &str) -> Support {
            Support { deprecated: Some(known(version)), ..self }
        }
        pub(crate) const fn removed(self, version: &str) -> Support {
            Support { removed: Some(known(version)), ..self }
        }
        pub(crate) const fn rights(self, rights: &'static str) -> Support {
            Support { access_rights: Some(rights), ..self }
        }
        pub(crate) const fn multiple(self, is: bool) -> Support {
            Support { multiple: Some(is), ..self }
        }
        pub(crate) const fn device_channel(self, is: bool) -> Support {
            Support { device_channel: Some(is), ..self }
        }
        pub(crate) const fn user_channel(self, is: bool) -> Support {
            Support { user_channel: Some(is), ..self }
        }
        pub(crate) const fn supervised(self, is: bool) -> Support {
            Support { supervised: Some(is), ..self }
        }
        pub(crate) const fn requires_dep(self, is: bool) -> Support {
            Support { requires_dep: Some(is), ..self }
        }
        pub(crate) const fn user_approved(self, is: bool) -> Support {
            Support { user_approved: Some(is), ..self }
        }
        pub(crate) const fn manual_install(self, is: bool) -> Support {
            Support { manual_install: Some(is), ..self }
        }
        pub(crate) const fn enrollments(self, list: &'static [&'static str]) -> Support {
            Support { enrollments: Some(list), ..self }
        }
        pub(crate) const fn scopes(self, list: &'static [&'static str]) -> Support {
            Support { scopes: Some(list), ..self }
        }
        pub(crate) const fn shared_ipad(self, mode: Mode) -> Support {
            Support { shared_ipad: Some(mode), ..self }
        }
        pub(crate) const fn shared_ipad_device_channel(self, is: bool) -> Support {
            Support { shared_ipad_device_channel: Some(is), ..self }
        }
        pub(crate) const fn shared_ipad_user_channel(self, is: bool) -> Support {
            Support { shared_ipad_user_channel: Some(is), ..self }
        }
        pub(crate) const fn shared_ipad_scopes(self, list: &'static [&'static str]) -> Support {
            Support { shared_ipad_scopes: Some(list), ..self }
        }
        pub(crate) const fn user_enrollment(self, mode: Mode) -> Support {
            Support { user_enrollment: Some(mode), ..self }
        }
        pub(crate) const fn always_skippable(self, is: bool) -> Support {
            Support { always_skippable: Some(is), ..self }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::words::{ALLOWED, FORBIDDEN, IGNORED, IOS, MACOS, REQUIRED, TVOS, VISIONOS, WATCHOS, never, on, since};
    use super::*;

    /// The tables are compiled, so that a word which set another's field would be seen nowhere else.
    #[test]
    fn each_word_of_the_tables_says_one_thing_and_nothing_else() {
        let plain = on(IOS);
        let version = Some(Version::new(17, 4, 1));
        let said = [
            (since(IOS, "17.4.1"), Support { introduced: version, ..plain }),
            (plain.deprecated("17.4.1"), Support { deprecated: version, ..plain }),
            (plain.removed("17.4.1"), Support { removed: version, ..plain }),
            (never(IOS), Support { never: true, ..plain }),
            (plain.rights("AllowErase"), Support { access_rights: Some("AllowErase"), ..plain }),
            (plain.multiple(false), Support { multiple: Some(false), ..plain }),
            (plain.device_channel(true), Support { device_channel: Some(true), ..plain }),
            (plain.user_channel(true), Support { user_channel: Some(true), ..plain }),
            (plain.supervised(true), Support { supervised: Some(true), ..plain }),
            (plain.requires_dep(true), Support { requires_dep: Some(true), ..plain }),
            (plain.user_approved(true), Support { user_approved: Some(true), ..plain }),
            (plain.manual_install(false), Support { manual_install: Some(false), ..plain }),
            (plain.enrollments(&["device"]), Support { enrollments: Some(&["device"]), ..plain }),
            (plain.scopes(&["user"]), Support { scopes: Some(&["user"]), ..plain }),
            (plain.shared_ipad(REQUIRED), Support { shared_ipad: Some(Mode::Required), ..plain }),
            (plain.shared_ipad_device_channel(true), Support { shared_ipad_device_channel: Some(true), ..plain }),
            (plain.shared_ipad_user_channel(true), Support { shared_ipad_user_channel: Some(true), ..plain }),
            (plain.shared_ipad_scopes(&["system"]), Support { shared_ipad_scopes: Some(&["system"]), ..plain }),
            (plain.user_enrollment(FORBIDDEN), Support { user_enrollment: Some(Mode::Forbidden), ..plain }),
            (plain.always_skippable(true), Support { always_skippable: Some(true), ..plain }),
        ];
        for (made, meant) in said {
            assert_eq!(format!("{made:?}"), format!("{meant:?}"));
            assert_ne!(format!("{made:?}"), format!("{plain:?}"));
        }
        assert_eq!(
            [ALLOWED, REQUIRED, FORBIDDEN, IGNORED].map(|mode| format!("{mode:?}")),
            ["Allowed", "Required", "Forbidden", "Ignored"]
        );
    }

    #[test]
    fn a_set_of_systems_holds_those_that_it_was_made_of() {
        let words = [IOS, MACOS, TVOS, VISIONOS, WATCHOS];
        for (system, word) in System::ALL.into_iter().zip(words) {
            let alone = on(word).systems;
            assert_eq!(alone.iter().collect::<Vec<_>>(), [system]);
            assert!(System::ALL.iter().all(|other| alone.contains(*other) == (*other == system)));
        }
        assert_eq!(format!("{:?}", on(WATCHOS | IOS).systems), "{Ios, Watchos}");
    }

    #[test]
    fn a_system_is_known_by_apples_name_for_it() {
        for system in System::ALL {
            assert_eq!(System::parse(&system.to_string()), Some(system));
            assert_eq!(System::parse(&system.to_string().to_lowercase()), Some(system));
        }
        assert_eq!(System::parse("iPadOS"), Some(System::Ios));
        assert_eq!((System::parse("OS X"), System::parse("")), (None, None));
        assert_eq!(Version::new(26, 4, 1).to_string(), "26.4.1");
    }
}
