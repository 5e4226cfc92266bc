//! A statement that is put together from parts. (sqlx's own builder writes `?` for every database behind `Any`.)

use crate::error::StoreError;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe};

/// A statement with its values.
pub(super) struct Sql {
    text: String,
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
        Self { text: text.into(), values: Vec::new() }
    }

    /// Adds text. Never anything that somebody sent.
    pub(super) fn push(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.text.push_str(text.as_ref());
        self
    }

    /// Adds a value.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let number = self.values.len();
        self.text.push('$');
        self.text.push_str(&number.to_string());
        self
    }

    /// Adds values in parentheses.
    pub(super) fn list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        self.text.push('(');
        for (at, value) in values.into_iter().enumerate() {
            self.text.push_str(if at == 0 { "" } else { ", " });
            self.bind(value);
        }
        self.text.push(')');
        self
    }

    fn query(self) -> Query<'static, Any, AnyArguments> {
        let query = sqlx::query(AssertSqlSafe(self.text)).persistent(false);
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        })
    }

    pub(super) async fn execute(self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        self.query().execute(connection).await?;
        Ok(())
    }

    pub(super) async fn all(self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>, StoreError> {
        Ok(self.query().fetch_all(connection).await?)
    }

    pub(super) async fn first(self, connection: &mut AnyConnection) -> Result<Option<AnyRow>, StoreError> {
        Ok(self.query().fetch_optional(connection).await?)
    }
}
