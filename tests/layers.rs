//! The order of the house: a module imports only from modules that `src/lib.rs` lists above it, and the core does no I/O.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of `src/lib.rs`, bottom layer first.
fn modules() -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The files of a module, and of each the code with comments and unit tests taken out.
fn files_of(module: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let folder = source().join(module);
    if folder.is_dir() {
        rust_files(&folder, &mut found);
    }
    let single = source().join(format!("{module}.rs"));
    if single.is_file() {
        found.push(single);
    }
    assert!(!found.is_empty(), "lib.rs lists `{module}`, which has no file");
    found
        .into_iter()
        .filter(|path| !path.with_extension("").components().any(|part| part.as_os_str() == "tests"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            (path, code)
        })
        .collect()
}

/// The modules that a text names behind `crate::`, alone or in a group.
fn imports(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(group) => {
                let mut depth = 0_i32;
                let mut starts = true;
                for (offset, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => starts = true,
                        c if starts && !c.is_whitespace() => {
                            found.push(word(&group[offset..]));
                            starts = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

#[test]
fn a_module_imports_only_from_those_above_it_in_the_list() {
    let order: BTreeMap<String, usize> = modules().into_iter().enumerate().map(|(place, module)| (module, place)).collect();
    assert!(order.len() > 5, "lib.rs lists its modules one a line");
    let mut faults = Vec::new();
    for (module, place) in &order {
        for (path, code) in files_of(module) {
            for import in imports(&code) {
                match order.get(&import) {
                    Some(other) if other <= place => {}
                    Some(_) => faults.push(format!("{} imports `{import}`, which is not above `{module}`", path.display())),
                    None => faults.push(format!("{} imports `crate::{import}`, which lib.rs does not list", path.display())),
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_core_opens_nothing_asks_no_clock_and_waits_for_nobody() {
    let forbidden = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "ToSocketAddrs",
        "std::io::",
        "std::env",
        "std::thread",
        "std::process",
        "std::sync::Mutex",
        "std::sync::RwLock",
        "SystemTime::now",
        "Instant::now",
        "UnixTime::now",
        "async fn",
        ".await;",
        ".await?",
        ".await)",
        "getrandom",
        "thread_local!",
        "OnceLock",
        "LazyLock",
        "static mut",
        "println!",
        "eprintln!",
        "dbg!",
    ];
    let mut faults = Vec::new();
    for module in modules() {
        for (path, code) in files_of(&module) {
            faults.extend(
                forbidden.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", path.display())),
            );
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_import_finder_sees_groups_and_paths() {
    let code = "use crate::{asn1::{Reader, Tag}, crypto}; fn f(_: crate::time::Timestamp) {}";
    assert_eq!(imports(code), ["asn1", "crypto", "time"]);
}
