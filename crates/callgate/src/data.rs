//! The data directory: who may use it, who owns it now, and the keys that it keeps.

use crate::environment::Environment;
use crate::failure::Failure;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A data directory that exists, belongs to this user and is closed to others.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
}

/// The right to write in a data directory; held by one process at a time, released with this value.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// What the process that owns a data directory says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Its process id.
    pub pid: Option<u32>,
    /// Where its MCP endpoints are, where it serves HTTP; outlives the process.
    pub url: Option<String>,
}

/// What came of asking for the lock.
#[derive(Debug)]
pub(crate) enum Claim {
    /// This process owns the data directory now.
    Ours(Lock),
    /// Another process does.
    Theirs(Owner),
}

/// Which data directory a command is about: what was typed, else `CALLGATE_DATA`, else the platform's own.
pub(crate) fn resolve(typed: Option<&Path>, environment: &Environment) -> Result<PathBuf, Failure> {
    if let Some(path) = typed {
        return Ok(path.to_owned());
    }
    if let Some(path) = environment.path("CALLGATE_DATA") {
        return Ok(path);
    }
    directories::ProjectDirs::from("dev", "callgate", "callgate").map(|dirs| dirs.data_dir().to_owned()).ok_or_else(
        || {
            let message = "this platform names no data directory for this user (is `HOME` set?)";
            Failure::cannot_run("CG3010", message, "name one with `--data DIR` or `CALLGATE_DATA`")
        },
    )
}

impl DataDir {
    /// Opens the data directory, and creates it with mode 0700 where it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        match std::fs::metadata(path) {
            Ok(found) => check(path, &found)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(path)?,
            Err(error) => return Err(unusable(path, &error)),
        }
        // Absolute, so that children with another working directory and messages mean the same place.
        let root = path.canonicalize().map_err(|error| unusable(path, &error))?;
        Ok(Self { root })
    }

    /// Opens the data directory only if it exists.
    pub(crate) fn existing(path: &Path) -> Result<Self, Failure> {
        if !path.exists() {
            let message = format!("there is no data directory at `{}`", path.display());
            return Err(Failure::cannot_run(
                "CG3010",
                message,
                "`callgate up` creates it, or name another with `--data DIR`",
            ));
        }
        Self::open(path)
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the last process that served HTTP here did so, else where one would.
    pub(crate) fn last_url(&self) -> String {
        let found = File::open(self.root.join("callgate.lock")).ok().and_then(|file| read_owner(&file).url);
        found.unwrap_or_else(|| "http://127.0.0.1:7070".to_owned())
    }

    /// Where the journal's segments are.
    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The local socket of the process that owns the directory.
    pub(crate) fn socket(&self) -> PathBuf {
        self.root.join("callgate.sock")
    }

    /// The file with the admin credential that the first use writes.
    pub(crate) fn admin_token(&self) -> PathBuf {
        self.root.join("admin.token")
    }

    /// Asks for the right to write here; never waits.
    pub(crate) fn claim(&self) -> Result<Claim, Failure> {
        let path = self.root.join("callgate.lock");
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| unusable(&path, &error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(Claim::Theirs(read_owner(&file))),
            Err(error) => return Err(unusable(&path, &error.into())),
        }
        let mut lock = Lock { file };
        let url = read_owner(&lock.file).url;
        lock.announce(url.as_deref()).map_err(|error| unusable(&path, &error))?;
        Ok(Claim::Ours(lock))
    }

    /// Asks for the right to write here, and says who has it where it can't be had.
    pub(crate) fn lock(&self) -> Result<Lock, Failure> {
        match self.claim()? {
            Claim::Ours(lock) => Ok(lock),
            Claim::Theirs(owner) => {
                let who = owner.pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                let message = format!("{who} already runs on the data directory `{}`", self.root.display());
                Err(Failure::cannot_run("CG3011", message, "end it first, or name another directory with `--data DIR`"))
            }
        }
    }

    /// The secret key of this name, made at first use, kept in `keys/` with mode 0600.
    pub(crate) fn key(&self, name: &str) -> Result<[u8; 32], Failure> {
        let directory = self.root.join("keys");
        if !directory.exists() {
            std::fs::DirBuilder::new().mode(0o700).create(&directory).map_err(|error| unusable(&directory, &error))?;
        }
        let path = directory.join(format!("{name}.key"));
        match std::fs::read_to_string(&path) {
            Ok(text) => decode_key(&path, text.trim()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key: [u8; 32] = random()?;
                replace(&path, format!("{}\n", hex::encode(key)).as_bytes())?;
                Ok(key)
            }
            Err(error) => Err(unusable(&path, &error)),
        }
    }
}

