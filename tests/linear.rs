//! Ten times the input takes at most twelve times the work: allocations and their bytes, counted by the allocator. One test, since
//! the count is the whole program's. Instructions are counted by `tests/real/instructions.sh` over the same shapes.

#[path = "bounds/shapes.rs"]
mod shapes;

use std::alloc::System;

use shapes::SHAPES;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations and allocated bytes of one reading.
fn work(input: &[u8], read: fn(&[u8]) -> bool) -> (usize, usize) {
    let before = MEMORY.stats();
    read(input);
    let spent = MEMORY.stats() - before;
    (spent.allocations + spent.reallocations, spent.bytes_allocated)
}

#[test]
fn ten_times_the_input_takes_at_most_twelve_times_the_work() {
    for shape in SHAPES {
        let (small, large) = ((shape.make)(shape.most / 10), (shape.make)(shape.most));
        let times = large.len() as f64 / small.len() as f64;
        let (few, bytes_of_few) = work(&small, shape.read);
        let (many, bytes_of_many) = work(&large, shape.read);
        println!(
            "{}: {few} allocations of {bytes_of_few} bytes, {many} of {bytes_of_many} for {times:.1} times the input",
            shape.name
        );
        // A few allocations more or less are not growth.
        let most = |little: usize| little as f64 * times * 1.2 + 64.0;
        assert!(many as f64 <= most(few), "{}: {few} allocations became {many}", shape.name);
        // Vectors that double waste up to half of themselves.
        assert!(
            bytes_of_many as f64 <= 2.0 * most(bytes_of_few) + 65_536.0,
            "{}: {bytes_of_few} bytes became {bytes_of_many}",
            shape.name
        );
    }
}
