//! What the authority gives to people: its backup, and the list of its certificates.

use mdm_core::ca::{Authority, Export, ExportFormat, Row};
use mdm_core::keystore::{Policy, Protection};
use mdm_core::secret::Secret;

use crate::authority::Ca;
use crate::{Folder, Result};

/// Writes the backup and its password, once the backup was found to restore the same keys.
pub fn backup(ca: &Ca, folder: &Folder) -> Result<()> {
    let word: [u8; 12] = ca.provider.random_bytes()?;
    let password = Secret::from(word.iter().map(|octet| format!("{octet:02x}")).collect::<String>());
    let keys: Vec<Secret> = ca.keys.iter().map(|(_, key)| key.clone()).collect();
    let file = ca.record.backup(&keys, &password, Protection::default(), ca.now, &ca.provider)?;
    let restored = Authority::restore(&file, &password, &Policy::MODERN, None, None, ca.now, &ca.provider)?;
    if restored.change.record.generations() != ca.record.generations() || restored.keys.len() != keys.len() {
        return Err("the backup does not restore the authority".into());
    }
    folder.write("backup.p12", file)?;
    folder.write("backup.pass", password.expose())
}

/// Writes the list of all certificates in each form, and the number of its rows.
pub fn exports(ca: &Ca, folder: &Folder) -> Result<()> {
    for (format, file) in [(ExportFormat::Csv, "csv"), (ExportFormat::Text, "txt"), (ExportFormat::Xml, "xml")] {
        let mut export = Export::begin(format, String::new())?;
        for record in ca.certificates.values() {
            export.row(&Row::of(record, ca.now, 30))?;
        }
        folder.write(&format!("certificates.{file}"), export.finish()?)?;
    }
    folder.write("certificates.rows", format!("{}\n", ca.certificates.len()))
}
