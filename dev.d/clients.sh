# clients.sh
#     The suite of real clients: each program in test/clients prints TAP and
#     has a database of its own.  Sourced by dev.

PYTHON_CLIENTS=(psycopg_3.py psycopg_2.py)
NODE_CLIENTS=(node_pg.js knex.js drizzle.js sequelize.js)

# Debian's packages; what is missing of them is installed.
client_packages() {
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
  /usr/bin/python3 -c 'import psycopg' 2>/dev/null || echo python3-psycopg
  /usr/bin/python3 -c 'import psycopg2' 2>/dev/null || echo python3-psycopg2
}

# In the running server of the instance
clients_suite() {
  local programs=("${PYTHON_CLIENTS[@]}")

  if npm_registry_answers; then
    single npm "Installing Node clients from npm" \
      client_npm ci --ignore-scripts --no-audit --no-fund
    [ "$STEP_STATUS" -ne 0 ] || programs+=("${NODE_CLIENTS[@]}")
  else
    note "the npm registry does not answer; Node clients are skipped"
    show_tail "$LOGS/npm-ping.log" 3
    SKIPPED=$((SKIPPED + ${#NODE_CLIENTS[@]}))
  fi
  counted clients "Real clients" run_clients "${programs[@]}"
}

npm_registry_answers() {
  client_npm ping --fetch-retries=0 --fetch-timeout=20000 \
    >"$LOGS/npm-ping.log" 2>&1
}

# What is downloaded stays for the next time, when the instance is gone.
client_npm() {
  local cache=$WORK/npm

  if [ ! -d "$cache" ]; then
    mkdir "$cache"
    [ "$(id -u)" -ne 0 ] || chown postgres: "$cache"
  fi
  (cd "$SOURCE/test/clients" &&
    as_user env npm_config_cache="$cache" npm_config_update_notifier=false \
      npm "$@")
}

run_clients() {
  local program status=0

  for program in "$@"; do
    echo "# $program"
    instance_client createdb "clients_${program%.*}"
    client_program "$program" || status=1
  done
  return $status
}

client_program() {
  local run=(/usr/bin/python3)

  [ "${1##*.}" != js ] || run=(node --test-reporter=tap)
  (cd "$SOURCE/test/clients" && as_user env PGHOST="$SOCKET" PGPORT="$PORT" \
    PGUSER=postgres PGDATABASE="clients_${1%.*}" timeout 300 "${run[@]}" "$1")
}
