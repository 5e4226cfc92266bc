//! All records of a large table, many to a row.
//!
//! A driver's row costs more than what is in it: SQLite's hands each one from thread to thread, and each value is an
//! allocation or two. A group comes as one JSON text that the database makes.

use crate::error::StoreError;
use crate::rows::select;
use crate::store::{Record, Stored};
use crate::table::Values;
use serde_json::Value;
use sqlx::{AnyConnection, AssertSqlSafe};

/// Records in a group.
const GROUP: usize = 1_000;

/// Every record of an organisation that is not removed, in the order of the identities.
pub(crate) async fn all<R: Record>(
    connection: &mut AnyConnection,
    organisation: &str,
) -> Result<Vec<Stored<R>>, StoreError> {
    let (group, array) = match connection.backend_name() {
        "PostgreSQL" => ("json_agg", "json_build_array"),
        _ => ("json_group_array", "json_array"),
    };
    let columns = R::COLUMNS.join(", ");
    let some = select::<R>(&format!("organisation = $1 AND removed IS NULL AND {0} > $2 ORDER BY {0} LIMIT $3", R::ID));
    let sql = format!(
        "SELECT CAST({group}({array}(changed, removed, {columns})) AS TEXT), MAX({}) FROM ({some}) AS part",
        R::ID
    );
    let mut records = Vec::new();
    let mut after = String::new();
    loop {
        let statement = sqlx::query(AssertSqlSafe(sql.as_str())).bind(organisation).bind(after.as_str());
        let row = statement.bind(i64::try_from(GROUP).unwrap_or(i64::MAX)).fetch_one(&mut *connection).await?;
        let mut values = Values::new(&row, R::TABLE);
        let (text, last): (Option<String>, Option<String>) = (values.next()?, values.next()?);
        let (Some(text), Some(last)) = (text, last) else { return Ok(records) };
        let rows: Vec<Vec<Value>> = serde_json::from_str(&text)
            .map_err(|error| StoreError::Broken { table: R::TABLE, why: format!("a group of its rows: {error}") })?;
        let is_last = rows.len() < GROUP;
        for row in &rows {
            records.push(stored(row)?);
        }
        if is_last {
            return Ok(records);
        }
        after = last;
    }
}

fn stored<R: Record>(row: &[Value]) -> Result<Stored<R>, StoreError> {
    let mut values = Values::of_array(row, R::TABLE);
    let (changed, removed) = (values.next()?, values.next()?);
    Ok(Stored { record: R::read(&mut values)?, changed, removed })
}
