//! Looks for what nobody reports, one file a thing: leases of workers that are gone, types that nobody serves, jobs whose object is
//! gone.

mod differences;
mod gone;
mod leases;
mod orphans;
mod survey;

use std::collections::BTreeSet;

pub(super) use self::gone::gone;
pub(super) use self::leases::leases;
pub(super) use self::orphans::orphans;
pub(super) use self::survey::survey;
use super::Error;
use super::controller::Watched;
use super::term::Term;
use crate::queue::TypeKey;

/// One type's trouble is not the others'; only a lost fence ends the loop.
fn isolate(term: &Term, act: &'static str, done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(error) if error.is_fenced() => Err(error),
        Err(error) => {
            tracing::warn!(act, error = &error as &dyn std::error::Error, "failed, will be tried again");
            if error.is_missing_meta() {
                term.wakes.doubt();
            }
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Waits until every cache is filled; `false` = the term is over.
async fn filled(term: &Term, watched: &[Watched]) -> Result<bool, Error> {
    for part in watched {
        tokio::select! {
            () = term.stop.cancelled() => return Ok(false),
            filled = part.filled() => filled?,
        }
    }
    Ok(true)
}

/// The types whose results are read.
fn followed(term: &Term) -> BTreeSet<TypeKey> {
    term.followed.borrow().clone()
}
