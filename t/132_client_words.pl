# What people read: list and check as tables, in colour on a terminal only, with
# what to do about each problem; and passwords, which nobody may read unless he
# asked for it.  Not pg_regress: a terminal, processes and a server's log.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder run run_with slurp write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use File::Copy qw(copy);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('rootCA1', subject => '/O=IDO/CN=rootCA1');
my $int = $pki->intermediate('int', issuer => $ca, subject => '/O=IDO/CN=int');
my @usual = (issuer => $ca, eku => 'clientAuth');
my $dir = folder($pki->dir . '/bundle',
	$pki->leaf('alice', @usual, days => 400, san => 'DNS:alice.example.com,URI:spiffe://x/alice'),
	$pki->leaf('soon', @usual, days => 9),
	$pki->leaf('expired', @usual, not_before => '20200101000000Z', days => 30),
	$pki->leaf('future', @usual, not_before => '20490101000000Z', days => 30),
	$pki->leaf('open', @usual),
	$pki->leaf('server', issuer => $ca, eku => 'serverAuth'),
	$pki->leaf('weak', @usual, key => 'rsa:1024'),
	$pki->leaf('sha1', @usual, md => 'sha1'),
	$pki->leaf('locked', @usual, password => 'sesame'));
my $lonely = $pki->leaf('lonely', issuer => $int, eku => 'clientAuth');
my $bob = $pki->leaf('bob', issuer => $int, eku => 'clientAuth');

chmod 0644, "$dir/open.key";
copy($lonely->{cert}, "$dir/lonely.crt") or die $!;
copy($lonely->{key}, "$dir/lonely.key") or die $!;
copy($bob->{key}, "$dir/bob.key") or die $!;
chmod 0600, "$dir/lonely.key", "$dir/bob.key";
copy($pki->concat('reversed', $int->{cert}, $bob->{cert}), "$dir/bob.crt") or die $!;

# --- list ---------------------------------------------------------------------

my $got = run($pgcertsel, 'list', '--bundle', $dir);
my $list = $got->{stdout};

is($got->{status}, 0, 'list: status 0, whatever is wrong with certificates');
is($got->{stderr}, '', 'and not a word on stderr');
unlike($list, qr/\e/, 'no colour where it is not a terminal');
like($list, qr/^STATE +UNTIL +KEY +CERTIFICATE\n/, 'a head');

