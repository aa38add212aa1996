"""HiveQL that only reads: checked before either engine sees it, and translated for DuckDB."""

from __future__ import annotations

from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.dialects.hive import Hive
from sqlglot.errors import ErrorLevel, SqlglotError

from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.records import CatalogRow

# Functions of Hive that call any Java method or read a file of the server.
_REFUSED_FUNCTIONS = frozenset(["reflect", "reflect2", "java_method", "in_file"])
_WRITES = (exp.DML, exp.DDL, exp.Into, exp.Command)
# What DuckDB has by the same name but with another meaning, such as for NULL.
_DIFFERENT_FUNCTIONS = frozenset(
    ["hash", "percentile", "percentile_approx", "quantile", "approx_quantile", "greatest", "least"]
)
_OTHER_WAY = "write it another way, or use --engine hive"


class _Hive4(Hive):
    """HiveQL as of Hive 4, which sorts NULL after everything (`hive.default.nulls.last`)."""

    NULL_ORDERING = "nulls_are_large"


@dataclass(frozen=True)
class Statement:
    """One statement that reads: a query with its tree, SHOW TABLES, or DESCRIBE of a table."""

    sql: str
    tree: exp.Query | None = None
    described: str | None = None


def read_statement(text: str) -> Statement:
    """Check that a text is one statement that reads.

    Raises
    ------
    ConfigError
        It is no HiveQL, more than one statement, or does anything but read.
    """
    try:
        tokens = [t for t in sqlglot.tokenize(text, read=_Hive4) if t.text != ";"]
        words = [token.text.upper() for token in tokens]
        sql = text.strip().rstrip(";").rstrip()
        if words == ["SHOW", "TABLES"]:
            return Statement("SHOW TABLES")
        if len(words) == 2 and words[0] in ("DESC", "DESCRIBE") and tokens[1].text.isidentifier():
            return Statement(f"DESCRIBE {tokens[1].text}", described=tokens[1].text.lower())
        if not words or words[0] not in ("SELECT", "WITH", "FROM", "("):
            raise _refused(words[0] if words else "nothing")
        trees = [tree for tree in sqlglot.parse(text, read=_Hive4) if tree is not None]
    except SqlglotError as error:
        raise ConfigError(f"the query is not HiveQL: {_first_line(error)}") from error
    if len(trees) != 1:
        raise ConfigError(f"the query is {len(trees)} statements; give one")
    return Statement(sql, _reading(trees[0]))


def parse_select(sql: str) -> exp.Query:
    """Parse a query of the project's own."""
    return _reading(sqlglot.parse_one(sql, read=_Hive4))


def read_condition(text: str) -> Statement:
    """Make the query for the rows of `images` that a HiveQL boolean expression holds for.

    The rows have the columns of `CatalogRow` and are sorted by bundle and offset.

    Raises
    ------
    ConfigError
        The text is not one expression, or does anything but read.
    """
    try:
        if any(token.text == ";" for token in sqlglot.tokenize(text, read=_Hive4)):
            raise ConfigError("--where is one condition, without a semicolon")
        condition = exp.condition(text, dialect=_Hive4)
    except SqlglotError as error:
        raise ConfigError(
            f"--where is not a HiveQL condition on the table images: {_first_line(error)}"
        ) from error
    columns = [exp.column(name) for name in CatalogRow._fields]
    order = [exp.column(name) for name in ("bundle", "offset", "key")]
    query = exp.select(*columns).from_("images").where(condition).order_by(*order)
    return Statement(query.sql(dialect=_Hive4, comments=False), _reading(query))


def to_duckdb(tree: exp.Query) -> str:
    """Translate a query.

    Raises
    ------
    ConfigError
        DuckDB has nothing for a construct.
    """
    tree = tree.copy()
    _name_columns(tree)
    _refuse_what_differs(tree)
    for like in list(tree.find_all(exp.Like)):
        if not isinstance(like.parent, exp.Escape):  # Hive always has the backslash for it
            like.replace(exp.Escape(this=like.copy(), expression=exp.Literal.string("\\")))
    try:
        return tree.sql(
            dialect="duckdb", identify=True, comments=False, unsupported_level=ErrorLevel.RAISE
        )
    except SqlglotError as error:
        raise _untranslatable(_first_line(error)) from error


def _name_columns(tree: exp.Query) -> None:
    """Name the nameless columns of a result as Hive does."""
    first: exp.Expr = tree
    while isinstance(first, exp.SetOperation):
        first = first.left
    if isinstance(first, exp.Select):
        for place, column in enumerate(first.expressions):
            if not column.output_name and not column.is_star:
                column.replace(exp.alias_(column.copy(), f"_c{place}"))


def _refuse_what_differs(tree: exp.Query) -> None:
    for function in tree.find_all(exp.Func):
        if (name := _function_name(function)) in _DIFFERENT_FUNCTIONS:
            raise _untranslatable(f"{name} means something else there")
    if tree.find(exp.TableSample):
        raise _untranslatable("it has no TABLESAMPLE like that of Hive")
    if any(lateral.args.get("outer") for lateral in tree.find_all(exp.Lateral)):
        raise _untranslatable("it has no LATERAL VIEW OUTER")


def _untranslatable(why: str) -> ConfigError:
    return ConfigError(f"the query cannot be translated for DuckDB: {why}; {_OTHER_WAY}")


def type_in_duckdb(hive_type: str) -> str:
    """Translate a column's type.

    >>> type_in_duckdb("STRING")
    'TEXT'
    """
    return exp.DataType.build(hive_type, dialect="hive").sql(dialect="duckdb")


def _reading(tree: exp.Expr) -> exp.Query:
    if not isinstance(tree, exp.Query):
        raise _refused(tree.key.upper())
    if found := tree.find(*_WRITES):
        raise _refused(found.key.upper())
    if tree.find(exp.QueryTransform):
        raise ConfigError("the query starts a program with TRANSFORM; queries only read")
    for function in tree.find_all(exp.Func):
        if (name := _function_name(function)) in _REFUSED_FUNCTIONS:
            raise ConfigError(f"the query calls {name}, which does more than read")
    return tree


def _function_name(function: exp.Func) -> str:
    name = function.name if isinstance(function, exp.Anonymous) else function.sql_name()
    return name.lower()


def _refused(what: str) -> ConfigError:
    return ConfigError(
        f"a query is one SELECT, WITH … SELECT, SHOW TABLES or DESCRIBE TABLE, not {what}"
    )


def _first_line(error: Exception) -> str:
    """Return a parser's message without its copy of the query and its colours."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line.partition(" but got <Token")[0].partition(" into <class")[0].rstrip(".")