impl Lock {
    /// Writes who owns the directory, for the message that others get.
    pub(crate) fn announce(&mut self, url: Option<&str>) -> std::io::Result<()> {
        let text = format!("{}\n{}\n", std::process::id(), url.unwrap_or_default());
        self.file.seek(SeekFrom::Start(0))?;
        self.file.set_len(0)?;
        self.file.write_all(text.as_bytes())
    }
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            let message = format!("the operating system gives no random bytes: {error}");
            Err(Failure::cannot_run("CG3013", message, "without them no key or token can be made"))
        }
    }
}

/// Puts a file in place with one atomic step, mode 0600, on the disk before this returns.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let message = format!("can't write `{}`: {error}", path.display());
        Failure::cannot_run(
            "CG3014",
            message,
            "nothing was changed; make room or give this user the right to write there",
        )
    };
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)
        .map_err(failed)?;
    temporary.write_all(content).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    // The rename itself has to reach the disk too, or a power cut brings the old file back.
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn create(path: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| unusable(path, &error))
}

/// Others must not be able to read it. What is plainly ours is closed; what isn't is left alone and refused.
fn check(path: &Path, found: &std::fs::Metadata) -> Result<(), Failure> {
    if !found.is_dir() {
        let message = format!("`{}` is no directory", path.display());
        return Err(Failure::cannot_run("CG3010", message, "name a directory with `--data DIR`"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        let message = format!("the data directory `{}` belongs to another user", path.display());
        return Err(Failure::cannot_run("CG3010", message, "run as its owner, or name another with `--data DIR`"));
    }
    if found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let ours = path.join("callgate.lock").exists();
    let empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if !ours && !empty {
        let message = format!(
            "`{}` is open to other users (mode {:04o}) and holds files that are not Callgate's",
            path.display(),
            found.mode() & 0o7777
        );
        return Err(Failure::cannot_run("CG3010", message, "name a directory of its own with `--data DIR`"));
    }
    let directory = rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| unusable(path, &error.into()))?;
    rustix::fs::fchmod(&directory, Mode::RWXU).map_err(|error| unusable(path, &error.into()))
}

fn read_owner(mut file: &File) -> Owner {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(4096).read_to_string(&mut text));
    if read.is_err() {
        return Owner::default();
    }
    let mut lines = text.lines();
    let pid = lines.next().and_then(|line| line.parse().ok());
    let url = lines.next().filter(|line| !line.is_empty()).map(str::to_owned);
    Owner { pid, url }
}

fn decode_key(path: &Path, text: &str) -> Result<[u8; 32], Failure> {
    let mut key = [0; 32];
    match hex::decode_to_slice(text, &mut key) {
        Ok(()) => Ok(key),
        Err(_) => {
            let message = format!("`{}` is no key: 64 hexadecimal digits are expected", path.display());
            let remedy =
                "put the file back from a backup; without it every grant has to be minted anew (then remove it)";
            Err(Failure::cannot_run("CG3013", message, remedy))
        }
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("can't use `{}`: {error}", path.display());
    Failure::cannot_run(
        "CG3010",
        message,
        "give this user the right to use it, or name another directory with `--data DIR`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_learns_who_owns_the_directory() {
        let temporary = tempfile::tempdir().unwrap();
        let data = DataDir::open(&temporary.path().join("new/data")).unwrap();
        assert_eq!(std::fs::metadata(data.root()).unwrap().mode() & 0o777, 0o700);
        let mut lock = data.lock().unwrap();
        lock.announce(Some("http://127.0.0.1:7070")).unwrap();
        let Claim::Theirs(owner) = data.claim().unwrap() else { panic!("two owners") };
        assert_eq!(owner, Owner { pid: Some(std::process::id()), url: Some("http://127.0.0.1:7070".into()) });
        assert!(data.lock().unwrap_err().message.contains(&std::process::id().to_string()));
        drop(lock);
        drop(data.lock().unwrap());
        assert_eq!(data.last_url(), "http://127.0.0.1:7070", "the address outlives the process");
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let open = |name: &str, file: Option<&str>| {
            let path = temporary.path().join(name);
            std::fs::create_dir(&path).unwrap();
            if let Some(file) = file {
                std::fs::write(path.join(file), "").unwrap();
            }
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            let opened = DataDir::open(&path).map_err(|failure| failure.code);
            (opened.is_ok(), std::fs::metadata(&path).unwrap().mode() & 0o777)
        };
        assert_eq!(open("empty", None), (true, 0o700));
        assert_eq!(open("ours", Some("callgate.lock")), (true, 0o700));
        assert_eq!(open("home", Some("letter.txt")), (false, 0o755));
    }

    #[test]
    fn a_key_is_made_once_and_a_broken_one_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let data = DataDir::open(temporary.path()).unwrap();
        let key = data.key("token").unwrap();
        assert_eq!(data.key("token").unwrap(), key);
        let path = data.root().join("keys/token.key");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        std::fs::write(&path, "short").unwrap();
        assert_eq!(data.key("token").unwrap_err().code, "CG3013");
    }
}
