//! The grammar of the commands about the whole instance: `key`, `backup` and `restore`.

use super::{DataArgs, JsonArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Seal every secret with a new key
    ///
    /// A key file gets the new key by itself; where the key comes from a variable or a command, put the new version
    /// there first. Old versions are needed until this says that they aren't.
    #[command(after_help = "Example:\n  callgate key rotate")]
    Rotate {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

/// What to save.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  callgate backup callgate.tar\n  callgate backup --without-keys - | ssh host 'cat > callgate.tar'"
)]
pub(crate) struct BackupArgs {
    /// The archive to write, a new file; `-` writes standard output
    pub file: PathBuf,
    /// Without the keys: to restore it, put them in place from elsewhere
    #[arg(long)]
    pub without_keys: bool,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// What to put in place.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  callgate restore callgate.tar --data /var/lib/callgate")]
pub(crate) struct RestoreArgs {
    /// The archive that `callgate backup` wrote; `-` reads standard input
    pub file: PathBuf,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}
