//! Queries, and lists in parts: `limit`, and a cursor that only means something to the list that gave it.

use super::ApiState;
use super::problem::Problem;
use crate::caller::Caller;
use axum::extract::{FromRequestParts, MatchedPath};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_store::Page;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How many items a list has where nothing is said, and at most.
const LIMITS: (u32, u32) = (50, 200);

/// How many bytes of the keyed hash guard a cursor.
const TAG: usize = 16;

/// The parameters of a query as `T`, which need not be strict: undeclared ones are refused before.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// Which part of a list is asked for. In the OpenAPI document: `params(PageQuery)`.
#[derive(Debug)]
pub(crate) struct Paging {
    /// How many items at most.
    pub(crate) limit: u32,
    after: Option<String>,
    seal: [u8; 32],
}

/// The parameters of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `Paging` reads them")]
pub(crate) struct PageQuery {
    /// How many items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the part before.
    #[param(pattern = "^[A-Za-z0-9_-]{22,1000}$")]
    cursor: Option<String>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// The cursor of the next part; null at the end.
    pub(crate) next: Option<String>,
}

impl Paging {
    /// After which item this part begins: what [`Paging::list`] was told.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The part of the store's list: one more than asked for, so that [`Paging::list`] sees whether it goes on.
    pub(crate) fn page(&self, parent: Option<&str>) -> Page {
        Page { parent: parent.map(str::to_owned), after: self.after.clone(), limit: self.limit.saturating_add(1) }
    }

    /// The answer: at most `limit` of these rows, shown, and a cursor where more were given. `place` says after what
    /// the next part begins.
    pub(crate) fn list<R, T>(&self, rows: Vec<R>, place: impl Fn(&R) -> String, show: impl Fn(R) -> T) -> List<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        let rows: Vec<R> = rows.into_iter().take(limit).collect();
        let next = rows.last().filter(|_| more).map(|last| self.cursor(&place(last)));
        List { items: rows.into_iter().map(show).collect(), next }
    }

    /// The cursor of what comes after a place.
    pub(crate) fn cursor(&self, place: &str) -> String {
        let mut bytes = tag(&self.seal, place.as_bytes()).to_vec();
        bytes.extend_from_slice(place.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn open(seal: &[u8; 32], cursor: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (given, place) = bytes.split_at_checked(TAG)?;
        let expected = tag(seal, place);
        let same = given.iter().zip(expected).fold(0, |different, (one, other)| different | (one ^ other)) == 0;
        String::from_utf8(place.to_vec()).ok().filter(|_| same)
    }
}

impl FromRequestParts<ApiState> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let organisation = parts.extensions.get::<Caller>().map_or("", Caller::organisation);
        // No bearer token holds a NUL, so this is no token's hash.
        let seal = state.control().inner.tokens.digest(&format!("cursor\0{organisation}\0{path}"));
        let (mut limit, mut after) = (LIMITS.0, None);
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if name == "limit" {
                let number = value.parse().ok().filter(|number| (1..=LIMITS.1).contains(number));
                limit = number.ok_or_else(|| {
                    Problem::malformed("`limit` of the query is not a number from 1 to 200", "leave it out for 50")
                })?;
            } else if name == "cursor" {
                let remedy = "send `next` of the part before as it came, to the same list";
                let place = Self::open(&seal, &value);
                after = Some(place.ok_or_else(|| Problem::malformed("`cursor` is none of this list", remedy))?);
            }
        }
        Ok(Self { limit, after, seal })
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let remedy = "`/api/v1/openapi.json` says what the parameters have to be";
        read.map(|query| Self(query.0)).map_err(|error| {
            Problem::malformed(format!("the query can't be read: {}", reason(&error.body_text())), remedy)
        })
    }
}

/// What axum says about a query, without its introduction.
fn reason(text: &str) -> String {
    super::problem::short(text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text))
}

/// What guards a place: a keyed hash, so that nobody makes places up.
fn tag(seal: &[u8; 32], place: &[u8]) -> [u8; TAG] {
    let hash = blake3::keyed_hash(seal, place);
    let mut tag = [0; TAG];
    tag.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_means_something_only_to_its_own_list() {
        let paging = |seal: &[u8]| Paging { limit: 2, after: None, seal: seal.try_into().unwrap() };
        let list = paging(&[1; 32]).list(vec!["a", "b", "c"], |row| (*row).to_owned(), str::to_uppercase);
        assert_eq!(list.items, ["A", "B"]);
        let cursor = list.next.unwrap();
        assert_eq!(Paging::open(&[1; 32], &cursor).as_deref(), Some("b"));
        assert_eq!(Paging::open(&[2; 32], &cursor), None);
        for broken in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAA", &cursor[1..]] {
            assert_eq!(Paging::open(&[1; 32], broken), None, "{broken}");
        }
        assert_eq!(paging(&[1; 32]).list(vec!["a", "b"], |row| (*row).to_owned(), str::to_uppercase).next, None);
    }
}
