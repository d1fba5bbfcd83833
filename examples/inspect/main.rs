//! Says what a file of the protocol is: one JSON object a line on standard output.
//!
//! ```text
//! cargo run --release --example inspect -- [--key KEY]... [--cert CERT]... [--password WORD]... [--content FILE] FILE...
//! ```
//!
//! The bytes decide, not the file's name. A file that cannot be read gives one line on standard error that says what is wrong and at
//! which byte or key path; the others still go on, and the exit code is 1. Broken algorithms are read here, since captures are full of
//! them, and named in the output. Challenges, tokens, passwords and keys are never printed, only how long they are.

mod certificate;
mod cms;
mod crl;
mod detect;
mod document;
mod given;
mod keystore;
mod message;
mod name;
mod ocsp;
#[path = "../shared/os.rs"]
mod os;
mod pem;
mod redact;
mod scep;
mod vendor;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use detect::Described;
use given::Given;

/// Says what check-ins, reports, commands, profiles, declarations, SCEP messages, certificates, key stores and their kin hold.
#[derive(Parser)]
#[command(name = "inspect")]
struct Arguments {
    /// A private key that may open SCEP messages; PEM or DER. May be repeated.
    #[arg(long, value_name = "KEY")]
    key: Vec<PathBuf>,
    /// A certificate to verify signatures against; PEM or DER. May be repeated.
    #[arg(long, value_name = "CERT")]
    cert: Vec<PathBuf>,
    /// A password of key stores and encrypted keys. May be repeated; the empty one is tried in any case.
    #[arg(long, value_name = "WORD")]
    password: Vec<String>,
    /// The body that an Mdm-Signature signs.
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// What to read.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// One line of the output.
#[derive(Serialize)]
struct Line {
    file: String,
    #[serde(flatten)]
    described: Described,
}

/// Nothing that the protocol knows is larger.
const LONGEST: usize = 64 << 20;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let given = match Given::read(&arguments.key, &arguments.cert, arguments.content.as_deref(), &arguments.password) {
        Ok(given) => given,
        Err(fault) => {
            eprintln!("inspect: {}", one_line(&fault));
            return ExitCode::FAILURE;
        }
    };
    let mut code = ExitCode::SUCCESS;
    for path in &arguments.files {
        let file = path.to_string_lossy().into_owned();
        match read(path).and_then(|bytes| detect::describe(&bytes, &given)) {
            Ok(described) => {
                if let Err(error) = print(&Line { file, described }) {
                    eprintln!("inspect: standard output: {error}");
                    return ExitCode::FAILURE;
                }
            }
            Err(fault) => {
                eprintln!("inspect: {}: {}", one_line(&file), one_line(&fault));
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// The bytes of a file, when there are not too many.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > LONGEST { Err(format!("longer than {LONGEST} bytes")) } else { Ok(bytes) }
}

fn print(line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()
}

/// The text with its control characters escaped, so that no file name and no message breaks the line.
fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
