//! Reading and writing the rows of one organisation: one statement each, over any table.

use crate::error::StoreError;
use crate::groups;
use crate::records::PolicyVersion;
use crate::store::{Page, Record, Stored};
use crate::table::{Statement, Table, Values};
use futures_util::TryStreamExt;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

/// The record with this identity.
pub(crate) async fn get<R: Record>(
    connection: &mut AnyConnection,
    organisation: &str,
    id: &str,
) -> Result<Option<Stored<R>>, StoreError> {
    if R::NUMBERED {
        let Some((parent, number)) = id.rsplit_once('/') else { return Ok(None) };
        return named(connection, organisation, Some(parent), number).await;
    }
    let sql = select::<R>(&format!("organisation = $1 AND {} = $2 AND removed IS NULL", R::ID));
    let statement = sqlx::query(AssertSqlSafe(sql)).bind(organisation).bind(id);
    one(connection, statement).await
}

/// The record with this name.
pub(crate) async fn named<R: Record>(
    connection: &mut AnyConnection,
    organisation: &str,
    parent: Option<&str>,
    name: &str,
) -> Result<Option<Stored<R>>, StoreError> {
    let (within, parent) = match (R::PARENT, R::WITHIN, parent) {
        (None, _, _) => (String::new(), None),
        (_, Some(within), parent) => (format!(" AND {within} = $3"), Some(parent.unwrap_or_default())),
        (Some(column), None, Some(parent)) => (format!(" AND {column} = $3"), Some(parent)),
        (Some(column), None, None) => (format!(" AND {column} IS NULL"), None),
    };
    let condition = format!("organisation = $1 AND {} = $2 AND removed IS NULL{}{within}", R::NAME, R::LIVE);
    let sql = format!("{} ORDER BY {} LIMIT 1", select::<R>(&condition), R::ID);
    let statement = sqlx::query(AssertSqlSafe(sql)).bind(organisation);
    let Some(mut statement) = bind_id::<R>(statement, name) else { return Ok(None) };
    if let Some(parent) = parent {
        statement = statement.bind(parent);
    }
    one(connection, statement).await
}

/// A part of all records.
pub(crate) async fn list<R: Record>(
    connection: &mut AnyConnection,
    organisation: &str,
    page: &Page,
) -> Result<Vec<Stored<R>>, StoreError> {
    let (after, order) = if R::NUMBERED { ("<", " DESC") } else { (">", "") };
    let parent = R::PARENT.zip(page.parent.as_deref());
    let mut condition = "organisation = $1 AND removed IS NULL".to_owned();
    if let Some((column, _)) = parent {
        condition.push_str(&format!(" AND {column} = $3"));
    }
    if page.after.is_some() {
        condition.push_str(&format!(" AND {} {after} ${}", R::ID, if parent.is_some() { 4 } else { 3 }));
    }
    let sql = format!("{} ORDER BY {}{order} LIMIT $2", select::<R>(&condition), R::ID);
    let mut statement = sqlx::query(AssertSqlSafe(sql)).bind(organisation).bind(i64::from(page.limit));
    if let Some((_, parent)) = parent {
        statement = statement.bind(parent);
    }
    if let Some(after) = &page.after {
        let Some(bound) = bind_id::<R>(statement, after) else { return Ok(Vec::new()) };
        statement = bound;
    }
    all(connection, statement).await
}

/// What was written or removed after a generation; everything that is there for `None`.
pub(crate) async fn changed_since<R: Record>(
    connection: &mut AnyConnection,
    organisation: &str,
    generation: Option<i64>,
) -> Result<Vec<Stored<R>>, StoreError> {
    if generation.is_none() && R::MANY {
        return groups::all(connection, organisation).await;
    }
    let condition = if generation.is_some() { "changed > $2" } else { "removed IS NULL" };
    let sql = select::<R>(&format!("organisation = $1 AND {condition}"));
    let mut statement = sqlx::query(AssertSqlSafe(sql)).bind(organisation);
    if let Some(generation) = generation {
        statement = statement.bind(generation);
    }
    all(connection, statement).await
}

/// The versions in force of the policies that were written after a generation; of all that are there for `None`.
pub(crate) async fn in_force(
    connection: &mut AnyConnection,
    organisation: &str,
    generation: Option<i64>,
) -> Result<Vec<Stored<PolicyVersion>>, StoreError> {
    let since = if generation.is_some() { " AND p.changed > $2" } else { "" };
    let sql = format!(
        "SELECT v.changed, v.removed, v.{} FROM policies p JOIN policy_versions v \
         ON v.organisation = p.organisation AND v.policy = p.id AND v.version = p.current \
         WHERE p.organisation = $1 AND p.removed IS NULL{since}",
        PolicyVersion::COLUMNS.join(", v.")
    );
    let mut statement = sqlx::query(AssertSqlSafe(sql)).bind(organisation);
    if let Some(generation) = generation {
        statement = statement.bind(generation);
    }
    all(connection, statement).await
}

/// The organisation's generation.
pub(crate) async fn generation(connection: &mut AnyConnection, organisation: &str) -> Result<i64, StoreError> {
    let statement = sqlx::query("SELECT generation FROM organisations WHERE name = $1").bind(organisation);
    let row = statement.fetch_optional(connection).await?;
    let row = row.ok_or_else(|| StoreError::Missing { what: "organisation", name: organisation.to_owned() })?;
    Values::new(&row, "organisations").next()
}

