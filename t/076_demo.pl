# "make demo" shows what the README says that it shows; and of "make test", the
# README lists the stages that there are.  Not pg_regress: the demo starts servers
# of its own, in a folder of its own.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(program run_with slurp);
use CertPolicy::Docs;
use Cwd qw(abs_path);
use File::Temp ();
use Test::More;

my $root = abs_path("$FindBin::RealBin/..");
my @blocks = grep { $_->{kind} eq 'skip' } CertPolicy::Docs::blocks(slurp("$root/README.md"));
my %shown = map { $_->{command} => $_->{wants} }
  map { CertPolicy::Docs::commands($_->{body}) } grep { $_->{body} =~ /^\$ make (?:demo|test)$/m } @blocks;

# --- make demo ------------------------------------------------------------------

my $folder = File::Temp::tempdir('demo_XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $pgcertsel = $ENV{PGCERTSEL} || program('pgcertsel');
my $got = run_with(
	{
		timeout => 400,
		env => {
			DEMO_COLOR => 'no',
			DEMO_PSQL => program('psql'),
			DEMO_PGCERTSEL => abs_path($pgcertsel),
			DEMO_FOLDER => "$folder/demo",
			HOME => $folder
		}
	},
	'bash', "$root/examples/demo/play.sh");
is($got->{status}, 0, 'the demo shows what it should') or diag "$got->{stdout}\n$got->{stderr}";
ok(CertPolicy::Docs::agrees($shown{'make demo'}, $got->{stdout}), 'as in the README')
  or diag "shown:\n$shown{'make demo'}\nfound:\n$got->{stdout}";

# --- make test ------------------------------------------------------------------

my @stages = map { /^(\S.*?)  +(?:ok|\d+ passed)\b/ ? $1 : () } split /\n/, $shown{'make test'};
my @real = slurp("$root/.ci/test.sh") =~ /\bstage (?:check|tests|again) "([^"]+)"/g;
is_deeply(\@stages, \@real, 'the README lists the stages of make test');

done_testing();
