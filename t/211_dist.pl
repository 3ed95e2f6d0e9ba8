# make dist: META.json is what PGXN takes, whatever breaks a rule of its
# specification is named, and the archive holds what was committed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::SourceTree;
use JSON::PP ();
use POSIX ();
use Test::More;

my $tree = CertPolicy::SourceTree->copy;
my $src = $tree->dir . '/src';
my $json = JSON::PP->new->utf8->canonical->pretty;
my $good = $json->decode(read_file("$src/META.json"));

sub read_file
{
	my ($path) = @_;

	open my $file, '<', $path or die "could not read $path: $!";
	local $/ = undef;
	return <$file>;
}

sub write_file
{
	my ($path, $text) = @_;

	open my $file, '>', $path or die "could not write $path: $!";
	print $file $text;
	close $file or die "could not write $path: $!";
	return;
}

sub run
{
	my $pid = open my $pipe, '-|' // die "could not fork: $!";

	if ($pid == 0)
	{
		open STDERR, '>&', \*STDOUT;
		exec @_ or POSIX::_exit(127);
	}
	local $/ = undef;
	my $said = <$pipe> // '';
	close $pipe;
	return ($? >> 8, $said);
}

sub check
{
	return run('perl', "$src/.ci/check_meta.pl", $src);
}

is_deeply([check()], [ 0, "$good->{name}-$good->{version}\n" ], 'META.json is what PGXN takes');

# what is done to it, and what is said
my @breaks = (
	(map { my $name = $_; [ sub { delete $_[0]{$name} }, "$name is missing" ] }
		  qw(abstract license maintainer meta-spec name provides version)),
	[ sub { $_[0]{version} = '1.0' }, 'version must be a semantic version such as 1.0.0' ],
	[ sub { $_[0]{version} = '1.0.0-rc1' }, 'version must be a semantic version such as 1.0.0' ],
	[ sub { $_[0]{version} = '01.0.0' }, 'version must be a semantic version such as 1.0.0' ],
	[ sub { $_[0]{version} = [] }, 'version must be a semantic version such as 1.0.0' ],
	[ sub { $_[0]{name} = 'pg cert' }, 'name must be a term: two characters or more, no blanks, no slashes' ],
	[ sub { $_[0]{name} = 'x' }, 'name must be a term: two characters or more, no blanks, no slashes' ],
	[ sub { $_[0]{abstract} = '' }, 'abstract must be some text' ],
	[ sub { $_[0]{abstract} = {} }, 'abstract must be some text' ],
	[ sub { $_[0]{maintainer} = [] }, 'maintainer is empty' ],
	[ sub { $_[0]{license} = 'PostgreSQL' }, 'license must be a licence of the specification\'s list' ],
	[ sub { $_[0]{license} = { PostgreSQL => 'postgresql' } }, 'license PostgreSQL must be a URL' ],
	[ sub { $_[0]{licence} = 'postgresql' }, 'licence is not in the specification' ],
	[ sub { $_[0]{tags} = [ 'a/b' ] }, 'tags 0 must be a tag: 1 to 256 characters, no slashes' ],
	[ sub { $_[0]{tags} = [ 'a', 'x' x 257 ] }, 'tags 1 must be a tag: 1 to 256 characters, no slashes' ],
	[ sub { $_[0]{release_status} = 'beta' }, 'release_status must be "stable", "testing" or "unstable"' ],
	[ sub { $_[0]{'meta-spec'}{version} = '2.0.0' }, 'meta-spec.version must be version 1.0.0 of the specification' ],
	[ sub { delete $_[0]{'meta-spec'}{version} }, 'meta-spec.version is missing' ],
	[ sub { $_[0]{provides} = {} }, 'provides is empty' ],
	[ sub { $_[0]{provides} = 'pg_cert_policy' }, 'provides must be a map' ],
	[ sub { delete $_[0]{provides}{pg_cert_policy}{file} }, 'provides.pg_cert_policy.file is missing' ],
	[ sub { $_[0]{provides}{pg_cert_policy}{file} = 'nowhere.sql' }, 'provides.pg_cert_policy.file must be a file of the archive' ],
	[ sub { $_[0]{provides}{pg_cert_policy}{docfile} = '../README.md' }, 'provides.pg_cert_policy.docfile must be a file of the archive' ],
	[ sub { $_[0]{provides}{pg_cert_policy}{file} = 'README.md' }, 'provides.pg_cert_policy.file is README.md, not the script of version 1.0' ],
	[ sub { $_[0]{provides}{pg_cert_policy}{version} = '1.1.0' }, 'provides.pg_cert_policy.version is 1.1.0, pg_cert_policy.control says 1.0' ],
	[ sub { $_[0]{provides}{other} = { file => 'Makefile', version => '1.0.0' } }, 'provides.other: there is no other.control' ],
	[ sub { $_[0]{prereqs}{runtime}{needs} = {} }, 'prereqs.runtime.needs is not in the specification' ],
	[ sub { $_[0]{prereqs}{install} = {} }, 'prereqs.install is not in the specification' ],
	[ sub { $_[0]{prereqs}{runtime}{requires}{PostgreSQL} = '13.5' }, 'prereqs.runtime.requires.PostgreSQL must be a version range such as ">= 1.0.0, != 1.2.0"' ],
	[ sub { $_[0]{resources}{repository}{type} = 'Git' }, 'resources.repository.type must be a word in lower case' ],
	[ sub { $_[0]{resources}{homepage} = 'example.com' }, 'resources.homepage must be a URL' ],
	[ sub { $_[0]{resources}{bugtracker}{mailto} = 'nobody' }, 'resources.bugtracker.mailto must be an e-mail address' ],
	[ sub { $_[0]{version} = '1.0.1' }, 'version is 1.0.1, debian/changelog says 1.0.0' ]);

