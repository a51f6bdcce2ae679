# output.sh
#     What the user sees: steps, progress, failures.  Sourced by dev.

STEP_PID=
STEP_STATUS=0

# No step takes so many seconds unless it hangs; those of --long have no limit.
STEP_LIMIT=2400

die() {
  printf 'dev: %s\n' "$*" >&2
  exit 1
}

say() {
  printf '==> %s\n' "$*"
}

note() {
  printf '    %s\n' "$*"
}

# Shows how long a step has run and the last line it wrote: every second in
# place on a terminal, otherwise a line now and then.
show_progress() {
  local seconds=$1 log=$2 line

  line=$(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | cut -c 1-60)
  if [ -t 1 ]; then
    printf '\r\033[K    %d s  %s' "$seconds" "$line"
  elif [ $((seconds % 20)) -eq 0 ] && [ "$seconds" -gt 0 ]; then
    note "$seconds s  $line"
  fi
}

# quiet_step LOG TITLE COMMAND...
#
# Runs the command with its output in the log and leaves its exit code in
# STEP_STATUS.  (Were this function itself the condition of an "if", bash would
# ignore set -e in the command.)  The command gets a process group of its own,
# so that an interrupt ends all of it.
quiet_step() {
  local log=$1 title=$2 start=$SECONDS shown=0
  shift 2

  say "$title"
  set -m
  ("$@") >"$log" 2>&1 </dev/null 9>&- &
  STEP_PID=$!
  set +m

  while kill -0 "$STEP_PID" 2>/dev/null; do
    sleep 0.1
    if [ $((SECONDS - start)) -gt "$shown" ]; then
      shown=$((SECONDS - start))
      show_progress "$shown" "$log"
      end_step_that_hangs "$shown" "$log"
    fi
  done
  STEP_STATUS=0
  wait "$STEP_PID" || STEP_STATUS=$?
  STEP_PID=

  [ ! -t 1 ] || printf '\r\033[K'
  if [ $STEP_STATUS -eq 0 ]; then
    note "done in $((SECONDS - start)) s"
  else
    note "FAILED after $((SECONDS - start)) s"
  fi
}

# At the limit the step is told to end, half a minute later it is ended.
end_step_that_hangs() {
  local seconds=$1 log=$2 signal

  [ -z "${VECTOR_HNSW_LONG:-}" ] || return 0
  case $((seconds - STEP_LIMIT)) in
    0) signal=TERM ;;
    30) signal=KILL ;;
    *) return 0 ;;
  esac
  echo "ended with SIG$signal after $seconds s" >>"$log"
  kill -"$signal" -- "-$STEP_PID" 2>/dev/null || true
}

# step NAME TITLE COMMAND...: a quiet step without which nothing else works
step() {
  local log=$LOGS/$1.log
  shift

  quiet_step "$log" "$@"
  if [ $STEP_STATUS -ne 0 ]; then
    show_tail "$log" 40
    die "$1: failed; the whole output is in $log"
  fi
}

show_tail() {
  printf -- '---- end of %s\n' "$1"
  tail -n "$2" "$1" || true
  printf -- '----\n'
}

interrupt_step() {
  [ -z "$STEP_PID" ] || kill -TERM -- "-$STEP_PID" 2>/dev/null || true
}
