//! A device's folder: what it has, as files.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;

use crate::Result;
use crate::device::Record;

/// The folder of one device.
pub struct Files(PathBuf);

impl Files {
    /// A new folder.
    pub fn make(folder: PathBuf) -> Result<Files> {
        let certificates = folder.join("certificates");
        fs::create_dir_all(&certificates).map_err(|error| format!("cannot make {}: {error}", certificates.display()))?;
        Ok(Files(folder))
    }

    /// A folder of an earlier run.
    pub fn open(folder: PathBuf) -> Result<(Files, Record)> {
        let file = folder.join("device.json");
        let record = serde_json::from_slice(&fs::read(&file)?).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok((Files(folder), record))
    }

    /// Replaces the record: either the old or the new one is there, never half of one.
    pub fn keep(&self, record: &Record) -> Result<()> {
        self.replace("device.json", &serde_json::to_vec(record)?)
    }

    /// The private key, for whoever wants to try it.
    pub fn keep_key(&self, pkcs8: &Secret) -> Result<()> {
        let body = STANDARD.encode(pkcs8.expose());
        let lines = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
        self.replace("key.pem", format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n").as_bytes())
    }

    /// One of its certificates.
    pub fn keep_certificate(&self, certificate: &Certificate) -> Result<()> {
        self.replace(&format!("certificates/{}.pem", certificate.serial()), certificate.to_pem().as_bytes())
    }

    /// Adds a line to one of its lists.
    pub fn note(&self, list: &str, line: &str) -> Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.0.join(list))?;
        Ok(file.write_all(format!("{line}\n").as_bytes())?)
    }

    fn replace(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.0.join(name);
        let fresh = path.with_extension("new");
        write(&fresh, content)
            .and_then(|()| fs::rename(&fresh, &path))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(())
    }
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    File::create(path)?.write_all(content)
}
