//! Whether something may be sent to a device.

use std::fmt;

use super::check::{Described, MOST_FOUND, relevant};
use super::support::{Mode, Support, System, Version};
use super::table::{Shape, Table};
use super::trail::Trail;
use crate::plist::{Dictionary, Value};

/// The channel on which something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(any(test, feature = "arbitrary"), derive(arbitrary::Arbitrary))]
pub enum Channel {
    /// The device's own.
    Device,
    /// A user's.
    User,
}

/// How a device is enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(any(test, feature = "arbitrary"), derive(arbitrary::Arbitrary))]
pub enum Enrollment {
    /// Device Enrollment, by a profile or an account.
    Device,
    /// Automated Device Enrollment.
    Automated,
    /// User Enrollment.
    User,
}

/// A device to which something is to be sent.
///
/// ```
/// use mdm_core::command::{Command, ShutDownDevice};
/// use mdm_core::schema::{Rule, System, Target, Version};
///
/// let phone = Target::new(System::Ios, Version::new(18, 0, 0));
/// let violations = phone.check(&Command::new("1", ShutDownDevice::default()));
/// assert_eq!(violations[0].rule, Rule::Supervised);
/// assert!(Target { supervised: true, ..phone }.check(&Command::new("1", ShutDownDevice::default())).is_empty());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it with `..Target::new(..)`")]
#[cfg_attr(any(test, feature = "arbitrary"), derive(arbitrary::Arbitrary))]
pub struct Target {
    /// Its operating system.
    pub system: System,
    /// The version of that.
    pub version: Version,
    /// Whether it is supervised.
    pub supervised: bool,
    /// How it is enrolled.
    pub enrollment: Enrollment,
    /// Whether a user of the Mac has approved the enrollment.
    pub user_approved: bool,
    /// The channel on which the thing is sent.
    pub channel: Channel,
    /// Whether it is a Shared iPad.
    pub shared_ipad: bool,
    /// The sum of rights that its MDM payload gave (`AccessRights`).
    pub access_rights: i64,
}

impl Target {
    /// An unsupervised device under Device Enrollment, on its own channel, with all rights.
    pub const fn new(system: System, version: Version) -> Self {
        Target {
            system,
            version,
            supervised: false,
            enrollment: Enrollment::Device,
            user_approved: true,
            channel: Channel::Device,
            shared_ipad: false,
            access_rights: 8191,
        }
    }

    /// Every rule of the schema that sending this to the device would break. A key that is allowed only under conditions is
    /// reported by its own path; the whole document by the path of the part, which is empty or `Command` and the like. Of a
    /// document that breaks more than [`MOST_FOUND`] rules, as no host's own does, not all are listed.
    ///
    /// What a key holds as data is not looked into, since it may be signed or encrypted: a profile is checked by itself before it
    /// becomes the `Payload` of an `InstallProfile`.
    pub fn check(&self, document: &dyn Described) -> Vec<Violation> {
        let mut found = Vec::new();
        document.describe(&mut |path, tables, entries| {
            let mut walk = Walk { target: self, trail: Trail::new(path), found: &mut found };
            for table in relevant(tables, entries) {
                walk.record(table, entries);
            }
        });
        found
    }
}

/// A rule that would be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Where: keys with dots between, items by number; empty for the whole.
    pub path: String,
    /// The rule.
    pub rule: Rule,
}

/// What the schema asks of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// Another system: this one does not have it in any version.
    System,
    /// At least this version.
    Since(Version),
    /// A version before this one.
    Before(Version),
    /// Supervision.
    Supervised,
    /// Automated Device Enrollment.
    Automated,
    /// Approval of the enrollment by the user.
    UserApproved,
    /// The other channel: it is not for this one.
    NotOn(Channel),
    /// No User Enrollment, User Enrollment, or it would do nothing.
    UserEnrollment(Mode),
    /// No Shared iPad, Shared iPad, or it would do nothing.
    SharedIpad(Mode),
    /// One of these kinds of enrollment: `supervised`, `device`, `user`, `local`.
    Enrollments(&'static [&'static str]),
    /// This access right, in Apple's words.
    AccessRight(&'static str),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        match &self.rule {
            Rule::System => f.write_str("not on this system"),
            Rule::Since(version) => write!(f, "since version {version}"),
            Rule::Before(version) => write!(f, "removed in version {version}"),
            Rule::Supervised => f.write_str("on supervised devices only"),
            Rule::Automated => f.write_str("under Automated Device Enrollment only"),
            Rule::UserApproved => f.write_str("under enrollments only that the user approved"),
            Rule::NotOn(Channel::Device) => f.write_str("not on the device channel"),
            Rule::NotOn(Channel::User) => f.write_str("not on a user channel"),
            Rule::UserEnrollment(mode) => write!(f, "{} under User Enrollment", word(*mode)),
            Rule::SharedIpad(mode) => write!(f, "{} on Shared iPad", word(*mode)),
            Rule::Enrollments(kinds) => write!(f, "under these enrollments only: {}", kinds.join(", ")),
            Rule::AccessRight(right) => write!(f, "with the access right {right} only"),
        }
    }
}

const fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Allowed => "allowed",
        Mode::Required => "only",
        Mode::Forbidden => "not",
        Mode::Ignored => "without effect",
    }
}

struct Walk<'a, 'found> {
    target: &'a Target,
    trail: Trail<'a>,
    found: &'found mut Vec<Violation>,
}

