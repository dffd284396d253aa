"""Every threshold that decides a name or a verdict, each with its unit and the experiment that set it.

A number stands here once, under one name, and the files of `recognise`, `naming` and `certificates` read it from here.
"Choice" means that no experiment is known to have set the number: it was chosen, and the tests hold with it. "64 sets"
are those of `benches/thresholds.py`, which halves and doubles each such number: 16 geometries without noise and with
two sizes of it, and random frames; "80 sets" are these as blocks too, and 16 sets of lines. None of the changes that
are noted gave a wrong name. What is rounding of exact algebra stands in `relations`, beside its use.
"""

from __future__ import annotations

# What a caller may change.

TOLERANCE = 0.05
"""Largest deviation of a cosine from the ideal one that a name allows, by default; no unit. Choice, which ten thousand
random frames tested: none of them has a name (`test_ten_thousand_random_frames_have_no_name`). Half and double change
one name of 64 sets, to none and from none."""

LARGEST_TOLERANCE = 0.5
"""A caller's tolerance of cosines is at most this. Choice: beyond it different levels are the same. Half and double
change none of 64 sets."""

REFINEMENTS = 24
"""Proposals of noisy relations that `detect` refines, a count. Choice: rates of success through noise are tested. Half
and double change none of 64 sets."""

BLOCK_REFINEMENTS = 4
"""Proposals of noisy relations that are refined for one block of an analysis, of which there are many. Choice, for
time: a fraction of a second a block. Half and double change none of 80 sets."""

BLOCK_REFINED_POINTS = 32
"""Blocks of more features than this are named from their levels, without refinement. Choice, for time. Of 80 sets,
half: 1 name changes, none is wrong."""

SMALL_BLOCK, SMALL_BLOCK_DIM = 12, 4
"""Features of a small block, at most, and dimensions in which its relations are still refined, at most. There may be
thousands of such blocks, so each may take a millisecond or two: one proposal is refined. Every geometry of at most 12
points whose name needs refinement has at most 4 dimensions."""

BATCH_TOLERANCE = 1e-6
"""Sorted cosines of `detect_blocks` that differ by more are of different levels. Choice: float32 rounds to 1e-7. Half
and double change none of 80 sets."""

BATCH_SAME_LEVELS = 100
"""Two blocks of equal intersection numbers are one geometry where their levels agree to this many tolerances of
`detect_blocks`, and to 1e-6 at least. Choice. Half and double change none of 80 sets."""

COMPARED_ENTRIES = 2**28
"""Entries of cosines of small blocks that are compared with those of blocks already named, in a batch of one size; the
rest are named one by one. Choice, for time: about half a second. None of 80 sets reads it."""

DETERMINED_POINTS = 12
"""Points up to which symmetric schemes with equal intersection numbers are the same, so that one name serves all
blocks that have them. Tested on the geometries of the catalogue (`test_names_of_many_blocks_are_those_of_each`)."""

# Equal directions, and the entries of a Gram matrix.

SAME_DIRECTION = 5e-7
"""Features whose cosine is nearer to 1 than this are one direction: an angle of .001. Choice: float32 rounds cosines to
1e-7. None of 80 sets reads it."""

SAME_DIRECTION_VERIFIED = 4e-7
"""Points of a certificate whose cosine is nearer to 1 than this are one direction: below `SAME_DIRECTION` by the
rounding of float32, so that what detection kept apart is not refused."""

OPPOSITE_VERIFIED = 1e-6
"""Features of a certificate are one direction, or each other's negatives, to this deviation of the cosine: above
`SAME_DIRECTION` by the rounding of float32, so that what detection merged is not refused."""

NEAR_DIRECTION, DIRECTIONS_APART = 0.05, 4.0
"""Largest angle (radians) between noisy copies of one direction, and how many times as far apart all other features
must be. Every direction must also be met equally often, for features that come near each other by chance are no copies
(`test_directions_that_are_met_twice_through_noise`, `test_neighbours_by_chance_are_not_one_direction`)."""

ASYMMETRY = 1e-6
"""Entries of a Gram matrix may differ from their transposes by this share of the largest. Choice: rounding. Half and
double change none of 80 sets."""

