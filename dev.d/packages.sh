# packages.sh
#     Choose a PostgreSQL, install what is missing.  Sourced by dev.

CLUSTER_CONF=/etc/postgresql-common/createcluster.conf

# One ./dev at a time installs anything
APT_LOCK=/var/lock/vector_hnsw_apt

# Takes --pg N out of the arguments; the rest is left in ARGS.
parse_arguments() {
  PG_MAJOR=
  ARGS=()
  while [ $# -gt 0 ]; do
    case $1 in
      --pg)
        [ $# -ge 2 ] || die "--pg wants a version"
        PG_MAJOR=$2
        shift
        ;;
      --pg=*) PG_MAJOR=${1#--pg=} ;;
      *) ARGS+=("$1") ;;
    esac
    shift
  done
  [[ $PG_MAJOR =~ ^[0-9]*$ ]] || die "--pg wants a number, not \"$PG_MAJOR\""
}

newest_installed_major() {
  compgen -G '/usr/lib/postgresql/*/bin/postgres' | cut -d / -f 5 |
    sort -n | tail -n 1 || true
}

# The major version that the release's package "postgresql" stands for
release_major() {
  apt-cache depends postgresql 2>/dev/null |
    sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1
}

have_perl_module() {
  perl -M"$1" -e 1 2>/dev/null
}

# Prints the packages that are missing to build and run for PG_MAJOR.  The C
# library's headers are only recommended by the compiler's package, and pgxs.mk
# comes with the client's package, without the server's headers.
missing_packages() {
  local dir=/usr/lib/postgresql/$PG_MAJOR

  command -v gcc >/dev/null || echo gcc
  [ -e /usr/include/stdio.h ] || echo libc6-dev
  command -v make >/dev/null || echo make
  command -v prove >/dev/null || echo perl
  have_perl_module IPC::Run || echo libipc-run-perl
  if [ -z "${PG_CONFIG:-}" ]; then
    [ -x "$dir/bin/postgres" ] || echo "postgresql-$PG_MAJOR"
    [ -e "/usr/include/postgresql/$PG_MAJOR/server/postgres.h" ] ||
      echo "postgresql-server-dev-$PG_MAJOR"
    # For the test of moving from it; in a root, where it bothers nobody
    [ -z "${VECTOR_HNSW_SUITE:-}" ] ||
      [ -e "/usr/share/postgresql/$PG_MAJOR/extension/vector.control" ] ||
      [ "$VECTOR_HNSW_SUITE" = bookworm ] ||
      echo "postgresql-$PG_MAJOR-pgvector"
  fi
}

apt_update() {
  [ -z "${APT_UPDATED:-}" ] || return 0
  APT_UPDATED=1
  step apt-update "Updating the list of packages" \
    flock "$APT_LOCK" apt-get update
}

# Debian's server package creates and starts a cluster of its own when it is
# installed for the first time.  Nobody asked for one, so tell it not to, and
# leave its settings as they were, or as the package ships them.
apt_install() {
  local saved status=0

  exec 7>"$APT_LOCK"
  flock 7
  saved=$(mktemp)
  if [ -e "$CLUSTER_CONF" ]; then
    cp -p "$CLUSTER_CONF" "$saved"
  fi
  mkdir -p "$(dirname "$CLUSTER_CONF")"
  echo "create_main_cluster = false" >>"$CLUSTER_CONF"

  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o Dpkg::Options::=--force-confold "$@" || status=$?

  if [ -s "$saved" ]; then
    cp -p "$saved" "$CLUSTER_CONF"
  elif [ -e /usr/share/postgresql-common/createcluster.conf ]; then
    cp /usr/share/postgresql-common/createcluster.conf "$CLUSTER_CONF"
  else
    rm -f "$CLUSTER_CONF"
  fi
  rm -f "$saved"
  exec 7>&-
  return $status
}

# The arguments are packages that are missing here.
install_packages() {
  [ $# -gt 0 ] || return 0

  command -v apt-get >/dev/null ||
    die "missing here (as Debian calls them): $*"
  [ "$(id -u)" -eq 0 ] ||
    die "missing packages; install them with: sudo apt-get install $*"
  apt_update
  step apt-install "Installing $*" apt_install "$@"
}

# Sets PG_MAJOR and SYSTEM_PG_CONFIG and makes sure that all is there.  The
# arguments are further packages that are missing.
setup_postgres() {
  local packages

  if [ -n "${PG_CONFIG:-}" ]; then
    SYSTEM_PG_CONFIG=$(command -v "$PG_CONFIG") ||
      die "no such program: PG_CONFIG=$PG_CONFIG"
    PG_MAJOR=$("$SYSTEM_PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
  elif [ -z "$PG_MAJOR" ]; then
    PG_MAJOR=$(newest_installed_major)
    if [ -z "$PG_MAJOR" ] && [ "$(id -u)" -eq 0 ]; then
      apt_update
    fi
    [ -n "$PG_MAJOR" ] || PG_MAJOR=$(release_major)
    [ -n "$PG_MAJOR" ] || die "no PostgreSQL found; --pg N names a version"
  fi
  : "${SYSTEM_PG_CONFIG:=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config}"
  mapfile -t packages < <(missing_packages)
  install_packages "${packages[@]}" "$@"
}
