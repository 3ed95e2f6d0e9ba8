# client.sh - the client half: which certificate does this server want?
#
# shellcheck shell=bash disable=SC2016

act_client()
{
	title "The client: many certificates, one command"

	about "The CA names of server one, from SQL and from the TLS handshake: the same"
	show 'psql "$ADMIN_ONE" -c "select position, name, source from pg_trusted_ca_names()"'
	want "CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA" "file"
	show 'pgcertsel names "$ONE"'
	want "CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA"
	same_names ONE

	about "And those of server two"
	show 'pgcertsel names "$TWO"'
	want "CN=Your Company Root CA"
	same_names TWO

	about "What is in the bundle; the second key cannot be read without its password"
	show 'pgcertsel list --bundle certs'
	want client1.crt client2.crt client+client_ca.crt

	# What a session knows of its certificate.
	cat >whoami.sql <<'SQL'
select current_user, client_dn, issuer_dn from pg_stat_ssl where pid = pg_backend_pid()
SQL

	about "psql alone sends the one file that it was told of: right for server two, wrong for server one"
	set_variable PGSSLCERT certs/client+client_ca.crt
	set_variable PGSSLKEY certs/client.key
	show "cat whoami.sql"
	show "psql \"\$TWO user=user1\" -f whoami.sql"
	want "/CN=user1"
	show "psql \"\$ONE user=app\" -f whoami.sql"
	want_status 2
	want "unknown ca"
	unset PGSSLCERT PGSSLKEY

	about "The same bundle gives a different certificate to each server"
	show "pgcertsel exec \"\$ONE user=app\" --bundle certs -- psql -f whoami.sql"
	want_status 0
	want "CN=client1"
	show "pgcertsel exec \"\$TWO user=user1\" --bundle certs -- psql -f whoami.sql"
	want_status 0
	want "/CN=user1"

	about "Why that one: every certificate, with its reasons"
	show 'pgcertsel check "$TWO user=user1" --bundle certs'
	want_status 0
	want client1.crt client2.crt client+client_ca.crt

	about "The choice as a part of a connection string, for any program that uses libpq"
	show 'pgcertsel select "$ONE user=app" --bundle certs'
	want_status 0
	want "sslcert=" "client1.crt" "sslkey=" "client1.key"
	show "psql \"\$ONE user=app \$(pgcertsel select \"\$ONE user=app\" --bundle certs)\" -f whoami.sql"
	want "CN=client1"

	act_lists
}

# Are the names of SQL and of the handshake the same?
same_names()
{
	show "diff <(psql \"\$ADMIN_$1\" -XAtc 'select name from pg_trusted_ca_names()') <(pgcertsel names \"\$$1\") && echo the same names"
	want "the same names"
}

# The lists of the procedure, as they stand there.
act_lists()
{
	about "Comma lists: same positions belong together, an empty password means an unencrypted key"
	set_variable CERTS sslcert=certs/client1.crt,certs/client2.crt,certs/client+client_ca.crt
	set_variable KEYS sslkey=certs/client1.key,certs/client2.key,certs/client.key
	show "pgcertsel exec \"\$TWO user=user1 \$CERTS \$KEYS sslpassword=,password,\" -- psql -f whoami.sql"
	want_status 0
	want "/CN=user1"
	show "pgcertsel exec \"\$ONE user=app \$CERTS \$KEYS sslpassword=,password,\" -- psql -f whoami.sql"
	want_status 0
	want "CN=client1"

	about "Without the fitting pair in the list, the reason is said, and nothing wrong is sent"
	show "pgcertsel exec \"\$TWO user=user1 sslcert=certs/client1.crt,certs/client2.crt sslkey=certs/client1.key,certs/client2.key sslpassword=,password\" -- psql -f whoami.sql"
	want_status 2
	want "Server requests a client certificate but no suitable certificate is found from sslcert list provided" \
		"connection requires a valid client certificate"

	about "Three passwords for two keys"
	show "pgcertsel exec \"\$TWO user=user1 sslcert=certs/client1.crt,certs/client2.crt sslkey=certs/client1.key,certs/client2.key sslpassword=,password,\" -- psql -f whoami.sql"
	want "could not match 3 sslpassword to 2 sslkey values"
	want_not "/CN="
}
