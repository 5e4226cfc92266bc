//! Style sheet and scripts: files in the binary, under names that change with what is in them.

use crate::{Console, STYLE};
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Name, media type and text of each file that pages load.
const FILES: [(&str, &str, &str); 9] = [
    ("style.css", CSS, STYLE),
    ("console.js", JS, include_str!("../assets/console.js")),
    ("htmx.js", JS, include_str!("../assets/vendor/htmx.js")),
    ("policy.js", JS, include_str!("../assets/policy.js")),
    ("codemirror.css", CSS, include_str!("../assets/vendor/codemirror.css")),
    ("codemirror.js", JS, include_str!("../assets/vendor/codemirror.js")),
    ("codemirror-javascript.js", JS, include_str!("../assets/vendor/codemirror-javascript.js")),
    ("codemirror-matchbrackets.js", JS, include_str!("../assets/vendor/codemirror-matchbrackets.js")),
    ("htmx-sse.js", JS, include_str!("../assets/vendor/htmx-sse.js")),
];

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/assets/{version}/{name}", get(asset)).route("/favicon.ico", get(icon))
}

/// Where a file is: what a browser keeps is never older than the page.
pub(crate) fn href(name: &str) -> String {
    let text = FILES.iter().find(|(known, ..)| *known == name).map(|(.., text)| *text).unwrap_or_default();
    // FNV-1a: only to tell versions apart.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("/assets/{hash:016x}/{name}")
}

/// Where browsers look by themselves, on every page.
async fn icon() -> Response {
    let headers = [(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "public, max-age=86400")];
    (headers, include_str!("../assets/icon.svg")).into_response()
}

async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    let path = format!("/assets/{version}/{name}");
    match FILES.iter().find(|(known, ..)| href(known) == path) {
        Some((_, kind, text)) => {
            ([(CONTENT_TYPE, *kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")], *text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
