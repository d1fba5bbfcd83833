//! One Rust file per schema file: `record!`, `values!` and `union!` tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::fixup;
use crate::model::{File, Key, Literal, Systems};
use crate::name;
use crate::yaml::Id;

/// What a type is generated for: the list of subkeys, or the key whose values are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Subkeys(Id),
    Values(Id),
}

/// A type at the top of a file.
pub struct Root<'a> {
    pub name: String,
    pub kind: &'a str,
    pub keys: &'a [Id],
    pub support: &'a [(String, Systems)],
    /// Stands before the names of its parts.
    pub prefix: String,
    /// Where Apple documents it.
    pub link: String,
}

pub struct Emitter<'a> {
    file: &'a File,
    names: BTreeMap<Source, String>,
    taken: &'a mut BTreeSet<String>,
    /// Types in the order in which they are needed, roots first.
    out: String,
    queue: Vec<Pending>,
    prefix: String,
    /// Where the members of unions are supported: the key that says so is only a label.
    members: BTreeMap<String, Vec<(String, Systems)>>,
}

/// A type that is named and not yet written.
enum Pending {
    Record { name: String, keys: Vec<Id>, label: String },
    Union { name: String, keys: Vec<Id>, label: String },
    Values { name: String, key: Id, label: String },
}

impl<'a> Emitter<'a> {
    pub fn new(file: &'a File, taken: &'a mut BTreeSet<String>) -> Self {
        let names = BTreeMap::new();
        Emitter { file, names, taken, out: String::new(), queue: Vec::new(), prefix: String::new(), members: BTreeMap::new() }
    }

