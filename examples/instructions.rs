//! Reads each of the shapes of `tests/bounds` in two sizes, the second ten times the first, for a program that counts instructions:
//! `tests/real/instructions.sh`.
//!
//! ```text
//! cargo run --release --example instructions -- [NAME]
//! ```
//!
//! Prints one line for each reading, in order: the shape's name and the bytes of its input, tab between them.

#[path = "../tests/bounds/shapes.rs"]
mod shapes;

use std::process::ExitCode;

use shapes::SHAPES;

/// The larger of the two sizes, unless the reader takes less. Under a profiler a megabyte is much.
const LARGE: usize = 1_000_000;

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for shape in SHAPES.iter().filter(|shape| shape.name.contains(&wanted)) {
        let large = shape.most.min(LARGE);
        for size in [large / 10, large] {
            let input = (shape.make)(size);
            if !one_reading(shape.read, &input) {
                eprintln!("instructions: {} was refused at {size} bytes", shape.name);
                return ExitCode::FAILURE;
            }
            println!("{}\t{}", shape.name, input.len());
        }
    }
    ExitCode::SUCCESS
}

/// A function of its own, by whose name a profiler finds it.
#[inline(never)]
fn one_reading(read: fn(&[u8]) -> bool, input: &[u8]) -> bool {
    read(input)
}
