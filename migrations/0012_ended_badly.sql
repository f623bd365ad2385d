-- What failed or was left out is asked for among all tasks of a day or of ever, and tasks have no index by status, which would cost each
-- of their changes. The audit is append-only: of it, an index over these rows alone costs the others nothing.

CREATE INDEX transitions_ended_badly ON igor.transitions (task_id, created_at) WHERE "to" IN ('ERRORED', 'SKIPPED');