NOT_A_GRAM_MATRIX = 0.25
"""Share of the trace that a negative eigenvalue may have, and how much a cosine may be above 1: noise of the entries
and a few wrong pairs give less (`test_noise_of_gram_entries`), and are judged as they are."""

NORM_SPREAD = 0.1
"""Largest over least norm within one geometry, less 1. Choice. Half and double change none of 64 sets."""

NORM_NOISE = 8.0
"""Limit on the spread of norms, in root mean squares of the deviations of cosines; the larger of this and `NORM_SPREAD`
is allowed. Choice: as `OUTLIER`, for noise shifts features along themselves as much as it turns them. Half: three names
of 64 sets are lost; double changes none."""

# Rank and support.

RANK_SHARE = 0.05
"""Eigenvalues of the cosines above this share of the number of features count for the rank that the null model of few
features is drawn in. Choice: noise of .2 leaves .04. Half and double change none of 64 sets."""

SUPPORT_SHARE = 0.05
"""Eigenvalues of the denoised Gram matrix above this share of the largest are not zero: noise fills all eigenspaces.
Choice, as for `RANK_SHARE`. None of 64 sets reads it."""

NUMERICAL_RANK = 1e-6
"""Eigenvalues of the cosines above this, times the number of features, count for the dimension of what has no name.
Choice: rounding of float32. Half and double change none of 64 sets."""

ONE_EIGENVALUE = 1e-6
"""Eigenvalues that differ by no more than this share of the largest are one: the frame is tight. Choice: rounding. None
of 80 sets reads it."""

FAITHFUL = 1e-9
"""Cosines of an eigenspace nearer to 1 than this do not tell points apart. Rounding of exact eigenvalues."""

# Levels of cosines.

CLEAR_RATIO = 20.0
"""Least ratio of the narrowest wide gap between sorted cosines to the widest narrow one, for the wide ones to part
levels. Choice; tested on continua and on planted levels (`test_naming`, `test_schemes_parts`). Half and double change
none of 64 sets."""

CLEAR_WIDTH = 4.0
"""A clear level is narrower than the narrowest wide gap by this factor: many narrow gaps in a row may be no level."""

EXACT_LEVEL = 1e-3
"""Widest range of cosines that are one level where no gap shows the scale. Choice: inputs rounded to three digits. Half
and double change none of 64 sets."""

ONE_LEVEL = 0.005
"""Largest deviation of the cosines from the mean of a single level that is not a simplex's. Choice. Half and double
change none of 64 sets."""

LINE_LEVEL = 0.01
"""Largest deviation of an absolute cosine from its level, for features that are looked at as lines. Choice. Half and
double change none of 80 sets."""

LEVEL_GAP = 0.02
"""Cosines of two levels are further apart than this, where no gap is `CLEAR_RATIO` times as wide as all others. Choice;
continua of random features have no count with it (`test_random_features_have_a_continuum_of_cosines`). Half and double
change none of 64 sets."""

EQUAL_COSINES = 1e-14
"""Sorted cosines that differ by no more are equal: never cut apart. Rounding of float64."""

EXACT_RATIO = 1000.0
"""Least ratio of the gap between two levels to the width of either, where they are nearer than `EXACT_LEVEL`. Rounding
of the features, in whatever type, spreads levels as it spreads what is one. Choice. Half and double change none of 64
sets."""

EXACT_COSINE = 1e-6
"""Deviations of cosines up to this are rounding, of float32. An eigenvalue above it counts for the
dimensions of noise."""

LEAST_CLEAR_GAP = 1e-8
"""Gaps below this are as good as none. Rounding of cosines formed in float64 from exact features."""

LEAST_GAP = 1e-13
"""Gaps count as no less than this where they are compared by ratio. Rounding."""

SEPARATE_LEVELS = 3.0
"""Least difference of the mean cosines of two relations, in standard errors, for both to have a level of their own: a
one-sided level of .0013 for each neighbouring pair."""

LEAST_STEP = 1e-7
"""Least difference of the mean cosines of two relations without noise. Rounding of float32."""

LEVELS_BY_GAPS, MOST_EXACT_LEVELS = 12, 511
"""Widest gaps at which noisy cosines are cut, at most (a choice, for time), and levels into which clear ones are cut,
at most: with the diagonal, 512 classes, which is what a check takes. Half and double change none of 64 sets."""

