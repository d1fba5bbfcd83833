//! What is printed.

use serde_json::{Value, json};

use crate::authority::Lists;
use crate::desk::{Cost, StoredKind, Tally};

/// What a simulation has found.
pub struct Report {
    pub host: &'static str,
    pub devices: u32,
    pub seconds: f64,
    pub tally: Tally,
    pub lists: Lists,
    pub stored: Vec<StoredKind>,
}

/// Ten million enrollments, of which a million get a certificate in a day.
const ENROLLMENTS: f64 = 10e6;
const CERTIFICATES_A_DAY: f64 = 1e6;

fn micros(cost: &Cost) -> f64 {
    cost.time.as_secs_f64() * 1e6 / cost.messages as f64
}

fn each(total: u64, count: u64) -> f64 {
    total as f64 / count.max(1) as f64
}

/// The tables, the second host's figures beside the first's.
pub fn text(memory: &Report, database: Option<&Report>) -> String {
    let mut out = String::new();
    for report in [Some(memory), database].into_iter().flatten() {
        out += &section(report);
    }
    out + &at_scale(memory, database)
}

fn section(report: &Report) -> String {
    let mut out = format!("\n{}: {} devices in {:.1} s, one thread\n\n", report.host, report.devices, report.seconds);
    out += "| message | transactions | reads | writes | µs | a second |\n|---|--:|--:|--:|--:|--:|\n";
    for (message, cost) in &report.tally.messages {
        let per = |number| each(number, cost.messages);
        out += &format!(
            "| {message} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} |\n",
            per(cost.transactions),
            per(cost.reads),
            per(cost.writes),
            micros(cost),
            1e6 / micros(cost)
        );
    }
    out += "\n| stored | rows | bytes each | on disk each | of that, indexes |\n|---|--:|--:|--:|--:|\n";
    for kind in &report.stored {
        let disk = kind.on_disk.map(|(total, indexes)| (each(total, kind.rows), each(indexes, kind.rows)));
        let shown = |bytes: Option<f64>| bytes.map(|bytes| format!("{bytes:.0}")).unwrap_or_default();
        out += &format!(
            "| {} | {} | {:.0} | {} | {} |\n",
            kind.kind,
            kind.rows,
            each(kind.bytes, kind.rows),
            shown(disk.map(|(total, _)| total)),
            shown(disk.map(|(_, indexes)| indexes))
        );
    }
    out += "\n| list | entries | bytes | bytes an entry | s to read the records | s to encode and sign |\n|---|--:|--:|--:|--:|--:|\n";
    for list in &report.lists.lists {
        out += &format!(
            "| {} | {} | {} | {:.1} | {:.3} | {:.4} |\n",
            list.name,
            list.entries,
            list.bytes,
            each(list.bytes, list.entries),
            list.reading,
            list.making
        );
    }
    let (bytes, rate) = (report.lists.prepared_bytes, report.lists.prepared_per_second);
    out + &format!("\nOCSP answers in advance: {bytes} bytes each, {rate:.0} a second\n")
}

/// What one device takes, and what one renewal does.
struct Scale {
    /// Bytes of what is kept of ten million enrollments, each with its certificate and one command; and of their events.
    records: f64,
    events: f64,
    /// Of a million renewals: transactions, reads, writes, bytes of events and records, and seconds of one thread.
    day: [f64; 5],
}

