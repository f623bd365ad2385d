-- What a layer is loaded from, so that a list which changes between two steps of an acceptance is seen.

ALTER TABLE igor.layers ADD COLUMN content_hash bytea;
COMMENT ON COLUMN igor.layers.content_hash IS 'Hash of all its tasks, those of lists too, as the first step of acceptance had them.';
