//! Decisions by their identities. Everything else that is asked of them is an expression: SQLite, which keeps no figures
//! about its tables, else takes an index through all decisions of an organisation or a chain for the better one.

use super::sql::Sql;

/// The decision of an organisation with this identity.
pub(super) fn one(columns: &str, id: &str, organisation: &str) -> Sql {
    let mut sql = Sql::new(format!("SELECT {columns} FROM decisions WHERE id = "));
    sql.bind(id).push(" AND (organisation || '') = ").bind(organisation).push(" LIMIT 1");
    sql
}

/// The decisions of a chain with these identities.
pub(super) fn several<'i>(columns: &str, ids: impl IntoIterator<Item = &'i String>, chain: i64) -> Sql {
    let mut sql = Sql::new(format!("SELECT {columns} FROM decisions WHERE id IN "));
    sql.list(ids).push(" AND (chain + 0) = ").bind(chain);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use crate::table::Values;

    #[tokio::test]
    async fn they_are_found_by_the_index_of_identities_however_many_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("callgate.db").display())).await.unwrap();
        let ids: Vec<String> = (0..200).map(|number| format!("d{number}")).collect();
        for sql in [one("seq", "d1", "acme"), several("seq", &ids, 1), several("seq", ids.iter().take(1), 1)] {
            let mut connection = store.reads("acme").connection().await.unwrap();
            let plan = sql.explained().all(&mut connection).await.unwrap();
            let steps: Vec<String> =
                plan.iter().map(|row| Values::new(row, "a plan").skip(3).next().unwrap()).collect();
            assert_eq!(steps, ["SEARCH decisions USING INDEX decisions_id (id=?)"]);
        }
    }
}
