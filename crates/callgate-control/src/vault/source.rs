//! Where the vault's keys come from: a file, an environment variable, or a command.

use super::Keys;
use crate::error::{Error, Kind};
use crate::secret::Secret;
use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

/// Where keys come from. Their text has one line per key, `VERSION:KEY`, with 64 hexadecimal digits for the key; empty
/// lines and lines that begin with `#` are nothing.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file; made at first use, and given a new key by each rotation.
    File(PathBuf),
    /// The content of an environment variable.
    Environment(Secret),
    /// What a program prints: it and its arguments.
    Command(Vec<String>),
}

/// More text than any number of keys that a person keeps.
const MAX_TEXT: u64 = 64 << 10;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl KeySource {
    /// The keys; `None` where a key file isn't there.
    pub(super) async fn read(&self) -> Result<Option<Keys>, Error> {
        let keys = match self {
            Self::File(path) => match std::fs::read(path) {
                Ok(text) => self.parse(&Zeroizing::new(text))?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(self.unusable(&format!("it can't be read: {error}"))),
            },
            Self::Environment(text) => self.parse(text.reveal().as_bytes())?,
            Self::Command(words) => self.parse(&self.run(words).await?)?,
        };
        if keys.is_empty() {
            return Err(self.unusable("there is no key in it"));
        }
        Ok(Some(keys))
    }

    /// Gives a key file one more key, in one step; `false` for sources that only their owner can change.
    pub(super) fn add(&self, version: i64) -> Result<bool, Error> {
        let Self::File(path) = self else { return Ok(false) };
        let failed = |error: std::io::Error| self.unusable(&format!("a new key can't be written into it: {error}"));
        let before = match std::fs::read(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Zeroizing::new(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(crate::names::random()?);
        let digits = Zeroizing::new(hex::encode(*key));
        let mut text = Zeroizing::new(Vec::with_capacity(before.len() + digits.len() + 24));
        text.extend_from_slice(&before);
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        // Into memory that has room for it: this can't fail.
        let _ = write!(text, "{version}:");
        text.extend_from_slice(digits.as_bytes());
        text.push(b'\n');
        replace(path, &text).map_err(failed)?;
        Ok(true)
    }

    /// CG3111: there is no usable key in the source.
    pub(super) fn unusable(&self, why: &str) -> Error {
        let remedy = match self {
            Self::File(_) => "put the file back from a backup, or give this user the right to use it",
            Self::Environment(_) => "set it to lines `VERSION:KEY`, a key being 64 hexadecimal digits",
            Self::Command(_) => "it has to print lines `VERSION:KEY`, a key being 64 hexadecimal digits",
        };
        Error::new(Kind::Unavailable, "CG3111", format!("{} can't be used: {why}", self.word()), remedy)
    }

    /// CG3113: a key that secrets are sealed with isn't there.
    pub(super) fn missing(&self, version: i64) -> Error {
        let message = format!("version {version} of the key is not in {}, and secrets are sealed with it", self.word());
        let remedy = format!(
            "put the line `{version}:…` back from a backup; if it is lost, add a new key as version {} \
             (`{}:` and the output of `openssl rand -hex 32`) and set the servers' credentials again",
            version.saturating_add(1),
            version.saturating_add(1)
        );
        Error::new(Kind::Unavailable, "CG3113", message, remedy)
    }

    /// CG3112: a key that is not the one that secrets are sealed with.
    pub(super) fn wrong(&self, version: i64) -> Error {
        let message =
            format!("version {version} of the key in {} is not the one that secrets are sealed with", self.word());
        let remedy = format!(
            "put the right key back from a backup; if it is lost, add a new one under a higher version than {version} \
             and set the servers' credentials again"
        );
        Error::new(Kind::Unavailable, "CG3112", message, remedy)
    }

    fn word(&self) -> String {
        match self {
            Self::File(path) => format!("the key file `{}`", path.display()),
            Self::Environment(_) => "the environment variable of the key".to_owned(),
            Self::Command(words) => {
                format!("the key command `{}`", words.first().map(String::as_str).unwrap_or_default())
            }
        }
    }

    /// What a command prints. Its arguments and its output can be secret, so neither is in an error.
    async fn run(&self, words: &[String]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Some((program, arguments)) = words.split_first() else { return Err(self.unusable("it is empty")) };
        let failed = |error: std::io::Error| self.unusable(&format!("it can't be run: {error}"));
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let Some(output) = child.stdout.take() else { return Err(self.unusable("it has no output")) };
        // At once as long as it gets: a buffer that grows leaves copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_TEXT as usize));
        let read = async {
            let _read: usize = output.take(MAX_TEXT).read_to_end(&mut text).await?;
            child.wait().await
        };
        match tokio::time::timeout(PATIENCE, read).await {
            Err(_) => Err(self.unusable(&format!("it takes more than {} seconds", PATIENCE.as_secs()))),
            Ok(Err(error)) => Err(failed(error)),
            Ok(Ok(status)) if !status.success() => Err(self.unusable(&format!("it ended with {status}"))),
            Ok(Ok(_)) => Ok(text),
        }
    }

    fn parse(&self, text: &[u8]) -> Result<Keys, Error> {
        let mut keys = Keys::new();
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
        for (index, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#")) {
            let wrong = |why| self.unusable(&format!("line {} {why}", index + 1));
            let colon = line.iter().position(|byte| *byte == b':').ok_or_else(|| wrong("is not `VERSION:KEY`"))?;
            let (version, digits) = line.split_at(colon);
            let version: i64 = std::str::from_utf8(version)
                .ok()
                .and_then(|version| version.parse().ok())
                .filter(|version| *version > 0)
                .ok_or_else(|| wrong("begins with no version: 1 or more"))?;
            let mut key = Zeroizing::new([0; 32]);
            hex::decode_to_slice(digits.strip_prefix(b":").unwrap_or(digits), key.as_mut())
                .map_err(|_| wrong("has no key: 64 hexadecimal digits are expected"))?;
            let key = UnboundKey::new(&AES_256_GCM_SIV, key.as_ref()).map_err(|_| wrong("has no usable key"))?;
            if keys.insert(version, LessSafeKey::new(key)).is_some() {
                return Err(wrong("repeats a version"));
            }
        }
        Ok(keys)
    }
}

/// Puts a file in place with one atomic step, mode 0600, on the disk before this returns.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let digits: [u8; 8] = crate::names::random().map_err(|error| std::io::Error::other(error.message))?;
    let temporary = directory.join(format!(".new-{}", hex::encode(digits)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        // The rename itself has to reach the disk too, or a power cut brings the old file back.
        File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        // It may hold a key. Where it was renamed there is nothing to remove.
        drop(std::fs::remove_file(&temporary));
    }
    written
}
