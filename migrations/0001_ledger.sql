-- The ledger: every job, layer, task, attempt and transition, kept for ever, one partition a UTC day.
--
-- Every row of a job carries the job's creation time, so a job lies in one day, and every id yields that time. No default
-- partition, no foreign keys, no triggers. Hot days have no index on status or updated_at: it would cost the HOT updates.
-- Everything is schema-qualified; a released file is never edited.

CREATE SCHEMA IF NOT EXISTS igor;
COMMENT ON SCHEMA igor IS 'The ledger of Igor: the truth about every job, layer and task.';

CREATE TYPE igor.status AS ENUM ('PENDING', 'QUEUED', 'RUNNING', 'COMPLETED', 'ERRORED', 'SKIPPED');
COMMENT ON TYPE igor.status IS 'Where a task, a layer or a job stands. Layers and jobs never are QUEUED.';

CREATE TABLE igor.jobs (
    created_at      timestamptz NOT NULL,
    id              uuid NOT NULL,
    uid             text NOT NULL,
    namespace       text NOT NULL,
    name            text NOT NULL,
    title           text NOT NULL,
    status          igor.status NOT NULL DEFAULT 'PENDING',
    reason          text,
    version         int8 NOT NULL DEFAULT 1,
    paused_at       timestamptz,
    paused_by       text,
    gate            text,
    deleted_at      timestamptz,
    expired_at      timestamptz,
    started_at      timestamptz,
    finished_at     timestamptz,
    loaded_at       timestamptz,
    updated_at      timestamptz NOT NULL DEFAULT statement_timestamp(),
    queue           text NOT NULL,
    lane            int2 NOT NULL CHECK (lane BETWEEN 0 AND 2),
    max_in_flight   int4 CHECK (max_in_flight >= 0),
    on_failure      text NOT NULL CHECK (on_failure IN ('Hold', 'Continue')),
    deadline_s      int8 CHECK (deadline_s > 0),
    paused_s        int8 NOT NULL DEFAULT 0 CHECK (paused_s >= 0),
    backoff_initial int8 NOT NULL CHECK (backoff_initial >= 0),
    backoff_max     int8 NOT NULL CHECK (backoff_max >= 0),
    generation      int8 NOT NULL,
    level           jsonb NOT NULL DEFAULT '{}',
    origin          text NOT NULL,
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX jobs_by_name ON igor.jobs (namespace, name, created_at);

CREATE TABLE igor.layers (
    created_at    timestamptz NOT NULL,
    id            uuid NOT NULL,
    job_id        uuid NOT NULL,
    name          text NOT NULL,
    title         text NOT NULL,
    ordinal       int4 NOT NULL,
    priority      int4 NOT NULL,
    status        igor.status NOT NULL DEFAULT 'PENDING',
    reason        text,
    run           int4 NOT NULL DEFAULT 0,
    version       int8 NOT NULL DEFAULT 1,
    paused_at     timestamptz,
    paused_by     text,
    gate          text,
    level         jsonb NOT NULL DEFAULT '{}',
    started_at    timestamptz,
    finished_at   timestamptz,
    updated_at    timestamptz NOT NULL DEFAULT statement_timestamp(),
    max_in_flight int4 CHECK (max_in_flight >= 0),
    n_expected    int4 NOT NULL CHECK (n_expected >= 0),
    n_loaded      int4 NOT NULL DEFAULT 0 CHECK (n_loaded >= 0),
    spec_len      int4 NOT NULL CHECK (spec_len >= 0),
    spec_hash     bytea NOT NULL,
    n_pending     int4 NOT NULL DEFAULT 0 CHECK (n_pending >= 0),
    n_queued      int4 NOT NULL DEFAULT 0 CHECK (n_queued >= 0),
    n_running     int4 NOT NULL DEFAULT 0 CHECK (n_running >= 0),
    n_completed   int4 NOT NULL DEFAULT 0 CHECK (n_completed >= 0),
    n_errored     int4 NOT NULL DEFAULT 0 CHECK (n_errored >= 0),
    n_skipped     int4 NOT NULL DEFAULT 0 CHECK (n_skipped >= 0),
    n_retried     int4 NOT NULL DEFAULT 0 CHECK (n_retried >= 0),
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX layers_by_job ON igor.layers (job_id);

-- Tasks are found by id alone: all tasks of a job share their created_at, and an index that leads with it invites a plan that walks
-- the whole job, as soon as statistics are older than the job. Ids begin with the time, so newest first is by id.
CREATE TABLE igor.tasks (
    created_at   timestamptz NOT NULL,
    id           uuid NOT NULL,
    job_id       uuid NOT NULL,
    layer_id     uuid NOT NULL,
    ordinal      int4 NOT NULL,
    ix           int4,
    type         text NOT NULL,
    name         text NOT NULL,
    title        text,
    status       igor.status NOT NULL DEFAULT 'PENDING',
    prev_status  igor.status,
    reason       text,
    version      int4 NOT NULL DEFAULT 1,
    attempt      int4 NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    failures     int4 NOT NULL DEFAULT 0 CHECK (failures >= 0),
    lost         int4 NOT NULL DEFAULT 0 CHECK (lost >= 0),
    max_failures int4 NOT NULL CHECK (max_failures > 0),
    timeout_ms   int8 CHECK (timeout_ms > 0),
    paused_at    timestamptz,
    updated_at   timestamptz NOT NULL DEFAULT statement_timestamp(),
    args         bytea,
    args_id      uuid,
    message      text,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX tasks_by_layer ON igor.tasks (layer_id, type, ordinal);

CREATE TABLE igor.task_args (
    created_at timestamptz NOT NULL,
    args_id    uuid NOT NULL,
    bytes      bytea NOT NULL,
    PRIMARY KEY (created_at, args_id)
) PARTITION BY RANGE (created_at);

CREATE TABLE igor.transitions (
    created_at timestamptz NOT NULL,
    task_id    uuid NOT NULL,
    layer_id   uuid,
    "from"     igor.status NOT NULL,
    "to"       igor.status NOT NULL,
    attempt    int4,
    version    int8 NOT NULL,
    run        int4,
    at         timestamptz NOT NULL DEFAULT statement_timestamp(),
    actor      text NOT NULL,
    reason     text,
    command_id uuid
) PARTITION BY RANGE (created_at);
CREATE INDEX transitions_by_task ON igor.transitions (task_id);

CREATE TABLE igor.commands (
    created_at   timestamptz NOT NULL,
    id           uuid NOT NULL,
    job_id       uuid NOT NULL,
    verb         text NOT NULL CHECK (verb IN ('pause', 'unpause', 'kill', 'skip', 'retry', 'delete')),
    selector     text NOT NULL,
    actor        text NOT NULL,
    reason       text,
    at           timestamptz NOT NULL DEFAULT statement_timestamp(),
    done_at      timestamptz,
    next_ordinal int4 NOT NULL DEFAULT 0 CHECK (next_ordinal >= 0),
    matched      int4 NOT NULL DEFAULT 0 CHECK (matched >= 0),
    changed      int4 NOT NULL DEFAULT 0 CHECK (changed >= 0),
    PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX commands_by_job ON igor.commands (job_id);

CREATE TABLE igor.live_jobs (
    job_id      uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL,
    uid         text NOT NULL,
    namespace   text NOT NULL,
    name        text NOT NULL,
    deadline_at timestamptz,
    dirty       bool NOT NULL DEFAULT false
);
CREATE INDEX live_jobs_dirty ON igor.live_jobs (job_id) WHERE dirty;

CREATE TABLE igor.layer_types (
    layer_id     uuid NOT NULL,
    type         text NOT NULL,
    job_id       uuid NOT NULL,
    created_at   timestamptz NOT NULL,
    queue        text NOT NULL,
    next_ordinal int4 NOT NULL CHECK (next_ordinal >= 0),
    total        int4 NOT NULL CHECK (total >= 0),
    PRIMARY KEY (layer_id, type)
) WITH (fillfactor = 50);
CREATE INDEX layer_types_by_job ON igor.layer_types (job_id);

CREATE TABLE igor.requeue (
    task_id    uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    layer_id   uuid NOT NULL,
    type       text NOT NULL,
    not_before timestamptz NOT NULL
);
CREATE INDEX requeue_due ON igor.requeue (layer_id, type, not_before);

CREATE TABLE igor.outbox (
    seq        int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       "char" NOT NULL CHECK (kind IN ('E', 'K', 'R')),
    task_id    uuid,
    layer_id   uuid,
    job_id     uuid,
    created_at timestamptz NOT NULL,
    attempt    int4,
    CHECK (num_nonnulls(task_id, layer_id, job_id) = 1)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_insert_threshold = -1);

CREATE TABLE igor.epoch (
    one_row bool PRIMARY KEY DEFAULT true CHECK (one_row),
    number  int8 NOT NULL,
    since   timestamptz NOT NULL DEFAULT statement_timestamp()
);
INSERT INTO igor.epoch (number) VALUES (0);

CREATE TABLE igor.install (
    one_row    bool PRIMARY KEY DEFAULT true CHECK (one_row),
    id         uuid NOT NULL,
    cluster_id text NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT statement_timestamp()
);

CREATE TABLE igor.days (
    day     date PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT statement_timestamp()
);

-- The words for people who read the schema.

COMMENT ON TABLE igor.jobs IS 'Workflows: one row for each accepted IgorJob object.';
COMMENT ON COLUMN igor.jobs.created_at IS 'Creation of the object; the day of everything that belongs to the job.';
COMMENT ON COLUMN igor.jobs.id IS 'Creation time and a hash of the uid, in the shape of a uuid v7.';
COMMENT ON COLUMN igor.jobs.uid IS 'The object''s uid in Kubernetes: the idempotency key.';
COMMENT ON COLUMN igor.jobs.namespace IS 'The object''s namespace.';
COMMENT ON COLUMN igor.jobs.name IS 'The object''s name; later objects may have the same.';
COMMENT ON COLUMN igor.jobs.title IS 'For people.';
COMMENT ON COLUMN igor.jobs.status IS 'PENDING until the first layer opens; ERRORED without finished_at = held by an errored layer.';
COMMENT ON COLUMN igor.jobs.reason IS 'Why it stands so: TaskFailures, Killed, DeadlineExceeded, Deleted.';
COMMENT ON COLUMN igor.jobs.version IS 'The etag: moves with status or pause, each with a row in transitions.';
COMMENT ON COLUMN igor.jobs.paused_at IS 'Since when nothing new is dispatched.';
COMMENT ON COLUMN igor.jobs.paused_by IS 'Who paused: spec, annotation, restore, or a name.';
COMMENT ON COLUMN igor.jobs.gate IS 'The large command at work on it: nothing is dispatched, nothing completes.';
COMMENT ON COLUMN igor.jobs.deleted_at IS 'When the object was found gone.';
COMMENT ON COLUMN igor.jobs.expired_at IS 'When its time to live was over; the object is deleted after this is set.';
COMMENT ON COLUMN igor.jobs.started_at IS 'When the first layer opened.';
COMMENT ON COLUMN igor.jobs.finished_at IS 'When it ended; null again when a retry re-opens it.';
COMMENT ON COLUMN igor.jobs.loaded_at IS 'When the last task''s row was in: the job is accepted.';
COMMENT ON COLUMN igor.jobs.updated_at IS 'Last write to this row.';
COMMENT ON COLUMN igor.jobs.queue IS 'Which workers, as the spec names it; in Redis <namespace>.<queue> unless it is shared.';
COMMENT ON COLUMN igor.jobs.lane IS '0 high, 1 normal, 2 low.';
COMMENT ON COLUMN igor.jobs.max_in_flight IS 'Most tasks queued and running at once; null = no limit.';
COMMENT ON COLUMN igor.jobs.on_failure IS 'Hold: an errored layer waits for a person. Continue: later layers run.';
COMMENT ON COLUMN igor.jobs.deadline_s IS 'Seconds from the first start until it is killed, paused time not counted.';
COMMENT ON COLUMN igor.jobs.paused_s IS 'Seconds it was paused since it started, without the pause that lasts.';
COMMENT ON COLUMN igor.jobs.backoff_initial IS 'Milliseconds to wait after a first failure.';
COMMENT ON COLUMN igor.jobs.backoff_max IS 'Milliseconds to wait at most.';
COMMENT ON COLUMN igor.jobs.generation IS 'Generation of the object whose live fields are in this row.';
COMMENT ON COLUMN igor.jobs.level IS 'Last pause level seen of each source: {"spec": {"paused": true, "version": 17}, "annotation": …}.';
COMMENT ON COLUMN igor.jobs.origin IS 'Where the object was made.';

COMMENT ON TABLE igor.layers IS 'Groups of parallel tasks; lower priorities run first.';
COMMENT ON COLUMN igor.layers.created_at IS 'That of the job.';
COMMENT ON COLUMN igor.layers.id IS 'Creation time and a hash of uid and name.';
COMMENT ON COLUMN igor.layers.job_id IS 'Its job.';
COMMENT ON COLUMN igor.layers.name IS 'Unique in the job.';
COMMENT ON COLUMN igor.layers.title IS 'For people.';
COMMENT ON COLUMN igor.layers.ordinal IS 'Its place in the plan.';
COMMENT ON COLUMN igor.layers.priority IS 'Equal ones run together, lower ones before.';
COMMENT ON COLUMN igor.layers.status IS 'PENDING until opened; RUNNING; then as its tasks ended.';
COMMENT ON COLUMN igor.layers.reason IS 'Why it stands so.';
COMMENT ON COLUMN igor.layers.run IS 'How often it was opened.';
COMMENT ON COLUMN igor.layers.version IS 'The etag: moves with status or pause, each with a row in transitions.';
COMMENT ON COLUMN igor.layers.paused_at IS 'Since when it is paused: it does not open, dispatch or complete.';
COMMENT ON COLUMN igor.layers.paused_by IS 'Who paused: spec, annotation, or a name.';
COMMENT ON COLUMN igor.layers.gate IS 'The large command at work on it.';
COMMENT ON COLUMN igor.layers.level IS 'Last pause level seen of each source.';
COMMENT ON COLUMN igor.layers.started_at IS 'When it first opened.';
COMMENT ON COLUMN igor.layers.finished_at IS 'When it last ended; null while open.';
COMMENT ON COLUMN igor.layers.updated_at IS 'Last write to this row.';
COMMENT ON COLUMN igor.layers.max_in_flight IS 'Most tasks queued and running at once; null = no limit.';
COMMENT ON COLUMN igor.layers.n_expected IS 'Tasks that the plan announces.';
COMMENT ON COLUMN igor.layers.n_loaded IS 'Tasks whose rows are in: the cursor of acceptance.';
COMMENT ON COLUMN igor.layers.spec_len IS 'Tasks that came from the spec; an edit is an append if so many hash the same.';
COMMENT ON COLUMN igor.layers.spec_hash IS 'Hash of those tasks as resolved.';
COMMENT ON COLUMN igor.layers.n_pending IS 'Tasks not begun or given back.';
COMMENT ON COLUMN igor.layers.n_queued IS 'Tasks in the queue.';
COMMENT ON COLUMN igor.layers.n_running IS 'Tasks known to run.';
COMMENT ON COLUMN igor.layers.n_completed IS 'Tasks done.';
COMMENT ON COLUMN igor.layers.n_errored IS 'Tasks that ended without success.';
COMMENT ON COLUMN igor.layers.n_skipped IS 'Tasks left out on purpose.';
COMMENT ON COLUMN igor.layers.n_retried IS 'Attempts that failed and were given another.';

COMMENT ON TABLE igor.tasks IS 'One row for each task, whatever its number of attempts.';
COMMENT ON COLUMN igor.tasks.created_at IS 'That of the job.';
COMMENT ON COLUMN igor.tasks.id IS 'Creation time and a hash of uid, layer and name.';
COMMENT ON COLUMN igor.tasks.job_id IS 'Its job.';
COMMENT ON COLUMN igor.tasks.layer_id IS 'Its layer.';
COMMENT ON COLUMN igor.tasks.ordinal IS 'Its place in the layer, from 0.';
COMMENT ON COLUMN igor.tasks.ix IS 'Its index in its array, from 0; null when it stands alone.';
COMMENT ON COLUMN igor.tasks.type IS 'Which handler runs it.';
COMMENT ON COLUMN igor.tasks.name IS 'Unique in the layer.';
COMMENT ON COLUMN igor.tasks.title IS 'For people; null = the name.';
COMMENT ON COLUMN igor.tasks.status IS 'Where it stands.';
COMMENT ON COLUMN igor.tasks.prev_status IS 'Where it stood before.';
COMMENT ON COLUMN igor.tasks.reason IS 'Why it stands so: Failed, Timeout, Poison, Killed, or the worker''s word.';
COMMENT ON COLUMN igor.tasks.version IS 'Moves with each change, each with a row in transitions: 1 + their number.';
COMMENT ON COLUMN igor.tasks.attempt IS 'The last attempt handed out; a number is never used again.';
COMMENT ON COLUMN igor.tasks.failures IS 'Attempts that failed; 0 again after a retry.';
COMMENT ON COLUMN igor.tasks.lost IS 'Attempts lost with their worker; 0 again after a retry.';
COMMENT ON COLUMN igor.tasks.max_failures IS 'The failure that ends it: retries + 1.';
COMMENT ON COLUMN igor.tasks.timeout_ms IS 'How long its handler may run, in milliseconds; null = for ever.';
COMMENT ON COLUMN igor.tasks.paused_at IS 'Since when it is passed over.';
COMMENT ON COLUMN igor.tasks.updated_at IS 'Last write to this row.';
COMMENT ON COLUMN igor.tasks.args IS 'Its arguments, when short.';
COMMENT ON COLUMN igor.tasks.args_id IS 'Where its arguments are, when long or shared by an array.';
COMMENT ON COLUMN igor.tasks.message IS 'The last thing its handler said.';

COMMENT ON TABLE igor.task_args IS 'Arguments that are long, or shared by an array.';
COMMENT ON COLUMN igor.task_args.created_at IS 'That of the job.';
COMMENT ON COLUMN igor.task_args.args_id IS 'The id of the first task that uses them.';
COMMENT ON COLUMN igor.task_args.bytes IS 'The arguments.';

COMMENT ON TABLE igor.transitions IS 'The audit: every change of status or pause of a task, layer or job. Append-only.';
COMMENT ON COLUMN igor.transitions.created_at IS 'That of the job.';
COMMENT ON COLUMN igor.transitions.task_id IS 'The task; for a layer or a job its own id.';
COMMENT ON COLUMN igor.transitions.layer_id IS 'The task''s layer; null for a job.';
COMMENT ON COLUMN igor.transitions."from" IS 'Status before.';
COMMENT ON COLUMN igor.transitions."to" IS 'Status after; the same for pause and unpause.';
COMMENT ON COLUMN igor.transitions.attempt IS 'The task''s attempt; null for layers and jobs.';
COMMENT ON COLUMN igor.transitions.version IS 'Version after: the order of the audit of one object.';
COMMENT ON COLUMN igor.transitions.run IS 'How often the layer was opened, the first time = 1; null for tasks and jobs.';
COMMENT ON COLUMN igor.transitions.at IS 'When.';
COMMENT ON COLUMN igor.transitions.actor IS 'Who: operator, worker <id>, or a person.';
COMMENT ON COLUMN igor.transitions.reason IS 'Why.';
COMMENT ON COLUMN igor.transitions.command_id IS 'The command that did it.';

COMMENT ON TABLE igor.commands IS 'What people asked for: each acts once.';
COMMENT ON COLUMN igor.commands.created_at IS 'That of the job.';
COMMENT ON COLUMN igor.commands.id IS 'Hash of job, object, verb and token: the same for each repetition.';
COMMENT ON COLUMN igor.commands.job_id IS 'Its job.';
COMMENT ON COLUMN igor.commands.verb IS 'What is asked.';
COMMENT ON COLUMN igor.commands.selector IS 'Of which tasks.';
COMMENT ON COLUMN igor.commands.actor IS 'Who asked.';
COMMENT ON COLUMN igor.commands.reason IS 'Why, in the person''s words.';
COMMENT ON COLUMN igor.commands.at IS 'When it came.';
COMMENT ON COLUMN igor.commands.done_at IS 'When its last step was done.';
COMMENT ON COLUMN igor.commands.next_ordinal IS 'The cursor of a large one: tasks of the job looked at so far.';
COMMENT ON COLUMN igor.commands.matched IS 'Tasks it was about.';
COMMENT ON COLUMN igor.commands.changed IS 'Tasks it moved.';

COMMENT ON TABLE igor.live_jobs IS 'Jobs from acceptance to their end: what start-up, sweep and deadlines read.';
COMMENT ON COLUMN igor.live_jobs.job_id IS 'The job.';
COMMENT ON COLUMN igor.live_jobs.created_at IS 'Its creation.';
COMMENT ON COLUMN igor.live_jobs.uid IS 'Its object.';
COMMENT ON COLUMN igor.live_jobs.namespace IS 'Its namespace.';
COMMENT ON COLUMN igor.live_jobs.name IS 'Its name.';
COMMENT ON COLUMN igor.live_jobs.deadline_at IS 'When it is to be killed; null = never, or not while it is paused.';
COMMENT ON COLUMN igor.live_jobs.dirty IS 'Another process changed it and the operator has not looked yet.';

COMMENT ON TABLE igor.layer_types IS 'The types of the tasks of each open layer: the dispatcher''s cursors.';
COMMENT ON COLUMN igor.layer_types.layer_id IS 'The layer.';
COMMENT ON COLUMN igor.layer_types.type IS 'The type.';
COMMENT ON COLUMN igor.layer_types.job_id IS 'The layer''s job.';
COMMENT ON COLUMN igor.layer_types.created_at IS 'The job''s creation.';
COMMENT ON COLUMN igor.layer_types.queue IS 'The job''s queue.';
COMMENT ON COLUMN igor.layer_types.next_ordinal IS 'The first ordinal that was not yet looked at.';
COMMENT ON COLUMN igor.layer_types.total IS 'One past the last ordinal of this type.';

COMMENT ON TABLE igor.requeue IS 'Tasks to dispatch out of the cursor''s order: retries and what was given back.';
COMMENT ON COLUMN igor.requeue.task_id IS 'The task.';
COMMENT ON COLUMN igor.requeue.created_at IS 'Its job''s creation.';
COMMENT ON COLUMN igor.requeue.layer_id IS 'Its layer.';
COMMENT ON COLUMN igor.requeue.type IS 'Its type.';
COMMENT ON COLUMN igor.requeue.not_before IS 'When it is due.';

COMMENT ON TABLE igor.outbox IS 'Committed changes that are not yet done in Redis.';
COMMENT ON COLUMN igor.outbox.seq IS 'The order of relaying.';
COMMENT ON COLUMN igor.outbox.kind IS 'E enqueue, K revoke (kill), R recall (pause).';
COMMENT ON COLUMN igor.outbox.task_id IS 'The task it is about, or';
COMMENT ON COLUMN igor.outbox.layer_id IS 'the layer, or';
COMMENT ON COLUMN igor.outbox.job_id IS 'the job.';
COMMENT ON COLUMN igor.outbox.created_at IS 'The job''s creation.';
COMMENT ON COLUMN igor.outbox.attempt IS 'The task''s attempt.';

COMMENT ON TABLE igor.epoch IS 'The leader''s fence: one row.';
COMMENT ON COLUMN igor.epoch.one_row IS 'Keeps it at one row.';
COMMENT ON COLUMN igor.epoch.number IS 'Counted up by each new leader; writes of earlier ones are refused.';
COMMENT ON COLUMN igor.epoch.since IS 'When the leader began.';

COMMENT ON TABLE igor.install IS 'Whose ledger this is: one row.';
COMMENT ON COLUMN igor.install.one_row IS 'Keeps it at one row.';
COMMENT ON COLUMN igor.install.id IS 'The install''s id; Redis holds the same.';
COMMENT ON COLUMN igor.install.cluster_id IS 'The cluster: uid of namespace kube-system, or from the settings.';
COMMENT ON COLUMN igor.install.made_at IS 'When it was claimed.';

COMMENT ON TABLE igor.days IS 'Every day that ever had partitions: a recorded day without them was dropped on purpose.';
COMMENT ON COLUMN igor.days.day IS 'The UTC day.';
COMMENT ON COLUMN igor.days.made_at IS 'When its partitions were made.';
