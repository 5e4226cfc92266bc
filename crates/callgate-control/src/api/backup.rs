//! The route of backups.

use super::ApiState;
use super::body::Json;
use super::problem::Problem;
use crate::backup::Archives;
use crate::caller::{Caller, Permission, Scope};
use crate::error::{Error, Kind};
use axum::Extension;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// So much of an archive is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// What a backup should hold.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BackupWish {
    /// Leaves the keys out: to use the archive, they have to be kept elsewhere.
    #[serde(default)]
    without_keys: bool,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(make))
}

/// An archive of everything that the gateway knows, made while it serves.
#[utoipa::path(
    post,
    path = "/backup",
    tag = "instance",
    operation_id = "backup_make",
    request_body(content = Option<BackupWish>, description = "What it should hold."),
    responses((status = 200, description = "The archive, for `callgate restore`.", body = [u8], content_type = "application/x-tar")),
    extensions(("x-permission" = json!("manage_instance")))
)]
async fn make(
    caller: Caller,
    archives: Option<Extension<Archives>>,
    wish: Option<Json<BackupWish>>,
) -> Result<Response, Problem> {
    caller.clear(Permission::ManageInstance, Scope::Organisation)?;
    let Some(Extension(Archives(backups))) = archives else {
        return Err(failed("CG3166: this process has no data directory; ask the gateway itself").into());
    };
    let without_keys = wish.is_some_and(|Json(wish)| wish.without_keys);
    let file = backups.make(!without_keys).await.map_err(|text| failed(&text))?;
    let pieces = stream::try_unfold(tokio::fs::File::from_std(file), |mut file| async move {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn failed(text: &str) -> Error {
    let rest = text.split_once(": ").map_or(text, |(_, rest)| rest);
    let (message, remedy) = rest.split_once("; ").unwrap_or((rest, "make room, and try again"));
    Error::new(Kind::Unavailable, "CG3166", message, remedy)
}