KMEANS_LEVELS, KMEANS_BINS = 10, 200
"""Levels that k-means on the line proposes, at most, and the bins that it runs on. Choice: bounds of time. Half and
double change none of 64 sets."""

HISTOGRAM_BINS, BANDWIDTHS, HISTOGRAM_VALUES = 1024, 14, 100
"""Bins and bandwidths of the smoothed histograms whose valleys propose cuts; with fewer values than the last a
histogram says nothing that gaps do not. True levels through noise are among the proposals
(`test_true_levels_are_among_the_candidates`)."""

NARROWEST_BAND, WIDEST_BAND = 0.002, 0.25
"""The least and the largest bandwidth, in units of the cosine: between the exact and the hopeless."""

EMPTY_DENSITY = 1e-7
"""Density below this share of the largest is none: rounding of the Fourier transform."""

MOST_PEAKS = 24
"""Histograms with more peaks than this propose no cuts. Choice. Half and double change none of 64 sets."""

# Relations that are looked for.

MOST_CLASSES = 64
"""Classes of noisy relations, at most. Choice: beyond it levels of noise overlap. Half and double change none of 64
sets."""

REFINED_SHARE = 4
"""Proposals of more classes than `MOST_CLASSES` divided by this are not refined. Choice: time grows with the square of
the number of classes. Half and double change none of 64 sets."""

CATALOGUE_CLASSES, CATALOGUE_POINTS = 24, 1100
"""Relations and points of a geometry of the catalogue, at most. Choice, for time and memory. Half and double change
none of 64 sets."""

SHAKEN_POINTS, SHAKES = 16, 6
"""Features up to which refinement is started again, and how often: each start adds noise as large as that of the
cosines. Choice; rates of success through noise are tested (`test_success_rates_through_noise`). Half and double change
none of 64 sets."""

REFINED_POINTS, REFINED_LIMIT = 64, 1024
"""Above the first number of features fewer proposals are refined, as each costs more; above the second none, for the
memory that it takes: 8 n^2 bytes for each class."""

CLOSED_PROPOSALS, CLOSED_POINTS = 4, 128
"""Noisy proposals whose closures are computed, at most, and features up to which this is done. Choice, for time. Half
and double change none of 64 sets."""

CLOSURE_COLOURS = 8
"""A closure of more colours than points, and than this, is as good as discrete: not looked at further. Choice. Half and
double change none of 64 sets."""

REFINEMENT_PRODUCTS, REFINEMENT_ROUNDS, REFINEMENT_VARIANCE = 10, 8, 0.1
"""Products of classes that relabel a pair, rounds of relabelling, and what is added to the variance of a product (in
its own unit, squared counts) so that one that is constant by chance does not decide alone. Choice
(`test_refinement_repairs_labels`). Half and double of the variance change none of 64 sets."""

MUCH_BETTER_SPREAD = 0.2
"""A finer scheme replaces a single level where its spread is below this share of the level's. Choice. None of 64 sets
reads it: it is for schemes without a name."""

MUCH_BETTER_ETA2 = 0.5
"""A finer scheme replaces a coarser one where it leaves less than this share of what that leaves of the variance.
Choice. None of 64 sets reads it."""

# Schemes and chance.

LEVELS_ETA2 = 0.95
"""Share of the variance that the classes of a scheme without a name must explain. Choice: two halves of a random set
that lie roughly opposite each other are a scheme too, and explain less. Half: three more of 64 sets are called
schemes."""

CHANCE = 0.05
"""Up to `NULL_LIMIT` features a scheme that random frames have more often than this is not reported: the level of the
test."""

NULL_LIMIT = 8
"""Up to this many features random frames have schemes by chance often enough to be asked. From simulation
(`test_null_p_values`)."""

NULL_FRAMES = 400
"""Random frames that each null is drawn from: a standard error of .011 at a level of .05."""

DEFECT_POINTS, DEFECT_COLOURS, DEFECT_PROBES = 128, 16, 12
"""Points and colours up to which the defect is summed over all products of classes, and random products from which it
is estimated above: their mean is right to 10 % (`test_defect_by_probes`)."""

