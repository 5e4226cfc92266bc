//! Restoring a backup into an empty database, whole or not at all.

use crate::connect::Backend;
use crate::dump::{End, FORMAT, Head, STEP, TABLES};
use crate::error::{StoreError, why};
use crate::migrations::{KNOWN, lock};
use crate::store::Store;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};
use sqlx::{AnyConnection, AssertSqlSafe};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The longest line that is read, in bytes: far above the largest policy.
const LINE: u64 = 64 * 1024 * 1024;

/// The schema that first had questions to people.
const APPROVALS: i64 = 4;

/// A backup that is being read.
struct Lines<'r, R> {
    reader: &'r mut R,
    hasher: blake3::Hasher,
    line: Vec<u8>,
    number: u64,
}

impl Store {
    /// Restores a backup into an empty database (`sqlite:PATH`, `postgres://…`; one that is not there yet is made) and
    /// opens it. The backup may come from the other kind of database and from an older version. Calls `progress` with
    /// the number of rows now and then. After an error the database is as empty as before.
    pub async fn restore<R: AsyncBufRead + Unpin + Send>(
        url: &str,
        reader: &mut R,
        progress: impl FnMut(u64) + Send,
    ) -> Result<Self, StoreError> {
        let mut lines = Lines { reader, hasher: blake3::Hasher::new(), line: Vec::new(), number: 0 };
        let head = lines.head().await?;
        if head.schema > KNOWN {
            return Err(backup(format!(
                "it has schema {}, this version of callgate knows {KNOWN}; restore it with the newer version",
                head.schema
            )));
        }
        let store = Self::connect(url).await?;
        store.migrate(head.schema).await?;
        store.fill(head.schema, &mut lines, progress).await?;
        store.migrate(KNOWN).await?;
        Ok(store)
    }

    async fn fill<R: AsyncBufRead + Unpin + Send>(
        &self,
        schema: i64,
        lines: &mut Lines<'_, R>,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        // Nobody else restores or migrates meanwhile.
        let found = lock(&mut write.transaction, self.inner.backend).await?;
        if !is_empty(&mut write.transaction, found).await? {
            return Err(backup("the database is not empty; give a new one"));
        }
        if found != schema {
            return Err(backup(format!(
                "the database has schema {found} already, the backup has {schema}; give a new one"
            )));
        }
        if self.inner.backend == Backend::Postgres {
            let patience = "SET LOCAL idle_in_transaction_session_timeout = 0";
            sqlx::raw_sql(patience).execute(&mut *write.transaction).await?;
        }
        let mut rows = 0;
        while let Some((table, values)) = lines.row(rows).await? {
            insert(&mut write.transaction, table, values).await.map_err(|why| lines.wrong(&why))?;
            rows += 1;
            if u64::is_multiple_of(rows, STEP) {
                progress(rows);
            }
        }
        end_ways_in(&mut write.transaction).await?;
        if schema >= APPROVALS {
            end_answers(&mut write.transaction).await?;
        }
        write.commit().await?;
        progress(rows);
        Ok(())
    }
}

