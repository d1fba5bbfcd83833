//! Lists of certificates as files for people: CSV, tab-separated text, XML.
//!
//! Subjects, device names and user names come from devices, and whoever opens a list opens it in a spreadsheet. So a cell that a
//! spreadsheet would run as a formula is made harmless by an apostrophe before it, which reading takes away again; control
//! characters are replaced; and no cell can end its row.

use std::fmt;

use super::{CertificateRecord, State, Status};
use crate::time::Timestamp;

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExportFormat {
    /// Comma-separated (RFC 4180), in UTF-8 with the mark at the beginning that Excel wants.
    Csv,
    /// Tab-separated, in UTF-8.
    Text,
    /// XML 1.0, in UTF-8, without a DTD.
    Xml,
}

/// One row of a list: what people want to know of a certificate, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The cells, one for each of [`Row::COLUMNS`].
    pub cells: [String; Row::COLUMNS.len()],
}

impl Row {
    /// The columns, in the order in which lists show them. Their names are stable.
    pub const COLUMNS: [&str; 10] = [
        "subject",
        "serial",
        "device_name",
        "user_name",
        "ca_configuration",
        "issued",
        "expires",
        "status",
        "state",
        "profiles",
    ];

    /// The row of a certificate at this moment. Times are RFC 3339 in UTC; the serial number is hexadecimal behind `0x`, so that
    /// no spreadsheet makes a number of it; profiles are parted by `; `.
    pub fn of(record: &CertificateRecord, now: Timestamp, expiring_days: u32) -> Self {
        let holder = record.holder();
        let state = record.state(now, expiring_days);
        Row {
            cells: [
                record.subject().to_string(),
                format!("0x{}", record.serial()),
                holder.device_name.clone().unwrap_or_default(),
                holder.user_name.clone().unwrap_or_default(),
                record.authority().to_string(),
                record.issued_at().map(|at| at.to_string()).unwrap_or_default(),
                record.validity().not_after.to_string(),
                status(state).to_owned(),
                state_name(state).to_owned(),
                holder.profiles.join("; "),
            ],
        }
    }

    /// A cell of a CSV or text list as it was before it was made harmless: without the apostrophe that was put before it.
    pub fn original(cell: &str) -> &str {
        cell.strip_prefix('\'').unwrap_or(cell)
    }
}

const fn status(state: State) -> &'static str {
    match state.status() {
        Some(Status::Active) => "Active",
        Some(Status::Inactive) => "Inactive",
        None => "",
    }
}

const fn state_name(state: State) -> &'static str {
    match state {
        State::Reserved => "Reserved",
        State::Issued => "Issued",
        State::Expiring => "Expiring",
        State::Expired => "Expired",
        State::Held => "Held",
        State::PendingRevoke => "Pending Revoke",
        State::Revoked => "Revoked",
        State::Abandoned => "Abandoned",
    }
}

/// Writes a list row by row, so that a list of millions needs no memory. The order of the rows is the host's; the same rows give
/// the same bytes.
///
/// ```
/// use mdm_core::ca::{CertificateRecord, Export, ExportFormat, Row};
/// use mdm_core::time::Timestamp;
///
/// fn list(records: &[CertificateRecord], now: Timestamp) -> Result<String, std::fmt::Error> {
///     let mut export = Export::begin(ExportFormat::Csv, String::new())?;
///     for record in records {
///         export.row(&Row::of(record, now, 30))?;
///     }
///     export.finish()
/// }
/// ```
#[derive(Debug)]
pub struct Export<W> {
    format: ExportFormat,
    out: W,
}

impl<W: fmt::Write> Export<W> {
    /// Begins a list: writes what stands before its rows.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn begin(format: ExportFormat, out: W) -> Result<Self, fmt::Error> {
        let mut export = Export { format, out };
        match format {
            ExportFormat::Csv => {
                export.out.write_char('\u{FEFF}')?;
                export.line(Row::COLUMNS.iter().copied())?;
            }
            ExportFormat::Text => export.line(Row::COLUMNS.iter().copied())?,
            ExportFormat::Xml => export.out.write_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<certificates>\n")?,
        }
        Ok(export)
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn row(&mut self, row: &Row) -> fmt::Result {
        if self.format != ExportFormat::Xml {
            return self.line(row.cells.iter().map(String::as_str));
        }
        self.out.write_str("  <certificate>\n")?;
        for (column, cell) in Row::COLUMNS.iter().zip(&row.cells) {
            write!(self.out, "    <{column}>")?;
            xml_text(&mut self.out, cell)?;
            writeln!(self.out, "</{column}>")?;
        }
        self.out.write_str("  </certificate>\n")
    }

