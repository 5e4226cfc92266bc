//! Tools in the paths of pages. Browsers take `.` and `..` for steps in the path, escaped or not, so a tool of such a
//! name gets a `~` before it; and so that this takes no other tool's place, one of a name that begins with `~`, too.

use axum::RequestPartsExt;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use std::borrow::Cow;

/// A tool's name as a segment of a page's path.
pub(crate) fn tool_segment(name: &str) -> Cow<'_, str> {
    if matches!(name, "." | "..") || name.starts_with('~') {
        Cow::Owned(format!("~{name}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// The server, or entry of the catalogue, and the tool that the path of a page names.
pub(crate) struct ToolPath(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for ToolPath {
    type Rejection = PathRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PathRejection> {
        let Path((of, segment)) = parts.extract::<Path<(String, String)>>().await?;
        let tool = segment.strip_prefix('~').map(str::to_owned).unwrap_or(segment);
        Ok(Self(of, tool))
    }
}
