# make install puts every file where DESTDIR, prefix and the other variables
# say, for both halves; make uninstall with the same ones takes every file away
# again, and no other; and a program finds the library through pkg-config.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::SourceTree;
use File::Basename qw(basename);
use File::Path qw(make_path);
use Test::More;

my $tree = CertPolicy::SourceTree->copy;
my $dir = $tree->dir;
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $sharedir = `$pg_config --sharedir`);
chomp(my $pkglibdir = `$pg_config --pkglibdir`);

my @scripts = map { basename($_) } glob "$dir/src/extension/pg_cert_policy--*.sql";

# A page of the library tells of several functions, and each finds it.
open my $exports, '<', "$dir/src/client/exports.map" or die "could not read exports.map: $!";
my %page = map { ($_ => 1) } (map { basename($_) } glob "$dir/src/client/man/*.3"),
  map { /^\t\t(pgcs_\w+);/ ? "$1.3" : () } <$exports>;
my @pages = sort keys %page;

# With bitcode there would be one more file for each source.
$tree->make('with_llvm=no', 'all');

# A server elsewhere: pg_config is all that is asked.
my $relocated = "$dir/pg_config";
open my $script, '>', $relocated or die "could not write $relocated: $!";
print $script <<"SH";
#!/bin/sh
case \$1 in
	--sharedir) echo /srv/pgsql/share ;;
	--pkglibdir) echo /srv/pgsql/lib ;;
	*) exec $pg_config "\$@" ;;
esac
SH
close $script or die "could not write $relocated: $!";
chmod 0755, $relocated or die "could not make $relocated a program: $!";

sub server_half
{
	my ($data, $lib) = @_;

	return ((map { "$data/extension/$_" } 'pg_cert_policy.control', @scripts), "$lib/pg_cert_policy.so");
}

sub client_half
{
	my (%to) = @_;

	return (
		"$to{bin}/pgcertsel",
		(map { "$to{lib}/libpgcertsel$_" } qw(.a .so .so.0 .so.0.1)),
		"$to{lib}/pkgconfig/pgcertsel.pc",
		"$to{include}/pgcertsel.h",
		"$to{man}/man1/pgcertsel.1",
		map { "$to{man}/man3/$_" } @pages);
}

sub below
{
	my ($prefix) = @_;

	return (bin => "$prefix/bin", lib => "$prefix/lib", include => "$prefix/include", man => "$prefix/share/man");
}

my @cases = (
	[ 'the defaults', [],
		server_half($sharedir, $pkglibdir), client_half(below('/usr/local')) ],
	[ 'a prefix', ['prefix=/opt/pgsql'],
		server_half('/opt/pgsql/share/postgresql', '/opt/pgsql/lib/postgresql'), client_half(below('/opt/pgsql')) ],
	[ 'a folder for each kind', [ qw(prefix=/opt/x bindir=/opt/x/b libdir=/opt/x/l includedir=/opt/x/i mandir=/opt/x/m datadir=/opt/x/pgsql/d pkglibdir=/opt/x/pgsql/p) ],
		server_half('/opt/x/pgsql/d', '/opt/x/pgsql/p'), client_half(bin => '/opt/x/b', lib => '/opt/x/l', include => '/opt/x/i', man => '/opt/x/m') ],
	[ 'another server', ["PG_CONFIG=$relocated"],
		server_half('/srv/pgsql/share', '/srv/pgsql/lib'), client_half(below('/usr/local')) ],
	[ 'the server half alone', ['with_client=no'],
		server_half($sharedir, $pkglibdir) ]);

foreach my $case (@cases)
{
	my ($name, $where, @expected) = @$case;

	subtest $name => sub {
		my $stage = "$dir/stage-$name" =~ tr/ /-/r;
		my @args = ('with_llvm=no', "DESTDIR=$stage", @$where);
		# what others put beside ours is theirs
		my @strangers = map { s![^/]*$!!r . "libstranger.so" } grep { /pg_cert_policy|libpgcertsel/ } @expected;

		my $said = $tree->make(@args, 'install');
		is_deeply([ sort(files($stage)) ], [ sort @expected ], 'every file, and no other');
		is((stat "$stage$_")[2] & 0777, /\/bin\/|\/b\/|\.so/ ? 0755 : 0644, "the mode of $_") foreach sort @expected;
		unlike($said, qr/does not look there/, 'the server will find it') unless "@$where" =~ /prefix/;

		foreach (@strangers)
		{
			make_path($stage . s![^/]*$!!r);
			open my $file, '>', "$stage$_" or die "could not write $stage$_: $!";
		}
		$tree->make(@args, 'uninstall');
		my %seen;
		is_deeply([ sort(files($stage)) ], [ sort grep { !$seen{$_}++ } @strangers ], 'none is left, and nothing else gone');
	};
}

# Where the server will look depends on its version.
like($tree->make('with_llvm=no', "DESTDIR=$dir/said", 'prefix=/opt/pgsql', 'install'),
	qr!extension_control_path = '/opt/pgsql/share/postgresql:\$system'|PostgreSQL 1[3-7] does not look there: it finds extensions in \Q$sharedir\E alone!,
	'a prefix says whether the server will look there');

subtest 'a program' => sub {
	my $prefix = "$dir/installed";
	my $source = "$dir/program.c";

	open my $file, '>', $source or die "could not write $source: $!";
	print $file <<'C';
#include <pgcertsel.h>
#include <libpq-fe.h>
#include <stdio.h>

int
main(void)
{
	return printf("%s\n", pgcs_version()) < 0 || PQlibVersion() < 130000;
}
C
	close $file or die "could not write $source: $!";
	$tree->make('-C', 'client', "prefix=$prefix", 'install');
	local $ENV{PKG_CONFIG_PATH} = "$prefix/lib/pkgconfig";
	local $ENV{LD_LIBRARY_PATH} = "$prefix/lib";
	my $cc = $ENV{CC} || 'cc';

	is(system("$cc -o $dir/shared $source `pkg-config --cflags --libs pgcertsel libpq`"), 0, 'is linked by what pkg-config says');
	like(`$dir/shared`, qr/^\d+\.\d+/, 'and runs');
	like(`ldd $dir/shared`, qr/libpgcertsel\.so\.0 => \Q$prefix\E/, 'with the shared library');
	is(system("$cc -o $dir/static $source $prefix/lib/libpgcertsel.a `pkg-config --cflags pgcertsel` `pkg-config --libs libpq libssl libcrypto`"),
		0, 'and with the static one');
	is(`$dir/static`, `$dir/shared`, 'which runs, too');
	unlike(`ldd $dir/static`, qr/libpgcertsel/, 'by itself');
	chomp(my $version = `pkg-config --modversion pgcertsel`);
	like(`$dir/shared`, qr/^\Q$version\E/, 'whose version is the one that pkg-config knows');
};

# Every file below a folder, as seen from inside.
sub files
{
	my ($top) = @_;

	return map { chomp; substr $_, length $top } `find '$top' ! -type d`;
}

done_testing();
