"""The columns of statistics: names, heads in tables, meanings. Help and docs read them."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """A column of statistics."""

    name: str  # in CSV and JSON
    head: str  # in tables; empty: shown with another one
    meaning: str
    of_shares: bool = False  # of p = w / sum w, so that a table marks it if the sum is not 1


_ENTROPY = Column("entropy", "entropy", "H = -sum p log2 p, in bits; 0 log2 0 = 0", True)
_EFFECTIVE = Column("effective", "effective", "2^H: the effective number of keys", True)
_RELATIVE = Column(
    "relative", "relative", "H / log2 n, if 2 keys or more are seen; 1: all alike", True
)
_MAX = Column("max", "max", "the largest weight")
_PLACES = (
    Column("distance", "distance", "sum p |j - i|: how many tokens apart", True),
    Column("first", "first", "the weight of the first key, j = 0"),
    Column("diagonal", "diagonal", "the weight of the query's own key, j = i"),
    Column("previous", "previous", "the weight of the key before it, j = i - 1"),
    Column("top_90", "top 90 %", "the least number of keys with 90 % of the sum", True),
)

OF_HEADS = (
    Column("queries", "", "how many queries the values are of"),
    _ENTROPY,
    _EFFECTIVE,
    _RELATIVE,
    _MAX,
    *_PLACES,
    Column("largest", "largest", "the largest weight of all queries"),
    Column("largest_query", "", "its query, a number from 0"),
    Column("largest_key", "", "its key"),
    Column("query_token", "", "the word of largest_query"),
    Column("key_token", "", "the word of largest_key"),
    Column("no_key", "no key", "how many queries see no key; they are in no mean"),
    Column("not_one", "", "how many queries have weights whose sum is not 1"),
    Column("row_sum_min", "least sum", "the least sum of the weights of a query"),
    Column("row_sum_max", "largest sum", "the largest sum of the weights of a query"),
)
OF_QUERIES = (
    Column("query", "", "the query, a number from 0"),
    Column("token", "query", "the word of the query"),
    Column("keys", "keys", "n: how many keys the query sees"),
    _ENTROPY,
    _EFFECTIVE,
    _RELATIVE,
    _MAX,
    Column("key", "", "the key with the largest weight, the first of equal ones"),
    Column("key_token", "key", "its word"),
    *_PLACES,
    Column("row_sum", "sum", "the sum of the weights"),
)
