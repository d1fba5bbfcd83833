//! Where Apple's schema says other than Apple's devices do. Each fix-up fails when what it corrects is no longer there.

use std::collections::BTreeSet;

use crate::emit::is_wildcard;
use crate::model::{File, Key, Literal};

/// A correction of one file.
struct Fixup {
    path: &'static str,
    why: &'static str,
    apply: fn(&mut File) -> Option<()>,
}

const FIXUPS: &[Fixup] = &[
    Fixup {
        path: "mdm/commands/settings.yaml",
        why: "the response's Settings is an array of dictionaries on the wire, one for each setting that was sent",
        apply: |file| {
            let id = named(file, file.response.clone()?, "Settings")?;
            let key = file.keys.get(&id).filter(|key| key.kind == "dictionary")?.clone();
            let item = Key { id: fresh(file), name: "SettingsItem".into(), presence: None, support: Vec::new(), ..key.clone() };
            let array = Key { kind: "array".into(), subkeys: vec![item.id], subkeys_id: item.id, ..key };
            file.keys.insert(item.id, item);
            file.keys.insert(id, array);
            Some(())
        },
    },
    Fixup {
        path: "mdm/commands/settings.yaml",
        why: "the setting DefaultApplications is told by its Item like every other",
        apply: |file| {
            let setting = file.keys.values().find(|key| key.name == "DefaultApplications" && key.kind == "dictionary")?.id;
            if named(file, file.keys[&setting].subkeys.clone(), "Item").is_some() {
                return None;
            }
            let id = fresh(file);
            let values = vec![Literal { text: "DefaultApplications".into(), plain: true }];
            let item = Key { id, name: "Item".into(), kind: "string".into(), values, subkeys_id: id, ..Key::default() };
            file.keys.insert(id, Key { presence: Some("required".into()), ..item });
            file.keys.get_mut(&setting)?.subkeys.insert(0, id);
            Some(())
        },
    },
    Fixup {
        path: "mdm/commands/application.extensions.listactive.yaml",
        why: "devices answer under the command's own name",
        apply: |file| twin(file, "Extensions", "ActiveNSExtensions"),
    },
    Fixup {
        path: "mdm/commands/application.extensions.mappings.yaml",
        why: "devices answer under the command's own name",
        apply: |file| twin(file, "Extensions", "NSExtensionMappings"),
    },
    Fixup {
        path: "mdm/checkin/userauthenticate.yaml",
        why: "the first message of the handshake has no digest yet",
        apply: |file| optional(file, "DigestResponse"),
    },
    Fixup {
        path: "declarative/protocol/tokensresponse.yaml",
        why: "the schema names the type SynchronizationTokens and not its keys, which Apple's documentation gives",
        apply: |file| {
            let id = named(file, file.payload.clone(), "SyncTokens")?;
            if !file.keys.get(&id)?.subkeys.is_empty() {
                return None;
            }
            for name in ["Timestamp", "DeclarationsToken"] {
                let subkey = fresh(file);
                let key = Key { id: subkey, name: name.into(), kind: "string".into(), subkeys_id: subkey, ..Key::default() };
                file.keys.insert(subkey, Key { presence: Some("required".into()), ..key });
                file.keys.get_mut(&id)?.subkeys.push(subkey);
            }
            Some(())
        },
    },
];

/// Identifiers of which a device sends those that its kind of enrollment has, in any check-in message, whatever the schema of
/// that message lists.
const IDENTIFIERS: &[&str] = &["UDID", "EnrollmentID", "EnrollmentUserID", "UserID", "UserShortName", "UserLongName"];

/// Keys whose text or data opens something. Wherever they occur as such they become `Secret`.
pub const SECRETS: &[&str] = &[
    "AIMPassword",
    "ActivationLockBypassCode",
    "AuthPassword",
    "AutologinPassword",
    "BootstrapToken",
    "CalDAVPassword",
    "CardDAVPassword",
    "CertificatePassword",
    "Challenge",
    "CurrentPassword",
    "DigestResponse",
    "HTTPProxyPassword",
    "IncomingPassword",
    "JabberPassword",
    "LDAPAccountPassword",
    "NewPassword",
    "OutgoingPassword",
    "PAIRING_TOKEN",
    "PIN",
    "PIRAuthenticationToken",
    "Password",
    "PrivateKeyExportPassword",
    "ProxyPassword",
    "PushMagic",
    "PushToken",
    "RegistrationToken",
    "RemovalPassword",
    "SharedSecret",
    "SubCalAccountPassword",
    "Token",
    "TokenData",
    "UnlockToken",
    "UserPassword",
    "XAuthPassword",
    "mdm.push-magic",
    "mdm.push-token",
    "password",
    "passwordHash",
    "security-token",
    "sharedSecret",
];

