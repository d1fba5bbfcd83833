//! How long the opening of a request takes for each kind of wrongness that an attacker can send, and whether the kinds can be told apart by
//! it: a program to look at, since time is no test.
//!
//! Every kind is measured in every round, in an order that is drawn anew. One kind is measured twice, as `A` and `B`: the difference between
//! those two is what noise alone makes of this many rounds, and no other kind should differ from their mean by much more.
//!
//! ```text
//! cargo bench --bench scep_oracle --features aws-lc-rs -- 4000
//! ```

use std::time::Instant;

use mdm_core::crypto::Provider;
use mdm_core::scep::{Peer, Received};

#[path = "../tests/scep/probes.rs"]
mod probes;
#[path = "../tests/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the bench uses a part")]
#[path = "../tests/scep/world.rs"]
mod world;

use world::{World, worlds};

struct Kind {
    name: &'static str,
    body: Vec<u8>,
    times: Vec<f64>,
}

fn kinds(world: &World) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = probes::probes(world)
        .into_iter()
        .map(|(name, probe)| Kind { name, body: world.message(19).content(Some(probe)).sign(), times: Vec::new() })
        .collect();
    let again = kinds[0].body.clone();
    kinds[0].name = "A: a bit of the wrapped key";
    kinds.insert(1, Kind { name: "B: the same once more", body: again, times: Vec::new() });
    kinds
}

/// From the verified outside to the refusal, which is what a stranger can time, without what every request costs.
fn measure(world: &World, kind: &mut Kind) {
    let received = Received::parse(&kind.body, &Peer::default(), &world.provider).unwrap();
    let begun = Instant::now();
    let refused = received.open(&world.opener()).map(|_| ()).unwrap_err();
    kind.times.push(begun.elapsed().as_secs_f64() * 1e6);
    drop(refused);
}

/// The mean of the middle half, and its standard error.
fn summary(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let middle = &times[times.len() / 4..times.len() * 3 / 4];
    let n = middle.len() as f64;
    let mean = middle.iter().sum::<f64>() / n;
    let variance = middle.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

fn shuffle(order: &mut [usize], provider: &Provider) {
    for at in (1..order.len()).rev() {
        let draw = u32::from_be_bytes(provider.random_bytes().unwrap()) as usize;
        order.swap(at, draw % (at + 1));
    }
}

fn main() {
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000);
    for (world, (name, _)) in worlds().iter().zip(support::providers()) {
        let mut kinds = kinds(world);
        let mut order: Vec<usize> = (0..kinds.len()).collect();
        for _ in 0..rounds {
            shuffle(&mut order, &world.provider);
            order.iter().for_each(|at| measure(world, &mut kinds[*at]));
        }
        println!(
            "{name}: {rounds} rounds, µs from the verified outside to the refusal (mean of the middle half, standard error, difference from A and B)"
        );
        let base = (summary(&mut kinds[0].times).0 + summary(&mut kinds[1].times).0) / 2.0;
        for kind in &mut kinds {
            let (mean, error) = summary(&mut kind.times);
            println!("{mean:9.2} ± {error:5.2} {:+7.2}  {}", mean - base, kind.name);
        }
    }
}
