CREATE EXTENSION vector_hnsw;
CREATE TABLE items (id int PRIMARY KEY, embedding vector(128));
CREATE TABLE queries (id int PRIMARY KEY, embedding vector(128));

-- psql would show these in other words
\set ECHO none
\echo '\\copy items FROM PROGRAM \'perl test/data/vecs_to_copy.pl test/data/sift_base.bvecs\''
\copy items FROM PROGRAM 'perl test/data/vecs_to_copy.pl test/data/sift_base.bvecs'
\echo '\\copy queries FROM PROGRAM \'perl test/data/vecs_to_copy.pl test/data/sift_query.bvecs\''
\copy queries FROM PROGRAM 'perl test/data/vecs_to_copy.pl test/data/sift_query.bvecs'
\set ECHO queries
VACUUM ANALYZE items, queries;
