# The measure of selection is the server itself: on random PKIs pgcertsel chooses,
# and a real server says whether it was right.  Each case three ways: with the
# names alone, with the CA certificates, with --confirm.
#
# With the CA certificates or --confirm, whenever the server would let one in, the
# choice must be one that it lets in, and where it lets none in there must be none.
# With names alone a wrong choice must have been called doubtful, and 95 of 100
# cases must be right.  Not pg_regress: a server and many logins over TLS.
#
#	RANDOM_CASES	how many (60)
#	RANDOM_SEED		the first seed (1); a failure tells its own
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(remove_tree);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my ($generator) = grep { -x $_ } $ENV{PGCERTSEL_GENERATOR} || (),
  dirname($pgcertsel) . '/build/test/gen_pki',
  "$FindBin::RealBin/../client/build/test/gen_pki";
my $n_cases = $ENV{RANDOM_CASES} || 60;
my $first = $ENV{RANDOM_SEED} || 1;

plan skip_all => 'the generator of PKIs is not built (make -C client)' unless $generator;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('server');
my $trust = $pki->dir . '/trust.pem';
copy($ca->{cert}, $trust) or die $!;
my $srv = CertPolicy::Server->new('main',
	pki => $pki, preload => 0, ca_file => $trust, server_cert => $pki->server($ca));
my $conninfo = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port
  . ' user=postgres dbname=postgres sslmode=require';
my %right = (names => 0, cas => 0, confirm => 0);
my %wrong;

sub slurp
{
	my ($path) = @_;

	open my $file, '<', $path or die "could not read $path: $!";
	local $/;
	return <$file>;
}

# Does the server let it in, through an unpatched libpq?
sub lets_in
{
	my ($fragment) = @_;

	return $srv->client([ 'psql', '-XAtqd', "$conninfo $fragment", '-c', 'select 1' ])->{ok};
}

# Some pair of the bundle that the server lets in, or undef.
sub acceptable
{
	my ($dir) = @_;

	foreach my $line (split /\n/, slurp("$dir/manifest"))
	{
		my ($cert, $key, $password) = split /\t/, $line;
		my $fragment = "sslcert='$cert' sslkey='$key' sslpassword='" . ($password // '') . "'";

		return $fragment if lets_in($fragment);
	}
	return undef;
}

foreach my $seed ($first .. $first + $n_cases - 1)
{
	my $dir = $pki->dir . "/case$seed";
	my %ways = (
		names => [],
		cas => [ '--ca-file', "$dir/trust.pem" ],
		confirm => ['--confirm']);
	my $acceptable;

	mkdir $dir or die $!;
	system($generator, $seed, $dir) == 0 or die "gen_pki $seed failed";
	copy("$dir/trust.pem", $trust) or die $!;
	$srv->reload;
	foreach my $way (sort keys %ways)
	{
		my $got = $srv->client([ $pgcertsel, 'select', $conninfo, '--bundle', "$dir/bundle",
				'--password-file', "$dir/passwords", '--show-password', '--format', 'json',
				@{ $ways{$way} } ]);
		my ($status) = $got->{stdout} =~ /"status": "([^"]*)"/;
		my ($certain) = $got->{stdout} =~ /"certain": (\w+)/;
		my %value = $got->{stdout} =~ /^  "(sslcert|sslkey|sslpassword)": "([^"]*)"/mg;
		my ($ok, $what);

		if (($status // '') eq 'found')
		{
			$ok = lets_in(join ' ', map { "$_='$value{$_}'" } sort keys %value);
			$what = "chose $value{sslcert}, which the server refuses" unless $ok;
		}
		else
		{
			$acceptable = acceptable($dir) // '' unless defined $acceptable;
			$ok = $acceptable eq '' && ($status // '') eq 'none';
			$what = 'status ' . ($status // 'missing') . ($acceptable ne '' ? ", but the server lets in $acceptable" : '')
			  unless $ok;
		}
		$right{$way} += $ok ? 1 : 0;
		next if $ok;
		my $words = "seed $seed, $way: $what (certain: " . ($certain // '?') . ")\n"
		  . slurp("$dir/story") . $got->{stderr} . "\n" . log_reasons();
		if ($way eq 'names')
		{
			note $words;
			push @{ $wrong{certain} }, $words if ($certain // 'true') eq 'true' && $status eq 'found';
		}
		else
		{
			push @{ $wrong{$way} }, $words;
		}
	}
	remove_tree($dir);
}

sub log_reasons
{
	my $log = slurp($srv->node->logfile);
	my @lines = grep { /could not accept/ } split /\n/, $log;

	return @lines ? $lines[-1] : '';
}

is(scalar @{ $wrong{cas} // [] }, 0, "CA certificates known: no wrong choice in $n_cases")
  or diag @{ $wrong{cas} };
is(scalar @{ $wrong{confirm} // [] }, 0, "confirmed: no wrong choice in $n_cases")
  or diag @{ $wrong{confirm} };
is(scalar @{ $wrong{certain} // [] }, 0, 'names alone: no wrong choice was called certain')
  or diag @{ $wrong{certain} };
cmp_ok($right{names}, '>=', 0.95 * $n_cases, "names alone: $right{names} of $n_cases right");

$srv->stop;
done_testing();
