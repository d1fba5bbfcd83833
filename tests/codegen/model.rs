//! A schema file as the generator needs it.

use std::collections::BTreeMap;

use crate::yaml::{Document, Id, View};

/// The keys of a file: each node once, however many aliases lead to it.
#[derive(Debug, Default)]
pub struct File {
    /// Path below the schema folder.
    pub path: String,
    pub title: String,
    /// `requesttype`, `payloadtype`, `declarationtype`, `statusitemtype` or `credentialtype`.
    pub kind: Option<String>,
    pub support: Vec<(String, Systems)>,
    pub keys: BTreeMap<Id, Key>,
    pub payload: Vec<Id>,
    pub response: Option<Vec<Id>>,
    pub has_payload: bool,
    /// Reason codes that a status item may carry, with the keys of their details.
    pub reasons: Vec<(String, Vec<(String, String)>)>,
}

/// What is said of one system: attribute and value, the nested `sharedipad` and `userenrollment` with a dot between.
pub type Systems = Vec<(String, Vec<String>)>;

#[derive(Clone, Debug, Default)]
pub struct Key {
    pub id: Id,
    pub name: String,
    /// `<string>` without its brackets.
    pub kind: String,
    pub presence: Option<String>,
    pub support: Vec<(String, Systems)>,
    pub values: Vec<Literal>,
    pub min: Option<Literal>,
    pub max: Option<Literal>,
    pub default: Option<Literal>,
    pub format: Option<String>,
    pub subtype: Option<String>,
    pub repetition: Option<(String, String)>,
    pub combine: Option<String>,
    pub asset_types: Vec<String>,
    pub asset_content_types: Vec<String>,
    pub subkeytype: Option<String>,
    pub subkeys: Vec<Id>,
    /// Which list the subkeys are: two keys that share it through an alias are of one type.
    pub subkeys_id: Id,
}

/// A scalar, and whether it stands without quotes.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    pub text: String,
    pub plain: bool,
}

impl File {
    pub fn read(path: &str, text: &str) -> Result<Self, String> {
        let document = Document::parse(text).map_err(|error| format!("{path}: {error}"))?;
        let root = document.root();
        let payload = root.get("payload").ok_or_else(|| format!("{path}: no payload"))?;
        let kinds = ["requesttype", "payloadtype", "declarationtype", "statusitemtype", "credentialtype"];
        let mut file = File {
            path: path.to_owned(),
            title: root.text_of("title").unwrap_or_default().to_owned(),
            kind: kinds.iter().find_map(|kind| payload.text_of(kind)).map(str::to_owned),
            support: support(payload),
            ..File::default()
        };
        for reason in root.get("reasons").into_iter().flat_map(View::items) {
            let details = reason.get("details").into_iter().flat_map(View::items);
            let details =
                details.filter_map(|detail| Some((detail.text_of("key")?.to_owned(), detail.text_of("type")?.to_owned())));
            file.reasons.push((reason.text_of("value").unwrap_or_default().to_owned(), details.collect()));
        }
        file.has_payload = root.get("payloadkeys").is_some();
        if let Some(keys) = root.get("payloadkeys") {
            file.payload = file.list(keys)?;
        }
        if let Some(keys) = root.get("responsekeys") {
            file.response = Some(file.list(keys)?);
        }
        Ok(file)
    }

    fn list(&mut self, keys: View<'_>) -> Result<Vec<Id>, String> {
        keys.items().map(|key| self.key(key)).collect()
    }

    fn key(&mut self, view: View<'_>) -> Result<Id, String> {
        if self.keys.contains_key(&view.id) {
            return Ok(view.id);
        }
        let bad = |what: &str| format!("{}: a key without {what}", self.path);
        let literals = |key: &str| view.get(key).map(|list| list.items().filter_map(literal).collect()).unwrap_or_default();
        let owned = |key: &str| view.text_of(key).map(str::to_owned);
        let texts = |key: &str| view.texts_of(key).into_iter().map(str::to_owned).collect();
        let bound = |of: &str, key: &str| view.get(of).and_then(|range| range.get(key)).and_then(literal);
        let kind = view.text_of("type").ok_or_else(|| bad("type"))?;
        let key = Key {
            id: view.id,
            name: owned("key").ok_or_else(|| bad("name"))?,
            kind: kind.trim_matches(['<', '>']).to_owned(),
            presence: owned("presence"),
            support: support(view),
            values: literals("rangelist"),
            min: bound("range", "min"),
            max: bound("range", "max"),
            default: view.get("default").and_then(literal),
            format: owned("format"),
            subtype: owned("subtype").map(|text| text.trim_matches(['<', '>']).to_owned()),
            repetition: bound("repetition", "min").zip(bound("repetition", "max")).map(|(min, max)| (min.text, max.text)),
            combine: owned("combinetype"),
            asset_types: texts("assettypes"),
            asset_content_types: texts("asset-content-types"),
            subkeytype: owned("subkeytype"),
            subkeys: Vec::new(),
            subkeys_id: view.get("subkeys").map_or(view.id, |list| list.id),
        };
        // Known before its subkeys are read, so that a structure that holds itself ends here.
        self.keys.insert(view.id, key);
        if let Some(list) = view.get("subkeys") {
            let subkeys = self.list(list)?;
            self.keys.get_mut(&view.id).unwrap().subkeys = subkeys;
        }
        Ok(view.id)
    }
}

fn literal(view: View<'_>) -> Option<Literal> {
    view.scalar().map(|(text, plain)| Literal { text: text.to_owned(), plain })
}

fn support(view: View<'_>) -> Vec<(String, Systems)> {
    let Some(systems) = view.get("supportedOS") else { return Vec::new() };
    systems
        .entries()
        .map(|(system, rules)| {
            let mut said = Vec::new();
            for (name, value) in rules.entries() {
                if matches!(name, "sharedipad" | "userenrollment") {
                    for (inner, value) in value.entries() {
                        said.push((format!("{name}.{inner}"), words(value)));
                    }
                } else {
                    said.push((name.to_owned(), words(value)));
                }
            }
            (system.to_owned(), said)
        })
        .collect()
}

fn words(view: View<'_>) -> Vec<String> {
    match view.text() {
        Some(text) => vec![text.to_owned()],
        None => view.items().filter_map(View::text).map(str::to_owned).collect(),
    }
}
