#!/bin/sh
#
# subscription.sh SUBSCRIBER PUBLISHER BUNDLE - logical replication between two
# servers that trust different CAs.
#
#	subscription.sh "host=one.example.com dbname=app user=admin" \
#		"host=two.example.com dbname=app user=replica" /etc/postgresql/certs
#
# It is the subscriber that connects to the publisher, so the bundle must lie
# there, and the user that it runs as must be able to read the chosen key.  The
# connection string is kept in the catalog pg_subscription, which only
# superusers can read; still, a key without a password, or a token, is better
# than an sslpassword in there.
set -eu

subscriber=$1
publisher=$2
bundle=$3

# The whole string, quoted as libpq reads it.  In an assignment the shell keeps
# the exit status: nothing is created if no certificate fits.
connection=$(pgcertsel select "$publisher" --bundle "$bundle" --full)

pgcertsel exec "$subscriber" --bundle "$bundle" -- psql -Xq -v ON_ERROR_STOP=1 \
	-v connection="$connection" <<'SQL'
CREATE SUBSCRIPTION prices CONNECTION :'connection' PUBLICATION prices;
SQL
