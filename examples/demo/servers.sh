# servers.sh - two PostgreSQL servers, one for each world of CAs.
#
# Variables of show.sh:
# shellcheck shell=bash disable=SC2154

act_servers()
{
	title "Two servers"

	about "Server one trusts rootCA1, server two the company's root; both ask for client certificates"
	server_make one "$PWD/ca/rootCA1.crt" \
		'hostssl all alice samehost cert' \
		'hostssl all all   samehost trust clientcert=verify-ca'
	server_make two "$PWD/ca/company.crt" \
		'hostssl all user1 samehost cert' \
		'hostssl all all   samehost trust clientcert=verify-ca'
	show "tail -n 6 one/postgresql.conf; cat one/pg_hba.conf"
	server_start one
	server_start two

	# How a client reaches them, and how their administrator does.
	local tls="dbname=postgres sslmode=verify-full sslrootcert=ca/company.crt"

	ONE="host=localhost port=$(port_of one) $tls"
	TWO="host=localhost port=$(port_of two) $tls"
	ADMIN_ONE="host=$PWD/one port=$(port_of one) dbname=postgres user=postgres"
	ADMIN_TWO="host=$PWD/two port=$(port_of two) dbname=postgres user=postgres"
	export ONE TWO ADMIN_ONE ADMIN_TWO

	about "The extension is loaded and created in both; the roles are ordinary ones"
	show "psql \"\$ADMIN_ONE\" -c 'create extension pg_cert_policy' -c 'create role app login' -c 'create role alice login'"
	want_status 0
	show "psql \"\$ADMIN_TWO\" -c 'create extension pg_cert_policy' -c 'create role app login' -c 'create role user1 login'"
	want_status 0
}

# server_make NAME CA-FILE HBA-LINE...
server_make()
{
	local name=$1 ca=$2

	shift 2
	perform "$(bindir)/initdb -D $name -U postgres -A trust -E UTF8 --locale=C --no-sync"
	[ "$status" -eq 0 ] || {
		printf '%s\n' "$output"
		failed "initdb of server $name"
	}
	{
		echo "# the demo's own"
		echo "port = $(free_port)"
		echo "listen_addresses = 'localhost'"
		echo "unix_socket_directories = '.'"
		echo "fsync = off"
		echo "log_line_prefix = ''"
		staged
		echo "shared_preload_libraries = 'pg_cert_policy'"
		echo "ssl = on"
		echo "ssl_cert_file = '$PWD/tls/server.crt'"
		echo "ssl_key_file = '$PWD/tls/server.key'"
		echo "ssl_ca_file = '$ca'"
	} >>"$name/postgresql.conf"
	{
		echo 'local   all all            trust'
		printf '%s\n' "$@"
	} >"$name/pg_hba.conf"
}

# The extension is not installed in the system but in a folder of its own.
staged()
{
	local sharedir libdir

	sharedir=$PG_CERT_POLICY_STAGE$(pg_config_of --sharedir)
	libdir=$PG_CERT_POLICY_STAGE$(pg_config_of --pkglibdir)
	if [ "$(pg_config_of --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -ge 18 ]; then
		echo "extension_control_path = '$sharedir:\$system'"
	else
		echo "extension_destdir = '$PG_CERT_POLICY_STAGE'"
	fi
	echo "dynamic_library_path = '$libdir:\$libdir'"
}

pg_config_of()
{
	"${PG_CONFIG:-pg_config}" "$@"
}

bindir()
{
	pg_config_of --bindir
}

free_port()
{
	perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)
			or die "no free port\n";
		print $s->sockport'
}

port_of()
{
	sed -n 's/^port = //p' "$1/postgresql.conf"
}

server_start()
{
	perform "$(bindir)/pg_ctl -w -t 60 -D $1 -l $1.log start"
	if [ "$status" -ne 0 ]; then
		printf '%s\n' "$output"
		cat "$1.log"
		failed "server $1 did not start"
		summary
	fi
}

servers_stop()
{
	local name

	for name in one two; do
		if [ -f "$name/postmaster.pid" ]; then
			"$(bindir)/pg_ctl" -D "$name" -m fast -t 30 stop >/dev/null 2>&1
		fi
	done
}
