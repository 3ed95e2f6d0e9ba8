# A copy of the sources, and of what was built of them, for tests of the build
# itself: whatever they change, the tree under test stays as it is.
#
#	my $tree = CertPolicy::SourceTree->copy;
#	$tree->make('install', "DESTDIR=...");		returns what it printed
#	$tree->replace('pg_cert_policy.control', qr/1\.0/, '1.1');
package CertPolicy::SourceTree;

use strict;
use warnings;

use Carp qw(croak);
use Cwd ();
use File::Basename qw(dirname);
use File::Temp ();

my $top = dirname(dirname(dirname(dirname(Cwd::abs_path(__FILE__)))));

sub copy
{
	my ($class) = @_;
	my $dir = File::Temp::tempdir('tree_XXXXXX', TMPDIR => 1, CLEANUP => 1);

	mkdir "$dir/src" or croak "could not make $dir/src: $!";
	# with its times, so that nothing is built twice
	system("tar -C '$top' --exclude=./.git --exclude='./tmp_check*' --exclude=./dist"
		  . " --exclude='./client/build-*' -cf - . | tar -C '$dir/src' -xf - --no-same-owner") == 0
	  or croak "could not copy $top";
	return bless { dir => $dir }, $class;
}

# A folder for whatever the test makes; the tree is its src/.
sub dir
{
	my ($self) = @_;

	return $self->{dir};
}

# Runs make in the tree.  The make that may have called the test has variables
# that are none of this one's business.
sub make
{
	my ($self, @args) = @_;
	my $log = "$self->{dir}/make.log";
	my $pg_config = $ENV{PG_CONFIG} || 'pg_config';

	delete local @ENV{qw(MAKEFLAGS MAKEOVERRIDES MAKELEVEL MFLAGS DESTDIR OUT)};
	unshift @args, "PG_CONFIG=$pg_config" unless grep { /^PG_CONFIG=/ } @args;
	my $pid = fork() // croak "could not fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>', $log;
		open STDERR, '>&', \*STDOUT;
		exec 'make', '-s', '--no-print-directory', '-C', "$self->{dir}/src", @args;
		die;
	}
	waitpid $pid, 0;
	my $status = $?;
	open my $file, '<', $log or croak "could not read $log: $!";
	local $/ = undef;
	my $said = <$file>;
	croak "make @args failed:\n$said" if $status != 0;
	return $said;
}

# Changes a file of the tree; something must have matched.
sub replace
{
	my ($self, $name, $pattern, $by) = @_;
	my $path = "$self->{dir}/src/$name";

	open my $file, '<', $path or croak "could not read $path: $!";
	my $text = do { local $/ = undef; <$file> };
	$text =~ s/$pattern/$by/ or croak "nothing in $name matches $pattern";
	open $file, '>', $path or croak "could not write $path: $!";
	print $file $text;
	close $file or croak "could not write $path: $!";
	return;
}

1;