    pub fn finish(mut self, roots: &[Root<'_>]) -> String {
        for root in roots {
            self.prefix.clone_from(&root.prefix);
            if root.name == "SkipKeys" {
                self.skip_keys(root);
                continue;
            }
            let doc = format!("`{}`. {}", root.name, root.link);
            self.record(&root.name, root.kind, doc.trim_end(), root.support, root.keys);
            // Parts are written behind their root; what a part needs joins the end of the queue.
            let mut at = 0;
            while at < self.queue.len() {
                match std::mem::replace(
                    &mut self.queue[at],
                    Pending::Values { name: String::new(), key: usize::MAX, label: String::new() },
                ) {
                    Pending::Record { name, keys, label } => {
                        let doc = format!("`{label}` in `{}`.", root.name);
                        let support = self.members.remove(&name).unwrap_or_default();
                        self.record(&name, "", &doc, &support, &keys);
                    }
                    Pending::Union { name, keys, label } => self.union(&name, &label, root, &keys),
                    Pending::Values { name, key, label } => self.values(&name, &label, root, key),
                }
                at += 1;
            }
            self.queue.clear();
        }
        self.out
    }

    fn record(&mut self, name: &str, kind: &str, doc: &str, support: &[(String, Systems)], keys: &[Id]) {
        let file = self.file;
        let mut rows = String::new();
        let mut fields = BTreeSet::new();
        for id in keys {
            let key = &file.keys[id];
            if is_wildcard(key) {
                continue;
            }
            let mut field = name::field(&key.name);
            while !fields.insert(field.clone()) {
                field.push('_');
            }
            let secret = fixup::is_secret(key);
            let (rust, shape) = match (secret, key.kind.as_str()) {
                (true, "string") => ("Secret".to_owned(), " as String"),
                (true, _) => ("Secret".to_owned(), ""),
                (false, _) => (self.rust_type(key, name, &key.name), ""),
            };
            let presence = match key.presence.as_deref() {
                Some("required") => "REQUIRED",
                Some("optional") => "OPTIONAL",
                _ => "UNSTATED",
            };
            let head = format!("        {field}: Option<{rust}>{shape} = {:?} {presence} ", key.name);
            let _ = writeln!(rows, "{},", with_lists(head, &support_list(&key.support), &self.rules(key), 8));
        }
        let whole = with_lists(format!("    pub struct {name} = {kind:?} "), &support_list(support), "", 4);
        let _ = write!(self.out, "\nrecord! {{\n    /// {doc}\n{whole} {{\n{rows}    }}\n}}\n");
    }

    /// The panes of Setup Assistant: not a dictionary, but the values of a list in an enrollment's profile.
    fn skip_keys(&mut self, root: &Root<'_>) {
        let mut rows = String::new();
        for id in root.keys {
            let key = &self.file.keys[id];
            let head = format!("        {} = {:?} ", name::constant(&key.name), key.name);
            let _ = writeln!(rows, "{},", with_lists(head, &support_list(&key.support), "", 8));
        }
        let _ = write!(
            self.out,
            "\nvalues! {{\n    /// A pane of Setup Assistant to be skipped. {}\n    pub struct SkipKey {{\n{rows}    }}\n}}\n",
            root.link
        );
    }

    fn values(&mut self, name: &str, label: &str, root: &Root<'_>, key: Id) {
        let file = self.file;
        let key = &file.keys[&key];
        let choices: Vec<(&str, &[(String, Systems)])> = if key.subkeys.is_empty() {
            key.values.iter().map(|value| (value.text.as_str(), [].as_slice())).collect()
        } else {
            key.subkeys.iter().map(|id| (file.keys[id].name.as_str(), file.keys[id].support.as_slice())).collect()
        };
        let mut constants = BTreeSet::new();
        let mut rows = String::new();
        let mut seen = BTreeSet::new();
        for (value, support) in choices {
            if !seen.insert(value) {
                continue;
            }
            let mut constant = name::constant(value);
            while !constants.insert(constant.clone()) {
                constant.push('_');
            }
            let support = support_list(support);
            let head = format!("        {constant} = {value:?}");
            let row = if support.is_empty() { head } else { with_lists(format!("{head} "), &support, "", 8) };
            let _ = writeln!(rows, "{row},");
        }
        let _ = write!(
            self.out,
            "\nvalues! {{\n    /// Values of `{label}` in `{}`.\n    pub struct {name} {{\n{rows}    }}\n}}\n",
            root.name
        );
    }

    fn union(&mut self, name: &str, label: &str, root: &Root<'_>, keys: &[Id]) {
        let file = self.file;
        let mut rows = String::new();
        for id in keys {
            let key = &file.keys[id];
            let tag = key.subkeys.iter().map(|id| &file.keys[id]).find(|key| key.name == "Item" && key.values.len() == 1);
            let tag = &tag.unwrap_or_else(|| panic!("{}: {} has no tag", file.path, key.name)).values[0].text;
            let member = self.rust_type(key, name, &key.name);
            self.members.insert(member.clone(), key.support.clone());
            let _ = writeln!(rows, "        {}({member}) = {tag:?},", name::type_name(&key.name));
        }
        let _ = write!(
            self.out,
            "\nunion! {{\n    /// One of `{label}` in `{}`.\n    pub enum {name} by \"Item\" {{\n{rows}    }}\n}}\n",
            root.name
        );
    }

    /// The type of a field or item. `within` names the type that holds it, `label` the key that it is known by.
    fn rust_type(&mut self, key: &Key, within: &str, label: &str) -> String {
        let file = self.file;
        match key.kind.as_str() {
            "boolean" => "bool".into(),
            "integer" => "i64".into(),
            "real" => "f64".into(),
            "string" if is_list_of_values(key) => {
                let pending = |name| Pending::Values { name, key: key.id, label: label.to_owned() };
                self.named(Source::Values(key.id), within, label, pending)
            }
            "string" => "String".into(),
            "data" => "Vec<u8>".into(),
            "date" => "Timestamp".into(),
            "any" => "Value".into(),
            "array" => match key.subkeys.as_slice() {
                [] => "Vec<Value>".into(),
                [item] => {
                    let item = &file.keys[item];
                    if is_wildcard(item) && item.kind == "any" {
                        return "Vec<Value>".into();
                    }
                    // Value lists and unnamed items are known by the array's own name.
                    let plain = matches!(item.kind.as_str(), "string" | "array");
                    let name = if plain || is_wildcard(item) { label } else { item.name.as_str() };
                    format!("Vec<{}>", self.rust_type(item, within, name))
                }
                many => {
                    let keys = many.to_vec();
                    let label_ = format!("{label}Item");
                    let pending = |name| Pending::Union { name, keys, label: label.to_owned() };
                    format!("Vec<{}>", self.named(Source::Subkeys(key.subkeys_id), within, &label_, pending))
                }
            },
            "dictionary" => match key.subkeys.as_slice() {
                [] => "Dictionary".into(),
                [any] if is_wildcard(&file.keys[any]) => {
                    let any = &file.keys[any];
                    if any.kind == "any" {
                        return "Dictionary".into();
                    }
                    format!("BTreeMap<String, {}>", self.rust_type(any, within, label))
                }
                subkeys => {
                    let keys = subkeys.to_vec();
                    let holds_itself = self.reaches_directly(key.subkeys_id, key.subkeys_id, &mut BTreeSet::new());
                    let wanted = key.subkeytype.as_deref().map_or(label, |name| name.rsplit('.').next().unwrap());
                    let pending = |name| Pending::Record { name, keys, label: label.to_owned() };
                    let name = self.named(Source::Subkeys(key.subkeys_id), within, wanted, pending);
                    if holds_itself { format!("Box<{name}>") } else { name }
                }
            },
            fixup::REASON_CODE | fixup::REASON_DETAILS => key.kind.clone(),
            other => panic!("{}: {} is of type {other}", file.path, key.name),
        }
    }

    /// Whether a dictionary holds one of this kind without an array or map between.
    fn reaches_directly(&self, from: Id, target: Id, seen: &mut BTreeSet<Id>) -> bool {
        let keys = self.file.keys.values().filter(|key| key.subkeys_id == from && key.kind == "dictionary");
        let subkeys: BTreeSet<Id> = keys.flat_map(|key| key.subkeys.iter().copied()).collect();
        subkeys.into_iter().map(|id| &self.file.keys[&id]).filter(|key| key.kind == "dictionary").any(|key| {
            !key.subkeys.is_empty()
                && (key.subkeys_id == target
                    || seen.insert(key.subkeys_id) && self.reaches_directly(key.subkeys_id, target, seen))
        })
    }

    /// The name of the type for a source; the first time, a new one and an entry in the queue.
    fn named(&mut self, source: Source, within: &str, label: &str, pending: impl FnOnce(String) -> Pending) -> String {
        if let Some(name) = self.names.get(&source) {
            return name.clone();
        }
        let part = name::type_name(label);
        let short = format!("{}{part}", self.prefix);
        let long = format!("{within}{part}");
        let mut name = if self.taken.contains(&short) { long } else { short };
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        let name = name.replace('_', "2");
        self.taken.insert(name.clone());
        self.names.insert(source, name.clone());
        self.queue.push(pending(name.clone()));
        name
    }

    fn rules(&self, key: &Key) -> String {
        let file = self.file;
        let mut said: Vec<String> = Vec::new();
        // What the schema says of an array's items stands in the array's row.
        let item = match (key.kind.as_str(), key.subkeys.as_slice()) {
            ("array", [item]) if file.keys[item].kind != "dictionary" => &file.keys[item],
            _ => key,
        };
        for source in if item.id == key.id { vec![key] } else { vec![key, item] } {
            if !source.values.is_empty() && (source.kind != "string" || !is_list_of_values(source)) {
                let list: Vec<String> = source.values.iter().map(|value| scalar(value, &source.kind)).collect();
                said.push(format!("values: &[{}]", list.join(", ")));
            }
            for (name, bound) in [("min", &source.min), ("max", &source.max), ("default", &source.default)] {
                if let Some(bound) = bound {
                    said.push(format!("{name}: Some({})", scalar(bound, &source.kind)));
                }
            }
            for (name, text) in [("format", &source.format), ("subtype", &source.subtype)] {
                if let Some(text) = text {
                    said.push(format!("{name}: Some({text:?})"));
                }
            }
            if let Some((min, max)) = &source.repetition {
                said.push(format!("repetition: Some(({min}, {max}))"));
            }
            if let Some(combine) = &source.combine {
                said.push(format!("combine: Some({})", combine.split('-').map(name::type_name).collect::<String>()));
            }
            for (name, list) in [("asset_types", &source.asset_types), ("asset_content_types", &source.asset_content_types)] {
                if !list.is_empty() {
                    said.push(format!("{name}: &{list:?}"));
                }
            }
        }
        let mut names = BTreeSet::new();
        said.retain(|rule| names.insert(rule.split(':').next().unwrap().to_owned()));
        if said.is_empty() { String::new() } else { format!("{{ {} }}", said.join(", ")) }
    }
}

pub fn is_wildcard(key: &Key) -> bool {
    key.name == "ANY" || key.name.starts_with("ANY ")
}

/// Strings with several listed values get a type of their own; a single one is only a rule.
fn is_list_of_values(key: &Key) -> bool {
    key.kind == "string" && (key.values.len() > 1 || !key.subkeys.is_empty())
}

fn scalar(literal: &Literal, kind: &str) -> String {
    let text = &literal.text;
    let number = text.parse::<f64>();
    match kind {
        "boolean" if text == "true" || text == "false" => format!("Bool({text})"),
        "integer" if text.parse::<i64>().is_ok() => format!("Int({text})"),
        "real" if number.is_ok() => format!("Num({:?})", number.unwrap()),
        "any" | "array" if literal.plain && text.parse::<i64>().is_ok() => format!("Int({text})"),
        "any" | "array" if literal.plain && (text == "true" || text == "false") => format!("Bool({text})"),
        _ => format!("Text({text:?})"),
    }
}

/// `[..]` and `{..}` behind a head, broken into lines when they are long.
fn with_lists(head: String, support: &[String], rules: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let tail = if rules.is_empty() { String::new() } else { format!(" {rules}") };
    let line = format!("{head}[{}]{tail}", support.join(", "));
    if line.len() <= 128 || support.is_empty() {
        return line;
    }
    let rows: String = support.iter().map(|row| format!("{pad}    {row},\n")).collect();
    format!("{head}[\n{rows}{pad}]{tail}")
}

const SYSTEMS: &[(&str, &str)] =
    &[("iOS", "IOS"), ("macOS", "MACOS"), ("tvOS", "TVOS"), ("visionOS", "VISIONOS"), ("watchOS", "WATCHOS")];

/// One entry per different statement, with the systems that it is made of.
pub fn support_list(support: &[(String, Systems)]) -> Vec<String> {
    let mut groups: Vec<(Vec<&str>, &Systems)> = Vec::new();
    for (system, said) in support {
        let (_, word) = SYSTEMS.iter().find(|(name, _)| name == system).unwrap_or_else(|| panic!("a system {system}"));
        if said.is_empty() {
            continue;
        }
        match groups.iter_mut().find(|(_, other)| *other == said) {
            Some((systems, _)) => systems.push(word),
            None => groups.push((vec![word], said)),
        }
    }
    groups.into_iter().map(|(systems, said)| statement(&systems.join(" | "), said)).collect()
}

fn statement(systems: &str, said: &Systems) -> String {
    let introduced = said.iter().find(|(name, _)| name == "introduced").map(|(_, value)| value[0].as_str());
    let mut out = match introduced {
        Some("n/a") => format!("never({systems})"),
        Some("all") => format!("since({systems}, \"1.0\")"),
        Some(version) => format!("since({systems}, {version:?})"),
        None => format!("on({systems})"),
    };
    for (name, value) in said {
        let one = value.first().map_or("", String::as_str);
        let call = match name.as_str() {
            "introduced" | "beta" | "userenrollment.behavior" => continue,
            "deprecated" | "removed" if one == "n/a" => continue,
            "deprecated" | "removed" => format!("{name}({one:?})"),
            "accessrights" => format!("rights({one:?})"),
            "multiple" => format!("multiple({one})"),
            "devicechannel" => format!("device_channel({one})"),
            "userchannel" => format!("user_channel({one})"),
            "supervised" => format!("supervised({one})"),
            "requiresdep" => format!("requires_dep({one})"),
            "userapprovedmdm" => format!("user_approved({one})"),
            "allowmanualinstall" => format!("manual_install({one})"),
            "always-skippable" => format!("always_skippable({one})"),
            "allowed-enrollments" => format!("enrollments(&{value:?})"),
            "allowed-scopes" => format!("scopes(&{value:?})"),
            "sharedipad.mode" => format!("shared_ipad({})", one.to_uppercase()),
            "sharedipad.devicechannel" => format!("shared_ipad_device_channel({one})"),
            "sharedipad.userchannel" => format!("shared_ipad_user_channel({one})"),
            "sharedipad.allowed-scopes" => format!("shared_ipad_scopes(&{value:?})"),
            "userenrollment.mode" => format!("user_enrollment({})", one.to_uppercase()),
            other => panic!("an attribute of a system named {other}"),
        };
        let _ = write!(out, ".{call}");
    }
    out
}
