//! What a form says.

use axum::body::{Body, to_bytes};

/// The longest form that is read, in bytes: a policy of the largest size, every character escaped.
const MAX_FORM: usize = 4 << 20;

/// The fields of a form or a query, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// A form with these fields.
    pub(crate) fn of<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

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

    /// The fields of one part of a form, which are named `PART.FIELD`, without that prefix; the fields of `button` before
    /// them, which say what is to be done with them.
    pub(crate) fn part(&self, part: &str, button: &Self) -> Self {
        let own = self.0.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(part)?.strip_prefix('.')?;
            Some((name.to_owned(), value.clone()))
        });
        let own = own.collect::<Vec<_>>();
        Self(button.0.iter().cloned().chain(own).collect())
    }

    /// The fields as a query.
    pub(crate) fn query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// All values of a field.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_form_has_its_own_fields_and_those_of_its_button() {
        let form = Form::parse(b"t1.path=args.a&t10.path=no&t1.c1.path=also&path=no&t1.op=eq");
        let part = form.part("t1", &Form::parse(b"action=edit&op=before"));
        assert_eq!((part.text("path"), part.text("op"), part.text("action")), ("args.a", "eq", "edit"));
        assert_eq!(part.text("c1.path"), "also");
        assert_eq!(Form::of([("a", "x y&".to_owned())]).query(), "a=x+y%26");
    }
}
