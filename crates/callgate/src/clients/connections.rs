//! What `callgate connect` did, so that it can be undone: `connections.json` in the data directory. No tokens.

use super::Client;
use crate::data::DataDir;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What this version writes and reads.
const FORMAT: u32 = 1;

/// All connections that were made with one data directory, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connections {
    format: u32,
    /// The connections, oldest first.
    pub(crate) connections: Vec<Connection>,
}

/// One edit of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connection {
    /// Whose file it is.
    pub(crate) client: Client,
    /// The file.
    pub(crate) file: PathBuf,
    /// What it said before; `None` where there was no file.
    pub(crate) backup: Option<PathBuf>,
    /// The BLAKE3 hash of the backup.
    pub(crate) before: String,
    /// The BLAKE3 hash of what was written.
    pub(crate) after: String,
    /// The entries that go through Callgate since then.
    pub(crate) entries: Vec<Connected>,
}

/// An entry that goes through Callgate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connected {
    /// The keys that lead to the object that it is in.
    pub(crate) place: Vec<String>,
    /// Its name in the file.
    pub(crate) name: String,
    /// Whether it was added; else it replaced one.
    pub(crate) added: bool,
    /// The server.
    pub(crate) server: String,
    /// Its endpoint.
    pub(crate) url: String,
    /// The grant that was minted for it.
    pub(crate) grant: String,
    /// The file with its token, where a bridge reads it.
    pub(crate) token_file: Option<PathBuf>,
}

impl Connections {
    /// Reads what was done with this data directory.
    pub(crate) fn read(data: &DataDir) -> Result<Self, Failure> {
        let path = path(data);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { format: FORMAT, connections: Vec::new() });
            }
            Err(error) => return Err(broken(&path, &error.to_string())),
        };
        let read: Self = serde_json::from_slice(&text).map_err(|error| broken(&path, &error.to_string()))?;
        match read.format {
            FORMAT => Ok(read),
            other => Err(broken(&path, &format!("it has format {other}, this version reads {FORMAT}"))),
        }
    }

    /// Writes it, in one step.
    pub(crate) fn write(&self, data: &DataDir) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        crate::data::replace(&path(data), &text)
    }

    /// Takes new grants for entries that are connected, and what the file says then.
    pub(crate) fn renew(&mut self, file: &Path, entries: Vec<Connected>, after: &str) {
        let Some(last) = entries.first().map(|_| after) else { return };
        for new in entries {
            let of_file = self.connections.iter_mut().filter(|connection| connection.file == file);
            let mut known = of_file.flat_map(|connection| &mut connection.entries);
            if let Some(entry) = known.find(|entry| entry.place == new.place && entry.name == new.name) {
                *entry = Connected { added: entry.added, ..new };
            }
        }
        if let Some(connection) = self.connections.iter_mut().rfind(|connection| connection.file == file) {
            connection.after = last.to_owned();
        }
    }

    /// The connected entry of a file, where there is one.
    pub(crate) fn entry(&self, file: &Path, place: &[String], name: &str) -> Option<&Connected> {
        let of_file = self.connections.iter().filter(|connection| connection.file == file);
        of_file.flat_map(|connection| &connection.entries).find(|entry| entry.place == place && entry.name == name)
    }
}

fn path(data: &DataDir) -> PathBuf {
    data.root().join("connections.json")
}

fn broken(path: &Path, why: &str) -> Failure {
    let message = format!("can't read `{}`: {why}", path.display());
    Failure::cannot_run(
        "CG3173",
        message,
        "put it back from a backup, or put the clients' files back by hand and remove it",
    )
}
