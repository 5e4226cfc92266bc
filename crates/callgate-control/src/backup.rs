//! Backups, as a port: the process that owns the data directory makes the archive.

use futures_util::future::BoxFuture;
use std::sync::Arc;

/// Makes an archive of everything that a gateway knows, while it serves.
pub trait Backups: Send + Sync {
    /// Makes an archive, and gives it as a file that is read from its beginning and gone when it is closed. Without the
    /// keys, nothing in it can be opened until they are put beside it. The text of an error begins with its code.
    fn make(&self, with_keys: bool) -> BoxFuture<'_, Result<std::fs::File, String>>;
}

/// The archives of this process; an extension of every request.
#[derive(Clone)]
pub struct Archives(pub Arc<dyn Backups>);
