"""The names of sympy a program may use: all of them looked at, none taken over by rule.

Left out is what draws, opens windows or pagers, prints programs in other languages, changes global settings or
reaches into the caller's frame.
"""

from __future__ import annotations

from typing import Final

from ..words import words

TOP: Final = frozenset(
    words(
        """
        Abs AccumBounds Add Adjoint AlgebraicField AlgebraicNumber And AppliedPredicate Array Atom AtomicExpr
        Basic BlockDiagMatrix BlockMatrix CC CRootOf Catalan Chi Ci Circle CoercionFailed Complement
        ComplexField ComplexRegion ComplexRootOf Complexes ConditionSet Contains CosineTransform Curve
        DenseNDimArray Derivative Determinant DiagMatrix DiagonalMatrix DiagonalOf Dict DiracDelta
        DisjointUnion Domain DotProduct Dummy E EX EXRAW Ei Eijk Ellipse EmptySequence EmptySet Eq Equality
        Equivalent EulerGamma Expr ExpressionDomain FF FU FallingFactorial FiniteField FiniteSet Float
        FourierTransform FractionField Function FunctionMatrix GF Ge GeneratorsNeeded GeometryError
        GoldenRatio GramSchmidt GreaterThan GroebnerBasis Gt HadamardPower HadamardProduct HankelTransform
        Heaviside I ITE Id Identity Idx ImageSet ImmutableDenseMatrix ImmutableDenseNDimArray ImmutableMatrix
        ImmutableSparseMatrix ImmutableSparseNDimArray Implies Indexed IndexedBase Integer IntegerRing
        Integers Integral Intersection Interval Inverse InverseCosineTransform InverseFourierTransform
        InverseHankelTransform InverseLaplaceTransform InverseMellinTransform InverseSineTransform
        KroneckerDelta KroneckerProduct LC LM LT Lambda LambertW LaplaceTransform Le LessThan LeviCivita Li
        Limit Line Line2D Line3D Lt MatAdd MatMul MatPow Matrix MatrixBase MatrixExpr MatrixPermute
        MatrixSlice MatrixSymbol Max MellinTransform Min Mod Monomial Mul MutableDenseMatrix
        MutableDenseNDimArray MutableMatrix MutableSparseMatrix MutableSparseNDimArray N NDimArray Nand
        Naturals Naturals0 Ne NonSquareMatrixError Nor Not NotInvertible Number NumberSymbol O OmegaPower
        OneMatrix Or Order Ordinal POSform Parabola Permanent PermutationMatrix Piecewise Plane Point Point2D
        Point3D PoleError Poly Polygon PolynomialError PolynomialRing Pow PowerSet Predicate Product
        ProductSet PurePoly Q QQ QQ_I Quaternion RR Range Rational RationalField Rationals Ray Ray2D Ray3D
        RealField RealNumber Reals RegularPolygon Rel Rem RisingFactorial RootOf RootSum S SOPform Segment
        Segment2D Segment3D SeqAdd SeqFormula SeqMul SeqPer Set ShapeError Shi Si Sieve SineTransform
        SingularityFunction SparseMatrix SparseNDimArray StrictGreaterThan StrictLessThan Subs Sum Symbol
        SymmetricDifference SympifyError Trace Transpose Triangle TribonacciConstant Tuple Unequality
        UnevaluatedExpr Union UniversalSet Wild WildFunction Xor Ynm Ynm_c ZZ ZZ_I ZeroMatrix Znm abundance
        acos acosh acot acoth acsc acsch adjoint airyai airyaiprime airybi airybiprime all_roots andre apart
        apart_list appellf1 approximants are_similar arg arity asec asech asin asinh ask
        assemble_partfrac_list assoc_laguerre assoc_legendre atan atan2 atanh banded bell bernoulli besseli
        besselj besselk besselsimp bessely beta betainc betainc_regularized binomial binomial_coefficients
        binomial_coefficients_list block_collapse blockcut bool_map bspline_basis bspline_basis_set cancel
        carmichael cartes casoratian catalan cbrt ccode ceiling centroid chebyshevt chebyshevt_poly
        chebyshevt_root chebyshevu chebyshevu_poly chebyshevu_root check_assumptions checkodesol checksol
        classify_ode classify_pde closest_points cofactors collect collect_const combsimp comp compose
        composite compositepi conjugate construct_domain content continued_fraction
        continued_fraction_convergents continued_fraction_iterator continued_fraction_periodic
        continued_fraction_reduce convex_hull convolution cos cosh cosine_transform cot coth count_ops
        count_roots covering_product csc csch cse cycle_length cyclotomic_poly decompogen decompose
        default_sort_key deg degree degree_list denom derive_by_array det det_quick diag diagonalize_vector
        dict_merge diff difference_delta differentiate_finite digamma diophantine dirichlet_eta discrete_log
        discriminant div divisor_count divisor_sigma divisors dsolve egyptian_fraction elliptic_e elliptic_f
        elliptic_k elliptic_pi erf erf2 erf2inv erfc erfcinv erfi erfinv euler euler_equations exp exp_polar
        expand expand_complex expand_func expand_log expand_mul expand_multinomial expand_power_base
        expand_power_exp expand_trig expint exptrigsimp exquo eye factor factor_list factor_nc factor_system
        factor_terms factorial factorial2 factorint factorrat failing_assumptions false farthest_points ff fft
        fibonacci field finite_diff_weights flatten floor fourier_series fourier_transform fps frac fraction
        fresnelc fresnels fu fwht galois_group gamma gammasimp gcd gcd_list gcd_terms gcdex gegenbauer
        genocchi get_contraction_structure get_indices gff gff_list grevlex grlex groebner ground_roots group
        gruntz hadamard_product half_gcdex hankel1 hankel2 hankel_transform harmonic has_dups has_variety
        hermite hermite_poly hermite_prob hermite_prob_poly hessian hn1 hn2 homogeneous_order horner hyper
        hyperexpand hypersimilar hypersimp idiff ifft ifwht igcd igrevlex igrlex ilcm ilex im imageset
        integer_log integer_nthroot integrate interpolate interpolating_poly interpolating_spline
        intersecting_product intersection intervals intt inv_quick inverse_cosine_transform
        inverse_fourier_transform inverse_hankel_transform inverse_laplace_transform inverse_mellin_transform
        inverse_mobius_transform inverse_sine_transform invert is_abundant is_amicable is_carmichael is_convex
        is_decreasing is_deficient is_increasing is_mersenne_prime is_monotonic is_nthpow_residue is_perfect
        is_primitive_root is_quad_residue is_strictly_decreasing is_strictly_increasing is_zero_dimensional
        isolate isprime itermonomials jacobi jacobi_normalized jacobi_poly jacobi_symbol jn jn_zeros
        jordan_cell kronecker_product kronecker_symbol kroneckersimp laguerre laguerre_poly lambdify
        laplace_correspondence laplace_initial_conds laplace_transform latex lcm lcm_list legendre
        legendre_poly legendre_symbol lerchphi lex li limit limit_seq line_integrate linear_eq_to_matrix
        linsolve ln log logcombine loggamma lowergamma lucas marcumq mathieuc mathieucprime mathieus
        mathieusprime matrix_multiply_elementwise matrix_symbols maximum meijerg mellin_transform
        mersenne_prime_exponent minimal_polynomial minimum minpoly mobius mobius_transform mod_inverse monic
        motzkin multigamma multinomial_coefficients multiplicity n_order nan nextprime nfloat nonlinsolve
        not_empty_in npartitions nroots nsimplify nsolve nth_power_roots_poly nthroot_mod ntt num_digits
        numbered_symbols numer ode_order ones oo ord0 ordered parallel_poly_from_expr parse_expr partition
        pde_separate pde_separate_add pde_separate_mul pdiv pdsolve per perfect_power periodic_argument
        periodicity permutedims pexquo pi piecewise_exclusive piecewise_fold polar_lift polarify pollard_pm1
        pollard_rho poly poly_from_expr polygamma polylog posify postfixes postorder_traversal powdenest
        powsimp pprint pquo prefixes prem preorder_traversal pretty pretty_print prevprime prime prime_decomp
        prime_valuation primefactors primenu primeomega primepi primerange primitive primitive_element
        primitive_root primorial principal_branch prod product proper_divisor_count proper_divisors pycode
        quadratic_congruence quadratic_residues quo rad radsimp randMatrix random_poly randprime
        rational_interpolate ratsimp ratsimpmodprime rcollect re real_root real_roots reduce_abs_inequalities
        reduce_abs_inequality reduce_inequalities reduced reduced_totient refine refine_root rem reshape
        residue resultant rf riemann_xi ring root rootof roots rot_axis1 rot_axis2 rot_axis3 rot_ccw_axis1
        rot_ccw_axis2 rot_ccw_axis3 rot_givens rotations round_two rsolve rsolve_hyper rsolve_poly
        rsolve_ratio satisfiable sec sech separatevars sequence series sfield shape sieve sift sign signsimp
        simplify simplify_logic sin sinc sine_transform singularities singularityintegrate sinh solve
        solve_linear solve_linear_system solve_linear_system_LU solve_poly_inequality solve_poly_system
        solve_rational_inequalities solve_triangulated solve_undetermined_coeffs solve_univariate_inequality
        solveset sqf sqf_list sqf_norm sqf_part sqrt sqrt_mod sqrt_mod_iter sqrtdenest srepr sring sstr
        sstrrepr stationary_points stieltjes sturm subfactorial subresultants subsets substitution summation
        swinnerton_dyer_poly symbols symmetric_poly symmetrize sympify take tan tanh tensorcontraction
        tensordiagonal tensorproduct terms_gcd to_cnf to_dnf to_nnf to_number_field together topological_sort
        total_degree totient trace trailing transpose tribonacci trigamma trigsimp true trunc
        unbranched_argument unflatten unpolarify uppergamma variations viete wronskian xfield xring yn zeros
        zeta zoo
        """
    )
)

