# demo.sh
#     ./dev demo and what goes with it.  Sourced by dev.

DEMO_SECONDS=5

demo_main() {
  parse_arguments "$@"
  setup_work
  setup_postgres
  instance demo

  step prepare "Copying the sources and PostgreSQL $PG_MAJOR" prepare_instance
  step build "Compiling" instance_build
  step start "Starting a server of its own, on a Unix socket" demo_start

  say "Loading 10,000 SIFT descriptors of photographs, and 100 queries"
  demo_script load
  say "Building the index"
  demo_script index
  say "Searching"
  demo_script search
  say "Recall against the exact answer"
  demo_script recall --quiet
  say "Queries per second, one client ($DEMO_SECONDS s each)"
  demo_speed
  say "Size of the index, region by region"
  demo_script size
  say "Inserting and deleting"
  demo_script insert
  say "The example of README.md, in a database of its own"
  demo_readme
  echo "Now try: ./dev psql     (and ./dev stop when done)"
}

# A server that was built anew has to start anew to load the library.
demo_start() {
  instance_stop
  instance_start
  instance_client dropdb --if-exists demo
  instance_client createdb demo
}

# The SQL is shown as it runs, except with --quiet.
demo_script() {
  local script=$1 echo=queries
  shift

  [ $# -eq 0 ] || echo=none
  instance_client psql -X -q -v ON_ERROR_STOP=1 -v ECHO=$echo -P pager=off \
    -f "demo/$script.sql" demo </dev/null
}

# As printed there
demo_readme() {
  instance_client dropdb --if-exists readme 2>/dev/null
  instance_client createdb readme
  sed -n '/^```sql$/,/^```$/{/^```/!p;}' "$TOP/README.md" |
    instance_client psql -X -q -v ON_ERROR_STOP=1 -v ECHO=queries \
      -P pager=off readme
}

demo_speed() {
  local indexed sequential

  indexed=$(demo_rate)
  note "$(printf 'with the index %8d' "$indexed")"
  sequential=$(demo_rate "-c enable_indexscan=off")
  note "$(printf 'without        %8d' "$sequential")"
}

# Queries per second of demo/search.pgbench
demo_rate() {
  local log=$LOGS/pgbench.log

  PGOPTIONS="${1:-}" instance_client pgbench -n -M prepared \
    -T "$DEMO_SECONDS" -f demo/search.pgbench demo >"$log" 2>&1 ||
    die "pgbench failed; its output is in $log"
  sed -n 's/^tps = \([0-9]*\).*without.*/\1/p' "$log"
}

# Chooses the demo that is there, of whatever version.
demo_find() {
  local path

  parse_arguments "$@"
  setup_work
  if [ -z "$PG_MAJOR" ] && [ -z "${PG_CONFIG:-}" ]; then
    path=$(compgen -G "$WORK/*-demo/data" | sort -V | tail -n 1 || true)
    path=${path%-demo/data}
    PG_MAJOR=${path##*/}
  fi
  [ -n "$PG_MAJOR" ] || die "there is no demo here; ./dev demo makes it"
  setup_postgres
  instance demo
  [ -e "$DATA/PG_VERSION" ] || die "there is no demo here; ./dev demo makes it"
}

demo_psql() {
  demo_find "$@"
  instance_start >/dev/null
  flock -u 9
  PSQL_HISTORY=$INSTANCE/psql_history instance_client psql "${ARGS[@]}" demo
}

demo_stop() {
  demo_find "$@"
  instance_stop
}
