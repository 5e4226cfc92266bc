//! Which database holds the objects of a data directory. The directory remembers it: a variable that somebody set for
//! another program must never make an empty gateway out of one that has policies.

use crate::config::Config;
use crate::data::{self, DataDir};
use crate::failure::Failure;
use callgate_control::Secret;
use std::path::PathBuf;

/// The database of a data directory: what the configuration names, else a file in the directory itself.
pub(crate) fn url(data: &DataDir, config: &Config) -> Result<Secret, Failure> {
    let named = named(data, config);
    let place = place(named.reveal());
    match remembered(data)? {
        Some(before) if before != place => {
            let message = format!("the objects of `{}` are in `{before}`, and not in `{place}`", data.root().display());
            let remedy = "set `DATABASE_URL` (or `database_url`) to where they are; to move them, `callgate backup` \
                          there and `callgate restore` with the other one";
            Err(Failure::cannot_run("CG3163", message, remedy))
        }
        _ => Ok(named),
    }
}

/// Notes the database of a data directory. Once it was opened: an address that was misspelt has nothing, and the right
/// one must not be refused for it.
pub(crate) fn remember(data: &DataDir, config: &Config) -> Result<(), Failure> {
    if note(data).exists() {
        return Ok(());
    }
    let place = place(named(data, config).reveal());
    data::replace(&note(data), format!("{place}\n").as_bytes())
}

/// Where the objects of a data directory are, without credentials; `None` before the first use.
pub(crate) fn remembered(data: &DataDir) -> Result<Option<String>, Failure> {
    let path = note(data);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(own_file(data).exists().then(|| place(&format!("sqlite:{}", own_file(data).display()))))
        }
        Err(error) => {
            let message = format!("can't read `{}`: {error}", path.display());
            Err(Failure::cannot_run("CG3010", message, "give this user the right to read it"))
        }
    }
}

/// The database of a directory that brings its own.
pub(crate) fn own_file(data: &DataDir) -> PathBuf {
    data.root().join("callgate.db")
}

fn named(data: &DataDir, config: &Config) -> Secret {
    config.database_url.clone().unwrap_or_else(|| Secret::new(format!("sqlite:{}", own_file(data).display())))
}

fn note(data: &DataDir) -> PathBuf {
    data.root().join("database")
}

/// A URL without user, password and parameters. The one of the directory itself has no path: directories are moved.
fn place(url: &str) -> String {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    if scheme == "sqlite" {
        return match rest.rsplit('/').next() {
            Some("callgate.db") => "sqlite:callgate.db".to_owned(),
            _ => format!("sqlite:{rest}"),
        };
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    // Both are names of the same thing.
    let scheme = if scheme == "postgresql" { "postgres" } else { scheme };
    format!("{scheme}://{host}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_credentials() {
        for (url, expected) in [
            ("sqlite:/var/lib/callgate/callgate.db", "sqlite:callgate.db"),
            ("sqlite:/elsewhere/other.db", "sqlite:/elsewhere/other.db"),
            ("postgres://user:p%40ss@db:5432/callgate?sslmode=require", "postgres://db:5432/callgate"),
            ("postgresql://db/callgate", "postgres://db/callgate"),
            ("postgres:///callgate?host=/run/postgresql&password=hush", "postgres://callgate/"),
        ] {
            assert_eq!(place(url), expected, "{url}");
        }
    }

    #[test]
    fn a_directory_stays_with_its_database() {
        let temporary = tempfile::tempdir().unwrap();
        let data = DataDir::open(&temporary.path().join("data")).unwrap();
        let mut elsewhere = Config::bare();
        elsewhere.database_url = Some(Secret::new("postgres://u:p@db/x".into()));
        assert!(url(&data, &Config::bare()).unwrap().reveal().ends_with("/data/callgate.db"));
        remember(&data, &Config::bare()).unwrap();
        let failure = url(&data, &elsewhere).unwrap_err();
        assert_eq!(failure.code, "CG3163");
        assert!(failure.message.contains("postgres://db/x") && !failure.message.contains("u:p"), "{failure}");
        assert!(url(&data, &Config::bare()).is_ok());
    }

    #[test]
    fn a_database_that_was_never_reached_is_not_remembered() {
        let temporary = tempfile::tempdir().unwrap();
        let data = DataDir::open(&temporary.path().join("data")).unwrap();
        let at = |url: &str| {
            let mut config = Config::bare();
            config.database_url = Some(Secret::new(url.into()));
            config
        };
        let (misspelt, right) = (at("postgres://u:p@dv/x"), at("postgres://u:p@db/x"));
        url(&data, &misspelt).unwrap();
        url(&data, &right).unwrap();
        remember(&data, &right).unwrap();
        assert_eq!(url(&data, &misspelt).unwrap_err().code, "CG3163");
        assert_eq!(url(&data, &right).unwrap().reveal(), "postgres://u:p@db/x");
    }
}
