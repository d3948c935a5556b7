"""What counts in a SQL text, which tables it reads, and which of its functions answer differently each time."""

from __future__ import annotations

import pytest

from odibi_assets.identify.sql_statement import BadStatement, parse_statement

SAME = [
    ("select a from t", "select  a\n\tfrom\n\n t"),
    ("select a from t", "select a from t;"),
    ("select a from t", "\n  select a from t ;\n\n"),
    ("select a from t", "select a -- the a\nfrom t"),
    ("select a from t", "-- first\nselect a from t -- last"),
    ("select a from t", "select /* the\n a */ a from t"),
    ("select a from t", "select a from t /* -- */"),
    ("select a from t", "select a from t -- it's"),
    ("select 'x' from t", "select 'x' -- x\nfrom t"),
    ("select 'x' from t", "select 'x' /* 'y' */ from t"),
    ("select 'it''s' from t", "select 'it''s'-- 's\nfrom t"),
    ('select "a" from t', 'select "a" -- "b"\nfrom t'),
    ("select $$x$$ from t", "select $$x$$ -- y\nfrom t"),
    ("select 1 from t", "select 1--2\nfrom t"),
    ("select 'é' from t", "select 'é' -- ü\nfrom t"),
    ("select e'it\\'s' from t", "select e'it\\'s' -- x\nfrom t"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_comments_and_blanks_outside_literals_do_not_count(one: str, other: str) -> None:
    assert parse_statement(one).text == parse_statement(other).text


OTHER = [
    ("select 'a b' from t", "select 'a  b' from t"),
    ("select '--x' from t", "select '--y' from t"),
    ("select '/*x*/' from t", "select '/*y*/' from t"),
    ("select 'a\nb' from t", "select 'a b' from t"),
    ("select 'it''s --x' from t", "select 'it''s --y' from t"),
    ('select "a--b" from t', 'select "a--c" from t'),
    ('select "a  b" from t', 'select "a b" from t'),
    ("select $$--x$$ from t", "select $$--y$$ from t"),
    ("select $q$a$$--x$q$ from t", "select $q$a$$--y$q$ from t"),
    ("select e'it\\'s --x' from t", "select e'it\\'s --y' from t"),
    ("select a from t", "select A from t"),
    ("select a from t", "SELECT a from t"),
    ("select 1 from t", "select 1.0 from t"),
    ("select 1 from t", "select 2 from t"),
    ("select a, b from t", "select b, a from t"),
    ("select a from t", "select a from u"),
    ("select ab from t", "select a b from t"),
    ("select '' from t", "select ' ' from t"),
    ("select ';' from t", "select '' from t"),
    ("select 'x;' from t", "select 'x' from t"),
]


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_literals_names_and_everything_else_count(one: str, other: str) -> None:
    assert parse_statement(one).text != parse_statement(other).text


TABLES = {
    "select * from a": {"a"},
    "from a": {"a"},
    "table a": {"a"},
    'select * from "my table"': {"my table"},
    "select 1": set(),
    "select * from range(3)": set(),
    "select * from unnest([1, 2])": set(),
    "select * from a join b using (x), c": {"a", "b", "c"},
    "select * from a union all select * from b": {"a", "b"},
    "select (select max(x) from b) from a": {"a", "b"},
    "select * from a where x in (select x from b)": {"a", "b"},
    "select * from a where exists (from b where b.x = a.x)": {"a", "b"},
    "select * from a, lateral (select * from b where b.x = a.x)": {"a", "b"},
    "select * from a limit (select count(*) from b)": {"a", "b"},
    "select * from a order by (select max(x) from b)": {"a", "b"},
    "select x, row_number() over (order by (select 1 from b)) from a": {"a", "b"},
    "with c as (select * from a) select * from c": {"a"},
    "with c as (select * from a), d as (select * from c, b) select * from d": {"a", "b"},
    "with a as (select * from a) select * from a": {"a"},
    "with recursive n as (select 1 as x union all select x + 1 from n where x < 3) select * from n, b": {"b"},
    "select * from (with c as (from a) from c) as s, b": {"a", "b"},
    "select * from a as x, x as y": {"a", "x"},
}


@pytest.mark.parametrize("sql", TABLES, ids=list(TABLES))
def test_the_tables_it_reads_are_found(sql: str) -> None:
    assert parse_statement(sql).tables == TABLES[sql]


@pytest.mark.parametrize(
    ("sql", "message", "line"),
    [
        ("selec 1", "syntax error", 1),
        ("select a\nfrom t\nwhere where", "syntax error", 3),
        ("select 'x", "unterminated", 1),
        ("select 1; select 2", "2 statements", 1),
        ("", "0 statements", 1),
        ("-- nothing", "0 statements", 1),
        ("create table x as select 1", "Only SELECT", 1),
        ("insert into a values (1)", "Only SELECT", 1),
        ("copy a to 'x.csv'", "Only SELECT", 1),
        ("attach 'x.db'", "Only SELECT", 1),
        ("set threads = 1", "Only SELECT", 1),
        ("install httpfs", "Only SELECT", 1),
        ("drop table a", "Only SELECT", 1),
        ("pivot t on k using sum(v)", "name them, as in ON name IN ('a', 'b')", 1),
        ("select * from 'x.csv'", "'x.csv' reads a file", 1),
        ('select * from "data/x.parquet"', "reads a file", 1),
        ("select * from read_csv('x.csv')", "read_csv(…) reads a file", 1),
        ("select * from a, read_parquet('x')", "read_parquet(…) reads a file", 1),
        ("select (select max(x) from glob('*')) from a", "glob(…) reads a file", 1),
        ("with c as (from read_json('x')) from c", "read_json(…) reads a file", 1),
        ("select * from sqlite_scan('a', 'b')", "reads a file or an unknown source", 1),
        ("select * from duckdb_settings()", "unknown source", 1),
        ("select * from query('select 1')", "unknown source", 1),
        ("select * from query_table('a')", "unknown source", 1),
        ("select * from main.a", "unknown source", 1),
        ("select * from information_schema.tables", "unknown source", 1),
    ],
)
def test_what_is_not_one_select_over_tables_is_refused(sql: str, message: str, line: int) -> None:
    with pytest.raises(BadStatement) as caught:
        parse_statement(sql)
    assert message in str(caught.value)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "sql", ["select current_date from a", "select today() from a", "select a from t where d < CURRENT_DATE - 1"]
)
def test_todays_date_becomes_part_of_the_key(sql: str) -> None:
    statement = parse_statement(sql)
    assert statement.takes_date
    assert statement.obstacles == ()


VOLATILE = {
    "select now() from a": "clock",
    "select NOW() from a": "clock",
    "select current_timestamp from a": "clock",
    "select get_current_timestamp() from a": "clock",
    "select current_time from a": "clock",
    "select localtime from a": "clock",
    "select localtimestamp from a": "clock",
    "select transaction_timestamp() from a": "clock",
    "select age(d) from a": "clock",
    "select x from a where d > now() - interval 1 day": "clock",
    "select strftime(now(), '%Y') from a": "clock",
    "select x from a qualify row_number() over (order by now()) = 1": "clock",
    "select random() from a": "random",
    "select uuid() from a": "random",
    "select gen_random_uuid() from a": "random",
    "select x from a order by random()": "random",
    "select sum(x) over (order by random()) from a": "random",
    "select list_transform([1], lambda x: x + random()) from a": "random",
    "with c as (select random() as r from a) from c": "random",
    "select * from a using sample 10": "random",
    "select * from a tablesample 10%": "random",
    "select * from (select * from a tablesample 10%) join b using (x)": "random",
    "select current_setting('threads') from a": "settings",
    "select version() from a": "settings",
    "select getvariable('x') from a": "settings",
    "select current_schema() from a": "settings",
    "select nextval('s') from a": "clock",
    "select current_query() from a": "settings",
    "select current_schemas(true) from a": "settings",
}


@pytest.mark.parametrize("sql", VOLATILE, ids=list(VOLATILE))
def test_what_answers_differently_each_time_is_an_obstacle(sql: str) -> None:
    assert [obstacle.kind for obstacle in parse_statement(sql).obstacles] == [VOLATILE[sql]]


PURE = [
    "select sum(x), count(*), avg(x), median(x), string_agg(x, ',' order by x) from a group by all",
    "select round(x, 2), upper(s), s like 'a%', regexp_replace(s, 'a', 'b') from a",
    "select date_trunc('day', d), d + interval 1 day, extract(year from d), age(d, e), strftime(d, '%Y') from a",
    "select cast(x as integer), x::double, try_cast(s as date), coalesce(x, 0), case when x > 1 then 2 end from a",
    "select row_number() over (partition by x order by y), lag(x) over (order by y) from a",
    "select md5(s), hash(x), list_sort([x]), json_group_object(s, x), error(s), {'a': x}, x in (1, 2) from a",
    "select a.*, b.x, columns('n.*') from a left join b on a.x = b.x",
    "select now, today, current_time_zone, localtime_minutes, current_timestamp_utc, random from a",
    "select * from a tablesample reservoir(10 rows) repeatable (7)",
    "select geometric_mean(x), weighted_avg(x, y), array_append([x], y) from a",
    "select to_timestamp(x), epoch(d), make_date(2013, 1, 1), to_days(x), d at time zone 'Europe/Paris' from a",
]  # fmt: skip


@pytest.mark.parametrize("sql", PURE)
def test_what_answers_the_same_is_no_obstacle(sql: str) -> None:
    statement = parse_statement(sql)
    assert statement.obstacles == ()
    assert not statement.takes_date


@pytest.mark.parametrize("call", ["ago(interval 1 day)", "pg_conf_load_time()"])
def test_a_macro_is_judged_by_what_it_expands_to(call: str) -> None:
    assert [obstacle.kind for obstacle in parse_statement(f"select {call} from a").obstacles] == ["macro"]


UNORDERED = [
    "select k, count(*) from t group by k",
    "select k, count(*) from t group by all",
    "select distinct k from t",
    "pivot t on k in ('a', 'b') using sum(v)",
    "select * from t join u using (k)",
    "select * from t, u",
    "select * from t left join u on t.k = u.k where v > 1",
    "select k from t union select k from u",
    "select k from t except select k from u",
    "select k from t intersect all select k from u union select 1",
    "select * from (select distinct k from t)",
    "with x as (select distinct k from t) select * from x where k > 1",
    "with x as (select distinct k from t), y as (select * from x) select * from y",
    "select k from t union all (select distinct k from u)",
    "select * from t join (select * from u order by k) as o using (k)",
    "select distinct k from t limit 3",
]
ORDERED = [
    "select * from t",
    "select * from t where k > 1 limit 3",
    "unpivot t on v, w",
    "select k, count(*) from t group by k order by k",
    "select distinct k from t order by all",
    "select * from t join u using (k) order by t.k",
    "select k from t union all select k from u",
    "select k from t union select k from u order by k",
    "select * from (select distinct k from t order by k)",
    "with x as (select distinct k from t order by k) select * from x",
    "with t as (select distinct k from u) select * from v",
    "select * from t positional join u",
]


@pytest.mark.parametrize("sql", UNORDERED)
def test_what_promises_no_order_is_known(sql: str) -> None:
    assert parse_statement(sql).is_unordered


@pytest.mark.parametrize("sql", ORDERED)
def test_what_keeps_or_makes_an_order_promises_it(sql: str) -> None:
    assert not parse_statement(sql).is_unordered
