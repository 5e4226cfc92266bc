//! One change of one organisation: a transaction that nobody else of the organisation writes beside.

use crate::error::StoreError;
use crate::records::Definition;
use crate::rows;
use crate::store::{Page, Record, Store, Stored, in_time};
use crate::table::{Table, Values};
use sqlx::{Any, AssertSqlSafe, Transaction};
use std::marker::PhantomData;
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// One change of one organisation, not committed yet; dropped, it never was. After a write that failed it can only be
/// dropped: [`Change::commit`] refuses.
#[derive(Debug)]
pub struct Change<'s> {
    pub(crate) write: Write,
    pub(crate) organisation: String,
    generation: i64,
    position: i64,
    has_failed: bool,
    store: PhantomData<&'s Store>,
}

/// A transaction that writes, and the turn to do so.
#[derive(Debug)]
pub(crate) struct Write {
    // Stands first: it is rolled back before the turn passes on.
    pub(crate) transaction: Transaction<'static, Any>,
    turn: OwnedSemaphorePermit,
    /// Something was announced in it; whoever waits for that is woken by the commit.
    pub(crate) has_news: bool,
    news: Arc<Notify>,
}

impl Write {
    pub(crate) fn new(transaction: Transaction<'static, Any>, turn: OwnedSemaphorePermit, news: Arc<Notify>) -> Self {
        Self { transaction, turn, has_news: false, news }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let Self { transaction, turn, has_news, news } = self;
        let done = in_time(async { Ok(transaction.commit().await?) }).await;
        drop(turn);
        if has_news {
            news.notify_one();
        }
        done
    }
}

impl<'s> Change<'s> {
    pub(crate) async fn begin(store: &'s Store, organisation: &str) -> Result<Self, StoreError> {
        let mut write = store.write().await?;
        // The first statement locks the organisation's row: in PostgreSQL the other changes wait here.
        let sql = "UPDATE organisations SET generation = generation + 1 WHERE name = $1 RETURNING generation";
        let row = sqlx::query(sql).bind(organisation).fetch_optional(&mut *write.transaction);
        let row = in_time(async { Ok(row.await?) }).await?;
        let organisation = organisation.to_owned();
        let Some(row) = row else {
            return Err(StoreError::Missing { what: "organisation", name: organisation });
        };
        let generation = Values::new(&row, "organisations").next()?;
        Ok(Self { write, organisation, generation, position: 0, has_failed: false, store: PhantomData })
    }

    /// The generation that this change makes.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// As [`Reads::get`](crate::Reads::get), within the change.
    pub async fn get<R: Record>(&mut self, id: &str) -> Result<Option<Stored<R>>, StoreError> {
        in_time(rows::get(&mut self.write.transaction, &self.organisation, id)).await
    }

    /// As [`Reads::named`](crate::Reads::named), within the change.
    pub async fn named<R: Record>(
        &mut self,
        parent: Option<&str>,
        name: &str,
    ) -> Result<Option<Stored<R>>, StoreError> {
        in_time(rows::named(&mut self.write.transaction, &self.organisation, parent, name)).await
    }

    /// As [`Reads::list`](crate::Reads::list), within the change.
    pub async fn list<R: Record>(&mut self, page: &Page) -> Result<Vec<Stored<R>>, StoreError> {
        in_time(rows::list(&mut self.write.transaction, &self.organisation, page)).await
    }

    /// As [`Reads::changed_since`](crate::Reads::changed_since), within the change.
    pub async fn changed_since<R: Record>(&mut self, generation: Option<i64>) -> Result<Vec<Stored<R>>, StoreError> {
        in_time(rows::changed_since(&mut self.write.transaction, &self.organisation, generation)).await
    }

    /// Adds a record. [`StoreError::Taken`] where its name is, [`StoreError::SecretTaken`] where its token is.
    pub async fn insert<R: Record>(&mut self, record: &R) -> Result<(), StoreError> {
        let done =
            in_time(rows::insert(&mut self.write.transaction, &self.organisation, self.generation, record)).await;
        self.note(done)
    }

    /// Writes a record that is there. [`StoreError::Taken`] where its new name is, [`StoreError::Missing`] where it is
    /// not there. Versions never change.
    pub async fn update<R: Record>(&mut self, record: &R) -> Result<(), StoreError> {
        let done =
            in_time(rows::update(&mut self.write.transaction, &self.organisation, self.generation, record)).await;
        self.note(done)
    }

    /// Removes a record and what hangs on it (a server's policies and grants, a member's credentials); grants lose a
    /// policy that is removed. Sealed secrets and passwords are wiped; versions stay, for the decisions made with them.
    pub async fn remove<R: Record>(&mut self, id: &str, at: i64) -> Result<(), StoreError> {
        let transaction = &mut self.write.transaction;
        let done = in_time(rows::remove::<R>(transaction, &self.organisation, self.generation, id, at)).await;
        self.note(done)
    }

    /// Writes what a tool is pinned as, also where it was forgotten before.
    pub async fn put_definition(&mut self, definition: &Definition) -> Result<(), StoreError> {
        let columns = Definition::COLUMNS;
        let places: Vec<String> = (3..columns.len() + 3).map(|place| format!("${place}")).collect();
        let set: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let sql = format!(
            "INSERT INTO definitions (organisation, changed, {}) VALUES ($1, $2, {}) \
             ON CONFLICT (organisation, server, tool) DO UPDATE SET changed = excluded.changed, removed = NULL, {}",
            columns.join(", "),
            places.join(", "),
            set.join(", ")
        );
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(self.organisation.clone()).bind(self.generation);
        let done = definition.bind(statement).execute(&mut *self.write.transaction);
        let done = in_time(async { Ok(done.await.map(drop)?) }).await;
        self.note(done)
    }

    /// Forgets what the tools of a server are pinned as, once the server is removed: who follows the generations sees the
    /// server go.
    pub async fn forget_definitions(&mut self, server: &str) -> Result<(), StoreError> {
        let statement = sqlx::query("DELETE FROM definitions WHERE organisation = $1 AND server = $2");
        let done = statement.bind(&self.organisation).bind(server).execute(&mut *self.write.transaction);
        let done = in_time(async { Ok(done.await.map(drop)?) }).await;
        self.note(done)
    }

    /// Leaves the journal's copy of this change; several are kept in order.
    pub async fn record(&mut self, body: String) -> Result<(), StoreError> {
        let sql = "INSERT INTO outbox (organisation, generation, position, body) VALUES ($1, $2, $3, $4)";
        let statement = sqlx::query(sql).bind(&self.organisation).bind(self.generation).bind(self.position).bind(body);
        let done = statement.execute(&mut *self.write.transaction);
        let done = in_time(async { Ok(done.await.map(drop)?) }).await;
        self.position += 1;
        self.note(done)
    }

    /// Makes it so.
    pub async fn commit(self) -> Result<(), StoreError> {
        if self.has_failed {
            return Err(StoreError::failed("a step of this change failed before"));
        }
        self.write.commit().await
    }

    /// PostgreSQL ends a transaction with its first error; SQLite has to do the same.
    pub(crate) fn note<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        self.has_failed |= done.is_err();
        done
    }
}
