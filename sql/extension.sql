-- CREATE EXTENSION: what it needs, and what it does not go together with
SET client_min_messages = warning;
\set SHOW_CONTEXT never

-- no procedural language
BEGIN;
DROP EXTENSION vector_hnsw CASCADE;
DROP EXTENSION plpgsql CASCADE;
CREATE EXTENSION vector_hnsw;
CREATE TABLE items (v vector(3));
INSERT INTO items VALUES ('[1,2,3]');
CREATE INDEX ON items USING hnsw (v vector_l2_ops);
SELECT v <-> '[1,2,5]' AS distance FROM items;
ROLLBACK;

-- in a schema that is not in the search path
BEGIN;
DROP EXTENSION vector_hnsw CASCADE;
CREATE SCHEMA elsewhere;
CREATE EXTENSION vector_hnsw SCHEMA elsewhere;
SELECT typname, typnamespace::regnamespace FROM pg_type WHERE typname = 'vector';
ROLLBACK;

-- no other access method of this name
BEGIN;
DROP EXTENSION vector_hnsw CASCADE;
CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER bthandler;
CREATE EXTENSION vector_hnsw;
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN;
DROP EXTENSION vector_hnsw CASCADE;
CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER bthandler;
ALTER EXTENSION plpgsql ADD ACCESS METHOD hnsw;
CREATE EXTENSION vector_hnsw;
ROLLBACK;

-- what tells is not there afterwards
SELECT proname FROM pg_proc WHERE proname LIKE 'hnsw%refuse%';
