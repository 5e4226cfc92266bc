//! What is a change of the organisation: answers, and that nobody answered.

use super::row::{ApprovalRow, ApprovalState};
use super::{AT_ONCE, Answering, SEALED_AT_ONCE, WIPED};
use crate::change::Change;
use crate::error::StoreError;
use crate::store::in_time;
use crate::table::{Table, Values};
use sqlx::AssertSqlSafe;

impl Change<'_> {
    /// Answers a question that nobody has answered; of many at once, one does. `false` where it is answered or over. Its
    /// arguments are erased.
    pub async fn answer_approval(&mut self, answer: &Answering) -> Result<bool, StoreError> {
        let Answering { id, yes, by, reason, at, expires, remembered } = answer.clone();
        let digests = if remembered.is_some() { "digests" } else { "'{}'" };
        let sql = format!(
            "UPDATE approvals SET state = $3, answered_by = $4, reason = $5, answered_at = $6, expires = $7, \
             remembered = $8, changed = $9, digests = {digests}, {WIPED} \
             WHERE organisation = $1 AND id = $2 AND state = 'pending' AND expires > $6"
        );
        let state = if yes { ApprovalState::Approved } else { ApprovalState::Refused };
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(self.organisation.clone()).bind(id).bind(state.as_str());
        let statement = statement.bind(by).bind(reason).bind(at).bind(expires);
        let statement = statement.bind(remembered.as_ref().map(super::row::json)).bind(self.generation());
        let done = in_time(async { Ok(statement.execute(&mut *self.write.transaction).await?.rows_affected() > 0) });
        let done = done.await;
        self.note(done)
    }

    /// Takes a yes back that is not used up; `false` where there is none (any more).
    pub async fn revoke_approval(&mut self, id: &str, by: &str, at: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE approvals SET state = 'withdrawn', answered_by = $3, answered_at = $4, changed = $5, \
                   digests = '{}' WHERE organisation = $1 AND id = $2 AND state = 'approved' AND expires > $4";
        let statement = sqlx::query(sql).bind(self.organisation.clone()).bind(id.to_owned()).bind(by.to_owned());
        let statement = statement.bind(at).bind(self.generation());
        let done = in_time(async { Ok(statement.execute(&mut *self.write.transaction).await?.rows_affected() > 0) });
        let done = done.await;
        self.note(done)
    }

    /// Ends a question that nobody has answered, and erases its arguments. None where several calls asked it: the others
    /// may wait for it, also elsewhere, so that it stands until it is over.
    pub async fn withdraw_approval(&mut self, id: &str, at: i64) -> Result<Option<ApprovalRow>, StoreError> {
        let sql = format!(
            "UPDATE approvals SET state = 'withdrawn', answered_at = $3, changed = $4, digests = '{{}}', {WIPED} \
             WHERE organisation = $1 AND id = $2 AND state = 'pending' AND asks = 1 RETURNING {}",
            super::columns()
        );
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(self.organisation.clone()).bind(id.to_owned());
        let statement = statement.bind(at).bind(self.generation());
        let row = in_time(async { Ok(statement.fetch_optional(&mut *self.write.transaction).await?) }).await;
        let row = self.note(row)?;
        row.map(|row| ApprovalRow::read(&mut Values::new(&row, ApprovalRow::TABLE))).transpose()
    }

    /// Marks the questions that are over, at most some hundred at once, and erases their arguments.
    pub async fn expire_approvals(&mut self, now: i64) -> Result<Vec<ApprovalRow>, StoreError> {
        let sql = format!(
            "UPDATE approvals SET state = 'expired', changed = $3, digests = '{{}}', {WIPED} WHERE organisation = $1 \
             AND id IN (SELECT id FROM approvals WHERE organisation = $1 AND state = 'pending' AND expires <= $2 \
             ORDER BY expires, id LIMIT {AT_ONCE}) AND state = 'pending' RETURNING {}",
            super::columns()
        );
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(self.organisation.clone()).bind(now);
        let statement = statement.bind(self.generation());
        let rows = in_time(async { Ok(statement.fetch_all(&mut *self.write.transaction).await?) }).await;
        let rows = self.note(rows)?;
        rows.iter().map(|row| ApprovalRow::read(&mut Values::new(row, ApprovalRow::TABLE))).collect()
    }

    /// Open questions whose arguments are sealed with another key than this, at most some dozen.
    pub async fn approvals_sealed_otherwise(
        &mut self,
        version: i64,
        after: &str,
    ) -> Result<Vec<ApprovalRow>, StoreError> {
        let sql = format!(
            "SELECT {} FROM approvals WHERE organisation = $1 AND id > $2 AND state = 'pending' AND key_version <> $3 \
             ORDER BY id LIMIT {SEALED_AT_ONCE}",
            super::columns()
        );
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(self.organisation.clone()).bind(after.to_owned());
        let statement = statement.bind(version);
        let rows = in_time(async { Ok(statement.fetch_all(&mut *self.write.transaction).await?) }).await;
        let rows = self.note(rows)?;
        rows.iter().map(|row| ApprovalRow::read(&mut Values::new(row, ApprovalRow::TABLE))).collect()
    }

    /// Seals the arguments of an open question anew.
    pub async fn reseal_approval(&mut self, id: &str, (version, sealed): (i64, Vec<u8>)) -> Result<bool, StoreError> {
        let sql = "UPDATE approvals SET sealed = $3, key_version = $4 \
                   WHERE organisation = $1 AND id = $2 AND state = 'pending'";
        let statement = sqlx::query(sql).bind(self.organisation.clone()).bind(id.to_owned()).bind(sealed).bind(version);
        let done = in_time(async { Ok(statement.execute(&mut *self.write.transaction).await?.rows_affected() > 0) });
        let done = done.await;
        self.note(done)
    }
}
