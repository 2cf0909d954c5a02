"""What may be read of the objects of the standard library, and which of sympy's are sympy objects."""

from __future__ import annotations

from typing import Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NUMBER: Final = _names(
    "real imag numerator denominator conjugate bit_length bit_count is_integer as_integer_ratio to_bytes"
)
_DICT: Final = _names("get keys values items pop popitem setdefault update clear copy")
_DATE: Final = _names(
    """
    year month day hour minute second microsecond weekday isoweekday isoformat strftime replace date time days
    seconds microseconds total_seconds toordinal timestamp timetuple isocalendar ctime
    """
)

ATTRIBUTES: Final = {
    "builtins.str": _names(
        """
        capitalize casefold center count encode endswith expandtabs find index isalnum isalpha isascii isdecimal
        isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip
        partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines
        startswith strip swapcase title translate upper zfill format format_map
        """
    ),
    "builtins.bytes": _names("decode hex find count startswith endswith split join replace index strip"),
    "builtins.list": _names("append extend insert remove pop clear index count sort reverse copy"),
    "builtins.tuple": _names("index count"),
    "builtins.range": _names("index count start stop step"),
    "builtins.slice": _names("start stop step indices"),
    "builtins.dict": _DICT,
    "builtins.dict_keys": _names("isdisjoint"),
    "builtins.dict_items": _names("isdisjoint"),
    "builtins.set": _names(
        """
        add remove discard pop clear copy union intersection difference symmetric_difference update
        intersection_update difference_update symmetric_difference_update issubset issuperset isdisjoint
        """
    ),
    "builtins.frozenset": _names(
        "copy union intersection difference symmetric_difference issubset issuperset isdisjoint"
    ),
    "builtins.int": _NUMBER,
    "builtins.bool": _NUMBER,
    "builtins.float": _NUMBER | {"hex"},
    "builtins.complex": _NUMBER,
    "builtins.generator": _names("send close"),
    "builtins.property": _names("setter getter deleter"),
    "collections.Counter": _DICT | _names("most_common elements subtract total"),
    "collections.defaultdict": _DICT,
    "collections.OrderedDict": _DICT | {"move_to_end"},
    "collections.deque": _names(
        "append appendleft pop popleft extend extendleft rotate clear copy count index insert remove reverse maxlen"
    ),
    "fractions.Fraction": _NUMBER | {"limit_denominator"},
    "decimal.Decimal": _NUMBER
    | _names(
        """
        quantize sqrt ln log10 exp to_integral_value normalize compare is_zero is_nan is_signed adjusted as_tuple
        copy_abs copy_negate scaleb to_eng_string max min
        """
    ),
    "decimal.Context": _names("prec rounding"),
    "random.Random": _names("random randint choice choices shuffle sample seed uniform randrange gauss"),
    "functools._lru_cache_wrapper": _names("cache_clear cache_info"),
    "functools.CacheInfo": _names("hits misses maxsize currsize"),
    "datetime.date": _DATE,
    "datetime.datetime": _DATE,
    "datetime.time": _DATE,
    "datetime.timedelta": _DATE,
    "re.Match": _names("group groups groupdict start end span string"),
    "re.Pattern": _names("match search fullmatch findall finditer split sub pattern"),
    "enum.Enum": _names("name value"),
    "mpmath.ctx_mp_python.mpf": _names("real imag conjugate ae"),
    "mpmath.ctx_mp_python.mpc": _names("real imag conjugate ae"),
    "mpmath.ctx_mp_python.constant": _names("real imag"),
    "mpmath.matrices.matrices._matrix": _names("rows cols T H transpose conjugate copy tolist apply column"),
    "mpmath.ctx_mp.MPContext": _names(
        """
        dps prec mpf mpc pi e inf nan sqrt cbrt root exp log ln log10 sin cos tan asin acos atan atan2 sinh cosh
        tanh fabs floor ceil nint frac fac factorial binomial gamma zeta quad nsum nprod diff findroot polyroots
        polyval limit taylor nstr matrix lu_solve det inverse eye zeros ones fsum fprod power fib fibonacci
        euler catalan phi degrees radians almosteq chop linspace arange mpmathify convert sign re im arg conj
        isnan isinf isint
        """
    ),
}
"""By full name of the type: what may be read of its instances and, unbound, of the type itself."""

OF_CLASSES: Final = {
    "builtins.str": _names("maketrans"),
    "builtins.dict": _names("fromkeys"),
    "builtins.int": _names("from_bytes"),
    "builtins.float": _names("fromhex"),
    "builtins.bytes": _names("fromhex"),
    "fractions.Fraction": _names("from_float from_decimal"),
    "decimal.Decimal": _names("from_float"),
    "datetime.date": _names("today fromisoformat fromordinal min max"),
    "datetime.datetime": _names("now today fromisoformat strptime combine fromtimestamp min max"),
    "datetime.time": _names("fromisoformat"),
}
"""What the types have beyond that."""

WRITABLE: Final = {
    "decimal.Context": _names("prec rounding"),
    "mpmath.ctx_mp.MPContext": _names("dps prec pretty"),
}

SYMPY_FAMILIES: Final = _names(
    """
    sympy.core.basic.Basic sympy.matrices.matrixbase.MatrixBase sympy.matrices.matrices.MatrixBase
    sympy.matrices.common.MatrixCommon sympy.polys.domains.domain.Domain sympy.polys.rings.PolyElement
    sympy.polys.rings.PolyRing sympy.polys.fields.FracElement sympy.polys.fields.FracField
    sympy.polys.domains.domainelement.DomainElement sympy.assumptions.assume.AssumptionKeys
    sympy.assumptions.ask.AssumptionKeys sympy.core.singleton.SingletonRegistry sympy.ntheory.generate.Sieve
    sympy.combinatorics.prufer.Prufer sympy.core.assumptions.StdFactKB sympy.tensor.array.ndim_array.NDimArray
    sympy.external.pythonmpq.PythonMPQ sympy.polys.polyutils.PicklableWithSlots sympy.core.function.UndefinedFunction
    sympy.core.kind.Kind sympy.combinatorics.permutations.Cycle sympy.plotting.never
    """
)

SYMPY_HIDDEN: Final = _names(
    "register mro copyfile save show to_gpu build_options prototype compile lambdify plot set_domain_wrapper"
)
