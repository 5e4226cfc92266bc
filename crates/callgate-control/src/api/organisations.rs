//! The routes of organisations, for who handles the whole instance.

use super::ApiState;
use super::answer::Answer;
use super::body::Json;
use super::members::LinkView;
use super::page::{List, PageQuery, Paging};
use super::problem::Problem;
use crate::caller::Caller;
use crate::moment;
use axum::extract::State;
use callgate_store::OrganisationRecord;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// An organisation.
#[derive(Debug, Serialize, ToSchema)]
struct OrganisationView {
    /// Its name.
    name: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrganisationNew {
    /// Its name: 1 to 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: String,
    /// The login of its first admin.
    #[serde(default)]
    #[schema(default = "admin", min_length = 1, max_length = 254)]
    admin: Option<String>,
}

/// An organisation that was made.
#[derive(Debug, Serialize, ToSchema)]
struct OrganisationMade {
    /// Its name.
    name: String,
    /// The login of its first admin.
    admin: String,
    /// Signs its first admin in, once.
    link: LinkView,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, add))
}

/// The organisations.
#[utoipa::path(
    get,
    path = "/organisations",
    tag = "organisations",
    operation_id = "organisation_list",
    params(PageQuery),
    responses((status = 200, description = "A part of them.", body = List<OrganisationView>)),
    extensions(("x-permission" = json!("manage_instance")))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    paging: Paging,
) -> Result<Answer<List<OrganisationView>>, Problem> {
    let all = state.control().organisations(&caller).await?;
    let rows = all.into_iter().filter(|row| paging.after().is_none_or(|after| row.name.as_str() > after)).collect();
    Ok(Answer::ok(paging.list(rows, |row| row.name.clone(), view)))
}

/// Makes an organisation and its first admin.
#[utoipa::path(
    post,
    path = "/organisations",
    tag = "organisations",
    operation_id = "organisation_add",
    request_body = OrganisationNew,
    responses((status = 201, description = "Made; the link is shown once.", body = OrganisationMade)),
    extensions(("x-permission" = json!("manage_instance")))
)]
async fn add(
    State(state): State<ApiState>,
    caller: Caller,
    Json(new): Json<OrganisationNew>,
) -> Result<Answer<OrganisationMade>, Problem> {
    let admin = new.admin.unwrap_or_else(|| "admin".to_owned());
    let link = state.control().add_organisation(&caller, &new.name, &admin).await?;
    let made = OrganisationMade { name: new.name, admin: crate::members::folded(&admin), link: link.into() };
    Ok(Answer::created("/api/v1/organisations".to_owned(), made))
}

fn view(record: OrganisationRecord) -> OrganisationView {
    OrganisationView { name: record.name, created: moment::rfc3339(record.created) }
}
