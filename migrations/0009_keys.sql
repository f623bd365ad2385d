-- Rows of jobs and layers are looked up by id, many at once, in the seconds in which their tables grow. Keys that began with the day
-- let a planner whose statistics are a little old take the day's bounds for so narrow that it reads all of the day for each id. Ids
-- begin with the time, so lists of the newest go by id too.

ALTER TABLE igor.jobs DROP CONSTRAINT jobs_pkey, ADD PRIMARY KEY (id, created_at);
ALTER TABLE igor.layers DROP CONSTRAINT layers_pkey, ADD PRIMARY KEY (id, created_at);
ALTER TABLE igor.task_args DROP CONSTRAINT task_args_pkey, ADD PRIMARY KEY (args_id, created_at);
ALTER TABLE igor.commands DROP CONSTRAINT commands_pkey, ADD PRIMARY KEY (id, created_at);
