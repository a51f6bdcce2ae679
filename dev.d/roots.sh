# roots.sh
#     Debian roots, for PostgreSQL versions that this machine's release does
#     not have.  Sourced by dev and bench/run, which define die().
#
# A root is made once and kept in /var/tmp/vector_hnsw_<suite> for all
# checkouts.  What runs in it has mounts and processes of its own, which end
# with it: nothing is ever mounted for others to see, so that rm -rf removes
# a root.

ROOT_CERTIFICATES=/etc/ssl/vector_hnsw.crt

# The suite that has a major version of PostgreSQL
root_suite() {
  case $1 in
    15) echo bookworm ;;
    17) echo trixie ;;
    18) echo sid ;;
  esac
}

root_path() {
  echo "${VECTOR_HNSW_ROOTS:-/var/tmp}/vector_hnsw_$1"
}

# Minutes go into a root, so ask before.
root_check_rights() {
  [ "$(id -u)" -eq 0 ] || die "a Debian root is made and entered as root only"
  unshare --mount --pid --fork --kill-child -- \
    sh -c 'mount -t tmpfs tmpfs /tmp && exec chroot / true' ||
    die "no permission to unshare, mount and chroot, which a Debian root wants"
}

# The mirror that apt uses here, if this is Debian
root_mirror() {
  local uri

  # shellcheck disable=SC2016
  uri=$(apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Label: Debian' 2>/dev/null |
    grep -m 1 '^http' || true)
  echo "${VECTOR_HNSW_MIRROR:-${uri:-http://deb.debian.org/debian}}"
}

# root_make SUITE ROOT: makes the root if it is not there.  Half a root is
# never taken for a whole one: it gets its name when it is done.  (set -e does
# not hold where a caller asks for the result.)
root_make() {
  local suite=$1 root=$2 proxy=

  [ ! -x "$root/usr/bin/dpkg" ] || return 0
  rm -rf "$root.new"
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  http_proxy=${proxy:-${http_proxy:-}} \
    debootstrap --variant=minbase "$suite" "$root.new" "$(root_mirror)" ||
    return
  # Whoever had the same idea may have been faster.
  [ ! -x "$root/usr/bin/dpkg" ] || return 0
  rm -rf "$root"
  mv "$root.new" "$root"
}

# Names, proxies and certificates as on the machine.  The lists of sid expire within a week
# of the archive's or the mirror's standing still, which is no reason not to
# test; they are signed all the same.
root_configure() {
  local root=$1

  cp /etc/resolv.conf "$root/etc/resolv.conf"
  if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    mkdir -p "$root/etc/ssl"
    cp /etc/ssl/certs/ca-certificates.crt "$root$ROOT_CERTIFICATES"
  fi
  printf '%s\n' 'Acquire::Check-Valid-Until "false";' \
    >"$root/etc/apt/apt.conf.d/90vector_hnsw"
  apt-config dump | grep -E '^Acquire::https?::Proxy' \
    >>"$root/etc/apt/apt.conf.d/90vector_hnsw" || true
}

# exec_in_root ROOT [ro|rw FROM TO]... -- COMMAND...: becomes the command, in
# the root, where the directories FROM of the machine stand at TO.  / is a mount
# there, as whoever unshares mounts expects, and /dev/shm is large enough for a
# parallel build.
exec_in_root() {
  root_configure "$1"
  export NODE_EXTRA_CA_CERTS=$ROOT_CERTIFICATES
  # shellcheck disable=SC2016
  exec unshare --mount --pid --fork --kill-child -- bash -c '
    set -e
    root=$1
    shift
    mount --bind "$root" "$root"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o size=75%,mode=1777 tmpfs "$root/dev/shm"
    mount -t proc proc "$root/proc"
    while [ "$1" != -- ]; do
      mkdir -p "$root$3"
      mount --bind "$2" "$root$3"
      [ "$1" = rw ] || mount -o remount,bind,ro "$root$3"
      shift 3
    done
    shift
    cd "$root"
    exec chroot . "$@"
  ' exec_in_root "$@"
}

# Goes on in a root, with the same command line, when this machine has another
# release than the one with the PostgreSQL that is asked for.  The checkout and
# the directory of what is built stand at the same paths there, so that all
# messages are true outside as well.  Once inside, VECTOR_HNSW_SUITE is set.
enter_root_if_needed() {
  local suite root

  suite=$(root_suite "${PG_MAJOR:-0}")
  if [ -n "${PG_CONFIG:-}" ] || [ -n "${VECTOR_HNSW_SUITE:-}" ] ||
    [ -z "$suite" ] || [ -x "/usr/lib/postgresql/$PG_MAJOR/bin/postgres" ] ||
    grep -qsx "VERSION_CODENAME=$suite" /etc/os-release; then
    return 0
  fi

  export VECTOR_HNSW_SUITE=$suite
  root=$(root_path "$suite")
  root_check_rights
  setup_work
  exec 8>"$root.lock"
  flock 8
  if [ ! -x "$root/usr/bin/dpkg" ]; then
    command -v debootstrap >/dev/null || install_packages debootstrap
    step root "Making a Debian $suite root in $root (some minutes)" \
      root_make "$suite" "$root"
  fi
  exec 8>&-

  note "in the Debian root $root:"
  exec 9>&-
  exec_in_root "$root" ro "$TOP" "$TOP" rw "$WORK" "$WORK" -- "$TOP/dev" "$@"
}
