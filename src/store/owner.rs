//! Whose ledger this is, and which leader may write to it.

use uuid::Uuid;

use super::connect::{Act, Store, lasting, within};
use super::error::Error;
use super::facts::Epoch;

impl Store {
    /// Claims an unclaimed ledger for the cluster, and gives the install's id; Redis is to hold the same.
    ///
    /// A ledger of another cluster is refused, unless it is to be adopted.
    pub async fn install(&self, cluster: &str, adopt: bool) -> Result<Uuid, Error> {
        let act = "claim the ledger";
        within(act, async {
            let mut transaction = self.begin(act, None).await?;
            sqlx::query!("INSERT INTO igor.install (id, cluster_id) VALUES (gen_random_uuid(), $1) ON CONFLICT DO NOTHING", cluster)
                .execute(&mut *transaction)
                .await
                .act(act)?;
            let row =
                sqlx::query!("SELECT id, cluster_id FROM igor.install FOR NO KEY UPDATE").fetch_one(&mut *transaction).await.act(act)?;
            if row.cluster_id != cluster {
                if !adopt {
                    return Err(Error::OtherInstall { owner: row.cluster_id, cluster: cluster.to_owned() });
                }
                sqlx::query!("UPDATE igor.install SET cluster_id = $1", cluster).execute(&mut *transaction).await.act(act)?;
            }
            transaction.commit().await.act(act)?;
            Ok(row.id)
        })
        .await
    }

    /// A new leader begins: from now on the writes of earlier ones are refused.
    ///
    /// The number is at least the moment in unix milliseconds: a ledger that was restored to an earlier moment must not count below the owner
    /// that Redis remembers of the time since.
    pub async fn bump_epoch(&self) -> Result<Epoch, Error> {
        let act = "begin to lead";
        within(act, async {
            let bump = sqlx::query_scalar!(
                "UPDATE igor.epoch SET since = statement_timestamp(),
                                       number = greatest(number + 1, (extract(epoch FROM statement_timestamp()) * 1000)::int8)
                 RETURNING number"
            );
            lasting(act, bump.fetch_one(&self.writer)).await.map(Epoch).act(act)
        })
        .await
    }
}
