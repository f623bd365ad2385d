-- Commands on layers and tasks, paused tasks that can be counted, and the pause levels of tasks that have an object.

ALTER TABLE igor.commands DROP CONSTRAINT commands_verb_check;
ALTER TABLE igor.commands ADD CONSTRAINT commands_verb_check
    CHECK (verb IN ('pause', 'unpause', 'pause-tasks', 'unpause-tasks', 'kill', 'skip', 'retry', 'delete', 'deadline'));
ALTER TABLE igor.commands ADD COLUMN object text NOT NULL DEFAULT 'job';
COMMENT ON COLUMN igor.commands.object IS 'What it was asked of: job, layer/NAME or task/LAYER/NAME.';

ALTER TABLE igor.layers ADD COLUMN n_paused int4 NOT NULL DEFAULT 0 CHECK (n_paused >= 0);
COMMENT ON COLUMN igor.layers.n_paused IS 'Tasks that are paused one by one, wherever they stand.';

ALTER TABLE igor.tasks ADD COLUMN level jsonb;
COMMENT ON COLUMN igor.tasks.level IS 'Last pause level seen of each source, of a task that has an object; else null.';