SAME: Final = words(
    """
    sympy.solvers sympy.functions sympy.functions.elementary.piecewise
    sympy.functions.elementary.miscellaneous sympy.functions.elementary.integers
    sympy.functions.elementary.trigonometric sympy.functions.elementary.exponential
    sympy.functions.elementary.complexes sympy.functions.elementary.hyperbolic
    sympy.functions.special.gamma_functions sympy.functions.special.zeta_functions
    sympy.functions.special.error_functions sympy.matrices sympy.matrices.dense sympy.matrices.expressions
    sympy.matrices.immutable sympy.polys sympy.polys.polytools sympy.polys.polyfuncs sympy.polys.rootoftools
    sympy.polys.domains sympy.polys.orderings sympy.polys.specialpolys sympy.polys.numberfields sympy.simplify
    sympy.simplify.simplify sympy.simplify.radsimp sympy.simplify.powsimp sympy.simplify.trigsimp
    sympy.simplify.sqrtdenest sympy.simplify.cse_main sympy.sets sympy.sets.sets sympy.sets.fancysets
    sympy.sets.conditionset sympy.logic sympy.logic.boolalg sympy.core sympy.core.numbers sympy.core.symbol
    sympy.core.relational sympy.core.function sympy.calculus sympy.calculus.util sympy.calculus.singularities
    sympy.calculus.euler sympy.series sympy.series.limits sympy.series.sequences sympy.series.order
    sympy.series.formal sympy.integrals sympy.integrals.integrals sympy.integrals.transforms sympy.concrete
    sympy.concrete.summations sympy.concrete.products sympy.geometry sympy.geometry.polygon
    sympy.geometry.line sympy.geometry.point sympy.geometry.ellipse sympy.discrete sympy.discrete.convolutions
    sympy.assumptions sympy.assumptions.ask sympy.assumptions.refine sympy.tensor sympy.tensor.array
    """
)
"""Modules of which a program sees the names above that they define or pass on."""