    /// Writes what stands behind the rows, and gives the writer back.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> Result<W, fmt::Error> {
        if self.format == ExportFormat::Xml {
            self.out.write_str("</certificates>\n")?;
        }
        Ok(self.out)
    }

    fn line<'a>(&mut self, cells: impl Iterator<Item = &'a str>) -> fmt::Result {
        let is_csv = self.format == ExportFormat::Csv;
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                self.out.write_char(if is_csv { ',' } else { '\t' })?;
            }
            let cell = guarded(&clean(cell));
            if is_csv { csv_cell(&mut self.out, &cell)? } else { self.out.write_str(&cell)? }
        }
        self.out.write_str("\r\n")
    }
}

/// A cell as it can stand in every format: each control character, and each character that XML does not have, is a space or
/// U+FFFD. Done alike for all formats, so that all three hold the same list.
fn clean(cell: &str) -> String {
    let clean = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        '\u{FFFE}' | '\u{FFFF}' => char::REPLACEMENT_CHARACTER,
        // Marks that turn the direction of the text would show one name as another.
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    cell.chars().map(clean).collect()
}

/// A cell that begins as a formula would gets an apostrophe before it; so does one that begins with an apostrophe, which makes it
/// possible to take the apostrophes away again ([`Row::original`]).
fn guarded(cell: &str) -> String {
    let triggers = ['=', '+', '-', '@', '\'', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}'];
    if cell.starts_with(triggers) { format!("'{cell}") } else { cell.to_owned() }
}

/// RFC 4180 section 2, rules 5 to 7.
fn csv_cell(out: &mut impl fmt::Write, cell: &str) -> fmt::Result {
    if cell.contains([',', '"']) || cell.starts_with(' ') || cell.ends_with(' ') {
        write!(out, "\"{}\"", cell.replace('"', "\"\""))
    } else {
        out.write_str(cell)
    }
}

