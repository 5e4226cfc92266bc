//! Statements over many rows, for both databases.

use crate::connect::Backend;
use crate::error::StoreError;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

/// So many values one statement takes at most: under both databases' limits.
const VALUES: usize = 15_000;

/// A value of a row.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Text(String),
    Number(i64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Adds rows to a table.
pub(super) async fn insert(
    connection: &mut AnyConnection,
    backend: Backend,
    table: &str,
    columns: &[&str],
    rows: Vec<Vec<Cell>>,
) -> Result<(), StoreError> {
    let head = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    write(connection, backend, &head, "", columns.len(), rows).await
}

/// Adds the words of entries, by their numbers.
pub(super) async fn insert_words(
    connection: &mut AnyConnection,
    backend: Backend,
    table: &str,
    rows: Vec<Vec<Cell>>,
) -> Result<(), StoreError> {
    if backend == Backend::Sqlite {
        return insert(connection, backend, table, &["rowid", "words"], rows).await;
    }
    let head = format!(
        "INSERT INTO {table} (number, words) SELECT CAST(number AS BIGINT), array_to_tsvector(string_to_array(words, ' ')) \
         FROM (VALUES "
    );
    write(connection, backend, &head, ") AS rows (number, words)", 2, rows).await
}

async fn write(
    connection: &mut AnyConnection,
    backend: Backend,
    head: &str,
    tail: &str,
    width: usize,
    rows: Vec<Vec<Cell>>,
) -> Result<(), StoreError> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let some: Vec<Vec<Cell>> = rows.by_ref().take(VALUES / width.max(1)).collect();
        let mut place = 0;
        let groups: Vec<String> = some.iter().map(|row| group(row.len(), &mut place, backend)).collect();
        let sql = format!("{head}{}{tail}", groups.join(", "));
        execute(connection, &sql, some.into_iter().flatten()).await?;
    }
    Ok(())
}

/// Deletes the rows with these numbers.
pub(super) async fn delete(
    connection: &mut AnyConnection,
    backend: Backend,
    table: &str,
    column: &str,
    numbers: &[i64],
) -> Result<(), StoreError> {
    for some in numbers.chunks(VALUES) {
        let sql = format!("DELETE FROM {table} WHERE {column} IN {}", group(some.len(), &mut 0, backend));
        execute(connection, &sql, some.iter().map(|number| Cell::from(*number))).await?;
    }
    Ok(())
}

/// The rows of a selection whose `IN` takes these values, after one value that comes first.
pub(super) async fn select(
    connection: &mut AnyConnection,
    backend: Backend,
    sql: &str,
    first: Option<Cell>,
    values: Vec<Cell>,
) -> Result<Vec<AnyRow>, StoreError> {
    let mut all = Vec::new();
    for some in values.chunks(VALUES) {
        let mut place = 0;
        let one = if first.is_some() { placeholder(&mut place, backend) } else { String::new() };
        let sql = sql.replace("{first}", &one).replace("{values}", &group(some.len(), &mut place, backend));
        let cells = first.iter().cloned().chain(some.iter().cloned());
        let query = cells.fold(sqlx::query(AssertSqlSafe(sql)).persistent(false), |query, cell| match cell {
            Cell::Text(text) => query.bind(text),
            Cell::Number(number) => query.bind(number),
        });
        all.extend(query.fetch_all(&mut *connection).await?);
    }
    Ok(all)
}

async fn execute(
    connection: &mut AnyConnection,
    sql: &str,
    cells: impl Iterator<Item = Cell>,
) -> Result<(), StoreError> {
    let query = cells.fold(sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false), |query, cell| match cell {
        Cell::Text(text) => query.bind(text),
        Cell::Number(number) => query.bind(number),
    });
    query.execute(connection).await?;
    Ok(())
}

fn group(width: usize, place: &mut usize, backend: Backend) -> String {
    let places: Vec<String> = (0..width).map(|_| placeholder(place, backend)).collect();
    format!("({})", places.join(", "))
}

/// For SQLite `$1` is a name, and it looks for each among all: with thousands of values that is most of the work.
fn placeholder(place: &mut usize, backend: Backend) -> String {
    *place += 1;
    if backend == Backend::Sqlite { "?".to_owned() } else { format!("${place}") }
}
