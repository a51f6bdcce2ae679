# bench/Bench.pm
#	  What the benchmarks share: data sets, the server, SQL, the clients.
#
# bench_init comes first; the variables exported have their values then.

package Bench;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(min);
use POSIX qw(strftime);
use Time::HiRes qw(time);

our @EXPORT = qw(
  $work $source $data $socket $results $stamp $BIN
  bench_init data_sets say_progress run_logged compile_client
  install_extension start_server restart_server stop_server conninfo psql_command psql
  publish_results machine_line server_line slurp write_file median);

our ($work, $source, $data, $socket, $results, $stamp);
our $BIN = '/usr/lib/postgresql/17/bin';
my ($pgdata, %opt);
my $started = time;
my $owner = $$;
my $server_up = 0;

END { stop_server() if $server_up && $$ == $owner }

# Takes the options: work, and what the functions below name.
sub bench_init
{
	%opt = @_;
	$work = $opt{work} // die "bench/run calls this\n";
	($source, $data, $pgdata, $socket) =
	  map { "$work/$_" } 'source', 'data', $opt{cluster} // 'pgdata', 'socket';
	$stamp = strftime('%Y%m%d-%H%M%S', localtime);
	$results = "$work/results/$stamp";
	mkdir $results or die "$results: $!\n";
	mkdir "$work/bin";
	convert_hdf5($opt{hdf5}) if $opt{hdf5};
	$SIG{INT} = $SIG{TERM} = sub { die "interrupted\n" };
	return;
}

# Takes a file of ann-benchmarks apart; from then on the pieces are the data.
sub convert_hdf5
{
	my ($file) = @_;
	my $pieces = "$work/hdf5";

	say_progress("converting $file");
	run_logged("$results/convert.log", 'rm', '-rf', $pieces);
	mkdir $pieces or die "$pieces: $!\n";
	run_logged("$results/convert.log", 'python3',
		"$source/bench/hdf5_to_vecs.py", "$data/$file", $pieces);
	$data = $pieces;
	return;
}

# The data sets asked for, or all whose three files are there.
sub data_sets
{
	my @names = split /,/, $opt{sets} // '';
	my @sets;

	if (!@names)
	{
		@names = sort map { m{/([^/]+)_base\.[bf]vecs$} ? $1 : () }
		  glob("$data/*_base.?vecs");
	}
	for my $name (@names)
	{
		die "a set name has only letters, digits and _: $name\n"
		  if $name !~ /^\w+$/;
		my ($base) = glob("$data/${name}_base.[bf]vecs");
		my ($query) = glob("$data/${name}_query.[bf]vecs");
		my $truth = "$data/${name}_groundtruth.ivecs";
		my $head;

		die "no ${name}_base, _query and _groundtruth files in the data "
		  . "directory\n"
		  if !$base || !$query || !-e $base || !-e $query || !-e $truth;
		open my $f, '<:raw', $base or die "$base: $!\n";
		read($f, $head, 4) == 4 or die "$base: empty\n";
		close $f;
		my $dim = unpack 'l<', $head;
		my $record = 4 + $dim * ($base =~ /bvecs$/ ? 1 : 4);
		my $rows = (-s $base) / $record;
		$rows = min($rows, $opt{rows}) if $opt{rows};
		push @sets,
		  {
			name => $name,
			base => $base,
			query => $query,
			truth => $truth,
			dim => $dim,
			rows => $rows };
	}
	die "no data sets\n" if !@sets;
	return @sets;
}

sub say_progress
{
	my ($text) = @_;
	my $t = time - $started;

	printf STDERR "[%3d:%02d] %s\n", $t / 60, $t % 60, $text;
	return;
}

sub run_logged
{
	my ($log, @command) = @_;
	my $pid = fork // die "fork: $!\n";

	if (!$pid)
	{
		open STDOUT, '>>', $log or die "$log: $!\n";
		open STDERR, '>&', \*STDOUT or die "$log: $!\n";
		exec @command or die "$command[0]: $!\n";
	}
	waitpid $pid, 0;
	die "failed: @command, see " . ($log =~ s{^\Q$work\E/}{}r) . "\n" if $?;
	return;
}

sub install_extension
{
	my $log = "$results/install.log";
	my @make = ('make', '-s', '-C', $source,
		"PG_CONFIG=$BIN/pg_config", 'with_llvm=no');

	die "vector_hnsw has no Makefile yet; use --only pgvector\n"
	  if !-e "$source/Makefile";
	say_progress('building and installing vector_hnsw');
	run_logged($log, @make, '-j2');
	run_logged($log, @make, 'install');
	return;
}

sub as_postgres
{
	return ('runuser', '-u', 'postgres', '--', @_);
}

