# test.sh
#     ./dev test: every suite, counted.  Sourced by dev.

SUITES=(build unit fuzz regress isolation tap clients ubsan points upgrade)
PASSED=0
FAILED=0
SKIPPED=0

test_main() {
  local packages=()

  parse_test_arguments "$@"
  enter_root_if_needed test "$@"
  setup_work
  if wanted clients; then
    mapfile -t packages < <(client_packages)
  fi
  setup_postgres "${packages[@]}"
  note "PostgreSQL $PG_MAJOR; logs are in $LOGS"

  plain_suites
  checked_suites
  if wanted upgrade; then
    upgrade_suite
  fi
  summary
}

# Leaves the suites to run in WANTED.
parse_test_arguments() {
  local argument

  parse_arguments "$@"
  WANTED=()
  for argument in "${ARGS[@]}"; do
    case " ${SUITES[*]} " in
      *" $argument "*) WANTED+=("$argument") ;;
      *)
        [ "$argument" = --long ] ||
          die "no suite \"$argument\"; there are: ${SUITES[*]}"
        export VECTOR_HNSW_LONG=1
        ;;
    esac
  done
  [ ${#WANTED[@]} -gt 0 ] || WANTED=("${SUITES[@]}")
}

wanted() {
  local name suite

  for name in "$@"; do
    for suite in "${WANTED[@]}"; do
      [ "$suite" != "$name" ] || return 0
    done
  done
  return 1
}

# The sources as they are now, never a build from before
fresh_instance() {
  instance "$1"
  instance_remove
  instance "$1"
  step "prepare-$1" "Copying the sources and PostgreSQL $PG_MAJOR" \
    prepare_instance
}

plain_suites() {
  local before=$FAILED

  wanted build unit fuzz regress tap clients || return 0
  fresh_instance test

  if wanted unit; then
    counted unit "Unit tests" instance_make unit WERROR=1
    counted unit-sanitized "Unit tests under ASan and UBSan" \
      instance_make unit WERROR=1 UNIT_SANITIZE=1
  fi
  if wanted fuzz; then
    fuzz_suite
  fi
  if wanted build regress tap clients; then
    single build "Building without warnings" instance_build WERROR=1
  fi
  if [ "$STEP_STATUS" -eq 0 ] && wanted regress tap clients; then
    server_suites
  fi
  instance_remove_unless_failed "$before"
}

fuzz_suite() {
  if ! can_fuzz && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt_update
    step apt-fuzz "Installing clang and its runtime" \
      apt_install clang libclang-rt-dev
  fi
  if can_fuzz; then
    single fuzz "Fuzzing the types' input for 20 s" instance_make fuzz
  else
    note "no clang with libFuzzer (clang, libclang-rt-dev): nothing is fuzzed"
    SKIPPED=$((SKIPPED + 1))
  fi
}

can_fuzz() {
  instance_make -s fuzz-check >/dev/null 2>&1
}

server_suites() {
  if wanted regress clients; then
    step start "Starting a server" instance_start "fsync = off"
    if wanted regress; then
      counted regress "SQL tests" instance_make installcheck
    fi
    if wanted clients; then
      clients_suite
    fi
    check_server_log
  fi
  if wanted tap && has_files 'test/t/*.pl'; then
    small_disk
    counted tap "TAP tests" instance_make tap PROVE_FLAGS='--verbose --timer'
    unmount_small "$INSTANCE"
  fi
}

# A file system of 4 MB, for the test of a full disk.  on_exit unmounts it,
# too.
small_disk() {
  local user

  unset VECTOR_HNSW_SMALL_DISK
  user=$(as_user id -u)
  as_user mkdir -p "$INSTANCE/small"
  if [ "$(id -u)" -eq 0 ] && mount -t tmpfs \
    -o "size=4m,uid=$user,gid=$(as_user id -g),mode=700" \
    tmpfs "$INSTANCE/small" 2>/dev/null; then
    export VECTOR_HNSW_SMALL_DISK=$INSTANCE/small
  else
    note "no permission to mount a small disk; tests of a full one are skipped"
  fi
}

# What is slower and safer than what ships: UBSan, assertions, and the points
# at which isolation tests make a backend wait and others make it fail.
checked_suites() {
  local before=$FAILED
  local options=(SANITIZE=undefined ASSERTS=1 TEST_POINTS=1 with_llvm=no)

  wanted isolation ubsan points || return 0
  fresh_instance ubsan
  single ubsan-build "Building with UBSan, assertions and test points" \
    instance_build WERROR=1 "${options[@]}"
  if [ "$STEP_STATUS" -eq 0 ]; then
    checked_server_suites "${options[@]}"
  fi
  instance_remove_unless_failed "$before"
}

# pg_regress runs both kinds of tests of PGXS, so each is chosen by leaving the
# other one empty.
checked_server_suites() {
  if wanted isolation ubsan; then
    step ubsan-start "Starting a server" \
      instance_start "fsync = off" "autovacuum = off"
  fi
  if wanted ubsan; then
    counted ubsan "SQL tests with UBSan and assertions" \
      instance_make installcheck ISOLATION_FILES= "$@"
  fi
  if wanted isolation; then
    counted isolation "Isolation tests" \
      instance_make installcheck REGRESS_FILES= "$@"
  fi
  check_server_log
  if wanted points; then
    counted points "TAP tests with test points" \
      instance_make tap PROVE_FLAGS='--verbose --timer' "$@"
  fi
}

has_files() {
  (cd "$SOURCE" && compgen -G "$1" >/dev/null)
}

# single NAME TITLE COMMAND...: a step that is one test
single() {
  local log=$LOGS/$1.log
  shift

  quiet_step "$log" "$@"
  if [ "$STEP_STATUS" -eq 0 ]; then
    PASSED=$((PASSED + 1))
  else
    FAILED=$((FAILED + 1))
    show_tail "$log" 40
  fi
}

count_lines() {
  grep -E "$1" "$2" | grep -cvE "${3:-^$}" || true
}

# counted NAME TITLE COMMAND...: a step that reports tests one by one.  Its
# results are TAP lines, or those of pg_regress before PostgreSQL 16.  A step
# that breaks off without a failed test counts as one.
counted() {
  local log=$LOGS/$1.log passed failed skipped
  shift

  quiet_step "$log" "$@"
  passed=$(count_lines '^ok [0-9]+|^test .*\.\.\. ok ' "$log" '# (skip|SKIP)')
  failed=$(count_lines '^not ok [0-9]+|^test .*\.\.\. FAILED' "$log" '# TODO')
  skipped=$(count_lines '^ok [0-9]+.*# (skip|SKIP)' "$log")
  if [ "$failed" -eq 0 ] && [ $((STEP_STATUS != 0 || passed == 0)) -eq 1 ]; then
    failed=1
  fi
  note "$passed passed, $failed failed"
  PASSED=$((PASSED + passed))
  FAILED=$((FAILED + failed))
  SKIPPED=$((SKIPPED + skipped))
  [ "$failed" -eq 0 ] || show_failure "$log"
}

show_failure() {
  local log=$1 file

  grep -nE -A 12 '^not ok|FAILED|^#   Failed|runtime error|Sanitizer|Dubious' \
    "$log" | head -n 120 || true
  show_tail "$log" 30
  for file in "$SOURCE"/regression.diffs "$SOURCE"/output_iso/regression.diffs
  do
    [ ! -s "$file" ] || head -n 150 "$file"
  done
  for file in "$SOURCE"/tmp_check/log/*; do
    [ ! -s "$file" ] || show_tail "$file" 15
  done
}

# A crash or a sanitizer's finding is a failure whatever the tests said.
check_server_log() {
  local log=$INSTANCE/server.log found
  local pattern='runtime error|was terminated by signal|PANIC|TRAP:'

  [ -e "$log" ] || return 0
  found=$(grep -cE "$pattern" "$log" || true)
  [ "$found" -gt 0 ] || return 0
  FAILED=$((FAILED + 1))
  note "the server's log has $found lines that tell of a fault:"
  grep -nE -B 2 -A 4 "$pattern" "$log" | head -n 80
}

# What a failure left is kept for a look at it.  The argument is how many there
# were before this instance.
instance_remove_unless_failed() {
  if [ "$FAILED" -eq "$1" ]; then
    instance_remove
  else
    instance_stop
    note "what failed is in $INSTANCE"
  fi
}

summary() {
  local skipped=

  [ $SKIPPED -eq 0 ] || skipped=", $SKIPPED skipped"
  say "${WANTED[*]}: $SECONDS s$skipped"
  echo "$PASSED passed, $FAILED failed"
  [ $FAILED -eq 0 ] && [ $PASSED -gt 0 ]
}
