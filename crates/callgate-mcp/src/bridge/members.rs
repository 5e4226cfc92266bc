//! Objects written anew, with members left out or added; those that stay keep their bytes.

use crate::message::Message;
use crate::rewrite::splice;
use callgate_json::{Span, Value, write_string};
use std::borrow::Cow;

/// An object that is being written.
#[derive(Debug)]
pub(super) struct Members(Vec<u8>);

impl Members {
    /// An object without members.
    pub(super) fn new() -> Self {
        Self(vec![b'{'])
    }

    /// Takes over the members of `object` that `keep` says yes to, as they stand in `body`. What is no object has none.
    #[must_use]
    pub(super) fn take(mut self, object: Option<&Value<'_>>, body: &[u8], keep: impl Fn(&str) -> bool) -> Self {
        for member in object.map(Value::members).unwrap_or_default() {
            if keep(&member.key) {
                let span = Span { start: member.key_span.start, end: member.value.span.end };
                self.separate();
                self.0.extend_from_slice(span.of(body));
            }
        }
        self
    }

    /// Adds a member; `json` is its value.
    #[must_use]
    pub(super) fn add(mut self, key: &str, json: &[u8]) -> Self {
        let mut text = String::with_capacity(key.len() + 3);
        write_string(key, &mut text);
        text.push(':');
        self.separate();
        self.0.extend_from_slice(text.as_bytes());
        self.0.extend_from_slice(json);
        self
    }

    /// Adds a member where there is a value.
    #[must_use]
    pub(super) fn add_some(self, key: &str, json: Option<&[u8]>) -> Self {
        match json {
            Some(json) => self.add(key, json),
            None => self,
        }
    }

    /// Whether nothing stands in it yet.
    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    /// The object as JSON.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn separate(&mut self) {
        if !self.is_empty() {
            self.0.push(b',');
        }
    }
}

/// The message with these members of its envelope replaced, or added where it has none.
pub(super) fn with_envelope<'a>(message: &Message<'a>, members: &[(&str, Cow<'_, [u8]>)]) -> Cow<'a, [u8]> {
    if members.is_empty() {
        return Cow::Borrowed(message.bytes());
    }
    let mut splices = Vec::with_capacity(members.len());
    let mut added = Vec::new();
    for (key, json) in members {
        match message.tree().get(key) {
            Some(value) => splices.push((message.span_in_message(value.span), Cow::Borrowed(&**json))),
            None => {
                added.extend_from_slice(b",\"");
                added.extend_from_slice(key.as_bytes());
                added.extend_from_slice(b"\":");
                added.extend_from_slice(json);
            }
        }
    }
    // A message has at least its `jsonrpc`, so what is added follows something.
    let end = message.bytes().len().saturating_sub(1);
    splices.push((Span { start: end, end }, Cow::Owned(added)));
    Cow::Owned(splice(message.bytes(), splices))
}
