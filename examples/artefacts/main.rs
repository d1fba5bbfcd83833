//! One of each thing that a certificate authority makes, for other programs to judge:
//!
//! ```text
//! cargo run --release --example artefacts -- DIRECTORY [--many] [--elliptic]
//! ```
//!
//! | files | what |
//! |---|---|
//! | `ca.pem`, `ca-renewed.pem`, `ca-rekeyed.pem` | the authority; renewed with the same key; with a new key, and both certificates across the keys behind it |
//! | `ra.pem`, `ocsp.pem` | its services: SCEP and OCSP |
//! | `device.pem`, `device-revoked.pem`, `web.pem` | what it issued |
//! | `crl-1.der` to `crl-3.der`, `delta.der` | full lists, the third after the revocation, and the delta list beside it that continues the second |
//! | `part-0.der` to `part-3.der` | lists in parts; `part-0-revoked.pem` and so on stand on them |
//! | `ocsp-good`, `-revoked`, `-unknown`, `-several`, `-prepared`, each `.req.der` and `.resp.der` | questions and answers |
//! | `ocsp-malformed.resp.der` | the answer to what is no question |
//! | `signed.der`, `enveloped.der`, `content.bin`, `recipient.pem`, `recipient.key.pem` | CMS |
//! | `backup.p12`, `backup.pass` | the authority's backup |
//! | `certificates.csv`, `.txt`, `.xml`, `.rows` | the list of all certificates, and how many rows it has |
//!
//! `--many` adds 1,000 certificates, 50 lists and 200 OCSP answers in `many`. `--elliptic` gives the authority a key on P-256.

mod authority;
mod certificates;
mod lists;
mod many;
mod messages;
mod ocsp;
#[path = "../shared/os.rs"]
mod os;
mod papers;
mod renewal;

use std::fs;
use std::path::PathBuf;

use authority::Ca;
use clap::Parser;
use mdm_core::crypto::{KeyKind, Provider};
use mdm_core::time::Timestamp;

use crate::os::Os;

/// Any step's failure.
pub type Fail = Box<dyn std::error::Error>;
/// A step's outcome.
pub type Result<T> = std::result::Result<T, Fail>;

/// Writes one of each thing that the authority makes.
#[derive(Parser)]
struct Arguments {
    /// Where to.
    directory: PathBuf,
    /// Also 1,000 certificates, 50 lists and 200 OCSP answers, in `many`.
    #[arg(long)]
    many: bool,
    /// The authority's keys are on P-256 and not RSA.
    #[arg(long)]
    elliptic: bool,
}

/// Where files go.
pub struct Folder(PathBuf);

impl Folder {
    /// A folder in it.
    pub fn folder(&self, name: &str) -> Result<Folder> {
        let path = self.0.join(name);
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        Ok(fs::write(self.0.join(name), content)?)
    }
}

/// The authority was created this long ago: its lists and answers are in the past of whoever looks at them.
const AGE_SECONDS: i64 = 2 * 3600;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    fs::create_dir_all(&arguments.directory)?;
    let folder = Folder(arguments.directory);
    let provider = Provider::rustcrypto(&Os);
    let kind = if arguments.elliptic { KeyKind::P256 } else { KeyKind::Rsa(2048) };
    let begun = Timestamp::from(std::time::SystemTime::now()).plus_seconds(-AGE_SECONDS);

    let mut ca = Ca::create(provider, kind, begun)?;
    folder.write("ca.pem", ca.certificate()?.to_pem())?;
    let issued = certificates::issue(&mut ca, &folder)?;
    lists::full_and_delta(&mut ca, &issued, &folder)?;
    lists::parts(&mut ca, &folder)?;
    ocsp::answers(&ca, &issued, &folder)?;
    messages::write(&ca, &folder)?;
    if arguments.many {
        many::write(&mut ca, &folder.folder("many")?)?;
    }
    papers::backup(&ca, &folder)?;
    papers::exports(&ca, &folder)?;
    renewal::write(&mut ca, kind, &folder)
}