/// What is corrected, for the documentation.
pub fn errata() -> String {
    let mut out = String::new();
    for fixup in FIXUPS {
        out.push_str(&format!("- `{}`: {}.\n", fixup.path, fixup.why));
    }
    out.push_str(
        "- every check-in: a device sends those identifiers that its kind of enrollment has, so that none is required.\n",
    );
    out.push_str("- reasons in status reports: the codes and details that stand beside declarations and status items.\n");
    out
}

/// Corrects the files, or says which fix-up no longer applies.
pub fn apply(files: &mut [File]) -> Result<(), String> {
    for fixup in FIXUPS {
        let file = files.iter_mut().find(|file| file.path == fixup.path);
        let applied = file.and_then(fixup.apply);
        applied.ok_or_else(|| format!("a fix-up no longer applies to {} ({})", fixup.path, fixup.why))?;
    }
    for file in files.iter_mut().filter(|file| file.path.starts_with("mdm/checkin/")) {
        identifiers(file);
    }
    let reasons: usize = files.iter_mut().map(reasons).sum();
    if reasons == 0 {
        return Err("no schema file has reasons with a code and details".into());
    }
    for secret in SECRETS {
        if !files.iter().any(|file| file.keys.values().any(|key| key.name == *secret && is_octets(key))) {
            return Err(format!("{secret} stands among the secrets, but no schema file has it as text or data"));
        }
    }
    Ok(())
}

fn is_octets(key: &Key) -> bool {
    matches!(key.kind.as_str(), "string" | "data")
}

pub fn is_secret(key: &Key) -> bool {
    is_octets(key) && key.values.is_empty() && SECRETS.contains(&key.name.as_str())
}

/// The codes of reasons and the keys of their details stand beside the declarations and status items, not where reasons are
/// reported. There they are given types that name them all: `ReasonCode` and `ReasonDetails`. Gives the number of places.
fn reasons(file: &mut File) -> usize {
    let lists = file.keys.values().map(|key| key.subkeys.clone()).chain([file.payload.clone()]);
    let lists: BTreeSet<Vec<usize>> = lists.collect();
    let mut places = 0;
    for list in lists {
        let mut names: Vec<String> = list.iter().map(|id| file.keys[id].name.to_lowercase()).collect();
        names.sort();
        if names != ["code", "description", "details"] {
            continue;
        }
        places += 1;
        for id in list {
            let unnamed = file.keys[&id].subkeys.iter().all(|id| is_wildcard(&file.keys[id]));
            let key = file.keys.get_mut(&id).unwrap();
            match (key.name.to_lowercase().as_str(), key.kind.as_str()) {
                ("code", "string") => key.kind = REASON_CODE.into(),
                ("details", "dictionary") if unnamed => key.kind = REASON_DETAILS.into(),
                _ => {}
            }
        }
    }
    places
}

/// The kinds of key that [`reasons`] makes, named after their types.
pub const REASON_CODE: &str = "ReasonCode";
pub const REASON_DETAILS: &str = "ReasonDetails";

/// Adds the identifiers that the file lacks. None of them is required of every device.
fn identifiers(file: &mut File) {
    for name in IDENTIFIERS {
        match named(file, file.payload.clone(), name) {
            Some(id) => file.keys.get_mut(&id).unwrap().presence = Some("optional".into()),
            None => {
                let id = fresh(file);
                let key = Key { id, name: (*name).into(), kind: "string".into(), subkeys_id: id, ..Key::default() };
                file.keys.insert(id, Key { presence: Some("optional".into()), ..key });
                file.payload.push(id);
            }
        }
    }
}

fn named(file: &File, among: Vec<usize>, name: &str) -> Option<usize> {
    among.into_iter().find(|id| file.keys[id].name == name)
}

/// The same key under a second name.
fn twin(file: &mut File, name: &str, second: &str) -> Option<()> {
    let response = file.response.clone()?;
    if named(file, response.clone(), second).is_some() {
        return None;
    }
    let original = named(file, response, name)?;
    file.keys.get_mut(&original)?.presence = Some("optional".into());
    let id = fresh(file);
    let key = Key { id, name: second.into(), ..file.keys[&original].clone() };
    file.keys.insert(id, key);
    file.response.as_mut()?.push(id);
    Some(())
}

fn optional(file: &mut File, name: &str) -> Option<()> {
    let id = named(file, file.payload.clone(), name)?;
    let key = file.keys.get_mut(&id).filter(|key| key.presence.as_deref() == Some("required"))?;
    key.presence = Some("optional".into());
    Some(())
}

fn fresh(file: &File) -> usize {
    file.keys.keys().next_back().map_or(1_000_000, |last| last.max(&1_000_000) + 1)
}
