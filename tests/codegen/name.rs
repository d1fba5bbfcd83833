//! Apple's names as Rust names.

/// Words whose spelling hides where they end.
const WORDS: &[(&str, &str)] = &[
    ("WiFi", "Wifi"),
    ("iTunes", "Itunes"),
    ("iCloud", "Icloud"),
    ("iPadOS", "Ipados"),
    ("iPad", "Ipad"),
    ("iPhone", "Iphone"),
    ("iOS", "Ios"),
    ("macOS", "Macos"),
    ("MacOS", "Macos"),
    ("tvOS", "Tvos"),
    ("visionOS", "Visionos"),
    ("watchOS", "Watchos"),
    ("eSIM", "Esim"),
    ("IPv4", "Ipv4"),
    ("IPv6", "Ipv6"),
    ("IKEv2", "Ikev2"),
    ("FaceTime", "Facetime"),
    ("AppleTV", "AppleTv"),
    ("NSExtension", "NsExtension"),
    ("APNs", "Apns"),
    ("OAuth", "Oauth"),
    ("CalDAV", "Caldav"),
    ("CardDAV", "Carddav"),
    ("FileVault", "Filevault"),
];

/// The words of a name, as they are written in it.
fn words(name: &str) -> Vec<String> {
    let mut text = name.to_owned();
    for (odd, plain) in WORDS {
        text = text.replace(odd, plain);
    }
    let mut words = Vec::new();
    for part in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let chars: Vec<char> = part.chars().collect();
        let mut word = String::new();
        for (at, &c) in chars.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| chars[at]);
            let after = chars.get(at + 1).copied();
            // `IDs`, `URLs`: the plural belongs to the word.
            let plural = after == Some('s') && chars.get(at + 2).is_none_or(|c| c.is_ascii_uppercase());
            let starts = c.is_ascii_uppercase()
                && before.is_some_and(|before| {
                    before.is_ascii_lowercase()
                        || before.is_ascii_digit() && after.is_some_and(|c| c.is_ascii_lowercase())
                        || before.is_ascii_uppercase() && after.is_some_and(|c| c.is_ascii_lowercase()) && !plural
                });
            if starts && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            word.push(c);
        }
        words.push(word);
    }
    words
}

const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum", "extern",
    "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
    "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof", "union",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// `OSUpdateSettings` as `os_update_settings`.
pub fn field(name: &str) -> String {
    let snake = words(name).join("_").to_lowercase();
    match snake.as_str() {
        "" => "empty".to_owned(),
        "self" | "super" | "crate" | "extra" => format!("{snake}_"),
        _ if snake.starts_with(|c: char| c.is_ascii_digit()) => format!("_{snake}"),
        _ if KEYWORDS.contains(&snake.as_str()) => format!("r#{snake}"),
        _ => snake,
    }
}

/// `Not Now` as `NOT_NOW`.
pub fn constant(value: &str) -> String {
    let snake = words(value).join("_").to_uppercase();
    match snake.as_str() {
        "" if value.is_empty() => "EMPTY".to_owned(),
        "" => "OTHER".to_owned(),
        _ if snake.starts_with(|c: char| c.is_ascii_digit()) => format!("_{snake}"),
        _ => snake,
    }
}

/// A name as a type: what is no letter or digit falls away, the next letter is a capital.
pub fn type_name(name: &str) -> String {
    let mut out = String::new();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let mut chars = part.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    out
}

/// The module of a type: `DeviceInformation` as `device_information`.
pub fn module(name: &str) -> String {
    let name = field(name);
    match name.strip_prefix("r#") {
        Some(keyword) => format!("{keyword}_"),
        None => name,
    }
}
