//! The invariants hold after each test.

use crate::support::laws;
use crate::world::World;

impl World {
    /// Fails, naming the laws and the first rows that break them.
    pub(crate) async fn check(&self) {
        let broken = laws::broken(&self.database.pool).await;
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

/// A checker that never fails is not to be trusted.
#[tokio::test]
async fn the_checks_notice_a_miscount_and_a_change_without_audit() {
    use crate::world::{array, layer, object, plan};
    let world = World::new().await;
    world.accept(&object("j"), &plan(vec![layer("a", 0, vec![array("t", 3)])])).await;
    world.check().await;
    for sabotage in [
        "UPDATE igor.layers SET n_pending = 2, n_queued = 1",
        "UPDATE igor.tasks SET status = 'COMPLETED'",
        "UPDATE igor.layers SET run = 2",
        "UPDATE igor.layer_types SET next_ordinal = 2",
        "DELETE FROM igor.live_jobs",
    ] {
        let found = {
            let world = World::new().await;
            world.accept(&object("j"), &plan(vec![layer("a", 0, vec![array("t", 3)])])).await;
            sqlx::query(sabotage).execute(&world.database.pool).await.expect("sabotage");
            tokio::spawn(async move { world.check().await }).await
        };
        assert!(found.is_err(), "not noticed: {sabotage}");
    }
}
