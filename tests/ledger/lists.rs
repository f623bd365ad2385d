//! Lists: paging sees every row once, filters hold, one call looks at a bounded number of rows and goes by the index of its order.

mod jobs;
mod past;
mod plans;
mod tasks;

use igor::store::{JobFilter, JobRow, Order, Page, TaskFilter, TaskPlace, TaskRow};
use uuid::Uuid;

use crate::world::World;

/// All pages of a list of jobs, the names joined; `between` is called behind each page.
async fn all_jobs(world: &World, filter: &JobFilter, order: Order, limit: u32, mut between: impl AsyncFnMut(u32)) -> Vec<String> {
    let (mut names, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let Page { items, next } = world.store.jobs(filter, order, after, limit).await.expect("a page");
        assert!(items.len() <= usize::try_from(limit).expect("a number"));
        names.extend(items.into_iter().map(|job: JobRow| job.name));
        let Some(place) = next else { return names };
        (after, pages) = (Some(place), pages + 1);
        between(pages).await;
    }
}

/// All pages of a layer's tasks.
async fn all_tasks(world: &World, layer: Uuid, filter: &TaskFilter, order: Order, limit: u32) -> Vec<String> {
    let (mut names, mut after): (Vec<String>, Option<TaskPlace>) = (Vec::new(), None);
    loop {
        let Page { items, next } = world.store.tasks(layer, filter, order, after.as_ref(), limit).await.expect("a page");
        names.extend(items.into_iter().map(|task: TaskRow| task.name));
        let Some(place) = next else { return names };
        after = Some(place);
    }
}
