//! One client's file: read, edited in memory, backed up, and written in one step.

use super::{Broken, Client, Fields, Found, jsonc, sections};
use crate::environment::Environment;
use crate::failure::Failure;
use rustix::fs::{Mode, OFlags};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A client's file, and what is to stand in it.
#[derive(Debug)]
pub(crate) struct ClientFile {
    /// Where it is, links followed.
    path: PathBuf,
    client: Client,
    places: Vec<Vec<String>>,
    /// What it says, edits included.
    text: String,
    /// What it said when it was read, and its mode; `None` where there is no file.
    before: Option<(String, u32)>,
}

impl ClientFile {
    /// Reads the file; one that does not exist is empty.
    pub(crate) fn open(path: &Path, client: Client) -> Result<Self, Failure> {
        let absolute = std::path::absolute(path).map_err(|error| unreadable(path, &error))?;
        let path = absolute.canonicalize().unwrap_or(absolute);
        let before = match std::fs::read(&path) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| {
                    Failure::cannot_run("CG3171", format!("`{}` is no UTF-8", path.display()), "nothing was changed")
                })?;
                let mode = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?.mode();
                Some((text, mode & 0o7777))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let project = std::path::absolute(".").map_err(|error| unreadable(Path::new("."), &error))?;
        let text = before.as_ref().map(|(text, _)| text.clone()).unwrap_or_default();
        Ok(Self { places: client.places(&project), path, client, text, before })
    }

    /// Reads a file that somebody named: by its name, else by what stands in it, it is a client's.
    pub(crate) fn recognise(path: &Path) -> Result<Self, Failure> {
        let client = Client::of_file(path);
        let file = Self::open(path, client.unwrap_or(Client::ClaudeCode))?;
        if client.is_none() && jsonc::member(&file.text, "servers").is_some() {
            return Self::open(path, Client::Vscode);
        }
        Ok(file)
    }

    /// The file of a client: the one that was named, else the first of its own that exists, else where it would be.
    pub(crate) fn of_client(client: Client, named: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        if let Some(path) = named {
            return Self::open(path, client);
        }
        let files = client.files(Path::new(""), environment);
        let path = files.iter().find(|path| path.exists()).or(files.last()).ok_or_else(|| {
            let message =
                format!("nothing names the home directory, so the file of `{}` can't be found", client.word());
            Failure::cannot_run("CG3170", message, "set `HOME`, or name the file with `--path`")
        })?;
        Self::open(path, client)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is.
    pub(crate) fn client(&self) -> Client {
        self.client
    }

    /// Whether there is a file.
    pub(crate) fn exists(&self) -> bool {
        self.before.is_some()
    }

    /// Whether an edit changed anything.
    pub(crate) fn edited(&self) -> bool {
        self.before.as_ref().is_none_or(|(before, _)| *before != self.text)
    }

    /// What it says, edits included.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What it said when it was read.
    pub(crate) fn before(&self) -> &str {
        self.before.as_ref().map(|(text, _)| text.as_str()).unwrap_or_default()
    }

    /// Whether other users can read it.
    pub(crate) fn open_to_others(&self) -> bool {
        self.before.as_ref().is_some_and(|(_, mode)| mode & 0o044 != 0)
    }

    /// Its servers, in order.
    pub(crate) fn entries(&self) -> Result<Vec<Found>, Failure> {
        let entries = match self.client.is_toml() {
            true => sections::entries(&self.text),
            false => jsonc::entries(&self.text, &self.places),
        };
        entries.map_err(|broken| self.broken(&broken))
    }

    /// Writes other fields into an entry.
    pub(crate) fn replace(&mut self, place: &[String], name: &str, fields: &Fields) -> Result<(), Failure> {
        self.edit(|file| match file.client.is_toml() {
            true => sections::replace(&file.text, name, fields),
            false => jsonc::replace(&file.text, place, name, fields),
        })
    }

    /// Puts the text of an entry, as it was once, in place of the one that is there.
    pub(crate) fn put_back(&mut self, place: &[String], name: &str, source: &str) -> Result<(), Failure> {
        self.edit(|file| match file.client.is_toml() {
            true => sections::put(&file.text, name, source),
            false => jsonc::put(&file.text, place, name, source),
        })
    }

    /// Adds an entry, and says where.
    pub(crate) fn add(&mut self, name: &str, fields: &Fields) -> Result<Vec<String>, Failure> {
        let place = self.places.first().cloned().unwrap_or_default();
        self.edit(|file| match file.client.is_toml() {
            true => sections::add(&file.text, name, fields),
            false => jsonc::add(&file.text, &place, name, fields),
        })?;
        Ok(place)
    }

    /// Removes an entry that was added, and the object around it, where that was added with it.
    pub(crate) fn remove(&mut self, place: &[String], name: &str, before: &str) -> Result<(), Failure> {
        self.edit(|file| match file.client.is_toml() {
            true => sections::remove(&file.text, name),
            false => jsonc::remove(&file.text, place, name, !jsonc::has(before, place)),
        })
    }

    /// Makes the whole text what it was once.
    pub(crate) fn restore(&mut self, text: String) {
        self.text = text;
    }

    /// Keeps what the file said beside it, with the same mode, and says where; `None` where there was no file.
    pub(crate) fn back_up(&self) -> Result<Option<PathBuf>, Failure> {
        let Some((text, mode)) = &self.before else { return Ok(None) };
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        for number in 1..10_000 {
            let path = self.path.with_file_name(format!("{name}.callgate-{number}.bak"));
            match write_new(&path, text, *mode) {
                Ok(()) => return Ok(Some(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(unwritable(&path, &error)),
            }
        }
        Err(unwritable(&self.path, &std::io::ErrorKind::AlreadyExists.into()))
    }

    /// Puts the new text in place in one step; the mode stays. Refused where the file was edited meanwhile.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let now = std::fs::read(&self.path).ok();
        if now.as_deref() != self.before.as_ref().map(|(text, _)| text.as_bytes()) {
            let message = format!("`{}` was edited in this moment", self.path.display());
            return Err(Failure::no("CG3172", message, "nothing was changed; run the command again"));
        }
        let mode = self.before.as_ref().map_or(0o600, |(_, mode)| *mode);
        replace(&self.path, &self.text, mode).map_err(|error| unwritable(&self.path, &error))
    }

    /// Removes a file that was made here.
    pub(crate) fn delete(&self) -> Result<(), Failure> {
        std::fs::remove_file(&self.path).map_err(|error| unwritable(&self.path, &error))
    }

    fn edit(&mut self, with: impl FnOnce(&Self) -> Result<String, Broken>) -> Result<(), Failure> {
        self.text = with(self).map_err(|broken| self.broken(&broken))?;
        Ok(())
    }

    fn broken(&self, broken: &Broken) -> Failure {
        let Broken { line, column, why } = broken;
        let message = format!("{}:{line}:{column}: {why}", self.path.display());
        Failure::cannot_run("CG3171", message, "correct the file; nothing was changed")
    }
}

/// The entries that a text of this client has at a place: for backups.
pub(crate) fn source_in(client: Client, text: &str, place: &[String], name: &str) -> Option<String> {
    let entries = match client.is_toml() {
        true => sections::entries(text),
        false => jsonc::entries(text, &[place.to_vec()]),
    };
    entries.ok()?.into_iter().find(|found| found.name == name).map(|found| found.source)
}

fn write_new(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    // Never wider than the file itself, not even for a moment.
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

fn replace(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(directory)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".callgate-")
        .permissions(std::fs::Permissions::from_mode(mode & 0o600))
        .tempfile_in(directory)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    let directory = rustix::fs::open(directory, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(rustix::fs::fsync(&directory)?)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("can't read `{}`: {error}", path.display());
    Failure::cannot_run("CG3170", message, "name a file that this user can read")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("can't write `{}`: {error}", path.display());
    Failure::cannot_run("CG3172", message, "nothing was changed; give this user the right to write there")
}