MODULES: Final = {
    "sympy.abc": (
        """
        A B C D E F G H I J K L M N O P Q R S T U V W X Y Z a alpha b beta c chi d delta e epsilon eta f
        g gamma h i iota j k kappa l lamda m mu n nu o omega omicron p phi pi psi q r rho s sigma t tau
        theta u upsilon v w x xi y z zeta
        """
    ),
    "sympy.ntheory": (
        """
        isprime primerange prime primepi nextprime prevprime factorint divisors divisor_count totient
        mobius primefactors divisor_sigma n_order is_primitive_root primitive_root is_quad_residue
        legendre_symbol jacobi_symbol discrete_log sqrt_mod nthroot_mod multiplicity perfect_power
        npartitions mersenne_prime_exponent is_perfect is_mersenne_prime is_abundant is_deficient
        is_amicable randprime composite compositepi reduced_totient egyptian_fraction
        continued_fraction_periodic continued_fraction_iterator continued_fraction_reduce
        continued_fraction_convergents continued_fraction cycle_length primorial pollard_rho pollard_pm1
        proper_divisors proper_divisor_count binomial_coefficients multinomial_coefficients
        sqrt_mod_iter quadratic_residues is_nthpow_residue count_digits digits is_palindromic
        """
    ),
    "sympy.ntheory.modular": (
        """
        crt crt1 crt2 solve_congruence symmetric_residue
        """
    ),
    "sympy.ntheory.residue_ntheory": (
        """
        n_order is_primitive_root primitive_root is_quad_residue legendre_symbol jacobi_symbol
        discrete_log sqrt_mod nthroot_mod quadratic_residues quadratic_congruence polynomial_congruence
        sqrt_mod_iter mobius
        """
    ),
    "sympy.ntheory.factor_": (
        """
        factorint divisors divisor_count totient primefactors divisor_sigma multiplicity perfect_power
        smoothness smoothness_p core digits udivisors udivisor_count antidivisors reduced_totient
        primenu primeomega is_perfect is_abundant is_deficient is_amicable proper_divisors
        """
    ),
    "sympy.ntheory.primetest": (
        """
        isprime is_square mr is_euler_pseudoprime is_strong_lucas_prp
        """
    ),
    "sympy.ntheory.generate": (
        """
        prime primepi nextprime prevprime primerange randprime primorial composite compositepi
        cycle_length sieve Sieve
        """
    ),
    "sympy.ntheory.digits": (
        """
        count_digits digits is_palindromic
        """
    ),
    "sympy.ntheory.multinomial": (
        """
        binomial_coefficients multinomial_coefficients binomial_coefficients_list
        """
    ),
    "sympy.ntheory.continued_fraction": (
        """
        continued_fraction_periodic continued_fraction_iterator continued_fraction_reduce
        continued_fraction_convergents continued_fraction
        """
    ),
    "sympy.ntheory.partitions_": (
        """
        npartitions
        """
    ),
    "sympy.ntheory.egyptian_fraction": (
        """
        egyptian_fraction
        """
    ),
    "sympy.solvers.diophantine": (
        """
        diophantine classify_diop
        """
    ),
    "sympy.solvers.diophantine.diophantine": (
        """
        diophantine classify_diop diop_solve diop_linear diop_quadratic diop_DN sum_of_squares
        sum_of_four_squares sum_of_three_squares power_representation partition
        prime_as_sum_of_two_squares cornacchia diop_general_sum_of_squares diop_ternary_quadratic
        diop_general_pythagorean
        """
    ),
    "sympy.solvers.inequalities": (
        """
        solve_univariate_inequality reduce_inequalities solve_poly_inequality solve_poly_inequalities
        solve_rational_inequalities reduce_abs_inequality reduce_abs_inequalities
        reduce_rational_inequalities
        """
    ),
    "sympy.solvers.solveset": (
        """
        solveset linsolve nonlinsolve solveset_real solveset_complex linear_eq_to_matrix substitution
        domain_check invert_real invert_complex
        """
    ),
    "sympy.solvers.solvers": (
        """
        solve nsolve solve_linear solve_linear_system solve_undetermined_coeffs checksol unrad
        """
    ),
    "sympy.solvers.recurr": (
        """
        rsolve rsolve_poly rsolve_ratio rsolve_hyper
        """
    ),
    "sympy.solvers.ode": (
        """
        dsolve checkodesol classify_ode homogeneous_order
        """
    ),
    "sympy.solvers.pde": (
        """
        pdsolve classify_pde pde_separate
        """
    ),
    "sympy.solvers.polysys": (
        """
        solve_poly_system solve_triangulated
        """
    ),
    "sympy.solvers.simplex": (
        """
        lpmin lpmax linprog InfeasibleLPError UnboundedLPError
        """
    ),
    "sympy.combinatorics": (
        """
        Permutation Cycle PermutationGroup SymmetricGroup AlternatingGroup CyclicGroup DihedralGroup
        AbelianGroup Polyhedron Prufer Partition IntegerPartition Subset GrayCode RGS_enum RGS_unrank
        RGS_rank DirectProduct RubikGroup
        """
    ),
    "sympy.combinatorics.permutations": (
        """
        Permutation Cycle
        """
    ),
    "sympy.combinatorics.perm_groups": (
        """
        PermutationGroup
        """
    ),
    "sympy.combinatorics.named_groups": (
        """
        SymmetricGroup AlternatingGroup CyclicGroup DihedralGroup AbelianGroup
        """
    ),
    "sympy.combinatorics.partitions": (
        """
        Partition IntegerPartition RGS_enum RGS_unrank RGS_rank random_integer_partition
        """
    ),
    "sympy.combinatorics.subsets": (
        """
        Subset ksubsets
        """
    ),
    "sympy.combinatorics.graycode": (
        """
        GrayCode
        """
    ),
    "sympy.functions.combinatorial.numbers": (
        """
        fibonacci lucas bell bernoulli catalan euler harmonic genocchi partition stirling nP nC nT
        tribonacci motzkin mobius totient divisor_sigma primepi kronecker_symbol jacobi_symbol
        legendre_symbol carmichael andre udivisor_sigma reduced_totient primenu primeomega
        """
    ),
    "sympy.functions.combinatorial.factorials": (
        """
        factorial binomial subfactorial factorial2 rf ff RisingFactorial FallingFactorial
        """
    ),
    "sympy.matrices.normalforms": (
        """
        smith_normal_form hermite_normal_form invariant_factors
        """
    ),
    "sympy.polys.polyroots": (
        """
        roots
        """
    ),
    "sympy.simplify.fu": (
        """
        fu TR0 TR1 TR2 TR5 TR7 TR8 TR10 TR11
        """
    ),
    "sympy.logic.inference": (
        """
        satisfiable valid entails pl_true
        """
    ),
    "sympy.core.expr": (
        """
        Expr
        """
    ),
    "sympy.core.sympify": (
        """
        sympify SympifyError
        """
    ),
    "sympy.core.add": (
        """
        Add
        """
    ),
    "sympy.core.mul": (
        """
        Mul
        """
    ),
    "sympy.core.power": (
        """
        Pow
        """
    ),
    "sympy.core.mod": (
        """
        Mod
        """
    ),
    "sympy.core.containers": (
        """
        Tuple Dict
        """
    ),
    "sympy.core.singleton": (
        """
        S
        """
    ),
    "sympy.core.basic": (
        """
        Basic Atom
        """
    ),
    "sympy.core.intfunc": (
        """
        integer_nthroot integer_log igcd ilcm igcdex mod_inverse isqrt num_digits trailing
        """
    ),
    "sympy.utilities.iterables": (
        """
        multiset_permutations multiset_combinations multiset_partitions partitions subsets variations
        cartes flatten sift uniq kbins ordered_partitions permute_signs signed_permutations
        generate_derangements necklaces bracelets has_dups group ordered binary_partitions rotate_left
        rotate_right unflatten reshape iproduct numbered_symbols runs common_prefix least_rotation
        minlex
        """
    ),
    "sympy.utilities": (
        """
        flatten sift subsets variations has_dups group reshape lambdify
        """
    ),
    "sympy.utilities.lambdify": (
        """
        lambdify
        """
    ),
    "sympy.parsing.sympy_parser": (
        """
        parse_expr standard_transformations implicit_multiplication implicit_multiplication_application
        convert_xor implicit_application function_exponentiation split_symbols factorial_notation
        rationalize
        """
    ),
    "sympy.parsing": (
        """
        parse_expr
        """
    ),
    "sympy.printing": (
        """
        latex pretty sstr srepr pprint pretty_print
        """
    ),
    "sympy.printing.latex": (
        """
        latex
        """
    ),
    "sympy.printing.pretty": (
        """
        pretty pprint
        """
    ),
    "sympy.stats": (
        """
        Die Coin Bernoulli Binomial Hypergeometric DiscreteUniform Normal Uniform Exponential Poisson
        Geometric Gamma Beta P E H variance std density cdf covariance correlation sample skewness
        kurtosis median moment cmoment quantile FiniteRV given where NegativeBinomial Rademacher
        Multinomial ContinuousRV
        """
    ),
    "sympy.physics.units": (
        """
        meter second kilogram gram kilometer hour minute newton joule watt convert_to centimeter
        millimeter km m s kg g liter speed_of_light ampere kelvin mole candela day year degree radian
        mile foot inch pound volt ohm coulomb hertz pascal
        """
    ),
    "sympy.vector": (
        """
        CoordSys3D Vector gradient curl divergence Del laplacian directional_derivative
        """
    ),
}
"""Modules with names of their own."""
