//! Tells when files change: by inotify on Linux, by looking every half second elsewhere.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Waits for changes to a fixed set of files. Their directories are watched, because editors replace files.
#[derive(Debug)]
pub(crate) struct Watcher {
    inner: platform::Inner,
}

impl Watcher {
    /// Watches these files; each has to be in a directory that exists. Whatever happens after this returns is seen.
    pub(crate) fn new(files: &[PathBuf]) -> io::Result<Self> {
        let files: Vec<PathBuf> = files.iter().map(|file| named(file)).collect();
        Ok(Self { inner: platform::Inner::new(files)? })
    }

    /// Waits until at least one of the files may have changed. Cancel safe.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        self.inner.changed().await
    }
}

/// The directories of the files; the working directory where a path has none.
fn directories(files: &[PathBuf]) -> BTreeSet<&Path> {
    files.iter().filter_map(|file| file.parent()).collect()
}

fn named(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new(".").join(file),
        _ => file.to_owned(),
    }
}

#[cfg(target_os = "linux")]
mod platform {
    //! inotify on the directories, and on the targets of symbolic links.

    use super::{Path, PathBuf, directories, io};
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use std::ffi::OsStr;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt;
    use tokio::io::unix::AsyncFd;

    #[derive(Debug)]
    pub(super) struct Inner {
        fd: AsyncFd<OwnedFd>,
        files: Vec<PathBuf>,
    }

    impl Inner {
        pub(super) fn new(files: Vec<PathBuf>) -> io::Result<Self> {
            let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            // A mounted configuration is often a symbolic link: its target's directory changes, not its own.
            let targets: Vec<PathBuf> = files.iter().filter_map(|file| file.canonicalize().ok()).collect();
            let all: Vec<PathBuf> = files.into_iter().chain(targets).collect();
            for directory in directories(&all) {
                watch(&fd, directory)?;
            }
            #[expect(deprecated, reason = "its replacement is `unsafe`; an `OwnedFd` keeps what that asks for")]
            let fd = AsyncFd::new(fd)?;
            Ok(Self { fd, files: all })
        }

        pub(super) async fn changed(&mut self) -> io::Result<()> {
            loop {
                let mut ready = self.fd.readable().await?;
                let ours = drain(ready.get_inner(), &self.files)?;
                ready.clear_ready();
                if ours {
                    return Ok(());
                }
            }
        }
    }

    fn watch(fd: &OwnedFd, directory: &Path) -> io::Result<()> {
        // Not `MODIFY`: half of a file is no edit. It is one when its writer closes it.
        let what = WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM;
        inotify::add_watch(fd, directory, what)?;
        Ok(())
    }

    /// Reads everything that is there; whether anything of it is about one of the files, or was lost.
    fn drain(fd: &OwnedFd, files: &[PathBuf]) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        let mut ours = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    let mut of_that_name = files.iter().filter(|file| file.file_name() == name);
                    ours |= if event.events().contains(ReadFlags::QUEUE_OVERFLOW) || name == Some(OsStr::new("..data"))
                    {
                        // Kubernetes swaps a `..data` link; every file below it changes at once.
                        true
                    } else if event.events().contains(ReadFlags::CREATE) {
                        // A new file is still being written, a new link is complete.
                        of_that_name.any(|file| file.is_symlink())
                    } else {
                        name.is_some() && of_that_name.next().is_some()
                    };
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(ours),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    //! Polling: length, time and inode of each file.

    use super::{PathBuf, io};
    use std::os::unix::fs::MetadataExt;
    use std::time::Duration;

    type Stamp = Option<(u64, i64, i64, u64)>;

    #[derive(Debug)]
    pub(super) struct Inner {
        files: Vec<PathBuf>,
        seen: Vec<Stamp>,
    }

    impl Inner {
        pub(super) fn new(files: Vec<PathBuf>) -> io::Result<Self> {
            let seen = stamps(&files);
            Ok(Self { files, seen })
        }

        pub(super) async fn changed(&mut self) -> io::Result<()> {
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let now = stamps(&self.files);
                if now != self.seen {
                    self.seen = now;
                    return Ok(());
                }
            }
        }
    }

    fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
        let stamp = |file: &PathBuf| {
            std::fs::metadata(file).ok().map(|found| (found.len(), found.mtime(), found.mtime_nsec(), found.ino()))
        };
        files.iter().map(stamp).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sees_writes_renames_and_removals_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("policy.json");
        std::fs::write(&file, "1").unwrap();
        let mut watcher = Watcher::new(std::slice::from_ref(&file)).unwrap();
        std::fs::write(&file, "2").unwrap();
        watcher.changed().await.unwrap();
        std::fs::write(directory.path().join("new"), "3").unwrap();
        std::fs::rename(directory.path().join("new"), &file).unwrap();
        watcher.changed().await.unwrap();
        std::fs::remove_file(&file).unwrap();
        watcher.changed().await.unwrap();
        // A change elsewhere does not count: the removal above is drained, so only the next write can end the wait.
        std::fs::write(directory.path().join("other"), "4").unwrap();
        let mut wait = std::pin::pin!(watcher.changed());
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx).is_pending())).await);
    }
}
