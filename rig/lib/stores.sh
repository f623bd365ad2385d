# shellcheck shell=bash
# Needs rig.sh and what it sources.
# shellcheck disable=SC2154
# Postgres and Redis on loopback, each behind a password of its own, since others may use this machine.
# Owns $STATE/stores and, where root has to lend Postgres a folder outside the clone, that folder.

stores=$STATE/stores
postgres_user=65534                       # root may not run Postgres; this number is nobody's on every Linux

as_user=()
[ "$(id -u)" != 0 ] || as_user=(setpriv "--reuid=$postgres_user" "--regid=$postgres_user" --clear-groups --)
as_postgres() { "${as_user[@]}" "$@"; }

# --- Postgres ---------------------------------------------------------------------------------
# Sets pg_home, a folder that Postgres's user can reach: in the clone, or else in /tmp and noted down.
find_pg_home() {
  pg_home=$(cat "$stores/pg-home" 2>/dev/null || true)
  [ -z "$pg_home" ] || [ ! -d "$pg_home" ] || return 0
  pg_home=$stores/pg
  mkdir -p "$pg_home"
  if [ "$(id -u)" = 0 ]; then
    need setpriv util-linux
    chown $postgres_user:$postgres_user "$pg_home"
    if ! as_postgres test -x "$pg_home"; then
      rmdir "$pg_home"
      pg_home=$(mktemp -d /tmp/igor-postgres.XXXXXX)
      chown $postgres_user:$postgres_user "$pg_home"
    fi
  fi
  echo "$pg_home" >"$stores/pg-home"
}

# Root's cache folder is closed to others: Postgres's user gets a copy of its programs beside its data.
lend_programs() {
  [ "$(id -u)" = 0 ] && ! as_postgres test -x "$pg_bin/postgres" || return 0
  [ -n "${pg_package:-}" ] || die "user number $postgres_user cannot reach $pg_bin"
  [ -d "$pg_home/programs" ] || cp -a "$pg_package" "$pg_home/programs"
  pg_bin=$pg_home/programs${pg_bin#"$pg_package"}
}

make_database() {
  [ ! -f "$pg_home/data/PG_VERSION" ] || return 0
  rm -rf "$pg_home/data"
  # Scram costs every new connection 4,096 rounds of SHA-256; against a random password md5 is no weaker.
  # shellcheck disable=SC2016
  echo "$pg_password" | as_postgres sh -c 'umask 077; cat >"$1"' sh "$pg_home/password"
  (cd "$pg_home" && as_postgres "$pg_bin/initdb" -D "$pg_home/data" -U igor -A md5 --pwfile="$pg_home/password" \
    --no-sync -E UTF8 --no-locale >"$STATE/logs/initdb.log" 2>&1) || { cat "$STATE/logs/initdb.log" >&2; die "initdb failed"; }
  rm -f "$pg_home/password"
}

has_statements() { compgen -G "$pg_bin/../lib/pg_stat_statements.so" >/dev/null || compgen -G "$pg_bin/../lib/postgresql/pg_stat_statements.so" >/dev/null; }

# What else the servers are told.
postgres_more=() redis_more=()

start_postgres() {
  local more=("${postgres_more[@]}")
  ! has_statements || more+=(-c shared_preload_libraries=pg_stat_statements)
  if ! alive postgres; then rm -f "$pg_home/data/postmaster.pid"; fi
  spawn postgres env -C "$pg_home" "${as_user[@]}" "$pg_bin/postgres" -D "$pg_home/data" -c listen_addresses=127.0.0.1 -c port="$pg_port" \
    -c unix_socket_directories= -c max_connections=300 -c fsync="${IGOR_RIG_FSYNC:-on}" "${more[@]}"
}

# The line Postgres itself writes for its own tools.
postgres_ready() {
  alive postgres || { tail -5 "$STATE/logs/postgres.log" >&2; die "postgres ended"; }
  [ "$(sed -n '8s/ *$//p' "$pg_home/data/postmaster.pid" 2>/dev/null)" = ready ]
}

# --- Redis ------------------------------------------------------------------------------------
start_redis() {
  mkdir -p "$stores/redis"
  spawn redis "$redis_server" --bind 127.0.0.1 --port "$redis_port" --requirepass "$redis_password" --dir "$stores/redis" \
    --maxmemory-policy noeviction --appendonly no --save "$redis_save" --daemonize no "${redis_more[@]}"
}

# redis_ask WORD...: one command; prints the first line of the answer.
redis_ask() {
  local answer
  exec 6<>"/dev/tcp/127.0.0.1/$redis_port" || return 1
  printf 'AUTH %s\r\n%s\r\n' "$redis_password" "$*" >&6
  read -r -t 2 answer <&6 && read -r -t 2 answer <&6
  exec 6>&-
  echo "${answer%$'\r'}"
} 2>/dev/null

redis_ready() {
  alive redis || { tail -5 "$STATE/logs/redis.log" >&2; die "the Redis server ended"; }
  [ "$(redis_ask PING)" = +PONG ]
}

# --- both -------------------------------------------------------------------------------------
new_password() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

load_stores() {
  mkdir -p "$stores" "$STATE/logs"
  chmod 711 "$stores"
  [ -f "$stores/passwords" ] || (umask 077; printf '%s\n' "pg_password=$(new_password)" "redis_password=$(new_password)" >"$stores/passwords")
  # shellcheck disable=SC1091
  . "$stores/passwords"
  if ! [ -f "$stores/ports" ] || ! { alive postgres || alive redis; }; then
    printf '%s\n' "pg_port=$(free_port)" "redis_port=$(free_port)" >"$stores/ports"
  fi
  # shellcheck disable=SC1091
  . "$stores/ports"
}

# Postgres, ours or the one of DATABASE_URL. Sets database_url.
bring_postgres() {
  database_url=${DATABASE_URL:-}
  if [ -n "$database_url" ]; then
    say "Postgres: the one of DATABASE_URL"
    return
  fi
  find_postgres
  say "Postgres: $pg_bin"
  find_pg_home
  lend_programs
  make_database
  start_postgres
  await 30 Postgres postgres_ready
  database_url=postgres://igor:$pg_password@127.0.0.1:$pg_port/postgres
}

# bring_redis SAVE: Redis, ours or the one of REDIS_URL; SAVE is how it keeps its data, "" for not at all. Sets redis_url.
bring_redis() {
  redis_save=$1 redis_url=${REDIS_URL:-}
  if [ -n "$redis_url" ]; then
    say "Redis: the one of REDIS_URL"
    return
  fi
  find_redis
  say "Redis: $redis_server"
  start_redis
  await 30 Redis redis_ready
  redis_url=redis://:$redis_password@127.0.0.1:$redis_port/0
}

stop_stores() {
  stop_process redis 30
  # INT does not wait for clients to leave.
  stop_process postgres 50 INT
}

remove_stores() {
  local lent
  lent=$(cat "$stores/pg-home" 2>/dev/null || true)
  case $lent in /tmp/igor-postgres.*) rm -rf "$lent" ;; esac
  rm -rf "$stores"
}
