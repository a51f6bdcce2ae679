# upgrade.sh
#     The suite of pg_upgrade: indexes go from each older version to the next,
#     up to the one that is tested.  Sourced by dev.

UPGRADE_FROM=(15 17)

# Where another release's PostgreSQL is installed beside the one of the root.
# Its packages come last in apt's choice, so that only they and what they alone
# need is taken.  The headers' package would want a whole LLVM; they are
# unpacked by themselves.
install_older() {
  local major=$1 suite mirror dir

  suite=$(root_suite "$major")
  mirror=$(sed -n 's/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list | head -n 1)
  echo "deb $mirror $suite main" \
    >"/etc/apt/sources.list.d/vector_hnsw_$suite.list"
  printf '%s\n' 'Package: *' "Pin: release n=$suite" 'Pin-Priority: 90' \
    >"/etc/apt/preferences.d/vector_hnsw_$suite"
  apt-get update
  apt_install "postgresql-$major"
  dir=$(mktemp -d)
  (cd "$dir" && apt-get download "postgresql-server-dev-$major")
  dpkg -x "$dir"/*.deb /
  rm -r "$dir"
}

# Sets OLDER to the older versions that are here.  Elsewhere than in a root
# nothing is installed for this.
find_older() {
  local major

  OLDER=()
  for major in "${UPGRADE_FROM[@]}"; do
    [ "$major" -lt "$PG_MAJOR" ] || continue
    if [ -n "${VECTOR_HNSW_SUITE:-}" ] && ! have_older "$major"; then
      step "install-$major" "Installing PostgreSQL $major beside $PG_MAJOR" \
        install_older "$major"
    fi
    ! have_older "$major" || OLDER+=("$major")
  done
}

have_older() {
  [ -x "/usr/lib/postgresql/$1/bin/postgres" ] &&
    [ -e "/usr/include/postgresql/$1/server/postgres.h" ]
}

# The prefix of the copy of PostgreSQL in the instance
instance_prefix() {
  dirname "$BINDIR"
}

upgrade_suite() {
  local newest=$PG_MAJOR newest_config=$SYSTEM_PG_CONFIG before=$FAILED
  local major prefixes=()

  find_older
  if [ ${#OLDER[@]} -eq 0 ]; then
    note "there is no older PostgreSQL to upgrade from"
    return
  fi
  for major in "${OLDER[@]}" "$newest"; do
    PG_MAJOR=$major
    SYSTEM_PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config
    [ "$major" != "$newest" ] || SYSTEM_PG_CONFIG=$newest_config
    fresh_instance upgrade
    single "upgrade-build-$major" "Building for PostgreSQL $major" \
      instance_build with_llvm=no
    [ "$STEP_STATUS" -eq 0 ] || return 0
    prefixes+=("$(instance_prefix)")
  done
  export VECTOR_HNSW_PREFIXES="${prefixes[*]}"
  counted upgrade "pg_upgrade from ${OLDER[*]} to $newest" instance_make tap \
    PROVE_TESTS=test/upgrade/upgrade.pl PROVE_FLAGS='--verbose --timer'

  for major in "${OLDER[@]}" "$newest"; do
    PG_MAJOR=$major
    instance upgrade
    instance_remove_unless_failed "$before"
  done
}