sub start_server
{
	my $log = "$results/server.log";

	chmod 0755, $work;
	chmod 0777, $results;
	run_logged($log, 'rm', '-rf', $pgdata) if !$opt{reuse};
	mkdir $_ for $pgdata, $socket;
	run_logged($log, 'chown', 'postgres:', $pgdata, $socket);
	if (!-e "$pgdata/PG_VERSION")
	{
		say_progress('making a cluster');
		run_logged($log,
			as_postgres("$BIN/initdb", '-D', $pgdata, '-A', 'trust',
				'--locale=C', '-E', 'UTF8', '-N'));
		open my $f, '>>', "$pgdata/postgresql.conf" or die "$!\n";
		print $f "include 'bench.conf'\n";
		close $f;
	}
	launch_server($opt{'shared-buffers'});
	return;
}

sub launch_server
{
	my ($shared_buffers) = @_;
	my $conf = "$pgdata/bench.conf";

	open my $f, '>', $conf or die "$conf: $!\n";
	print $f <<"CONF";
listen_addresses = ''
unix_socket_directories = '$socket'
shared_buffers = $shared_buffers
autovacuum = off
jit = off
max_parallel_workers_per_gather = 0
max_wal_size = 16GB
checkpoint_timeout = 1h
CONF
	close $f;
	unlink "$pgdata/postmaster.pid";
	run_logged("$results/server.log",
		as_postgres("$BIN/pg_ctl", '-D', $pgdata, '-w', '-l',
			"$pgdata/server.log", 'start'));
	$server_up = 1;
	return;
}

# With other shared buffers; what the second argument does comes between.
sub restart_server
{
	my ($shared_buffers, $between) = @_;

	stop_server();
	$between->() if $between;
	launch_server($shared_buffers);
	return;
}

sub stop_server
{
	local $? = $?;
	system(as_postgres("$BIN/pg_ctl", '-s', '-D', $pgdata, '-m', 'fast',
			'stop'));
	$server_up = 0;
	return;
}

sub conninfo
{
	my ($db) = @_;

	return "host=$socket dbname=$db user=postgres";
}

sub psql_command
{
	my ($db, @sql) = @_;

	return ("$BIN/psql", '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d',
		conninfo($db), map { ('-c', $_) } @sql);
}

# Run SQL commands; returns what they print.
sub psql
{
	my ($db, @sql) = @_;

	open my $f, '-|', psql_command($db, @sql) or die "psql: $!\n";
	my $out = do { local $/ = undef; <$f> } // '';
	close $f or die "psql failed: @sql\n";
	chomp $out;
	return $out;
}

sub slurp
{
	my ($path) = @_;

	open my $f, '<', $path or return '';
	my $text = do { local $/ = undef; <$f> } // '';
	close $f;
	return $text;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $n = @sorted;

	return $n % 2
	  ? $sorted[ $n / 2 ]
	  : ($sorted[ $n / 2 - 1 ] + $sorted[ $n / 2 ]) / 2;
}

# Compiles a client of libpq from sources of this directory.
sub compile_client
{
	my ($name, @sources) = @_;

	run_logged(
		"$results/compile.log", 'gcc', '-O2',
		'-I/usr/include/postgresql', '-o', "$work/bin/$name",
		(map { "$source/bench/$_" } @sources), '-lpq',
		'-lpthread', '-lm');
	return;
}

sub write_file
{
	my ($path, $text) = @_;

	open my $f, '>', $path or die "$path: $!\n";
	print $f $text;
	close $f or die "$path: $!\n";
	return;
}

# Makes the results of this run the latest and prints their summary; the server
# goes on as long as its user wants it.
sub publish_results
{
	unlink "$work/results/latest";
	symlink $stamp, "$work/results/latest";
	run_logged("$results/compile.log", 'chmod', '-R', 'a+rX', $results);
	chmod 0755, $results;
	print slurp("$results/summary.md");
	say_progress("tables and CSV are in results/$stamp");
	if ($opt{'keep-server'})
	{
		say_progress("server at $socket; press Enter to end");
		<STDIN>;
	}
	return;
}

sub machine_line
{
	my ($cpu) = slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)$/m;
	my ($memory) = slurp('/proc/meminfo') =~ /^MemTotal:\s+(\d+)/m;
	my $cpus = () = slurp('/proc/cpuinfo') =~ /^processor\s*:/mg;

	return sprintf
	  "- Machine: %s, %d CPUs, %.0f GB; load average at the end %s\n",
	  $cpu // 'unknown CPU', $cpus, $memory / 2**20,
	  (split ' ', slurp('/proc/loadavg'))[1];
}

# The versions of the server and of the extensions of contenders
sub server_line
{
	my @contenders = @_;

	return sprintf "- PostgreSQL %s, shared_buffers %s,"
	  . " maintenance_work_mem %s%s\n", psql('postgres', 'SHOW server_version'),
	  $opt{'shared-buffers'}, $opt{'maintenance-work-mem'},
	  join '', map {
		"; $_->{name} "
		  . psql($_->{db}, 'SELECT extversion FROM pg_extension'
			  . " WHERE extname = '$_->{extension}'")
	  } @contenders;
}

1;
