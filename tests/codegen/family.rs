//! Which files become which module, and under which names.

use std::collections::{BTreeMap, BTreeSet};

use crate::emit::{Emitter, Root};
use crate::fixup;
use crate::model::File;
use crate::name;

/// The area that a schema file belongs to.
pub fn area(path: &str) -> Option<&'static str> {
    const AREAS: &[(&str, &str)] = &[
        ("mdm/checkin/", "check-ins"),
        ("mdm/commands/", "commands"),
        ("mdm/errors/", "errors"),
        ("mdm/profiles/", "profiles"),
        ("declarative/declarations/", "declarations"),
        ("declarative/protocol/", "protocol"),
        ("declarative/status/", "status"),
        ("other/", "other"),
    ];
    AREAS.iter().find(|(prefix, _)| path.starts_with(prefix)).map(|(_, area)| *area)
}

/// Where the records of an area are public.
pub fn module_of(area: &str) -> &'static str {
    match area {
        "check-ins" => "`checkin`",
        "commands" => "`command`: requests and answers",
        "errors" => "`ade`: bodies of HTTP 403",
        "profiles" => "`profile`: payloads, and the keys around them",
        "declarations" | "protocol" | "status" => "`declaration`",
        _ => "`ade`: MachineInfo, SkipKeys, EnrollmentSSODocument; `command`: ManifestURL, PasswordHash",
    }
}

/// The name of a list, and how a file's entry in it is told.
type Listing = (&'static str, fn(&File) -> Option<String>);

/// A module of generated files, and the list of what is in it.
struct Family {
    module: &'static str,
    member: fn(&str) -> bool,
    roots: for<'a> fn(&'a File) -> Vec<Root<'a>>,
    /// The macro that hands the list of roots to the module above, and a row of it.
    list: Option<Listing>,
    /// Cargo feature that brings the module in.
    feature: Option<&'static str>,
}

/// The payloads that a server must write to enroll a device; they are there without the feature.
const ENROLLMENT_PAYLOADS: &[&str] = &[
    "mdm/profiles/com.apple.mdm.yaml",
    "mdm/profiles/com.apple.security.acme.yaml",
    "mdm/profiles/com.apple.security.pem.yaml",
    "mdm/profiles/com.apple.security.pkcs1.yaml",
    "mdm/profiles/com.apple.security.pkcs12.yaml",
    "mdm/profiles/com.apple.security.root.yaml",
    "mdm/profiles/com.apple.security.scep.yaml",
];

const ENVELOPES: &[&str] = &["mdm/profiles/CommonPayloadKeys.yaml", "mdm/profiles/TopLevel.yaml"];

/// Documents that belong to commands.
const COMMAND_PARTS: &[&str] = &["other/manifesturl.yaml", "other/passwordhash.yaml"];

/// In the order of the generated module list.
const FAMILIES: &[Family] = &[
    Family {
        module: "checkin",
        member: |path| path.starts_with("mdm/checkin/"),
        roots: request_and_response,
        list: Some(("each_checkin", |file| file.kind.clone())),
        feature: None,
    },
    Family {
        module: "command",
        member: |path| path.starts_with("mdm/commands/"),
        roots: request_and_response,
        list: Some(("each_command", |file| {
            let name = file.kind.as_deref()?;
            let answer = if file.response.is_some() { format!("{name}Response") } else { "Empty".into() };
            Some(format!("{name} => {answer}"))
        })),
        feature: None,
    },
    Family { module: "command_part", member: |path| COMMAND_PARTS.contains(&path), roots: titled, list: None, feature: None },
    Family {
        module: "profile",
        member: |path| ENVELOPES.contains(&path) || ENROLLMENT_PAYLOADS.contains(&path),
        roots: titled,
        list: Some(("each_enrollment_payload", payload)),
        feature: None,
    },
    Family {
        module: "payload",
        member: |path| path.starts_with("mdm/profiles/") && !ENVELOPES.contains(&path) && !ENROLLMENT_PAYLOADS.contains(&path),
        roots: titled,
        list: Some(("each_payload", payload)),
        feature: Some("profiles"),
    },
    Family {
        module: "protocol",
        member: |path| path.starts_with("declarative/protocol/") || path.ends_with("declarations/declarationbase.yaml"),
        roots: titled,
        list: None,
        feature: None,
    },
    Family {
        module: "declaration",
        member: |path| path.starts_with("declarative/declarations/") && !path.ends_with("/declarationbase.yaml"),
        roots: titled,
        list: Some(("each_declaration", |file| {
            let kind = file.kind.as_deref().filter(|kind| !kind.starts_with("com.apple.credential."))?;
            Some(format!("{} = {kind:?}", titled_name(file)))
        })),
        feature: Some("declarations"),
    },
    Family {
        module: "status",
        member: |path| path.starts_with("declarative/status/"),
        roots: titled,
        list: Some(("each_status", |file| Some(format!("{} = {:?}", titled_name(file), file.kind.as_deref()?)))),
        feature: Some("declarations"),
    },
    Family {
        module: "ade",
        member: |path| path.starts_with("mdm/errors/") || path.starts_with("other/") && !COMMAND_PARTS.contains(&path),
        roots: titled,
        list: None,
        feature: None,
    },
];

