//! What a form says.

use axum::body::{Body, to_bytes};

/// The longest form that is read, in bytes: a policy of the largest size, every character escaped.
const MAX_FORM: usize = 4 << 20;

/// The fields of a form or a query, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Reads a body; none where it is too long or breaks off.
    pub(crate) async fn read(body: Body) -> Option<Self> {
        to_bytes(body, MAX_FORM).await.ok().map(|bytes| Self::parse(&bytes))
    }

    /// The last value of a field, as typed; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The same without spaces around it; none where nothing is left.
    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        Some(self.text(name).trim()).filter(|word| !word.is_empty())
    }

    /// Whether a field was sent: a box that is ticked, the button that was pressed.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// All values of a field.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}
