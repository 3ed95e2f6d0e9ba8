# policy.sh - the server half: which certificate may log in as this role?
#
# Variables of show.sh and certificates.sh, and commands for another shell:
# shellcheck shell=bash disable=SC2154,SC2016

act_policy()
{
	title "The server: which certificate may be alice?"

	about "Server one learns to trust rootCA2 as well, by a reload"
	run "cat ca/rootCA1.crt ca/rootCA2.crt > ca/both.crt"
	show 'psql "$ADMIN_ONE" -c "alter system set ssl_ca_file = '"'\$PWD/ca/both.crt'"'" -c "select pg_reload_conf()"'
	wait_for_names 2
	same_names ONE

	about "Now two certificates would do: the role decides, and its key's password is found in the list"
	show 'psql "$ADMIN_ONE" -c "create role client2 login"'
	show "pgcertsel exec \"\$ONE user=client2 \$CERTS \$KEYS sslpassword=,password,\" -- psql -f whoami.sql"
	want_status 0
	want "CN=client2"

	about "alice has a certificate of rootCA1"
	run "mkdir alice other forged"
	request alice/alice "$ido/CN=alice"
	sign rootCA1 alice/alice

	about "rootCA2 issues the same common name to somebody else"
	request other/alice "$ido/CN=alice"
	sign rootCA2 other/alice

	about "And rootCA2 makes itself an intermediate with rootCA1's name, and signs with that"
	request ca/fake "$ido/CN=rootCA1"
	sign rootCA2 ca/fake v3_ca
	request forged/alice "$ido/CN=alice"
	sign fake forged/alice
	run "cat ca/fake.crt >> forged/alice.crt"

	about "pg_hba.conf's \"cert\" compares the common name only: all three are alice"
	login alice
	want "CN=rootCA1"
	login other
	want "CN=rootCA2"
	login forged
	want_status 0
	want "/CN=rootCA1"

	about "A policy: the role's own name, meant for clients, vouched for by rootCA1 and no other CA"
	show "psql \"\$ADMIN_ONE\" -c \"security label for pg_cert_policy on role alice is
  'cn=%role eku=clientAuth ca=\\\"CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA\\\"'\""
	want_status 0
	show 'psql "$ADMIN_ONE" -c "select name, policy, covers from pg_cert_policies"'
	want "cn=%role eku=clientAuth"

	about "The dry run says what will happen to each of the three"
	cat >dry_run.sql <<'SQL'
select case when holds then 'holds' else 'FAILS' end, coalesce(clause, kind), found
from pg_cert_policy_check('alice', :'cert')
SQL
	show "cat dry_run.sql"
	dry_run alice
	want "holds  verdict"
	want_not "FAILS"
	dry_run other
	want "FAILS  ca" "FAILS  verdict"
	dry_run forged
	want "holds  chain" "FAILS  ca" "FAILS  verdict"

	about "The right certificate gets in"
	login alice
	want_status 0
	want "CN=rootCA1"

	about "rootCA2's does not; the client is not told why, the server's log is"
	rejected other

	about "Nor does the one whose issuer is called rootCA1: a name does not vouch, the CA's certificate does"
	rejected forged

	about "The client half judges with the same code: knowing the CAs and the policy, it sends the right one of the three"
	set_variable POLICY "\$(psql -XAtc \"select policy from pg_cert_policies where name = 'alice'\" \"\$ADMIN_ONE\")"
	set_variable THREE '"--bundle other --bundle forged --bundle alice"'
	show 'pgcertsel check "$ONE user=alice" $THREE --ca-file ca/both.crt --policy "$POLICY"'
	want_status 0
	want "certain   $PWD/alice/alice.crt" "unusable  $PWD/forged/alice.crt" "unusable  $PWD/other/alice.crt"
	show 'pgcertsel exec "$ONE user=alice" $THREE --ca-file ca/both.crt --policy "$POLICY" -- psql -f whoami.sql'
	want_status 0
	want "CN=rootCA1"
}

# login FOLDER: as alice, with the certificate that is in there.
login()
{
	show "psql \"\$ONE user=alice sslcert=$1/alice.crt sslkey=$1/alice.key\" -f whoami.sql"
}

# The certificate and what comes behind it, as the client would send it.
dry_run()
{
	show "psql -XAtF '  ' \"\$ADMIN_ONE\" -v cert=\"\$(cat $1/alice.crt)\" -f dry_run.sql"
	want_status 0
}

rejected()
{
	run ": > one.log"
	login "$1"
	want_status 2
	want 'certificate policy rejects login as role "alice"'
	want_not "rootCA"
	show "cat one.log"
	want 'ca: required "CN=rootCA1' 'found "CN=rootCA2'
}

# A reload takes its moment.
wait_for_names()
{
	perform "for i in \$(seq 100); do
		[ \$(pgcertsel names \"\$ONE\" | wc -l) = $1 ] && exit 0; sleep 0.1; done; exit 1"
	if [ "$status" -ne 0 ]; then
		failed "server one does not announce $1 names"
	fi
}