impl<R: AsyncBufRead + Unpin + Send> Lines<'_, R> {
    async fn head(&mut self) -> Result<Head, StoreError> {
        let is_none =
            || backup("it does not begin as a backup of callgate does; give a file that `callgate backup` made");
        if !self.next().await? {
            return Err(is_none());
        }
        let head: Head = serde_json::from_slice(&self.line).map_err(|_| is_none())?;
        if head.callgate_backup != FORMAT {
            let form = head.callgate_backup;
            return Err(backup(format!(
                "it has form {form}, this version of callgate knows {FORMAT}; use a newer version"
            )));
        }
        Ok(head)
    }

    /// The next row and its table, or `None` at the end, if that is the end of the `rows` before.
    async fn row(&mut self, rows: u64) -> Result<Option<(&'static str, Map<String, Value>)>, StoreError> {
        let digest = self.hasher.finalize().to_hex().to_string();
        if !self.next().await? {
            return Err(backup("it was cut off: its last line is missing; give the whole file"));
        }
        let line: Map<String, Value> = serde_json::from_slice(&self.line).map_err(|_| self.wrong("it is no JSON"))?;
        let mut fields = line.into_iter();
        let (Some((name, value)), None) = (fields.next(), fields.next()) else {
            return Err(self.wrong("it is no row"));
        };
        if name == "end" {
            let end: End = serde_json::from_value(value).map_err(|_| self.wrong("it is no end"))?;
            if end != (End { rows, digest }) {
                return Err(backup("it was changed: its last line does not fit; give the file as it was written"));
            }
            if self.next().await? {
                return Err(self.wrong("it comes after the end"));
            }
            return Ok(None);
        }
        let table = TABLES.iter().find(|(table, _, _)| *table == name);
        let (Some((table, _, _)), Value::Object(values)) = (table, value) else {
            return Err(self.wrong("it is no row of a table"));
        };
        Ok(Some((table, values)))
    }

    /// Reads the next line; false after the last one.
    async fn next(&mut self) -> Result<bool, StoreError> {
        self.line.clear();
        self.number += 1;
        let mut part = (&mut *self.reader).take(LINE);
        let read = part.read_until(b'\n', &mut self.line).await;
        read.map_err(|error| self.wrong(&format!("it can't be read: {error}")))?;
        if !self.line.is_empty() && self.line.last() != Some(&b'\n') {
            return Err(self.wrong("it was cut off, or is far too long"));
        }
        self.hasher.update(&self.line);
        Ok(!self.line.is_empty())
    }

    fn wrong(&self, why: &str) -> StoreError {
        backup(format!("line {}: {why}; give the file as it was written", self.number))
    }
}

fn backup(why: impl Into<String>) -> StoreError {
    StoreError::Backup { why: why.into() }
}

/// A yes of before may have been used since: nobody can tell, so nobody may use it. Who asks again is asked about. In the
/// transaction that restores it, so that there is no moment in which it is good.
async fn end_answers(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let sql = "UPDATE approvals SET state = 'expired', digests = '{}' WHERE state = 'approved'";
    Ok(sqlx::query(sql).execute(connection).await.map(drop)?)
}

/// A link of before may have been used since, and a session may have been ended: nobody can tell, so nobody may come in
/// by one. Members sign in again, and API tokens stay. In the same transaction, as with [`end_answers`].
async fn end_ways_in(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let sql = "DELETE FROM credentials WHERE kind IN ('link', 'session')";
    Ok(sqlx::query(sql).execute(connection).await.map(drop)?)
}

/// Whether the tables that a schema has are empty.
async fn is_empty(connection: &mut AnyConnection, schema: i64) -> Result<bool, StoreError> {
    for (table, _, _) in TABLES.iter().filter(|(_, _, since)| *since <= schema) {
        let sql = AssertSqlSafe(format!("SELECT 1 FROM {table} LIMIT 1"));
        if sqlx::query(sql).fetch_optional(&mut *connection).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Adds a row. The error says why, without values.
async fn insert(connection: &mut AnyConnection, table: &str, values: Map<String, Value>) -> Result<(), String> {
    let is_column = |name: &String| !name.is_empty() && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
    if values.is_empty() || !values.keys().all(is_column) {
        return Err("it has a column that no table has".to_owned());
    }
    let columns: Vec<&str> = values.keys().map(String::as_str).collect();
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("${place}")).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
    let mut statement = sqlx::query(AssertSqlSafe(sql));
    for value in values.into_values() {
        statement = match value {
            Value::String(text) => statement.bind(text),
            Value::Number(number) => statement.bind(number.as_i64().ok_or("a number is out of range")?),
            Value::Object(bytes) => statement.bind(bytes_of(&bytes).ok_or("a value is no bytes in Base64")?),
            _ => return Err("a value is of no kind that rows have".to_owned()),
        };
    }
    statement.execute(connection).await.map(drop).map_err(|error| why(&error))
}

fn bytes_of(value: &Map<String, Value>) -> Option<Vec<u8>> {
    let text = value.get("base64").filter(|_| value.len() == 1)?.as_str()?;
    BASE64.decode(text).ok()
}
