#!/bin/sh
#
# session.sh CONNINFO BUNDLE - from the question to the login, step by step.
#
#	session.sh "host=db.example.com dbname=postgres user=alice" ~/certs
set -eu

conninfo=$1
bundle=$2

echo "The server wants a certificate of one of these CAs:"
pgcertsel names "$conninfo"

echo
echo "This is what I hold:"
pgcertsel list --bundle "$bundle"

echo
echo "And this is what each is worth to the server; the choice has an asterisk:"
pgcertsel check "$conninfo" --bundle "$bundle"

# In an assignment the shell keeps the exit status, which it drops in
# psql "$(pgcertsel select ...)"; without a fitting certificate this ends here.
fragment=$(pgcertsel select "$conninfo" --bundle "$bundle")

echo
echo "For a connection string: $fragment"
psql "$conninfo $fragment" -XAtc "SELECT 'psql is in as ' || current_user"

# The same in one step, and also for a key that needs a password.
pgcertsel exec "$conninfo" --bundle "$bundle" -- \
	psql -XAtc "SELECT 'exec is in as ' || current_user"
