# instance.sh
#     A build, the private PostgreSQL it is installed in, and a cluster that
#     runs from it.  Sourced by dev.
#
# $WORK/<major>-<name>/src     copy of the checkout, where make runs
#                     /pg      copy of the PostgreSQL installation
#                     /data    the cluster
#                     /socket  its socket
#
# PostgreSQL finds its files relative to where its programs stand, so a copy
# that keeps the paths between them is a whole installation.

PORT=55432
INSTANCE=

# All that runs as the user of the cluster: never root.
as_user() {
  if [ "$(id -u)" -eq 0 ]; then
    runuser -u postgres -- env HOME="$WORK" "$@"
  else
    "$@"
  fi
}

# WORK belongs to root (or to the user, when it is not root who runs this);
# the instances in it belong to the user of the cluster.
setup_work() {
  local variable id

  for variable in ${!PG@}; do
    case $variable in
      PG_CONFIG | PG_MAJOR) ;;
      *) unset "$variable" ;;
    esac
  done
  export LC_ALL=C.UTF-8

  id=$(printf '%s' "$TOP" | sha256sum | cut -c 1-8)
  WORK=/var/tmp/vector_hnsw-$id-$(id -u)${VECTOR_HNSW_SUITE:+-$VECTOR_HNSW_SUITE}
  LOGS=$WORK/log
  mkdir -m 755 "$WORK" 2>/dev/null || true
  if [ -L "$WORK" ] || [ ! -O "$WORK" ]; then
    die "$WORK belongs to someone else"
  fi
  mkdir -p "$LOGS"
  cd "$WORK" || exit

  exec 9>"$WORK/lock"
  flock -n 9 || die "another ./dev runs for this checkout"
  trap on_exit EXIT
  trap 'exit 130' INT TERM
}

# Servers of the tests end with them, however they end.
on_exit() {
  interrupt_step
  case $INSTANCE in
    *-test | *-ubsan)
      instance_stop || true
      unmount_small "$INSTANCE"
      ;;
  esac
}

# instance NAME: the following functions are about this one
instance() {
  INSTANCE=$WORK/$PG_MAJOR-$1
  SOURCE=$INSTANCE/src
  DATA=$INSTANCE/data
  SOCKET=$INSTANCE/socket
  BINDIR=$INSTANCE/pg$("$SYSTEM_PG_CONFIG" --bindir)

  if [ ! -d "$INSTANCE" ]; then
    mkdir -m 700 "$INSTANCE"
    [ "$(id -u)" -ne 0 ] || chown postgres: "$INSTANCE"
  fi
  as_user mkdir -p "$SOURCE" "$SOCKET"
}

instance_remove() {
  instance_stop
  unmount_small "$INSTANCE"
  rm -rf "$INSTANCE"
}

# The small disk of the tests, should it be mounted.  A server that still ends
# may hold it; then it goes with the server.
unmount_small() {
  ! mountpoint -q "$1/small" || umount "$1/small" 2>/dev/null ||
    umount -l "$1/small" || true
}

# The checkout's files without what a build or a test leaves in it
list_sources() {
  (cd "$TOP" && find . \
    \( -name .git -o -path ./results -o -path ./output_iso \
    -o -path ./tmp_check -o -path ./log -o -path ./test/unit/build \
    -o -path ./test/fuzz/build \
    -o -name node_modules -o -name __pycache__ \) -prune \
    -o \( -type f -o -type l \) ! -name '*.o' ! -name '*.bc' ! -name '*.so' \
    ! -name '*.d' ! -name 'regression.*' -print) | LC_ALL=C sort
}

# Brings the instance's copy up to date; files that did not change keep their
# times, so that make builds only what it must.
copy_sources() {
  local new=$LOGS/files.new old=$SOURCE/.files

  list_sources >"$new"
  tar -C "$TOP" -cf - -T "$new" | as_user tar -C "$SOURCE" -xf -
  if [ -e "$old" ]; then
    LC_ALL=C comm -23 "$old" "$new" |
      (cd "$SOURCE" && as_user xargs -r -d '\n' rm -f --)
  fi
  as_user cp "$new" "$old"
}

copy_into_pg() {
  local parent

  parent=$(dirname "$1")
  as_user mkdir -p "$INSTANCE/pg$parent"
  as_user cp -a "$1" "$INSTANCE/pg$parent/"
}

# Static libraries and headers are only read, so links to them do.  Directories
# are the instance's own, as make install puts headers there, too.
link_into_pg() {
  as_user mkdir -p "$INSTANCE/pg$(dirname "$1")"
  [ -e "$INSTANCE/pg$1" ] ||
    as_user cp -rs "$1" "$INSTANCE/pg$(dirname "$1")/"
}

