"""The names of z3 a program may use, and what it may read of z3's objects.

Not among them: constructors of references, which take raw pointers; contexts; whatever opens a file or a log.
"""

from __future__ import annotations

from typing import Final

from ..words import words

FUNCTIONS: Final = frozenset(
    words(
        """
        Abs AllChar And AndThen Array ArraySort AsArray AtLeast AtMost BV2Int BVAddNoOverflow BVAddNoUnderflow
        BVMulNoOverflow BVMulNoUnderflow BVRedAnd BVRedOr BVSDivNoOverflow BVSNegNoOverflow BVSubNoOverflow
        BVSubNoUnderflow BitVec BitVecSort BitVecVal BitVecs Bool BoolSort BoolVal BoolVector Bools BvNand
        BvNor BvXnor Cbrt CharFromBv CharIsDigit CharSort CharToBv CharToInt CharVal Complement Concat Cond
        Const Consts Contains CreateDatatypes DeclareSort Default Diff DisjointSum Distinct Empty EmptySet
        EnumSort Exists Ext Extract FP FPSort FPVal FPs FailIf Float128 Float16 Float32 Float64 FloatDouble
        FloatHalf FloatQuadruple FloatSingle ForAll FreshBool FreshConst FreshFunction FreshInt FreshReal Full
        FullSet Function If Implies InRe IndexOf Int Int2BV IntSort IntToStr IntVal IntVector Intersect Ints
        IsInt IsMember IsSubset K LShR Lambda LastIndexOf Length Loop Map MultiPattern Not Option
        Or OrElse ParAndThen ParOr ParThen PbEq PbGe PbLe Plus PrefixOf
        Product Q RNA RNE RTN RTP RTZ Range RatVal Re ReSort Real RealSort RealVal RealVector Reals
        RecAddDefinition RecFunction Repeat RepeatBitVec Replace RotateLeft RotateRight RoundNearestTiesToAway
        RoundNearestTiesToEven RoundTowardNegative RoundTowardPositive RoundTowardZero SRem Select SeqFoldLeft
        SeqFoldLeftI SeqMap SeqMapI SeqSort SetAdd SetComplement SetDel SetDifference SetIntersect SetSort
        SetUnion SignExt Sqrt Star Store StrFromCode StrToCode StrToInt String StringSort StringVal Strings
        SubSeq SubString SuffixOf Sum Then ToInt ToReal TryFor TupleSort UDiv UGE
        UGT ULE ULT URem Union Unit Update Var When With Xor ZeroExt describe_probes describe_tactics eq fpAbs
        fpAdd fpBVToFP fpDiv fpEQ fpFMA fpFP fpFPToFP fpGEQ fpGT fpInfinity fpIsInf fpIsNaN fpIsNegative
        fpIsNormal fpIsPositive fpIsSubnormal fpIsZero fpLEQ fpLT fpMax fpMin fpMinusInfinity fpMinusZero
        fpMul fpNEQ fpNaN fpNeg fpPlusInfinity fpPlusZero fpRealToFP fpRem fpRoundToIntegral fpSignedToFP
        fpSqrt fpSub fpToFP fpToFPUnsigned fpToIEEEBV fpToReal fpToSBV fpToUBV fpUnsignedToFP fpZero
        get_full_version get_map_func get_var_index get_version get_version_string is_K is_add
        is_algebraic_value is_and is_app is_app_of is_arith is_array is_array_sort is_as_array is_ast is_bool
        is_bv is_bv_sort is_bv_value is_const is_const_array is_default is_distinct is_div is_eq is_expr
        is_false is_fp is_fp_sort is_fp_value is_fprm is_func_decl is_ge is_gt is_idiv is_implies is_int
        is_int_value is_is_int is_le is_lt is_map is_mod is_mul is_not is_or is_pattern is_probe is_quantifier
        is_rational_value is_re is_real is_select is_seq is_sort is_store is_string is_string_value is_sub
        is_to_int is_to_real is_true is_var mk_not parse_smt2_string probe_description probes prove
        set_default_fp_sort set_default_rounding_mode set_option set_param simplify simplify_param_descrs
        solve solve_using substitute substitute_funs substitute_vars tactic_description tactics
        DatatypeSort FiniteDomainSort FiniteDomainVal FiniteFieldBitsum FiniteFieldElem FiniteFieldElems
        FiniteFieldSort FiniteFieldVal FiniteSetDifference FiniteSetEmpty FiniteSetFilter FiniteSetIntersect
        FiniteSetMap FiniteSetMember FiniteSetRange FiniteSetSize FiniteSetSort FiniteSetSubset FiniteSetUnion
        In RealVar RealVarVector SeqPower TransitiveClosure deserialize get_as_array_func get_default_fp_sort
        get_default_rounding_mode get_fpa_pretty help_simplify is_arith_sort is_finite_domain
        is_finite_domain_sort is_finite_domain_value is_finite_set is_finite_set_sort is_fprm_sort
        is_fprm_value obj_to_string pp print_matrix set_fpa_pretty
        """
    )
)

VALUES: Final = frozenset({"sat", "unsat", "unknown", "Z3Exception", "Fraction"})

MADE_WITH: Final = {
    "Solver": 0, "SimpleSolver": 0, "Optimize": 0, "Fixedpoint": 0, "SolverFor": 1, "Tactic": 1, "Probe": 1,
    "Datatype": 1, "Goal": 3, "AstVector": 0, "AstMap": 0, "Model": 0,
}  # fmt: skip
"""Classes a program may instantiate, with so many arguments: those that follow take pointers, files, contexts."""