/// Adds a record.
pub(crate) async fn insert<R: Record>(
    connection: &mut AnyConnection,
    organisation: &str,
    generation: i64,
    record: &R,
) -> Result<(), StoreError> {
    let places: Vec<String> = (3..R::COLUMNS.len() + 3).map(|place| format!("${place}")).collect();
    let sql = format!(
        "INSERT INTO {} (organisation, changed, {}) VALUES ($1, $2, {})",
        R::TABLE,
        R::COLUMNS.join(", "),
        places.join(", ")
    );
    let statement = record.bind(sqlx::query(AssertSqlSafe(sql)).bind(organisation).bind(generation));
    let done = statement.execute(connection).await;
    done.map(drop).map_err(|error| StoreError::of_write(error, R::WHAT, || record.name()))
}

/// Writes a record that is there.
pub(crate) async fn update<R: Record>(
    connection: &mut AnyConnection,
    organisation: &str,
    generation: i64,
    record: &R,
) -> Result<(), StoreError> {
    if R::NUMBERED {
        return Err(StoreError::failed(format!("a {} never changes", R::WHAT)));
    }
    let places: Vec<String> =
        R::COLUMNS.iter().zip(3..).map(|(column, place)| format!("{column} = ${place}")).collect();
    let sql = format!(
        "UPDATE {} SET changed = $2, {} WHERE organisation = $1 AND {} = $3 AND removed IS NULL",
        R::TABLE,
        places.join(", "),
        R::ID
    );
    let statement = record.bind(sqlx::query(AssertSqlSafe(sql)).bind(organisation).bind(generation));
    let done = statement.execute(connection).await;
    let done = done.map_err(|error| StoreError::of_write(error, R::WHAT, || record.name()))?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Missing { what: R::WHAT, name: record.id() });
    }
    Ok(())
}

/// Removes a record and what hangs on it.
pub(crate) async fn remove<R: Record>(
    connection: &mut AnyConnection,
    organisation: &str,
    generation: i64,
    id: &str,
    at: i64,
) -> Result<(), StoreError> {
    if R::NUMBERED {
        return Err(StoreError::failed(format!("a {} is never removed", R::WHAT)));
    }
    let sql = format!(
        "UPDATE {} SET changed = $2, removed = $4{} WHERE organisation = $1 AND {} = $3 AND removed IS NULL",
        R::TABLE,
        wiped(R::TABLE),
        R::ID
    );
    let statement = sqlx::query(AssertSqlSafe(sql)).bind(organisation).bind(generation).bind(id).bind(at);
    if statement.execute(&mut *connection).await?.rows_affected() == 0 {
        return Err(StoreError::Missing { what: R::WHAT, name: id.to_owned() });
    }
    for sql in hanging_on(R::TABLE) {
        // Every statement names the four values, so that PostgreSQL knows the type of each.
        let statement = sqlx::query(*sql).bind(organisation).bind(generation).bind(id).bind(at);
        statement.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Secrets don't outlive their record.
fn wiped(table: &str) -> &'static str {
    match table {
        "servers" => ", sealed = coalesce(substr(sealed, 1, 0), sealed)",
        "members" => ", password = NULL",
        _ => "",
    }
}

fn hanging_on(table: &str) -> &'static [&'static str] {
    match table {
        "servers" => &[
            "UPDATE policies SET changed = $2, removed = $4 \
             WHERE organisation = $1 AND server = $3 AND removed IS NULL",
            "UPDATE grants SET changed = $2, removed = $4 WHERE organisation = $1 AND server = $3 AND removed IS NULL",
        ],
        "policies" => &["UPDATE grants SET changed = $2, policy = NULL \
             WHERE organisation = $1 AND policy = $3 AND removed IS NULL AND $4 >= 0"],
        "members" => &["UPDATE credentials SET changed = $2, removed = $4 \
             WHERE organisation = $1 AND member = $3 AND removed IS NULL"],
        _ => &[],
    }
}

/// A query for whole records.
pub(crate) fn select<R: Table>(condition: &str) -> String {
    format!("SELECT changed, removed, {} FROM {} WHERE {condition}", R::COLUMNS.join(", "), R::TABLE)
}

/// An identity as its column has it; `None` where it can't be one.
fn bind_id<'q, R: Table>(statement: Statement<'q>, id: &str) -> Option<Statement<'q>> {
    if R::NUMBERED {
        return Some(statement.bind(id.parse::<i64>().ok()?));
    }
    Some(statement.bind(id.to_owned()))
}

async fn one<R: Record>(
    connection: &mut AnyConnection,
    statement: Statement<'_>,
) -> Result<Option<Stored<R>>, StoreError> {
    statement.fetch_optional(connection).await?.map(|row| stored(&row)).transpose()
}

/// Row by row: the driver's rows take far more memory than the records.
async fn all<R: Record>(
    connection: &mut AnyConnection,
    statement: Statement<'_>,
) -> Result<Vec<Stored<R>>, StoreError> {
    let mut rows = statement.fetch(connection);
    let mut records = Vec::new();
    while let Some(row) = rows.try_next().await? {
        records.push(stored(&row)?);
    }
    Ok(records)
}

fn stored<R: Table>(row: &AnyRow) -> Result<Stored<R>, StoreError> {
    let mut values = Values::new(row, R::TABLE);
    let (changed, removed) = (values.next()?, values.next()?);
    Ok(Stored { record: R::read(&mut values)?, changed, removed })
}
