//! The generator of `src/schema/generated`, as a test.
//!
//! `cargo test --test codegen` reads Apple's YAML, writes the tables (and what the documentation says of them) anew and fails when the committed ones were stale (run it
//! again, look at the difference, commit). The YAML is the folder that `APPLE_DEVICE_MANAGEMENT` names (a clone of
//! <https://github.com/apple/device-management>), else `../shared/apple-schema`, beside this repository or one level further
//! up. Without it the tests are reported as ignored.

mod emit;
mod family;
mod fixup;
mod model;
mod name;
mod yaml;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::model::File;

fn main() {
    let schema = folder();
    let trial = |name: &str, run: fn(&Path) -> Result<(), Failed>| {
        let schema = schema.clone();
        Trial::test(name, {
            let schema = schema.clone();
            move || run(&schema.ok_or("no schema folder")?)
        })
        .with_ignored_flag(schema.is_none())
    };
    let trials = vec![
        trial("the_generated_tables_are_those_of_the_schema", generated),
        trial("the_census_of_the_schema_is_the_known_one", census),
    ];
    if schema.is_none() {
        eprintln!("no schema folder: set APPLE_DEVICE_MANAGEMENT to a clone of https://github.com/apple/device-management");
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}

fn folder() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("APPLE_DEVICE_MANAGEMENT").map(PathBuf::from);
    let beside = [here.join("../shared/apple-schema"), here.join("../../shared/apple-schema")];
    named.into_iter().chain(beside).find(|path| path.join("mdm/commands").is_dir())
}

/// Every schema file, in the order of paths.
fn read(schema: &Path) -> Result<Vec<File>, String> {
    let mut paths = Vec::new();
    for area in ["mdm", "declarative", "other"] {
        walk(&schema.join(area), &mut paths).map_err(|error| format!("{area}: {error}"))?;
    }
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let below = path.strip_prefix(schema).unwrap().to_str().ok_or("a path that is no text")?.replace('\\', "/");
            let text = fs::read_to_string(path).map_err(|error| format!("{below}: {error}"))?;
            File::read(&below, &text)
        })
        .collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            paths.push(path);
        }
    }
    Ok(())
}

fn generated(schema: &Path) -> Result<(), Failed> {
    let mut files = read(schema)?;
    let counts = counts(&files)?;
    fixup::apply(&mut files)?;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema/generated");
    let mut wanted = family::emit(&files)?;
    wanted.insert("census.md".into(), table(&counts));
    wanted.insert("errata.md".into(), fixup::errata());
    let mut stale = Vec::new();
    for (name, text) in &wanted {
        let path = target.join(name);
        if fs::read_to_string(&path).ok().as_deref() != Some(text) {
            fs::create_dir_all(path.parent().unwrap())?;
            fs::write(&path, text)?;
            stale.push(name.clone());
        }
    }
    let mut present = Vec::new();
    rust_files(&target, &mut present)?;
    for path in present {
        let name = path.strip_prefix(&target).unwrap().to_str().unwrap().replace('\\', "/");
        if !wanted.contains_key(&name) {
            fs::remove_file(&path)?;
            stale.push(name);
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    let shown: Vec<&str> = stale.iter().take(10).map(String::as_str).collect();
    Err(format!("{} files were stale and are rewritten: {} ..", stale.len(), shown.join(", ")).into())
}

fn rust_files(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// Files and keys of each area, before fix-ups.
type Counts = BTreeMap<&'static str, (usize, usize)>;

fn counts(files: &[File]) -> Result<Counts, String> {
    let mut counts = Counts::new();
    for file in files {
        let area = family::area(&file.path).ok_or_else(|| format!("{} belongs to no area", file.path))?;
        let count = counts.entry(area).or_default();
        count.0 += 1;
        count.1 += file.keys.len() + file.reasons.iter().map(|(_, details)| details.len()).sum::<usize>();
    }
    Ok(counts)
}

/// The census as the front page of the schema's documentation shows it.
fn table(counts: &Counts) -> String {
    let mut out = String::from("| what | schema files | keys | where |\n|---|---:|---:|---|\n");
    for (area, (files, keys)) in counts {
        out.push_str(&format!("| {area} | {files} | {keys} | {} |\n", family::module_of(area)));
    }
    let (files, keys) = counts.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    out.push_str(&format!("| together | {files} | {keys} | |\n"));
    out
}

fn census(schema: &Path) -> Result<(), Failed> {
    let counts = counts(&read(schema)?)?;
    let known: Counts = CENSUS.iter().map(|(area, files, keys)| (*area, (*files, *keys))).collect();
    if counts == known { Ok(()) } else { Err(format!("the schema holds {counts:?}, not {known:?}").into()) }
}

/// Area, files, keys. A newer schema shows here as a few changed numbers.
const CENSUS: &[(&str, usize, usize)] = &[
    ("check-ins", 9, 71),
    ("commands", 68, 887),
    ("declarations", 64, 1052),
    ("errors", 5, 31),
    ("other", 5, 108),
    ("profiles", 128, 1830),
    ("protocol", 3, 23),
    ("status", 63, 326),
];
