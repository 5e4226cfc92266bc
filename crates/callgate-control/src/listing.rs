//! Lists in parts, over as many servers as the caller may see.

use crate::caller::Cleared;
use crate::error::Error;
use callgate_store::{Page, Reads, Record, Server, Stored};
use std::collections::BTreeMap;

/// So many records are read at once: policy versions carry their documents.
const CHUNK: u32 = 50;

/// Which part of a list is asked for.
#[derive(Clone, Debug)]
pub struct Part {
    /// How many items at most.
    pub limit: u32,
    /// After which place it begins: [`Listed::next`] of the part before.
    pub after: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<String>,
}

/// What a list goes through, one after the other: all records, or those of single parents, in order.
pub(crate) enum Parents {
    /// All records.
    All,
    /// Those of these parents.
    Of(Vec<String>),
}

/// The names of servers, each read once.
pub(crate) struct ServerNames<'r> {
    reads: Reads<'r>,
    names: BTreeMap<String, String>,
}

impl Parents {
    /// What the caller may see: everything, or what belongs to its servers.
    pub(crate) fn visible(cleared: &Cleared<'_>) -> Self {
        if cleared.sees_all() {
            return Self::All;
        }
        let servers = cleared.caller().roles().servers.keys();
        Self::Of(servers.filter(|server| cleared.sees(server)).cloned().collect())
    }

    /// The parents from the one on where a part begins, and after which identity there.
    fn from(self, after: Option<&str>) -> Vec<(Option<String>, Option<String>)> {
        let (parent, id) = after.and_then(|after| after.split_once('/')).unwrap_or_default();
        let begin = (!id.is_empty()).then(|| id.to_owned());
        match self {
            Self::All => vec![(None, begin)],
            Self::Of(mut parents) => {
                parents.sort_unstable();
                let rest = parents.into_iter().filter(|other| other.as_str() >= parent);
                rest.map(|other| (Some(other.clone()), begin.clone().filter(|_| other == parent))).collect()
            }
        }
    }
}

impl Part {
    /// The records of this part. `key` is what their list is ordered by.
    pub(crate) async fn read<R: Record>(
        &self,
        reads: &Reads<'_>,
        parents: Parents,
        keep: impl Fn(&Stored<R>) -> bool,
        key: impl Fn(&R) -> String,
    ) -> Result<Listed<Stored<R>>, Error> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut items: Vec<Stored<R>> = Vec::new();
        let mut last = None;
        for (parent, mut after) in parents.from(self.after.as_deref()) {
            loop {
                let page = Page { parent: parent.clone(), after: after.take(), limit: CHUNK };
                let rows = reads.list::<R>(&page).await?;
                let full = rows.len() >= usize::try_from(CHUNK).unwrap_or(usize::MAX);
                after = rows.last().map(|row| key(&row.record));
                for row in rows.into_iter().filter(&keep) {
                    if items.len() == limit {
                        return Ok(Listed { items, next: last });
                    }
                    last = Some(format!("{}/{}", parent.as_deref().unwrap_or_default(), key(&row.record)));
                    items.push(row);
                }
                if !full {
                    break;
                }
            }
        }
        Ok(Listed { items, next: None })
    }
}

impl Part {
    /// The records of this part that have this name, of these parents: at most one each.
    pub(crate) async fn named<R: Record>(
        &self,
        reads: &Reads<'_>,
        mut parents: Vec<String>,
        name: &str,
    ) -> Result<Listed<Stored<R>>, Error> {
        parents.sort_unstable();
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut items = Vec::new();
        let mut last = None;
        let begin = self.after.as_deref().unwrap_or_default();
        for parent in parents.into_iter().filter(|parent| parent.as_str() > begin) {
            let Some(found) = reads.named::<R>(Some(&parent), name).await? else { continue };
            if items.len() == limit {
                return Ok(Listed { items, next: last });
            }
            items.push(found);
            last = Some(parent);
        }
        Ok(Listed { items, next: None })
    }
}

/// The identities of all servers that the caller may see.
pub(crate) async fn visible_servers(reads: &Reads<'_>, cleared: &Cleared<'_>) -> Result<Vec<String>, Error> {
    if let Parents::Of(servers) = Parents::visible(cleared) {
        return Ok(servers);
    }
    let all = Part { limit: u32::MAX, after: None };
    let listed = all.read(reads, Parents::All, |_| true, |server: &Server| server.id.clone()).await?;
    Ok(listed.items.into_iter().map(|server| server.record.id).collect())
}

impl<T> Listed<T> {
    /// The same list of other items.
    pub(crate) fn with<U>(self, items: Vec<U>) -> Listed<U> {
        Listed { items, next: self.next }
    }
}

impl<'r> ServerNames<'r> {
    pub(crate) fn new(reads: Reads<'r>) -> Self {
        Self { reads, names: BTreeMap::new() }
    }

    /// The name of the server with this identity; its identity where it is gone.
    pub(crate) async fn of(&mut self, id: &str) -> Result<String, Error> {
        if let Some(name) = self.names.get(id) {
            return Ok(name.clone());
        }
        let server = self.reads.get::<Server>(id).await?;
        let name = server.map_or_else(|| id.to_owned(), |server| server.record.name);
        self.names.insert(id.to_owned(), name.clone());
        Ok(name)
    }
}