DEFECT_BLOCK = 2**19
"""Entries of a matrix on which NumPy works without a look at Ctrl-C, for the defect: 10 ms. Choice. Half and double
change none of 64 sets."""

NO_VARIATION = 1e-9
"""Products of classes whose squares sum to no more than this do not vary: there is no defect. Rounding."""

STREAMED_SAMPLE = 48
"""Features of a large set whose cosines with all others propose the levels: in a scheme every point has every level."""

STREAMED_LEVELS, STREAMED_CANDIDATES = 64, 4
"""Levels of a large set, at most, and candidates that pass the sample and are certified, the finest first. Choice, for
time: each is five passes over all pairs. None of 64 sets reads it."""

# Names.

OUTSIDE = 0.25
"""Largest eigenvalue of the cosines outside the geometry's own dimensions, times the number of features. Without it
some vertices of a larger simplex, which have the eigenvalue 1 there, would pass for a smaller one."""

OPPOSITE = 0.005
"""Largest deviation of the cosine of the two features of a digon: it is quadratic in their angle, .1."""

SIMPLEX_ROOM = 0.5
"""The cosines of a simplex of n vertices are off by no more than this, divided by n - 1: half of their distance from 0,
which orthogonal features have."""

POLYGON_ROOM = 0.25
"""The cosines of a polygon are off by no more than this share of the distance of its first level from 1."""

MEAN_LEVEL = 0.1
"""Largest deviation of a mean cosine from the ideal level. Noise averages out of means, but for shrinking them: by
1 - s^2 for noise of the size s, .09 at .3."""

ALIGNED_POINTS = 16
"""Features up to which every geometry of as many points is aligned with them, whether their relations fit or not.
Choice, for time. Half and double change none of 64 sets."""

LEVEL_ORDERS, LEVEL_CHOICES = 24, 4096
"""Orders of close levels that are compared with a geometry, and choices that are looked through for them. Choice, for
time. Half and double change none of 64 sets."""

ALIGNMENT_WIDTH = 256
"""Partial orders kept while a geometry is aligned with noisy points. Choice: time grows with it. Half and double change
none of 64 sets."""

ISOMORPHISM_BUDGET = 500
"""Choices of an image that the comparison of relations tries, but at least 2 n. Choice, for time. Half and double
change none of 64 sets."""

RING_POINTS = 256
"""Vertices of the largest prisms and antiprisms that are looked for. Choice, for time. Half and double change none of
64 sets."""

RING_CLEAR, RING_FLAT = 0.1, 0.1
"""Distances of a squared height from 0 and from 1 beyond which a prism is told apart from a flat polygon, and from two
points. A nearer one is where cosines deviate by no more than this share of its distance
(`test_low_and_tall_prisms_keep_their_names_when_turned`)."""

RING_GUESS = 0.01
"""Squared heights are looked for from this to 1 less this. Choice. Half and double change none of 64 sets."""

SAME_HEIGHT = 0.05
"""Squared heights of prisms that are further apart than this make them different summands. Choice. Half and double
change none of 64 sets."""

FREE_HEIGHT_RESIDUAL = 4
"""A free height, and the finer relations that come with it, must fit this many times better (largest deviation) than a
fixed geometry. Choice. Half and double change none of 64 sets."""

FREE_HEIGHT_VARIANCE = 3.0
"""Factor by which the variance that a geometry of free height leaves unexplained is multiplied before it is compared
with that of a fixed one, for the height was fitted: it takes one of about twenty degrees of freedom. From 700 trials of
12 geometries with relative noise from .1 to .3."""

RESEMBLES = 0.5
"""Share of the variance that a geometry must explain to be called the nearest. Choice: more than half. Half and double
change none of 64 sets."""

SIGN_ROOM = 0.25
"""Largest deviation of an absolute cosine of equiangular lines, as a share of the common one: signs are beyond doubt,
and so the name rests on an equation between integers (`test_frames_short_of_a_few_lines`)."""

LINE_POINTS, LINE_LEVELS = 64, 3
"""Features up to which a block without a name is looked at as a set of lines, and levels that their absolute cosines
may have. Choice, for time: on features without structure this takes a hundred times as long as a name. Half and double
change none of 80 sets (`LINE_POINTS`). Of 80 sets, double: 1 name changes, none is wrong (`LINE_LEVELS`)."""

