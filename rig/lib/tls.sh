# shellcheck shell=bash
# Needs rig.sh and what it sources.
# shellcheck disable=SC2034,SC2154
# Certificates for stores that speak TLS alone and ask for a certificate themselves. Owns $STATE/pki.

pki=$STATE/pki

# The servers are called localhost: to who comes by their address they are others.
make_certificates() {
  if [ -f "$pki/done" ] && openssl x509 -checkend 86400 -noout -in "$pki/ca.crt" >/dev/null; then return; fi
  need openssl openssl
  rm -rf "$pki"
  mkdir "$pki"
  make_authority ca /CN=igor-rig-stores
  make_authority other /CN=igor-rig-others
  make_cert server /CN=stores serverAuth DNS:localhost
  make_cert client /CN=igor clientAuth
  touch "$pki/done"
}

# Postgres reads a key only when it is its own and closed to others.
lend_key() {
  local file
  for file in ca.crt server.crt server.key; do
    as_postgres sh -c 'umask 077; cat >"$1"' sh "$pg_home/$file" <"$pki/$file"
  done
}

tell_postgres() {
  lend_key
  echo 'hostssl all all 127.0.0.1/32 md5 clientcert=verify-ca' | as_postgres tee "$pg_home/data/pg_hba.conf" >/dev/null
  postgres_more=(-c password_encryption=scram-sha-256 -c ssl=on -c ssl_ca_file="$pg_home/ca.crt" -c ssl_cert_file="$pg_home/server.crt" -c ssl_key_file="$pg_home/server.key")
}

tell_redis() {
  redis_more=(--port 0 --tls-port "$redis_port" --tls-ca-cert-file "$pki/ca.crt" --tls-cert-file "$pki/server.crt"
    --tls-key-file "$pki/server.key" --tls-auth-clients yes)
}

redis_listens() {
  alive redis || { tail -5 "$STATE/logs/redis.log" >&2; die "the Redis server ended"; }
  (exec 3<>"/dev/tcp/127.0.0.1/$redis_port") 2>/dev/null
}
