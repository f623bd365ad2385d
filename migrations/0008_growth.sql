-- Accepted jobs grow by edits of their specs. Until the last row of an edit is in, it can be taken back.

ALTER TABLE igor.layers ADD COLUMN sources_hash bytea;
ALTER TABLE igor.layers ADD COLUMN grow_ordinal int4 CHECK (grow_ordinal >= 0);
ALTER TABLE igor.layers ADD COLUMN grow_len int4 CHECK (grow_len >= 0);
ALTER TABLE igor.layers ADD COLUMN grow_hash bytea;
COMMENT ON COLUMN igor.layers.sources_hash IS 'Hash of the names of its lists of tasks; null = it has none.';
COMMENT ON COLUMN igor.layers.grow_ordinal IS 'The first ordinal of tasks that an edit appends and that are not all in; null = none are.';
COMMENT ON COLUMN igor.layers.grow_len IS 'spec_len before that edit.';
COMMENT ON COLUMN igor.layers.grow_hash IS 'spec_hash before that edit.';
