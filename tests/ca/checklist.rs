//! The lists at the head of this program name tests that there are.

/// The file that a list means: `authority` is one of this folder, `x509/crl` is `tests/x509/crl.rs`, `src/ca/export` is itself.
fn source(module: &str) -> Option<String> {
    let below = |path: String| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).ok();
    match module.starts_with("src/") {
        true => below(format!("{module}.rs")),
        false => below(format!("tests/ca/{module}.rs")).or_else(|| below(format!("tests/{module}.rs"))),
    }
}

fn rows() -> impl Iterator<Item = &'static str> {
    include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("//! |"))
}

#[test]
fn every_test_that_a_list_names_exists() {
    let mut named = 0;
    for row in rows() {
        // The last column; the one before it names what stands in the crate.
        let shown_by = row.rsplit('|').nth(1).unwrap_or_default();
        for reference in shown_by.split('`').filter(|text| text.contains("::")) {
            let (module, test) = reference.split_once("::").unwrap();
            let text = source(module).unwrap_or_else(|| panic!("there is no file {module}"));
            assert!(text.contains(&format!("fn {test}(")), "there is no test {reference}");
            named += 1;
        }
        let scripts = shown_by.split('`').filter(|text| text.starts_with("real/"));
        for script in scripts {
            let path = format!("{}/tests/{script}", env!("CARGO_MANIFEST_DIR"));
            assert!(std::fs::metadata(&path).is_ok(), "there is no script {script}");
        }
    }
    assert!(named > 150, "the lists name {named} tests");
}

#[test]
fn no_requirement_is_passed_over() {
    let first = |row: &str| row.split('|').next().unwrap_or_default().trim().to_owned();
    let numbered: Vec<String> = rows().map(first).filter(|cell| cell.starts_with('J')).collect();
    assert_eq!(numbered, (1..=30).map(|number| format!("J{number}")).collect::<Vec<_>>());
}
