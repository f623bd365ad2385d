# shellcheck shell=bash
# Starts, finds and ends the rig's own processes. Owns $STATE/run (pid files) and $STATE/logs.
# Knows nothing of what the processes do.

say() { printf '%s\n' "rig: $*" >&2; }
die() { say "$*"; exit 1; }
now_ms() { date +%s%3N; }

# A port below the kernel's ephemeral range, so that no client's socket takes it meanwhile.
free_port() {
  local port
  while :; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# What tells a process from a later one with its number: boot, number, start time. Nothing for a zombie.
identity() {
  local stat rest
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  rest=${stat##*) }                      # the program's name may hold blanks and brackets
  # shellcheck disable=SC2086
  set -- "$1" $rest
  case $2 in Z | X) return 0 ;; esac
  echo "$1 ${21} $(cat /proc/sys/kernel/random/boot_id)"
}

pid_of() { cut -d' ' -f1 "$STATE/run/$1.pid" 2>/dev/null || true; }

# alive NAME: the process recorded under this name is still that process.
alive() {
  local recorded
  recorded=$(cat "$STATE/run/$1.pid" 2>/dev/null) || return 1
  [ -n "$recorded" ] && [ "$(identity "${recorded%% *}")" = "$recorded" ]
}

# spawn NAME PROGRAM ARGS...: detached from this shell, its output in $STATE/logs/NAME.log. Descriptors 7 to 9 are our locks.
spawn() {
  local name=$1
  shift
  ! alive "$name" || return 0
  mkdir -p "$STATE/run" "$STATE/logs"
  setsid "$@" >>"$STATE/logs/$name.log" 2>&1 </dev/null 7>&- 8>&- 9>&- &
  identity $! >"$STATE/run/$name.pid"
}

# stop_process NAME TENTHS [SIGNAL]: the signal (TERM), then KILL when it is still there after that many tenths of a second.
stop_process() {
  local name=$1 tenths=$2 signal=${3:-TERM} pid i
  pid=$(pid_of "$name")
  if alive "$name"; then
    kill -CONT "$pid" 2>/dev/null || true
    kill "-$signal" "$pid" 2>/dev/null || true
    for ((i = 0; i < tenths; i++)); do
      alive "$name" || break
      sleep 0.1
    done
    ! alive "$name" || kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$STATE/run/$name.pid"
}

# signal_process NAME SIGNAL
signal_process() {
  alive "$1" || die "$1 is not running"
  kill "-$2" "$(pid_of "$1")"
}

# await SECONDS WHAT COMMAND...: polls until the command succeeds.
await() {
  local end what=$2
  end=$(($(now_ms) + $1 * 1000))
  shift 2
  until "$@"; do
    [ "$(now_ms)" -lt "$end" ] || { say "$what: not ready in time"; return 1; }
    sleep 0.05
  done
}

# need PROGRAM PACKAGE: names what installs a program that is missing.
need() {
  command -v "$1" >/dev/null || die "$1 is missing; install it, for example: apt-get install $2"
}