subtest 'what breaks a rule' => sub {
	foreach my $case (@breaks)
	{
		my ($break, $said) = @$case;
		my $meta = $json->decode($json->encode($good));

		$break->($meta);
		write_file("$src/META.json", $json->encode($meta));
		is_deeply([check()], [ 1, "META.json: $said\n" ], $said);
	}
	write_file("$src/META.json", '{ "name": ');
	like((check())[1], qr/^META\.json: is not JSON: /, 'what is no JSON');
};

subtest 'what is allowed' => sub {
	foreach (
		sub { $_[0]{license} = { PostgreSQL => 'https://www.postgresql.org/about/licence' } },
		sub { $_[0]{license} = [ 'postgresql', 'openssl' ] },
		sub { $_[0]{maintainer} = [ 'A <a@example.org>', 'B' ] },
		sub { $_[0]{prereqs}{runtime}{requires}{PostgreSQL} = '>= 13.5.0, != 14.0.0, < 20.0.0' },
		sub { $_[0]{prereqs}{runtime}{requires}{plpgsql} = 0 },
		sub { $_[0]{x_ours} = { anything => [1] } })
	{
		my $meta = $json->decode($json->encode($good));

		$_->($meta);
		write_file("$src/META.json", $json->encode($meta));
		is((check())[0], 0, 'something of the specification') or diag((check())[1]);
	}
};
write_file("$src/META.json", $json->encode($good));

subtest 'the archive' => sub {
	plan skip_all => 'git is not installed' if system('git --version >/dev/null 2>&1') != 0;
	local %ENV = (%ENV, map { ("GIT_${_}_NAME" => 'test', "GIT_${_}_EMAIL" => 'test@example.org') } qw(AUTHOR COMMITTER));
	my @git = ('git', '-C', $src, '-c', 'safe.directory=*', '-c', 'init.defaultBranch=main');
	my $out = $tree->dir . '/out';
	my $name = "$good->{name}-$good->{version}";

	like((run("$src/.ci/dist.sh"))[1], qr/^dist: \Q$src\E is not a git repository with a commit/, 'needs a repository');
	is((run(@git, $_->@*))[0], 0, "git $_->[0]") foreach [ 'init', '-q' ], [ 'add', '-A' ], [ 'commit', '-qm', 'all' ];
	write_file("$src/uncommitted", 'x');
	my $said = $tree->make('dist', "OUT=$out");
	like($said, qr!^The archive is \Q$out/$name.zip\E$!m, 'is made where it is asked for');
	like($said, qr/^dist: there are changes that are not committed/, 'which says what is not in it');

	ok(-s "$out/$name.zip", 'is there');
	ok(!-e "$src/dist", 'and nowhere else');
	my $list = (run('git', '-C', $src, 'archive', '--format=zip', "--prefix=$name/", 'HEAD'))[1];
	is($list, read_file("$out/$name.zip"), 'with what was committed, and nothing else');
};

done_testing();
