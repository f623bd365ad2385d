//! Jobs that grow after they were accepted.

mod add;
