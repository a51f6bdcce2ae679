# psycopg_2.py
#   psycopg 2: values in and out as text, COPY both ways, execute_values, a
#   cursor of the server.

import io

import psycopg2
import psycopg2.extensions
import psycopg2.extras

from tap import check, check_raises, done, vectors

ROWS = vectors(1000)
QUERY = [x + 1 / 64 for x in ROWS[7]]


class Vector:
    def __init__(self, elements):
        self.elements = elements


def text_form(v):
    return '[' + ','.join(repr(x) for x in v) + ']'


def from_text(value, cursor):
    if value is None:
        return None
    return [float(x) for x in value[1:-1].split(',')]


connection = psycopg2.connect('')
connection.autocommit = True
cursor = connection.cursor()
cursor.execute('CREATE EXTENSION vector_hnsw')
cursor.execute("SELECT oid, typarray FROM pg_type WHERE typname = 'vector'")
oid, array = cursor.fetchone()
kind = psycopg2.extensions.new_type((oid,), 'vector', from_text)
psycopg2.extensions.register_type(kind)
psycopg2.extensions.register_type(
    psycopg2.extensions.new_array_type((array,), 'vector[]', kind))
psycopg2.extensions.register_adapter(
    Vector, lambda v: psycopg2.extensions.QuotedString(text_form(v.elements)))

cursor.execute('SELECT %s::vector, NULL::vector', (Vector(ROWS[0]),))
check(cursor.fetchone() == (ROWS[0], None), 'in and out')
cursor.execute('SELECT %s::vector[]', ([Vector(v) for v in ROWS[:3]],))
check(cursor.fetchone()[0] == ROWS[:3], 'arrays')

cursor.execute('CREATE TABLE items (id int, v vector(8))')
cursor.execute('CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)')
psycopg2.extras.execute_values(
    cursor, 'INSERT INTO items VALUES %s',
    [(i + 1, Vector(v)) for i, v in enumerate(ROWS[:500])])
rest = ''.join(f'{i + 501}\t{text_form(v)}\n'
               for i, v in enumerate(ROWS[500:]))
cursor.copy_expert('COPY items FROM STDIN', io.StringIO(rest))
cursor.execute('SELECT v FROM items ORDER BY id')
check([row[0] for row in cursor] == ROWS, 'execute_values and COPY in')

for option in ('', '(FORMAT binary)'):
    out = io.BytesIO()
    cursor.copy_expert(f'COPY items TO STDOUT {option}', out)
    out.seek(0)
    cursor.execute('CREATE TEMP TABLE again (LIKE items)')
    cursor.copy_expert(f'COPY again FROM STDIN {option}', out)
    cursor.execute('SELECT count(*) FROM items JOIN again USING (id, v)')
    check(cursor.fetchone()[0] == len(ROWS), f'COPY out and in {option}')
    cursor.execute('DROP TABLE again')

cursor.execute('SET enable_seqscan = off')
cursor.execute('SELECT id FROM items ORDER BY v <-> %s LIMIT 10',
               (Vector(QUERY),))
check(cursor.fetchone()[0] == 8, 'search')

connection.autocommit = False
named = connection.cursor('near')
named.itersize = 50
named.execute('SELECT v <-> %s FROM items ORDER BY 1', (Vector(QUERY),))
found = [row[0] for row in named.fetchmany(300)]
connection.commit()
check(found == sorted(found) and len(found) == 300, 'server-side cursor')

connection.autocommit = True
check_raises(psycopg2.errors.DataException, 'expected 8 dimensions, not 2',
             lambda: cursor.execute("INSERT INTO items VALUES (0, '[1,2]')"),
             'an error has its class')
cursor.execute("SELECT hnsw_index_check('items_v', true)")
check(True, 'the index is sound')
done()
