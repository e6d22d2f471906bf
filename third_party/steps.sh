# Sourced by setup.sh, quickstart.sh and test.sh: how a step is announced and how one fails.

# say TEXT...: what happens next.
say() { printf '\n==> %s\n' "$*"; }

# fail TEXT...: the reason, and the end.
fail() {
  printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# logged LOG COMMAND...: runs the command, shows its output and keeps it in LOG. Returns the
# command's own exit code.
logged() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  printf '    %s\n' "$*"
  local code=0
  "$@" 2>&1 </dev/null | tee "$log" || code=${PIPESTATUS[0]}
  return "$code"
}

# step LOG TITLE COMMAND...: announces, runs, and stops with a clear reason if it fails.
step() {
  local log=$1 title=$2 code=0
  shift 2
  say "$title"
  logged "$log" "$@" || code=$?
  if [[ $code -ne 0 ]]; then
    fail "the step '$title' failed with exit code $code; its output is in $log"
  fi
}
