//! How much memory reading takes at its peak, counted by the allocator. One test, since the count is the whole program's.

use mdm_core::command::{InstalledApplicationList, Report};
use mdm_core::limits::Limits;
use mdm_core::plist::{self, ErrorKind, Value};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that parsing takes beyond the input at its peak, for each byte of the input.
fn cost(input: &[u8]) -> (f64, Result<Value, ErrorKind>) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let outcome = plist::parse(input, &Limits::MESSAGE).map_err(|error| error.kind);
    ((MEMORY.peak_usage() - before) as f64 / input.len() as f64, outcome)
}

/// The same for a report and the typed answer in it, and how many applications that lists.
fn typed(input: &[u8]) -> (f64, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let answer = Report::parse(input, &Limits::MESSAGE).unwrap().into_answer::<InstalledApplicationList>().unwrap();
    ((MEMORY.peak_usage() - before) as f64 / input.len() as f64, answer.installed_application_list.map_or(0, |list| list.len()))
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("<array>{}</array>", items.collect::<String>())
}

#[test]
fn memory_stays_within_a_small_multiple_of_the_input() {
    let entry = |key: usize| format!("<key>{key:x}</key><true/>");
    let app = |number: usize| {
        let texts = ["Identifier", "Name", "ShortVersion", "Version", "ExternalVersionIdentifier"]
            .map(|key| format!("\n\t\t<key>{key}</key>\n\t\t<string>com.example.app.{number}</string>"))
            .concat();
        format!(
            "\n\t<dict>{texts}\n\t\t<key>BundleSize</key>\n\t\t<integer>{number}</integer>\n\t\t<key>Installing</key>\n\t\t<false/></dict>"
        )
    };
    for (name, most, input) in [
        // One more than a power of two, where vectors that double are at their worst.
        ("true", 12.0, array((0..524_289).map(|_| "<true/>".to_owned()))),
        ("many true", 12.0, array((0..700_000).map(|_| "<true/>".to_owned()))),
        ("empty dictionaries", 12.0, array((0..700_000).map(|_| "<dict/>".to_owned()))),
        ("empty data", 12.0, array((0..700_000).map(|_| "<data/>".to_owned()))),
        ("one-letter strings", 12.0, array((0..400_000).map(|_| "<string>a</string>".to_owned()))),
        ("dictionaries of one key", 12.0, array((0..300_000).map(|_| "<dict><key/><true/></dict>".to_owned()))),
        (
            "dictionaries of short keys",
            12.0,
            array((0..20_000).map(|_| format!("<dict>{}</dict>", (0..16).map(entry).collect::<String>()))),
        ),
        ("one dictionary", 12.0, format!("<dict>{}</dict>", (0..300_000).map(entry).collect::<String>())),
        ("nested arrays", 12.0, array((0..100_000).map(|_| "<array><array><true/></array></array>".to_owned()))),
        ("references", 12.0, format!("<string>{}</string>", "&lt;".repeat(1_500_000))),
        ("line ends", 12.0, format!("<string>{}</string>", "\r\n".repeat(3_000_000))),
        ("data", 12.0, format!("<data>{}</data>", "AAAA\n".repeat(1_200_000))),
        ("4,000 applications", 6.0, array((0..4_000).map(app))),
    ] {
        let (cost, outcome) = cost(input.as_bytes());
        println!("{name}: {cost:.1} bytes for each of {} bytes", input.len());
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
        assert!(cost <= most, "{name}: {cost:.1} times the input");
    }
    let apps = array((0..4_000).map(app));
    let envelope = "<key>Status</key><string>Acknowledged</string><key>InstalledApplicationList</key>";
    let (taken, kept) = typed(format!("<dict>{envelope}{apps}</dict>").as_bytes());
    println!("4,000 applications, typed: {taken:.1} bytes for each");
    assert_eq!(kept, 4_000);
    assert!(taken < 6.0, "4,000 applications, typed: {taken:.1} times the input");

    let flood = array((0..1_100_000).map(|_| "<true/>".to_owned()));
    let (cost, outcome) = cost(flood.as_bytes());
    assert_eq!(outcome, Err(ErrorKind::TooMany(Limits::MESSAGE.max_items)));
    assert!(cost <= 12.0, "refused flood: {cost:.1} times the input");
}
