//! A request's body, within its limits of size and time.

use crate::errors::Cause;
use crate::exchange::is_type;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;

/// Checks what the headers say about the body: plain JSON, in one reading.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Cause> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(Cause::ContentEncoding);
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_json = types.next().is_some_and(|value| is_type(value.as_bytes(), b"application/json"));
    let plain = headers.get(CONTENT_TYPE).is_none_or(is_utf8);
    if is_json && plain && types.next().is_none() { Ok(()) } else { Err(Cause::ContentType) }
}

/// No charset, or the one that JSON has.
fn is_utf8(value: &HeaderValue) -> bool {
    let value = value.to_str().unwrap_or("charset=?").to_ascii_lowercase();
    match value.split_once("charset=") {
        None => true,
        Some((_, charset)) => matches!(charset.trim_matches(['"', ' ']), "utf-8" | "utf8"),
    }
}

/// Of a body that is too large, so much is read and thrown away: a client that is still sending hears the refusal only
/// when it has sent everything.
const DISCARDED: usize = 32 << 20;

/// Reads the body. One that arrived in one piece is not copied.
pub(super) async fn read(mut body: Incoming, limit: usize, wait: Duration) -> Result<Bytes, Cause> {
    let announced = body.size_hint().lower();
    let read = async {
        if announced > limit as u64 {
            return Err(Cause::BodyTooLarge(limit));
        }
        collect(&mut body, limit).await
    };
    let until = tokio::time::Instant::now() + wait;
    let read = match tokio::time::timeout_at(until, read).await {
        Ok(read) => read,
        Err(_) => return Err(Cause::BodyTooSlow(wait)),
    };
    if matches!(read, Err(Cause::BodyTooLarge(_))) && announced <= DISCARDED as u64 {
        // Whatever comes of it, the body is refused.
        let _ = tokio::time::timeout_at(until, discard(&mut body)).await;
    }
    read
}

async fn discard(body: &mut Incoming) {
    let mut discarded = 0;
    while let Ok(Some(more)) = piece(body).await {
        discarded += more.len();
        if discarded > DISCARDED {
            return;
        }
    }
}

async fn collect(body: &mut Incoming, limit: usize) -> Result<Bytes, Cause> {
    let Some(first) = piece(body).await? else { return Ok(Bytes::new()) };
    if body.is_end_stream() && first.len() <= limit {
        return Ok(first);
    }
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(limit).min(limit);
    let mut all = BytesMut::with_capacity(first.len() + expected);
    all.extend_from_slice(&first);
    while let Some(next) = piece(body).await? {
        if all.len() + next.len() > limit {
            return Err(Cause::BodyTooLarge(limit));
        }
        all.extend_from_slice(&next);
    }
    if all.len() > limit { Err(Cause::BodyTooLarge(limit)) } else { Ok(all.freeze()) }
}

async fn piece(body: &mut Incoming) -> Result<Option<Bytes>, Cause> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Cause::BodyBroken),
            // Trailers are no part of a message.
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(_) => continue,
            },
        }
    }
}
