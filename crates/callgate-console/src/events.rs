//! Streams of events: the API's are read, and answered again as parts of a page.

use axum::body::{Body, BodyDataStream};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_TYPE, HeaderName};
use std::convert::Infallible;
use std::fmt::Write;

/// The longest event that is read, in bytes.
const LONGEST: usize = 4 << 20;

/// For proxies that keep answers back until they are whole.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An event of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// What it is called.
    pub(crate) name: String,
    /// What it says.
    pub(crate) data: String,
}

/// Answers a stream of the API as one of a page: `render` makes of each event what is sent (see [`part`]); nothing
/// where it is of no interest.
pub(crate) fn relay<F, R>(source: Response, render: F) -> Response
where
    F: Fn(Event) -> R + Send + 'static,
    R: Future<Output = Option<String>> + Send + 'static,
{
    let begin = (Reader::new(source.into_body()), render, true);
    let texts = stream::unfold(begin, async |(mut reader, render, is_first)| {
        if is_first {
            return Some((Ok::<_, Infallible>("retry: 1000\n\n".to_owned()), (reader, render, false)));
        }
        // A comment tells the browser's side that the stream lives.
        let text = match reader.next().await? {
            Some(event) => render(event).await.unwrap_or_else(|| ": \n\n".to_owned()),
            None => ": \n\n".to_owned(),
        };
        Some((Ok(text), (reader, render, false)))
    });
    ([(CONTENT_TYPE, "text/event-stream"), (BUFFERING, "no")], Body::from_stream(texts)).into_response()
}

/// A part of a page as an event. `id` is the identity of the element in it.
pub(crate) fn part(name: &str, id: &str, html: &str) -> String {
    let mut text = String::with_capacity(html.len() + 64);
    // Identities are made of these; a line break would make two lines of it.
    let id: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect();
    // Writing to a string can't fail.
    let _ = writeln!(text, "event: {name}\nid: {id}");
    // Every kind of line break ends a line of an event, and each line begins with the field's name.
    for line in html.trim().replace("\r\n", "\n").split(['\n', '\r']) {
        let _ = writeln!(text, "data: {line}");
    }
    text.push('\n');
    text
}

/// Takes a stream apart (HTML, section 9.2.6).
struct Reader {
    chunks: BodyDataStream,
    buffer: Vec<u8>,
}

impl Reader {
    fn new(body: Body) -> Self {
        Self { chunks: body.into_data_stream(), buffer: Vec::new() }
    }

    /// The next event; `Some(None)` for a sign of life, `None` at the end.
    async fn next(&mut self) -> Option<Option<Event>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(read(&String::from_utf8_lossy(&block)));
            }
            let chunk = self.chunks.next().await?.ok()?;
            if self.buffer.len() + chunk.len() > LONGEST {
                return None;
            }
            self.buffer.extend_from_slice(&chunk);
        }
    }
}

/// One block of lines; none where it has no data.
fn read(block: &str) -> Option<Event> {
    let mut event = Event::default();
    let mut has_data = false;
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event.name),
            "data" => {
                if has_data {
                    event.data.push('\n');
                }
                event.data.push_str(value);
                has_data = true;
            }
            _ => {}
        }
    }
    has_data.then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    #[tokio::test]
    async fn events_come_through_as_parts() {
        let chunks =
            ["retry: 5\n\nevent: a\nda", "ta: 1\ndata: 2\n\n: alive\n\nevent: b\ndata: 3\n\nevent: c\ndata: cut"];
        let body = Body::from_stream(stream::iter(chunks.map(Ok::<_, Infallible>)));
        let answer = relay(Response::new(body), async |event| {
            (event.name == "a").then(|| part("row", "x\n1", &format!("<p>{}</p>\r\n\n<b>", event.data)))
        });
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let text = to_bytes(answer.into_body(), 10_000).await.unwrap();
        let expected =
            "retry: 1000\n\n: \n\nevent: row\nid: x1\ndata: <p>1\ndata: 2</p>\ndata: \ndata: <b>\n\n: \n\n: \n\n";
        assert_eq!(String::from_utf8_lossy(&text), expected);
    }
}