# from 3.5 on, OpenSSL sends what is signed with SHA-1, for the server to refuse
my ($sha1) = $list =~ m{^(unusable|doubtful) .*/sha1\.crt$}m;
$sha1 //= 'unusable or doubtful';
is_deeply([ $list =~ m{^(\w+ +[\d-]+ +\w+ +\Q$dir\E/\w+\.crt)$}mg ],
	[ map { sprintf '%-11s %s  %-8s %s/%s.crt', $_->[1], last_day($_->[0]), $_->[2] // 'EC', $dir, $_->[0] }
		[ 'alice', 'good' ], [ 'expired', 'unusable' ], [ 'future', 'unusable' ], [ 'locked', 'unusable' ],
		[ 'lonely', 'incomplete' ], [ 'open', 'unusable' ], [ 'server', 'unusable' ], [ 'sha1', $sha1 ],
		[ 'soon', 'expiring' ], [ 'weak', 'unusable', 'RSA' ] ],
	'a line for each, sorted by path, with state, end, kind of key and file');
my $unusable = $sha1 eq 'unusable' ? 7 : 6;
like($list, qr/^10 certificates with a key, $unusable of them unusable$/m, 'and a sum');
like($list, qr{alice\.crt\n +subject +CN=alice\n +issuer +CN=rootCA1,O=IDO\n +names +DNS:alice\.example\.com, URI:spiffe://x/alice\n},
	'what the certificate says');

sub last_day
{
	my ($name) = @_;
	my $end = run('openssl', 'x509', '-in', "$dir/$name.crt", '-noout', '-enddate')->{stdout};
	my ($month, $day, $year) = $end =~ /=(\w+) +(\d+) [\d:]+ (\d+)/ or die $end;

	return sprintf '%d-%02d-%02d', $year, index('JanFebMarAprMayJunJulAugSepOctNovDec', $month) / 3 + 1, $day;
}

# What is said under a file's line, or among the files that are none.
sub said_of
{
	my ($text, $name) = @_;
	my ($said) = $text =~ m{^(?:\w+ +[-\d]+ +\w+ +|[* ] \w+ +|  fatal: )\S*/\Q$name\E(?:\n|: )(.*?)(?=\n(?:\* |  )?\w+ +[\d/]|\n\n|\z)}ms;

	return $said // '';
}

my %advice = (
	'expired.crt' => [ qr/fatal: certificate expired on 2020-01-31/, qr/do: have it renewed/ ],
	'future.crt' => [ qr/fatal: certificate is not valid before 2049-01-01/, qr/do: wait for that day, or set the clock/ ],
	'soon.crt' => [ qr/note:  expires on \d{4}-\d\d-\d\d/, qr/do: renew it/ ],
	'open.crt' => [ qr/fatal: \S+open\.key: .* group or world access \(mode 0644\)/, qr/do: chmod 0600 \S+open\.key/ ],
	'bob.crt' => [ qr/the certificate that has a key is number 2 of the file/, qr/do: write the file anew, own certificate first/ ],
	'lonely.crt' => [ qr/note: .*"CN=int,O=IDO" from \S+bob\.crt/, qr/do: append that to the certificate's file, or use --complete-chain/ ],
	'weak.crt' => [ qr/fatal: .*too small/, qr/do: have it issued anew: RSA of 2048 bits or more, or EC/ ],
	'sha1.crt' => [ qr/(?:fatal|doubt): .*too weak/, qr/do: have it issued anew: .*signed with SHA-256/ ],
	'server.crt' => [ qr/fatal: certificate is not for TLS clients: its extendedKeyUsage is serverAuth/, qr/do: have it issued with extendedKeyUsage clientAuth/ ],
	'locked.crt' => [ qr/fatal: \S+locked\.key: key is encrypted, and no password is known/, qr/do: give its password with --password-file/ ]);

foreach my $name (sort keys %advice)
{
	my ($problem, $advice) = @{ $advice{$name} };

	like(said_of($list, $name), $problem, "list: $name: what is wrong");
	like(said_of($list, $name), $advice, "list: $name: what to do");
}
is(scalar(() = said_of($list, 'weak.crt') =~ /fatal:/g), 1, 'list: weak.crt: said once');
unlike(said_of($list, 'alice.crt'), qr/note|doubt|fatal/, 'nothing to say about what is good');

# --- check ----------------------------------------------------------------------

$got = run($pgcertsel, 'check', '-U', 'alice', '--bundle', $dir, '--ca-file', $ca->{cert});
my $check = $got->{stdout};
is($got->{status}, 0, 'check: status 0');
unlike($check, qr/\e/, 'no colour where it is not a terminal');
like($check, qr/^Server asks for a certificate of this 1 CA, whose certificates are known:\n  CN=rootCA1,O=IDO\n/,
	'what the server asks for');
like($check, qr{\n  VERDICT   CERTIFICATE\n\* certain   \Q$dir\E/alice\.crt\n}, 'a head, and the choice with its mark');
is(scalar(() = $check =~ /^\* /mg), 1, 'which is one');
foreach my $name (grep { $_ ne 'lonely.crt' } sort keys %advice)
{
	my ($problem, $advice) = @{ $advice{$name} };

	like(said_of($check, $name), $problem, "check: $name: what is wrong");
	like(said_of($check, $name), $advice, "check: $name: what to do");
}
like(said_of($check, 'lonely.crt'), qr/needs intermediate "CN=int,O=IDO", which is in \S+bob\.crt\n +do: append it/,
	'check: the missing intermediate, and where it is');
like($check, qr/unusable +\S+server\.crt\n.*\n +fatal:/, 'what is fatal comes first');

# --- colour -----------------------------------------------------------------------

SKIP:
{
	skip 'IO::Pty is not there', 6 unless eval { require CertPolicy::Terminal; 1 };
	my $command = "$pgcertsel list --bundle $dir";
	my $shell = CertPolicy::Terminal->new('sh');

	$shell->send("stty -echo; PS1=\n");
	$shell->send("TERM=xterm $command; echo '<en''d>'\n");
	$shell->expect(qr/\e\[32mgood\e\[0m .*\e\[31munusable\e\[0m .*\e\[33mexpiring\e\[0m .*<end>/s, 'colours on a terminal');
	$shell->send("TERM=xterm $pgcertsel check --bundle $dir --ca-file $ca->{cert}; echo '<en''d>'\n");
	$shell->expect(qr/\e\[32mcertain\e\[0m .*\e\[31mfatal: \e\[0m.*<end>/s, 'check, too');
	foreach my $case ([ 'NO_COLOR=1 TERM=xterm', 'NO_COLOR' ], [ 'TERM=dumb', 'a dumb terminal' ],
		[ 'env -u TERM', 'an unknown terminal' ])
	{
		$shell->send("$case->[0] $command; echo '<en''d>'\n");
		$shell->expect(qr/\A[^\e]*STATE[^\e]*<end>/, "none with $case->[1]");
	}
	$shell->send("TERM=xterm NO_COLOR= $command; echo '<en''d>'\n");
	$shell->expect(qr/\e\[32mgood.*<end>/s, 'an empty NO_COLOR means nothing');
	$shell->close;
}

# --- sources that cannot be read ----------------------------------------------------

foreach my $case ([ "$dir/none", qr{/none: could not open directory: No such file} ],
	[ '/dev/null', qr{/dev/null: is a device, not a regular file} ],
	[ 'none/here', qr{none/here: could not open directory: No such file} ],
	[ './none', qr{/none: could not open directory: No such file} ])
{
	my ($path, $words) = @$case;

	$got = run($pgcertsel, 'list', '--bundle', $path, '--bundle', $dir);
	is($got->{status}, 1, "list --bundle $path: status 1");
	like($got->{stderr}, $words, 'with the reason');
	like($got->{stdout}, qr{^good .*/alice\.crt$}m, 'and the others are listed');
	$got = run($pgcertsel, 'select', '-U', 'alice', '--bundle', $path, '--bundle', $dir, '--ca-file', $ca->{cert});
	is($got->{status}, 0, 'select chooses from the others');
	like($got->{stderr}, $words, 'but says so');
}
symlink '/nowhere', "$dir/dangling.crt" or die $!;
is(run($pgcertsel, 'list', '--bundle', $dir)->{status}, 0, 'a file that was met in a folder is another matter');
is(run($pgcertsel, 'list', '--bundle', "$dir/dangling.crt")->{status}, 1, 'unless it is named');
unlink "$dir/dangling.crt";

# --- passwords -------------------------------------------------------------------------

my $srv = CertPolicy::Server->new('main', pki => $pki, preload => 0,
	ca_file => $ca->{cert}, server_cert => $pki->server($ca),
	conf => "password_encryption = 'scram-sha-256'\n",
	hba => [ 'hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca' ]);
my $to = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port . ' user=postgres dbname=postgres sslmode=require';
my $one = folder($pki->dir . '/one', $pki->leaf('one', @usual, password => 'openup', days => 100));
my $passwords = write_file($pki->dir . '/passwords', "$one/one.key:openup\n");
my $service = write_file($pki->dir . '/service', "[secret]\npassword=dbsecret\nsslpassword=openup\n");
my %secret_env = (PGPASSWORD => 'dbsecret');
my @ways = (
	[ 'a file and the environment', [ $to, '--bundle', $one, '--password-file', $passwords ], \%secret_env ],
	[ 'the connection string', ["$to sslcert=$one/one.crt sslkey=$one/one.key sslpassword=openup password=dbsecret"], {} ],
	[ 'a list', ["$to sslcert=$dir/soon.crt,$one/one.crt sslkey=$dir/soon.key,$one/one.key sslpassword=,openup password=dbsecret"], {} ],
	[ 'a service', [ "$to service=secret", '--bundle', $one ], { PGSERVICEFILE => $service } ],
	[ 'a URI', [ 'postgresql://postgres:dbsecret@127.0.0.1:' . $srv->port
			. "/postgres?sslmode=require&sslcert=$one/one.crt&sslkey=$one/one.key&sslpassword=openup" ], {} ]);

$srv->sql("alter role postgres password 'dbsecret'");
foreach my $way (@ways)
{
	my ($what, $args, $env) = @$way;
	my $all = '';

	foreach my $command ([ 'list' ], [ 'check' ], [ 'check', '--show-password' ], [ 'list', '--show-password' ],
		[ 'check', '--format', 'json', '--show-password' ], [ 'names' ], [ 'check', '--confirm' ],
		[ 'select', '--full' ], [ 'select', '--format', 'json' ], [ 'select', '--full', '--format', 'uri' ],
		[ 'select', '--full', '--format', 'service' ], [ 'select', '--full', '--format', 'env' ],
		[ 'exec' ])
	{
		my ($name, @more) = @$command;

		$got = $srv->client([ $pgcertsel, $name, @$args, @more,
				$name eq 'exec' ? ('--', 'sh', '-c', 'cat /proc/$PPID/environ > /dev/null; tr "\0" " " < /proc/$$/cmdline;'
					. ' psql -XAtqc "select 1, pg_sleep(0.1)" & pid=$!; tr "\0" " " < /proc/$pid/cmdline; wait $pid') : () ],
			env => $env);
		is($got->{status}, "$what @more" =~ /a service.*service/ ? 1 : 0, "$what: $name @more works") or diag $got->{stderr};
		unlike("$got->{stdout}$got->{stderr}", qr/openup|dbsecret/, "$what: $name @more shows no password");
		unlike($got->{log}, qr/openup|dbsecret/, "$what: nor does the server's log");
	}
	$got = $srv->client([ $pgcertsel, 'select', @$args, '--show-password', '--full' ], env => $env);
	like($got->{stdout}, qr/sslpassword='openup'/, "$what: --show-password shows the key's");
	$got = $srv->client([ $pgcertsel, 'exec', @$args, '--', 'psql', '-XAtqc', 'select 42' ], env => $env);
	is($got->{stdout}, 42, "$what: and exec logs in with both");
}

# what libpq does not understand, it quotes
foreach my $info ('postgresql://u:dbsecret@[::1/x', 'postgresql://u:dbsecret@h:1/x?nonsense=1',
	"host=a password='dbsecret", 'password=dbsecret nonsense', 'postgresql://u:dbsecret@h/x?a=%zz',
	'postgresql://u:dbsecret%zz@h/x', 'password=very dbsecret', 'password=" dbsecret"')
{
	$got = run($pgcertsel, 'select', 'host=localhost', '--bundle', $one, '--names-from', $info);
	is($got->{status}, 1, "--names-from with \"$info\"");
	unlike("$got->{stdout}$got->{stderr}", qr/dbsecret/, 'shows no password');
	like($got->{stderr}, qr/^pgcertsel: could not ask for the names: \S+/, 'and says something');
	foreach my $command (qw(select exec check list names))
	{
		$got = run($pgcertsel, $command, $info, $command eq 'exec' ? ('--', 'true') : ());
		is($got->{status}, $command eq 'exec' ? 125 : 1, "$command with \"$info\"");
		unlike("$got->{stdout}$got->{stderr}", qr/dbsecret/, 'shows no password') or last;
		like($got->{stderr}, qr/^pgcertsel: \S+/, 'and says something');
	}
}

# but a keyword is no secret
foreach my $info ('host=a nonsense=1', 'postgresql://u:dbsecret@h/x?nonsense=1')
{
	$got = run($pgcertsel, 'names', $info);
	like($got->{stderr}, qr/"nonsense"/, "what is not understood of $info is told");
}

$srv->stop;
done_testing();
