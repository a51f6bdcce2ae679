// drizzle.js
//   Drizzle: the DDL that its migrations generate, its vector types, and its
//   distance functions.

'use strict';

const assert = require('node:assert/strict');
const { after, test } = require('node:test');
const pg = require('pg');
const { drizzle } = require('drizzle-orm/node-postgres');
const orm = require('drizzle-orm');
const { halfvec, index, pgTable, serial, vector } =
  require('drizzle-orm/pg-core');
const { generateDrizzleJson, generateMigration } = require('drizzle-kit/api');
const { DIMENSIONS, vectors, nearest, nearlyEqual } = require('./lib');

const items = pgTable('drizzle_items', {
  id: serial('id').primaryKey(),
  embedding: vector('embedding', { dimensions: DIMENSIONS }).notNull(),
  half: halfvec('half', { dimensions: DIMENSIONS }),
}, (table) => [
  index('drizzle_l2').using('hnsw', table.embedding.op('vector_l2_ops'))
    .with({ m: 8, ef_construction: 40 }),
  index('drizzle_cosine')
    .using('hnsw', table.embedding.op('vector_cosine_ops')).concurrently(),
]);

const pool = new pg.Pool();
const db = drizzle(pool);
const all = vectors(300);
const query = all[7].map((x) => x + 1 / 64);

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
    'hnsw (embedding vector_cosine_ops)',
    "hnsw (embedding vector_l2_ops) WITH (m='8', ef_construction='40')",
  ]);
});

test('rows', async () => {
  await db.insert(items).values(
    all.map((v) => ({ embedding: v, half: v })));
  const rows = await db.select().from(items).orderBy(items.id);
  assert.deepEqual(rows.map((row) => row.embedding), all);
  assert.deepEqual(rows.map((row) => row.half), all);
});

const functions = {
  l2Distance: '<->',
  innerProduct: '<#>',
  cosineDistance: '<=>',
  l1Distance: '<+>',
};

for (const [name, operator] of Object.entries(functions)) {
  for (const column of ['embedding', 'half']) {
    test(`${name} of ${column}`, async () => {
      const distance = orm[name](items[column], query);
      const rows = await db.select({ distance: orm.sql`${distance}` })
        .from(items).orderBy(distance).limit(5);

      nearlyEqual(assert, rows.map((row) => row.distance),
        nearest(all, query, operator, 5));
    });
  }
}

test('the index answers', async () => {
  await db.transaction(async (tx) => {
    await tx.execute('SET LOCAL enable_seqscan = off');
    const search = tx.select({ id: items.id }).from(items)
      .orderBy(orm.l2Distance(items.embedding, query)).limit(5);
    const plan = await tx.execute(orm.sql`EXPLAIN ${search.getSQL()}`);

    assert.match(plan.rows.map((row) => row['QUERY PLAN']).join('\n'),
      /Index Scan using drizzle_l2/);
    assert.equal((await search)[0].id, 8);
  });
  await db.execute("SELECT hnsw_index_check('drizzle_l2', true)");
  await db.execute("SELECT hnsw_index_check('drizzle_cosine', true)");
});
