//! Backups: everything that is configured, at one moment, in a form that both databases read.
//!
//! JSON Lines: a head with the schema's version, a line per row (`{"servers":{"id":…}}`; values that are not there are
//! left out, bytes are `{"base64":"…"}`), and an end with the number of rows and a digest of all lines before. What can
//! be made again stays out: the journal's index, answers to repeated requests. So does what endpoints are still to be
//! told: a restored copy must not tell it again.

use crate::connect::Backend;
use crate::error::{StoreError, why};
use crate::migrations::version;
use crate::reads::View;
use crate::store::Store;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{AnyConnection, AssertSqlSafe, Column, Row, TypeInfo, ValueRef};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// The tables, what orders their rows, and the schema that first had them; each after those that it refers to.
pub(crate) const TABLES: &[(&str, &str, i64)] = &[
    ("organisations", "name", 1),
    ("meta", "name", 1),
    ("servers", "organisation, id", 1),
    ("policies", "organisation, id", 1),
    ("policy_versions", "organisation, policy, version", 1),
    ("grants", "organisation, id", 1),
    ("grant_use", "grant_id", 1),
    ("definitions", "organisation, server, tool", 3),
    ("members", "organisation, id", 1),
    ("credentials", "organisation, id", 1),
    ("webhooks", "organisation, id", 5),
    ("approvals", "organisation, id", 4),
    ("outbox", "organisation, generation, position", 1),
];

/// The form of backups that this version of callgate writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// How many rows there are between two calls of a progress function.
pub(crate) const STEP: u64 = 1_000;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// [`FORMAT`].
    pub(crate) callgate_backup: u32,
    /// The version of the schema that the rows fit.
    pub(crate) schema: i64,
}

/// What the last line holds, as `{"end":…}`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    /// How many rows there are.
    pub(crate) rows: u64,
    /// The BLAKE3 hash of all lines before, in hexadecimal.
    pub(crate) digest: String,
}

/// Where a backup goes, and what has gone there.
struct Out<'w, W> {
    writer: &'w mut W,
    hasher: blake3::Hasher,
    rows: u64,
}

impl Store {
    /// Writes a backup: everything as it is at one moment, while others go on writing. Calls `progress` with the number
    /// of rows now and then, and returns it.
    pub async fn dump<W: AsyncWrite + Unpin + Send>(
        &self,
        writer: &mut W,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<u64, StoreError> {
        let mut view = View::begin(self).await?;
        if self.inner.backend == Backend::Postgres {
            // It takes as long as the writer does.
            let patience = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
            sqlx::raw_sql(patience).execute(&mut *view.transaction).await?;
        }
        let schema = version(&mut view.transaction).await?.unwrap_or_default();
        let mut out = Out { writer, hasher: blake3::Hasher::new(), rows: 0 };
        out.line(&Head { callgate_backup: FORMAT, schema }).await?;
        for (table, order, _) in TABLES {
            out.table(&mut view.transaction, table, order, &mut progress).await?;
        }
        let end = End { rows: out.rows, digest: out.hasher.finalize().to_hex().to_string() };
        out.line(&json!({ "end": end })).await?;
        out.writer.flush().await.map_err(|error| not_written(&error))?;
        progress(out.rows);
        Ok(out.rows)
    }
}

impl<W: AsyncWrite + Unpin + Send> Out<'_, W> {
    async fn table(
        &mut self,
        connection: &mut AnyConnection,
        table: &'static str,
        order: &str,
        progress: &mut (impl FnMut(u64) + Send),
    ) -> Result<(), StoreError> {
        let sql = AssertSqlSafe(format!("SELECT * FROM {table} ORDER BY {order}"));
        // Not kept prepared: another process may add a column one day.
        let mut rows = sqlx::query(sql).persistent(false).fetch(connection);
        while let Some(row) = rows.try_next().await? {
            let values = values(&row).map_err(|error| StoreError::Broken { table, why: why(&error) })?;
            self.line(&json!({ table: values })).await?;
            self.rows += 1;
            if self.rows.is_multiple_of(STEP) {
                progress(self.rows);
            }
        }
        Ok(())
    }

    async fn line(&mut self, line: &impl Serialize) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(line).map_err(|error| not_written(&error.into()))?;
        text.push(b'\n');
        self.hasher.update(&text);
        self.writer.write_all(&text).await.map_err(|error| not_written(&error))
    }
}

fn not_written(error: &std::io::Error) -> StoreError {
    StoreError::Dump { why: error.to_string() }
}

/// The values of a row that are there, by their columns.
fn values(row: &AnyRow) -> Result<Map<String, Value>, sqlx::Error> {
    let mut values = Map::new();
    for column in row.columns() {
        let raw = row.try_get_raw(column.ordinal())?;
        if raw.is_null() || raw.type_info().is_null() {
            continue;
        }
        let value = match raw.type_info().kind() {
            AnyTypeInfoKind::Blob => json!({ "base64": BASE64.encode(row.try_get::<&[u8], _>(column.ordinal())?) }),
            AnyTypeInfoKind::Text => json!(row.try_get::<&str, _>(column.ordinal())?),
            _ => json!(row.try_get::<i64, _>(column.ordinal())?),
        };
        values.insert(column.name().to_owned(), value);
    }
    Ok(values)
}