impl<'a> Walk<'a, '_> {
    fn record(&mut self, table: &Table, entries: &'a Dictionary) {
        self.support(table.support);
        for (name, value) in entries.iter() {
            let Some(key) = table.key(name) else { continue };
            self.trail.key(name);
            self.support(key.support);
            self.value(&key.shape, value);
            self.trail.back();
        }
    }

    fn value(&mut self, shape: &Shape, value: &'a Value) {
        match (shape, value) {
            (Shape::OneOf(choices), Value::String(text)) => {
                if let Some(choice) = choices.iter().find(|choice| choice.value == text) {
                    self.support(choice.support);
                }
            }
            (Shape::Array(item), Value::Array(values)) => {
                for (at, value) in values.iter().enumerate() {
                    self.trail.place(at);
                    self.value(item, value);
                    self.trail.back();
                }
            }
            (Shape::Map(item), Value::Dictionary(entries)) if !matches!(item, Shape::Any) => {
                for (name, value) in entries.iter() {
                    self.trail.key(name);
                    self.value(item, value);
                    self.trail.back();
                }
            }
            (Shape::Record(table), Value::Dictionary(entries)) => self.record(table(), entries),
            (Shape::Union { tag, members }, Value::Dictionary(entries)) => {
                let kind = entries.get(tag).and_then(Value::as_str);
                if let Some((_, table)) = members.iter().find(|(name, _)| Some(*name) == kind) {
                    self.record(table(), entries);
                }
            }
            _ => {}
        }
    }

    /// What is said here of the target's system. What is not said here was said, and checked, further out.
    fn support(&mut self, support: &[Support]) {
        for said in support.iter().filter(|said| said.systems.contains(self.target.system)) {
            // Where the system does not have it at all, its conditions are of no interest.
            let rules = if said.never { vec![Rule::System] } else { broken(said, self.target) };
            if self.found.len() > MOST_FOUND {
                return;
            }
            self.found.extend(rules.into_iter().map(|rule| Violation { path: self.trail.spell(), rule }));
        }
    }
}

fn broken(said: &Support, target: &Target) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut needs = |holds: bool, rule: Rule| {
        if !holds {
            rules.push(rule);
        }
    };
    if let Some(version) = said.introduced {
        needs(target.version >= version, Rule::Since(version));
    }
    if let Some(version) = said.removed {
        needs(target.version < version, Rule::Before(version));
    }
    needs(said.supervised != Some(true) || target.supervised, Rule::Supervised);
    needs(said.requires_dep != Some(true) || target.enrollment == Enrollment::Automated, Rule::Automated);
    needs(said.user_approved != Some(true) || target.user_approved, Rule::UserApproved);
    let (device, user) = channels(said, target.shared_ipad);
    match target.channel {
        Channel::Device => needs(device != Some(false), Rule::NotOn(Channel::Device)),
        Channel::User => needs(user != Some(false), Rule::NotOn(Channel::User)),
    }
    if let Some(mode) = said.user_enrollment {
        needs(allows(mode, target.enrollment == Enrollment::User), Rule::UserEnrollment(mode));
    }
    if let Some(mode) = said.shared_ipad {
        needs(allows(mode, target.shared_ipad), Rule::SharedIpad(mode));
    }
    if let Some(kinds) = said.enrollments {
        needs(kinds.iter().any(|kind| is_enrolled(target, kind)), Rule::Enrollments(kinds));
    }
    if let Some(right) = said.access_rights {
        needs(has_right(target.access_rights, right), Rule::AccessRight(right));
    }
    rules
}

/// What is said of the device and the user channel, also through scopes.
fn channels(said: &Support, shared_ipad: bool) -> (Option<bool>, Option<bool>) {
    let scope = |scopes: Option<&[&str]>, name: &str| scopes.map(|scopes| scopes.contains(&name));
    if shared_ipad {
        (
            said.shared_ipad_device_channel.or(scope(said.shared_ipad_scopes, "system")),
            said.shared_ipad_user_channel.or(scope(said.shared_ipad_scopes, "user")),
        )
    } else {
        (said.device_channel.or(scope(said.scopes, "system")), said.user_channel.or(scope(said.scopes, "user")))
    }
}

const fn allows(mode: Mode, within: bool) -> bool {
    match mode {
        Mode::Allowed => true,
        Mode::Required => within,
        Mode::Forbidden | Mode::Ignored => !within,
    }
}

fn is_enrolled(target: &Target, kind: &str) -> bool {
    match kind {
        "supervised" => target.supervised,
        "device" => target.enrollment != Enrollment::User,
        "user" => target.enrollment == Enrollment::User,
        // Installed by hand, without management: not what a server sends.
        _ => false,
    }
}

/// The bits of `AccessRights`: <https://developer.apple.com/documentation/devicemanagement/mdm>.
fn has_right(held: i64, right: &str) -> bool {
    let bit = match right {
        "AllowInspection" => 1,
        "AllowInstallationRemoval" => 2,
        "AllowPasscodeRemovalAndLock" | "DeviceLockAndRemovePasscode" => 4,
        "AllowDeviceErase" => 8,
        "AllowQueryDeviceInformation" => 16,
        "AllowQueryNetworkInformation" => 32,
        "AllowProvisioningInspection" => 64,
        "AllowProvisioningInstallationRemoval" => 128,
        "AllowQueryApplications" | "QueryInstalledApps" => 256,
        "AllowQueryRestrictions" => 512,
        "AllowQuerySecurity" => 1024,
        "AllowSettings" => 2048,
        "AllowAppInstallation" => 4096,
        // "None", "n/a" and "Special Case" ask for no right of the whole.
        _ => return true,
    };
    held & bit != 0
}