fn xml_text(out: &mut impl fmt::Write, cell: &str) -> fmt::Result {
    clean(cell).chars().try_for_each(|c| match c {
        '&' => out.write_str("&amp;"),
        '<' => out.write_str("&lt;"),
        '>' => out.write_str("&gt;"),
        '"' => out.write_str("&quot;"),
        c => out.write_char(c),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(cells: &[&str]) -> Row {
        let mut row = Row { cells: Default::default() };
        row.cells.iter_mut().zip(cells).for_each(|(slot, cell)| (*cell).clone_into(slot));
        row
    }

    fn list(format: ExportFormat, rows: &[Row]) -> String {
        let mut export = Export::begin(format, String::new()).unwrap();
        rows.iter().for_each(|row| export.row(row).unwrap());
        export.finish().unwrap()
    }

    /// RFC 4180, written for the tests alone.
    fn read_csv(text: &str) -> Vec<Vec<String>> {
        let mut rows = vec![vec![String::new()]];
        let (mut quoted, mut chars) = (false, text.strip_prefix('\u{FEFF}').unwrap().chars().peekable());
        while let Some(c) = chars.next() {
            let row = rows.last_mut().unwrap();
            match (quoted, c) {
                (true, '"') if chars.peek() == Some(&'"') => row.last_mut().unwrap().extend(chars.next()),
                (_, '"') => quoted = !quoted,
                (false, ',') => row.push(String::new()),
                (false, '\r') => assert_eq!(chars.next(), Some('\n')),
                (false, '\n') => panic!("a bare newline"),
                (_, c) => row.last_mut().unwrap().push(c),
            }
            if c == '\r' && !quoted {
                rows.push(vec![String::new()]);
            }
        }
        assert_eq!(rows.pop(), Some(vec![String::new()]), "every row ends");
        rows
    }

    fn read_text(text: &str) -> Vec<Vec<String>> {
        text.strip_suffix("\r\n").unwrap().split("\r\n").map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    fn read_xml(text: &str) -> Vec<Vec<String>> {
        let mut reader = quick_xml::Reader::from_str(text);
        let (mut rows, mut cell) = (Vec::new(), None::<String>);
        loop {
            use quick_xml::events::Event;
            match reader.read_event().unwrap() {
                Event::Start(start) if start.name().as_ref() == "certificate" => rows.push(Vec::new()),
                Event::Start(start) if start.name().as_ref() != "certificates" => cell = Some(String::new()),
                Event::Text(text) if cell.is_some() => cell.as_mut().unwrap().push_str(&text),
                Event::GeneralRef(name) => cell.as_mut().unwrap().push(match &name[..] {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    other => panic!("{other:?}"),
                }),
                Event::End(_) => rows.last_mut().into_iter().for_each(|row: &mut Vec<String>| row.extend(cell.take())),
                Event::Eof => return rows,
                _ => {}
            }
        }
    }

    #[test]
    fn a_formula_is_made_harmless_and_comes_back() {
        for formula in ["=1+2\";=1+2", "+1", "-1", "@SUM(A1)", "'quoted", "＝1", "'=x"] {
            let csv = list(ExportFormat::Csv, &[row(&[formula])]);
            let cell = &read_csv(&csv)[1][0];
            assert!(cell.starts_with('\''), "{cell}");
            assert_eq!(Row::original(cell), formula);
        }
        assert_eq!(Row::original("plain"), "plain");
    }

    #[test]
    fn the_three_forms_byte_for_byte() {
        let rows = [row(&["CN=Device, \"7\"", "0x0a", "<iPhone>\tof\u{0}Ann & Bob", "=cmd", "builtin"])];
        assert_eq!(
            list(ExportFormat::Csv, &rows),
            "\u{FEFF}subject,serial,device_name,user_name,ca_configuration,issued,expires,status,state,profiles\r\n\
             \"CN=Device, \"\"7\"\"\",0x0a,<iPhone> of\u{FFFD}Ann & Bob,'=cmd,builtin,,,,,\r\n"
        );
        assert_eq!(
            list(ExportFormat::Text, &rows),
            "subject\tserial\tdevice_name\tuser_name\tca_configuration\tissued\texpires\tstatus\tstate\tprofiles\r\n\
             CN=Device, \"7\"\t0x0a\t<iPhone> of\u{FFFD}Ann & Bob\t'=cmd\tbuiltin\t\t\t\t\t\r\n"
        );
        assert_eq!(
            list(ExportFormat::Xml, &rows),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<certificates>\n  <certificate>\n    \
             <subject>CN=Device, &quot;7&quot;</subject>\n    <serial>0x0a</serial>\n    \
             <device_name>&lt;iPhone&gt; of\u{FFFD}Ann &amp; Bob</device_name>\n    <user_name>=cmd</user_name>\n    \
             <ca_configuration>builtin</ca_configuration>\n    <issued></issued>\n    <expires></expires>\n    \
             <status></status>\n    <state></state>\n    <profiles></profiles>\n  </certificate>\n</certificates>\n"
        );
    }

    #[test]
    fn an_empty_list_has_its_frame() {
        assert_eq!(read_csv(&list(ExportFormat::Csv, &[])), [Row::COLUMNS.map(str::to_owned)]);
        assert_eq!(read_xml(&list(ExportFormat::Xml, &[])), Vec::<Vec<String>>::new());
    }

    proptest! {
        #[test]
        fn all_forms_hold_the_same_list_whatever_stands_in_it(
            cells in prop::collection::vec(prop::array::uniform10(any::<String>()), 0..5),
        ) {
            let rows: Vec<Row> = cells.into_iter().map(|cells| Row { cells }).collect();
            let expected: Vec<Vec<String>> = rows.iter().map(|row| row.cells.iter().map(|cell| clean(cell)).collect()).collect();
            let unguard = |rows: Vec<Vec<String>>| -> Vec<Vec<String>> {
                rows.into_iter().skip(1).map(|row| row.iter().map(|cell| Row::original(cell).to_owned()).collect()).collect()
            };
            let (csv, text) = (list(ExportFormat::Csv, &rows), list(ExportFormat::Text, &rows));
            for row in read_csv(&csv).iter().chain(&read_text(&text)) {
                prop_assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])));
            }
            prop_assert_eq!(unguard(read_csv(&csv)), expected.clone());
            prop_assert_eq!(unguard(read_text(&text)), expected.clone());
            prop_assert_eq!(read_xml(&list(ExportFormat::Xml, &rows)), expected);
        }
    }
}
