//! How much memory reading takes at its peak, counted by the allocator. One test, since the count is the whole program's.

mod shapes;

use mdm_core::command::{InstalledApplicationList, Report};
use mdm_core::limits::Limits;
use mdm_core::plist::{self, ErrorKind, Value};
use peak_alloc::PeakAlloc;
use shapes::SHAPES;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that reading may take beyond the input, for each byte of the input.
const MOST: f64 = 12.0;

/// What reading takes beyond the input at its peak, for each byte of the input.
fn cost<T>(input: &[u8], read: impl FnOnce(&[u8]) -> T) -> (f64, T) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let outcome = read(input);
    ((MEMORY.peak_usage() - before) as f64 / input.len() as f64, outcome)
}

#[test]
fn memory_stays_within_twelve_times_the_input() {
    let mut over = Vec::new();
    for shape in SHAPES {
        let input = (shape.make)(shape.most);
        let (cost, accepted) = cost(&input, shape.read);
        println!("{}: {cost:.2} bytes for each of {} bytes", shape.name, input.len());
        if !accepted {
            over.push(format!("{}: refused, so that nothing was measured", shape.name));
        }
        if cost > MOST {
            over.push(format!("{}: {cost:.1} times the input", shape.name));
        }
    }
    assert!(over.is_empty(), "{over:#?}");

    let large = SHAPES.iter().find(|shape| shape.name == "report: applications").expect("it is in the list");
    let (cost_of_large, kept) = cost(&(large.make)(2_500_000), |input| {
        let report = Report::parse(input, &Limits::MESSAGE).expect("a report");
        let answer = report.into_answer::<InstalledApplicationList>().expect("the answer in it");
        answer.installed_application_list.map_or(0, |list| list.len())
    });
    println!("{kept} applications, typed: {cost_of_large:.2} bytes for each");
    assert!(kept > 1_000, "the list was not read");
    assert!(cost_of_large < 6.0, "a list of applications: {cost_of_large:.1} times the input");

    let flood = format!("<array>{}</array>", "<true/>".repeat(1_100_000));
    let (cost_of_flood, outcome) =
        cost(flood.as_bytes(), |input| plist::parse(input, &Limits::MESSAGE).map_err(|error| error.kind));
    assert_eq!(outcome, Err(ErrorKind::TooMany(Limits::MESSAGE.max_items)));
    assert!(cost_of_flood <= MOST, "refused flood: {cost_of_flood:.1} times the input");

    // Objects of a binary list may be named many times: then the limits bound the tree, whatever the input's length.
    let shared = shared_objects();
    let (cost_of_shared, outcome) = cost(&shared, |input| plist::parse(input, &Limits::MESSAGE));
    assert!(matches!(outcome, Ok(Value::Array(items)) if items.len() == 1_000_000));
    let times_the_limit = cost_of_shared * shared.len() as f64 / Limits::MESSAGE.max_bytes as f64;
    println!("shared objects: {cost_of_shared:.1} times the input, {times_the_limit:.1} times the limit");
    assert!(times_the_limit <= MOST, "shared objects: {times_the_limit:.1} times the limit");
}

/// An array that names one object a million times.
fn shared_objects() -> Vec<u8> {
    let mut bytes = b"bplist00\x09\xAF\x12".to_vec();
    bytes.extend(1_000_000_u32.to_be_bytes());
    bytes.resize(bytes.len() + 1_000_000, 0);
    let table = bytes.len() as u64;
    bytes.extend([8, 9]);
    bytes.extend([0, 0, 0, 0, 0, 0, 1, 1]);
    [2, 1, table].iter().for_each(|number| bytes.extend(number.to_be_bytes()));
    bytes
}