impl Scale {
    fn of(report: &Report) -> Scale {
        let devices = f64::from(report.devices);
        let size = |kind: &StoredKind| kind.on_disk.map_or(kind.bytes, |(total, _)| total) as f64;
        let sum = |wanted: &dyn Fn(&StoredKind) -> bool| -> f64 {
            report.stored.iter().filter(|kind| wanted(kind)).map(size).sum::<f64>()
        };
        let is_event = |kind: &StoredKind| kind.kind.ends_with("its events");
        // What renewals add is in the sums: per certificate and not per device.
        let renewal = ["RenewalReq", "Idle under the new certificate"];
        let cost = |of: &dyn Fn(&Cost) -> f64| -> f64 {
            let found = report.tally.messages.iter().filter(|(message, _)| renewal.contains(message));
            found.map(|(_, cost)| of(cost) / cost.messages.max(1) as f64).sum::<f64>() * CERTIFICATES_A_DAY
        };
        let per_row = |kind: &str| {
            let found = report.stored.iter().find(|stored| stored.kind == kind);
            found.map_or(0.0, |found| size(found) / found.rows.max(1) as f64)
        };
        // A renewal leaves a certificate, its three events and that of the one it revokes, and three links.
        let bytes = per_row("certificate") + 3.0 * per_row("certificate, its events") + 3.0 * per_row("links");
        Scale {
            records: sum(&|kind| !is_event(kind)) / devices * ENROLLMENTS,
            events: sum(&is_event) / devices * ENROLLMENTS,
            day: [
                cost(&|cost| cost.transactions as f64),
                cost(&|cost| cost.reads as f64),
                cost(&|cost| cost.writes as f64),
                bytes * CERTIFICATES_A_DAY,
                cost(&|cost| cost.time.as_secs_f64()),
            ],
        }
    }
}

fn at_scale(memory: &Report, database: Option<&Report>) -> String {
    let mut out = String::from(
        "\nMultiplied from these: ten million devices with a certificate and a command each, a million renewals a day\n\n",
    );
    out += "| | records, GB | events, GB | a day: transactions | reads | writes | GB more | hours of one thread |\n";
    out += "|---|--:|--:|--:|--:|--:|--:|--:|\n";
    for report in [Some(memory), database].into_iter().flatten() {
        let Scale { records, events, day: [transactions, reads, writes, bytes, seconds] } = Scale::of(report);
        out += &format!(
            "| {} | {:.1} | {:.1} | {transactions:.0} | {reads:.0} | {writes:.0} | {:.2} | {:.2} |\n",
            report.host,
            records / 1e9,
            events / 1e9,
            bytes / 1e9,
            seconds / 3_600.0
        );
    }
    out
}

/// The same for programs.
pub fn json(memory: &Report, database: Option<&Report>) -> Value {
    Value::Array([Some(memory), database].into_iter().flatten().map(object).collect())
}

fn object(report: &Report) -> Value {
    let messages = report.tally.messages.iter().map(|(message, cost)| {
        json!({
            "message": message, "messages": cost.messages, "transactions": cost.transactions,
            "reads": cost.reads, "writes": cost.writes, "microseconds": micros(cost),
        })
    });
    let stored = report.stored.iter().map(|kind| {
        json!({
            "kind": kind.kind, "rows": kind.rows, "bytes": kind.bytes,
            "onDisk": kind.on_disk.map(|(total, _)| total), "indexes": kind.on_disk.map(|(_, indexes)| indexes),
        })
    });
    let lists = report.lists.lists.iter().map(|list| {
        json!({
            "list": list.name, "entries": list.entries, "bytes": list.bytes,
            "secondsReading": list.reading, "secondsMaking": list.making,
        })
    });
    let scale = Scale::of(report);
    json!({
        "host": report.host,
        "devices": report.devices,
        "seconds": report.seconds,
        "messages": messages.collect::<Vec<_>>(),
        "stored": stored.collect::<Vec<_>>(),
        "lists": lists.collect::<Vec<_>>(),
        "ocsp": { "preparedBytes": report.lists.prepared_bytes, "preparedPerSecond": report.lists.prepared_per_second },
        "tenMillion": { "recordBytes": scale.records, "eventBytes": scale.events },
        "millionCertificates": {
            "transactions": scale.day[0], "reads": scale.day[1], "writes": scale.day[2], "bytes": scale.day[3], "seconds": scale.day[4],
        },
    })
}
