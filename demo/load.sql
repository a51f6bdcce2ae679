CREATE EXTENSION vector_hnsw;
CREATE TABLE items (id int PRIMARY KEY, embedding vector(128));
CREATE TABLE queries (id int PRIMARY KEY, embedding vector(128));

\copy items FROM PROGRAM 'perl test/data/vecs_to_copy.pl test/data/sift_base.bvecs'
\copy queries FROM PROGRAM 'perl test/data/vecs_to_copy.pl test/data/sift_query.bvecs'
VACUUM ANALYZE items, queries;
