//! The schema: steps that only go forward, each applied once, in a transaction of its own and under a lock.

use crate::connect::Backend;
use crate::error::StoreError;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Row};

/// The steps, oldest first; the schema's version is the number of those that were applied. Never edit one that was
/// released: add another. `{int}`, `{text}`, `{bytes}`, `{serial}` and `{strict}` stand for what SQLite and PostgreSQL
/// call differently; what only one of them does stands between a line `{sqlite:` or `{postgres:` and a line `}`.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_objects.sql"),
    include_str!("migrations/0002_index.sql"),
    include_str!("migrations/0003_definitions.sql"),
    include_str!("migrations/0004_approvals.sql"),
    include_str!("migrations/0005_webhooks.sql"),
    include_str!("migrations/0006_catalogue.sql"),
    include_str!("migrations/0007_fewer_indexes.sql"),
    include_str!("migrations/0008_tallies.sql"),
    include_str!("migrations/0009_questions.sql"),
];

/// What the words in braces are in SQLite and in PostgreSQL. Text compares by bytes in both.
const WORDS: &[(&str, &str, &str)] = &[
    ("{int}", "INTEGER", "BIGINT"),
    ("{text}", "TEXT", "TEXT COLLATE \"C\""),
    ("{bytes}", "BLOB", "BYTEA"),
    ("{serial}", "INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    ("{strict}", "STRICT", ""),
];

/// A step, and waiting for another process that takes it, lasts as long as it has to.
const PATIENCE: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";

/// Any number will do, as long as every version of callgate locks the same.
const LOCK: &str = "SELECT 1 FROM pg_advisory_xact_lock(4831921)";

/// The schema's version that this version of callgate writes.
#[allow(clippy::cast_possible_wrap, reason = "a handful of steps")]
pub(crate) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Applies what is missing up to a version; of several processes that start at once, one does. Refuses a schema that is
/// newer than what this version of callgate knows.
pub(crate) async fn migrate(pool: &AnyPool, backend: Backend, target: i64) -> Result<(), StoreError> {
    loop {
        let mut transaction = pool.begin_with(backend.begin_write()).await?;
        let version = lock(&mut transaction, backend).await?;
        if version > KNOWN {
            return Err(StoreError::Newer { found: version, known: KNOWN });
        }
        let step = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version));
        let Some(step) = step.filter(|_| version < target) else {
            return Ok(transaction.commit().await?);
        };
        sqlx::raw_sql(AssertSqlSafe(words(step, backend))).execute(&mut *transaction).await?;
        sqlx::query("UPDATE schema_version SET version = $1").bind(version + 1).execute(&mut *transaction).await?;
        transaction.commit().await?;
        tracing::debug!(version = version + 1, "the database was migrated");
    }
}

/// Takes the lock until the transaction ends, and says which version the schema has.
pub(crate) async fn lock(connection: &mut AnyConnection, backend: Backend) -> Result<i64, StoreError> {
    if backend == Backend::Postgres {
        sqlx::raw_sql(PATIENCE).execute(&mut *connection).await?;
        sqlx::query(LOCK).execute(&mut *connection).await?;
    }
    let table = words("CREATE TABLE IF NOT EXISTS schema_version (version {int} NOT NULL) {strict}", backend);
    sqlx::raw_sql(AssertSqlSafe(table)).execute(&mut *connection).await?;
    if let Some(version) = version(connection).await? {
        return Ok(version);
    }
    sqlx::query("INSERT INTO schema_version (version) VALUES (0)").execute(&mut *connection).await?;
    Ok(0)
}

/// The version that the schema has.
pub(crate) async fn version(connection: &mut AnyConnection) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query("SELECT MAX(version) FROM schema_version").fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}

fn words(text: &str, backend: Backend) -> String {
    WORDS.iter().fold(only(text, backend), |text, (word, sqlite, postgres)| match backend {
        Backend::Sqlite => text.replace(word, sqlite),
        Backend::Postgres => text.replace(word, postgres),
    })
}

/// The text without what is the other database's.
fn only(text: &str, backend: Backend) -> String {
    let mut block = None;
    let mut kept = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match (line.trim_end(), block) {
            ("{sqlite:", _) => block = Some(Backend::Sqlite),
            ("{postgres:", _) => block = Some(Backend::Postgres),
            ("}", Some(_)) => block = None,
            _ if block.is_none_or(|block| block == backend) => kept.push_str(line),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_gets_its_own_statements() {
        let text = "A {int};\n{sqlite:\nB;\n}\n{postgres:\nC {strict};\n}\nD;";
        assert_eq!(words(text, Backend::Sqlite), "A INTEGER;\nB;\nD;");
        assert_eq!(words(text, Backend::Postgres), "A BIGINT;\nC ;\nD;");
    }
}