SAME_EIGENMATRIX = 1e-6
"""Entries of two eigenmatrices that differ by no more than this, times the number of points, are the same. Rounding of
float64; those of different families differ by integers."""

# Direct sums.

COUPLED = (0.02, 0.1)
"""Summands of a direct sum are looked for by cosines above one of these: exact sums, and noisy ones. Choice. Half and
double change none of 64 sets."""

SUM_NOISE = 5.0
"""Limit on the cosines between two summands, in root mean squares of the noise within them: the largest of 10^6 normal
values is 4.9 of these."""

# Names through noise.

NOISY_ETA2 = 0.75
"""Share of the variance that the ideal cosines must explain for a name through noise. Choice, above `NULL_LIMIT`
features, where a scheme of two and more classes is no accident. Half changes none of 64 sets."""

NOISY_OUTSIDE = 0.2
"""Share of the trace that noise may have outside the geometry's dimensions. Choice: noise of .3 leaves less than .09.
Half and double change none of 64 sets."""

OUTLIER = 8.0
"""Largest deviation of a cosine over the root mean square of all: normal values stay below it among 10^12; a pair that
is wrong does not."""

OUTLIER_ROW = 7.0
"""Largest over median mean square of the deviations of one feature. Beyond what 700 trials of 12 geometries with
relative noise from .1 to .3 gave, as for the five numbers that follow."""

STRETCH = 1.25
"""Largest change of a leading eigenvalue, over the size that isotropic noise gives it."""

LEAST_DIMENSION = 0.25
"""A dimension of the geometry keeps at least this share of its eigenvalue, with and without noise."""

EVEN = 2.0
"""Least scatter of the lengths of n displacements, as a share of what isotropic ones have, is 1 less this over
sqrt(n)."""

CLUSTER_SHARE = {2: 0.42, 3: 0.42, 4: 0.42, 6: 0.3}
"""Least scatter of a class of cosines that is cut into 2, 3, 4 or 6 clusters, as a share of what normal values that are
cut into as many leave."""

RIVAL = 1.2
"""Another geometry of as many points must leave this many times as much of the variance."""

CLUSTERED_POINTS, CLUSTER_DRAWS, CLUSTER_ROUNDS = 64, 10, 12
"""Features up to which clusters are looked for, draws of normal values that they are compared with, and rounds of
Lloyd's iteration. Choice, for time. Half and double change none of 64 sets."""

LARGEST_NOISE = ((10, 0.1), (24, 0.2), (10**9, 0.3))
"""Largest relative noise (root mean square norm of the noise of a unit vector) through which a name is given, by number
of features: each pair is (largest number of features, limit). Of 1000 embeddings of random regular graphs of 9 and 10
vertices by four eigenvectors the nearest to H(2,3) or J(5,2) that is neither is off as by noise of .165; of 600 random
tight frames of 12 and 13 points in 3 and 4 dimensions the nearest to a geometry as by .34."""

SIZE_LEVEL = 0.01
"""Level of the test of the size of the noise, by chi-square."""

MAP_LEVEL = 0.001
"""Level of the test of a linear map, on either side. What a deformation leaves without noise is refused at any
level. Displacements that avoid all linear maps are those of a symmetric deformation."""

TURN_DRAWS, TURN_LEVEL = 199, 0.01
"""Draws of noise that are explained by two isometries, and the share of them that may be explained as well as the
features are: the level of that test."""

TURN_STARTS, DEFORMATION_ROUNDS = 3, 30
"""Starts and rounds of the fits of two isometries, and rounds of that of a linear map. Choice
(`test_five_thousand_deformations_have_no_name`). Half and double change none of 64 sets."""

TURN_MOMENTS, LINEAR_WORK = 2**15, 2**26
"""Two isometries are looked for where n d^2 is no larger, 50 MB of moments in all draws together; the exact solution
for a linear map is a start where n d^5 operations are no more, .1 s."""

NO_RESIDUAL = 1e-12
"""A deformation that leaves less than this share of what it explains leaves nothing: rounding."""

# Memory.

