#!/bin/sh
#
# postgres_fdw.sh ONE HOST PORT ROOT BUNDLE - a foreign table on server ONE (a
# connection string) whose rows are on the server at HOST and PORT, which
# trusts another CA, and whose own certificate the CAs in the file ROOT vouch
# for.
#
#	postgres_fdw.sh "host=one.example.com dbname=postgres user=admin" \
#		two.example.com 5432 /etc/postgresql/two-ca.crt /etc/postgresql/certs
#
# It is server ONE that connects to the other, so ROOT and BUNDLE lie there, and
# the user that ONE runs as must be able to read the chosen key.  Rules of
# postgres_fdw: only a superuser may set sslcert and sslkey in a user mapping,
# and a role that is none must give a password when it connects, unless a
# superuser sets password_required to false.
set -eu

one=$1
host=$2
port=$3
root=$4
bundle=$5
user=report

# In an assignment the shell keeps the exit status: nothing is set up if no
# certificate fits.  In PGSSLCERT and PGSSLKEY it is ready for psql's variables.
choice=$(pgcertsel select "host=$host port=$port dbname=postgres user=$user
	sslmode=verify-full sslrootcert='$root'" --bundle "$bundle" --format=env)
eval "$choice"

pgcertsel exec "$one" --bundle "$bundle" -- psql -Xq -v ON_ERROR_STOP=1 \
	-v host="$host" -v port="$port" -v root="$root" -v user="$user" \
	-v cert="$PGSSLCERT" -v key="$PGSSLKEY" <<'SQL'
BEGIN;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE SERVER two FOREIGN DATA WRAPPER postgres_fdw
  OPTIONS (host :'host', port :'port', dbname 'postgres',
           sslmode 'verify-full', sslrootcert :'root');

-- for the superuser who runs this
CREATE USER MAPPING FOR CURRENT_USER SERVER two
  OPTIONS (user :'user', sslcert :'cert', sslkey :'key');

-- and for a role that is none, whose password the certificate replaces
CREATE USER MAPPING FOR analyst SERVER two
  OPTIONS (user :'user', sslcert :'cert', sslkey :'key', password_required 'false');

CREATE FOREIGN TABLE prices (item text, price numeric) SERVER two;
GRANT SELECT ON prices TO analyst;
COMMIT;
SQL
