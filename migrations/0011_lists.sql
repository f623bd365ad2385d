-- Jobs of a namespace newest first, and a job by its object's uid: what the HTTP API asks for. Both are of columns that never change,
-- so no update of a job costs more by them.

CREATE INDEX jobs_by_namespace ON igor.jobs (namespace, created_at, id);
CREATE INDEX jobs_by_uid ON igor.jobs (uid);