LARGEST = 4096
"""Matrices of pairs are formed up to this many features: 128 MiB each."""

# Certificates.

MOST_EXCEPTIONS = 0.25
"""Share of the pairs that may be nearer to another level than to their own, by more than `CLEARLY_NEARER`. Noise that
leaves a name puts up to a fifth there."""

CLEARLY_NEARER = 0.05
"""Levels that are nearer to each other than this are easily exchanged, as the two of 0.26 of a square antiprism."""

CERTIFICATE_ROUNDING = 1e-9
"""Rounding that a cosine may have gained on the way to a file and back. Choice: float64 gives 1e-15 a product. None of
64 sets reads it."""

STREAMED_ROUNDING = 1e-6
"""Rounding of the cosines of many features, which may have been formed in float32."""

ALGEBRA_ROUNDING = 1e-8
"""Largest deviation of a product of the eigenmatrices, over the number of points. Rounding of float64."""

PROOF_BOUND = 2.0**-43
"""A randomised proof is wrong with a smaller probability than this: that of one round (`relations.check`)."""

LEAST_TOLERANCE_ROOM = 1e-6
"""A tolerance that is to give a name back is above the residual by this share: rounding."""

# A name through noise where the vectors are given (`through_noise`, `isometry`).

NOISE_LEVEL = 0.01
"""True names are refused at this rate: the F test's level."""

TOO_EVEN_P = 1e-6
"""Isotropic noise leaves as little inside of a geometry, beside what it leaves outside, in fewer cases than this: then
what is outside is no noise, but part of another geometry. Orthonormal vectors are a simplex and one direction that all
share; without this they were "simplex of 32 vertices" at p = 1e-131. True names are refused at this rate more."""

EXACTLY_OPPOSITE = 1e-9
"""One plus the cosine of two opposite vectors is below this, which is an angle of 4e-5. Noise
moves such pairs together, as lines: four of them were "cube (+) digon", .34 off (one of 5000 deformations)."""

CHANCE_SHARE_P = 1e-5
"""Largest p-value, of a beta distribution with the mean and variance of the draws, at which random directions would be
explained as well. A dictionary has up to some thousand families, each of which is laid over with up to ten
geometries; above all of 999 draws alone would name one of a thousand random ones. One random set in 10^5 reaches where
the law says .4 to 1.1 times that (simplices of 3 and 4 in 3 to 24 dimensions, 10^6 sets each:
`test_the_law_of_shares_is_right_down_to_its_level`). Far below it is too light by orders: families of thousands of
features, where 10^-10 decides, take `directions.chance_of_share` besides, a bound that is 1000 times too high here."""

ROUNDING_RESIDUAL = 1e-6
"""A residual below this share of the vectors' norm is rounding, and says nothing about noise."""

EQUAL_NORMS = 1e-5
"""Norms that differ by less than this share were made equal: noise has no part along such vectors."""

ISOMETRY_POINTS = 64
"""Larger sets are not laid over: the beam search costs the cube of the points."""

ISOMETRY_ROUNDS = 8
"""Rounds of isometry and assignment after the beam search. They end when the assignment stays; 3 were the most seen."""

SPHERICAL_DRAWS = 999
"""Normal matrices whose axes those of what lies outside are compared with: that refuses one true name in a thousand."""

LEAST_SHARE = 0.5
"""A geometry explains at least this share of the vectors. Choice: one that explains less names the smaller part. Half
and double change none of 64 sets."""

FITTED_DRAWS = 199
"""Random sets that a geometry is laid over to fit the beta distribution, where their leading components do not do."""

FIRST_DRAWS = 8
"""Random sets that are tried before the leading components of all draws are computed: 28 of 32 geometries that do not
fit are refused by them. Changes no result."""

HEIGHT_P = 1e-6
"""A free height must fit better than a fixed geometry by an F test of this level, in each of the four directions that
an octahedron has for it. Of 7000 octahedra and cubes, .4 % and .3 % are below .001 and one below 1e-5
(`test_a_refused_octahedron_is_no_antiprism`)."""

RING_HEIGHTS = (0.02, 0.98)
"""Squared heights of prisms and antiprisms that are looked for. Choice: flatter ones are polygons, steeper ones two
points. Half changes none of 64 sets."""
