//! Reads one of the shapes of `tests/bounds` once, for a program that counts instructions: `tests/real/instructions.sh`.
//!
//! ```text
//! cargo run --release --example instructions                       names, one a line
//! cargo run --release --example instructions -- NAME small|large   reads it; prints the bytes of the input
//! ```
//!
//! The large input is ten times the small one.

#[path = "../tests/bounds/shapes.rs"]
mod shapes;

use std::process::ExitCode;

use shapes::{SHAPES, Shape};

/// The large size, unless the reader takes less. Under a profiler a megabyte is much.
const LARGE: usize = 1_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, size] = arguments.as_slice() else {
        SHAPES.iter().for_each(|shape| println!("{}", shape.name));
        return ExitCode::SUCCESS;
    };
    let Some(shape) = SHAPES.iter().find(|shape| shape.name == name) else {
        eprintln!("instructions: there is no shape {name:?}");
        return ExitCode::FAILURE;
    };
    let large = shape.most.min(LARGE);
    let input = (shape.make)(if size == "small" { large / 10 } else { large });
    if one_reading(shape, &input) {
        println!("{}", input.len());
        ExitCode::SUCCESS
    } else {
        eprintln!("instructions: {name} was refused at {} bytes", input.len());
        ExitCode::FAILURE
    }
}

/// A function of its own, by whose name a profiler finds it.
#[inline(never)]
fn one_reading(shape: &Shape, input: &[u8]) -> bool {
    (shape.read)(input)
}
