//! `/api/v2`: jobs, layers and tasks by their names, what happened to them, who works, and verbs on sets of tasks.
//!
//! A job is addressed by namespace and name, the newest of that name; or by its object's uid, also when it was deleted, to look back.
//! Lists come in pages behind a place ([`asked`]); what is shown is in [`shown`]; [`found`] turns an address into rows, and asks
//! whether the caller may see them. The OpenAPI document ([`document`]) is made from these types.

mod answered;
mod asked;
mod bulk;
mod create;
mod document;
mod found;
mod jobs;
mod layers;
mod past;
mod shown;
mod steer;
mod tasks;
mod why;
mod work;

use axum::http::Method;

pub(super) use self::document::openapi;
use super::auth::Need;
use super::route::Route;

/// What there is to see of a job, below its address.
macro_rules! of_job {
    ($job:literal) => {
        [
            Route::new(&Method::GET, $job, Need::Get, jobs::get),
            Route::new(&Method::GET, concat!($job, "/why"), Need::Get, why::of_job),
            Route::new(&Method::GET, concat!($job, "/transitions"), Need::Get, past::of_job),
            Route::new(&Method::GET, concat!($job, "/commands"), Need::Get, past::commands),
            Route::new(&Method::GET, concat!($job, "/layers"), Need::Get, layers::list),
            Route::new(&Method::GET, concat!($job, "/layers/{layer}"), Need::Get, layers::get),
            Route::new(&Method::GET, concat!($job, "/layers/{layer}/why"), Need::Get, why::of_layer),
            Route::new(&Method::GET, concat!($job, "/layers/{layer}/transitions"), Need::Get, past::of_layer),
            Route::new(&Method::GET, concat!($job, "/layers/{layer}/tasks"), Need::Get, tasks::list),
            Route::new(&Method::GET, concat!($job, "/layers/{layer}/tasks/{task}"), Need::Get, tasks::get),
            Route::new(&Method::GET, concat!($job, "/layers/{layer}/tasks/{task}/why"), Need::Get, why::of_task),
            Route::new(&Method::GET, concat!($job, "/layers/{layer}/tasks/{task}/attempts"), Need::Get, past::attempts),
            Route::new(&Method::GET, concat!($job, "/layers/{layer}/tasks/{task}/transitions"), Need::Get, past::of_task),
        ]
    };
}

/// Every route, with what its caller must be allowed to do.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::new(&Method::GET, "/api/v2/jobs", Need::List, jobs::list),
        Route::new(&Method::GET, "/api/v2/types", Need::List, work::types),
        Route::new(&Method::GET, "/api/v2/queues", Need::List, work::queues),
        Route::new(&Method::GET, "/api/v2/workers", Need::List, work::workers),
        Route::new(&Method::GET, "/api/v2/namespaces/{namespace}/jobs", Need::List, jobs::list_of_namespace),
        Route::new(&Method::POST, "/api/v2/namespaces/{namespace}/jobs", Need::Create, create::create),
        Route::new(&Method::GET, "/api/v2/namespaces/{namespace}/types", Need::List, work::types_of),
        Route::new(&Method::GET, "/api/v2/namespaces/{namespace}/queues", Need::List, work::queues_of),
        Route::new(&Method::GET, "/api/v2/namespaces/{namespace}/workers", Need::List, work::workers_of),
        // The last part is a name and a verb, as in `nightly:retry`.
        Route::new(&Method::POST, "/api/v2/namespaces/{namespace}/jobs/{job}", Need::Patch, steer::job),
        Route::new(&Method::POST, "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}", Need::Patch, steer::layer),
        Route::new(&Method::POST, "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks/{task}", Need::Patch, steer::task),
        Route::new(&Method::POST, "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks:bulk", Need::Patch, bulk::add).streamed(),
    ];
    routes.extend(of_job!("/api/v2/namespaces/{namespace}/jobs/{job}"));
    routes.extend(of_job!("/api/v2/jobs/{uid}"));
    routes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_stands_in_the_document_and_nothing_else() {
        let both = routes().into_iter().chain(super::super::v1::routes());
        let routes: BTreeSet<(String, String)> =
            both.map(|route| route.address()).map(|(method, path)| (method, path.to_owned())).collect();
        let document = openapi();
        let paths = document["paths"].as_object().expect("paths").iter();
        let documented: BTreeSet<(String, String)> = paths
            .flat_map(|(path, operations)| {
                operations.as_object().expect("operations").keys().map(|method| (method.clone(), path.replace(":{verb}", "")))
            })
            .collect();
        assert_eq!(documented, routes);
    }
}
