// drizzle.js
//   Drizzle: the DDL that its migrations generate, its vector types, and its
//   distance functions.

'use strict';

const assert = require('node:assert/strict');
const { after, test } = require('node:test');
const pg = require('pg');
const { drizzle } = require('drizzle-orm/node-postgres');
const orm = require('drizzle-orm');
const { bit, halfvec, index, pgTable, serial, sparsevec, vector } =
  require('drizzle-orm/pg-core');
const { generateDrizzleJson, generateMigration } = require('drizzle-kit/api');
const { SparseVector } = require('pgvector');
const { DIMENSIONS, vectors, nearest, nearestBits, bits, nearlyEqual } =
  require('./lib');

const items = pgTable('drizzle_items', {
  id: serial('id').primaryKey(),
  embedding: vector('embedding', { dimensions: DIMENSIONS }).notNull(),
  half: halfvec('half', { dimensions: DIMENSIONS }),
  sparse: sparsevec('sparse', { dimensions: DIMENSIONS }),
  bits: bit('bits', { dimensions: DIMENSIONS }),
}, (table) => [
  index('drizzle_l2').using('hnsw', table.embedding.op('vector_l2_ops'))
    .with({ m: 8, ef_construction: 40 }),
  index('drizzle_cosine')
    .using('hnsw', table.embedding.op('vector_cosine_ops')).concurrently(),
  index('drizzle_half').using('hnsw', table.half.op('halfvec_l2_ops')),
  index('drizzle_sparse').using('hnsw', table.sparse.op('sparsevec_l2_ops')),
  index('drizzle_bits').using('hnsw', table.bits.op('bit_hamming_ops')),
]);

const pool = new pg.Pool();
const db = drizzle(pool);
const all = vectors(300);
const query = all[7].map((x) => x + 1 / 64);

// Drizzle takes and gives sparsevec as text.
const sparse = (v) => new SparseVector(v).toString();

after(() => pool.end());

test('migration', async () => {
  const statements = await generateMigration(
    generateDrizzleJson({}), generateDrizzleJson({ items }));

  await db.execute('CREATE EXTENSION vector_hnsw');
  for (const statement of statements) {
    await db.execute(statement);
  }
  const { rows } = await db.execute(
    `SELECT indexdef FROM pg_indexes
     WHERE tablename = 'drizzle_items' AND indexname LIKE 'drizzle%'
       AND indexname <> 'drizzle_items_pkey' ORDER BY indexname`);
  assert.deepEqual(rows.map((row) => row.indexdef.replace(/.* USING /, '')), [
    'hnsw (bits bit_hamming_ops)',
    'hnsw (embedding vector_cosine_ops)',
    'hnsw (half halfvec_l2_ops)',
    "hnsw (embedding vector_l2_ops) WITH (m='8', ef_construction='40')",
    'hnsw (sparse sparsevec_l2_ops)',
  ]);
  const columns = await db.execute(
    `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = 'drizzle_items'::regclass AND attnum > 1 ORDER BY attnum`);
  assert.deepEqual(columns.rows.map((row) => row.type),
    ['vector', 'halfvec', 'sparsevec', 'bit'].map(
      (type) => `${type}(${DIMENSIONS})`));
});

test('rows', async () => {
  await db.insert(items).values(
    all.map((v) => (
      { embedding: v, half: v, sparse: sparse(v), bits: bits(v) })));
  const rows = await db.select().from(items).orderBy(items.id);
  assert.deepEqual(rows.map((row) => row.embedding), all);
  assert.deepEqual(rows.map((row) => row.half), all);
  assert.deepEqual(rows.map((row) => row.sparse), all.map(sparse));
  assert.deepEqual(rows.map((row) => row.bits), all.map(bits));
});

const functions = {
  l2Distance: '<->',
  innerProduct: '<#>',
  cosineDistance: '<=>',
  l1Distance: '<+>',
};

for (const [name, operator] of Object.entries(functions)) {
  for (const column of ['embedding', 'half', 'sparse']) {
    test(`${name} of ${column}`, async () => {
      const distance = orm[name](items[column],
        column === 'sparse' ? sparse(query) : query);
      const rows = await db.select({ distance: orm.sql`${distance}` })
        .from(items).orderBy(distance).limit(5);

      nearlyEqual(assert, rows.map((row) => row.distance),
        nearest(all, query, operator, 5));
    });
  }
}

for (const [name, operator] of Object.entries(
  { hammingDistance: '<~>', jaccardDistance: '<%>' })) {
  test(`${name} of bits`, async () => {
    const distance = orm[name](items.bits, bits(query));
    const rows = await db.select({ distance: orm.sql`${distance}` })
      .from(items).orderBy(distance).limit(5);

    nearlyEqual(assert, rows.map((row) => row.distance),
      nearestBits(all.map(bits), bits(query), operator, 5));
  });
}

const searches = {
  drizzle_l2: orm.l2Distance(items.embedding, query),
  drizzle_cosine: orm.cosineDistance(items.embedding, query),
  drizzle_half: orm.l2Distance(items.half, query),
  drizzle_sparse: orm.l2Distance(items.sparse, sparse(query)),
  drizzle_bits: orm.hammingDistance(items.bits, bits(all[7])),
};

for (const [name, distance] of Object.entries(searches)) {
  test(`${name} answers`, async () => {
    await db.transaction(async (tx) => {
      await tx.execute('SET LOCAL enable_seqscan = off');
      const search = tx.select({ id: items.id, bits: items.bits }).from(items)
        .orderBy(distance).limit(5);
      const plan = await tx.execute(orm.sql`EXPLAIN ${search.getSQL()}`);
      const [first] = await search;

      assert.match(plan.rows.map((row) => row['QUERY PLAN']).join('\n'),
        new RegExp(`Index Scan using ${name}`));
      if (name === 'drizzle_bits') {
        assert.equal(first.bits, bits(all[7]));
      } else {
        assert.equal(first.id, 8);
      }
    });
    await db.execute(`SELECT hnsw_index_check('${name}', true)`);
  });
}
