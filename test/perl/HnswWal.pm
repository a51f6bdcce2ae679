# HnswWal.pm
#	  The write-ahead log of a server as a test cuts it: which records there
#	  are, and a log that ends after any of them.

package HnswWal;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT_OK = qw(last_checkpoint wal_records feed_wal lsn_as_text);

# Segments of the test's servers, initdb --wal-segsize=1
my $segment_size = 1024 * 1024;

# An LSN is a number here
sub lsn_from_text
{
	my ($text) = @_;
	my ($high, $low) = split m{/}, $text;

	return hex($high) << 32 | hex($low);
}

sub lsn_as_text
{
	my ($lsn) = @_;

	return sprintf('%X/%X', $lsn >> 32, $lsn & 0xFFFFFFFF);
}

sub segment_name
{
	my ($lsn) = @_;
	my $per_id = 2**32 / $segment_size;
	my $segment = int($lsn / $segment_size);

	return sprintf('%08X%08X%08X', 1, $segment / $per_id, $segment % $per_id);
}

# The LSN, as text, of the checkpoint with which a server has ended
sub last_checkpoint
{
	my ($node) = @_;
	my ($out) = run_command(
		[ $node->installed_command('pg_controldata'), $node->data_dir ]);

	return $out =~ /^Latest checkpoint location: +(\S+)$/m ? $1 : die $out;
}

# wal_records(NODE, FROM, TO): the records between two LSNs, as text, each with
# its LSN and the one of the next: a log that ends there has the record, and
# not the next one.
sub wal_records
{
	my ($node, $from, $to) = @_;
	my ($out, $error) = run_command(
		[
			$node->installed_command('pg_waldump'),
			'-p', $node->data_dir . '/pg_wal', '-s', $from, '-e', $to
		]);
	my @records;

	for (split /\n/, $out)
	{
		my ($manager, $lsn, $what) =
		  /^rmgr: (\w+).* lsn: (\S+), .*? desc: (.*)$/
		  or die "$_ $error";

		$lsn = lsn_from_text($lsn);
		$records[-1]{end} = $lsn if @records;
		push @records, { manager => $manager, lsn => $lsn, what => $what };
	}
	pop @records;
	return @records;
}

# feed_wal(FROM_NODE, TO_NODE, START, END): gives a server that is not running,
# or a standby that looks into its own directory for more, the log of another
# one from START to END.
sub feed_wal
{
	my ($from, $to, $start, $end) = @_;

	while ($start < $end)
	{
		my $name = segment_name($start);
		my $offset = $start % $segment_size;
		my $length = $segment_size - $offset;

		$length = $end - $start if $length > $end - $start;
		open my $in, '<:raw', $from->data_dir . "/pg_wal/$name" or die $!;
		seek $in, $offset, 0;
		read($in, my $bytes, $length) == $length or die $!;
		close $in;
		put_wal($to->data_dir . "/pg_wal/$name", $offset, $bytes);
		$start += $length;
	}
	return;
}

# A segment has its full length from the beginning.
sub put_wal
{
	my ($path, $offset, $bytes) = @_;
	my $out;

	if (!open $out, '+<:raw', $path)
	{
		open $out, '>:raw', $path or die "$path: $!";
		truncate $out, $segment_size or die $!;
	}
	seek $out, $offset, 0;
	print $out $bytes or die $!;
	close $out or die $!;
	return;
}

1;