TESTED_FOR: Final = frozenset(
    words(
        """
        AlgebraicNumRef ArithRef ArithSortRef ArrayRef ArraySortRef AstRef AstVector BitVecNumRef BitVecRef
        BitVecSortRef BoolRef BoolSortRef CharRef CheckSatResult DatatypeRef DatatypeSortRef ExprRef FPNumRef
        FPRef FPSortRef FuncDeclRef FuncInterp IntNumRef ModelRef OptimizeObjective PatternRef QuantifierRef
        RatNumRef ReRef SeqRef SeqSortRef SortRef Statistics ApplyResult CharSortRef FPRMRef FPRMSortRef FPSortRef
        FiniteDomainNumRef FiniteDomainRef FiniteDomainSortRef FiniteFieldRef FiniteFieldSortRef FiniteSetRef
        FiniteSetSortRef FuncEntry ParamDescrsRef ReSortRef
        """
    )
)
"""Classes that serve `isinstance` only."""

METHODS: Final = frozenset(
    words(
        """
        accessor add add_rule add_soft append apply approx arg arg_value arity as_binary_string as_decimal
        as_expr as_fraction as_list as_long as_signed_long as_string assert_and_track assert_exprs assertions
        at basis body check children consequences constructor convert_model cube cube_vars create decl declare
        declare_var decls default denominator denominator_as_long depth dimacs domain domain_n ebits
        else_value entry eq erase eval evaluate exponent exponent_as_long exponent_as_bv fact from_string get
        get_answer get_assertions get_id get_interp get_key_value get_rules get_sort get_universe hash
        inconsistent index insert isInf isNaN isNegative isNormal isPositive isSubnormal isZero is_bool
        is_digit is_exists is_forall is_int is_int_value is_lambda is_real is_string is_string_value keys kind
        lower lower_values maximize minimize model name no_pattern non_units num_args num_constructors
        num_entries num_no_patterns num_patterns num_scopes num_sorts num_vars numerator numerator_as_long
        objectives params param_descrs pattern poly pop prec precision proof push py_value qid query range
        reason_unknown recognizer register_relation reset resize rule sbits set set_initial_value sexpr sign
        sign_as_bv significand significand_as_bv significand_as_long simplify size skolem_id solutions solver
        sort sort_kind sorts statistics subsort to_bv to_int to_smt2 to_string units unsat_core upper
        upper_values value var_name var_sort weight get_name get_kind get_documentation update update_field
        update_value num_levels trail cast help serialize solve_for congruence_root congruence_next
        congruence_explain element_sort abstract
        """
    )
)

ONLY: Final = {"from_string": {"Solver", "Optimize"}, "solver": {"Tactic"}}
"""Methods that mean something else, or are a raw pointer, in other classes."""

PRINTING: Final = frozenset(
    words(
        """
        max_depth max_args max_width max_lines max_indent max_visited max_ribbon rational_to_decimal precision
        fpa_pretty bounded pp_max_depth
        """
    )
)

PASSED_OVER: Final = frozenset(
    words(
        """
        parallel.enable parallel.threads.max verbose verbosity threads sat.threads smt.threads stats
        ctrl_c warning
        """
    )
)

OPTIONS: Final = frozenset(
    words(
        """
        timeout rlimit random_seed seed unsat_core model proof produce_models produce_unsat_cores mbqi
        smt.mbqi auto_config smt.auto_config smt.random_seed sat.random_seed nlsat.seed core.minimize
        smt.core.minimize sat.core.minimize core.minimize_partial priority opt.priority maxsat_engine
        opt.maxsat_engine opt.optsmt_engine optsmt_engine opt.timeout smt.timeout solver.timeout enable_sat
        opt.enable_sat enable_sls opt.enable_sls maxres.max_num_cores relevancy smt.relevancy phase_selection
        smt.phase_selection ematching smt.ematching smt.arith.solver arith.solver smt.arith.nl
        smt.arith.random_initial_value arith.random_initial_value smt.case_split smt.restart_strategy
        smt.restart_factor smt.mbqi.max_iterations mbqi.max_iterations smt.pull_nested_quantifiers
        smt.qi.eager_threshold qi.eager_threshold smt.string_solver smt.delay_units smt.dt_lazy_splits
        smt.bv.reflect smt.logic logic engine fp.engine fp.xform.slice fp.xform.inline_linear
        fp.xform.inline_eager pp.decimal pp.decimal_precision pp.bv_literals pp.max_depth pp.min_alias_size
        verbose max_memory memory_high_watermark max_conflicts smt.max_conflicts sat.max_conflicts max_steps
        max_rounds max_depth threads sat.threads model.completion model_evaluator.completion model.compact
        model.user_functions model_validate type_check well_sorted_check algebraic_number_evaluator
        arith_ineq_lhs arith_lhs bit2bool blast_distinct blast_distinct_threshold blast_eq_value
        blast_select_store bv_extract_prop bv_ineq_consistency_test_max bv_ite2id bv_le2extract bv_not_simpl
        bv_sort_ac cache_all elim_and elim_ite elim_rem elim_sign_ext elim_to_real enable_der eq2ineq
        expand_nested_stores expand_power expand_select_ite expand_select_store expand_store_eq expand_tan
        flat flat_and_or gcd_rounding hi_div0 hoist_ite hoist_mul ite_extra_rules local_ctx local_ctx_limit
        max_degree mul2concat mul_to_power pull_cheap_ite push_ite_arith push_ite_bv push_to_real
        rewrite_patterns som som_blowup sort_disjunctions sort_store sort_sums split_concat_eq
        unfold_recursive_functions lia2pb_max_bits lia2pb_partial produce_proofs nla2bv_max_bv_size
        nla2bv_bv_size nla2bv_root nla2bv_divisor add_bound_lower add_bound_upper learned random_freq
        norm_int_only
        """
    )
)
