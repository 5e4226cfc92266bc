//! Reading: an organisation as it is now, or all of them at one moment.

use crate::connect::Backend;
use crate::error::StoreError;
use crate::records::{OrganisationRecord, PolicyVersion};
use crate::rows;
use crate::store::{Page, Record, Store, Stored, in_time, organisations};
use sqlx::pool::PoolConnection;
use sqlx::{Any, Transaction};
use std::marker::PhantomData;

/// Reads what one organisation has.
#[derive(Debug)]
pub struct Reads<'s> {
    store: &'s Store,
    organisation: String,
}

/// Reads all organisations as they are at one moment, so that what refers to each other fits. Drop it soon.
#[derive(Debug)]
pub struct View<'s> {
    pub(crate) transaction: Transaction<'static, Any>,
    store: PhantomData<&'s Store>,
}

impl<'s> Reads<'s> {
    pub(crate) fn new(store: &'s Store, organisation: &str) -> Self {
        Self { store, organisation: organisation.to_owned() }
    }

    /// The record with this identity (version: `POLICY/NUMBER`); not a removed one.
    pub async fn get<R: Record>(&self, id: &str) -> Result<Option<Stored<R>>, StoreError> {
        in_time(async { rows::get(&mut *self.connection().await?, &self.organisation, id).await }).await
    }

    /// The record with this name (server: name; policy: name of `parent`, baseline: none; grant: live label of `parent`;
    /// member: login; version: number of `parent`).
    pub async fn named<R: Record>(&self, parent: Option<&str>, name: &str) -> Result<Option<Stored<R>>, StoreError> {
        in_time(async { rows::named(&mut *self.connection().await?, &self.organisation, parent, name).await }).await
    }

    /// A part of all records; not the removed ones.
    pub async fn list<R: Record>(&self, page: &Page) -> Result<Vec<Stored<R>>, StoreError> {
        in_time(async { rows::list(&mut *self.connection().await?, &self.organisation, page).await }).await
    }

    /// What was written or removed after a generation; everything that is there for `None`. In no order.
    pub async fn changed_since<R: Record>(&self, generation: Option<i64>) -> Result<Vec<Stored<R>>, StoreError> {
        in_time(async { rows::changed_since(&mut *self.connection().await?, &self.organisation, generation).await })
            .await
    }

    /// The versions in force of the policies that were written after a generation; of all policies for `None`.
    pub async fn in_force(&self, generation: Option<i64>) -> Result<Vec<Stored<PolicyVersion>>, StoreError> {
        in_time(async { rows::in_force(&mut *self.connection().await?, &self.organisation, generation).await }).await
    }

    /// The organisation's generation. [`StoreError::Missing`] where there is no such organisation.
    pub async fn generation(&self) -> Result<i64, StoreError> {
        in_time(async { rows::generation(&mut *self.connection().await?, &self.organisation).await }).await
    }

    pub(crate) fn organisation(&self) -> &str {
        &self.organisation
    }

    pub(crate) fn backend(&self) -> Backend {
        self.store.inner.backend
    }

    pub(crate) async fn connection(&self) -> Result<PoolConnection<Any>, StoreError> {
        Ok(self.store.inner.pool.acquire().await?)
    }
}

impl<'s> View<'s> {
    pub(crate) async fn begin(store: &'s Store) -> Result<Self, StoreError> {
        let transaction = async { Ok(store.inner.pool.begin_with(store.inner.backend.begin_view()).await?) };
        Ok(Self { transaction: in_time(transaction).await?, store: PhantomData })
    }

    /// All organisations, by name.
    pub async fn organisations(&mut self) -> Result<Vec<OrganisationRecord>, StoreError> {
        in_time(organisations(&mut self.transaction)).await
    }

    /// As [`Reads::changed_since`].
    pub async fn changed_since<R: Record>(
        &mut self,
        organisation: &str,
        generation: Option<i64>,
    ) -> Result<Vec<Stored<R>>, StoreError> {
        in_time(rows::changed_since(&mut self.transaction, organisation, generation)).await
    }

    /// As [`Reads::in_force`].
    pub async fn in_force(
        &mut self,
        organisation: &str,
        generation: Option<i64>,
    ) -> Result<Vec<Stored<PolicyVersion>>, StoreError> {
        in_time(rows::in_force(&mut self.transaction, organisation, generation)).await
    }
}