fn payload(file: &File) -> Option<String> {
    let kind = file.kind.as_deref().filter(|_| !ENVELOPES.contains(&file.path.as_str()))?;
    Some(format!("{} = {kind:?}", titled_name(file)))
}

/// A message named by its `requesttype`, and the answer to it.
fn request_and_response(file: &File) -> Vec<Root<'_>> {
    let kind = file.kind.as_deref().unwrap_or_else(|| panic!("{} names no type", file.path));
    let slug = file.title.to_lowercase().replace(' ', "-");
    let link = format!("<https://developer.apple.com/documentation/devicemanagement/{slug}>");
    let root = |name: String, keys| {
        let link = if name == kind { link.clone() } else { String::new() };
        Root { name, kind, keys, support: &file.support, prefix: kind.to_owned(), link }
    };
    let mut roots = vec![root(kind.to_owned(), &file.payload)];
    if let Some(response) = &file.response {
        roots.push(root(format!("{kind}Response"), response));
    }
    roots
}

/// The name of a file's type: its title as one word.
fn titled_name(file: &File) -> String {
    let name = name::type_name(&file.title);
    let renamed = RENAMED.iter().find(|(path, _)| *path == file.path).map(|(_, name)| (*name).to_owned());
    renamed.unwrap_or(if name.starts_with(|c: char| c.is_ascii_digit()) { format!("Ieee{name}") } else { name })
}

/// Files whose title is no good name.
const RENAMED: &[(&str, &str)] =
    &[("mdm/profiles/TopLevel.yaml", "ProfileEnvelope"), ("mdm/profiles/CommonPayloadKeys.yaml", "PayloadEnvelope")];

/// A document named by its title.
fn titled(file: &File) -> Vec<Root<'_>> {
    let name = titled_name(file);
    let kind = file.kind.as_deref().unwrap_or_default();
    let slug: String = file.title.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let link = format!("<https://developer.apple.com/documentation/devicemanagement/{slug}>");
    vec![Root { kind, keys: &file.payload, support: &file.support, prefix: name.clone(), link, name }]
}

const HEADER: &str = "// Generated by `cargo test --test codegen`; do not edit.\n";

/// Every file below `src/schema/generated`, by name.
pub fn emit(files: &[File]) -> Result<BTreeMap<String, String>, String> {
    let mut out = BTreeMap::new();
    let mut modules = String::from(HEADER);
    modules.push_str("//! Apple's schema as tables.\n\n");
    for file in files {
        let members = FAMILIES.iter().filter(|family| (family.member)(&file.path)).count();
        if members != 1 {
            return Err(format!("{} belongs to {members} modules", file.path));
        }
    }
    for family in FAMILIES {
        if let Some(feature) = family.feature {
            modules.push_str(&format!("#[cfg(feature = {feature:?})]\n"));
        }
        modules.push_str(&format!("pub mod {};\n", family.module));
        let members: Vec<&File> = files.iter().filter(|file| (family.member)(&file.path)).collect();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for file in &members {
            for root in (family.roots)(file) {
                if !taken.insert(root.name.clone()) {
                    return Err(format!("{}: a second type named {}", file.path, root.name));
                }
            }
        }
        let mut mods = String::from(HEADER);
        let mut uses = String::new();
        let mut rows = String::new();
        mods.push_str(&format!("//! The schema of `{}`.\n\n", family.module));
        for file in &members {
            let module = name::module(&(family.roots)(file)[0].name);
            let text = one(file, &(family.roots)(file), &mut taken);
            if out.insert(format!("{}/{module}.rs", family.module), text).is_some() {
                return Err(format!("{}: a second file named {module}", file.path));
            }
            mods.push_str(&format!("#[rustfmt::skip]\nmod {module};\n"));
            uses.push_str(&format!("pub use {module}::*;\n"));
            if let Some(row) = family.list.and_then(|(_, row)| row(file)) {
                rows.push_str(&format!("            {row},\n"));
            }
        }
        if family.module == "protocol" {
            out.insert("protocol/reason.rs".into(), reasons(files)?);
            mods.push_str("#[rustfmt::skip]\nmod reason;\n");
            uses.push_str("pub use reason::*;\n");
        }
        mods.push('\n');
        mods.push_str(&uses);
        if let Some((name, _)) = family.list {
            mods.push_str(&format!(
                "\n/// Hands every type of this module to another macro.\n#[rustfmt::skip]\nmacro_rules! {name} {{\n    ($then:ident) => {{\n        $then! {{\n{rows}        }}\n    }};\n}}\n\npub(crate) use {name};\n"
            ));
        }
        out.insert(format!("{}/mod.rs", family.module), mods);
    }
    out.insert("mod.rs".into(), modules);
    Ok(out)
}

