# Other libraries in the server's login, built by PGXS: see t/lib/neighbour.c.
#
#	my $neighbour = CertPolicy::Neighbour->new('after');
#	$srv->conf("shared_preload_libraries = 'pg_cert_policy, " . $neighbour->library . "'\n");
#	$neighbour->tell('hold');		every login waits there
#	$neighbour->tell_no_more('hold');
#
# The server must be started while such an object exists: it learns from the
# environment where to look.
package CertPolicy::Neighbour;

use strict;
use warnings;

use Carp qw(croak);
use CertPolicy::Client qw(run write_file);
use File::Basename qw(dirname);
use File::Temp ();

my $source = dirname(dirname(__FILE__)) . '/neighbour.c';
my $told = File::Temp::tempdir('told_XXXXXX', TMPDIR => 1, CLEANUP => 1);

$ENV{NEIGHBOUR_DIR} = $told;

sub new
{
	my ($class, $name) = @_;
	my $dir = File::Temp::tempdir('neighbour_XXXXXX', TMPDIR => 1, CLEANUP => 1);
	my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
	my $library = "neighbour_$name";

	write_file("$dir/$library.c", "#define NAME \"$name\"\n#include \"neighbour.c\"\n");
	write_file("$dir/neighbour.c", do { local (@ARGV, $/) = $source; <> });
	write_file("$dir/Makefile", <<"MAKE");
MODULES = $library
PG_CONFIG = $pg_config
PGXS := \$(shell \$(PG_CONFIG) --pgxs)
include \$(PGXS)
MAKE
	delete local @ENV{qw(MAKEFLAGS MAKEOVERRIDES MAKELEVEL MFLAGS DESTDIR)};
	my $got = run('make', '-s', '-C', $dir, 'with_llvm=no');
	croak "could not build $library: $got->{stderr}" unless $got->{ok};
	return bless { name => $name, library => "$dir/$library" }, $class;
}

# For shared_preload_libraries.
sub library
{
	my ($self) = @_;

	return $self->{library};
}

sub tell
{
	my ($self, $what) = @_;

	write_file("$told/$what-$self->{name}", '');
	return;
}

sub tell_no_more
{
	my ($self, $what) = @_;

	unlink "$told/$what-$self->{name}" or croak "$what-$self->{name}: $!";
	return;
}

1;
