# What the index finds, against exact answers: the shipped vectors, each way
# to code them, each distance; how many rows come and in what order.
#
# Builds are repeatable, so the figures are: a limit is the recall measured
# when the test was written, less 0.01.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use HnswTest;
use Test::More;

my $node = new_node('recall');
prepare($node);
load_vectors($node, 'sift');
load_vectors($node, 'hog');

sub build
{
	my ($name, $opclass, $options) = @_;

	$node->safe_psql('postgres',
		"DROP INDEX IF EXISTS ${name}_hnsw;
		 CREATE INDEX ${name}_hnsw ON $name USING hnsw (v vector_$opclass)
			WITH ($options)");
	check_index($node, "${name}_hnsw",
		"$name, $opclass, $options: index passes the check");
	return;
}

sub recall_is_at_least
{
	my ($limit, $name, $settings, $text) = @_;
	my $recall = recall($node, $name, $settings, 10);

	cmp_ok($recall, '>=', $limit, "$text: recall\@10 ($recall)");
	return;
}

# By L2 distance, with each quantizer and ef
my %limits = (
	'sift auto' => { 10 => 0.955, 20 => 0.972, 40 => 0.988, 80 => 0.99,
		160 => 0.99 },
	'sift float' => { 10 => 0.959, 20 => 0.974, 40 => 0.988, 80 => 0.99,
		160 => 0.99 },
	'sift 4' => { 10 => 0.912, 20 => 0.956, 40 => 0.983, 80 => 0.988,
		160 => 0.99 },
	'hog auto' => { 10 => 0.904, 20 => 0.958, 40 => 0.978, 80 => 0.988,
		160 => 0.99 },
	'hog float' => { 10 => 0.908, 20 => 0.96, 40 => 0.979, 80 => 0.988,
		160 => 0.99 },
	'hog 8' => { 10 => 0.908, 20 => 0.958, 40 => 0.978, 80 => 0.986,
		160 => 0.99 });

my %chosen = (sift => '8', hog => '4');

for my $case (sort keys %limits)
{
	my ($name, $quantizer) = split / /, $case;
	my $limit = $limits{$case};

	build($name, 'l2_ops', "quantizer = '$quantizer'");
	is( $node->safe_psql('postgres',
			"SELECT quantizer FROM hnsw_index_info('${name}_hnsw')"),
		$quantizer eq 'auto' ? $chosen{$name} : $quantizer,
		"$case: quantizer");
	for my $ef (sort { $a <=> $b } keys %$limit)
	{
		recall_is_at_least($limit->{$ef}, $name,
			"SET hnsw.ef_search = $ef;", "$case, ef $ef");
	}
	ok(ordered($node, $name, '<->', 10), "$case: rows in exact order");
	ok(ordered($node, $name, '<->', 100),
		"$case: 100 rows with ef 40, in exact order");
	recall_is_at_least($limit->{40} - 0.015,
		$name, 'SET hnsw.rerank = off;', "$case, without rerank");
}
is(index_used($node, 'sift', '<->'), 'sift_hnsw', 'index is used');

# How links are stored makes no difference
for my $name ('sift', 'hog')
{
	my %rows;

	for my $format ('plain', 'packed')
	{
		build($name, 'l2_ops', "link_format = $format");
		$rows{$format} = answers($node, $name, '<->', 50);
	}
	is($rows{plain}, $rows{packed},
		"$name: plain and packed links give the same rows");
}

# A build is repeatable, and so are its answers
{
	my $before = answers($node, 'hog', '<->', 50);

	$node->safe_psql('postgres', 'REINDEX INDEX hog_hnsw');
	is(answers($node, 'hog', '<->', 50), $before,
		'the index built anew gives the same rows');
}

# Rows beyond ef are those that are next, by and large
for my $case (
	[ 'sift', 40, 0.981 ],
	[ 'sift', 100, 0.985 ],
	[ 'hog', 40, 0.976 ])
{
	my ($name, $ef, $limit) = @$case;
	my $recall = recall($node, $name, "SET hnsw.ef_search = $ef;", 100);

	cmp_ok($recall, '>=', $limit,
		"$name, ef $ef: recall\@100 of 100 rows ($recall)");
}

# Other distances, against a sequential scan
sub recall_by
{
	my ($name, $operator, $k) = @_;

	return $node->safe_psql('postgres',
		"SELECT avg(recall_by_distance(f.distances, e.distances))
		 FROM nearest_by_index('$name', '$operator', $k, 20) f
		 JOIN nearest_exactly('$name', '$operator', $k, 20) e USING (query)");
}

for my $case (
	[ 'sift', 'ip_ops', '<#>', 'auto', 0.99 ],
	[ 'sift', 'l1_ops', '<+>', 'auto', 0.98 ],
	[ 'hog', 'cosine_ops', '<=>', 'auto', 0.955 ],
	[ 'hog', 'cosine_ops', '<=>', 'float', 0.955 ],
	[ 'hog', 'ip_ops', '<#>', '8', 0.955 ],
	[ 'hog', 'l1_ops', '<+>', 'float', 0.96 ])
{
	my ($name, $opclass, $operator, $quantizer, $limit) = @$case;
	my $text = "$name, $opclass, $quantizer";

	build($name, $opclass, "quantizer = '$quantizer'");
	is(index_used($node, $name, $operator),
		"${name}_hnsw", "$text: index is used");
	my $recall = recall_by($name, $operator, 10);
	cmp_ok($recall, '>=', $limit, "$text: recall\@10 ($recall)");
	ok(ordered($node, $name, $operator, 100),
		"$text: 100 rows with ef 40, in exact order");
}

check_log($node);
$node->stop;
done_testing();
