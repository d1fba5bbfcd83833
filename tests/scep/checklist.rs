//! The lists at the head of this program name tests that there are.

/// The files whose tests the lists name, by the word before `::`.
fn source(module: &str) -> Option<String> {
    let below = |path: String| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).ok();
    below(format!("tests/scep/{module}.rs"))
        .or_else(|| below(format!("tests/{module}.rs")))
        .or_else(|| below(format!("src/scep/{module}.rs")))
}

#[test]
fn every_test_that_a_list_names_exists() {
    let lists = include_str!("main.rs");
    let rows = lists.lines().filter_map(|line| line.strip_prefix("//! |"));
    let mut named = 0;
    for row in rows {
        for reference in row.split('`').filter(|text| text.contains("::") && text.starts_with(char::is_lowercase)) {
            let (module, test) = reference.split_once("::").unwrap();
            let text = source(module).unwrap_or_else(|| panic!("there is no file {module}"));
            assert!(text.contains(&format!("fn {test}(")), "there is no test {reference}");
            named += 1;
        }
    }
    assert!(named > 60, "the lists name {named} tests");
}
