//! Changing single values of a message in place: every other byte stays as it was.

use crate::message::{Message, MessageKind};
use crate::method::Method;
use crate::revision::META_SUBSCRIPTION_ID;
use callgate_json::{Span, Value};
use std::borrow::Cow;

/// Replaces values of a message by splicing. What the message does not have is not added.
///
/// For carrying the messages of many clients over one stdio connection: give each request an id of its own on the way
/// in, and give the client's back on the way out.
#[derive(Debug)]
pub struct Rewrite<'m, 'a> {
    message: &'m Message<'a>,
    splices: Vec<(Span, Cow<'m, [u8]>)>,
}

impl<'m, 'a> Rewrite<'m, 'a> {
    /// Starts with the message as it is.
    pub fn new(message: &'m Message<'a>) -> Self {
        Self { message, splices: Vec::new() }
    }

    /// Replaces the `id`.
    #[must_use]
    pub fn id(self, json: impl Into<Cow<'m, [u8]>>) -> Self {
        let place = self.message.tree.get("id");
        self.at(place, json)
    }

    /// Replaces the progress token: `params._meta.progressToken` of a request, `params.progressToken` of
    /// `notifications/progress`.
    #[must_use]
    pub fn progress_token(self, json: impl Into<Cow<'m, [u8]>>) -> Self {
        let place = progress_token(self.message);
        self.at(place, json)
    }

    /// Replaces `params.requestId` of `notifications/cancelled`.
    #[must_use]
    pub fn cancelled_id(self, json: impl Into<Cow<'m, [u8]>>) -> Self {
        let place = cancelled_id(self.message);
        self.at(place, json)
    }

    /// Replaces the subscription id: in `params._meta` of a notification, in `result._meta` of a response.
    #[must_use]
    pub fn subscription_id(self, json: impl Into<Cow<'m, [u8]>>) -> Self {
        let place = subscription_id(self.message);
        self.at(place, json)
    }

    /// Replaces any part of the message's tree, for example `params.requestState`.
    #[must_use]
    pub fn part(self, part: &Value<'_>, json: impl Into<Cow<'m, [u8]>>) -> Self {
        self.splice(part.span, json.into())
    }

    /// Replaces what stands at a span of the message's tree: a value, or a key with its quotes.
    #[must_use]
    pub fn at_span(self, span: Span, json: impl Into<Cow<'m, [u8]>>) -> Self {
        self.splice(span, json.into())
    }

    /// The message with its replacements; its original bytes where there are none.
    pub fn into_bytes(self) -> Cow<'a, [u8]> {
        if self.splices.is_empty() {
            return Cow::Borrowed(self.message.bytes());
        }
        let spans = self.splices.into_iter();
        let spans = spans.map(|(span, json)| (self.message.span_in_message(span), json)).collect();
        Cow::Owned(splice(self.message.bytes(), spans))
    }

    fn at(self, place: Option<&Value<'a>>, json: impl Into<Cow<'m, [u8]>>) -> Self {
        match place.map(|value| value.span) {
            Some(span) => self.splice(span, json.into()),
            None => self,
        }
    }

    fn splice(mut self, span: Span, json: Cow<'m, [u8]>) -> Self {
        self.splices.push((span, json));
        self
    }
}

impl<'a> Message<'a> {
    /// The progress token that the message carries or reports on.
    pub fn progress_token(&self) -> Option<&Value<'a>> {
        progress_token(self)
    }

    /// The id of the request that `notifications/cancelled` is about.
    pub fn cancelled_id(&self) -> Option<&Value<'a>> {
        cancelled_id(self)
    }

    /// The id of the `subscriptions/listen` request that the message belongs to.
    pub fn subscription_id(&self) -> Option<&Value<'a>> {
        subscription_id(self)
    }
}

fn progress_token<'m, 'a>(message: &'m Message<'a>) -> Option<&'m Value<'a>> {
    match message.method() {
        Method::Progress => message.params()?.get("progressToken"),
        _ => message.meta("progressToken"),
    }
}

fn cancelled_id<'m, 'a>(message: &'m Message<'a>) -> Option<&'m Value<'a>> {
    if message.method() != Method::Cancelled {
        return None;
    }
    message.params()?.get("requestId")
}

fn subscription_id<'m, 'a>(message: &'m Message<'a>) -> Option<&'m Value<'a>> {
    match message.kind() {
        MessageKind::Response => message.result()?.get("_meta")?.get(META_SUBSCRIPTION_ID),
        _ => message.meta(META_SUBSCRIPTION_ID),
    }
}

/// Replaces the spans of `bytes`. Where two overlap, the later one is left out.
pub(crate) fn splice(bytes: &[u8], mut splices: Vec<(Span, Cow<'_, [u8]>)>) -> Vec<u8> {
    splices.sort_by_key(|(span, _)| span.start);
    let mut out = Vec::with_capacity(bytes.len() + splices.iter().map(|(_, json)| json.len()).sum::<usize>());
    let mut at = 0;
    for (span, json) in splices {
        if span.start < at {
            continue;
        }
        out.extend_from_slice(bytes.get(at..span.start).unwrap_or_default());
        out.extend_from_slice(&json);
        at = span.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}
