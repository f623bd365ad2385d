//! A moment as the ledger and Rust both have it: unix milliseconds, `timestamptz` in SQL.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef, Postgres};
use sqlx::{Decode, Encode, Type};
use uuid::Uuid;

use crate::core::id;

/// Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(pub(super) i64);

/// Microseconds from the unix epoch to 2000-01-01, where Postgres counts from.
const EPOCH_US: i64 = 946_684_800_000_000;

impl Time {
    /// The creation time of the job that `id` belongs to.
    pub(super) fn of(id: Uuid) -> Self {
        Self(id::created_ms(id))
    }

    /// Now, by this process's clock.
    pub(super) fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }
}

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1184))
    }

    fn compatible(found: &PgTypeInfo) -> bool {
        found.oid() == Some(Oid(1184))
    }
}

impl PgHasArrayType for Time {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1185))
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let since_2000 = self.0.checked_mul(1000).and_then(|us| us.checked_sub(EPOCH_US)).ok_or("a time beyond the calendar")?;
        Encode::<Postgres>::encode_by_ref(&since_2000, buffer)
    }

    fn size_hint(&self) -> usize {
        size_of::<i64>()
    }
}

impl Decode<'_, Postgres> for Time {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        if value.format() == PgValueFormat::Text {
            return Err("a time in text form".into());
        }
        let since_2000 = <i64 as Decode<Postgres>>::decode(value)?;
        Ok(Self((since_2000 + EPOCH_US).div_euclid(1000)))
    }
}

/// The creation times that a statement has to do with, and their bounds: every partitioned table in every statement is told them,
/// or it would look at each day.
#[derive(Clone, Debug)]
pub(super) struct Days {
    /// One for each id, in the same order.
    pub(super) each: Vec<Time>,
    /// The first.
    pub(super) lo: Time,
    /// The last.
    pub(super) hi: Time,
}

impl Days {
    /// Those of `ids`.
    pub(super) fn of(ids: &[Uuid]) -> Self {
        let each: Vec<Time> = ids.iter().map(|id| Time::of(*id)).collect();
        let lo = each.iter().min().copied().unwrap_or(Time(0));
        let hi = each.iter().max().copied().unwrap_or(Time(0));
        Self { each, lo, hi }
    }
}
