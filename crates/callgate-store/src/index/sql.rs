//! A statement that is put together from parts. (sqlx's own builder writes `?` for every database behind `Any`.)

use crate::error::StoreError;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe};

/// A statement with its values.
pub(super) struct Sql {
    /// The text before each value, and after the last one.
    texts: Vec<String>,
    values: Vec<Value>,
}

/// A value of a statement.
pub(super) enum Value {
    Text(String),
    Number(Option<i64>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl Sql {
    /// A statement that begins like this.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { texts: vec![text.into()], values: Vec::new() }
    }

    /// Adds text. Never anything that somebody sent.
    pub(super) fn push(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.texts.last_mut().into_iter().for_each(|last| last.push_str(text.as_ref()));
        self
    }

    /// Adds a value.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.texts.push(String::new());
        self
    }

    /// Adds values in parentheses.
    pub(super) fn list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        self.push("(");
        for (at, value) in values.into_iter().enumerate() {
            self.push(if at == 0 { "" } else { ", " }).bind(value);
        }
        self.push(")")
    }

    /// How SQLite would go about it, instead of doing it.
    #[cfg(test)]
    pub(super) fn explained(mut self) -> Self {
        self.texts.first_mut().unwrap().insert_str(0, "EXPLAIN QUERY PLAN ");
        self
    }

    fn query(self, connection: &AnyConnection) -> Query<'static, Any, AnyArguments> {
        // For SQLite `$1` is a name, and it looks for each among all: with thousands of values that is most of the work.
        let numbered = connection.backend_name() != "SQLite";
        let mut text = String::new();
        for (number, part) in self.texts.iter().enumerate() {
            match (number, numbered) {
                (0, _) => {}
                (number, true) => text.push_str(&format!("${number}")),
                (_, false) => text.push('?'),
            }
            text.push_str(part);
        }
        let query = sqlx::query(AssertSqlSafe(text)).persistent(false);
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        })
    }

    /// Runs it; how many rows it wrote.
    pub(super) async fn execute(self, connection: &mut AnyConnection) -> Result<u64, StoreError> {
        Ok(self.query(connection).execute(connection).await?.rows_affected())
    }

    pub(super) async fn all(self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>, StoreError> {
        Ok(self.query(connection).fetch_all(connection).await?)
    }

    pub(super) async fn first(self, connection: &mut AnyConnection) -> Result<Option<AnyRow>, StoreError> {
        Ok(self.query(connection).fetch_optional(connection).await?)
    }
}