/// Every reason code that some schema file names, and the keys that their details have together.
fn reasons(files: &[File]) -> Result<String, String> {
    let mut codes = BTreeSet::new();
    let mut details: BTreeMap<&str, &str> = BTreeMap::new();
    for (code, of_code) in files.iter().flat_map(|file| &file.reasons) {
        codes.insert(code.as_str());
        for (key, kind) in of_code {
            let rust = match kind.as_str() {
                "<string>" => "String",
                "<array>" => "Vec<String>",
                other => return Err(format!("{code}: {key} is of type {other}")),
            };
            if *details.entry(key).or_insert(rust) != rust {
                return Err(format!("{code}: {key} is of another type than elsewhere"));
            }
        }
    }
    let constants: String = codes.iter().map(|code| format!("        {} = {code:?},\n", name::constant(code))).collect();
    let fields =
        details.iter().map(|(key, rust)| format!("        {}: Option<{rust}> = {key:?} OPTIONAL [],\n", name::field(key)));
    let fields: String = fields.collect();
    let link = "<https://developer.apple.com/documentation/devicemanagement/statusreason>";
    Ok(format!(
        "{HEADER}//! Why a device did not do what it was told, as declarations and status items name it: {link}\n\n\
         values! {{\n    /// Codes of reasons in status reports.\n    pub struct ReasonCode {{\n{constants}    }}\n}}\n\n\
         record! {{\n    /// Details of a reason: which of them there are depends on its code.\n    pub struct ReasonDetails = \"\" [] {{\n{fields}    }}\n}}\n"
    ))
}

fn one(file: &File, roots: &[Root<'_>], taken: &mut BTreeSet<String>) -> String {
    let body = Emitter::new(file, taken).finish(roots);
    let mut text = format!(
        "{HEADER}//! {}: <https://github.com/apple/device-management/blob/release/{}>\n",
        file.title,
        file.path.replace('(', "%28").replace(')', "%29")
    );
    let mut uses = Vec::new();
    if body.contains("BTreeMap<") {
        uses.push("std::collections::BTreeMap");
        uses.push("");
    }
    let plist: Vec<&str> = ["Dictionary", "Value"].into_iter().filter(|name| mentions(&body, name)).collect();
    let plist = match plist.as_slice() {
        [] => String::new(),
        [one] => format!("crate::plist::{one}"),
        many => format!("crate::plist::{{{}}}", many.join(", ")),
    };
    if !plist.is_empty() {
        uses.push(&plist);
    }
    // The two stand beside each other, or not at all.
    if mentions(&body, fixup::REASON_CODE) {
        uses.push("crate::schema::generated::protocol::{ReasonCode, ReasonDetails}");
    }
    if mentions(&body, "Secret") {
        uses.push("crate::secret::Secret");
    }
    if mentions(&body, "Timestamp") {
        uses.push("crate::time::Timestamp");
    }
    if !uses.is_empty() {
        text.push('\n');
    }
    for line in uses {
        text.push_str(&if line.is_empty() { "\n".to_owned() } else { format!("use {line};\n") });
    }
    text + &body
}

/// Whether a field is of this type: `Option<Value>`, `Vec<Value>`, `BTreeMap<String, Value>`.
fn mentions(body: &str, name: &str) -> bool {
    [format!("<{name}>"), format!(", {name}>")].iter().any(|text| body.contains(text))
}
