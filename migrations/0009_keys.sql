-- Layers, arguments and commands are looked up by id, many at once, in the seconds in which their tables grow. Keys that began with the
-- moment of creation let a planner whose statistics are a little old take the bounds of that moment for so narrow that it reads all of
-- the day for each id. Jobs keep theirs: they are listed by it.

ALTER TABLE igor.layers DROP CONSTRAINT layers_pkey, ADD PRIMARY KEY (id, created_at);
ALTER TABLE igor.task_args DROP CONSTRAINT task_args_pkey, ADD PRIMARY KEY (args_id, created_at);
ALTER TABLE igor.commands DROP CONSTRAINT commands_pkey, ADD PRIMARY KEY (id, created_at);