copy_postgres() {
  local config=$SYSTEM_PG_CONFIG library stamp

  stamp=$(stat -L -c '%n %Y %s' "$TOP/dev.d/instance.sh" \
    "$("$config" --bindir)"/{postgres,pg_config})
  if [ "$(cat "$INSTANCE/pg/stamp" 2>/dev/null)" = "$stamp" ]; then
    return
  fi
  instance_stop
  as_user rm -rf "$INSTANCE/pg"
  copy_into_pg "$("$config" --bindir)"
  copy_into_pg "$("$config" --pkglibdir)"
  copy_into_pg "$("$config" --sharedir)"
  link_into_pg "$("$config" --includedir)"
  for library in libpgcommon.a libpgport.a; do
    library=$("$config" --libdir)/$library
    [ ! -e "$library" ] || link_into_pg "$library"
  done
  printf '%s\n' "$stamp" | as_user tee "$INSTANCE/pg/stamp" >/dev/null
}

prepare_instance() {
  copy_sources
  copy_postgres
}

# Bitcode wants the clang that PostgreSQL was built with.
llvm_setting() {
  local clang makefile

  makefile=$(dirname "$("$BINDIR/pg_config" --pgxs)")/../Makefile.global
  clang=$(sed -n 's/^CLANG *= *//p' "$makefile")
  if [ -z "$clang" ] || ! command -v "${clang%% *}" >/dev/null; then
    echo with_llvm=no
  fi
}

instance_make() {
  # shellcheck disable=SC2046
  as_user env PATH="$BINDIR:$PATH" PGHOST="$SOCKET" PGPORT="$PORT" \
    PGUSER=postgres make --no-print-directory -C "$SOURCE" \
    PG_CONFIG="$BINDIR/pg_config" $(llvm_setting) "$@"
}

instance_build() {
  instance_make -j "$(nproc)" "$@"
  instance_make install "$@"
}

# instance_start [SETTING...]: makes a cluster the first time
instance_start() {
  local setting

  if [ ! -e "$DATA/PG_VERSION" ]; then
    as_user "$BINDIR/initdb" -D "$DATA" -U postgres --auth=trust \
      --encoding=UTF8 --locale=C --no-sync
    {
      echo "listen_addresses = ''"
      echo "unix_socket_directories = '$SOCKET'"
      echo "port = $PORT"
      for setting in "$@"; do
        echo "$setting"
      done
    } | as_user tee -a "$DATA/postgresql.conf" >/dev/null
  fi
  instance_running ||
    as_user "$BINDIR/pg_ctl" -D "$DATA" -l "$INSTANCE/server.log" -w start
}

instance_running() {
  [ -e "$DATA/postmaster.pid" ] && [ -x "$BINDIR/pg_ctl" ] &&
    as_user "$BINDIR/pg_ctl" -D "$DATA" status >/dev/null 2>&1
}

instance_stop() {
  instance_running || return 0
  as_user "$BINDIR/pg_ctl" -D "$DATA" -m fast -w stop >/dev/null
}

# instance_client PROGRAM...: psql, createdb and so on, in the copied sources
instance_client() {
  local program=$1
  shift

  (cd "$SOURCE" && as_user env PGHOST="$SOCKET" PGPORT="$PORT" \
    PGUSER=postgres "$BINDIR/$program" "$@")
}

build_main() {
  parse_arguments "$@"
  enter_root_if_needed build "$@"
  setup_work
  setup_postgres
  instance demo
  step prepare "Copying the sources and PostgreSQL $PG_MAJOR" prepare_instance
  step build "Compiling" instance_build WERROR=1
  note "built in $SOURCE"
}

clean_main() {
  local path

  parse_arguments "$@"
  setup_work
  for path in "$WORK"/*-*/; do
    [ -d "$path" ] || continue
    stop_directory "$path"
    unmount_small "${path%/}"
    rm -rf "$path"
  done
  for path in "$WORK"-*/; do
    [ -d "$path" ] || continue
    flock -n "$path/lock" true || die "another ./dev runs for this checkout"
    rm -rf "$path"
  done
  rm -rf "$WORK"
}

# Ends the server of an instance whose PostgreSQL may be of any version
stop_directory() {
  local control

  control=$(find "$1/pg" -path '*/bin/pg_ctl' 2>/dev/null | head -n 1)
  [ -z "$control" ] ||
    as_user "$control" -D "$1/data" -m fast -w stop >/dev/null 2>&1 || true
}
