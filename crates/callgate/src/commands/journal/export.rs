//! `callgate journal export`: the records, for other systems.

use super::directory_of;
use crate::cli::{ExportArgs, ExportFormat};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{moment, records};
use callgate_control::export::{Exporter, Format, Wanted, export};
use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// After how many lines the progress is shown again.
const SHOWN_EVERY: u64 = 10_000;

/// How many bytes are written at once.
const BUFFER: usize = 64 * 1024;

/// Exports what the options ask for.
pub(super) fn run(args: ExportArgs, environment: &Environment) -> Result<Exit, Failure> {
    let directory = directory_of(args.directory, &args.data, environment)?;
    let now = moment::now();
    let when = |option: &str, text: Option<String>| text.map(|text| moment::since(option, &text, now)).transpose();
    let (since, until) = (when("--since", args.since)?, when("--until", args.until)?);
    let ExportArgs { server, organisation, output, format, .. } = args;
    let wanted = Wanted { since, until, server, organisation, ..Wanted::default() };
    let format = match format {
        ExportFormat::Jsonl => Format::Jsonl,
        ExportFormat::Ocsf => Format::Ocsf,
    };
    let exporter = export(&directory, format, wanted).map_err(|error| records::failure(&error))?;
    match output {
        // On a terminal the lines themselves are the progress.
        None => write(exporter, io::stdout().lock(), Path::new("standard output"), false),
        Some(path) => {
            let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
            let file = opened.map_err(|error| unwritable(&path, &error))?;
            write(exporter, file, &path, io::stderr().is_terminal())
        }
    }
}

fn write(mut exporter: Exporter, to: impl Write, path: &Path, progress: bool) -> Result<Exit, Failure> {
    let mut to = BufWriter::with_capacity(BUFFER, to);
    let mut lines: u64 = 0;
    while let Some(line) = exporter.next() {
        let line = line.map_err(|error| records::failure(&error))?;
        let written = to.write_all(line.as_bytes()).and_then(|()| to.write_all(b"\n"));
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Yes),
            other => other.map_err(|error| unwritable(path, &error))?,
        }
        lines += 1;
        if progress && lines.is_multiple_of(SHOWN_EVERY) {
            show(&format!("\r{lines} records, at number {}", exporter.position()));
        }
    }
    match to.flush() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Yes),
        other => other.map_err(|error| unwritable(path, &error))?,
    }
    if progress {
        show(&format!("\r{lines} records, up to number {}\n", exporter.position()));
    }
    if exporter.unassigned() > 0 {
        show(&format!(
            "{} outcomes are left out: the decisions they belong to are not in what was read\n",
            exporter.unassigned()
        ));
    }
    Ok(Exit::Yes)
}

/// A remark on standard error; whether anybody reads it changes nothing.
fn show(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("`{}` can't be written: {error}", path.display());
    Failure::cannot_run("CG3194", message, "choose another place with `-o FILE`")
}
