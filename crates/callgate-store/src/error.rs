//! Why the store could not do what was asked.

/// Why the store could not do what was asked. The texts begin with their code, and hold no value of a record but names.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be opened or reached.
    #[error("CG3100: the database `{url}` can't be opened: {why}; check the address, the credentials and that it runs")]
    Open {
        /// Where it is, without user and password.
        url: String,
        /// What its driver says.
        why: String,
    },
    /// The database was written by a newer version.
    #[error(
        "CG3101: the database has schema {found}, this version knows {known}; start the newer version of callgate, or restore a backup"
    )]
    Newer {
        /// The schema's version.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// A record with this name is there already.
    #[error("CG3102: {what} `{name}` is there already; choose another name")]
    Taken {
        /// What it is: `server`, `grant`, …
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A row is not what this version writes.
    #[error("CG3103: a row of `{table}` can't be read: {why}; restore a backup")]
    Broken {
        /// The table.
        table: &'static str,
        /// Why, without its values.
        why: String,
    },
    /// The database failed.
    #[error("CG3104: the database failed: {why}; nothing was changed")]
    Failed {
        /// What its driver says.
        why: String,
    },
    /// The secret of this record stands for another one already.
    #[error("CG3105: the token of {what} `{name}` is in use already; choose another token")]
    SecretTaken {
        /// What it is: `grant`, `credential`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// What is to be changed is not there.
    #[error("CG3106: {what} `{name}` is not there; look at what is")]
    Missing {
        /// What it is: `organisation`, `server`, …
        what: &'static str,
        /// Its name or identity.
        name: String,
    },
    /// A backup can't be restored.
    #[error("CG3107: the backup can't be restored: {why}")]
    Backup {
        /// Where and why, and what to do about it.
        why: String,
    },
    /// A backup can't be written.
    #[error("CG3108: the backup can't be written: {why}; see that there is room for it, and delete what was written")]
    Dump {
        /// What the file or connection says.
        why: String,
    },
}

impl StoreError {
    /// The code with a page of its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "CG3100",
            Self::Newer { .. } => "CG3101",
            Self::Taken { .. } => "CG3102",
            Self::Broken { .. } => "CG3103",
            Self::Failed { .. } => "CG3104",
            Self::SecretTaken { .. } => "CG3105",
            Self::Missing { .. } => "CG3106",
            Self::Backup { .. } => "CG3107",
            Self::Dump { .. } => "CG3108",
        }
    }

    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into() }
    }

    /// Why a write failed: of a record, if a name or a secret is in use already.
    pub(crate) fn of_write(error: sqlx::Error, what: &'static str, name: impl FnOnce() -> String) -> Self {
        let Some(found) = error.as_database_error().filter(|found| found.is_unique_violation()) else {
            return error.into();
        };
        // PostgreSQL names the index (`grants_token`), SQLite the column (`grants.token`).
        let place = found.constraint().unwrap_or_else(|| found.message());
        if place.ends_with("token") || place.ends_with("hash") {
            return Self::SecretTaken { what, name: name() };
        }
        Self::Taken { what, name: name() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed { why: why(&error) }
    }
}

/// What the driver says, where that can't hold a value or an address with a password.
pub(crate) fn why(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(found) => match found.code() {
            Some(code) => format!("{} ({code})", found.message()),
            None => found.message().to_owned(),
        },
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        sqlx::Error::PoolTimedOut => "no connection could be had in time".to_owned(),
        sqlx::Error::PoolClosed => "it is closed".to_owned(),
        sqlx::Error::Configuration(inner) => match inner.downcast_ref() {
            Some(inner) => why(inner),
            None => format!("the address can't be understood: {inner}"),
        },
        sqlx::Error::Protocol(error) => format!("it does not keep to its protocol: {error}"),
        sqlx::Error::WorkerCrashed => "the thread of the database ended".to_owned(),
        _ => "a statement or a row is not what was expected".to_owned(),
    }
}
